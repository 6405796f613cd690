//! A node's offer of a block to mine.

use otedama_core::{Amount, CompactTarget, Hash256};

/// What a node offers to build on its tip: everything of the next block but the coinbase and the proof of work.
///
/// Transactions are opaque bytes in the node's order, which is kept: a child stays behind its parent, and the HogEx of
/// a chain with MWEB stays last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Template {
    /// The height of the block.
    pub height: u32,
    /// The tip that it builds on.
    pub previous: Hash256,
    /// The version; some of its bits may lie inside a version-rolling mask.
    pub version: u32,
    /// The network's target.
    pub nbits: CompactTarget,
    /// The node's clock.
    pub curtime: u32,
    /// The earliest time that the chain allows.
    pub mintime: u32,
    /// Subsidy and fees: what the coinbase may pay at most.
    pub coinbase_value: Amount,
    /// The other transactions.
    pub transactions: Vec<TemplateTransaction>,
    /// The script of the witness commitment output, where the chain wants one.
    pub witness_commitment: Option<Box<[u8]>>,
    /// The MWEB block behind the transactions, without its leading `01`.
    pub mweb: Option<Box<[u8]>>,
    /// Sum of signature operations that a block may have.
    pub sigop_limit: u64,
    /// Weight that a block may have.
    pub weight_limit: u64,
    /// The ticket for a long poll that waits until this template is outdated.
    pub long_poll_id: Option<String>,
}

/// One transaction of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateTransaction {
    /// The id that goes into the merkle tree.
    pub txid: Hash256,
    /// The id with witness, which goes into the witness commitment.
    pub wtxid: Hash256,
    /// The serialised transaction, with witness.
    pub data: Box<[u8]>,
    /// What it pays.
    pub fee: Amount,
    /// Its signature operations, as the node counts them.
    pub sigops: u64,
    /// Its weight.
    pub weight: u64,
}
