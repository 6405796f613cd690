//! Faults of storage that only a look inside can cause. The contract itself is tested from outside.

use std::sync::Arc;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use rusqlite::ffi;

use super::super::{BlockEvent, BlockState, Candidate, ShareKey};
use super::*;
use crate::account::Account;

fn share(life: Life, sequence: u64) -> Entry {
    let key = ShareKey { node: life.node, boot: life.boot, sequence };
    Entry::Share(ShareRecord {
        key,
        pool: PoolName::new("p"),
        account: Account::new(format!("account{}", sequence % 7)),
        worker: "rig".into(),
        weight: Weight::new(1 << 32),
        digest: Digest::new([7; 32]),
        height: 9,
        time: UnixTime::from_secs(1_700_000_000),
    })
}

fn shares(life: Life, range: std::ops::Range<u64>) -> Vec<Entry> {
    range.map(|sequence| share(life, sequence)).collect()
}

fn count(journal: &mut Sqlite) -> usize {
    let mut count = 0;
    let mut visit = |_: &ShareRecord| {
        count += 1;
        ControlFlow::Continue(())
    };
    journal.shares(&PoolName::new("p"), &mut visit).unwrap();
    count
}

fn open() -> (tempfile::TempDir, Sqlite) {
    let directory = tempfile::tempdir().unwrap();
    let journal = Sqlite::open(directory.path().join("journal.db")).unwrap();
    (directory, journal)
}

#[test]
fn a_full_disk_is_an_error_and_no_end() {
    let (_directory, mut journal) = open();
    let life = journal.begin().unwrap();
    journal.append(&shares(life, 0..10)).unwrap();
    let pages: i64 = journal.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    journal.connection.pragma_update(None, "max_page_count", pages + 3).unwrap();
    let error = journal.append(&shares(life, 10..2000)).unwrap_err();
    assert!(matches!(&error, JournalError::Storage(message) if message.contains("full")), "{error:?}");
    assert_eq!(count(&mut journal), 10);
    journal.append(&shares(life, 10..12)).unwrap();
    journal.connection.pragma_update(None, "max_page_count", 1 << 30).unwrap();
    assert_eq!(
        journal
            .append(&shares(life, 10..2000))
            .unwrap()
            .iter()
            .filter(|a| **a == Applied::AlreadyThere)
            .count(),
        2
    );
    assert_eq!(count(&mut journal), 2000);
}

#[test]
fn a_read_only_disk_is_an_error_and_no_end() {
    let (_directory, mut journal) = open();
    let life = journal.begin().unwrap();
    journal.connection.pragma_update(None, "query_only", true).unwrap();
    assert!(matches!(journal.append(&shares(life, 0..10)), Err(JournalError::Storage(_))));
    assert!(matches!(journal.begin(), Err(JournalError::Storage(_))));
    journal.connection.pragma_update(None, "query_only", false).unwrap();
    journal.append(&shares(life, 0..10)).unwrap();
    assert_eq!(count(&mut journal), 10);
}

#[test]
fn names_of_an_undone_batch_are_forgotten() {
    let (_directory, mut journal) = open();
    let life = journal.begin().unwrap();
    let stranger = Life { boot: 99, ..life };
    for bad in [share(stranger, 0), share(life, 1 << 43)] {
        let mut entries = shares(life, 0..20);
        entries.push(bad);
        assert!(matches!(journal.append(&entries), Err(JournalError::Contradiction(_))));
    }
    assert_eq!(count(&mut journal), 0);
    journal.append(&shares(life, 0..20)).unwrap();
    assert_eq!(count(&mut journal), 20);
    let orphans = "SELECT count(*) FROM pragma_foreign_key_check";
    assert_eq!(journal.connection.query_row(orphans, [], |row| row.get::<_, i64>(0)), Ok(0));
}

#[test]
fn only_a_failed_write_leaves_a_commit_in_doubt() {
    let failed = |code| committing(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR] {
        assert!(matches!(failed(code), JournalError::Unknown(_)), "{code}");
    }
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_READONLY] {
        assert!(matches!(failed(code), JournalError::Storage(_)), "{code}");
    }
    assert!(matches!(failed(ffi::SQLITE_CORRUPT), JournalError::Damaged(_)));
}

#[test]
fn the_schema_itself_refuses_to_rewrite_history() {
    let (_directory, mut journal) = open();
    let life = journal.begin().unwrap();
    journal.append(&[share(life, 0), Entry::Candidate(Arc::new(candidate())), confirmed()]).unwrap();
    for sql in [
        "UPDATE shares SET weight = zeroblob(16)",
        "UPDATE blocks SET reward = '11'",
        "UPDATE blocks SET raw = NULL",
        "DELETE FROM blocks",
        "UPDATE credits SET amount = '8'",
        "DELETE FROM credits",
        "UPDATE events SET state = 2",
        "DELETE FROM events",
        "INSERT INTO events VALUES (1, 1, 2, 0)",
        "INSERT INTO events VALUES (1, 3, 2, 0)",
        "INSERT INTO events VALUES (7, 1, 1, 0)",
        "UPDATE bookings SET pool = 2",
        "DELETE FROM bookings",
        "UPDATE lines SET amount = '1'",
        "DELETE FROM lines",
        "INSERT INTO lines VALUES (1, 9, 2, NULL, 0, '1')",
        "INSERT INTO lines VALUES (1, 9, 0, NULL, 0, '-1')",
        "INSERT INTO lines VALUES (1, 9, 0, NULL, 0, '1.5')",
        "INSERT INTO shares VALUES (5, 1, x'00', zeroblob(32), 0, 0)",
        "INSERT INTO shares VALUES (5, 77, zeroblob(16), zeroblob(32), 0, 0)",
        "INSERT INTO balances VALUES (1, 2, 0, '1')",
    ] {
        let refused = journal.connection.execute(sql, []).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{sql}");
    }
}

#[test]
fn what_the_schema_does_not_promise_is_damage() {
    let (_directory, mut journal) = open();
    let life = journal.begin().unwrap();
    journal.append(&[share(life, 0), Entry::Candidate(Arc::new(candidate())), confirmed()]).unwrap();
    let connection = &journal.connection;
    let huge = "9".repeat(39);
    connection.execute("UPDATE balances SET amount = ?1", [huge]).unwrap();
    connection
        .execute("INSERT INTO shares VALUES (1 << 50, 1, zeroblob(16), zeroblob(32), 0, 0)", [])
        .unwrap();
    let pool = PoolName::new("p");
    assert!(matches!(journal.balances(&pool), Err(JournalError::Damaged(_))));
    let visit = &mut |_: &ShareRecord| ControlFlow::Continue(());
    assert!(matches!(journal.shares(&pool, visit), Err(JournalError::Damaged(_))));
}

#[test]
fn a_cache_that_is_full_starts_anew() {
    let (_directory, mut journal) = open();
    let life = journal.begin().unwrap();
    journal.append(&shares(life, 0..7)).unwrap();
    journal.names.fill_up();
    let mut other = shares(life, 7..14);
    if let Some(Entry::Share(share)) = other.last_mut() {
        share.worker = "another".into();
    }
    journal.append(&other).unwrap();
    assert!(!journal.names.is_full());
    assert_eq!(count(&mut journal), 14);
}

fn candidate() -> Candidate {
    Candidate {
        pool: PoolName::new("p"),
        hash: Hash256::from_internal([1; 32]),
        height: 9,
        finder: Account::new("account0"),
        worker: "rig".into(),
        reward: Amount::from_atomic(10),
        fee: Amount::from_atomic(1),
        credits: vec![(Account::new("account0"), Amount::from_atomic(9))],
        paid_by_coinbase: false,
        time: UnixTime::from_secs(1_700_000_000),
        block: Box::new([1, 2, 3]),
    }
}

fn confirmed() -> Entry {
    let candidate = candidate();
    Entry::Block(BlockEvent {
        pool: candidate.pool.clone(),
        hash: candidate.hash,
        ordinal: 1,
        state: BlockState::Confirmed,
        time: candidate.time,
        booking: crate::ledger::booking::confirmed(&candidate).ok(),
    })
}
