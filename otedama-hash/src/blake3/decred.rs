//! Decred: BLAKE3 of a 180-byte header, once (DCP0011).
//!
//! The nonce is the fourth word of the last of three blocks, so that the first two are hashed once per work, and of the
//! third's first round all but an eighth of its columns. The digest is a little-endian number: its last word decides.

use otedama_core::{Algorithm, Digest, Header, Target, Work};

use super::lanes::{
    self, CHUNK_END, CHUNK_START, COLUMNS, INITIAL, Lanes, ROOT, after_the_first_columns, first_half, output,
    second_half,
};
use super::{Scanner, known, low_bits, portable, splat, words};
#[cfg(target_arch = "x86_64")]
use super::{x86_avx2, x86_avx512};
use crate::error::ScanError;
use crate::kernel::{Entry, Known, Memory};
use crate::scan::{Scan, header};

/// The likely fastest first.
#[cfg(target_arch = "x86_64")]
pub(crate) static KERNELS: [&Entry; 3] = [&AVX512, &AVX2, &PORTABLE];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) static KERNELS: [&Entry; 1] = [&PORTABLE];

static PORTABLE: Entry = entry("portable", || true, |_| Scanner::boxed(portable::decred));
#[cfg(target_arch = "x86_64")]
static AVX2: Entry = entry("avx2", x86_avx2::available, |_| Scanner::boxed(x86_avx2::decred));
#[cfg(target_arch = "x86_64")]
static AVX512: Entry = entry("avx512", x86_avx512::available, |_| Scanner::boxed(x86_avx512::decred));

const fn entry(name: &'static str, available: fn() -> bool, scanner: fn(Memory) -> Box<dyn Scan>) -> Entry {
    let known = Known { work: known, nonce: 2858, before: 2858, count: 4096 };
    Entry {
        name,
        algorithm: Algorithm::BLAKE3_DECRED,
        available,
        scanner,
        memory: 0,
        stop_interval: CHUNK,
        known,
    }
}

/// Nonces between two looks at the stop flag: 1 ms at 8 MH/s, under 10 ms down to 0.8 MH/s.
const CHUNK: u32 = 8192;

/// A header whose lowest nonce for 12 zero bits is known.
fn known() -> Work {
    let target = Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0x0007_ffff_ffff_ffff]);
    Work::new(Algorithm::BLAKE3_DECRED, Header::new(&known::DECRED).unwrap_or(Header::from([0; 80])), target)
}

/// The digest of one header, by the fastest code for a single one.
pub(crate) fn digest(header: &Header) -> Digest {
    Digest::new(super::blake3(header.as_bytes()))
}

/// What is the same for all nonces of one work.
pub(super) struct Prepared {
    /// The chaining value after the first two blocks.
    value: [u32; 8],
    /// The last block: 52 bytes.
    block: [u32; 16],
    /// The most significant 32 bits of the target.
    top: u32,
    work: Work,
}

const LAST_LEN: u32 = 52;

impl super::Prepared for Prepared {
    const CHUNK: u32 = CHUNK;

    fn new(work: &Work) -> Result<Self, ScanError> {
        let header = header(Algorithm::BLAKE3_DECRED, work)?;
        let (first, rest) = header.split_at(64);
        let (second, last) = rest.split_at(64);
        let value = lanes::compress(&INITIAL, &words(first), 0, 64, CHUNK_START);
        let value = lanes::compress(&value, &words(second), 0, 64, 0);
        let [a, b, c, d, ..] = work.target.to_be_bytes();
        Ok(Self { value, block: words(last), top: u32::from_be_bytes([a, b, c, d]), work: work.clone() })
    }

    fn is_solution(&self, nonce: u64) -> bool {
        self.work.accepts(&digest(&self.work.header.with_nonce(Algorithm::BLAKE3_DECRED, nonce)))
    }
}

/// The kernel on whatever vectors; see [`super::Search`].
#[inline(always)]
pub(super) fn search<V: Lanes>(prepared: &Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    let mut block = splat::<V, 16>(&prepared.block);
    // 180 bytes end within the thirteenth word.
    block[13..].fill(V::splat(0));
    let mut start = lanes::start(splat(&prepared.value), [0, 0], LAST_LEN, CHUNK_END | ROOT);
    first_half(&mut start, COLUMNS, [block[0], block[2], block[4], block[6]]);
    let [one, with_nonce, three, four] = COLUMNS;
    second_half(&mut start, [one, three, four], [block[1], block[5], block[7]]);

    let limit = V::splat(prepared.top);
    let mut offset = 0;
    while offset < count {
        block[3] = V::count_from(low_bits(first).wrapping_add(offset));
        let mut state = start;
        second_half(&mut state, [with_nonce], [block[3]]);
        after_the_first_columns(&mut state, &block);
        let [.., top] = output(&state);
        let candidates = top.at_most(limit);
        if candidates != 0 {
            super::Prepared::check(prepared, candidates, first + u64::from(offset), count - offset, found);
        }
        offset += V::COUNT;
    }
}
