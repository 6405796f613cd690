//! Names stored once and known by a number: pools, accounts and workers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{ShareKey, check};
use super::directory::Directory;
use super::fault::Fault;
use super::lives::find_life;
use super::records::{Checksum, kind};
use crate::account::{Account, PoolName};
use crate::limits::MAX_CACHED_NAMES;

/// Numbers that were looked up before, so that a share costs no query. Holds what the open transaction sees, so it is
/// cleared when that is undone.
#[derive(Debug, Default)]
pub(super) struct Names {
    pools: HashMap<PoolName, Pool>,
    lives: HashMap<(u16, u32), Reached>,
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

/// How far a life has come.
#[derive(Debug)]
pub(super) struct Reached {
    /// The life's number.
    pub(super) id: i64,
    /// All its sequence numbers are below.
    pub(super) next: i64,
    /// Those below were rolled up, unless they are still there.
    pub(super) rolled: i64,
}

impl Names {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets how far lives have come, which a roll-up changes.
    pub(super) fn forget_lives(&mut self) {
        self.lives.clear();
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
            [
                "SELECT id FROM workers WHERE account = ?1 AND name = ?2",
                "INSERT INTO workers (account, name, id, checksum) VALUES (?1, ?2, ?3, ?4)",
            ],
            kind::WORKER,
            owner.id,
            worker,
        )?;
        owner.workers.insert(worker.clone(), id);
        Ok(id)
    }

    /// The life that a share was accepted in.
    pub(super) fn life(&mut self, connection: &Connection, key: ShareKey) -> Result<&mut Reached, Fault> {
        match self.lives.entry((key.node, key.boot)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let sql = "SELECT id FROM lives WHERE node = ?1 AND boot = ?2";
                let mut select = connection.prepare_cached(sql)?;
                let id = select.query_row(params![key.node, key.boot], |row| row.get(0)).optional()?;
                let row = find_life(connection, id.ok_or_else(|| check::unknown_life(key))?)?;
                let sql = "SELECT coalesce(max(last), -1) FROM segments WHERE life = ?1";
                let last: i64 = connection.prepare_cached(sql)?.query_row([row.id], |found| found.get(0))?;
                let next = last.saturating_add(1).max(row.rolled);
                Ok(new.insert(Reached { id: row.id, next, rolled: row.rolled }))
            }
        }
    }

    fn pool_entry(&mut self, connection: &Connection, pool: &PoolName) -> Result<&mut Pool, Fault> {
        match self.pools.entry(pool.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let id = intern(
                    connection,
                    [
                        "SELECT id FROM pools WHERE ?1 = 0 AND name = ?2",
                        "INSERT INTO pools (name, id, checksum) SELECT ?2, ?3, ?4 WHERE ?1 = 0",
                    ],
                    kind::POOL,
                    0,
                    pool.as_str(),
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
                    [
                        "SELECT id FROM accounts WHERE pool = ?1 AND name = ?2",
                        "INSERT INTO accounts (pool, name, id, checksum) VALUES (?1, ?2, ?3, ?4)",
                    ],
                    kind::ACCOUNT,
                    pool.id,
                    account.as_str(),
                )?;
                Ok(new.insert(Owner { id, workers: HashMap::new() }))
            }
        }
    }
}

/// The number of a row, which is added if it is not there. `key` is the parent's number and the name.
fn intern(
    connection: &Connection,
    [select, insert]: [&str; 2],
    kind: u8,
    parent: i64,
    name: &str,
) -> Result<i64, Fault> {
    let known = connection.prepare_cached(select)?.query_row(params![parent, name], |row| row.get(0));
    if let Some(id) = known.optional()? {
        return Ok(id);
    }
    // Rows are never taken out, so the last number was the highest that there ever was.
    let sql = match kind {
        kind::POOL => "SELECT coalesce(max(id), 0) + 1 FROM pools",
        kind::ACCOUNT => "SELECT coalesce(max(id), 0) + 1 FROM accounts",
        _ => "SELECT coalesce(max(id), 0) + 1 FROM workers",
    };
    let id = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let checksum = name_checksum(kind, id, parent, name);
    connection.prepare_cached(insert)?.execute(params![parent, name, id, checksum])?;
    Ok(id)
}

/// The checksum of a name and what it belongs to; a pool belongs to nothing, which is 0.
pub(super) fn name_checksum(kind: u8, id: i64, parent: i64, name: &str) -> i64 {
    Checksum::of(kind).numbers(&[id, parent]).bytes(name.as_bytes()).finish()
}

/// The number of a pool that may be unknown.
pub(super) fn find_pool(connection: &Connection, pool: &PoolName) -> Result<Option<i64>, Fault> {
    let mut select = connection.prepare_cached("SELECT id FROM pools WHERE name = ?1")?;
    Ok(select.query_row([pool.as_str()], |row| row.get(0)).optional()?)
}

/// The pools with their numbers, by name.
pub(super) fn pools(connection: &Connection) -> Result<Vec<(i64, PoolName)>, Fault> {
    let mut select = connection.prepare_cached("SELECT id FROM pools ORDER BY name")?;
    let ids = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut directory = Directory::default();
    ids.into_iter().map(|id| Ok((id, directory.pool(connection, id)?))).collect()
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
