//! The rules that a block obeys by itself, and the words that a node refuses it with.

use std::borrow::Cow;

use otedama_core::Hash256;

use super::parse::{Block, Transaction};

/// What a block may weigh, and what its signature operations may cost.
pub(super) const MAX_WEIGHT: u64 = 4_000_000;
pub(super) const MAX_SIGOPS: u64 = 80_000;
const COMMITMENT_HEAD: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// Why a block is refused, in a node's words.
pub(super) type Refusal = Cow<'static, str>;

/// What can be said about a block without its chain.
pub(super) fn check_form(block: &Block) -> Result<(), Refusal> {
    let txids: Vec<_> = block.transactions.iter().map(|transaction| transaction.txid).collect();
    let (root, mutated) = merkle(txids);
    if root != block.merkle_root {
        return Err("bad-txnmrklroot".into());
    }
    if mutated {
        return Err("bad-txns-duplicate".into());
    }
    if over(4 * block.stripped_size, MAX_WEIGHT) || block.transactions.is_empty() {
        return Err("bad-blk-length".into());
    }
    let (coinbase, others) = block.transactions.split_first().ok_or("bad-cb-missing")?;
    if !coinbase.is_coinbase() {
        return Err("bad-cb-missing".into());
    }
    if others.iter().any(Transaction::is_coinbase) {
        return Err("bad-cb-multiple".into());
    }
    for transaction in &block.transactions {
        check_transaction(transaction)?;
    }
    let sigops: usize = block.transactions.iter().map(Transaction::sigops).sum();
    if over(4 * sigops, MAX_SIGOPS) {
        return Err("bad-blk-sigops".into());
    }
    Ok(())
}

pub(super) fn check_transaction(transaction: &Transaction) -> Result<(), Refusal> {
    if transaction.inputs.is_empty() {
        return Err("bad-txns-vin-empty".into());
    }
    if transaction.outputs.is_empty() {
        return Err("bad-txns-vout-empty".into());
    }
    match transaction.inputs.as_slice() {
        [only] if only.null && (2..=100).contains(&only.script.len()) => Ok(()),
        [only] if only.null => Err("bad-cb-length".into()),
        inputs if inputs.iter().any(|input| input.null) => Err("bad-txns-prevout-null".into()),
        _ => Ok(()),
    }
}

/// What depends on the height and on the transactions together.
pub(super) fn check_context(block: &Block, height: u32) -> Result<(), Refusal> {
    if !block.transactions.iter().all(|transaction| is_final(transaction, height)) {
        return Err("bad-txns-nonfinal".into());
    }
    let coinbase = block.transactions.first().and_then(|coinbase| coinbase.inputs.first());
    let coinbase = coinbase.ok_or("bad-cb-missing")?;
    if !coinbase.script.starts_with(&script_number(height)) {
        return Err("bad-cb-height".into());
    }
    check_commitment(block, &coinbase.witness)?;
    if over(block.weight(), MAX_WEIGHT) {
        return Err("bad-blk-weight".into());
    }
    Ok(())
}

fn check_commitment(block: &Block, reserved: &[Vec<u8>]) -> Result<(), Refusal> {
    let outputs = block.transactions.first().map(|coinbase| coinbase.outputs.as_slice()).unwrap_or_default();
    let committed = outputs
        .iter()
        .rev()
        .find_map(|output| output.script.strip_prefix(&COMMITMENT_HEAD)?.first_chunk::<32>());
    let Some(committed) = committed else {
        let witness = block.transactions.iter().any(Transaction::has_witness);
        return if witness { Err("unexpected-witness".into()) } else { Ok(()) };
    };
    let [reserved] = reserved else { return Err("bad-witness-nonce-size".into()) };
    if reserved.len() != 32 {
        return Err("bad-witness-nonce-size".into());
    }
    let ids = block.transactions.iter().skip(1).map(|transaction| transaction.wtxid);
    let root = witness_root(ids);
    if Hash256::sha256d_of(&[root.as_internal(), reserved]).as_internal() != committed {
        return Err("bad-witness-merkle-match".into());
    }
    Ok(())
}

/// The root over the ids with witness of all transactions behind the coinbase, which counts as zero.
pub(super) fn witness_root(others: impl Iterator<Item = Hash256>) -> Hash256 {
    merkle(std::iter::once(Hash256::ZERO).chain(others).collect()).0
}

/// The script of the output that commits to this root.
pub(super) fn commitment_script(root: Hash256) -> Box<[u8]> {
    let commitment = Hash256::sha256d_of(&[root.as_internal(), &[0; 32]]);
    [COMMITMENT_HEAD.as_slice(), commitment.as_internal()].concat().into()
}

/// The merkle root, and whether two equal neighbours make another list of leaves have the same root.
fn merkle(mut level: Vec<Hash256>) -> (Hash256, bool) {
    let mut mutated = false;
    while level.len() > 1 {
        mutated |= level.chunks_exact(2).any(|pair| pair[0] == pair[1]);
        if !level.len().is_multiple_of(2) {
            level.extend(level.last().copied());
        }
        level = level
            .chunks_exact(2)
            .map(|pair| Hash256::sha256d_of(&[pair[0].as_internal(), pair[1].as_internal()]))
            .collect();
    }
    (level.first().copied().unwrap_or(Hash256::ZERO), mutated)
}

/// The bytes that a script starts with when it pushes this number.
fn script_number(height: u32) -> Vec<u8> {
    if height == 0 {
        return vec![0];
    }
    let bytes = height.to_le_bytes();
    let mut used = 4 - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    match bytes {
        [small @ 1..=16, 0, 0, 0] => return vec![0x50 + small],
        _ if bytes[used - 1] >= 0x80 => used += 1,
        _ => {}
    }
    let mut script = vec![0; used + 1];
    for (out, byte) in script.iter_mut().skip(1).zip(bytes) {
        *out = byte;
    }
    script[0] = u8::try_from(used).unwrap_or(u8::MAX);
    script
}

/// Lock times are heights here; none of this chain's transactions is locked by time.
fn is_final(transaction: &Transaction, height: u32) -> bool {
    transaction.lock_time < height || transaction.inputs.iter().all(|input| input.sequence == u32::MAX)
}

fn over(size: usize, limit: u64) -> bool {
    u64::try_from(size).unwrap_or(u64::MAX) > limit
}
