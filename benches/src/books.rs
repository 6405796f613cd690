//! A journal as large as a busy pool's, and what it costs: disk, time to verify.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use otedama_pool::journal::{
    BlockRecord, BlockState, Candidate, Entry, Journal, Life, ShareKey, ShareRecord, Sqlite,
};
use otedama_pool::ledger::{Observation, step};
use otedama_pool::{Account, PoolName};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::binary::otedama;
use crate::program::Failure;

/// Live shares that verifying and restarting are measured with.
pub const SHARES: u64 = 10_000_000;
/// Shares that a pool under load commits together.
const BATCH: u64 = 1024;
/// Miners, each with a few machines.
const ACCOUNTS: u64 = 1000;
const MACHINES: u64 = 5;
/// Blocks, each of which credits all miners.
const BLOCKS: u64 = 100;
/// Expected hashes of a share: one of a few steps of vardiff, on average about 2^11.
const WEIGHTS: [u128; 4] = [1 << 10, 1 << 11, 1 << 11, 1 << 12];
/// Shares in one second of the pool's calendar.
const PER_SECOND: u64 = 1000;
const BEGIN: u64 = 1_767_225_600;

/// A journal in a folder of its own, closed.
#[derive(Debug)]
pub struct Books {
    path: PathBuf,
    _folder: TempDir,
}

impl Books {
    /// A journal with so many live shares, and blocks that are mature.
    ///
    /// # Errors
    /// Whatever the journal says.
    pub fn new(shares: u64) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("otedama.db");
        let mut journal = Sqlite::open(&path)?;
        let life = journal.begin()?;
        let accounts: Vec<_> = (0..ACCOUNTS).map(account).collect();
        let workers: Vec<Arc<str>> = (0..MACHINES).map(|number| format!("rig{number}").into()).collect();
        for first in (1..=shares).step_by(usize::try_from(BATCH)?) {
            let batch = first..=shares.min(first + BATCH - 1);
            let entries: Vec<_> = batch.map(|sequence| share(life, sequence, &accounts, &workers)).collect();
            journal.append(&entries)?;
        }
        for number in 0..BLOCKS {
            add_block(&mut journal, number, &accounts)?;
        }
        Ok(Self { path, _folder: folder })
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rolls all shares up.
    ///
    /// # Errors
    /// Whatever the journal says.
    pub fn roll_up(&self) -> Result<(), Failure> {
        let mut journal = Sqlite::open(&self.path)?;
        while journal.roll_up(&PoolName::new("default"), Weight::ZERO, 1 << 20)?.more {}
        Ok(())
    }

    /// Bytes of the file that hold something; pages that are free are used again.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn bytes(&self) -> Result<u64, Failure> {
        let connection = Connection::open(&self.path)?;
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = number("page_count")? - number("freelist_count")?;
        Ok(u64::try_from(pages * number("page_size")?)?)
    }
}

/// Bytes per share: alive, and rolled up. What the file holds without any share, the blocks, is taken off.
///
/// # Errors
/// Whatever the journal says.
pub fn bytes_per_share() -> Result<(f64, f64), Failure> {
    let without = Books::new(0)?.bytes()?;
    let books = Books::new(SHARES)?;
    let live = books.bytes()?.saturating_sub(without);
    books.roll_up()?;
    let rolled = books.bytes()?.saturating_sub(without);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let per_share = |bytes: u64| bytes as f64 / SHARES as f64;
    Ok((per_share(live), per_share(rolled)))
}

/// Seconds that `otedama ledger verify` takes with 10^7 live shares, from process start to end, by the clock on the
/// wall; and those in which the file is only read.
///
/// # Errors
/// If the journal is not found clean.
pub fn verify_time() -> Result<(f64, f64), Failure> {
    let books = Books::new(SHARES)?;
    let start = Instant::now();
    let bytes = std::fs::read(books.path())?;
    let read = start.elapsed().as_secs_f64();
    drop(std::hint::black_box(bytes));
    let start = Instant::now();
    let output = Command::new(otedama()?)
        .args(["ledger", "verify", "--store"])
        .arg(books.path())
        .stderr(Stdio::inherit())
        .output()?;
    let elapsed = start.elapsed().as_secs_f64();
    let text = String::from_utf8(output.stdout)?;
    let whole = text.contains(&format!("{SHARES} live shares")) && text.contains(&format!("{BLOCKS} blocks"));
    if output.status.success() && whole && text.ends_with("clean\n") {
        Ok((elapsed, read))
    } else {
        Err(format!("otedama ledger verify: {}: {text}", output.status).into())
    }
}

fn account(number: u64) -> Account {
    Account::new(format!("bc1qminerwithanaddress{number:020}"))
}

fn share(life: Life, sequence: u64, accounts: &[Account], workers: &[Arc<str>]) -> Entry {
    let digest = Hash256::sha256d(&sequence.to_le_bytes());
    // Shares come in no order that would compress.
    let pick = u64::from_le_bytes(std::array::from_fn(|index| digest.as_internal()[index]));
    let at = |count: usize, by: u32| {
        let mixed = usize::try_from(pick.rotate_right(by) & 0xffff_ffff).unwrap_or(0);
        mixed % count
    };
    Entry::Share(ShareRecord {
        key: ShareKey { node: life.node, boot: life.boot, sequence },
        pool: PoolName::new("default"),
        account: accounts[at(accounts.len(), 0)].clone(),
        worker: workers[at(workers.len(), 16)].clone(),
        weight: Weight::new(WEIGHTS[at(WEIGHTS.len(), 32)]),
        digest: Digest::new(*digest.as_internal()),
        height: 840_000 + u32::try_from(sequence / (600 * PER_SECOND)).unwrap_or(0),
        time: UnixTime::from_secs(BEGIN + sequence / PER_SECOND),
    })
}

/// A block that is found, confirmed and mature.
fn add_block(journal: &mut Sqlite, number: u64, accounts: &[Account]) -> Result<(), Failure> {
    let (reward, fee) = (Amount::from_atomic(312_500_000), Amount::from_atomic(3_125_000));
    let weights: Vec<_> = (0..accounts.len()).map(|_| Weight::new(1)).collect();
    let rest = reward.checked_sub(fee).unwrap_or(Amount::ZERO);
    let parts = rest.split(&weights).ok_or("nobody to credit")?;
    let candidate = Arc::new(Candidate {
        pool: PoolName::new("default"),
        hash: Hash256::sha256d(&number.to_le_bytes()),
        height: 840_000 + u32::try_from(number)?,
        finder: accounts[0].clone(),
        worker: "rig0".into(),
        reward,
        fee,
        credits: accounts.iter().cloned().zip(parts).collect(),
        paid_by_coinbase: false,
        time: UnixTime::from_secs(BEGIN),
        block: Box::from([0; 100]),
    });
    journal.append(&[Entry::Candidate(candidate.clone())])?;
    let mut record = BlockRecord { candidate, state: BlockState::Found, ordinal: 0 };
    while let Some(event) = step(&record, Observation::Mature, UnixTime::from_secs(BEGIN))? {
        (record.state, record.ordinal) = (event.state, event.ordinal);
        journal.append(&[Entry::Block(event)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_hold_what_they_should() {
        let books = Books::new(3_000).unwrap();
        let live = books.bytes().unwrap();
        let mut journal = Sqlite::open(books.path()).unwrap();
        let pool = PoolName::new("default");
        let mut count = 0;
        let mut visit = |_: &ShareRecord| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        };
        journal.shares(&pool, &mut visit).unwrap();
        let blocks = journal.blocks(&pool, false).unwrap();
        assert_eq!((count, blocks.len()), (3_000, 100));
        assert!(blocks.iter().all(|block| block.state == BlockState::Matured));
        drop(journal);
        books.roll_up().unwrap();
        assert!(books.bytes().unwrap() < live, "what is rolled up takes less");
    }
}
