//! A journal as it was at one moment, read beside the process that writes it.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;

use super::super::{Balance, BlockRecord, Booked, JournalError, Progress, Report, ShareRecord, ShareTotal};
use super::fault::Fault;
use super::{blocks, books, copy, file, names, shares, totals, verify};
use crate::account::PoolName;

/// A journal as it was when it was opened, read without holding it: another process may go on writing.
///
/// While a snapshot is open the writer's log cannot be taken back and grows; so close it soon.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) connection: Connection,
}

impl Snapshot {
    /// Opens the journal as it is now.
    ///
    /// # Errors
    /// [`JournalError::Outdated`], [`JournalError::TooNew`] or [`JournalError::Format`] if it is not a journal of this
    /// version; otherwise [`JournalError::Storage`], also if there is none, or [`JournalError::Damaged`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let connection = file::connect_to_read(path)?;
        // The first reading after it fixes the moment.
        connection.execute_batch("BEGIN").map_err(Fault::from)?;
        match file::version(&connection, path)? {
            Some(found) => file::current(found, path)?,
            None => return Err(JournalError::Storage(format!("{} is empty", path.display()))),
        }
        Ok(Self { connection })
    }

    /// The pools that have anything in the journal, by name.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub fn pools(&self) -> Result<Vec<PoolName>, JournalError> {
        Ok(names::pools(&self.connection)?.into_iter().map(|(_, pool)| pool).collect())
    }

    /// As [`Journal::shares`](super::super::Journal::shares).
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub fn shares(
        &self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        Ok(shares::visit(&self.connection, pool, visit)?)
    }

    /// As [`Journal::share_totals`](super::super::Journal::share_totals).
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub fn share_totals(
        &self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareTotal),
    ) -> Result<(), JournalError> {
        Ok(totals::visit(&self.connection, pool, visit)?)
    }

    /// As [`Journal::blocks`](super::super::Journal::blocks).
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub fn blocks(&self, pool: &PoolName, open_only: bool) -> Result<Vec<BlockRecord>, JournalError> {
        Ok(blocks::list(&self.connection, pool, open_only)?)
    }

    /// As [`Journal::balances`](super::super::Journal::balances).
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub fn balances(&self, pool: &PoolName) -> Result<Vec<Balance>, JournalError> {
        Ok(books::balances(&self.connection, pool)?)
    }

    /// Shows every transaction of a pool's books with the event that it belongs to, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] if they cannot be read.
    pub fn booked(&self, pool: &PoolName, visit: &mut dyn FnMut(&Booked)) -> Result<(), JournalError> {
        Ok(books::visit(&self.connection, pool, visit)?)
    }

    /// Folds everything anew and compares it with what the journal keeps, to the end whatever it finds.
    ///
    /// # Errors
    /// [`JournalError`] only if the file cannot be read at all; what is wrong with it is in the report.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report, JournalError> {
        verify::verify(&self.connection, progress)
    }

    /// Writes a copy of the journal as it was at this moment to a new file, durable on return.
    ///
    /// # Errors
    /// [`JournalError::Storage`] if the file exists or cannot be written, or the journal cannot be read.
    pub fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), JournalError> {
        copy::copy(&self.connection, to, progress, |_| Ok(()))
    }
}
