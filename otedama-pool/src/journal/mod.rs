//! What must survive: entries appended durably, and read back at the start of the next life.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};

use crate::account::{Account, PoolName};
use crate::ledger::{LedgerAccount, Transaction};

mod check;
mod error;
mod memory;
#[cfg(feature = "sqlite")]
mod report;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use error::JournalError;
pub use memory::{Failure, Memory};
#[cfg(feature = "sqlite")]
pub use report::{Booked, Finding, PoolReport, Progress, Report, Schema};
#[cfg(feature = "sqlite")]
pub use sqlite::{Snapshot, Sqlite};

/// Appends entries durably and gives them back. Calls block; a shell gives a journal a thread of its own.
pub trait Journal: Debug + Send {
    /// Begins a life of the process: a boot number that no earlier life of this journal had, durable on return.
    ///
    /// # Errors
    /// [`JournalError`] if it cannot be written down.
    fn begin(&mut self) -> Result<Life, JournalError>;

    /// Appends all entries or none. On return they survive any crash.
    ///
    /// An entry whose key is there already, with the same contents, changes nothing and is reported as
    /// [`Applied::AlreadyThere`]. So after an error the same call may be made again: no entry counts twice.
    ///
    /// The shares of one call may come in any order, but from one call to the next the sequence numbers of a life only
    /// grow. A share that was [rolled up](Self::roll_up) counts as being there, whatever its contents.
    ///
    /// # Errors
    /// [`JournalError::Contradiction`] if a share's life never began or has gone on beyond its number without it, a
    /// candidate's parts are not its reward, an event is not the next one in the life of a known block or books
    /// something else than that step means, or a key is there with other contents: the caller is at fault. Otherwise
    /// storage is. After any error none of the entries is there, but after [`JournalError::Unknown`] all may be, until
    /// the same call succeeds. The journal stays usable.
    fn append(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, JournalError>;

    /// Does what can be put off until nobody waits for an [`append`](Self::append), if there is enough of it. To be called
    /// after each, once its outcome was passed on; whoever never calls it waits for it within some of the appends.
    ///
    /// Nothing depends on it: what goes wrong in it shows in the next append, if at all.
    fn tidy(&mut self) {}

    /// Replaces the oldest shares of a pool by their sums per account and day, for as long as the shares that are left
    /// weigh at least `keep`: their window is closed, and no split will ever ask for them again.
    ///
    /// Takes about `at_most` shares, so that nobody waits for long; whole groups of shares that were appended together,
    /// and at least one of them if any may go. All of it happens or nothing, and every share is in exactly one place:
    /// among [`shares`](Self::shares) or in [`share_totals`](Self::share_totals).
    ///
    /// # Errors
    /// [`JournalError`] if a share to be rolled up is damaged, or the sums cannot be written. Nothing has changed then,
    /// but after [`JournalError::Unknown`] it may have, and asking again does no harm.
    fn roll_up(&mut self, pool: &PoolName, keep: Weight, at_most: u64) -> Result<RolledUp, JournalError>;

    /// Shows what is left of the shares that were rolled up, by account and day in no particular order.
    ///
    /// # Errors
    /// [`JournalError`] if it cannot be read.
    fn share_totals(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareTotal),
    ) -> Result<(), JournalError>;

    /// Shows the shares of a pool that were not rolled up, newest first, until the visitor breaks: the latest life
    /// first, in it the highest sequence number.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    fn shares(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
    ) -> Result<(), JournalError>;

    /// Shows what a window is made of: the account and weight of what [`shares`](Self::shares) shows, in the same order.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    fn weights(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&Account, Weight) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        self.shares(pool, &mut |share| visit(&share.account, share.weight))
    }

    /// The newest shares, newest first, back to this weight in all or as far as there are any: the answer to
    /// [`Effect::LoadWindow`](crate::core::Effect::LoadWindow).
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read; a part of them would be no window.
    fn window(&mut self, pool: &PoolName, span: Weight) -> Result<Vec<(Account, Weight)>, JournalError> {
        let (mut shares, mut total) = (Vec::new(), Weight::ZERO);
        self.weights(pool, &mut |account, weight| {
            if total >= span {
                return ControlFlow::Break(());
            }
            total = total.saturating_add(weight);
            shares.push((account.clone(), weight));
            ControlFlow::Continue(())
        })?;
        Ok(shares)
    }

    /// The blocks of a pool with their latest state, oldest first; only those whose fate is open if `open_only`. Once
    /// it is final, the serialised block is no longer kept.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    fn blocks(&mut self, pool: &PoolName, open_only: bool) -> Result<Vec<BlockRecord>, JournalError>;

    /// The balances of a pool as the journal keeps them; always equal to the fold over [`bookings`](Self::bookings).
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    fn balances(&mut self, pool: &PoolName) -> Result<Vec<Balance>, JournalError>;

    /// Shows every transaction of a pool's books, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    fn bookings(&mut self, pool: &PoolName, visit: &mut dyn FnMut(&Transaction)) -> Result<(), JournalError>;
}

/// One life of the process on one journal: with a sequence number it names a share for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// The node of the pool; 0 on a single machine.
    pub node: u16,
    /// Grows with every start.
    pub boot: u32,
}

/// The one key of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey {
    /// The node that accepted it.
    pub node: u16,
    /// The life in which it was accepted.
    pub boot: u32,
    /// Its number in that life.
    pub sequence: u64,
}

/// Something to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A share that is about to be answered "accepted".
    Share(ShareRecord),
    /// A block that is about to be submitted.
    Candidate(Arc<Candidate>),
    /// News of a block, with what it means for the books, applied together.
    Block(BlockEvent),
}

/// An accepted share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    /// Its key.
    pub key: ShareKey,
    /// The pool.
    pub pool: PoolName,
    /// Who is credited.
    pub account: Account,
    /// Which of the account's machines; empty if it has no name.
    pub worker: Arc<str>,
    /// What it counts for.
    pub weight: Weight,
    /// The digest of its header.
    pub digest: Digest,
    /// The height that it worked on.
    pub height: u32,
    /// When it was accepted.
    pub time: UnixTime,
}

/// What a roll-up did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Shares that were replaced by their sums.
    pub shares: u64,
    /// Whether more of them may go.
    pub more: bool,
}

/// Shares of one account and day that were rolled up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareTotal {
    /// Who was credited.
    pub account: Account,
    /// The day of acceptance, counted from 1970-01-01 in UTC as the pool's calendar showed it.
    pub day: u64,
    /// How many shares.
    pub shares: u64,
    /// What they count for together.
    pub weight: Weight,
}

/// A block as found, with the split that its window gives; keyed by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The pool.
    pub pool: PoolName,
    /// Its id.
    pub hash: Hash256,
    /// Its height.
    pub height: u32,
    /// Who found it.
    pub finder: Account,
    /// The finder's machine.
    pub worker: Arc<str>,
    /// What its coinbase pays in all.
    pub reward: Amount,
    /// The pool's part.
    pub fee: Amount,
    /// The miners' parts; with the fee they add up to the reward.
    pub credits: Vec<(Account, Amount)>,
    /// Whether the coinbase itself pays the miners.
    pub paid_by_coinbase: bool,
    /// When it was found.
    pub time: UnixTime,
    /// The serialised block, for as long as it may have to be submitted again; empty once the block's fate is final.
    pub block: Box<[u8]>,
}

/// News of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEvent {
    /// The pool.
    pub pool: PoolName,
    /// The block.
    pub hash: Hash256,
    /// The number of this event in the block's life, from 1; with the hash it is the key.
    pub ordinal: u32,
    /// What became of it.
    pub state: BlockState,
    /// When this was noticed.
    pub time: UnixTime,
    /// What it means for the books.
    pub booking: Option<Transaction>,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockState {
    /// Found and written down; no node has confirmed it yet.
    Found,
    /// On the best chain of a node; credited, not yet mature.
    Confirmed,
    /// Deep enough that its coinbase can be spent. Final.
    Matured,
    /// Not on the best chain any more, or never; not credited. May come back.
    Orphaned,
    /// Given up on: every node refused it, or it is buried too deep to come back. Final.
    Lost,
}

impl BlockState {
    /// Whether nothing more can happen to the block.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Matured | Self::Lost)
    }
}

/// A block and the latest that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// As found.
    pub candidate: Arc<Candidate>,
    /// The latest state.
    pub state: BlockState,
    /// The number of the latest event, 0 if there was none.
    pub ordinal: u32,
}

/// What is in an account of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The account.
    pub account: LedgerAccount,
    /// Its balance; that of [`LedgerAccount::Chain`] is what went out of it.
    pub amount: Amount,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It is there now.
    Applied,
    /// It was there before.
    AlreadyThere,
}
