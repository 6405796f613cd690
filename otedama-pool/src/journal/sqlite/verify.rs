//! An audit: everything is folded anew and compared with what is kept.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, Row};

use super::super::{BlockState, Finding, JournalError, PoolReport, Progress, Report, check};
use super::blocks::{self, Block};
use super::directory::Directory;
use super::fault::{Fault, damaged};
use super::lives::each_life;
use super::names::name_checksum;
use super::pack::Unpacked;
use super::records::kind;
use super::segments::{COLUMNS, Segment};
use super::totals::{self, Tally, Totals};
use super::{books, file};
use crate::account::PoolName;
use crate::ledger::Ledger;

/// Findings that are written down; a file that has more is past reading.
const MAX_FINDINGS: usize = 10_000;

/// Folds the journal anew. What is wrong is a finding; an error is only what keeps it from being read at all.
pub(super) fn verify(
    connection: &Connection,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, JournalError> {
    let mut audit = Audit::new(connection, progress);
    audit.section("the database file", Audit::pages);
    audit.section("the schema", Audit::schema);
    audit.section("the references between tables", Audit::references);
    audit.section("table pools", Audit::pools);
    audit.section("table accounts", |audit| audit.names(kind::ACCOUNT));
    audit.section("table workers", |audit| audit.names(kind::WORKER));
    audit.section("table lives", Audit::lives);
    audit.section("table segments", Audit::segments);
    audit.section("table segments", Audit::shares_of_two_pools);
    audit.section("table rolled", Audit::rolled);
    audit.section("table totals", Audit::totals);
    audit.section("table blocks", Audit::blocks);
    audit.section("the books", Audit::books);
    Ok(audit.finish())
}

/// An audit as far as it is.
struct Audit<'a> {
    connection: &'a Connection,
    progress: &'a mut dyn FnMut(Progress),
    at: Progress,
    findings: Vec<Finding>,
    directory: Directory,
    pools: BTreeMap<i64, Counted>,
    lives: HashSet<i64>,
    /// First and last number, pool and row of the segments of a life.
    ranges: HashMap<i64, Vec<(i64, i64, i64, i64)>>,
}

/// What was counted in a pool.
#[derive(Debug)]
struct Counted {
    name: PoolName,
    live: Tally,
    rolled: Tally,
    blocks: u64,
    events: u64,
    bookings: u64,
    balances: u64,
}

impl<'a> Audit<'a> {
    fn new(connection: &'a Connection, progress: &'a mut dyn FnMut(Progress)) -> Self {
        let tables = ["accounts", "workers", "lives", "segments", "rolled", "blocks", "bookings"];
        let count = |table| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).ok()
        };
        let total = tables.into_iter().filter_map(count).filter_map(|count| u64::try_from(count).ok()).sum();
        Self {
            connection,
            progress,
            at: Progress { done: 0, total },
            findings: Vec::new(),
            directory: Directory::default(),
            pools: BTreeMap::new(),
            lives: HashSet::new(),
            ranges: HashMap::new(),
        }
    }

    /// One part of the audit; what ends it early is a finding, and the next part begins.
    fn section(&mut self, record: &str, part: impl FnOnce(&mut Self) -> Result<(), Fault>) {
        if let Err(fault) = part(self) {
            let error = JournalError::from(fault);
            self.note(record, error);
        }
    }

    fn note(&mut self, record: impl ToString, problem: impl ToString) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { record: record.to_string(), problem: problem.to_string() });
        }
    }

    /// The value of a record, or a finding; the error of a damaged record names it.
    fn take<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        let error = match read {
            Ok(value) => return Some(value),
            Err(fault) => JournalError::from(fault),
        };
        match &error {
            JournalError::Damaged(message) => match message.split_once(": ") {
                Some((record, problem)) => self.note(record, problem),
                None => self.note(message, "it is damaged"),
            },
            other => self.note("a record", other),
        }
        None
    }

    fn step(&mut self) {
        self.at.done += 1;
        if self.at.done.is_multiple_of(64) {
            (self.progress)(self.at);
        }
    }

    fn pages(&mut self) -> Result<(), Fault> {
        (self.progress)(self.at);
        let mut check = self.connection.prepare("PRAGMA integrity_check")?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            let problem: String = row.get(0)?;
            if problem != "ok" {
                self.note("the database file", problem);
            }
        }
        Ok(())
    }

    /// The constraints are those that this program wrote.
    fn schema(&mut self) -> Result<(), Fault> {
        let read = |connection: &Connection| -> Result<Vec<[Option<String>; 4]>, Fault> {
            let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name";
            let mut select = connection.prepare(sql)?;
            let rows =
                select.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        let fresh = Connection::open_in_memory()?;
        fresh.execute_batch(file::SCHEMA)?;
        let (expected, found) = (read(&fresh)?, read(self.connection)?);
        for missing in expected.iter().filter(|row| !found.contains(row)) {
            self.note(
                format!("schema of {}", missing[1].as_deref().unwrap_or("?")),
                "it is not as it was made",
            );
        }
        for strange in found.iter().filter(|row| !expected.contains(row)) {
            self.note(format!("schema of {}", strange[1].as_deref().unwrap_or("?")), "it is of other hands");
        }
        Ok(())
    }

    fn references(&mut self) -> Result<(), Fault> {
        let mut check = self.connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            let (table, id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let id = id.map_or_else(|| "a row".into(), |id| format!("row {id}"));
            self.note(
                format!("{id} of table {table}"),
                format!("what it refers to is not in table {parent}"),
            );
        }
        Ok(())
    }

    fn pools(&mut self) -> Result<(), Fault> {
        let mut select = self.connection.prepare("SELECT id FROM pools ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let name = self.directory.pool(self.connection, id);
            let name = self.take(name).unwrap_or_else(|| PoolName::new(format!("pool number {id}")));
            let none = Tally::default();
            let counted =
                Counted { name, live: none, rolled: none, blocks: 0, events: 0, bookings: 0, balances: 0 };
            self.pools.insert(id, counted);
        }
        Ok(())
    }

    fn names(&mut self, kind: u8) -> Result<(), Fault> {
        let (what, sql) = match kind {
            kind::ACCOUNT => ("account", "SELECT id, pool, name, checksum FROM accounts"),
            _ => ("worker", "SELECT id, account, name, checksum FROM workers"),
        };
        let mut select = self.connection.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let is_right = |row: &Row<'_>| -> Result<bool, Fault> {
                let name = row.get_ref(2)?.as_str().map_err(damaged)?;
                Ok(name_checksum(kind, id, row.get(1)?, name) == row.get::<_, i64>(3)?)
            };
            if !is_right(row).unwrap_or(false) {
                self.note(format!("{what} {id}"), "the checksum is wrong");
            }
            self.step();
        }
        Ok(())
    }

    fn lives(&mut self) -> Result<(), Fault> {
        let mut last: HashMap<u16, u32> = HashMap::new();
        each_life(self.connection, &mut |row| {
            self.step();
            let Some(row) = self.take(row) else { return Ok(()) };
            let before = last.insert(row.life.node, row.life.boot);
            if before.is_some_and(|before| before >= row.life.boot) {
                self.note(
                    format!("life {}", row.id),
                    "its boot number is not beyond that of the life before",
                );
            }
            self.lives.insert(row.id);
            Ok(())
        })
    }

    fn segments(&mut self) -> Result<(), Fault> {
        let mut columns = Unpacked::default();
        let mut last: HashMap<(i64, i64), i64> = HashMap::new();
        let connection = self.connection;
        let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM segments ORDER BY id"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            self.step();
            let segment = Segment::read(row);
            let Some(segment) = self.take(segment) else { continue };
            let checked = self.segment(&segment, &mut columns);
            self.take(checked);
            let before = last.insert((segment.life, segment.pool), segment.last);
            if before.is_some_and(|before| before >= segment.first) {
                let overlap = segment.damaged("it does not come after the one before");
                self.take::<()>(Err(overlap));
            }
            let ranges = self.ranges.entry(segment.life).or_default();
            ranges.push((segment.first, segment.last, segment.pool, segment.id));
        }
        Ok(())
    }

    fn segment(&mut self, segment: &Segment<'_>, columns: &mut Unpacked) -> Result<(), Fault> {
        segment.unpack(columns)?;
        if !self.lives.contains(&segment.life) {
            return Err(segment.damaged("its life is not there"));
        }
        for worker in &columns.workers {
            segment.worker(self.connection, &mut self.directory, *worker)?;
        }
        let pool =
            self.pools.get_mut(&segment.pool).ok_or_else(|| segment.damaged("its pool is not there"))?;
        let part = Tally { shares: i64::try_from(segment.count).map_err(damaged)?, weight: segment.weight };
        pool.live = pool.live.plus(part).ok_or_else(|| segment.damaged("the sum of all shares overflows"))?;
        Ok(())
    }

    /// A number of a life is that of one share, also if the pools differ.
    fn shares_of_two_pools(&mut self) -> Result<(), Fault> {
        for (life, mut ranges) in std::mem::take(&mut self.ranges) {
            ranges.sort_unstable();
            let mut open: Vec<(i64, i64, i64, i64)> = Vec::new();
            for range in ranges {
                let (first, _, pool, id) = range;
                open.retain(|(_, last, _, _)| *last >= first);
                for (_, _, _, other) in open.iter().filter(|(_, _, of, _)| *of != pool) {
                    let (these, those) = (sequences(self.connection, id), sequences(self.connection, *other));
                    let (Ok(these), Ok(those)) = (these, those) else { continue };
                    if let Some(sequence) = these.intersection(&those).min() {
                        let record = format!("segment {id} of life {life}");
                        self.note(record, format!("share {sequence} is in segment {other} too"));
                    }
                }
                open.push(range);
            }
        }
        Ok(())
    }

    fn rolled(&mut self) -> Result<(), Fault> {
        let ids: Vec<_> = self.pools.keys().copied().collect();
        for id in ids {
            let mut sum = Tally::default();
            totals::each_rolled(self.connection, id, &mut |row| {
                self.step();
                let Some((day, account, tally)) = self.take(row) else { return Ok(()) };
                let owner = self.directory.owner(self.connection, account).map(|(pool, _)| *pool);
                if self.take(owner).is_some_and(|owner| owner != id) {
                    self.note(format!("sum of account {account} on day {day}"), "it is of another pool");
                }
                sum = sum.plus(tally).unwrap_or(sum);
                Ok(())
            })?;
            if let Some(pool) = self.pools.get_mut(&id) {
                pool.rolled = sum;
            }
        }
        Ok(())
    }

    fn totals(&mut self) -> Result<(), Fault> {
        let expected: Vec<_> = self.pools.iter().map(|(id, pool)| (*id, pool.live, pool.rolled)).collect();
        for (id, live, rolled) in expected {
            let kept = totals::find(self.connection, id);
            let Some(kept) = self.take(kept) else { continue };
            let ever = live.plus(rolled).unwrap_or_default();
            let kept = kept.unwrap_or_default();
            let differs = |what, kept: Tally, found: Tally| {
                let say =
                    |tally: Tally| format!("{} shares of weight {}", tally.shares, tally.weight.weight());
                let problem = format!("{what} are {}, the sum is {}", say(kept), say(found));
                (kept != found).then_some(problem)
            };
            let Totals { live: kept_live, ever: kept_ever } = kept;
            let problems =
                [differs("those kept", kept_live, live), differs("those that ever were", kept_ever, ever)];
            for problem in problems.into_iter().flatten() {
                self.note(format!("totals of pool {id}"), problem);
            }
        }
        Ok(())
    }

    fn blocks(&mut self) -> Result<(), Fault> {
        let mut directory = Directory::default();
        let pools: HashMap<PoolName, i64> =
            self.pools.iter().map(|(id, pool)| (pool.name.clone(), *id)).collect();
        blocks::each(self.connection, &mut directory, &mut |block| {
            self.step();
            let Some(block) = self.take(block) else { return Ok(()) };
            let events = self.events(&block)?;
            let id = pools.get(&block.record.candidate.pool);
            if let Some(pool) = id.and_then(|id| self.pools.get_mut(id)) {
                (pool.blocks, pool.events) = (pool.blocks + 1, pool.events + events);
            }
            Ok(())
        })
    }

    /// Follows the life of a block, and says how many events it has.
    fn events(&mut self, block: &Block) -> Result<u64, Fault> {
        let record = &block.record;
        let candidate = &record.candidate;
        let name = format!("block {}", candidate.hash);
        if let Err(error) = check::candidate(candidate) {
            self.note(&name, error);
        }
        let ordinals = blocks::ordinals(self.connection, block.id)?;
        let mut state = BlockState::Found;
        for (expected, ordinal) in (1u32..).zip(&ordinals) {
            let name = format!("event {ordinal} of {name}");
            if *ordinal != expected {
                self.note(&name, format!("it should have the number {expected}"));
            }
            let event = blocks::find_event(self.connection, block.id, candidate, *ordinal);
            let Some(Some(event)) = self.take(event) else { continue };
            if !check::may_follow(state, event.state) {
                self.note(&name, format!("the block cannot go from {state:?} to {:?}", event.state));
            } else if let Err(error) = check::booking(candidate, state, &event) {
                self.note(&name, error);
            }
            state = event.state;
        }
        let count = ordinals.len() as u64;
        if state != record.state || u64::from(record.ordinal) != count {
            let kept = format!("{:?} after {} events", record.state, record.ordinal);
            self.note(&name, format!("it is kept as {kept}, and is {state:?} after {count}"));
        }
        if record.state.is_final() != candidate.block.is_empty() && record.state.is_final() {
            self.note(&name, "its fate is final, and the serialised block is still there");
        }
        Ok(count)
    }

    fn books(&mut self) -> Result<(), Fault> {
        let pools: Vec<_> = self.pools.iter().map(|(id, pool)| (*id, pool.name.clone())).collect();
        for (id, name) in pools {
            let (mut ledger, mut bookings) = (Ledger::default(), 0);
            books::each(self.connection, id, &mut |booked| {
                self.step();
                bookings += 1;
                let Some(booked) = self.take(booked) else { return Ok(()) };
                if let Err(error) = ledger.apply(&booked.transaction) {
                    self.note(format!("event {} of block {}", booked.ordinal, booked.hash), error);
                }
                Ok(())
            })?;
            let kept = books::balances_of(self.connection, id);
            let Some(kept) = self.take(kept) else { continue };
            let kept: Ledger = kept.into_iter().map(|balance| (balance.account, balance.amount)).collect();
            let accounts: HashSet<_> =
                kept.balances().chain(ledger.balances()).map(|(account, _)| account.clone()).collect();
            for account in &accounts {
                let (kept, folded) = (kept.balance(account), ledger.balance(account));
                if kept != folded {
                    let record = format!("balance {account:?} of {name}");
                    self.note(record, format!("{kept} is kept, the transfers make it {folded}"));
                }
            }
            if let Some(pool) = self.pools.get_mut(&id) {
                (pool.bookings, pool.balances) = (bookings, kept.balances().count() as u64);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Report {
        self.at.done = self.at.total;
        (self.progress)(self.at);
        let natural = |shares: i64| u64::try_from(shares).unwrap_or(0);
        let pools = self.pools.into_values().map(|counted| PoolReport {
            pool: counted.name,
            shares: natural(counted.live.shares),
            weight: counted.live.weight.weight(),
            rolled_shares: natural(counted.rolled.shares),
            rolled_weight: counted.rolled.weight.weight(),
            blocks: counted.blocks,
            events: counted.events,
            bookings: counted.bookings,
            balances: counted.balances,
        });
        let mut pools: Vec<_> = pools.collect();
        pools.sort_unstable_by(|a, b| a.pool.cmp(&b.pool));
        Report { pools, findings: self.findings }
    }
}

/// The numbers of the shares of a segment.
fn sequences(connection: &Connection, id: i64) -> Result<HashSet<u64>, Fault> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM segments WHERE id = ?1"))?;
    let mut rows = select.query([id])?;
    let row = rows.next()?.ok_or_else(|| damaged(format_args!("segment {id} is not there")))?;
    let mut columns = Unpacked::default();
    Segment::read(row)?.unpack(&mut columns)?;
    Ok(columns.sequences.into_iter().collect())
}
