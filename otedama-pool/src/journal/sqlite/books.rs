//! The books: transactions with their transfers, and the balances that the schema makes of them.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Balance, BlockEvent, Booked};
use super::blocks;
use super::directory::Directory;
use super::fault::{Fault, damaged, named, natural};
use super::names::{Names, find_pool};
use super::records::{Checksum, amount, kind, limbs};
use crate::account::PoolName;
use crate::ledger::{LedgerAccount, Transaction, Transfer};
use otedama_core::{Hash256, UnixTime};

/// An account of the books as its two columns.
type Columns = (i64, Option<i64>);

/// A transfer as it stands in its row, without its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    from: Columns,
    to: Columns,
    limbs: [i64; 2],
}

/// The rows of an event's transfers.
pub(super) fn rows(
    connection: &Connection,
    names: &mut Names,
    event: &BlockEvent,
) -> Result<Vec<Row>, Fault> {
    let transfers = event.booking.as_ref().map_or(&[][..], Transaction::transfers);
    let row = |transfer: &Transfer| {
        Ok(Row {
            from: code(connection, names, &event.pool, &transfer.from)?,
            to: code(connection, names, &event.pool, &transfer.to)?,
            limbs: limbs(transfer.amount)?,
        })
    };
    transfers.iter().map(row).collect()
}

/// The checksum of an event and its transfers.
pub(super) fn checksum(block: i64, ordinal: u32, state: i64, time: i64, rows: &[Row]) -> i64 {
    let head = Checksum::of(kind::EVENT).numbers(&[block, i64::from(ordinal), state, time]);
    let all = rows.iter().fold(head, |sum, Row { from, to, limbs: [hi, lo] }| {
        sum.numbers(&[from.0, from.1.unwrap_or(0), to.0, to.1.unwrap_or(0), *hi, *lo])
    });
    all.finish()
}

/// Books the transfers of an event that was just added, if it has any. The schema refuses what overdraws.
pub(super) fn add(
    connection: &Connection,
    names: &mut Names,
    block: i64,
    event: &BlockEvent,
    rows: &[Row],
) -> Result<(), Fault> {
    let Some(last) = rows.len().checked_sub(1) else { return Ok(()) };
    let pool = names.pool(connection, &event.pool)?;
    let sql = "INSERT INTO bookings (pool, block, ordinal, last) VALUES (?1, ?2, ?3, ?4)";
    let last = i64::try_from(last).map_err(damaged)?;
    let booking = connection.prepare_cached(sql)?.insert(params![pool, block, event.ordinal, last])?;
    let sql =
        "INSERT INTO transfers (booking, position, from_kind, from_account, to_kind, to_account, hi, lo)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut insert = connection.prepare_cached(sql)?;
    for (position, Row { from, to, limbs: [hi, lo] }) in (0i64..).zip(rows) {
        insert.execute(params![booking, position, from.0, from.1, to.0, to.1, hi, lo])?;
    }
    Ok(())
}

/// The transfers of an event, as rows and as what they mean; none if it moved nothing.
pub(super) fn find(
    connection: &Connection,
    directory: &mut Directory,
    block: i64,
    ordinal: u32,
) -> Result<(Vec<Row>, Option<Transaction>), Fault> {
    let sql = "SELECT id FROM bookings WHERE block = ?1 AND ordinal = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let id: Option<i64> = select.query_row(params![block, ordinal], |row| row.get(0)).optional()?;
    match id {
        Some(id) => {
            let (rows, transaction) = transfers(connection, directory, id)?;
            Ok((rows, Some(transaction)))
        }
        None => Ok((Vec::new(), None)),
    }
}

fn transfers(
    connection: &Connection,
    directory: &mut Directory,
    booking: i64,
) -> Result<(Vec<Row>, Transaction), Fault> {
    let sql = "SELECT from_kind, from_account, to_kind, to_account, hi, lo FROM transfers
               WHERE booking = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query([booking])?;
    let (mut rows, mut transfers) = (Vec::new(), Vec::new());
    while let Some(row) = found.next()? {
        let row = Row {
            from: (row.get(0)?, row.get(1)?),
            to: (row.get(2)?, row.get(3)?),
            limbs: [row.get(4)?, row.get(5)?],
        };
        transfers.push(Transfer {
            from: decode(connection, directory, row.from)?,
            to: decode(connection, directory, row.to)?,
            amount: amount(row.limbs)?,
        });
        rows.push(row);
    }
    Ok((rows, Transaction::new(transfers)))
}

/// Shows every transaction of the pool with its event, oldest first.
pub(super) fn visit(
    connection: &Connection,
    pool: &PoolName,
    visit: &mut dyn FnMut(&Booked),
) -> Result<(), Fault> {
    let Some(pool) = find_pool(connection, pool)? else { return Ok(()) };
    each(connection, pool, &mut |booked| {
        visit(&booked?);
        Ok(())
    })
}

/// Shows every transaction of the pool, or what is wrong with it, oldest first.
pub(super) fn each(
    connection: &Connection,
    pool: i64,
    visit: &mut dyn FnMut(Result<Booked, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut directory = Directory::default();
    let sql =
        "SELECT bookings.id, bookings.block, bookings.ordinal, events.state, events.time, events.checksum,
               hash, height FROM bookings JOIN blocks ON blocks.id = bookings.block
               JOIN events ON events.block = bookings.block AND events.ordinal = bookings.ordinal
               WHERE bookings.pool = ?1 ORDER BY bookings.id";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query([pool])?;
    while let Some(row) = found.next()? {
        visit(booked(connection, &mut directory, row))?;
    }
    Ok(())
}

fn booked(
    connection: &Connection,
    directory: &mut Directory,
    row: &rusqlite::Row<'_>,
) -> Result<Booked, Fault> {
    let (block, ordinal) = (row.get(1)?, natural(row.get(2)?, "ordinal")?);
    let (state, time): (i64, i64) = (row.get(3)?, row.get(4)?);
    let hash = Hash256::from_internal(row.get(6)?);
    let mut read = || {
        let (rows, transaction) = transfers(connection, directory, row.get(0)?)?;
        if checksum(block, ordinal, state, time, &rows) != row.get::<_, i64>(5)? {
            return Err(damaged("the checksum is wrong"));
        }
        let (height, time) = (natural(row.get(7)?, "height")?, UnixTime::from_secs(natural(time, "time")?));
        Ok(Booked { time, hash, height, ordinal, state: blocks::decode(state)?, transaction })
    };
    named(read(), format_args!("event {ordinal} of block {hash}"))
}

pub(super) fn balances(connection: &Connection, pool: &PoolName) -> Result<Vec<Balance>, Fault> {
    match find_pool(connection, pool)? {
        Some(pool) => balances_of(connection, pool),
        None => Ok(Vec::new()),
    }
}

/// The balances of the pool with this number.
pub(super) fn balances_of(connection: &Connection, pool: i64) -> Result<Vec<Balance>, Fault> {
    let mut directory = Directory::default();
    let sql = "SELECT kind, account, hi, lo FROM balances WHERE pool = ?1 AND (hi <> 0 OR lo <> 0)";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([pool])?;
    let mut balances = Vec::new();
    while let Some(row) = rows.next()? {
        let account = Some(row.get(1)?).filter(|account| *account != 0);
        let account = decode(connection, &mut directory, (row.get(0)?, account))?;
        balances.push(Balance { account, amount: amount([row.get(2)?, row.get(3)?])? });
    }
    balances.sort_unstable_by(|a, b| a.account.cmp(&b.account));
    Ok(balances)
}

/// The kind of an account, and whose it is.
fn code(
    connection: &Connection,
    names: &mut Names,
    pool: &PoolName,
    account: &LedgerAccount,
) -> Result<Columns, Fault> {
    let mut of = |account| names.account(connection, pool, account).map(Some);
    Ok(match account {
        LedgerAccount::Chain => (0, None),
        LedgerAccount::Immature(account) => (1, of(account)?),
        LedgerAccount::Balance(account) => (2, of(account)?),
        LedgerAccount::PaidByCoinbase(account) => (3, of(account)?),
        LedgerAccount::ImmatureFee => (4, None),
        LedgerAccount::Fee => (5, None),
    })
}

fn decode(
    connection: &Connection,
    directory: &mut Directory,
    (kind, account): Columns,
) -> Result<LedgerAccount, Fault> {
    let account = account.map(|id| directory.account(connection, id)).transpose()?;
    Ok(match (kind, account) {
        (0, None) => LedgerAccount::Chain,
        (1, Some(account)) => LedgerAccount::Immature(account),
        (2, Some(account)) => LedgerAccount::Balance(account),
        (3, Some(account)) => LedgerAccount::PaidByCoinbase(account),
        (4, None) => LedgerAccount::ImmatureFee,
        (5, None) => LedgerAccount::Fee,
        (_, account) => return Err(damaged(format_args!("an account of kind {kind} of {account:?}"))),
    })
}
