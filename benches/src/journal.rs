//! Durable shares: whole batches appended to the SQLite journal, and the rows alone without a journal around them.

use std::path::Path;
use std::time::Instant;

use otedama_core::{Digest, UnixTime, Weight};
use otedama_pool::journal::{Entry, Journal, ShareKey, ShareRecord, Sqlite};
use otedama_pool::{Account, PoolName};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::measure::{ROUNDS, median};
use crate::program::Failure;

/// Shares that are committed together.
pub const BATCH: u64 = 1024;
/// Shares in a round, so many that the log is written back several times.
const ROUND: u64 = 200 * BATCH;
/// Miners, each with a few machines.
const ACCOUNTS: u64 = 1000;
const MACHINES: u64 = 5;

/// A journal in a folder of its own, and shares that never run out.
#[derive(Debug)]
pub struct Appends {
    journal: Sqlite,
    entries: Vec<Entry>,
    _folder: TempDir,
}

impl Appends {
    /// An empty journal, and batches of this size.
    ///
    /// # Errors
    /// If the folder or the journal cannot be made.
    pub fn new(batch: u64) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut journal = Sqlite::open(folder.path().join("journal.db"))?;
        let life = journal.begin()?;
        let entry = |sequence: u64| {
            Entry::Share(ShareRecord {
                key: ShareKey { node: life.node, boot: life.boot, sequence },
                pool: PoolName::new("default"),
                account: Account::new(format!("bc1qminerwithanaddress{:020}", sequence % ACCOUNTS)),
                worker: format!("rig{}", sequence % MACHINES).into(),
                weight: Weight::new(1 << 45),
                digest: Digest::new([0x5a; 32]),
                height: 840_000,
                time: UnixTime::from_secs(1_713_571_767),
            })
        };
        Ok(Self { journal, entries: (0..batch).map(entry).collect(), _folder: folder })
    }

    /// Appends a batch of new shares, durably.
    ///
    /// # Errors
    /// Whatever the journal says.
    pub fn append(&mut self) -> Result<(), Failure> {
        let batch = u64::try_from(self.entries.len())?;
        self.journal.append(&self.entries)?;
        for entry in &mut self.entries {
            if let Entry::Share(share) = entry {
                share.key.sequence += batch;
            }
        }
        Ok(())
    }
}

/// Durable shares per second by the clock on the wall, and the same of the bare rows; medians of rounds in turns.
///
/// # Errors
/// If one of the two breaks.
pub fn durable_shares() -> Result<(f64, f64), Failure> {
    let mut appends = Appends::new(BATCH)?;
    let folder = tempfile::tempdir()?;
    let mut rows = Rows::new(&folder.path().join("rows.db"))?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(per_second(|| (0..ROUND / BATCH).try_for_each(|_| appends.append()))?);
        bare.push(per_second(|| (0..ROUND / BATCH).try_for_each(|_| rows.append()))?);
    }
    Ok((median(ours.into_iter()), median(bare.into_iter())))
}

fn per_second(round: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    round()?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let shares = ROUND as f64;
    Ok(shares / start.elapsed().as_secs_f64())
}

/// As many bytes in a bare table, with the same promise of durability.
struct Rows {
    connection: Connection,
    next: i64,
}

impl Rows {
    fn new(path: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE shares (id INTEGER PRIMARY KEY, worker INTEGER, weight BLOB, digest BLOB, height INTEGER, time INTEGER);",
        )?;
        Ok(Self { connection, next: 1 << 43 })
    }

    fn append(&mut self) -> Result<(), Failure> {
        let transaction = self.connection.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO shares VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for _ in 0..BATCH {
            let (weight, digest) = ((1u128 << 45).to_be_bytes(), [0x5au8; 32]);
            insert.execute(params![
                self.next,
                77,
                weight.as_slice(),
                digest.as_slice(),
                840_000,
                1_713_571_767
            ])?;
            self.next += 1;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    #[test]
    fn every_share_is_new_and_there() {
        let mut appends = Appends::new(10).unwrap();
        for _ in 0..3 {
            appends.append().unwrap();
        }
        let mut sequences = Vec::new();
        let mut visit = |share: &ShareRecord| {
            sequences.push(share.key.sequence);
            ControlFlow::Continue(())
        };
        appends.journal.shares(&PoolName::new("default"), &mut visit).unwrap();
        assert!(sequences.into_iter().eq((0..30).rev()));
    }
}
