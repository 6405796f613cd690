//! The books: transactions with their lines, and the balances that they add up to.

use std::collections::BTreeMap;

use otedama_core::Amount;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Balance, BlockEvent, check};
use super::fault::{Fault, amount, damaged};
use super::names::{Names, find_pool};
use crate::account::{Account, PoolName};
use crate::ledger::{Ledger, LedgerAccount, Line, Side, Transaction};

/// The account number that stands for the pool itself in the table of balances.
const POOL_ITSELF: i64 = 0;

/// Books the transaction of an event that was just added.
pub(super) fn add(
    connection: &Connection,
    names: &mut Names,
    block: i64,
    event: &BlockEvent,
    transaction: &Transaction,
) -> Result<(), Fault> {
    let pool = names.pool(connection, &event.pool)?;
    let booking = connection
        .prepare_cached("INSERT INTO bookings (pool, block, ordinal) VALUES (?1, ?2, ?3)")?
        .insert(params![pool, block, event.ordinal])?;
    let sql =
        "INSERT INTO lines (booking, position, kind, account, side, amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare_cached(sql)?;
    let mut touched = BTreeMap::new();
    for (position, line) in (0i64..).zip(transaction.lines()) {
        let (kind, account) = code(connection, names, &event.pool, &line.account)?;
        insert.execute(params![
            booking,
            position,
            kind,
            account,
            side(line.side),
            line.amount.to_string()
        ])?;
        touched.insert(&line.account, (kind, account.unwrap_or(POOL_ITSELF)));
    }
    let mut ledger = Ledger::default();
    for (account, key) in &touched {
        ledger.extend([((*account).clone(), balance(connection, pool, *key)?)]);
    }
    ledger.apply(transaction).map_err(|error| check::overdrawn(event, &error))?;
    for (account, key) in touched {
        set_balance(connection, pool, key, ledger.balance(account))?;
    }
    Ok(())
}

/// The transaction of an event, if it had one.
pub(super) fn find(connection: &Connection, block: i64, ordinal: u32) -> Result<Option<Transaction>, Fault> {
    let sql = "SELECT id FROM bookings WHERE block = ?1 AND ordinal = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let Some(id): Option<i64> = select.query_row(params![block, ordinal], |row| row.get(0)).optional()?
    else {
        return Ok(None);
    };
    let mut found = None;
    visit_where(connection, "bookings.id = ?1", id, &mut |transaction| found = Some(transaction.clone()))?;
    Ok(found)
}

/// Shows every transaction of the pool, oldest first.
pub(super) fn visit(
    connection: &Connection,
    pool: &PoolName,
    visit: &mut dyn FnMut(&Transaction),
) -> Result<(), Fault> {
    match find_pool(connection, pool)? {
        Some(pool) => visit_where(connection, "bookings.pool = ?1", pool, visit),
        None => Ok(()),
    }
}

pub(super) fn balances(connection: &Connection, pool: &PoolName) -> Result<Vec<Balance>, Fault> {
    let Some(pool) = find_pool(connection, pool)? else { return Ok(Vec::new()) };
    let sql = "SELECT kind, accounts.name, amount FROM balances
               LEFT JOIN accounts ON accounts.id = account WHERE balances.pool = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([pool])?;
    let mut balances = Vec::new();
    while let Some(row) = rows.next()? {
        let account = decode(row.get(0)?, row.get(1)?)?;
        balances.push(Balance { account, amount: amount(row.get_ref(2)?.as_str().map_err(damaged)?)? });
    }
    balances.sort_unstable_by(|a, b| a.account.cmp(&b.account));
    Ok(balances)
}

fn visit_where(
    connection: &Connection,
    which: &str,
    id: i64,
    visit: &mut dyn FnMut(&Transaction),
) -> Result<(), Fault> {
    let sql = format!(
        "SELECT bookings.id, kind, accounts.name, side, amount FROM bookings
         LEFT JOIN lines ON lines.booking = bookings.id LEFT JOIN accounts ON accounts.id = lines.account
         WHERE {which} ORDER BY bookings.id, lines.position"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query([id])?;
    let (mut current, mut lines) = (None, Vec::new());
    let mut show = |lines: &mut Vec<Line>| -> Result<(), Fault> {
        visit(&Transaction::new(std::mem::take(lines)).map_err(damaged)?);
        Ok(())
    };
    while let Some(row) = rows.next()? {
        let booking: i64 = row.get(0)?;
        if current.replace(booking).is_some_and(|current| current != booking) {
            show(&mut lines)?;
        }
        // A transaction without lines has no kind here.
        if let Some(kind) = row.get(1)? {
            lines.push(Line {
                account: decode(kind, row.get(2)?)?,
                side: if row.get::<_, i64>(3)? == side(Side::In) { Side::In } else { Side::Out },
                amount: amount(row.get_ref(4)?.as_str().map_err(damaged)?)?,
            });
        }
    }
    if current.is_some() { show(&mut lines) } else { Ok(()) }
}

fn balance(connection: &Connection, pool: i64, (kind, account): (i64, i64)) -> Result<Amount, Fault> {
    let sql = "SELECT amount FROM balances WHERE pool = ?1 AND kind = ?2 AND account = ?3";
    let mut select = connection.prepare_cached(sql)?;
    let text: Option<String> = select.query_row([pool, kind, account], |row| row.get(0)).optional()?;
    text.map_or(Ok(Amount::ZERO), |text| amount(&text))
}

fn set_balance(
    connection: &Connection,
    pool: i64,
    (kind, account): (i64, i64),
    amount: Amount,
) -> Result<(), Fault> {
    if amount == Amount::ZERO {
        let sql = "DELETE FROM balances WHERE pool = ?1 AND kind = ?2 AND account = ?3";
        connection.prepare_cached(sql)?.execute([pool, kind, account])?;
    } else {
        let sql = "INSERT INTO balances (pool, kind, account, amount) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT DO UPDATE SET amount = excluded.amount";
        connection.prepare_cached(sql)?.execute(params![pool, kind, account, amount.to_string()])?;
    }
    Ok(())
}

const fn side(side: Side) -> i64 {
    match side {
        Side::In => 0,
        Side::Out => 1,
    }
}

/// The kind of an account, and whose it is.
fn code(
    connection: &Connection,
    names: &mut Names,
    pool: &PoolName,
    account: &LedgerAccount,
) -> Result<(i64, Option<i64>), Fault> {
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

fn decode(kind: i64, account: Option<String>) -> Result<LedgerAccount, Fault> {
    Ok(match (kind, account.map(Account::new)) {
        (0, None) => LedgerAccount::Chain,
        (1, Some(account)) => LedgerAccount::Immature(account),
        (2, Some(account)) => LedgerAccount::Balance(account),
        (3, Some(account)) => LedgerAccount::PaidByCoinbase(account),
        (4, None) => LedgerAccount::ImmatureFee,
        (5, None) => LedgerAccount::Fee,
        (_, account) => return Err(damaged(format_args!("an account of kind {kind} of {account:?}"))),
    })
}
