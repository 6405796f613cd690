//! Searching a range of nonces: the trait, its values, and the loop that all scanners share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otedama_core::{Algorithm, Seed, Solution, Work};

use crate::error::{HashError, ScanError};

/// Consecutive nonces: `start`, `start + 1`, ... `count` of them.
///
/// It wraps at the algorithm's nonce width: after the largest nonce comes 0. A count of 0 is the empty range, a start
/// beyond the width is taken modulo it, and a count beyond the number of nonces means all of them, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NonceRange {
    /// The first nonce.
    pub start: u64,
    /// How many nonces.
    pub count: u64,
}

impl NonceRange {
    /// From a start and a count.
    #[must_use]
    pub const fn new(start: u64, count: u64) -> Self {
        Self { start, count }
    }

    /// Every nonce of the algorithm, from 0 (an 8-byte nonce: all but the last).
    #[must_use]
    pub const fn all(algorithm: Algorithm) -> Self {
        Self { start: 0, count: algorithm.max_nonce().saturating_add(1) }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.count == 0
    }
}

/// Asks running scans to end. Clones share one state; once requested, it stays so.
///
/// Make a fresh one for every assignment of work, so that a stop never hits the wrong work.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Not requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every scan that holds a clone of this to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How far a scan came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Scanned {
    /// Nonces that were tried, counted from the start of the range.
    pub hashes: u64,
}

impl Scanned {
    /// So many nonces from the start of the range were tried.
    #[must_use]
    pub const fn new(hashes: u64) -> Self {
        Self { hashes }
    }
}

/// Something that searches nonces: a kernel on one thread, a queue of a device.
pub trait Scan: Send {
    /// Makes the tables that `seed` is the key of. Algorithms without tables have nothing to do.
    ///
    /// # Errors
    /// [`ScanError`] if the tables cannot be made; the scanner then refuses work of this seed.
    fn prepare(&mut self, seed: &Seed) -> Result<(), ScanError>;

    /// Tries the nonces of `range` on the header of `work` and appends every solution to `out`, in the order of the
    /// range. Each solution carries the generation of the work.
    ///
    /// Returns early once `stop` is requested, within 10 ms, and says how far it came: every solution among the
    /// nonces before that point is in `out`, and none behind it.
    ///
    /// # Errors
    /// [`ScanError`] if the work is not for this scanner or the device failed. What `out` holds by then is valid.
    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError>;
}

/// Refuses work whose algorithm is another, or whose header has a length that the algorithm's headers do not have.
#[cfg(feature = "randomx")]
pub(crate) fn fits(algorithm: Algorithm, work: &Work) -> Result<(), ScanError> {
    if work.algorithm != algorithm {
        return Err(ScanError::WrongAlgorithm { scanner: algorithm, work: work.algorithm });
    }
    let (spec, found) = (work.algorithm.spec(), work.header.as_bytes().len());
    if (spec.header_min..=spec.header_len).contains(&found) {
        return Ok(());
    }
    let expected = if found < spec.header_min { spec.header_min } else { spec.header_len };
    Err(HashError::Length { expected, found }.into())
}

/// The 80 bytes of Bitcoin-like work, or why it is not work for a scanner of `algorithm`.
pub(crate) fn header80(algorithm: Algorithm, work: &Work) -> Result<&[u8; 80], ScanError> {
    if work.algorithm != algorithm {
        return Err(ScanError::WrongAlgorithm { scanner: algorithm, work: work.algorithm });
    }
    let bytes = work.header.as_bytes();
    bytes
        .first_chunk()
        .filter(|_| bytes.len() == 80)
        .ok_or(ScanError::Header(HashError::Length { expected: 80, found: bytes.len() }))
}

/// Runs `search` over a range of 32-bit nonces in pieces of at most `chunk` that do not wrap, looking at `stop` before
/// each, and returns how many nonces were searched. `search` gets the first nonce and the count of its piece.
pub(crate) fn drive(range: NonceRange, chunk: u32, stop: &Stop, mut search: impl FnMut(u32, u32)) -> Scanned {
    const SPACE: u64 = 1 << 32;
    let total = range.count.min(SPACE);
    let mut next = range.start % SPACE;
    let mut hashes = 0;
    while hashes < total && !stop.is_requested() {
        let count = u64::from(chunk).min(total - hashes).min(SPACE - next);
        // Both are below 2^32: `next` is taken modulo it, `count` is at most `chunk`.
        let (Ok(first), Ok(pieces)) = (u32::try_from(next), u32::try_from(count)) else { break };
        search(first, pieces);
        hashes += count;
        next = (next + count) % SPACE;
    }
    Scanned { hashes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(range: NonceRange, chunk: u32) -> Vec<(u32, u32)> {
        let mut seen = Vec::new();
        let scanned = drive(range, chunk, &Stop::new(), |first, count| seen.push((first, count)));
        assert_eq!(scanned.hashes, seen.iter().map(|(_, count)| u64::from(*count)).sum());
        seen
    }

    #[test]
    fn pieces_cover_the_range_and_never_wrap_inside() {
        assert_eq!(pieces(NonceRange::new(5, 0), 4), []);
        assert_eq!(pieces(NonceRange::new(5, 9), 4), [(5, 4), (9, 4), (13, 1)]);
        assert_eq!(pieces(NonceRange::new(u64::from(u32::MAX) - 1, 5), 4), [(u32::MAX - 1, 2), (0, 3)]);
        assert_eq!(pieces(NonceRange::new((7 << 32) + 1, 2), 4), [(1, 2)]);
    }

    #[test]
    fn more_than_all_nonces_is_all_of_them_once() {
        let half = 1 << 31;
        assert_eq!(pieces(NonceRange::new(half, u64::MAX), 1 << 31), [(1 << 31, 1 << 31), (0, 1 << 31)]);
        assert_eq!(NonceRange::all(Algorithm::SHA256D), NonceRange::new(0, 1 << 32));
    }

    #[test]
    fn a_stop_ends_the_scan_after_the_piece_at_hand() {
        let stop = Stop::new();
        let asked = stop.clone();
        let mut calls = 0;
        let scanned = drive(NonceRange::new(0, 1000), 10, &stop, |_, _| {
            calls += 1;
            if calls == 3 {
                asked.request();
            }
        });
        assert_eq!((scanned.hashes, calls), (30, 3));
        assert_eq!(drive(NonceRange::new(0, 1000), 10, &stop, |_, _| calls += 1), Scanned { hashes: 0 });
    }
}
