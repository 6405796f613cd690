//! Blocks: as found, and what became of them.

use std::sync::Arc;

use otedama_core::{Hash256, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Applied, BlockEvent, BlockRecord, BlockState, Candidate, check};
use super::books;
use super::directory::Directory;
use super::fault::{Fault, damaged, integer, named, natural};
use super::names::{Names, find_pool};
use super::records::{Checksum, amount, kind, limbs};
use crate::account::PoolName;

/// Adds a block with its credits.
pub(super) fn add(
    connection: &Connection,
    names: &mut Names,
    candidate: &Candidate,
) -> Result<Applied, Fault> {
    check::candidate(candidate)?;
    if let Some(known) = find(connection, candidate.hash)? {
        return Ok(check::same_candidate(&known.record.candidate, candidate)?);
    }
    let Candidate { pool, finder, worker, .. } = candidate;
    let id = connection
        .prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM blocks")?
        .query_row([], |row| row.get(0))?;
    let mut head = Head {
        id,
        hash: *candidate.hash.as_internal(),
        pool: names.pool(connection, pool)?,
        height: i64::from(candidate.height),
        finder: names.worker(connection, pool, finder, worker)?,
        reward: limbs(candidate.reward)?,
        fee: limbs(candidate.fee)?,
        paid_by_coinbase: candidate.paid_by_coinbase,
        time: integer(candidate.time.as_secs(), "time")?,
        credits: Vec::with_capacity(candidate.credits.len()),
    };
    let sql = "INSERT INTO credits (block, account, position, hi, lo) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(sql)?;
    for (position, (account, part)) in (0i64..).zip(&candidate.credits) {
        let (account, [hi, lo]) = (names.account(connection, pool, account)?, limbs(*part)?);
        insert.execute(params![id, account, position, hi, lo])?;
        head.credits.push([account, hi, lo]);
    }
    let sql = "INSERT INTO blocks (id, hash, pool, height, finder, reward_hi, reward_lo, fee_hi, fee_lo,
               paid_by_coinbase, time, checksum, raw_checksum, raw)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    connection.prepare_cached(sql)?.execute(params![
        id,
        head.hash.as_slice(),
        head.pool,
        head.height,
        head.finder,
        head.reward[0],
        head.reward[1],
        head.fee[0],
        head.fee[1],
        head.paid_by_coinbase,
        head.time,
        head.checksum(),
        raw_checksum(&candidate.block),
        &*candidate.block,
    ])?;
    Ok(Applied::Applied)
}

/// Adds news of a block, with its booking.
pub(super) fn add_event(
    connection: &Connection,
    names: &mut Names,
    event: &BlockEvent,
) -> Result<Applied, Fault> {
    let Block { id, record } = find(connection, event.hash)?.ok_or_else(|| check::unknown_block(event))?;
    if let Some(known) = find_event(connection, id, &record.candidate, event.ordinal)? {
        return Ok(check::same_event(&known, event)?);
    }
    check::follows(&record.candidate.pool, record.state, record.ordinal, event)?;
    check::booking(&record.candidate, record.state, event)?;
    let (state, time) = (code(event.state), integer(event.time.as_secs(), "time")?);
    let rows = books::rows(connection, names, event)?;
    let checksum = books::checksum(id, event.ordinal, state, time, &rows);
    let sql = "INSERT INTO events (block, ordinal, state, time, checksum) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![id, event.ordinal, state, time, checksum])?;
    books::add(connection, names, id, event, &rows)?;
    Ok(Applied::Applied)
}

/// The blocks of the pool, oldest first.
pub(super) fn list(
    connection: &Connection,
    pool: &PoolName,
    open_only: bool,
) -> Result<Vec<BlockRecord>, Fault> {
    let Some(id) = find_pool(connection, pool)? else { return Ok(Vec::new()) };
    let which = if open_only { "AND state NOT IN (2, 4)" } else { "" };
    let sql = format!("SELECT {COLUMNS} FROM blocks WHERE pool = ?1 {which} ORDER BY id");
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query([id])?;
    let mut directory = Directory::default();
    let mut blocks = Vec::new();
    while let Some(row) = rows.next()? {
        blocks.push(read(connection, &mut directory, row)?.record);
    }
    Ok(blocks)
}

/// A block with its number.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) id: i64,
    pub(super) record: BlockRecord,
}

/// Shows every block of the journal, and what is wrong with those that cannot be read.
pub(super) fn each(
    connection: &Connection,
    directory: &mut Directory,
    visit: &mut dyn FnMut(Result<Block, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM blocks ORDER BY id"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        visit(read(connection, directory, row))?;
    }
    Ok(())
}

/// An event as it stands, once its checksum is right.
pub(super) fn find_event(
    connection: &Connection,
    block: i64,
    candidate: &Candidate,
    ordinal: u32,
) -> Result<Option<BlockEvent>, Fault> {
    let sql = "SELECT state, time, checksum FROM events WHERE block = ?1 AND ordinal = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let row = select.query_row(params![block, ordinal], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let Some((state, time, checksum)): Option<(i64, i64, i64)> = row.optional()? else { return Ok(None) };
    let (pool, hash) = (candidate.pool.clone(), candidate.hash);
    let read = || {
        let (rows, booking) = books::find(connection, &mut Directory::default(), block, ordinal)?;
        if books::checksum(block, ordinal, state, time, &rows) != checksum {
            return Err(damaged("the checksum is wrong"));
        }
        let (state, time) = (decode(state)?, UnixTime::from_secs(natural(time, "time")?));
        Ok(Some(BlockEvent { pool, hash, ordinal, state, time, booking }))
    };
    named(read(), format_args!("event {ordinal} of block {hash}"))
}

/// The numbers of the events of a block, in their order.
pub(super) fn ordinals(connection: &Connection, block: i64) -> Result<Vec<u32>, Fault> {
    let mut select =
        connection.prepare_cached("SELECT ordinal FROM events WHERE block = ?1 ORDER BY ordinal")?;
    let rows = select.query_map([block], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn find(connection: &Connection, hash: Hash256) -> Result<Option<Block>, Fault> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM blocks WHERE hash = ?1"))?;
    let mut rows = select.query([hash.as_internal().as_slice()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    read(connection, &mut Directory::default(), row).map(Some)
}

const COLUMNS: &str =
    "id, hash, pool, height, finder, reward_hi, reward_lo, fee_hi, fee_lo, paid_by_coinbase, time,
                       checksum, raw_checksum, state, ordinal, raw";

/// All of a block that never changes, as numbers.
#[derive(Debug)]
struct Head {
    id: i64,
    hash: [u8; 32],
    pool: i64,
    height: i64,
    finder: i64,
    reward: [i64; 2],
    fee: [i64; 2],
    paid_by_coinbase: bool,
    time: i64,
    /// Account and amount, by position.
    credits: Vec<[i64; 3]>,
}

impl Head {
    fn checksum(&self) -> i64 {
        let Self { id, hash, pool, height, finder, reward, fee, paid_by_coinbase, time, credits } = self;
        let head = Checksum::of(kind::BLOCK)
            .number(*id)
            .bytes(hash)
            .numbers(&[*pool, *height, *finder])
            .numbers(reward)
            .numbers(fee)
            .numbers(&[i64::from(*paid_by_coinbase), *time]);
        credits.iter().fold(head, |sum, credit| sum.numbers(credit)).finish()
    }
}

fn raw_checksum(raw: &[u8]) -> i64 {
    Checksum::of(kind::RAW).bytes(raw).finish()
}

/// Reads a block, and says which it was if it is damaged.
fn read(connection: &Connection, directory: &mut Directory, row: &Row<'_>) -> Result<Block, Fault> {
    let id: i64 = row.get(0)?;
    let parts = read_parts(connection, directory, row, id);
    match row.get(1) {
        Ok(hash) => named(parts, format_args!("block {}", Hash256::from_internal(hash))),
        Err(_) => named(parts, format_args!("block number {id}")),
    }
}

fn read_parts(
    connection: &Connection,
    directory: &mut Directory,
    row: &Row<'_>,
    id: i64,
) -> Result<Block, Fault> {
    let head = Head {
        id,
        hash: row.get(1)?,
        pool: row.get(2)?,
        height: row.get(3)?,
        finder: row.get(4)?,
        reward: [row.get(5)?, row.get(6)?],
        fee: [row.get(7)?, row.get(8)?],
        paid_by_coinbase: row.get(9)?,
        time: row.get(10)?,
        credits: credits(connection, id)?,
    };
    if head.checksum() != row.get::<_, i64>(11)? {
        return Err(damaged("the checksum is wrong"));
    }
    let raw: Option<Vec<u8>> = row.get(15)?;
    if raw.as_deref().is_some_and(|raw| Some(raw_checksum(raw)) != row.get(12).ok()) {
        return Err(damaged("the checksum of the serialised block is wrong"));
    }
    let parts = head
        .credits
        .iter()
        .map(|[account, hi, lo]| Ok((directory.account(connection, *account)?, amount([*hi, *lo])?)));
    let credits = parts.collect::<Result<_, Fault>>()?;
    let finder = directory.worker(connection, head.finder)?;
    let candidate = Candidate {
        finder: finder.account.clone(),
        worker: finder.name.clone(),
        pool: directory.pool(connection, head.pool)?,
        hash: Hash256::from_internal(head.hash),
        height: natural(head.height, "height")?,
        reward: amount(head.reward)?,
        fee: amount(head.fee)?,
        credits,
        paid_by_coinbase: head.paid_by_coinbase,
        time: UnixTime::from_secs(natural(head.time, "time")?),
        block: raw.unwrap_or_default().into(),
    };
    let (state, ordinal) = (decode(row.get(13)?)?, natural(row.get(14)?, "ordinal")?);
    Ok(Block { id, record: BlockRecord { candidate: Arc::new(candidate), state, ordinal } })
}

fn credits(connection: &Connection, block: i64) -> Result<Vec<[i64; 3]>, Fault> {
    let sql = "SELECT account, hi, lo FROM credits WHERE block = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([block], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const STATES: [BlockState; 5] =
    [BlockState::Found, BlockState::Confirmed, BlockState::Matured, BlockState::Orphaned, BlockState::Lost];

pub(super) fn code(state: BlockState) -> i64 {
    (0i64..).zip(STATES).find(|(_, known)| *known == state).map_or(-1, |(code, _)| code)
}

pub(super) fn decode(code: i64) -> Result<BlockState, Fault> {
    let state = usize::try_from(code).ok().and_then(|code| STATES.get(code));
    state.copied().ok_or_else(|| damaged(format_args!("a block in the state {code}")))
}
