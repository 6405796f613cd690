//! Segments: the rows that shares are packed into.

use std::fmt::Display;
use std::ops::ControlFlow;

use otedama_core::{Digest, UnixTime};
use rusqlite::{Connection, Row, params};

use super::super::{Life, ShareKey, ShareRecord};
use super::directory::{Directory, Worker};
use super::fault::{Fault, damaged, named, natural};
use super::pack::{DIGEST, Fresh, MAX_SHARES, Packer, Unpacked};
use super::records::{Checksum, Sum, kind};
use super::totals;
use crate::account::PoolName;

/// A sequence number as it stands in a column.
pub(super) fn number(sequence: u64) -> Result<i64, Fault> {
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
pub(super) const COLUMNS_WITHOUT_DIGESTS: &str = "id, life, pool, first, last, count, weight, checksum, data";

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
    pub(super) fn damaged(&self, problem: impl Display) -> Fault {
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
    pub(super) fn records(
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
    ) -> Result<&'d Worker, Fault> {
        let named = self.named(directory.worker(connection, worker))?;
        if named.pool == self.pool {
            Ok(named)
        } else {
            Err(self.damaged(format_args!("worker {worker} is of another pool")))
        }
    }
}
