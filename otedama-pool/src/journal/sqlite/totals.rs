//! Sums of shares: running ones of each pool, and what is left of shares that were rolled up.

use std::collections::{BTreeMap, HashMap};

use otedama_core::Weight;
use rusqlite::{Connection, Row, params};

use super::super::{JournalError, RolledUp, ShareTotal};
use super::directory::Directory;
use super::fault::{Fault, damaged, natural};
use super::lives::set_rolled;
use super::names::find_pool;
use super::pack::Unpacked;
use super::records::{Checksum, Sum, kind};
use super::segments::{COLUMNS, Segment};
use crate::account::PoolName;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// How many shares, and their weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) shares: i64,
    pub(super) weight: Sum,
}

impl Tally {
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { shares: self.shares.checked_add(other.shares)?, weight: self.weight.plus(other.weight)? })
    }

    fn minus(self, other: Self) -> Option<Self> {
        let shares = self.shares.checked_sub(other.shares).filter(|shares| *shares >= 0)?;
        Some(Self { shares, weight: self.weight.minus(other.weight)? })
    }
}

/// The running sums of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Shares that are kept one by one.
    pub(super) live: Tally,
    /// All that ever were.
    pub(super) ever: Tally,
}

impl Totals {
    fn checksum(&self, pool: i64) -> i64 {
        let Self { live, ever } = self;
        let sum = Checksum::of(kind::TOTALS).numbers(&[pool, live.shares, ever.shares]);
        sum.bytes(&live.weight.to_bytes()).bytes(&ever.weight.to_bytes()).finish()
    }
}

/// The running sums of a pool as they are kept; none if it never had a share.
pub(super) fn find(connection: &Connection, pool: i64) -> Result<Option<Totals>, Fault> {
    let sql = "SELECT live_shares, live_weight, shares, weight, checksum FROM totals WHERE pool = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([pool])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let tally = |at: usize| -> Result<Tally, Fault> {
        Ok(Tally { shares: row.get(at)?, weight: Sum::from_bytes(row.get(at + 1)?) })
    };
    let totals = Totals { live: tally(0)?, ever: tally(2)? };
    if totals.checksum(pool) == row.get::<_, i64>(4)? {
        Ok(Some(totals))
    } else {
        Err(damaged(format_args!("totals of pool {pool}: the checksum is wrong")))
    }
}

fn set(connection: &Connection, pool: i64, totals: Totals) -> Result<(), Fault> {
    let Totals { live, ever } = totals;
    let sql = "INSERT INTO totals (pool, live_shares, live_weight, shares, weight, checksum)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET live_shares = excluded.live_shares,
               live_weight = excluded.live_weight, shares = excluded.shares, weight = excluded.weight,
               checksum = excluded.checksum";
    connection.prepare_cached(sql)?.execute(params![
        pool,
        live.shares,
        live.weight.to_bytes().as_slice(),
        ever.shares,
        ever.weight.to_bytes().as_slice(),
        totals.checksum(pool),
    ])?;
    Ok(())
}

/// Counts shares that were added to the pool.
pub(super) fn grow(connection: &Connection, pool: i64, shares: i64, weight: Sum) -> Result<(), Fault> {
    let totals = find(connection, pool)?.unwrap_or_default();
    let more = Tally { shares, weight };
    let overflow = || Fault::from(JournalError::Contradiction("the weights of all shares overflow".into()));
    let live = totals.live.plus(more).ok_or_else(overflow)?;
    let ever = totals.ever.plus(more).ok_or_else(overflow)?;
    set(connection, pool, Totals { live, ever })
}

/// What is rolled up in one go.
#[derive(Debug, Default)]
struct Going {
    shares: u64,
    /// By account and day.
    sums: BTreeMap<(i64, i64), Tally>,
    segments: Vec<i64>,
    /// The highest number by life.
    lives: HashMap<i64, i64>,
}

/// Replaces the oldest segments of a pool by their sums, as [`roll_up`](super::super::Journal::roll_up) says.
pub(super) fn roll_up(
    connection: &Connection,
    pool: &PoolName,
    keep: Weight,
    at_most: u64,
) -> Result<RolledUp, Fault> {
    let Some(pool_id) = find_pool(connection, pool)? else { return Ok(RolledUp::default()) };
    let Some(mut totals) = find(connection, pool_id)? else { return Ok(RolledUp::default()) };
    let wrong = || damaged(format_args!("totals of pool {pool}: they are not those of its segments"));
    let mut going = Going::default();
    let mut more = false;
    {
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_by_key WHERE pool = ?1 ORDER BY life, last"
        );
        let mut select = connection.prepare_cached(&sql)?;
        let mut rows = select.query([pool_id])?;
        let (mut directory, mut columns) = (Directory::default(), Unpacked::default());
        while let Some(row) = rows.next()? {
            let segment = Segment::read(row)?;
            let part =
                Tally { shares: i64::try_from(segment.count).map_err(damaged)?, weight: segment.weight };
            let live = totals.live.minus(part).ok_or_else(wrong)?;
            if live.weight < Sum::from(keep) {
                break;
            }
            if going.shares >= at_most.max(1) {
                more = true;
                break;
            }
            totals.live = live;
            going.take(connection, &segment, &mut directory, &mut columns)?;
        }
    }
    if going.segments.is_empty() {
        return Ok(RolledUp { shares: 0, more });
    }
    going.write(connection, pool_id)?;
    set(connection, pool_id, totals)?;
    Ok(RolledUp { shares: going.shares, more })
}

impl Going {
    fn take(
        &mut self,
        connection: &Connection,
        segment: &Segment<'_>,
        directory: &mut Directory,
        columns: &mut Unpacked,
    ) -> Result<(), Fault> {
        segment.unpack(columns)?;
        for ((worker, weight), time) in columns.workers.iter().zip(&columns.weights).zip(&columns.times) {
            let account = segment.worker(connection, directory, *worker)?.account_id;
            let sum = self.sums.entry((day(*time), account)).or_default();
            let one = Tally { shares: 1, weight: Sum::from(*weight) };
            *sum = sum.plus(one).ok_or_else(|| segment.damaged("its weights overflow"))?;
        }
        self.shares = self.shares.saturating_add(segment.count as u64);
        self.segments.push(segment.id);
        let last = self.lives.entry(segment.life).or_default();
        *last = segment.last.max(*last);
        Ok(())
    }

    fn write(&self, connection: &Connection, pool: i64) -> Result<(), Fault> {
        for ((day, account), more) in &self.sums {
            let sql = "SELECT day, account, shares, weight, checksum FROM rolled
                       WHERE pool = ?1 AND day = ?2 AND account = ?3";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([pool, *day, *account])?;
            let known = rows.next()?.map(|row| read(row, pool)).transpose()?;
            let known = known.map_or(Tally::default(), |(_, _, tally)| tally);
            let sum = known.plus(*more).ok_or_else(|| {
                damaged(format_args!("sum of account {account} on day {day}: it would overflow"))
            })?;
            let sql = "INSERT INTO rolled (pool, day, account, shares, weight, checksum)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET shares = excluded.shares,
                       weight = excluded.weight, checksum = excluded.checksum";
            let (weight, checksum) = (sum.weight.to_bytes(), checksum([pool, *day, *account], sum));
            connection.prepare_cached(sql)?.execute(params![
                pool,
                day,
                account,
                sum.shares,
                weight.as_slice(),
                checksum
            ])?;
        }
        for (life, last) in &self.lives {
            set_rolled(connection, *life, *last)?;
        }
        let mut delete = connection.prepare_cached("DELETE FROM segments WHERE id = ?1")?;
        for id in &self.segments {
            delete.execute([id])?;
        }
        Ok(())
    }
}

fn day(time: u64) -> i64 {
    // A quotient by a day is far below the bound.
    i64::try_from(time / DAY).unwrap_or(i64::MAX)
}

fn checksum(key: [i64; 3], sum: Tally) -> i64 {
    let head = Checksum::of(kind::ROLLED).numbers(&key).number(sum.shares);
    head.bytes(&sum.weight.to_bytes()).finish()
}

/// Day, account and sum.
type Rolled = (i64, i64, Tally);

/// A row of sums as day, account and sum, with its checksum right.
fn read(row: &Row<'_>, pool: i64) -> Result<Rolled, Fault> {
    let (day, account): (i64, i64) = (row.get(0)?, row.get(1)?);
    let sum = Tally { shares: row.get(2)?, weight: Sum::from_bytes(row.get(3)?) };
    if checksum([pool, day, account], sum) == row.get::<_, i64>(4)? {
        Ok((day, account, sum))
    } else {
        Err(damaged(format_args!("sum of account {account} on day {day}: the checksum is wrong")))
    }
}

/// Shows the sums of a pool as day, account and sum, or what is wrong with them.
pub(super) fn each_rolled(
    connection: &Connection,
    pool: i64,
    visit: &mut dyn FnMut(Result<Rolled, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let sql = "SELECT day, account, shares, weight, checksum FROM rolled WHERE pool = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([pool])?;
    while let Some(row) = rows.next()? {
        visit(read(row, pool))?;
    }
    Ok(())
}

/// Shows what is left of the shares of a pool that were rolled up.
pub(super) fn visit(
    connection: &Connection,
    pool: &PoolName,
    visit: &mut dyn FnMut(&ShareTotal),
) -> Result<(), Fault> {
    let Some(pool) = find_pool(connection, pool)? else { return Ok(()) };
    let mut directory = Directory::default();
    each_rolled(connection, pool, &mut |row| {
        let (day, account, sum) = row?;
        let account = directory.account(connection, account)?;
        let (day, shares) = (natural(day, "day")?, natural(sum.shares, "count")?);
        visit(&ShareTotal { account, day, shares, weight: sum.weight.weight() });
        Ok(())
    })
}
