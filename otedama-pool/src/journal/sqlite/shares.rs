//! Shares: appended fast, read newest first.

use std::ops::ControlFlow;

use otedama_core::{Digest, UnixTime, Weight};
use rusqlite::{CachedStatement, Connection, Row, params};

use super::super::{Applied, JournalError, Life, ShareKey, ShareRecord, check};
use super::fault::{Fault, damaged, integer, is_there, natural};
use super::names::{Names, Workers, find_pool, lives};
use crate::account::PoolName;

/// Bits of a share's number that count within its life; those above name the life.
const SEQUENCE_BITS: u32 = 43;
const MAX_SEQUENCE: u64 = (1 << SEQUENCE_BITS) - 1;

/// The prepared insertion of one transaction.
pub(super) struct Insert<'a> {
    connection: &'a Connection,
    statement: CachedStatement<'a>,
}

impl<'a> Insert<'a> {
    pub(super) fn new(connection: &'a Connection) -> Result<Self, Fault> {
        let sql =
            "INSERT INTO shares (id, worker, weight, digest, height, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        Ok(Self { connection, statement: connection.prepare_cached(sql)? })
    }

    /// Adds a share. That it is not there yet is not asked but found out: the row is looked at only when the key is.
    pub(super) fn share(&mut self, share: &ShareRecord, names: &mut Names) -> Result<Applied, Fault> {
        let life = names.life(self.connection, share.key)?;
        let id = number(life, share.key)?;
        let worker = names.worker(self.connection, &share.pool, &share.account, &share.worker)?;
        let time = integer(share.time.as_secs(), "time")?;
        let (weight, digest) = (share.weight.get().to_be_bytes(), share.digest.as_bytes());
        let added = self.statement.execute(params![
            id,
            worker,
            weight.as_slice(),
            digest.as_slice(),
            share.height,
            time
        ]);
        match added {
            Ok(_) => Ok(Applied::Applied),
            Err(error) if is_there(&error) => Ok(check::same_share(&self.find(id, share.key)?, share)?),
            Err(error) => Err(error.into()),
        }
    }

    fn find(&self, id: i64, key: ShareKey) -> Result<ShareRecord, Fault> {
        let sql = "SELECT worker, weight, digest, height, time, pools.name FROM shares
                   JOIN workers ON workers.id = worker JOIN accounts ON accounts.id = account
                   JOIN pools ON pools.id = pool WHERE shares.id = ?1";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([id])?;
        let row = rows.next()?.ok_or_else(|| damaged(format_args!("share {key:?} vanished")))?;
        let pool = PoolName::new(row.get::<_, String>(5)?);
        let mut workers = Workers::default();
        let (_, account, worker) = workers.find(self.connection, row.get(0)?)?;
        record(row, key, pool, account, worker)
    }
}

/// Shows the shares of the pool, newest first.
pub(super) fn visit(
    connection: &Connection,
    pool: &PoolName,
    visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let Some(pool_id) = find_pool(connection, pool)? else { return Ok(()) };
    let lives = lives(connection)?;
    let mut workers = Workers::default();
    let sql = "SELECT worker, weight, digest, height, time, id FROM shares ORDER BY id DESC";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (owner, account, worker) = workers.find(connection, row.get(0)?)?;
        if *owner != pool_id {
            continue;
        }
        let id: i64 = row.get(5)?;
        let Life { node, boot } = *lives
            .get(&(id >> SEQUENCE_BITS))
            .ok_or_else(|| damaged(format_args!("share {id} of no life")))?;
        let key = ShareKey { node, boot, sequence: natural::<u64>(id, "share")? & MAX_SEQUENCE };
        if visit(&record(row, key, pool.clone(), account, worker)?).is_break() {
            break;
        }
    }
    Ok(())
}

fn record(
    row: &Row<'_>,
    key: ShareKey,
    pool: PoolName,
    account: &crate::account::Account,
    worker: &std::sync::Arc<str>,
) -> Result<ShareRecord, Fault> {
    Ok(ShareRecord {
        key,
        pool,
        account: account.clone(),
        worker: worker.clone(),
        weight: Weight::new(u128::from_be_bytes(row.get(1)?)),
        digest: Digest::new(row.get(2)?),
        height: natural(row.get(3)?, "height")?,
        time: UnixTime::from_secs(natural(row.get(4)?, "time")?),
    })
}

/// Where the share stands in the table.
fn number(life: i64, key: ShareKey) -> Result<i64, Fault> {
    if key.sequence > MAX_SEQUENCE {
        let message = format!("share {key:?} is beyond what one life holds");
        return Err(JournalError::Contradiction(message).into());
    }
    Ok(life << SEQUENCE_BITS | integer(key.sequence, "sequence")?)
}
