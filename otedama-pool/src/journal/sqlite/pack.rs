//! Many shares as few bytes: the columns of a segment.
//!
//! `data` is, one after another, the distinct weights, then for each share its worker's number, which weight it has
//! (nothing if all have the same), how far its sequence number is from the one before, its height and its time, both as
//! the difference to the one before. All numbers are LEB128, differences of heights and times in zigzag. `digests` are
//! the digests alone. Both have the order of the sequence numbers.

use otedama_core::Weight;

use super::super::ShareRecord;
use super::fault::{Fault, damaged};
use super::records::Sum;

/// Shares in one segment at most.
pub(super) const MAX_SHARES: usize = 4096;
/// Bytes of a digest.
pub(super) const DIGEST: usize = 32;

/// A share to be packed, with its worker's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh<'a> {
    pub(super) share: &'a ShareRecord,
    pub(super) worker: u64,
}

/// The packer, with its memory.
#[derive(Debug, Default)]
pub(super) struct Packer {
    pub(super) data: Vec<u8>,
    pub(super) digests: Vec<u8>,
    weights: Vec<Weight>,
    which: Vec<u64>,
}

impl Packer {
    /// Packs shares of one pool and life in the order of their sequence numbers, and adds up their weights.
    pub(super) fn pack(&mut self, shares: &[Fresh<'_>]) -> Sum {
        for buffer in [&mut self.data, &mut self.digests] {
            buffer.clear();
        }
        let sum = self.note_weights(shares);
        let data = &mut self.data;
        put(data, self.weights.len() as u128);
        self.weights.iter().for_each(|weight| put(data, weight.get()));
        shares.iter().for_each(|fresh| put_short(data, fresh.worker));
        if self.weights.len() > 1 {
            self.which.iter().for_each(|which| put_short(data, *which));
        }
        for pair in shares.windows(2) {
            let [before, after] = pair else { continue };
            put_short(data, after.share.key.sequence.wrapping_sub(before.share.key.sequence));
        }
        let mut last = 0;
        for fresh in shares {
            put_difference(data, u64::from(fresh.share.height), &mut last);
        }
        let mut last = 0;
        for fresh in shares {
            put_difference(data, fresh.share.time.as_secs(), &mut last);
        }
        for fresh in shares {
            self.digests.extend_from_slice(fresh.share.digest.as_bytes());
        }
        sum
    }

    fn note_weights(&mut self, shares: &[Fresh<'_>]) -> Sum {
        self.weights.clear();
        self.which.clear();
        let mut sum = Sum::default();
        for Fresh { share, .. } in shares {
            // So many 128-bit numbers do not fill 192 bits.
            sum = sum.plus(share.weight).unwrap_or(sum);
            // There are few, and neighbours often have the same.
            let known = self.weights.iter().rposition(|weight| *weight == share.weight);
            let which = known.unwrap_or(self.weights.len());
            if known.is_none() {
                self.weights.push(share.weight);
            }
            self.which.push(which as u64);
        }
        sum
    }
}

/// The columns of a segment, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) workers: Vec<i64>,
    pub(super) weights: Vec<Weight>,
    pub(super) sequences: Vec<u64>,
    pub(super) heights: Vec<u32>,
    pub(super) times: Vec<u64>,
    distinct: Vec<Weight>,
}

impl Unpacked {
    /// Unpacks `count` shares of which the sequence numbers begin with `first`.
    ///
    /// # Errors
    /// [`Fault`] if that is not exactly what the bytes are, whatever they are.
    pub(super) fn unpack(&mut self, data: &[u8], count: usize, first: u64) -> Result<(), Fault> {
        let mut reader = self.unpack_weights(data, count)?;
        self.sequences.clear();
        let mut sequence = first;
        self.sequences.push(sequence);
        for _ in 1..count {
            let step = reader.short()?;
            let next = sequence.checked_add(step).filter(|_| step > 0);
            sequence = next.ok_or_else(|| damaged("sequence numbers out of order"))?;
            self.sequences.push(sequence);
        }
        let mut height = 0u64;
        self.heights.clear();
        for _ in 0..count {
            height = height.wrapping_add(reader.difference()?);
            self.heights.push(u32::try_from(height).map_err(|_| damaged("a height beyond 32 bits"))?);
        }
        let mut time = 0u64;
        self.times.clear();
        for _ in 0..count {
            time = time.wrapping_add(reader.difference()?);
            self.times.push(time);
        }
        if reader.0.is_empty() { Ok(()) } else { Err(damaged("bytes are left over")) }
    }

    /// Unpacks only workers and weights, which come first.
    pub(super) fn unpack_weights<'a>(&mut self, data: &'a [u8], count: usize) -> Result<Reader<'a>, Fault> {
        let Self { workers, weights, distinct, .. } = self;
        workers.clear();
        weights.clear();
        distinct.clear();
        let mut reader = Reader(data);
        let kinds = reader.long()?;
        if count == 0 || count > MAX_SHARES || kinds == 0 || kinds > count as u128 {
            return Err(damaged(format_args!("{count} shares with {kinds} weights")));
        }
        for _ in 0..kinds {
            distinct.push(Weight::new(reader.long()?));
        }
        for _ in 0..count {
            workers.push(i64::try_from(reader.short()?).map_err(|_| damaged("a worker beyond 63 bits"))?);
        }
        if let [only] = distinct[..] {
            weights.resize(count, only);
            return Ok(reader);
        }
        for _ in 0..count {
            let which = usize::try_from(reader.short()?).ok().and_then(|which| distinct.get(which));
            weights.push(*which.ok_or_else(|| damaged("a weight that is not listed"))?);
        }
        Ok(reader)
    }
}

fn put(data: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        data.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    data.push(low_bits(number));
}

fn low_bits(number: u128) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

fn put_short(data: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        data.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    data.push(number.to_le_bytes()[0]);
}

fn put_difference(data: &mut Vec<u8>, number: u64, last: &mut u64) {
    let difference = number.wrapping_sub(*last).cast_signed();
    *last = number;
    put_short(data, (difference << 1 ^ difference >> 63).cast_unsigned());
}

/// What is left to be read.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    #[inline]
    fn byte(&mut self) -> Result<u8, Fault> {
        let (byte, rest) = self.0.split_first().ok_or_else(|| damaged("bytes are missing"))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn long(&mut self) -> Result<u128, Fault> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged("a number beyond 128 bits"))
    }

    #[inline]
    fn short(&mut self) -> Result<u64, Fault> {
        let byte = self.byte()?;
        if byte < 0x80 { Ok(u64::from(byte)) } else { self.rest_of_short(byte) }
    }

    fn rest_of_short(&mut self, first: u8) -> Result<u64, Fault> {
        let mut number = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged("a number beyond 64 bits"))
    }

    #[inline]
    fn difference(&mut self) -> Result<u64, Fault> {
        let number = self.short()?;
        Ok(number >> 1 ^ (number & 1).wrapping_neg())
    }
}

#[cfg(test)]
mod tests {
    use otedama_core::{Digest, UnixTime};
    use proptest::prelude::*;

    use super::*;
    use crate::account::{Account, PoolName};
    use crate::journal::ShareKey;

    fn record((step, worker, weight, height, time): (u64, u64, u128, u32, u64)) -> (ShareRecord, u64) {
        let share = ShareRecord {
            key: ShareKey { node: 0, boot: 1, sequence: step },
            pool: PoolName::new("p"),
            account: Account::new("a"),
            worker: "".into(),
            weight: Weight::new(weight),
            digest: Digest::new([step.to_le_bytes()[0]; 32]),
            height,
            time: UnixTime::from_secs(time),
        };
        (share, worker)
    }

    fn packed(rows: &[(ShareRecord, u64)]) -> Packer {
        let fresh: Vec<_> = rows.iter().map(|(share, worker)| Fresh { share, worker: *worker }).collect();
        let mut packer = Packer::default();
        let sum = packer.pack(&fresh);
        let expected = rows.iter().fold(Sum::default(), |sum, (share, _)| sum.plus(share.weight).unwrap());
        assert_eq!(sum, expected);
        packer
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out(
            rows in prop::collection::vec(
                (1u64..1 << 50, 0u64..1 << 62, prop_oneof![Just(5u128), any::<u128>()], any::<u32>(), any::<u64>()),
                1..40,
            ),
        ) {
            let mut sequence = 0;
            let rows: Vec<_> = rows.into_iter().map(|mut row| {
                sequence += row.0;
                row.0 = sequence;
                record(row)
            }).collect();
            let packer = packed(&rows);
            let mut columns = Unpacked::default();
            let first = rows[0].0.key.sequence;
            columns.unpack(&packer.data, rows.len(), first).unwrap();
            for (index, (share, worker)) in rows.iter().enumerate() {
                prop_assert_eq!(columns.sequences[index], share.key.sequence);
                prop_assert_eq!(columns.workers[index].cast_unsigned(), *worker);
                prop_assert_eq!(columns.weights[index], share.weight);
                prop_assert_eq!(columns.heights[index], share.height);
                prop_assert_eq!(columns.times[index], share.time.as_secs());
                prop_assert_eq!(&packer.digests[index * DIGEST..][..DIGEST], share.digest.as_bytes());
            }
            for end in 0..packer.data.len() {
                prop_assert!(columns.unpack(&packer.data[..end], rows.len(), first).is_err());
            }
            let longer = [&packer.data[..], &[0]].concat();
            prop_assert!(columns.unpack(&longer, rows.len(), first).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(data in prop::collection::vec(any::<u8>(), 0..200), count in 0usize..5000) {
            let mut columns = Unpacked::default();
            if columns.unpack(&data, count, 7).is_ok() {
                prop_assert!(data.len() >= count);
                prop_assert_eq!(columns.times.len(), count);
            }
        }
    }
}
