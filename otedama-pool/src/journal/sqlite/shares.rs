//! Shares: appended in groups, read newest first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use otedama_core::Weight;
use rusqlite::{Connection, params};

use super::super::{Applied, Entry, JournalError, Life, ShareKey, ShareRecord, check};
use super::directory::Directory;
use super::fault::{Fault, damaged, natural};
use super::lives::lives;
use super::names::{Names, find_pool};
use super::pack::{Fresh, MAX_SHARES, Packer, Unpacked};
use super::segments::{COLUMNS, COLUMNS_WITHOUT_DIGESTS, Segment, insert, number};
use crate::account::{Account, PoolName};

/// Sequence numbers are below, so that the next one is a number too.
const MAX_SEQUENCE: u64 = i64::MAX as u64 - 1;

/// The shares of one call, gathered until all of it is known to be right.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    lives: Vec<LifeBatch<'a>>,
}

#[derive(Debug)]
struct LifeBatch<'a> {
    key: (u16, u32),
    id: i64,
    /// The first sequence number of the life that no earlier call had.
    next: i64,
    rolled: i64,
    fresh: Vec<(i64, Fresh<'a>)>,
    /// Whether the sequence numbers came in their order, so that none can have come twice.
    is_sorted: bool,
    /// The fresh ones by number, once one of them came out of order.
    by_sequence: BTreeMap<u64, &'a ShareRecord>,
    /// What is there already in the range that the call touches, once one was asked for.
    known: Option<BTreeMap<u64, ShareRecord>>,
}

impl<'a> Batch<'a> {
    /// Takes a share, or says that it is there.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        share: &'a ShareRecord,
        entries: &[Entry],
    ) -> Result<Applied, Fault> {
        let key = (share.key.node, share.key.boot);
        let index = match self.lives.iter().position(|life| life.key == key) {
            Some(index) => index,
            None => {
                let reached = names.life(connection, share.key)?;
                let (id, next, rolled) = (reached.id, reached.next, reached.rolled);
                self.lives.push(LifeBatch::new(key, id, next, rolled));
                self.lives.len() - 1
            }
        };
        let Some(life) = self.lives.get_mut(index) else { return Err(damaged("a life vanished")) };
        if share.key.sequence > MAX_SEQUENCE {
            let message = format!("share {:?} is beyond what one life holds", share.key);
            return Err(JournalError::Contradiction(message).into());
        }
        if let Some(applied) = life.find(connection, share, entries)? {
            return Ok(applied);
        }
        let pool = names.pool(connection, &share.pool)?;
        let worker = names.worker(connection, &share.pool, &share.account, &share.worker)?;
        let worker = natural(worker, "worker")?;
        life.push(pool, Fresh { share, worker });
        Ok(Applied::Applied)
    }

    /// Writes what was gathered.
    pub(super) fn write(self, connection: &Connection, names: &mut Names) -> Result<(), Fault> {
        let mut packer = Packer::default();
        for mut life in self.lives {
            if !life.is_sorted {
                life.fresh.sort_by_key(|(_, fresh)| fresh.share.key.sequence);
            }
            let Some((_, last)) = life.fresh.last() else { continue };
            let next = number(last.share.key.sequence)?.saturating_add(1);
            let mut pools: BTreeMap<i64, Vec<Fresh<'_>>> = BTreeMap::new();
            for (pool, fresh) in life.fresh.drain(..) {
                pools.entry(pool).or_default().push(fresh);
            }
            for (pool, fresh) in pools {
                for group in fresh.chunks(MAX_SHARES) {
                    insert(connection, &mut packer, life.id, pool, group)?;
                }
            }
            let (node, boot) = life.key;
            let reached = names.life(connection, ShareKey { node, boot, sequence: 0 })?;
            reached.next = reached.next.max(next);
        }
        Ok(())
    }
}

impl<'a> LifeBatch<'a> {
    fn new(key: (u16, u32), id: i64, next: i64, rolled: i64) -> Self {
        let (fresh, by_sequence) = (Vec::new(), BTreeMap::new());
        Self { key, id, next, rolled, fresh, is_sorted: true, by_sequence, known: None }
    }

    /// What there is to say of a share that is there already, or must not come any more; `None` if it is new.
    fn find(
        &mut self,
        connection: &Connection,
        share: &ShareRecord,
        entries: &[Entry],
    ) -> Result<Option<Applied>, Fault> {
        let sequence = share.key.sequence;
        let is_beyond = self.fresh.last().is_none_or(|(_, last)| last.share.key.sequence < sequence);
        if self.is_sorted && !is_beyond {
            self.is_sorted = false;
            self.by_sequence =
                self.fresh.iter().map(|(_, fresh)| (fresh.share.key.sequence, fresh.share)).collect();
        }
        if let Some(known) = self.by_sequence.get(&sequence) {
            return Ok(Some(check::same_share(known, share)?));
        }
        if number(sequence)? >= self.next {
            return Ok(None);
        }
        if self.known.is_none() {
            self.known = Some(known(connection, self.id, self.key, entries)?);
        }
        match self.known.as_ref().and_then(|known| known.get(&sequence)) {
            Some(known) => Ok(Some(check::same_share(known, share)?)),
            None if number(sequence)? < self.rolled => Ok(Some(Applied::AlreadyThere)),
            None => Err(check::late_share(share.key).into()),
        }
    }

    fn push(&mut self, pool: i64, fresh: Fresh<'a>) {
        if !self.is_sorted {
            self.by_sequence.insert(fresh.share.key.sequence, fresh.share);
        }
        self.fresh.push((pool, fresh));
    }
}

/// The shares of a life that are there and whose numbers come in a call.
fn known(
    connection: &Connection,
    life: i64,
    (node, boot): (u16, u32),
    entries: &[Entry],
) -> Result<BTreeMap<u64, ShareRecord>, Fault> {
    let wanted = |entry: &Entry| match entry {
        Entry::Share(share) if (share.key.node, share.key.boot) == (node, boot) => Some(share.key.sequence),
        _ => None,
    };
    let mut sequences: Vec<u64> = entries.iter().filter_map(wanted).collect();
    sequences.sort_unstable();
    let (Some(lowest), Some(highest)) = (sequences.first(), sequences.last()) else {
        return Ok(BTreeMap::new());
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM segments INDEXED BY segments_by_key
         WHERE life = ?1 AND last >= ?2 AND first <= ?3 ORDER BY last"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let highest = i64::try_from(*highest).unwrap_or(i64::MAX);
    let mut rows = select.query(params![life, number(*lowest)?, highest])?;
    let (mut directory, mut columns) = (Directory::default(), Unpacked::default());
    let mut known = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let segment = Segment::read(row)?;
        segment.unpack(&mut columns)?;
        let pool = directory.pool(connection, segment.pool)?;
        let life = Life { node, boot };
        let _ = segment.records(connection, &mut directory, &columns, &pool, life, &mut |share| {
            if sequences.binary_search(&share.key.sequence).is_ok() {
                known.insert(share.key.sequence, share.clone());
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(known)
}

/// Shows the shares of the pool, newest first.
pub(super) fn visit(
    connection: &Connection,
    pool: &PoolName,
    visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let Some(pool_id) = find_pool(connection, pool)? else { return Ok(()) };
    let lives = lives(connection)?;
    let (mut directory, mut columns) = (Directory::default(), Unpacked::default());
    let mut select = connection.prepare_cached(&newest_first(COLUMNS))?;
    let mut rows = select.query([pool_id])?;
    while let Some(row) = rows.next()? {
        let segment = Segment::read(row)?;
        segment.unpack(&mut columns)?;
        let life = *lives.get(&segment.life).ok_or_else(|| segment.damaged("its life is not there"))?;
        if segment.records(connection, &mut directory, &columns, pool, life, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Shows accounts and weights of the pool's shares, newest first.
pub(super) fn weights(
    connection: &Connection,
    pool: &PoolName,
    visit: &mut dyn FnMut(&Account, Weight) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let Some(pool_id) = find_pool(connection, pool)? else { return Ok(()) };
    let (mut directory, mut columns) = (Directory::default(), Unpacked::default());
    let mut select = connection.prepare_cached(&newest_first(COLUMNS_WITHOUT_DIGESTS))?;
    let mut rows = select.query([pool_id])?;
    while let Some(row) = rows.next()? {
        let segment = Segment::read_without_digests(row)?;
        segment.unpack(&mut columns)?;
        for (worker, weight) in columns.workers.iter().zip(&columns.weights).rev() {
            let worker = segment.worker(connection, &mut directory, *worker)?;
            if visit(&worker.account, *weight).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn newest_first(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM segments INDEXED BY segments_by_key WHERE pool = ?1 ORDER BY life DESC, last DESC"
    )
}
