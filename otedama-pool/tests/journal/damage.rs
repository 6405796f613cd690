//! A flipped byte anywhere in the file is found, or changes nothing that is read; a changed record is named.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use otedama_core::{UnixTime, Weight};
use otedama_pool::PoolName;
use otedama_pool::journal::{
    Balance, BlockRecord, Booked, Entry, Journal, JournalError, ShareRecord, ShareTotal, Snapshot, Sqlite,
};
use otedama_pool::ledger::Observation;
use rusqlite::Connection;

use crate::world::{candidate, found, observe, pool, record};

/// A journal with every kind of record, closed so that all is in one file.
fn furnished(directory: &Path) -> PathBuf {
    let path = directory.join("journal.db");
    let mut journal = Sqlite::open(&path).unwrap();
    let life = journal.begin().unwrap();
    for batch in 0..4u64 {
        let shares = (batch * 20..batch * 20 + 20).map(|sequence| {
            let mut share = record(life, sequence);
            share.weight = Weight::new(u128::from(sequence % 3) + 1);
            share.time = UnixTime::from_secs(1_700_000_000 + sequence * 9000);
            if sequence % 5 == 1 {
                share.pool = PoolName::new("other");
            }
            Entry::Share(share)
        });
        journal.append(&shares.collect::<Vec<_>>()).unwrap();
    }
    journal.roll_up(&pool(), Weight::new(40), 1).unwrap();
    journal.append(&[found(&candidate(1)), found(&candidate(2))]).unwrap();
    observe(&mut journal, candidate(1).hash, Observation::Mature);
    observe(&mut journal, candidate(2).hash, Observation::OnChain);
    path
}

/// All that a journal says of itself.
#[derive(Debug, Default, PartialEq)]
struct Contents {
    pools: Vec<PoolName>,
    shares: Vec<ShareRecord>,
    totals: Vec<ShareTotal>,
    blocks: Vec<BlockRecord>,
    balances: Vec<Balance>,
    booked: Vec<Booked>,
}

fn contents(snapshot: &Snapshot) -> Result<Contents, JournalError> {
    let mut all = Contents { pools: snapshot.pools()?, ..Contents::default() };
    for pool in &all.pools {
        let shares = &mut all.shares;
        snapshot.shares(pool, &mut |share| {
            shares.push(share.clone());
            ControlFlow::Continue(())
        })?;
        snapshot.share_totals(pool, &mut |total| all.totals.push(total.clone()))?;
        snapshot.booked(pool, &mut |booked| all.booked.push(booked.clone()))?;
        all.blocks.extend(snapshot.blocks(pool, false)?);
        all.balances.extend(snapshot.balances(pool)?);
    }
    Ok(all)
}

/// What an audit of these bytes finds; once it finds nothing, what is read must be what was written.
fn audit(directory: &Path, bytes: &[u8], expected: &Contents, what: &str) -> bool {
    let path = directory.join("damaged.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    fs::write(&path, bytes).unwrap();
    let Ok(snapshot) = Snapshot::open(&path) else { return true };
    let is_clean = snapshot.verify(&mut |_| ()).is_ok_and(|report| report.is_clean());
    let read = contents(&snapshot);
    if is_clean {
        assert_eq!(read.as_ref(), Ok(expected), "{what}: the audit finds nothing");
    }
    !is_clean
}

#[test]
fn a_flipped_byte_is_found_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let path = furnished(directory.path());
    let expected = contents(&Snapshot::open(&path).unwrap()).unwrap();
    assert!(expected.shares.len() > 40 && !expected.totals.is_empty() && expected.booked.len() == 3);
    let bytes = fs::read(&path).unwrap();
    assert!(!audit(directory.path(), &bytes, &expected, "untouched"));
    let (mut found, mut state) = (0, 0x9e37_79b9_7f4a_7c15u64);
    // Most of the file is empty space behind the records: of the bytes that are drawn, those count that say something.
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut flips = 0;
    while flips < 400 {
        let at = usize::try_from(draw()).unwrap() % bytes.len();
        if bytes[at] == 0 && draw() % 16 != 0 {
            continue;
        }
        let bit = u8::try_from(draw() % 8).unwrap();
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        flips += 1;
        found += u32::from(audit(directory.path(), &damaged, &expected, &format!("byte {at}, bit {bit}")));
    }
    assert!(found > 250, "{found} of {flips} flips were found");
}

#[test]
fn every_byte_of_a_share_and_a_block_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = furnished(directory.path());
    let expected = contents(&Snapshot::open(&path).unwrap()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let blob = |sql: &str| -> Vec<u8> {
        Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let mut checked = 0;
    for sql in [
        "SELECT data FROM segments WHERE id = 7",
        "SELECT weight FROM totals WHERE pool = 1",
        "SELECT raw FROM blocks WHERE id = 2",
        "SELECT digests FROM segments WHERE id = 8",
    ] {
        let blob = blob(sql);
        let at = bytes.windows(blob.len()).position(|window| window == blob).unwrap();
        for offset in at..at + blob.len().min(110) {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 0x20;
            assert!(audit(directory.path(), &damaged, &expected, sql), "byte {} of {sql}", offset - at);
            checked += 1;
        }
    }
    assert!(checked > 200);
}

fn triggers(connection: &Connection) -> Vec<(String, String)> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let mut select = connection.prepare(sql).unwrap();
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_changed_record_is_named() {
    let block = |number: u8| format!("block {}", candidate(number).hash);
    let event = |ordinal: u8, number: u8| format!("event {ordinal} of block {}", candidate(number).hash);
    let segment = "segment 3 of life 1, shares 20..=39";
    let changes: [(&str, &str); 23] = [
        ("UPDATE segments SET data = zeroblob(length(data)) WHERE id = 3", segment),
        ("UPDATE segments SET weight = zeroblob(24) WHERE id = 3", segment),
        ("UPDATE segments SET digests = zeroblob(length(digests)) WHERE id = 3", segment),
        ("UPDATE segments SET pool = 2 WHERE id = 3", segment),
        ("UPDATE lives SET boot = 2", "life 1"),
        ("UPDATE lives SET rolled = 0", "life 1"),
        ("UPDATE pools SET name = 'mine' WHERE id = 1", "pool 1"),
        ("UPDATE accounts SET name = 'mine' WHERE id = 1", "account 1"),
        ("UPDATE workers SET name = 'mine' WHERE id = 1", "worker 1"),
        ("UPDATE totals SET live_shares = 1 WHERE pool = 1", "totals of pool 1"),
        ("UPDATE rolled SET shares = 99 WHERE account = 1", "sum of account 1 on day 19675"),
        ("UPDATE blocks SET height = 1 WHERE id = 2", &block(2)),
        ("UPDATE blocks SET fee_lo = fee_lo - 1, reward_lo = reward_lo - 1 WHERE id = 2", &block(2)),
        ("UPDATE blocks SET raw = x'0102' WHERE id = 2", &block(2)),
        ("UPDATE blocks SET state = 3 WHERE id = 2", &block(2)),
        ("UPDATE credits SET lo = lo + 1 WHERE block = 2 AND position = 1", &block(2)),
        ("UPDATE events SET time = 7 WHERE block = 1 AND ordinal = 2", &event(2, 1)),
        ("UPDATE events SET state = 3 WHERE block = 1 AND ordinal = 2", &event(2, 1)),
        ("UPDATE transfers SET lo = lo + 1 WHERE booking = 1 AND position = 0", &event(1, 1)),
        ("UPDATE transfers SET from_kind = 5 WHERE booking = 3 AND position = 3", &event(1, 2)),
        ("UPDATE balances SET lo = lo + 1 WHERE kind = 0", "balance Chain of main"),
        ("UPDATE balances SET lo = 0, hi = 0 WHERE kind = 5", "balance Fee of main"),
        ("DELETE FROM segments WHERE id = 3", "totals of pool 1"),
    ];
    for (sql, record) in changes {
        let directory = tempfile::tempdir().unwrap();
        let path = furnished(directory.path());
        let connection = Connection::open(&path).unwrap();
        let triggers = triggers(&connection);
        for (name, _) in &triggers {
            connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
        for (_, sql) in &triggers {
            connection.execute_batch(sql).unwrap();
        }
        drop(connection);
        let report = Snapshot::open(&path).unwrap().verify(&mut |_| ()).unwrap();
        let records: Vec<_> = report.findings.iter().map(|finding| finding.record.as_str()).collect();
        assert!(records.contains(&record), "{sql}: {:?}", report.findings);
    }
}

#[test]
fn a_missing_constraint_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = furnished(directory.path());
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TRIGGER balances_follow; CREATE TABLE more (x)")
        .unwrap();
    let report = Snapshot::open(&path).unwrap().verify(&mut |_| ()).unwrap();
    let records: Vec<_> = report.findings.iter().map(|finding| finding.record.as_str()).collect();
    assert_eq!(records, ["schema of balances_follow", "schema of more"]);
}
