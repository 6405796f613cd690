//! Blocks: as found, and what became of them.

use std::sync::Arc;

use otedama_core::{Amount, Hash256, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Applied, BlockEvent, BlockRecord, BlockState, Candidate, check};
use super::books;
use super::fault::{Fault, amount, damaged, integer, is_there, natural};
use super::names::{Names, Workers, find_pool};
use crate::account::{Account, PoolName};

/// Adds a block with its credits.
pub(super) fn add(
    connection: &Connection,
    names: &mut Names,
    candidate: &Candidate,
) -> Result<Applied, Fault> {
    check::candidate(candidate)?;
    let Candidate { pool, finder, worker, .. } = candidate;
    let sql = "INSERT INTO blocks (hash, pool, height, finder, reward, fee, paid_by_coinbase, time, raw)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let added = connection.prepare_cached(sql)?.insert(params![
        candidate.hash.as_internal().as_slice(),
        names.pool(connection, pool)?,
        candidate.height,
        names.worker(connection, pool, finder, worker)?,
        candidate.reward.to_string(),
        candidate.fee.to_string(),
        candidate.paid_by_coinbase,
        integer(candidate.time.as_secs(), "time")?,
        &*candidate.block,
    ]);
    let block = match added {
        Ok(block) => block,
        Err(error) if is_there(&error) => {
            let record = find(connection, candidate.hash)?;
            let record = record.ok_or_else(|| damaged(format_args!("block {} vanished", candidate.hash)))?;
            return Ok(check::same_candidate(&record.candidate, candidate)?);
        }
        Err(error) => return Err(error.into()),
    };
    let sql = "INSERT INTO credits (block, account, position, amount) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    for (position, (account, part)) in (0i64..).zip(&candidate.credits) {
        let account = names.account(connection, pool, account)?;
        insert.execute(params![block, account, position, part.to_string()])?;
    }
    Ok(Applied::Applied)
}

/// Adds news of a block, with its booking.
pub(super) fn add_event(
    connection: &Connection,
    names: &mut Names,
    event: &BlockEvent,
) -> Result<Applied, Fault> {
    let head = head(connection, event.hash)?.ok_or_else(|| check::unknown_block(event))?;
    if let Some(known) = find_event(connection, &head, event)? {
        return Ok(check::same_event(&known, event)?);
    }
    check::follows(&head.pool, head.state, head.ordinal, event)?;
    let time = integer(event.time.as_secs(), "time")?;
    let sql = "INSERT INTO events (block, ordinal, state, time) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![head.id, event.ordinal, code(event.state), time])?;
    if let Some(booking) = &event.booking {
        books::add(connection, names, head.id, event, booking)?;
    }
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
    let mut workers = Workers::default();
    let mut blocks = Vec::new();
    while let Some(row) = rows.next()? {
        blocks.push(read(connection, &mut workers, row, pool.clone())?);
    }
    Ok(blocks)
}

/// What an event needs to know of its block.
struct Head {
    id: i64,
    pool: PoolName,
    state: BlockState,
    ordinal: u32,
}

fn head(connection: &Connection, hash: Hash256) -> Result<Option<Head>, Fault> {
    let sql = "SELECT blocks.id, pools.name, state, ordinal FROM blocks
               JOIN pools ON pools.id = pool WHERE hash = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([hash.as_internal().as_slice()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let pool = PoolName::new(row.get::<_, String>(1)?);
    Ok(Some(Head {
        id: row.get(0)?,
        pool,
        state: decode(row.get(2)?)?,
        ordinal: natural(row.get(3)?, "ordinal")?,
    }))
}

fn find_event(connection: &Connection, head: &Head, event: &BlockEvent) -> Result<Option<BlockEvent>, Fault> {
    let (hash, ordinal) = (event.hash, event.ordinal);
    let mut select =
        connection.prepare_cached("SELECT state, time FROM events WHERE block = ?1 AND ordinal = ?2")?;
    let row = select.query_row(params![head.id, ordinal], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((state, time)) = row.optional()? else { return Ok(None) };
    let (state, time) = (decode(state)?, UnixTime::from_secs(natural(time, "time")?));
    let booking = books::find(connection, head.id, ordinal)?;
    Ok(Some(BlockEvent { pool: head.pool.clone(), hash, ordinal, state, time, booking }))
}

const COLUMNS: &str =
    "blocks.id, hash, height, finder, reward, fee, paid_by_coinbase, time, state, ordinal, raw";

fn find(connection: &Connection, hash: Hash256) -> Result<Option<BlockRecord>, Fault> {
    let sql =
        format!("SELECT {COLUMNS}, pools.name FROM blocks JOIN pools ON pools.id = pool WHERE hash = ?1");
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query([hash.as_internal().as_slice()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let pool = PoolName::new(row.get::<_, String>(11)?);
    read(connection, &mut Workers::default(), row, pool).map(Some)
}

fn read(
    connection: &Connection,
    workers: &mut Workers,
    row: &Row<'_>,
    pool: PoolName,
) -> Result<BlockRecord, Fault> {
    let (_, finder, worker) = workers.find(connection, row.get(3)?)?;
    let money = |column| -> Result<Amount, Fault> { amount(row.get_ref(column)?.as_str().map_err(damaged)?) };
    let candidate = Candidate {
        pool,
        hash: Hash256::from_internal(row.get(1)?),
        height: natural(row.get(2)?, "height")?,
        finder: finder.clone(),
        worker: worker.clone(),
        reward: money(4)?,
        fee: money(5)?,
        credits: credits(connection, row.get(0)?)?,
        paid_by_coinbase: row.get(6)?,
        time: UnixTime::from_secs(natural(row.get(7)?, "time")?),
        block: row.get::<_, Option<Vec<u8>>>(10)?.unwrap_or_default().into(),
    };
    let state = decode(row.get(8)?)?;
    Ok(BlockRecord { candidate: Arc::new(candidate), state, ordinal: natural(row.get(9)?, "ordinal")? })
}

fn credits(connection: &Connection, block: i64) -> Result<Vec<(Account, Amount)>, Fault> {
    let sql = "SELECT accounts.name, amount FROM credits JOIN accounts ON accounts.id = account
               WHERE block = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([block])?;
    let mut credits = Vec::new();
    while let Some(row) = rows.next()? {
        let part = amount(row.get_ref(1)?.as_str().map_err(damaged)?)?;
        credits.push((Account::new(row.get::<_, String>(0)?), part));
    }
    Ok(credits)
}

const STATES: [BlockState; 5] =
    [BlockState::Found, BlockState::Confirmed, BlockState::Matured, BlockState::Orphaned, BlockState::Lost];

fn code(state: BlockState) -> i64 {
    (0i64..).zip(STATES).find(|(_, known)| *known == state).map_or(-1, |(code, _)| code)
}

fn decode(code: i64) -> Result<BlockState, Fault> {
    let state = usize::try_from(code).ok().and_then(|code| STATES.get(code));
    state.copied().ok_or_else(|| damaged(format_args!("a block in the state {code}")))
}
