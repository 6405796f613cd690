//! BLAKE3: of Decred's headers, once, and of Alephium's, twice.
//!
//! [`lanes`] has the compression function, for any vectors of 32-bit words. A kernel file says what such a vector is on
//! its CPU and gives a function of the type [`Search`] for each algorithm; [`decred`] and [`alephium`] have what these
//! functions do. A kernel only has to discard nonces cheaply; what is left is checked in full by
//! [`Prepared::is_solution`], which is the same for all kernels.

pub(crate) mod alephium;
pub(crate) mod decred;
mod known;
mod lanes;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_avx2;
#[cfg(target_arch = "x86_64")]
mod x86_avx512;

use otedama_core::{Seed, Solution, Work};

use self::lanes::{CHUNK_END, CHUNK_START, INITIAL, Lanes, PARENT, ROOT};
use crate::error::ScanError;
use crate::scan::{NonceRange, Scan, Scanned, Stop, drive_wide};

/// BLAKE3 of any bytes: no key, 32 bytes of output.
///
/// A general hash function, one message at a time. What is mined is a [`Digest`](otedama_core::Digest) of a whole
/// header: see [`hash`](crate::hash()).
#[must_use]
pub fn blake3(bytes: &[u8]) -> [u8; 32] {
    to_bytes(subtree(bytes, 0, ROOT))
}

/// The chaining value of the part of the input that begins with the chunk of this number.
fn subtree(bytes: &[u8], chunk: u64, root: u32) -> [u32; 8] {
    const CHUNK: usize = 1024;
    if bytes.len() <= CHUNK {
        return whole_chunk(bytes, chunk, root);
    }
    // All chunks but the last, rounded down to a power of two, go to the left.
    let left = 1 << (bytes.len() - 1).ilog2();
    let (left, right) = bytes.split_at(left);
    let mut block = [0; 16];
    block[..8].copy_from_slice(&subtree(left, chunk, 0));
    block[8..].copy_from_slice(&subtree(right, chunk + (left.len() / CHUNK) as u64, 0));
    lanes::compress(&INITIAL, &block, 0, 64, PARENT | root)
}

fn whole_chunk(bytes: &[u8], chunk: u64, root: u32) -> [u32; 8] {
    let last = bytes.len().saturating_sub(1) / 64;
    let mut value = INITIAL;
    for at in 0..=last {
        let block = &bytes[64 * at..bytes.len().min(64 * at + 64)];
        let start = if at == 0 { CHUNK_START } else { 0 };
        let end = if at == last { CHUNK_END | root } else { 0 };
        value = lanes::compress(&value, &words(block), chunk, block.len(), start | end);
    }
    value
}

/// Up to 64 bytes as words, with zeros behind them.
fn words(block: &[u8]) -> [u32; 16] {
    let mut bytes = [0; 64];
    bytes[..block.len()].copy_from_slice(block);
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

fn to_bytes(words: [u32; 8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (bytes, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    out
}

/// Appends every solution among `count` nonces from `first` to `found`, ascending. Only the low 32 bits of the nonce
/// change within the piece.
type Search<P> = fn(&P, first: u64, count: u32, found: &mut Vec<u64>);

/// What is the same for all nonces of one work.
trait Prepared: Sized + 'static {
    /// Nonces between two looks at the stop flag.
    const CHUNK: u32;

    fn new(work: &Work) -> Result<Self, ScanError>;

    /// The full check of one nonce, independent of any kernel.
    fn is_solution(&self, nonce: u64) -> bool;

    /// Checks the lanes whose bits are set in `candidates`; the first lane has the nonce `first`, and `count` lanes
    /// have one that is wanted.
    #[cold]
    fn check(&self, candidates: u32, first: u64, count: u32, found: &mut Vec<u64>) {
        for lane in (0..u32::BITS.min(count)).filter(|lane| candidates >> lane & 1 == 1) {
            let nonce = first + u64::from(lane);
            if self.is_solution(nonce) {
                found.push(nonce);
            }
        }
    }
}

struct Scanner<P> {
    search: Search<P>,
    found: Vec<u64>,
}

impl<P: Prepared> Scanner<P> {
    fn boxed(search: Search<P>) -> Box<dyn Scan> {
        Box::new(Self { search, found: Vec::new() })
    }
}

impl<P: Prepared> Scan for Scanner<P> {
    fn prepare(&mut self, _: &Seed) -> Result<(), ScanError> {
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        let prepared = P::new(work)?;
        Ok(drive_wide(range, work.algorithm.max_nonce(), P::CHUNK, stop, |first, count| {
            (self.search)(&prepared, first, count, &mut self.found);
            out.extend(self.found.drain(..).map(|nonce| Solution::new(work.generation, nonce)));
        }))
    }
}

/// All lanes hold the same words.
#[inline(always)]
fn splat<V: Lanes, const N: usize>(words: &[u32; N]) -> [V; N] {
    words.map(V::splat)
}

/// The low half of a nonce.
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
const fn low_bits(nonce: u64) -> u32 {
    nonce as u32
}
