//! The journal on a disk that loses power, runs full and breaks: what was acknowledged is there once, whatever happens.
#![cfg(all(feature = "sqlite", unix))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use disk::{Disk, Fault, Random, disk};
use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use otedama_pool::journal::{
    Applied, BlockRecord, BlockState, Candidate, Entry, Journal, JournalError, Life, ShareKey, ShareRecord,
    Snapshot, Sqlite,
};
use otedama_pool::ledger::{Observation, step};
use otedama_pool::{Account, PoolName};

fn pool() -> PoolName {
    PoolName::new("main")
}

fn share(life: Life, sequence: u64) -> Entry {
    Entry::Share(ShareRecord {
        key: ShareKey { node: life.node, boot: life.boot, sequence },
        pool: pool(),
        account: Account::new(format!("account{}", sequence % 17)),
        worker: format!("rig{}", sequence % 5).into(),
        weight: Weight::new(u128::from(sequence % 7) + 1),
        digest: Digest::new([3; 32]),
        height: 5,
        time: UnixTime::from_secs(sequence * 100),
    })
}

/// A block as large as blocks are, so that the log is soon written back.
fn block(life: Life, number: u64, size: usize) -> [Entry; 2] {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&life.boot.to_be_bytes());
    hash[4..12].copy_from_slice(&number.to_be_bytes());
    let candidate = Arc::new(Candidate {
        pool: pool(),
        hash: Hash256::from_internal(hash),
        height: 5,
        finder: Account::new("account1"),
        worker: "rig1".into(),
        reward: Amount::from_atomic(5_000_000_000),
        fee: Amount::from_atomic(50_000_000),
        credits: vec![(Account::new("account1"), Amount::from_atomic(4_950_000_000))],
        paid_by_coinbase: false,
        time: UnixTime::from_secs(number),
        block: vec![7; size].into(),
    });
    let record = BlockRecord { candidate: candidate.clone(), state: BlockState::Found, ordinal: 0 };
    let event = step(&record, Observation::OnChain, UnixTime::from_secs(number)).unwrap().unwrap();
    [Entry::Candidate(candidate), Entry::Block(event)]
}

/// A pool's journal with what it owes: everything that was acknowledged.
struct World {
    path: PathBuf,
    disk: Arc<Mutex<Disk>>,
    random: Random,
    acknowledged: Vec<Entry>,
    /// The call that failed last; whether it took effect is open until it is made again.
    open: Option<Vec<Entry>>,
    next: BTreeMap<u32, u64>,
    blocks: u64,
    unknown: u64,
}

impl World {
    fn new(folder: &Path, seed: u64) -> Self {
        Self {
            path: folder.join("journal.db"),
            disk: disk(folder, seed),
            random: Random::new(seed ^ 0xabcd),
            acknowledged: Vec::new(),
            open: None,
            next: BTreeMap::new(),
            blocks: 0,
            unknown: 0,
        }
    }

    fn batch(&mut self, life: Life) -> Vec<Entry> {
        let next = self.next.entry(life.boot).or_default();
        let count = 1 + self.random.below(120);
        let mut entries: Vec<_> = (*next..*next + count).map(|sequence| share(life, sequence)).collect();
        *next += count;
        if self.random.one_in(4) {
            self.blocks += 1;
            let size = usize::try_from(1 + self.random.below(400_000)).unwrap();
            entries.extend(block(life, self.blocks, size));
        }
        entries
    }

    /// Makes the call, and again if it failed, as a pool does: the same entries, until they are acknowledged.
    fn append(&mut self, journal: &mut Sqlite, life: Life) {
        let entries = self.open.take().unwrap_or_else(|| self.batch(life));
        match journal.append(&entries) {
            Ok(applied) => {
                let first = applied[0];
                assert!(applied.iter().all(|one| *one == first), "a call takes effect as a whole");
                self.acknowledged.extend(entries);
            }
            Err(error) => {
                self.unknown += u64::from(matches!(error, JournalError::Unknown(_)));
                let is_storage = matches!(error, JournalError::Unknown(_) | JournalError::Storage(_));
                assert!(is_storage, "{error:?}");
                self.open = Some(entries);
            }
        }
        journal.tidy();
    }

    /// One life of the process: until the power goes, or for some calls.
    fn live(&mut self, calls: u64, with_faults: bool) {
        let mut journal = Sqlite::open(&self.path).unwrap();
        let life = journal.begin().unwrap();
        if let Some(entries) = self.open.take() {
            let applied = journal.append(&entries).unwrap();
            assert!(applied.iter().all(|one| *one == applied[0]), "a call takes effect as a whole");
            self.acknowledged.extend(entries);
        }
        for _ in 0..calls {
            if with_faults && self.random.one_in(6) {
                let faults = [Fault::Full, Fault::ReadOnly, Fault::Write, Fault::Sync, Fault::Sync];
                let fault = faults[usize::try_from(self.random.below(5)).unwrap()];
                let after = self.random.below(12);
                self.disk.lock().unwrap().arm(after, fault);
            } else if self.random.one_in(3) {
                self.disk.lock().unwrap().disarm();
            }
            self.append(&mut journal, life);
            if self.random.one_in(8) {
                let keep = Weight::new(u128::from(self.random.below(3000)));
                let outcome = journal.roll_up(&pool(), keep, 1 + self.random.below(300));
                assert!(
                    matches!(outcome, Ok(_) | Err(JournalError::Unknown(_) | JournalError::Storage(_))),
                    "{outcome:?}"
                );
            }
        }
        // The power goes in the middle of something, or now.
        self.disk.lock().unwrap().disarm();
        if self.random.one_in(2) {
            let after = self.random.below(40);
            self.disk.lock().unwrap().arm(after, Fault::PowerOff);
            for _ in 0..10 {
                if self.disk.lock().unwrap().is_off() {
                    break;
                }
                self.append(&mut journal, life);
            }
        }
        self.disk.lock().unwrap().cut();
        drop(journal);
        self.disk.lock().unwrap().restart();
    }

    /// All that was acknowledged is there, once, and beyond it only the call that is open, wholly or not at all.
    fn check(&self, what: &str) {
        let snapshot = Snapshot::open(&self.path).unwrap();
        let report = snapshot.verify(&mut |_| ()).unwrap();
        assert_eq!(report.findings, [], "{what}");
        let mut live = BTreeSet::new();
        let mut visit = |share: &ShareRecord| {
            assert!(live.insert(share.key), "{what}: {:?} is there twice", share.key);
            ControlFlow::Continue(())
        };
        snapshot.shares(&pool(), &mut visit).unwrap();
        let mut rolled = 0;
        snapshot.share_totals(&pool(), &mut |total| rolled += total.shares).unwrap();
        let count = |entries: &[Entry]| {
            let shares = entries.iter().filter(|entry| matches!(entry, Entry::Share(_))).count() as u64;
            (shares, entries.iter().filter(|entry| matches!(entry, Entry::Candidate(_))).count())
        };
        let (shares, blocks) = count(&self.acknowledged);
        let (open_shares, open_blocks) = self.open.as_deref().map_or((0, 0), count);
        let there = (live.len() as u64 + rolled, snapshot.blocks(&pool(), false).unwrap().len());
        let whole = (shares + open_shares, blocks + open_blocks);
        assert!(
            there == (shares, blocks) || there == whole,
            "{what}: {there:?}, {shares} {blocks}, {whole:?}"
        );
    }

    /// Everything again: nothing of it is new.
    fn replay(&self) {
        let mut journal = Sqlite::open(&self.path).unwrap();
        for entries in self.acknowledged.chunks(500) {
            assert_eq!(journal.append(entries), Ok(vec![Applied::AlreadyThere; entries.len()]));
        }
    }
}

fn run(seeds: std::ops::Range<u64>, with_faults: bool) -> (u64, u64, u64) {
    let (mut failures, mut unknown, mut acknowledged) = (0, 0, 0);
    for seed in seeds {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path(), seed);
        for life in 0..3 {
            let calls = world.random.below(16);
            world.live(calls, with_faults);
            world.check(&format!("seed {seed}, life {life}"));
        }
        world.replay();
        world.check(&format!("seed {seed}, at the end"));
        failures += world.disk.lock().unwrap().failures;
        unknown += world.unknown;
        acknowledged += world.acknowledged.len() as u64;
    }
    (failures, unknown, acknowledged)
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    let (_, _, acknowledged) = run(0..70, false);
    assert!(acknowledged > 20_000, "{acknowledged}");
}

#[test]
fn what_was_acknowledged_survives_a_disk_that_fails() {
    let (failures, unknown, acknowledged) = run(1000..1070, true);
    assert!(failures > 90 && unknown > 20 && acknowledged > 20_000, "{failures} {unknown} {acknowledged}");
}

#[test]
fn a_full_or_read_only_disk_is_an_error_and_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 7);
    let mut journal = Sqlite::open(folder.path().join("journal.db")).unwrap();
    let life = journal.begin().unwrap();
    let mut sequence = 0;
    for fault in [Fault::Full, Fault::ReadOnly, Fault::Write, Fault::Sync] {
        disk.lock().unwrap().arm(0, fault);
        let batch: Vec<_> = (sequence..sequence + 50).map(|sequence| share(life, sequence)).collect();
        for _ in 0..3 {
            let error = journal.append(&batch).unwrap_err();
            match fault {
                Fault::Full => {
                    assert!(
                        matches!(&error, JournalError::Storage(what) if what.contains("full")),
                        "{error}"
                    );
                }
                _ => assert!(matches!(error, JournalError::Unknown(_) | JournalError::Storage(_)), "{error}"),
            }
        }
        disk.lock().unwrap().disarm();
        assert_eq!(journal.append(&batch), Ok(vec![Applied::Applied; 50]));
        assert_eq!(journal.append(&batch), Ok(vec![Applied::AlreadyThere; 50]));
        sequence += 50;
    }
    assert!(disk.lock().unwrap().syncs > 4);
}

#[test]
fn a_flipped_byte_on_the_disk_is_found_or_harmless() {
    let mut found = 0;
    for seed in 0..80 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path(), seed);
        world.live(6, false);
        world.check("before");
        let at = world.random.below(1 << 40);
        let name = if world.random.one_in(2) { "journal.db" } else { "journal.db-wal" };
        if !world.disk.lock().unwrap().flip(name, at) {
            continue;
        }
        let Ok(snapshot) = Snapshot::open(&world.path) else {
            found += 1;
            continue;
        };
        let is_clean = snapshot.verify(&mut |_| ()).is_ok_and(|report| report.is_clean());
        drop(snapshot);
        found += u64::from(!is_clean);
        // A flip in the log looks like its torn end, so it may cost what follows it, which only a disk that lies can do.
        if is_clean && name == "journal.db" {
            world.check(&format!("seed {seed}"));
        }
    }
    assert!(found > 4, "{found}");
}
