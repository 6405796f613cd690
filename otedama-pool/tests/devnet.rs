//! The embedded chain judges blocks as a real node does. Blocks are taken apart, changed and put together again by
//! rust-bitcoin, so that the pool's block building and the chain cannot share a mistake.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/mining.rs"]
mod mining;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::hashes::Hash as _;
use bitcoin::{Block, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Witness};
use otedama_core::{Algorithm, Amount, CompactTarget, Hash256, Header, UnixTime};
use otedama_pool::node::devnet::opaque_transaction;
use otedama_pool::node::{BlockStatus, Devnet, DevnetConfig, DevnetError, Node, Submission};
use otedama_pool::{Chain, Coin, Template};

use mining::{candidate, halves, miss_header, pay_all, solve, solve_header};

const NOW: u64 = 1_800_000_000;
const SUBSIDY: Amount = Amount::from_atomic(5_000_000_000);
const EASY: CompactTarget = CompactTarget::from_bits(0x207f_ffff);
/// Pays to a witness key hash of twenty times seven.
const SCRIPT: [u8; 22] = [0, 20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

fn config(algorithm: Algorithm) -> DevnetConfig {
    DevnetConfig::new(algorithm, EASY, SUBSIDY, Arc::new(|| UnixTime::from_secs(NOW)))
}

fn devnet() -> Devnet {
    Devnet::new(config(Algorithm::SHA256D)).unwrap()
}

fn give(node: &Devnet, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        node.add_transaction(&opaque_transaction(seed), Amount::from_atomic(1000)).unwrap();
    }
}

fn mine(node: &Devnet) -> Hash256 {
    let template = node.template().unwrap();
    let block = solve(&template, Algorithm::SHA256D, &pay_all(&template, &SCRIPT));
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    Hash256::sha256d(&block[..80])
}

#[test]
fn blocks_of_both_algorithms_are_accepted_and_another_implementation_agrees() {
    for algorithm in [Algorithm::SHA256D, Algorithm::SCRYPT] {
        let node = Devnet::new(config(algorithm)).unwrap();
        let mut seed = 0;
        // Up to height 16 the height is an opcode, which rust-bitcoin does not read.
        for _ in 0..16 {
            let template = node.template().unwrap();
            let block = solve(&template, algorithm, &pay_all(&template, &SCRIPT));
            assert_eq!(node.submit(&block), Ok(Submission::Known));
        }
        for (height, others) in (17..).zip([0, 1, 2, 3, 7, 300]) {
            give(&node, seed..seed + others);
            seed += others;
            let template = node.template().unwrap();
            template.check(&Coin::devnet(algorithm), Chain::Regtest).unwrap();
            assert_eq!(template.coinbase_value.atomic(), 5_000_000_000 + 1000 * u128::from(others));
            let other = [&[0x76, 0xa9, 20][..], &[9; 20], &[0x88, 0xac]].concat();
            let bytes = solve(&template, algorithm, &halves(&template, &SCRIPT, &other));
            assert_eq!(node.propose(&bytes), Ok(Some(Submission::Known)));
            assert_eq!(node.submit(&bytes), Ok(Submission::Known));
            check_with_rust_bitcoin(&bytes, &template, height, others);
        }
        assert_eq!(node.tip_height(), 22);
        assert_eq!(node.blocks().len(), 22);
    }
}

fn check_with_rust_bitcoin(bytes: &[u8], template: &Template, height: u64, others: u64) {
    let block: Block = deserialize(bytes).unwrap();
    assert_eq!(serialize(&block), bytes);
    assert!(block.check_merkle_root() && block.check_witness_commitment());
    assert_eq!(block.bip34_block_height(), Ok(height));
    assert_eq!(u64::try_from(block.txdata.len()).unwrap(), 1 + others);
    for (theirs, ours) in block.txdata.iter().skip(1).zip(&template.transactions) {
        assert_eq!(theirs.compute_txid().as_byte_array(), ours.txid.as_internal());
        assert_eq!(theirs.compute_wtxid().as_byte_array(), ours.wtxid.as_internal());
        assert_eq!(theirs.weight().to_wu(), ours.weight);
        assert_eq!(u64::try_from(theirs.total_sigop_cost(|_| None)).unwrap(), ours.sigops);
    }
    let coinbase = block.coinbase().unwrap();
    assert_eq!(coinbase.version.0, 2);
    assert_eq!(u64::from(coinbase.lock_time.to_consensus_u32()), height - 1, "as BIP 54 asks");
    assert_ne!(coinbase.input[0].sequence, Sequence::MAX, "as BIP 54 asks");
    let paid: u64 = coinbase.output.iter().map(|output| output.value.to_sat()).sum();
    assert_eq!(u128::from(paid), template.coinbase_value.atomic());
    let total = block.weight().to_wu();
    let parts: u64 = block.txdata.iter().map(|transaction| transaction.weight().to_wu()).sum();
    assert!(total > parts && total < 4_000_000);
}

type Change = fn(&mut Block);

/// Refusals in the words of litecoind and bitcoind.
#[test]
fn every_rule_is_kept() {
    let table: [(&str, Change); 16] = [
        ("bad-txnmrklroot", |block| block.header.merkle_root = bitcoin::TxMerkleNode::all_zeros()),
        ("bad-txns-duplicate", |block| block.txdata.push(block.txdata[2].clone())),
        ("bad-diffbits", |block| block.header.bits = bitcoin::CompactTarget::from_consensus(0x207f_fffe)),
        ("time-too-old", |block| block.header.time = 1_296_688_602),
        ("time-too-new", |block| block.header.time += 7201),
        ("bad-version(0x00000001)", |block| {
            block.header.version = bitcoin::block::Version::from_consensus(1)
        }),
        ("prev-blk-not-found", |block| block.header.prev_blockhash = bitcoin::BlockHash::all_zeros()),
        ("bad-cb-amount", |block| block.txdata[0].output[0].value += bitcoin::Amount::from_sat(1)),
        ("bad-cb-height", |block| set_script_sig(block, "52feff")),
        ("bad-cb-length", |block| set_script_sig(block, &format!("51{}", "00".repeat(100)))),
        ("bad-cb-length", |block| set_script_sig(block, "51")),
        ("bad-cb-missing", |block| {
            block.txdata.remove(0);
        }),
        ("bad-cb-multiple", |block| block.txdata.push(block.txdata[0].clone())),
        ("bad-txns-vout-empty", |block| block.txdata[0].output.clear()),
        ("bad-txns-nonfinal", |block| {
            block.txdata[0].lock_time = bitcoin::absolute::LockTime::from_consensus(1);
        }),
        ("bad-txns-inputs-missingorspent", |block| {
            let outpoint = OutPoint { txid: bitcoin::Txid::all_zeros(), vout: 7 };
            let input = TxIn { previous_output: outpoint, ..TxIn::default() };
            let output = TxOut { value: bitcoin::Amount::ZERO, script_pubkey: ScriptBuf::new() };
            let mut stranger = block.txdata[1].clone();
            (stranger.input, stranger.output) = (vec![input], vec![output]);
            block.txdata.push(stranger);
            recommit(block);
        }),
    ];
    for (expected, change) in table {
        let node = devnet();
        give(&node, 0..2);
        let mut block = good_block(&node);
        let root = block.header.merkle_root;
        change(&mut block);
        if block.header.merkle_root == root && expected != "bad-txns-duplicate" {
            block.header.merkle_root = block.compute_merkle_root().unwrap();
        }
        assert_eq!(node.submit(&solved(block)), Ok(Submission::Refused(expected.into())), "{expected}");
        assert_eq!(node.tip_height(), 0);
        mine(&node);
    }
}

#[test]
fn witnesses_are_judged() {
    let table: [(&str, Change); 5] = [
        ("bad-witness-merkle-match", |block| {
            let witness = &mut block.txdata[1].input[0].witness;
            *witness = Witness::from_slice(&[[1]]);
        }),
        ("bad-witness-nonce-size", |block| {
            block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 31]])
        }),
        ("bad-witness-nonce-size", |block| block.txdata[0].input[0].witness = Witness::new()),
        ("bad-witness-merkle-match", |block| {
            block.txdata[0].input[0].witness = Witness::from_slice(&[[1; 32]]);
        }),
        ("unexpected-witness", |block| {
            block.txdata[0].output.pop();
        }),
    ];
    for (expected, change) in table {
        let node = devnet();
        give(&node, 0..2);
        let mut block = good_block(&node);
        change(&mut block);
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        assert_eq!(node.submit(&solved(block)), Ok(Submission::Refused(expected.into())), "{expected}");
    }
    let node = devnet();
    let mut bare = good_block(&node);
    bare.txdata[0].output.pop();
    bare.txdata[0].input[0].witness = Witness::new();
    bare.header.merkle_root = bare.compute_merkle_root().unwrap();
    assert_eq!(
        node.submit(&solved(bare)),
        Ok(Submission::Known),
        "without witnesses no commitment is needed"
    );
}

#[test]
fn work_is_checked_in_a_submission_but_not_in_a_proposal() {
    for algorithm in [Algorithm::SHA256D, Algorithm::SCRYPT] {
        let node = Devnet::new(config(algorithm)).unwrap();
        let template = node.template().unwrap();
        let (header, coinbase) = candidate(&template, algorithm, &pay_all(&template, &SCRIPT));
        let missed = miss_header(header, algorithm, template.nbits.target().unwrap());
        let block = template.block(&missed, &coinbase);
        assert_eq!(node.propose(&block), Ok(Some(Submission::Known)));
        assert_eq!(node.submit(&block), Ok(Submission::Refused("high-hash".into())));
        let mut greedy = template.clone();
        greedy.coinbase_value = Amount::from_atomic(5_000_000_001);
        let (header, coinbase) = candidate(&greedy, algorithm, &pay_all(&greedy, &SCRIPT));
        let caught = Ok(Some(Submission::Refused("bad-cb-amount".into())));
        assert_eq!(node.propose(&greedy.block(&header, &coinbase)), caught);
    }
}

#[test]
fn what_is_no_block_is_not_decoded() {
    let node = devnet();
    let template = node.template().unwrap();
    let block = solve(&template, Algorithm::SHA256D, &pay_all(&template, &SCRIPT));
    let refused = Ok(Submission::Refused("Block decode failed".into()));
    for length in 0..block.len() {
        assert_eq!(node.submit(&block[..length]), refused, "cut to {length} bytes");
    }
    assert_eq!(node.submit(&[block.as_slice(), &[0]].concat()), refused);
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    assert_eq!(node.submit(&block), Ok(Submission::Known), "a second time is no loss");
}

#[test]
fn branches_compete_and_confirmations_follow() {
    let node = devnet();
    let old = node.template().unwrap();
    let first = mine(&node);
    let rival = solve(&old, Algorithm::SHA256D, &halves(&old, &SCRIPT, &[0x51]));
    let rival_hash = Hash256::sha256d(&rival[..80]);
    assert_eq!(node.submit(&rival), Ok(Submission::Inconclusive));
    assert_eq!(node.propose(&rival), Ok(Some(Submission::Inconclusive)));
    let second = mine(&node);
    let status = |height, confirmations| Ok(Some(BlockStatus { height, confirmations }));
    assert_eq!(node.block(first), status(1, Some(2)));
    assert_eq!(node.block(second), status(2, Some(1)));
    assert_eq!(node.block(rival_hash), status(1, None));
    assert_eq!(node.block(Hash256::ZERO), Ok(None));

    assert_eq!(node.invalidate(first), Ok(true));
    assert_eq!(node.invalidate(first), Ok(false));
    assert_eq!(node.tip(), Ok(rival_hash));
    assert_eq!(node.block(rival_hash), status(1, Some(1)));
    assert_eq!(node.block(second), status(2, None));
    let dead = deserialize::<Block>(&rival).unwrap();
    assert_eq!(node.submit(&serialize(&dead)), Ok(Submission::Known));
    mine(&node);
    assert_eq!(node.tip_height(), 2);
}

#[test]
fn transactions_come_back_after_a_reorganisation() {
    let node = devnet();
    give(&node, 0..3);
    let block = mine(&node);
    assert_eq!(node.template().unwrap().transactions.len(), 0);
    node.invalidate(block).unwrap();
    assert_eq!(node.template().unwrap().transactions.len(), 3);
    let again = node.add_transaction(&opaque_transaction(0), Amount::ZERO);
    assert_eq!(again, Err(DevnetError::Transaction("txn-already-known".into())));
    assert!(node.add_transaction(&[1, 2, 3], Amount::ZERO).is_err());
}

#[test]
fn a_new_tip_wakes_who_waits() {
    let node = devnet();
    let seen = node.template().unwrap();
    assert_eq!(node.next_template(&seen, Duration::ZERO), Ok(None));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| node.next_template(&seen, Duration::from_secs(600)).unwrap().unwrap());
        let tip = mine(&node);
        assert_eq!(waiting.join().unwrap().previous, tip);
    });
    let seen = node.template().unwrap();
    give(&node, 0..1);
    let news = node.next_template(&seen, Duration::ZERO).unwrap().unwrap();
    assert_eq!((news.previous, news.transactions.len()), (seen.previous, 1));
}

#[test]
fn time_follows_the_chain_where_the_clock_stands_still() {
    let clock = Arc::new(AtomicU64::new(NOW));
    let reading = clock.clone();
    let clock_of = Arc::new(move || UnixTime::from_secs(reading.load(Ordering::SeqCst)));
    let node = Devnet::new(DevnetConfig::new(Algorithm::SHA256D, EASY, SUBSIDY, clock_of)).unwrap();
    for _ in 0..30 {
        mine(&node);
    }
    clock.store(NOW - 3600, Ordering::SeqCst);
    let template = node.template().unwrap();
    assert!(u64::from(template.curtime) >= NOW && template.curtime == template.mintime);
    mine(&node);
}

#[test]
fn a_chain_survives_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let config = || config(Algorithm::SHA256D).with_file(&path);
    let node = Devnet::new(config()).unwrap();
    give(&node, 0..2);
    let first = mine(&node);
    let doomed = mine(&node);
    node.invalidate(doomed).unwrap();
    give(&node, 2..3);
    assert_eq!(Devnet::new(config()).unwrap_err(), DevnetError::FileInUse);
    drop(node);

    let node = Devnet::new(config()).unwrap();
    assert_eq!((node.tip(), node.tip_height()), (Ok(first), 1));
    assert_eq!(node.template().unwrap().transactions.len(), 1);
    let second = mine(&node);
    drop(node);

    let whole = std::fs::read(&path).unwrap();
    for torn in 1..60 {
        std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
        let node = Devnet::new(config()).unwrap();
        assert_eq!(node.tip(), Ok(first), "the torn block is gone, all before it is there");
        assert_eq!(mine(&node), second);
    }
    std::fs::write(&path, &whole).unwrap();
    let mut harder = config();
    harder.nbits = CompactTarget::from_bits(0x1f00_ffff);
    assert!(matches!(Devnet::new(harder).unwrap_err(), DevnetError::OtherChain { .. }));
    std::fs::write(&path, "dear diary").unwrap();
    assert_eq!(Devnet::new(config()).unwrap_err(), DevnetError::FileDamaged { offset: 0 });
    assert_eq!(std::fs::read(&path).unwrap(), b"dear diary", "a file of someone else is left alone");
    let mut damaged = whole.clone();
    damaged[200] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    assert!(matches!(Devnet::new(config()).unwrap_err(), DevnetError::FileDamaged { .. }));
}

fn good_block(node: &Devnet) -> Block {
    let template = node.template().unwrap();
    deserialize(&solve(&template, Algorithm::SHA256D, &pay_all(&template, &SCRIPT))).unwrap()
}

fn solved(block: Block) -> Vec<u8> {
    let bytes = serialize(&block);
    let header = Header::new(&bytes[..80]).unwrap();
    let solved = solve_header(header, Algorithm::SHA256D, EASY.target().unwrap());
    [solved.as_bytes(), &bytes[80..]].concat()
}

fn set_script_sig(block: &mut Block, hex: &str) {
    block.txdata[0].input[0].script_sig = ScriptBuf::from_hex(hex).unwrap();
}

/// Puts the commitment to the block's present transactions into its coinbase.
fn recommit(block: &mut Block) {
    let root = block.witness_root().unwrap();
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], commitment.as_byte_array().as_slice()].concat();
    block.txdata[0].output.last_mut().unwrap().script_pubkey = ScriptBuf::from_bytes(script);
}
