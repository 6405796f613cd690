//! A journal in one SQLite file: what a pool on one machine needs, and nothing to set up.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use otedama_core::Weight;

use super::{
    Applied, Balance, BlockRecord, Entry, Journal, JournalError, Life, RolledUp, ShareRecord, ShareTotal,
};
use crate::account::PoolName;
use crate::ledger::Transaction;
use crate::points;

mod blocks;
mod books;
mod fault;
mod file;
mod names;
mod shares;
#[cfg(test)]
mod tests;

use fault::{Fault, committing};
use names::Names;

/// A journal in one SQLite file. One process at a time.
///
/// A batch is one SQLite transaction in write-ahead mode with `synchronous=FULL`: when [`append`](Journal::append)
/// returns it is on the disk, and a batch costs one sync however many entries it has. Beside `PATH` there are
/// `PATH-wal`, `PATH-shm` and `PATH-lock`; the first belongs to the journal as much as `PATH` itself. Other programs may
/// read the file and copy it with SQLite's means while the pool runs; they must not write to it.
///
/// Shares are keyed by (life, sequence) in the order in which they come, so adding one costs the same however many
/// there are. Sequence numbers go up to 2^43, and a file holds 2^20 lives.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    names: Names,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl Sqlite {
    /// Opens the journal, and creates it with its directory if there is none.
    ///
    /// # Errors
    /// [`JournalError::InUse`], at once, if another process or another value holds it; [`JournalError::Format`] if the
    /// file was made by another program or version; otherwise [`JournalError::Storage`] or
    /// [`JournalError::Damaged`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let lock = file::lock(path)?;
        let connection = file::open(path)?;
        Ok(Self { connection, names: Names::default(), _lock: lock })
    }

    /// Does it in one transaction. After an error nothing of it is there, except perhaps after
    /// [`JournalError::Unknown`].
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Names) -> Result<T, Fault>,
    ) -> Result<T, JournalError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::from)?;
        let done = work(&transaction, &mut self.names)
            .map_err(JournalError::from)
            .and_then(|done| transaction.commit().map_err(committing).map(|()| done));
        if done.is_err() {
            // What was named in this transaction may be undone.
            self.names.clear();
        }
        done
    }
}

impl Journal for Sqlite {
    fn begin(&mut self) -> Result<Life, JournalError> {
        self.transact(|connection, _| names::begin(connection))
    }

    fn append(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, JournalError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.transact(|connection, names| {
            let mut insert = shares::Insert::new(connection)?;
            let mut applied = Vec::with_capacity(entries.len());
            for entry in entries {
                applied.push(match entry {
                    Entry::Share(share) => insert.share(share, names)?,
                    Entry::Candidate(candidate) => blocks::add(connection, names, candidate)?,
                    Entry::Block(event) => blocks::add_event(connection, names, event)?,
                });
            }
            points::pass_entries("within", entries);
            Ok(applied)
        })
    }

    fn roll_up(&mut self, _: &PoolName, _: Weight, _: u64) -> Result<RolledUp, JournalError> {
        Ok(RolledUp::default())
    }

    fn share_totals(&mut self, _: &PoolName, _: &mut dyn FnMut(&ShareTotal)) -> Result<(), JournalError> {
        Ok(())
    }

    fn shares(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        Ok(shares::visit(&self.connection, pool, visit)?)
    }

    fn blocks(&mut self, pool: &PoolName, open_only: bool) -> Result<Vec<BlockRecord>, JournalError> {
        Ok(blocks::list(&self.connection, pool, open_only)?)
    }

    fn balances(&mut self, pool: &PoolName) -> Result<Vec<Balance>, JournalError> {
        Ok(books::balances(&self.connection, pool)?)
    }

    fn bookings(&mut self, pool: &PoolName, visit: &mut dyn FnMut(&Transaction)) -> Result<(), JournalError> {
        Ok(books::visit(&self.connection, pool, visit)?)
    }
}
