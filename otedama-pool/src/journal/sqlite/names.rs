//! Names stored once and known by a number: pools, accounts, workers, and the lives of the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::super::{JournalError, Life, ShareKey, check};
use super::fault::{Fault, natural};
use crate::account::{Account, PoolName};
use crate::limits::MAX_CACHED_NAMES;

/// Numbers that were looked up before, so that a share costs no query. Holds what the open transaction sees, so it is
/// cleared when that is undone.
#[derive(Debug, Default)]
pub(super) struct Names {
    pools: HashMap<PoolName, Pool>,
    lives: HashMap<(u16, u32), i64>,
    /// At least as many as there are names here.
    count: usize,
}

#[derive(Debug)]
struct Pool {
    id: i64,
    accounts: HashMap<Account, Owner>,
}

#[derive(Debug)]
struct Owner {
    id: i64,
    workers: HashMap<Arc<str>, i64>,
}

impl Names {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The number of the pool, new if need be.
    pub(super) fn pool(&mut self, connection: &Connection, pool: &PoolName) -> Result<i64, Fault> {
        Ok(self.pool_entry(connection, pool)?.id)
    }

    /// The number of the account, new if need be.
    pub(super) fn account(
        &mut self,
        connection: &Connection,
        pool: &PoolName,
        account: &Account,
    ) -> Result<i64, Fault> {
        let known = self.pools.get(pool).and_then(|pool| pool.accounts.get(account));
        match known {
            Some(owner) => Ok(owner.id),
            None => Ok(self.owner_entry(connection, pool, account)?.id),
        }
    }

    /// The number of the worker, new if need be.
    pub(super) fn worker(
        &mut self,
        connection: &Connection,
        pool: &PoolName,
        account: &Account,
        worker: &Arc<str>,
    ) -> Result<i64, Fault> {
        let known = self.pools.get(pool).and_then(|pool| pool.accounts.get(account)?.workers.get(worker));
        if let Some(id) = known {
            return Ok(*id);
        }
        let owner = self.owner_entry(connection, pool, account)?;
        let id = intern(
            connection,
            "SELECT id FROM workers WHERE account = ?1 AND name = ?2",
            "INSERT INTO workers (account, name) VALUES (?1, ?2)",
            params![owner.id, &**worker],
        )?;
        owner.workers.insert(worker.clone(), id);
        Ok(id)
    }

    /// The number of the life that a share was accepted in.
    pub(super) fn life(&mut self, connection: &Connection, key: ShareKey) -> Result<i64, Fault> {
        if let Some(id) = self.lives.get(&(key.node, key.boot)) {
            return Ok(*id);
        }
        let mut select = connection.prepare_cached("SELECT id FROM lives WHERE node = ?1 AND boot = ?2")?;
        let id = select.query_row(params![key.node, key.boot], |row| row.get(0)).optional()?;
        let id = id.ok_or_else(|| check::unknown_life(key))?;
        self.lives.insert((key.node, key.boot), id);
        Ok(id)
    }

    fn pool_entry(&mut self, connection: &Connection, pool: &PoolName) -> Result<&mut Pool, Fault> {
        match self.pools.entry(pool.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let id = intern(
                    connection,
                    "SELECT id FROM pools WHERE name = ?1",
                    "INSERT INTO pools (name) VALUES (?1)",
                    params![pool.as_str()],
                )?;
                Ok(new.insert(Pool { id, accounts: HashMap::new() }))
            }
        }
    }

    /// For a new name of the account or of one of its workers.
    fn owner_entry(
        &mut self,
        connection: &Connection,
        pool: &PoolName,
        account: &Account,
    ) -> Result<&mut Owner, Fault> {
        if self.count >= MAX_CACHED_NAMES {
            self.clear();
        }
        self.count += 2;
        let pool = self.pool_entry(connection, pool)?;
        match pool.accounts.entry(account.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let id = intern(
                    connection,
                    "SELECT id FROM accounts WHERE pool = ?1 AND name = ?2",
                    "INSERT INTO accounts (pool, name) VALUES (?1, ?2)",
                    params![pool.id, account.as_str()],
                )?;
                Ok(new.insert(Owner { id, workers: HashMap::new() }))
            }
        }
    }
}

/// The number of a row, which is added if it is not there.
fn intern<P: Params + Copy>(
    connection: &Connection,
    select: &str,
    insert: &str,
    key: P,
) -> Result<i64, Fault> {
    let known = connection.prepare_cached(select)?.query_row(key, |row| row.get(0)).optional()?;
    match known {
        Some(id) => Ok(id),
        None => Ok(connection.prepare_cached(insert)?.insert(key)?),
    }
}

/// The number of a pool that may be unknown.
pub(super) fn find_pool(connection: &Connection, pool: &PoolName) -> Result<Option<i64>, Fault> {
    let mut select = connection.prepare_cached("SELECT id FROM pools WHERE name = ?1")?;
    Ok(select.query_row([pool.as_str()], |row| row.get(0)).optional()?)
}

/// Writes down that a life begins. On one machine the node is 0.
pub(super) fn begin(connection: &Connection) -> Result<Life, Fault> {
    const NODE: u16 = 0;
    let last: i64 =
        connection.query_row("SELECT coalesce(max(boot), 0) FROM lives WHERE node = ?1", [NODE], |row| {
            row.get(0)
        })?;
    let exhausted = |_| JournalError::Storage("no boot number is left".into());
    let boot = u32::try_from(last.saturating_add(1)).map_err(exhausted)?;
    connection.execute("INSERT INTO lives (node, boot) VALUES (?1, ?2)", params![NODE, boot])?;
    Ok(Life { node: NODE, boot })
}

/// Names by number, for reading: each name is in memory once, however many shares carry it.
#[derive(Debug, Default)]
pub(super) struct Workers {
    known: HashMap<i64, (i64, Account, Arc<str>)>,
    accounts: HashMap<Arc<str>, Account>,
}

impl Workers {
    /// The worker's pool, account and name.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        worker: i64,
    ) -> Result<&(i64, Account, Arc<str>), Fault> {
        match self.known.entry(worker) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let mut select = connection.prepare_cached(
                    "SELECT accounts.pool, accounts.name, workers.name FROM workers
                     JOIN accounts ON accounts.id = workers.account WHERE workers.id = ?1",
                )?;
                let (pool, account, name): (i64, Arc<str>, Arc<str>) =
                    select.query_row([worker], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                let account =
                    self.accounts.entry(account.clone()).or_insert_with(|| Account::new(account)).clone();
                Ok(new.insert((pool, account, name)))
            }
        }
    }
}

/// The lives by number.
pub(super) fn lives(connection: &Connection) -> Result<HashMap<i64, Life>, Fault> {
    let mut select = connection.prepare_cached("SELECT id, node, boot FROM lives")?;
    let mut rows = select.query([])?;
    let mut lives = HashMap::new();
    while let Some(row) = rows.next()? {
        let life = Life { node: natural(row.get(1)?, "node")?, boot: natural(row.get(2)?, "boot")? };
        lives.insert(row.get(0)?, life);
    }
    Ok(lives)
}

#[cfg(test)]
impl Names {
    /// Pretends that as many names are known as fit.
    pub(super) fn fill_up(&mut self) {
        self.count = MAX_CACHED_NAMES;
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= MAX_CACHED_NAMES
    }
}
