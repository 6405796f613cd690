//! Coinbases and blocks of templates, read back by rust-bitcoin, and templates that must not be mined on.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/mining.rs"]
mod mining;

use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize;
use bitcoin::hashes::Hash as _;
use otedama_core::{Algorithm, Amount, CompactTarget, Extranonce, Hash256, UnixTime};
use otedama_pool::node::devnet::opaque_transaction;
use otedama_pool::{
    Chain, Coin, CoinbaseOutput, CoinbasePlan, Marker, Template, TemplateError, TemplateTransaction,
};
use proptest::prelude::*;

use mining::pay_all;

const SCRIPT: [u8; 22] = [0, 20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
const BITS: CompactTarget = CompactTarget::from_bits(0x207f_ffff);
const MARKER: Marker = Marker { node: 0x0102, boot: 0x0304_0506, job: 0x0708_090a };

fn bare(height: u32) -> Template {
    Template::new(height, Hash256::ZERO, BITS, 1_800_000_000, Amount::from_atomic(5_000_000_000))
}

/// A template with transactions whose commitment another implementation computed.
fn with_transactions(count: u64) -> Template {
    let mut template = bare(100);
    template.transactions = (0..count).map(transaction).collect();
    let ids =
        template.transactions.iter().map(|one| bitcoin::Wtxid::from_byte_array(*one.wtxid.as_internal()));
    let leaves = std::iter::once(bitcoin::Wtxid::all_zeros()).chain(ids);
    let root = bitcoin::merkle_tree::calculate_root(leaves).unwrap();
    let root = bitcoin::WitnessMerkleNode::from_byte_array(root.to_byte_array());
    let commitment = bitcoin::Block::compute_witness_commitment(&root, &[0; 32]);
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], commitment.as_byte_array().as_slice()].concat();
    template.witness_commitment = Some(script.into());
    template
}

fn transaction(seed: u64) -> TemplateTransaction {
    let data = opaque_transaction(seed);
    let read: Transaction = deserialize(&data).unwrap();
    TemplateTransaction {
        txid: Hash256::from_internal(read.compute_txid().to_byte_array()),
        wtxid: Hash256::from_internal(read.compute_wtxid().to_byte_array()),
        data: data.into(),
        fee: Some(Amount::ZERO),
        sigops: 1,
        weight: read.weight().to_wu(),
    }
}

fn coinbase(template: &Template, plan: &CoinbasePlan) -> Transaction {
    let halves = template.coinbase(plan).unwrap();
    let extranonce = Extranonce::new(&vec![0xee; plan.extranonce_len()]).unwrap();
    deserialize(&halves.transaction(&extranonce, &Extranonce::EMPTY)).unwrap()
}

/// Heights where the encoding changes, each with the longest tag and the longest extranonce.
#[test]
fn every_height_leaves_room_for_the_longest_tag() {
    for height in
        [0, 1, 16, 17, 127, 128, 255, 256, 32767, 32768, 65535, 8_388_607, 8_388_608, 1 << 31, u32::MAX]
    {
        for extranonce_len in [1, 8, 12, 32] {
            let tag = vec![b'/'; CoinbasePlan::longest_tag(extranonce_len).unwrap()];
            let template = bare(height);
            let outputs = vec![CoinbaseOutput { script: SCRIPT.into(), amount: template.coinbase_value }];
            let plan = CoinbasePlan::new(&tag, extranonce_len, MARKER, outputs).unwrap();
            let read = coinbase(&template, &plan);
            let script = read.input[0].script_sig.as_bytes();
            assert!((2..=100).contains(&script.len()), "{} bytes at height {height}", script.len());
            let height_push = bitcoin::script::Builder::new().push_int(i64::from(height)).into_script();
            let unique = [&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..], &vec![0xee; extranonce_len]].concat();
            let rest = script.strip_prefix(height_push.as_bytes()).unwrap();
            let rest = rest.strip_prefix(&[u8::try_from(unique.len()).unwrap()]).unwrap();
            let rest = rest.strip_prefix(unique.as_slice()).unwrap();
            assert_eq!(rest, [&[u8::try_from(tag.len()).unwrap()], tag.as_slice()].concat());
            let lock = read.lock_time.to_consensus_u32();
            assert_eq!((lock, read.input[0].sequence.0), (height.saturating_sub(1), 0xffff_fffe));
        }
    }
}

#[test]
fn plans_that_cannot_fit_are_refused_at_once() {
    let plan = |tag: usize, len| CoinbasePlan::new(&vec![0; tag], len, MARKER, Vec::new()).map(|_| ());
    assert_eq!(plan(0, 0), Err(TemplateError::ExtranonceLength(0)));
    assert_eq!(plan(0, 33), Err(TemplateError::ExtranonceLength(33)));
    assert_eq!((plan(70, 12), plan(71, 12)), (Ok(()), Err(TemplateError::TagTooLong { len: 71, limit: 70 })));
    assert_eq!(plan(76, 1), Err(TemplateError::TagTooLong { len: 76, limit: 75 }));
    assert_eq!((CoinbasePlan::longest_tag(0), CoinbasePlan::longest_tag(33)), (None, None));
}

#[test]
fn a_coinbase_pays_all_and_not_more() {
    let template = with_transactions(2);
    let pay = |amounts: &[u128]| {
        let outputs = amounts
            .iter()
            .map(|units| CoinbaseOutput { script: SCRIPT.into(), amount: Amount::from_atomic(*units) });
        template.coinbase(&mining::plan(outputs.collect())).map(|_| ())
    };
    let value = template.coinbase_value;
    let unbalanced = |paid| Err(TemplateError::Unbalanced { paid: Amount::from_atomic(paid), value });
    assert_eq!(pay(&[5_000_000_000]), Ok(()));
    assert_eq!(pay(&[4_999_999_999, 1]), Ok(()));
    assert_eq!(pay(&[4_999_999_999]), unbalanced(4_999_999_999));
    assert_eq!(pay(&[5_000_000_000, 1]), unbalanced(5_000_000_001));
    assert_eq!(pay(&[]), unbalanced(0));
    assert_eq!(pay(&[u128::MAX, 5_000_000_001]), unbalanced(u128::MAX));
    let mut free = bare(1);
    free.coinbase_value = Amount::ZERO;
    assert_eq!(free.coinbase(&mining::plan(Vec::new())).map(|_| ()), Err(TemplateError::NoOutputs));
}

#[test]
fn the_limits_hold_with_our_coinbase_in_the_block() {
    let mut template = with_transactions(3);
    let plan = pay_all(&template, &SCRIPT);
    let bytes = mining::solve(&template, Algorithm::SHA256D, &plan);
    let exact = deserialize::<bitcoin::Block>(&bytes).unwrap().weight().to_wu();
    template.weight_limit = exact;
    assert!(template.coinbase(&plan).is_ok(), "a full block");
    template.weight_limit = exact - 1;
    assert_eq!(template.coinbase(&plan), Err(TemplateError::Weight { weight: exact, limit: exact - 1 }));

    template.weight_limit = exact * 2;
    let key_hash = [&[0x76, 0xa9, 20][..], &[9; 20], &[0x88, 0xac]].concat();
    let plan = pay_all(&template, &key_hash);
    template.sigop_limit = 3 + 4;
    assert!(template.coinbase(&plan).is_ok(), "an output to a key hash counts four times");
    template.sigop_limit = 3 + 3;
    assert_eq!(template.coinbase(&plan), Err(TemplateError::Sigops { sigops: 7, limit: 6 }));
    // Operations inside a push are data, and a script that breaks off ends the count, as in the nodes.
    for (script, sigops) in
        [(&[0x02, 0xac, 0xac, 0xac][..], 4), (&[0xae], 80), (&[0xac, 0x4d, 0xff], 4), (&[0x05, 0xac], 0)]
    {
        let counted = bitcoin::Script::from_bytes(script).count_sigops_legacy();
        assert_eq!(4 * counted, sigops);
        template.sigop_limit = 2 + u64::try_from(sigops).unwrap();
        assert!(template.coinbase(&pay_all(&template, script)).is_err(), "{script:?}");
        template.sigop_limit += 1;
        assert!(template.coinbase(&pay_all(&template, script)).is_ok(), "{script:?}");
    }
}

type Change = fn(&mut Template);

#[test]
fn templates_that_make_no_block_are_refused() {
    let coin = Coin::devnet(Algorithm::SHA256D);
    let check = |template: &Template| template.check(&coin, Chain::Regtest);
    assert_eq!(check(&with_transactions(3)), Ok(()));
    assert_eq!(check(&bare(1)), Ok(()));
    let table: [(Change, TemplateError); 11] = [
        (|t| t.nbits = CompactTarget::from_bits(0), otedama_core::CompactError::Zero(0).into()),
        (
            |t| t.mintime = t.curtime + 1,
            TemplateError::Time { curtime: 1_800_000_000, mintime: 1_800_000_001 },
        ),
        (
            |t| t.coinbase_value = Amount::ZERO,
            TemplateError::Value { value: Amount::ZERO, allowed: coin.max_supply },
        ),
        (|t| t.witness_commitment = None, TemplateError::CommitmentMissing),
        (|t| t.witness_commitment = Some([].into()), TemplateError::CommitmentWrong),
        (|t| t.transactions.swap(0, 1), TemplateError::CommitmentWrong),
        (|t| t.transactions.truncate(2), TemplateError::CommitmentWrong),
        (|t| t.mweb = Some([0].into()), TemplateError::Mweb),
        (|t| t.transactions[2].data[5] |= 8, TemplateError::Mweb),
        (|t| t.sigop_limit = 2, TemplateError::Sigops { sigops: 3, limit: 2 }),
        (|t| t.transactions = vec![transaction(0); 25_001], TemplateError::TransactionCount(25_001)),
    ];
    for (change, error) in table {
        let mut template = with_transactions(3);
        change(&mut template);
        assert_eq!(check(&template), Err(error));
    }
    let mut heavy = with_transactions(1);
    heavy.transactions[0].weight = u64::MAX;
    assert_eq!(check(&heavy), Err(TemplateError::Weight { weight: u64::MAX, limit: 4_000_000 }));
    let mut first = with_transactions(2);
    first.transactions[0].data[5] |= 8;
    first.mweb = Some([0].into());
    assert_eq!(check(&first), Err(TemplateError::Mweb), "the HogEx must stand last");
}

#[test]
fn a_value_above_subsidy_and_fees_is_refused() {
    let mut template = with_transactions(2);
    let check = |template: &Template| template.check(&Coin::BITCOIN, Chain::Main);
    assert_eq!(check(&template), Ok(()), "height 100 makes 50 coins");
    template.transactions[1].fee = Some(Amount::from_atomic(300));
    template.coinbase_value = Amount::from_atomic(5_000_000_300);
    assert_eq!(check(&template), Ok(()));
    // The fees of transactions that are no longer there.
    template.transactions[1].fee = Some(Amount::ZERO);
    let (value, allowed) = (template.coinbase_value, Amount::from_atomic(5_000_000_000));
    assert_eq!(check(&template), Err(TemplateError::Value { value, allowed }));
    template.transactions[1].fee = Some(Amount::from_atomic(u128::MAX));
    assert!(matches!(check(&template), Err(TemplateError::Value { .. })));
    let mut late = bare(34 * 210_000);
    late.coinbase_value = Amount::ZERO;
    assert_eq!(check(&late), Ok(()), "nothing is left of the subsidy");
}

#[test]
fn bits_that_the_version_has_set_are_not_rolled() {
    let mut template = bare(1);
    assert_eq!(template.rolling_mask(0x1fff_e000), 0x1fff_e000);
    template.version = 0x3000_0010;
    assert_eq!(template.rolling_mask(0x1fff_e000), 0x0fff_e000);
    assert_eq!(template.clock_skew(UnixTime::from_secs(1_800_000_090)), -90);
    assert_eq!(template.clock_skew(UnixTime::from_secs(1_799_999_999)), 1);
}

proptest! {
    /// Whatever the numbers, rust-bitcoin reads the very block that was meant.
    #[test]
    fn blocks_are_read_back(count in 0u64..40, amounts in prop::collection::vec(0u64..1 << 40, 1..20), nonce: u32) {
        let mut template = with_transactions(count);
        let output = |units: &u64| CoinbaseOutput { script: SCRIPT.into(), amount: Amount::from_atomic((*units).into()) };
        template.coinbase_value = Amount::from_atomic(amounts.iter().map(|units| u128::from(*units)).sum());
        let plan = mining::plan(amounts.iter().map(output).collect());
        let (header, coinbase) = mining::candidate(&template, Algorithm::SHA256D, &plan);
        let bytes = template.block(&header.with_nonce(Algorithm::SHA256D, nonce.into()), &coinbase);
        let block: bitcoin::Block = deserialize(&bytes).unwrap();
        prop_assert!(block.check_merkle_root() && block.check_witness_commitment());
        prop_assert_eq!(block.header.nonce, nonce);
        let paid: Vec<_> = block.txdata[0].output.iter().map(|output| output.value.to_sat()).collect();
        prop_assert_eq!(&paid[..amounts.len()], &amounts[..]);
        prop_assert_eq!(paid[amounts.len()..].to_vec(), vec![0]);
        prop_assert_eq!(block.txdata[0].compute_txid().to_byte_array(), *Hash256::sha256d(&coinbase).as_internal());
    }
}
