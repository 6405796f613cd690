//! What is said of a whole journal: how far a long task is, what its books hold, and what is wrong with it.

use otedama_core::{Hash256, UnixTime, Weight};

use super::BlockState;
use crate::account::PoolName;
use crate::ledger::Transaction;

/// How far a long task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is done, in the unit of `total`.
    pub done: u64,
    /// All there is to do: records or pages, by the task.
    pub total: u64,
}

/// The version of a journal's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What the file has.
    pub found: i64,
    /// What this program reads and writes.
    pub current: i64,
}

/// A transaction of the books with the event that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// When the event was noticed.
    pub time: UnixTime,
    /// The block.
    pub hash: Hash256,
    /// Its height.
    pub height: u32,
    /// The number of the event in the block's life.
    pub ordinal: u32,
    /// What became of the block.
    pub state: BlockState,
    /// The transfers.
    pub transaction: Transaction,
}

/// What an audit of a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was counted, by pool.
    pub pools: Vec<PoolReport>,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What an audit counted in one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// The pool.
    pub pool: PoolName,
    /// Shares that are kept one by one.
    pub shares: u64,
    /// Their weight, at most [`Weight::MAX`].
    pub weight: Weight,
    /// Shares that were rolled up.
    pub rolled_shares: u64,
    /// Their weight, at most [`Weight::MAX`].
    pub rolled_weight: Weight,
    /// Blocks.
    pub blocks: u64,
    /// Events of blocks.
    pub events: u64,
    /// Transactions of the books.
    pub bookings: u64,
    /// Accounts that hold something.
    pub balances: u64,
}

/// Something that is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which record, in words.
    pub record: String,
    /// What is wrong with it.
    pub problem: String,
}
