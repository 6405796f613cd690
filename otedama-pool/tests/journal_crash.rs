//! The journal under kill -9 and torn logs: what was acknowledged is there, once, and nothing is half there.
#![cfg(all(feature = "sqlite", unix))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use otedama_pool::journal::{
    BlockRecord, BlockState, Candidate, Entry, Journal, JournalError, Life, ShareKey, ShareRecord, Sqlite,
};
use otedama_pool::ledger::{Ledger, LedgerAccount, Observation, step};
use otedama_pool::{Account, PoolName};

/// Where the child finds the path of its journal.
const PATH: &str = "OTEDAMA_TEST_JOURNAL";
/// Shares in a batch.
const BATCH: u64 = 100;
/// So many batches have a block of their own among them.
const BLOCK_EVERY: u64 = 5;

fn pool() -> PoolName {
    PoolName::new("main")
}

/// Batch `number` of a life: shares, and now and then a block that is found and confirmed at once.
fn batch(life: Life, number: u64) -> Vec<Entry> {
    let share = |sequence: u64| {
        Entry::Share(ShareRecord {
            key: ShareKey { node: life.node, boot: life.boot, sequence },
            pool: pool(),
            account: Account::new(format!("account{}", sequence % 17)),
            worker: format!("rig{}", sequence % 5).into(),
            weight: Weight::new(u128::from(sequence) + 1),
            digest: Digest::new([3; 32]),
            height: 5,
            time: UnixTime::from_secs(number),
        })
    };
    let mut entries: Vec<_> = (number * BATCH..(number + 1) * BATCH).map(share).collect();
    if number.is_multiple_of(BLOCK_EVERY) {
        let candidate = Arc::new(candidate(life, number));
        let record = BlockRecord { candidate: candidate.clone(), state: BlockState::Found, ordinal: 0 };
        let event = step(&record, Observation::OnChain, UnixTime::from_secs(number)).unwrap().unwrap();
        entries.insert(50, Entry::Candidate(candidate));
        entries.push(Entry::Block(event));
    }
    entries
}

fn candidate(life: Life, number: u64) -> Candidate {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&life.boot.to_be_bytes());
    hash[4..12].copy_from_slice(&number.to_be_bytes());
    Candidate {
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
        block: vec![7; 2000].into(),
    }
}

/// What a child does until it is killed: it appends, and says so after every batch.
fn append_for_ever(path: &Path) {
    let mut journal = Sqlite::open(path).unwrap();
    let life = journal.begin().unwrap();
    for number in 0.. {
        journal.append(&batch(life, number)).unwrap();
        let mut out = std::io::stderr().lock();
        writeln!(out, "ack {} {number}", life.boot).unwrap();
    }
}

/// Starts this program again as the child.
fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_loses_nothing_that_it_acknowledged", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the child once it has acknowledged so many batches, and returns its life and all that it acknowledged.
fn kill_after(mut child: Child, batches: u64) -> (u32, u64) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut last = None;
    let mut note = |line: String| {
        let words: Vec<_> = line.split(' ').collect();
        let ["ack", boot, number] = words[..] else { panic!("the child says: {line}") };
        last = Some((boot.parse().unwrap(), number.parse::<u64>().unwrap() + 1));
    };
    for _ in 0..batches {
        note(lines.next().unwrap());
    }
    child.kill().unwrap();
    lines.for_each(&mut note);
    child.wait().unwrap();
    last.unwrap()
}

/// How many batches of each life are there; each of them must be whole, and the books must balance.
fn audit(path: &Path) -> HashMap<u32, u64> {
    let mut journal = Sqlite::open(path).unwrap();
    let mut sequences: HashMap<u32, Vec<u64>> = HashMap::new();
    let mut visit = |share: &ShareRecord| {
        sequences.entry(share.key.boot).or_default().push(share.key.sequence);
        ControlFlow::Continue(())
    };
    journal.shares(&pool(), &mut visit).unwrap();
    let mut batches = HashMap::new();
    let mut blocks = 0;
    for (boot, sequences) in sequences {
        let count = u64::try_from(sequences.len()).unwrap();
        assert!(sequences.into_iter().eq((0..count).rev()), "every share is there once");
        assert_eq!(count % BATCH, 0, "no batch is half there");
        batches.insert(boot, count / BATCH);
        blocks += (count / BATCH).div_ceil(BLOCK_EVERY);
    }
    let found = journal.blocks(&pool(), true).unwrap();
    assert_eq!(u64::try_from(found.len()).unwrap(), blocks);
    assert!(
        found.iter().all(|block| block.state == BlockState::Confirmed && block.candidate.block.len() == 2000)
    );
    let mut ledger = Ledger::default();
    journal.bookings(&pool(), &mut |transaction| ledger.apply(transaction).unwrap()).unwrap();
    assert_eq!(
        ledger.balance(&LedgerAccount::Chain),
        Amount::from_atomic(u128::from(blocks) * 5_000_000_000)
    );
    let kept: Ledger = journal
        .balances(&pool())
        .unwrap()
        .into_iter()
        .map(|balance| (balance.account, balance.amount))
        .collect();
    assert_eq!(kept, ledger);
    batches
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(path) = std::env::var_os(PATH) {
        return append_for_ever(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut acknowledged = HashMap::new();
    for round in 0..20 {
        let (boot, batches) = kill_after(start(&path), 1 + round * round % 37);
        acknowledged.insert(boot, batches);
        let there = audit(&path);
        assert_eq!(there.len(), acknowledged.len());
        for (boot, batches) in &acknowledged {
            let more = there[boot] - batches;
            assert!(more <= 1, "life {boot}: {batches} acknowledged, {} there", there[boot]);
        }
        // What came to the disk without a word is as good as acknowledged now.
        acknowledged = there;
    }
    assert_eq!(acknowledged.len(), 20);
}

#[test]
fn a_journal_is_free_again_when_its_holder_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut child = start(&path);
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines();
    lines.next().unwrap().unwrap();
    assert!(matches!(Sqlite::open(&path), Err(JournalError::InUse { .. })), "another process holds it");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Sqlite::open(&path).is_ok());
}

/// Copies database and log as they lie on the disk, the log cut to `length`, with a `tail` behind it.
fn crashed_copy(path: &Path, copy: &Path, length: u64, tail: &[u8]) {
    fs::copy(path, copy).unwrap();
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    fs::copy(log(path), log(copy)).unwrap();
    let mut file = OpenOptions::new().write(true).open(log(copy)).unwrap();
    file.set_len(length).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(tail).unwrap();
}

#[test]
fn a_torn_log_ends_with_the_last_whole_batch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let log = directory.path().join("journal.db-wal");
    // The log must not be written back while it grows here, which happens once it is long. What makes the file stays in
    // it until it is closed.
    drop(Sqlite::open(&path).unwrap());
    let mut journal = Sqlite::open(&path).unwrap();
    let life = journal.begin().unwrap();
    let mut lengths = Vec::new();
    for number in 0..6 {
        journal.append(&batch(life, number)).unwrap();
        lengths.push(fs::metadata(&log).unwrap().len());
    }
    assert!(lengths.is_sorted_by(|a, b| a < b), "the log only grows here: {lengths:?}");
    let copies = directory.path().join("copies");
    fs::create_dir(&copies).unwrap();
    for (batches, pair) in (1u64..).zip(lengths.windows(2)) {
        let [whole, next] = pair else { unreachable!() };
        for (index, length) in
            [*whole, whole + 1, whole + 4096, next - 4097, next - 1].into_iter().enumerate()
        {
            for (kind, tail) in [&[][..], &[0xa5; 9000], &[0; 9000]].into_iter().enumerate() {
                let copy = copies.join(format!("{batches}-{index}-{kind}.db"));
                crashed_copy(&path, &copy, length, tail);
                assert_eq!(
                    audit(&copy),
                    HashMap::from([(life.boot, batches)]),
                    "log of {length} bytes of {next}"
                );
            }
        }
    }
}
