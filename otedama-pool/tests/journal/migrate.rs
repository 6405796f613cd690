//! From version 1 to the current one: all that was there is there, and what makes no sense is left alone.

use std::path::Path;

use otedama_pool::journal::{
    Applied, BlockState, Candidate, Entry, Journal, JournalError, Life, Schema, ShareRecord, Snapshot, Sqlite,
};
use otedama_pool::ledger::{Observation, Transaction, booking};
use otedama_pool::{Account, PoolName};
use rusqlite::{Connection, params};

use crate::world::{all_shares, balances, candidate, found, observe, pool, record};

const V1: &str = include_str!("../data/journal/v1.sql");

fn v1(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;").unwrap();
    connection.execute_batch(V1).unwrap();
    connection.execute_batch("PRAGMA application_id = 0x4f746564; PRAGMA user_version = 1;").unwrap();
    connection.execute_batch("INSERT INTO lives VALUES (1, 0, 1), (2, 0, 2), (3, 0, 3)").unwrap();
    connection
}

fn intern(connection: &Connection, table: &str, column: &str, parent: i64, name: &str) -> i64 {
    let (with, key) =
        if column.is_empty() { ("", "name = ?1 AND ?2 = ?2") } else { (column, "name = ?1 AND ") };
    let select = match with {
        "" => format!("SELECT id FROM {table} WHERE {key}"),
        with => format!("SELECT id FROM {table} WHERE {key} {with} = ?2"),
    };
    if let Ok(id) = connection.query_row(&select, params![name, parent], |row| row.get(0)) {
        return id;
    }
    match with {
        "" => connection.execute(&format!("INSERT INTO {table} (name) VALUES (?1)"), [name]).unwrap(),
        with => {
            let insert = format!("INSERT INTO {table} (name, {with}) VALUES (?1, ?2)");
            connection.execute(&insert, params![name, parent]).unwrap()
        }
    };
    connection.last_insert_rowid()
}

fn account(connection: &Connection, pool: &PoolName, account: &Account) -> i64 {
    let pool = intern(connection, "pools", "", 0, pool.as_str());
    intern(connection, "accounts", "pool", pool, account.as_str())
}

fn worker(connection: &Connection, pool: &PoolName, of: &Account, worker: &str) -> i64 {
    let of = account(connection, pool, of);
    intern(connection, "workers", "account", of, worker)
}

fn put_share(connection: &Connection, life: i64, share: &ShareRecord) {
    let worker = worker(connection, &share.pool, &share.account, &share.worker);
    let id = life << 43 | i64::try_from(share.key.sequence).unwrap();
    let (weight, digest) = (share.weight.get().to_be_bytes(), share.digest.as_bytes());
    let time = i64::try_from(share.time.as_secs()).unwrap();
    let sql = "INSERT INTO shares VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection
        .execute(sql, params![id, worker, weight.as_slice(), digest.as_slice(), share.height, time])
        .unwrap();
}

fn put_block(connection: &Connection, block: &Candidate) -> i64 {
    let finder = worker(connection, &block.pool, &block.finder, &block.worker);
    let pool = intern(connection, "pools", "", 0, block.pool.as_str());
    let sql = "INSERT INTO blocks (hash, pool, height, finder, reward, fee, paid_by_coinbase, time, raw)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let hash = block.hash.as_internal().as_slice();
    let (reward, fee) = (block.reward.to_string(), block.fee.to_string());
    let (height, paid, raw) = (block.height, block.paid_by_coinbase, &*block.block);
    connection
        .execute(sql, params![hash, pool, height, finder, reward, fee, paid, 1_700_000_000, raw])
        .unwrap();
    let id = connection.last_insert_rowid();
    for (position, (of, part)) in (0i64..).zip(&block.credits) {
        let of = account(connection, &block.pool, of);
        let sql = "INSERT INTO credits VALUES (?1, ?2, ?3, ?4)";
        connection.execute(sql, params![id, of, position, part.to_string()]).unwrap();
    }
    id
}

/// An event with its lines as version 1 wrote them: all that goes out of the chain in one.
fn put_event(connection: &Connection, block: i64, ordinal: u32, state: BlockState, of: Option<Transaction>) {
    use otedama_pool::ledger::LedgerAccount as A;
    let code = [BlockState::Found, BlockState::Confirmed, BlockState::Matured, BlockState::Orphaned];
    let code = code.iter().position(|known| *known == state).map_or(4, |code| i64::try_from(code).unwrap());
    let sql = "INSERT INTO events VALUES (?1, ?2, ?3, 5)";
    connection.execute(sql, params![block, ordinal, code]).unwrap();
    let Some(transaction) = of else { return };
    let sql = "INSERT INTO bookings (pool, block, ordinal) VALUES (1, ?1, ?2)";
    connection.execute(sql, params![block, ordinal]).unwrap();
    let booking = connection.last_insert_rowid();
    let mut lines: Vec<(A, i64, u128)> = Vec::new();
    for transfer in transaction.transfers() {
        for (of, side) in [(&transfer.from, 1), (&transfer.to, 0)] {
            let amount = transfer.amount.atomic();
            match lines.iter_mut().find(|(known, way, _)| (known, *way) == (of, side)) {
                Some((_, _, sum)) => *sum += amount,
                None => lines.push((of.clone(), side, amount)),
            }
        }
    }
    for (position, (of, side, amount)) in (0i64..).zip(lines) {
        let id = |of: &Account| Some(account(connection, &pool(), of));
        let (kind, of) = match &of {
            A::Chain => (0, None),
            A::Immature(of) => (1, id(of)),
            A::Balance(of) => (2, id(of)),
            A::PaidByCoinbase(of) => (3, id(of)),
            A::ImmatureFee => (4, None),
            _ => (5, None),
        };
        let sql = "INSERT INTO lines VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        connection.execute(sql, params![booking, position, kind, of, side, amount.to_string()]).unwrap();
        let sql = "SELECT amount FROM balances WHERE pool = 1 AND kind = ?1 AND account = ?2";
        let key = params![kind, of.unwrap_or(0)];
        let before = connection.query_row(sql, key, |row| row.get::<_, String>(0));
        let before = before.map_or(0, |text| text.parse::<u128>().unwrap());
        let after = if (kind == 0) == (side == 1) { before + amount } else { before - amount };
        connection
            .execute("DELETE FROM balances WHERE pool = 1 AND kind = ?1 AND account = ?2", key)
            .unwrap();
        if after > 0 {
            let sql = "INSERT INTO balances VALUES (1, ?1, ?2, ?3)";
            connection.execute(sql, params![kind, of.unwrap_or(0), after.to_string()]).unwrap();
        }
    }
}

/// A file of version 1 with shares of two lives and pools and blocks in every state, and the shares of each pool.
fn furnished(path: &Path) -> (Vec<ShareRecord>, Vec<ShareRecord>) {
    let connection = v1(path);
    connection.execute_batch("BEGIN").unwrap();
    let life = |boot| Life { node: 0, boot };
    let (mut main, mut other) = (Vec::new(), Vec::new());
    intern(&connection, "pools", "", 0, "main");
    for (boot, sequences) in [(1, 0..3000u64), (2, 5..40)] {
        for sequence in sequences {
            let mut share = record(life(boot), sequence * 2);
            if sequence % 7 == 3 {
                share.pool = PoolName::new("other");
            }
            put_share(&connection, i64::from(boot), &share);
            if share.pool == pool() { main.push(share) } else { other.push(share) }
        }
    }
    let blocks = [1, 2, 3, 4].map(candidate);
    let ids = blocks.each_ref().map(|block| put_block(&connection, block));
    let [one, two, three, _] = &blocks;
    use BlockState::{Confirmed, Lost, Matured, Orphaned};
    put_event(&connection, ids[0], 1, Confirmed, booking::confirmed(one).ok());
    put_event(&connection, ids[1], 1, Orphaned, None);
    put_event(&connection, ids[2], 1, Confirmed, booking::confirmed(three).ok());
    put_event(&connection, ids[0], 2, Orphaned, booking::orphaned(one).ok());
    put_event(&connection, ids[1], 2, Confirmed, booking::confirmed(two).ok());
    put_event(&connection, ids[2], 2, Matured, booking::matured(three).ok());
    put_event(&connection, ids[0], 3, Lost, None);
    connection.execute_batch("COMMIT").unwrap();
    main.reverse();
    other.reverse();
    main.sort_by_key(|share| std::cmp::Reverse(share.key));
    other.sort_by_key(|share| std::cmp::Reverse(share.key));
    (main, other)
}

#[test]
fn a_journal_of_version_1_is_brought_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let (main, other) = furnished(&path);
    assert!(matches!(Sqlite::open(&path), Err(JournalError::Outdated { found: 1, expected: 2, .. })));
    assert!(matches!(Snapshot::open(&path), Err(JournalError::Outdated { .. })));
    assert_eq!(Sqlite::schema(&path), Ok(Schema { found: 1, current: 2 }));
    let mut seen = Vec::new();
    assert_eq!(Sqlite::migrate(&path, &mut |progress| seen.push(progress)), Ok(vec![2]));
    assert_eq!(seen.last().map(|progress| (progress.done, progress.total)), Some((3046, 3046)));
    assert_eq!(Sqlite::migrate(&path, &mut |_| ()), Ok(vec![]));
    assert_eq!(Sqlite::schema(&path), Ok(Schema { found: 2, current: 2 }));

    let report = Snapshot::open(&path).unwrap().verify(&mut |_| ()).unwrap();
    assert_eq!(report.findings, []);
    let mut journal = Sqlite::open(&path).unwrap();
    assert_eq!(all_shares(&mut journal, &pool()), main);
    assert_eq!(all_shares(&mut journal, &PoolName::new("other")), other);
    let blocks = journal.blocks(&pool(), false).unwrap();
    let states: Vec<_> = blocks.iter().map(|block| (block.state, block.ordinal)).collect();
    use BlockState::{Confirmed, Found, Lost, Matured};
    assert_eq!(states, [(Lost, 3), (Confirmed, 2), (Matured, 2), (Found, 0)]);
    assert_eq!(*blocks[1].candidate, candidate(2));
    assert_eq!(*blocks[3].candidate, candidate(4));
    assert!(blocks[0].candidate.block.is_empty());
    let reward = balances(&mut journal)[0].1;
    assert_eq!(Some(reward), candidate(2).reward.checked_add(candidate(3).reward));
    let mut order = Vec::new();
    let snapshot = Snapshot::open(&path).unwrap();
    snapshot.booked(&pool(), &mut |booked| order.push((booked.hash, booked.ordinal))).unwrap();
    let [one, two, three] = [1, 2, 3].map(|number| candidate(number).hash);
    assert_eq!(order, [(one, 1), (three, 1), (one, 2), (two, 2), (three, 2)]);

    // It goes on where it was.
    assert_eq!(observe(&mut journal, two, Observation::Mature), [Matured]);
    let all: Vec<_> = main.into_iter().map(Entry::Share).collect();
    assert_eq!(journal.append(&all), Ok(vec![Applied::AlreadyThere; all.len()]));
    assert_eq!(journal.append(&[found(&candidate(3))]), Ok(vec![Applied::AlreadyThere]));
    assert_eq!(journal.begin().unwrap().boot, 4);
}

#[test]
fn what_makes_no_sense_is_left_as_it_was() {
    let damages: [(&str, &str); 5] = [
        (
            "DROP TRIGGER lines_stay; UPDATE lines SET amount = '5' WHERE booking = 1 AND position = 0",
            "event 1 of block",
        ),
        ("UPDATE balances SET amount = '5' WHERE kind = 5", "balances of main"),
        ("DROP TRIGGER credits_stay; UPDATE credits SET amount = '7' WHERE block = 4", "not its reward"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM workers WHERE id = 2", "of no worker"),
        ("DROP TRIGGER events_stay; UPDATE events SET state = 4 WHERE block = 2 AND ordinal = 1", "block"),
    ];
    for (sql, what) in damages {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        furnished(&path);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let dump = |path: &Path| -> Vec<(String, i64)> {
            let connection = Connection::open(path).unwrap();
            let mut select = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
            let names = select.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
            let shares = connection.query_row("SELECT count(*) FROM shares", [], |row| row.get(0)).unwrap();
            names.map(|name| (name, shares)).collect()
        };
        let before = dump(&path);
        let error = Sqlite::migrate(&path, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(what), "{sql}: {error}");
        assert_eq!(dump(&path), before);
        assert_eq!(Sqlite::schema(&path), Ok(Schema { found: 1, current: 2 }));
    }
}

#[test]
fn only_a_journal_of_a_version_that_is_known_is_brought_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    assert!(matches!(Sqlite::migrate(&path, &mut |_| ()), Err(JournalError::Storage(_))));
    assert!(!path.exists());
    let held = Sqlite::open(&path).unwrap();
    assert!(matches!(Sqlite::migrate(&path, &mut |_| ()), Err(JournalError::InUse { .. })));
    drop(held);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 3").unwrap();
    assert!(matches!(Sqlite::migrate(&path, &mut |_| ()), Err(JournalError::TooNew { found: 3, .. })));
    let mut empty = v1(&directory.path().join("empty.db"));
    empty.transaction().unwrap().commit().unwrap();
    drop(empty);
    assert_eq!(Sqlite::migrate(directory.path().join("empty.db"), &mut |_| ()), Ok(vec![2]));
    let mut journal = Sqlite::open(directory.path().join("empty.db")).unwrap();
    assert_eq!(journal.begin().unwrap().boot, 4);
}
