//! A journal in one SQLite file: what a pool on one machine needs, and nothing to set up.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use otedama_core::Weight;

use super::{
    Applied, Balance, BlockRecord, Entry, Journal, JournalError, Life, Progress, Report, RolledUp, Schema,
    ShareRecord, ShareTotal,
};
use crate::account::{Account, PoolName};
use crate::ledger::Transaction;
use crate::points;

mod blocks;
mod books;
mod copy;
mod directory;
mod fault;
mod file;
mod lives;
mod lock;
mod migrate;
mod names;
mod pack;
mod records;
mod segments;
mod shares;
mod snapshot;
#[cfg(test)]
mod tests;
mod totals;
mod verify;

use fault::{Fault, committing};
use names::Names;

pub use snapshot::Snapshot;

/// How far a restored journal is ahead of its backup, in boots.
const AHEAD: u32 = 65_536;

/// A journal in one SQLite file. One process at a time writes; others read with a [`Snapshot`].
///
/// A batch is one SQLite transaction in write-ahead mode with `synchronous=FULL`: when [`append`](Journal::append)
/// returns it is on the disk, and a batch costs one sync however many entries it has. Beside `PATH` there are
/// `PATH-wal`, `PATH-shm` and `PATH-lock`; the first belongs to the journal as much as `PATH` itself. Other programs may
/// read the file and copy it with SQLite's means while the pool runs; they must not write to it.
///
/// The shares of a batch are packed into one row, or a few, with a checksum, at the end of their table: adding some
/// costs the same however many there are. Double entry is in the schema: a row of the books moves money from one
/// account to another, and triggers keep the balances.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    /// Whether the last commit failed in a way that leaves open what of it is on the disk.
    in_doubt: bool,
    /// About how many pages the log has grown by since it was last copied into the file.
    logged: usize,
    names: Names,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl Sqlite {
    /// Opens the journal, and creates it with its directory if there is none.
    ///
    /// # Errors
    /// [`JournalError::InUse`], at once, if another process or another value holds it; [`JournalError::Outdated`],
    /// [`JournalError::TooNew`] or [`JournalError::Format`] if the file was made by another version or program;
    /// otherwise [`JournalError::Storage`] or [`JournalError::Damaged`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let lock = lock::lock(path)?;
        let connection = file::open(path)?;
        Ok(Self { connection, in_doubt: false, logged: 0, names: Names::default(), _lock: lock })
    }

    /// The version of the journal in this file, which need not be the current one.
    ///
    /// # Errors
    /// [`JournalError::Format`] if it is no journal; otherwise [`JournalError::Storage`], also if there is none, or
    /// [`JournalError::Damaged`].
    pub fn schema(path: impl AsRef<Path>) -> Result<Schema, JournalError> {
        let path = path.as_ref();
        let found = file::version(&file::connect_to_read(path)?, path)?;
        Ok(Schema { found: found.unwrap_or(0), current: file::VERSION })
    }

    /// Brings the journal to the current version, one version after the other, and returns those that it went through;
    /// none if it is current. Each step happens wholly or not at all.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for an older version; [`JournalError::Damaged`] if it holds what no journal of its
    /// version should. Then it is left as it was.
    pub fn migrate(
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<i64>, JournalError> {
        let path = path.as_ref();
        let _lock = lock::lock(path)?;
        migrate::up(path, progress)
    }

    /// Makes a journal of a backup: verifies it, copies it to a new file, durable on return, and moves the boot number
    /// on by 65,536, so that no life to come shares its number with one that began after the backup.
    ///
    /// If the report is not clean, nothing was restored.
    ///
    /// # Errors
    /// [`JournalError::Storage`] if there is a file at `to`, or it cannot be written; as [`Snapshot::open`] if the
    /// backup is not a journal of this version.
    pub fn restore(
        backup: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, JournalError> {
        let (backup, to) = (Snapshot::open(backup)?, to.as_ref());
        copy::refuse_existing(to)?;
        let _lock = lock::lock(to)?;
        let report = backup.verify(progress)?;
        if report.is_clean() {
            copy::copy(&backup.connection, to, progress, |connection| {
                lives::begin(connection, AHEAD - 1).map(drop)
            })?;
        }
        Ok(report)
    }

    /// The connection, once what is on the disk is beyond doubt.
    ///
    /// After a failed sync nobody knows which writes of the log the disk has, and a later sync that succeeds says
    /// nothing of them. To open the file anew would be wrong: it would take the log for what the page cache shows. This
    /// connection knows how far the log was synced: it writes that back into the file and empties the log, so that
    /// nothing is left of the commit that failed.
    fn connection(&mut self) -> Result<&mut Connection, JournalError> {
        if self.in_doubt {
            file::write_back(&self.connection)?;
            self.in_doubt = false;
        }
        Ok(&mut self.connection)
    }

    /// Does it in one transaction. After an error nothing of it is there, except perhaps after
    /// [`JournalError::Unknown`].
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Names) -> Result<T, Fault>,
    ) -> Result<T, JournalError> {
        self.connection()?;
        let done = attempt(&mut self.connection, &mut self.names, work);
        if let Err(error) = &done {
            // What was named in this transaction may be undone.
            self.names.clear();
            self.in_doubt = matches!(error, JournalError::Unknown(_));
        }
        done
    }
}

fn attempt<T>(
    connection: &mut Connection,
    names: &mut Names,
    work: impl FnOnce(&Connection, &mut Names) -> Result<T, Fault>,
) -> Result<T, JournalError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::from)?;
    let done = work(&transaction, names)?;
    transaction.commit().map_err(committing)?;
    Ok(done)
}

/// Adds all entries of a call in the transaction that is open.
fn append(connection: &Connection, names: &mut Names, entries: &[Entry]) -> Result<Vec<Applied>, Fault> {
    let mut batch = shares::Batch::default();
    let mut applied = Vec::with_capacity(entries.len());
    for entry in entries {
        applied.push(match entry {
            Entry::Share(share) => batch.add(connection, names, share, entries)?,
            Entry::Candidate(candidate) => blocks::add(connection, names, candidate)?,
            Entry::Block(event) => blocks::add_event(connection, names, event)?,
        });
    }
    batch.write(connection, names)?;
    Ok(applied)
}

impl Journal for Sqlite {
    fn begin(&mut self) -> Result<Life, JournalError> {
        self.transact(|connection, _| lives::begin(connection, 0))
    }

    fn append(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, JournalError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.logged = self.logged.saturating_add(file::pages(entries.len()));
        self.transact(|connection, names| {
            let applied = append(connection, names, entries)?;
            points::pass_entries("within", entries);
            Ok(applied)
        })
    }

    fn tidy(&mut self) {
        if self.logged >= file::LOG_PAGES && !self.in_doubt {
            self.logged = 0;
            file::copy_log(&self.connection);
        }
    }

    fn roll_up(&mut self, pool: &PoolName, keep: Weight, at_most: u64) -> Result<RolledUp, JournalError> {
        let rolled = self.transact(|connection, _| {
            let rolled = totals::roll_up(connection, pool, keep, at_most)?;
            points::pass("within-closed");
            Ok(rolled)
        })?;
        self.names.forget_lives();
        Ok(rolled)
    }

    fn share_totals(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareTotal),
    ) -> Result<(), JournalError> {
        Ok(totals::visit(self.connection()?, pool, visit)?)
    }

    fn shares(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        Ok(shares::visit(self.connection()?, pool, visit)?)
    }

    fn weights(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&Account, Weight) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        Ok(shares::weights(self.connection()?, pool, visit)?)
    }

    fn blocks(&mut self, pool: &PoolName, open_only: bool) -> Result<Vec<BlockRecord>, JournalError> {
        Ok(blocks::list(self.connection()?, pool, open_only)?)
    }

    fn balances(&mut self, pool: &PoolName) -> Result<Vec<Balance>, JournalError> {
        Ok(books::balances(self.connection()?, pool)?)
    }

    fn bookings(&mut self, pool: &PoolName, visit: &mut dyn FnMut(&Transaction)) -> Result<(), JournalError> {
        Ok(books::visit(self.connection()?, pool, &mut |booked| visit(&booked.transaction))?)
    }
}
