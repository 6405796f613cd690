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

/// Bytes of the log after 200 batches.
fn log_after_batches(tidies: bool) -> u64 {
    let (directory, mut journal) = open();
    let life = journal.begin().unwrap();
    for batch in 0..200 {
        journal.append(&shares(life, 100 * batch..100 * (batch + 1))).unwrap();
        if tidies {
            journal.tidy();
        }
    }
    assert_eq!(count(&mut journal), 20_000);
    std::fs::metadata(directory.path().join("journal.db-wal")).unwrap().len()
}

#[test]
fn whoever_tidies_has_a_short_log_and_nobody_a_long_one() {
    let page = 4096 + 24;
    let (tidied, untidied) = (log_after_batches(true), log_after_batches(false));
    assert!(tidied < 128 * page, "{tidied} bytes");
    assert!(tidied < untidied && untidied < 300 * page, "{untidied} bytes");
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
    for bad in [share(stranger, 0), share(life, 1 << 63)] {
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

/// A journal with shares, a block that is credited and one that is only found.
fn furnished() -> (tempfile::TempDir, Sqlite) {
    let (directory, mut journal) = open();
    let life = journal.begin().unwrap();
    let other = Candidate { hash: Hash256::from_internal([2; 32]), ..candidate() };
    let entries =
        [share(life, 0), share(life, 9), Entry::Candidate(Arc::new(candidate())), confirmed(), found(other)];
    journal.append(&entries).unwrap();
    (directory, journal)
}

fn found(candidate: Candidate) -> Entry {
    Entry::Candidate(Arc::new(candidate))
}

/// Every statement is refused by a constraint or trigger, and nothing has changed.
fn refused(journal: &mut Sqlite, statements: &[&str]) {
    for sql in statements {
        let transaction = journal.connection.unchecked_transaction().unwrap();
        let outcome = transaction.execute_batch(sql).and_then(|()| transaction.commit());
        let refused = outcome.expect_err(sql);
        assert_eq!(
            refused.sqlite_error_code(),
            Some(rusqlite::ErrorCode::ConstraintViolation),
            "{sql}: {refused}"
        );
        if !journal.connection.is_autocommit() {
            journal.connection.execute_batch("ROLLBACK").unwrap();
        }
    }
    let report = Snapshot::open(journal.connection.path().unwrap()).unwrap().verify(&mut |_| ()).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn the_schema_itself_refuses_to_rewrite_history() {
    let (_directory, mut journal) = furnished();
    let tables = [
        "lives",
        "pools",
        "accounts",
        "workers",
        "totals",
        "blocks",
        "credits",
        "events",
        "bookings",
        "transfers",
        "balances",
    ];
    let deletes: Vec<_> = tables.iter().map(|table| format!("DELETE FROM {table}")).collect();
    refused(&mut journal, &deletes.iter().map(String::as_str).collect::<Vec<_>>());
    refused(
        &mut journal,
        &[
            "UPDATE segments SET count = 1",
            "UPDATE pools SET name = 'q'",
            "UPDATE accounts SET name = 'q'",
            "UPDATE workers SET name = 'q'",
            "UPDATE lives SET boot = 7",
            "UPDATE totals SET shares = 1, live_shares = 1",
            "UPDATE blocks SET reward_lo = 11",
            "UPDATE blocks SET checksum = 11",
            "UPDATE blocks SET raw = NULL",
            "UPDATE blocks SET raw = x'00'",
            "UPDATE blocks SET state = 2, ordinal = 2, raw = NULL",
            "UPDATE blocks SET state = 0, ordinal = 0",
            "UPDATE credits SET lo = 8",
            "UPDATE events SET state = 2",
            "UPDATE bookings SET pool = 2",
            "UPDATE transfers SET lo = 1",
        ],
    );
}

#[test]
fn the_schema_itself_keeps_the_books() {
    let (_directory, mut journal) = furnished();
    refused(
        &mut journal,
        &[
            "INSERT INTO events VALUES (1, 1, 2, 0, 0)",
            "INSERT INTO events VALUES (1, 3, 2, 0, 0)",
            "INSERT INTO events VALUES (1, 2, 4, 0, 0)",
            "INSERT INTO events VALUES (2, 1, 2, 0, 0)",
            "INSERT INTO events VALUES (7, 1, 1, 0, 0)",
            // Credits come before their block, and are what it pays.
            "INSERT INTO credits VALUES (1, 2, 1, 0, 0)",
            "INSERT INTO credits VALUES (9, 1, 0, 0, 5)",
            "INSERT INTO credits VALUES (3, 1, 0, 0, 8);
             INSERT INTO blocks SELECT 3, zeroblob(32), pool, height, finder, reward_hi, reward_lo, fee_hi, fee_lo,
                 paid_by_coinbase, time, checksum, raw_checksum, 0, 0, raw FROM blocks WHERE id = 1",
            "INSERT INTO blocks SELECT 3, zeroblob(32), pool, height, finder, 0, 1, 0, 1,
                 paid_by_coinbase, time, checksum, raw_checksum, 1, 1, raw FROM blocks WHERE id = 1",
            // A booking goes with an event, and is not there without its last transfer.
            "INSERT INTO bookings VALUES (2, 1, 2, 1, 0)",
            "INSERT INTO events VALUES (2, 1, 1, 0, 0); INSERT INTO bookings VALUES (2, 1, 2, 1, 0)",
            "INSERT INTO transfers VALUES (1, 9, 0, NULL, 5, NULL, 0, 1)",
            "INSERT INTO transfers VALUES (1, 2, 0, NULL, 5, NULL, 0, 1)",
            "INSERT INTO transfers VALUES (9, 0, 0, NULL, 5, NULL, 0, 1)",
        ],
    );
    let booking = "INSERT INTO events VALUES (2, 1, 1, 0, 0); INSERT INTO bookings VALUES (2, 1, 2, 1, 0);";
    let wrong = [
        "INSERT INTO transfers VALUES (2, 0, 0, NULL, 5, NULL, 0, -1)",
        "INSERT INTO transfers VALUES (2, 0, 0, NULL, 5, NULL, 0, 0)",
        "INSERT INTO transfers VALUES (2, 0, 0, NULL, 5, NULL, 0, 1000000000000000000)",
        "INSERT INTO transfers VALUES (2, 0, 0, NULL, 0, NULL, 0, 1)",
        "INSERT INTO transfers VALUES (2, 0, 1, NULL, 0, NULL, 0, 1)",
        "INSERT INTO transfers VALUES (2, 0, 5, 1, 0, NULL, 0, 1)",
        "INSERT INTO transfers VALUES (2, 0, 0, NULL, 1, 77, 0, 1)",
        // Account 1 holds 9 that are immature and nothing else, the chain has given 10.
        "INSERT INTO transfers VALUES (2, 0, 1, 1, 2, 1, 0, 10)",
        "INSERT INTO transfers VALUES (2, 0, 1, 1, 2, 1, 1, 0)",
        "INSERT INTO transfers VALUES (2, 0, 2, 1, 1, 1, 0, 1)",
        "INSERT INTO transfers VALUES (2, 0, 1, 1, 0, NULL, 0, 10)",
        "INSERT INTO transfers VALUES (2, 0, 0, NULL, 5, NULL, 999999999999999999, 999999999999999999)",
    ];
    let wrong: Vec<_> = wrong.iter().map(|transfer| format!("{booking} {transfer}")).collect();
    refused(&mut journal, &wrong.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn nobody_but_a_transfer_moves_a_balance() {
    let (_directory, mut journal) = furnished();
    refused(
        &mut journal,
        &[
            "UPDATE balances SET lo = lo + 1",
            "UPDATE balances SET lo = lo + 1 WHERE kind = 0",
            "UPDATE balances SET lo = lo",
            "UPDATE balances SET lo = 18, position = position + 1 WHERE kind = 1",
            "UPDATE balances SET kind = 2 WHERE kind = 1",
            "INSERT INTO balances VALUES (1, 2, 1, 0, 9, 1, 0)",
            "INSERT INTO balances VALUES (1, 5, 0, 0, 1, 1, 1)",
            "INSERT INTO balances VALUES (1, 5, 0, 0, 0, 9, 0)",
            "INSERT OR REPLACE INTO balances VALUES (1, 1, 1, 0, 19, 1, 0)",
        ],
    );
}

#[test]
fn the_schema_itself_keeps_shares_in_order() {
    let (_directory, mut journal) = furnished();
    refused(
        &mut journal,
        &[
            "INSERT INTO segments SELECT 2, life, pool, first, last, count, weight, checksum, digests_checksum, data,
                 digests FROM segments",
            "INSERT INTO segments SELECT 2, life, pool, 9, 20, count, weight, checksum, digests_checksum, data,
                 digests FROM segments",
            "INSERT INTO segments SELECT 2, 77, pool, 10, 20, count, weight, checksum, digests_checksum, data,
                 digests FROM segments",
            "INSERT INTO segments SELECT 2, life, pool, 10, 20, 3, weight, checksum, digests_checksum, data,
                 digests FROM segments",
            "INSERT INTO segments SELECT 2, life, pool, 10, 10, count, weight, checksum, digests_checksum, data,
                 digests FROM segments",
        ],
    );
}

#[test]
fn balances_carry_and_borrow() {
    let (_directory, mut journal) = open();
    let big = 1_000_000_000_000_000_000u128;
    let mut left = 0;
    for (number, reward) in [big - 1, 1, 3 * big - 2, big * big / 2].into_iter().enumerate() {
        let reward = Amount::from_atomic(reward);
        let hash = Hash256::from_internal([u8::try_from(number).unwrap() + 9; 32]);
        let candidate = Candidate { hash, reward, fee: reward, credits: vec![], ..candidate() };
        let booking = |booking: fn(&Candidate) -> Result<Transaction, crate::ledger::Unbalanced>| {
            booking(&candidate).ok()
        };
        let event = |ordinal, state, booking| {
            let (pool, time) = (candidate.pool.clone(), candidate.time);
            Entry::Block(BlockEvent { pool, hash, ordinal, state, time, booking })
        };
        let credit = event(1, BlockState::Confirmed, booking(crate::ledger::booking::confirmed));
        journal.append(&[found(candidate.clone()), credit]).unwrap();
        if number == 2 {
            let back = event(2, BlockState::Orphaned, booking(crate::ledger::booking::orphaned));
            journal.append(&[back]).unwrap();
        } else {
            left += reward.atomic();
        }
        let balances = journal.balances(&candidate.pool).unwrap();
        assert!(balances.iter().all(|balance| balance.amount.atomic() == left), "{balances:?}");
    }
    assert_eq!(
        Snapshot::open(journal.connection.path().unwrap()).unwrap().verify(&mut |_| ()).unwrap().findings,
        []
    );
}

#[test]
fn after_a_commit_in_doubt_the_log_is_emptied_first() {
    let (directory, mut journal) = open();
    let path = directory.path().join("journal.db");
    let log = || std::fs::metadata(directory.path().join("journal.db-wal")).unwrap().len();
    let life = journal.begin().unwrap();
    journal.append(&shares(life, 0..10)).unwrap();
    let unknown = journal.transact(|connection, names| {
        append(connection, names, &shares(life, 10..20))?;
        Err::<(), _>(JournalError::Unknown("a failed sync".into()).into())
    });
    assert!(matches!(unknown, Err(JournalError::Unknown(_))));
    assert!(journal.in_doubt && log() > 0);
    assert_eq!(count(&mut journal), 10);
    assert!(!journal.in_doubt && log() == 0);
    assert_eq!(journal.append(&shares(life, 10..20)), Ok(vec![Applied::Applied; 10]));
    assert_eq!(count(&mut journal), 20);
    assert_eq!(Snapshot::open(path).unwrap().verify(&mut |_| ()).unwrap().findings, []);
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
