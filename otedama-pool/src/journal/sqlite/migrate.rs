//! From one version of the file to the next, each step wholly or not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use rusqlite::{Connection, TransactionBehavior, params};

use super::super::{BlockEvent, Candidate, Entry, JournalError, Life, Progress, ShareKey, ShareRecord};
use super::fault::{Fault, committing, damaged, natural};
use super::lives::{LifeRow, add_life, lives};
use super::names::Names;
use super::{append, blocks, books, file, verify};
use crate::account::{Account, PoolName};
use crate::ledger::{LedgerAccount, Transaction, booking};

/// Shares that are packed together on the way from version 1.
const GROUP: usize = 1024;
/// In version 1 a share's number had so many bits within its life.
const SEQUENCE_BITS: u32 = 43;

/// Brings the journal up, and says to which versions it came.
pub(super) fn up(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Vec<i64>, JournalError> {
    let none = || JournalError::Storage(format!("{}: there is no journal", path.display()));
    if !path.is_file() {
        return Err(none());
    }
    let mut connection = file::connect(path)?;
    let mut version = file::version(&connection, path)?.ok_or_else(none)?;
    let mut steps = Vec::new();
    while version != file::VERSION {
        if version != 1 {
            file::current(version, path)?;
        }
        file::configure(&connection)?;
        // Tables are renamed and dropped on the way; that all references hold is checked at the end.
        connection.pragma_update(None, "foreign_keys", false).map_err(Fault::from)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::from)?;
        from_version_1(&transaction, progress)?;
        transaction.pragma_update(None, "user_version", 2).map_err(Fault::from)?;
        transaction.commit().map_err(committing)?;
        version = 2;
        steps.push(version);
    }
    Ok(steps)
}

fn from_version_1(connection: &Connection, progress: &mut dyn FnMut(Progress)) -> Result<(), JournalError> {
    let mut step = Step::new(connection, progress)?;
    step.put_aside()?;
    connection.execute_batch(file::SCHEMA).map_err(Fault::from)?;
    step.lives()?;
    step.shares()?;
    step.candidates()?;
    step.events()?;
    step.compare_balances()?;
    step.drop_old()?;
    let report = verify::verify(connection, &mut |_| ())?;
    match report.findings.first() {
        None => Ok(()),
        Some(finding) => Err(JournalError::Damaged(format!("{}: {}", finding.record, finding.problem))),
    }
}

const TABLES: [&str; 11] = [
    "lives", "pools", "accounts", "workers", "shares", "blocks", "credits", "events", "bookings", "lines",
    "balances",
];

/// A step on the way from version 1, with what it has named so far.
struct Step<'a> {
    connection: &'a Connection,
    names: Names,
    progress: &'a mut dyn FnMut(Progress),
    at: Progress,
}

impl<'a> Step<'a> {
    fn new(connection: &'a Connection, progress: &'a mut dyn FnMut(Progress)) -> Result<Self, Fault> {
        let count = |table| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
        };
        let mut total = 0;
        for table in ["shares", "blocks", "events"] {
            total += natural::<u64>(count(table)?, "count")?;
        }
        let at = Progress { done: 0, total };
        progress(at);
        Ok(Self { connection, names: Names::default(), progress, at })
    }

    fn done(&mut self, records: usize) {
        self.at.done += records as u64;
        (self.progress)(self.at);
    }

    /// Gives the old tables other names, without their triggers and indices, of which the names are needed.
    fn put_aside(&mut self) -> Result<(), Fault> {
        let sql =
            "SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'index') AND sql IS NOT NULL";
        let mut select = self.connection.prepare(sql)?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let extras: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
        for (kind, name) in extras {
            self.connection.execute_batch(&format!("DROP {kind} \"{}\"", name.replace('"', "\"\"")))?;
        }
        for table in TABLES {
            self.connection.execute_batch(&format!("ALTER TABLE {table} RENAME TO v1_{table}"))?;
        }
        Ok(())
    }

    fn drop_old(&mut self) -> Result<(), Fault> {
        for table in TABLES.iter().rev() {
            self.connection.execute_batch(&format!("DROP TABLE v1_{table}"))?;
        }
        Ok(())
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Fault> {
        append(self.connection, &mut self.names, entries)?;
        self.done(entries.len());
        Ok(())
    }

    fn lives(&mut self) -> Result<(), Fault> {
        let mut select = self.connection.prepare("SELECT id, node, boot FROM v1_lives ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let life = Life { node: natural(row.get(1)?, "node")?, boot: natural(row.get(2)?, "boot")? };
            add_life(self.connection, LifeRow { id: row.get(0)?, life, rolled: 0 })?;
        }
        Ok(())
    }

    fn shares(&mut self) -> Result<(), Fault> {
        let connection = self.connection;
        let lives = lives(connection)?;
        let workers = workers(connection)?;
        let sql = "SELECT id, worker, weight, digest, height, time FROM v1_shares ORDER BY id";
        let mut select = connection.prepare(sql)?;
        let mut rows = select.query([])?;
        let mut group = Vec::with_capacity(GROUP);
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let life = lives.get(&(id >> SEQUENCE_BITS));
            let Life { node, boot } = *life.ok_or_else(|| damaged(format_args!("share {id}: of no life")))?;
            let worker = workers.get(&row.get(1)?);
            let (pool, account, worker) =
                worker.ok_or_else(|| damaged(format_args!("share {id}: of no worker")))?.clone();
            let sequence = natural::<u64>(id, "share")? & ((1 << SEQUENCE_BITS) - 1);
            group.push(Entry::Share(ShareRecord {
                key: ShareKey { node, boot, sequence },
                pool,
                account,
                worker,
                weight: Weight::new(u128::from_be_bytes(row.get(2)?)),
                digest: Digest::new(row.get(3)?),
                height: natural(row.get(4)?, "height")?,
                time: UnixTime::from_secs(natural(row.get(5)?, "time")?),
            }));
            if group.len() == GROUP {
                self.append(&group)?;
                group.clear();
            }
        }
        self.append(&group)
    }

    fn candidates(&mut self) -> Result<(), Fault> {
        let connection = self.connection;
        let workers = workers(connection)?;
        let sql = "SELECT id, hash, height, finder, reward, fee, paid_by_coinbase, time, raw FROM v1_blocks
                   ORDER BY id";
        let mut select = connection.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let hash = Hash256::from_internal(row.get(1)?);
            let finder = workers.get(&row.get(3)?);
            let (pool, finder, worker) =
                finder.ok_or_else(|| damaged(format_args!("block {hash}: of no worker")))?.clone();
            let candidate = Candidate {
                pool,
                hash,
                height: natural(row.get(2)?, "height")?,
                finder,
                worker,
                reward: amount(&row.get::<_, String>(4)?)?,
                fee: amount(&row.get::<_, String>(5)?)?,
                credits: credits(connection, row.get(0)?)?,
                paid_by_coinbase: row.get(6)?,
                time: UnixTime::from_secs(natural(row.get(7)?, "time")?),
                block: row.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default().into(),
            };
            self.append(&[Entry::Candidate(Arc::new(candidate))])?;
        }
        Ok(())
    }

    /// Events in the order in which they were booked; those of a block that booked nothing come before its next one.
    fn events(&mut self) -> Result<(), Fault> {
        let connection = self.connection;
        let mut select = connection.prepare("SELECT block, ordinal FROM v1_bookings ORDER BY id")?;
        let booked = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let booked: Vec<(i64, u32)> = booked.collect::<Result<_, _>>()?;
        let mut select = connection.prepare("SELECT block, max(ordinal) FROM v1_events GROUP BY block")?;
        let last = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let last: Vec<(i64, u32)> = last.collect::<Result<_, _>>()?;
        let mut reached: BTreeMap<i64, u32> = BTreeMap::new();
        for (block, up_to) in booked.into_iter().chain(last) {
            let reached = reached.entry(block).or_default();
            while *reached < up_to {
                *reached += 1;
                self.event(block, *reached)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, block: i64, ordinal: u32) -> Result<(), Fault> {
        let connection = self.connection;
        let sql = "SELECT hash, events.state, events.time FROM v1_events AS events
                   JOIN v1_blocks AS blocks ON blocks.id = block WHERE block = ?1 AND events.ordinal = ?2";
        let (hash, state, time): ([u8; 32], i64, i64) = connection
            .prepare_cached(sql)?
            .query_row(params![block, ordinal], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let (hash, state) = (Hash256::from_internal(hash), blocks::decode(state)?);
        let strange = |what: &str| damaged(format_args!("event {ordinal} of block {hash}: {what}"));
        let record = blocks::find(connection, hash)?.ok_or_else(|| strange("of no block"))?.record;
        let meant = booking::of_step(&record.candidate, record.state, state)
            .map_err(|error| strange(&error.to_string()))?;
        if lines(connection, block, ordinal)? != lines_of(meant.as_ref()) {
            return Err(strange("it books something else than it means"));
        }
        let (pool, time) = (record.candidate.pool.clone(), UnixTime::from_secs(natural(time, "time")?));
        self.append(&[Entry::Block(BlockEvent { pool, hash, ordinal, state, time, booking: meant })])
    }

    /// What the transfers add up to is what version 1 kept.
    fn compare_balances(&mut self) -> Result<(), Fault> {
        let connection = self.connection;
        for (_, pool) in super::names::pools(connection)? {
            let sql = "SELECT kind, accounts.name, amount FROM v1_balances AS balances
                       LEFT JOIN v1_accounts AS accounts ON accounts.id = account
                       WHERE balances.pool = (SELECT id FROM v1_pools WHERE name = ?1)";
            let mut select = connection.prepare(sql)?;
            let mut rows = select.query([pool.as_str()])?;
            let mut kept = BTreeMap::new();
            while let Some(row) = rows.next()? {
                kept.insert(account(row.get(0)?, row.get(1)?)?, amount(&row.get::<_, String>(2)?)?);
            }
            let folded = books::balances(connection, &pool)?;
            let folded = folded.into_iter().map(|balance| (balance.account, balance.amount)).collect();
            if kept != folded {
                return Err(damaged(format_args!(
                    "balances of {pool}: they are not the fold over the books"
                )));
            }
        }
        Ok(())
    }
}

type WorkerNames = BTreeMap<i64, (PoolName, Account, Arc<str>)>;

fn workers(connection: &Connection) -> Result<WorkerNames, Fault> {
    let sql = "SELECT workers.id, pools.name, accounts.name, workers.name FROM v1_workers AS workers
               JOIN v1_accounts AS accounts ON accounts.id = workers.account
               JOIN v1_pools AS pools ON pools.id = accounts.pool";
    let mut select = connection.prepare(sql)?;
    let rows = select.query_map([], |row| {
        let (pool, account): (String, String) = (row.get(1)?, row.get(2)?);
        Ok((row.get(0)?, (PoolName::new(pool), Account::new(account), row.get(3)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn credits(connection: &Connection, block: i64) -> Result<Vec<(Account, Amount)>, Fault> {
    let sql = "SELECT accounts.name, amount FROM v1_credits AS credits
               JOIN v1_accounts AS accounts ON accounts.id = account WHERE block = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([block])?;
    let mut credits = Vec::new();
    while let Some(row) = rows.next()? {
        credits.push((Account::new(row.get::<_, String>(0)?), amount(&row.get::<_, String>(1)?)?));
    }
    Ok(credits)
}

/// What goes out of each account and into it; the order of lines says nothing.
type Lines = BTreeMap<(LedgerAccount, bool), Amount>;

fn lines(connection: &Connection, block: i64, ordinal: u32) -> Result<Lines, Fault> {
    let sql = "SELECT kind, accounts.name, side, amount FROM v1_lines AS lines
               JOIN v1_bookings AS bookings ON bookings.id = lines.booking
               LEFT JOIN v1_accounts AS accounts ON accounts.id = lines.account
               WHERE bookings.block = ?1 AND bookings.ordinal = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(params![block, ordinal])?;
    let mut lines = Lines::new();
    while let Some(row) = rows.next()? {
        let is_in = row.get::<_, i64>(2)? == 0;
        let amount = amount(&row.get::<_, String>(3)?)?;
        add(&mut lines, account(row.get(0)?, row.get(1)?)?, is_in, amount);
    }
    Ok(lines)
}

fn lines_of(transaction: Option<&Transaction>) -> Lines {
    let mut lines = Lines::new();
    for transfer in transaction.map_or(&[][..], Transaction::transfers) {
        add(&mut lines, transfer.from.clone(), false, transfer.amount);
        add(&mut lines, transfer.to.clone(), true, transfer.amount);
    }
    lines
}

fn add(lines: &mut Lines, account: LedgerAccount, is_in: bool, amount: Amount) {
    let sum = lines.entry((account, is_in)).or_insert(Amount::ZERO);
    *sum = sum.checked_add(amount).unwrap_or(Amount::from_atomic(u128::MAX));
}

fn account(kind: i64, name: Option<String>) -> Result<LedgerAccount, Fault> {
    Ok(match (kind, name.map(Account::new)) {
        (0, None) => LedgerAccount::Chain,
        (1, Some(account)) => LedgerAccount::Immature(account),
        (2, Some(account)) => LedgerAccount::Balance(account),
        (3, Some(account)) => LedgerAccount::PaidByCoinbase(account),
        (4, None) => LedgerAccount::ImmatureFee,
        (5, None) => LedgerAccount::Fee,
        (_, account) => return Err(damaged(format_args!("an account of kind {kind} of {account:?}"))),
    })
}

fn amount(text: &str) -> Result<Amount, Fault> {
    text.parse().map(Amount::from_atomic).map_err(|_| damaged(format_args!("amount {text:?}")))
}
