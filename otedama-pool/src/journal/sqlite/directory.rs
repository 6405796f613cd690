//! Names by number, for reading: each name is in memory once, however many records carry it.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::fault::{Fault, damaged};
use super::names::name_checksum;
use super::records::kind;
use crate::account::{Account, PoolName};

/// Numbers up to here are found by index; rows are numbered from 1 without gaps, so these are nearly all.
const DENSE: usize = 1 << 22;

/// What was read so far. Every name's checksum was right.
#[derive(Debug, Default)]
pub(super) struct Directory {
    workers: Table<Worker>,
    accounts: Table<(i64, Account)>,
    pools: HashMap<i64, PoolName>,
}

/// A worker with all that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) pool: i64,
    pub(super) account_id: i64,
    pub(super) account: Account,
    pub(super) name: Arc<str>,
}

impl Directory {
    pub(super) fn pool(&mut self, connection: &Connection, id: i64) -> Result<PoolName, Fault> {
        if let Some(known) = self.pools.get(&id) {
            return Ok(known.clone());
        }
        let sql = "SELECT 0, name, checksum FROM pools WHERE id = ?1";
        let (_, name) = load(connection, sql, kind::POOL, id)?;
        Ok(self.pools.entry(id).or_insert_with(|| PoolName::new(name)).clone())
    }

    pub(super) fn account(&mut self, connection: &Connection, id: i64) -> Result<Account, Fault> {
        Ok(self.owner(connection, id)?.1.clone())
    }

    /// The account with the number of its pool.
    pub(super) fn owner(&mut self, connection: &Connection, id: i64) -> Result<&(i64, Account), Fault> {
        self.accounts.get(id, || {
            let sql = "SELECT pool, name, checksum FROM accounts WHERE id = ?1";
            let (pool, name) = load(connection, sql, kind::ACCOUNT, id)?;
            Ok((pool, Account::new(name)))
        })
    }

    pub(super) fn worker(&mut self, connection: &Connection, id: i64) -> Result<&Worker, Fault> {
        if !self.workers.has(id) {
            let sql = "SELECT account, name, checksum FROM workers WHERE id = ?1";
            let (account_id, name) = load(connection, sql, kind::WORKER, id)?;
            let (pool, account) = self.owner(connection, account_id)?.clone();
            return self.workers.get(id, || Ok(Worker { pool, account_id, account, name }));
        }
        self.workers.get(id, || Err(damaged(format_args!("worker {id} is not there"))))
    }
}

/// Reads the parent and the name of a row.
fn load(connection: &Connection, sql: &str, kind: u8, id: i64) -> Result<(i64, Arc<str>), Fault> {
    let what = match kind {
        kind::POOL => "pool",
        kind::ACCOUNT => "account",
        _ => "worker",
    };
    let mut select = connection.prepare_cached(sql)?;
    let row: Option<(i64, Arc<str>, i64)> =
        select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    match row {
        None => Err(damaged(format_args!("{what} {id} is not there"))),
        Some((parent, name, checksum)) if name_checksum(kind, id, parent, &name) == checksum => {
            Ok((parent, name))
        }
        Some(_) => Err(damaged(format_args!("{what} {id}: the checksum is wrong"))),
    }
}

/// Values by row number.
#[derive(Debug)]
struct Table<T> {
    dense: Vec<Option<T>>,
    sparse: HashMap<i64, T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { dense: Vec::new(), sparse: HashMap::new() }
    }
}

impl<T> Table<T> {
    fn has(&self, id: i64) -> bool {
        match usize::try_from(id) {
            Ok(index) if index < DENSE => self.dense.get(index).is_some_and(Option::is_some),
            _ => self.sparse.contains_key(&id),
        }
    }

    /// The value, loaded if it is not there.
    fn get(&mut self, id: i64, load: impl FnOnce() -> Result<T, Fault>) -> Result<&T, Fault> {
        let index = match usize::try_from(id) {
            Ok(index) if index < DENSE => index,
            _ => {
                return Ok(match self.sparse.entry(id) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(new) => new.insert(load()?),
                });
            }
        };
        let gone = || damaged(format_args!("row {id} is not there"));
        if self.dense.get(index).is_none_or(Option::is_none) {
            let value = load()?;
            if self.dense.len() <= index {
                self.dense.resize_with(index + 1, || None);
            }
            *self.dense.get_mut(index).ok_or_else(gone)? = Some(value);
        }
        self.dense.get(index).and_then(Option::as_ref).ok_or_else(gone)
    }
}
