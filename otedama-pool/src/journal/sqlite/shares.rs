//! Shares: appended in groups, read newest first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use otedama_core::{Digest, UnixTime, Weight};
use rusqlite::{Connection, Row, params};

use super::super::{Applied, Entry, JournalError, Life, ShareKey, ShareRecord, check};
use super::directory::Directory;
use super::fault::{Fault, damaged, named, natural};
use super::names::{Names, find_pool, lives};
use super::pack::{DIGEST, Fresh, MAX_SHARES, Packer, Unpacked};
use super::records::{Checksum, Sum, kind};
use super::totals;
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

fn number(sequence: u64) -> Result<i64, Fault> {
    i64::try_from(sequence).map_err(damaged)
}

/// Adds a segment, and counts it.
pub(super) fn insert(
    connection: &Connection,
    packer: &mut Packer,
    life: i64,
    pool: i64,
    shares: &[Fresh<'_>],
) -> Result<(), Fault> {
    let (Some(first), Some(last)) = (shares.first(), shares.last()) else { return Ok(()) };
    let (first, last) = (number(first.share.key.sequence)?, number(last.share.key.sequence)?);
    let weight = packer.pack(shares);
    let count = i64::try_from(shares.len()).map_err(damaged)?;
    let id: i64 = connection
        .prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM segments")?
        .query_row([], |row| row.get(0))?;
    let weight_bytes = weight.to_bytes();
    let data = &packer.data;
    let sql =
        "INSERT INTO segments (id, life, pool, first, last, count, weight, checksum, digests_checksum, data,
               digests) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        id,
        life,
        pool,
        first,
        last,
        count,
        weight_bytes.as_slice(),
        checksum([life, pool, first, last, count], &weight_bytes, data),
        digests_checksum(life, first, &packer.digests),
        data,
        packer.digests,
    ])?;
    totals::grow(connection, pool, count, weight)
}

/// The number of a segment is not part of it: it only says where it is.
fn checksum(header: [i64; 5], weight: &[u8; 24], data: &[u8]) -> i64 {
    Checksum::of(kind::SEGMENT).numbers(&header).bytes(weight).bytes(data).finish()
}

fn digests_checksum(life: i64, first: i64, digests: &[u8]) -> i64 {
    Checksum::of(kind::DIGESTS).numbers(&[life, first]).bytes(digests).finish()
}

/// The columns that [`Segment::read`] takes; the digests come last and may stay away.
pub(super) const COLUMNS: &str =
    "id, life, pool, first, last, count, weight, checksum, data, digests_checksum, digests";
const COLUMNS_WITHOUT_DIGESTS: &str = "id, life, pool, first, last, count, weight, checksum, data";

/// A segment as it stands in its row, with its checksums right.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    pub(super) id: i64,
    pub(super) life: i64,
    pub(super) pool: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) count: usize,
    pub(super) weight: Sum,
    data: &'a [u8],
    digests: &'a [u8],
}

impl<'a> Segment<'a> {
    /// With its digests.
    pub(super) fn read(row: &'a Row<'_>) -> Result<Self, Fault> {
        let mut segment = Self::read_without_digests(row)?;
        let digests = row.get_ref(10)?.as_blob().map_err(|problem| segment.damaged(problem))?;
        if digests.len() != segment.count * DIGEST
            || digests_checksum(segment.life, segment.first, digests) != row.get::<_, i64>(9)?
        {
            return Err(segment.damaged("the checksum of the digests is wrong"));
        }
        segment.digests = digests;
        Ok(segment)
    }

    /// Without the digests, which need not be read then.
    pub(super) fn read_without_digests(row: &'a Row<'_>) -> Result<Self, Fault> {
        let id: i64 = row.get(0)?;
        let header: [i64; 5] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        let [life, pool, first, last, count] = header;
        let read = || {
            let (weight, data): ([u8; 24], _) = (row.get(6)?, row.get_ref(8)?.as_blob().map_err(damaged)?);
            if checksum(header, &weight, data) != row.get::<_, i64>(7)? {
                return Err(damaged("the checksum is wrong"));
            }
            let count = usize::try_from(count).ok().filter(|count| (1..=MAX_SHARES).contains(count));
            let count = count.ok_or_else(|| damaged("the count is wrong"))?;
            Ok(Self {
                id,
                life,
                pool,
                first,
                last,
                count,
                weight: Sum::from_bytes(weight),
                data,
                digests: &[],
            })
        };
        named(read(), format_args!("segment {id} of life {life}, shares {first}..={last}"))
    }

    /// Names the segment in an error.
    pub(super) fn damaged(&self, problem: impl std::fmt::Display) -> Fault {
        let Self { id, life, first, last, .. } = self;
        damaged(format_args!("segment {id} of life {life}, shares {first}..={last}: {problem}"))
    }

    fn named<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        let Self { id, life, first, last, .. } = self;
        named(result, format_args!("segment {id} of life {life}, shares {first}..={last}"))
    }

    /// Unpacks all columns, and makes sure that they are what the header says.
    pub(super) fn unpack(&self, columns: &mut Unpacked) -> Result<(), Fault> {
        let first = natural(self.first, "sequence number")?;
        self.named(columns.unpack(self.data, self.count, first))?;
        if columns.sequences.last().and_then(|last| i64::try_from(*last).ok()) != Some(self.last) {
            return Err(self.damaged("the last share is another"));
        }
        self.weigh(columns)
    }

    fn weigh(&self, columns: &Unpacked) -> Result<(), Fault> {
        let sum = columns.weights.iter().try_fold(Sum::default(), |sum, weight| sum.plus(*weight));
        if sum == Some(self.weight) { Ok(()) } else { Err(self.damaged("the weights do not add up")) }
    }

    /// Shows the shares, newest first.
    fn records(
        &self,
        connection: &Connection,
        directory: &mut Directory,
        columns: &Unpacked,
        pool: &PoolName,
        Life { node, boot }: Life,
        visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        let parts = columns.workers.iter().zip(&columns.weights).zip(&columns.sequences);
        let parts = parts.zip(&columns.heights).zip(&columns.times).zip(self.digests.as_chunks::<DIGEST>().0);
        // One record is filled again and again: its names change hands only when they differ.
        let mut record: Option<(i64, ShareRecord)> = None;
        for (((((worker, weight), sequence), height), time), digest) in parts.rev() {
            let key = ShareKey { node, boot, sequence: *sequence };
            let (weight, digest) = (*weight, Digest::new(*digest));
            let (height, time) = (*height, UnixTime::from_secs(*time));
            let record = match &mut record {
                Some((known, record)) => {
                    if known != worker {
                        let named = self.worker(connection, directory, *worker)?;
                        *known = *worker;
                        (record.account, record.worker) = (named.account.clone(), named.name.clone());
                    }
                    (record.key, record.weight, record.digest) = (key, weight, digest);
                    (record.height, record.time) = (height, time);
                    record
                }
                None => {
                    let named = self.worker(connection, directory, *worker)?;
                    let (account, name) = (named.account.clone(), named.name.clone());
                    let pool = pool.clone();
                    let share =
                        ShareRecord { key, pool, account, worker: name, weight, digest, height, time };
                    &mut record.insert((*worker, share)).1
                }
            };
            if visit(record).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A worker of the segment, which must be one of its pool.
    pub(super) fn worker<'d>(
        &self,
        connection: &Connection,
        directory: &'d mut Directory,
        worker: i64,
    ) -> Result<&'d super::directory::Worker, Fault> {
        let named = self.named(directory.worker(connection, worker))?;
        if named.pool == self.pool {
            Ok(named)
        } else {
            Err(self.damaged(format_args!("worker {worker} is of another pool")))
        }
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
