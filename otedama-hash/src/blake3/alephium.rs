//! Alephium: BLAKE3 of BLAKE3 of a header that begins with its nonce.
//!
//! The nonce's low 32 bits are the sixth word of the first block, so that all blocks of a header have to be hashed for
//! each nonce. The digest is a big-endian number: its first word decides. Whether it also names the right chain is left to the full check.

use otedama_core::{Algorithm, ChainIndex, Digest, Header, Target, Work};

use super::lanes::{self, CHUNK_END, CHUNK_START, INITIAL, Lanes, ROOT, output, rounds};
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

static PORTABLE: Entry = entry("portable", || true, |_| Scanner::boxed(portable::alephium));
#[cfg(target_arch = "x86_64")]
static AVX2: Entry = entry("avx2", x86_avx2::available, |_| Scanner::boxed(x86_avx2::alephium));
#[cfg(target_arch = "x86_64")]
static AVX512: Entry = entry("avx512", x86_avx512::available, |_| Scanner::boxed(x86_avx512::alephium));

const fn entry(name: &'static str, available: fn() -> bool, scanner: fn(Memory) -> Box<dyn Scan>) -> Entry {
    let known = Known { work: known, nonce: 4575, before: 4575, count: 4576 };
    Entry {
        name,
        algorithm: Algorithm::BLAKE3_ALEPHIUM,
        available,
        scanner,
        memory: 0,
        stop_interval: CHUNK,
        known,
    }
}

/// Nonces between two looks at the stop flag: 1 ms at 2 MH/s, under 10 ms down to 0.2 MH/s.
const CHUNK: u32 = 2048;

/// A job whose lowest nonce for 8 zero bits and its chain is known.
fn known() -> Work {
    let target = Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0x00ff_ffff_ffff_ffff]);
    let header = Header::new(&known::ALEPHIUM).unwrap_or(Header::from([0; 80]));
    let work = Work::new(Algorithm::BLAKE3_ALEPHIUM, header, target);
    match ChainIndex::new(0, 0, ChainIndex::GROUPS) {
        Some(chain) => work.with_chain(chain),
        None => work,
    }
}

/// The digest of one header, by the fastest code for a single one.
pub(crate) fn digest(header: &Header) -> Digest {
    Digest::new(super::blake3(&super::blake3(header.as_bytes())))
}

/// The most blocks that a header has.
const MAX_BLOCKS: usize = Header::MAX / 64;

/// Words of the nonce in the first block.
const HIGH: usize = 4;
const LOW: usize = 5;

/// What is the same for all nonces of one work.
pub(super) struct Prepared {
    /// The blocks of the header, and behind them the one block of its hash, which gets its words last.
    blocks: [[u32; 16]; MAX_BLOCKS + 1],
    /// Length and flags of each.
    kinds: [(u32, u32); MAX_BLOCKS + 1],
    /// Blocks of the header.
    count: usize,
    /// The most significant 32 bits of the target.
    top: u32,
    work: Work,
}

impl super::Prepared for Prepared {
    const CHUNK: u32 = CHUNK;

    fn new(work: &Work) -> Result<Self, ScanError> {
        let header = header(Algorithm::BLAKE3_ALEPHIUM, work)?;
        let count = header.len().div_ceil(64);
        let mut blocks = [[0; 16]; MAX_BLOCKS + 1];
        let mut kinds = [(64, 0); MAX_BLOCKS + 1];
        for (block, (kind, bytes)) in blocks.iter_mut().zip(kinds.iter_mut().zip(header.chunks(64))) {
            *block = words(bytes);
            kind.0 = u32::try_from(bytes.len()).unwrap_or(64);
        }
        kinds[0].1 |= CHUNK_START;
        kinds[count - 1].1 |= CHUNK_END | ROOT;
        kinds[count] = (32, CHUNK_START | CHUNK_END | ROOT);
        let [a, b, c, d, ..] = work.target.to_be_bytes();
        Ok(Self { blocks, kinds, count, top: u32::from_be_bytes([a, b, c, d]), work: work.clone() })
    }

    fn is_solution(&self, nonce: u64) -> bool {
        self.work.accepts(&digest(&self.work.header.with_nonce(Algorithm::BLAKE3_ALEPHIUM, nonce)))
    }
}

/// The kernel on whatever vectors; see [`super::Search`].
#[inline(always)]
pub(super) fn search<V: Lanes>(prepared: &Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    let mut blocks = prepared.blocks.map(|block| splat::<V, 16>(&block));
    // The nonce is big-endian, the words of a block are little-endian.
    blocks[0][HIGH] = V::splat(low_bits(first >> 32).swap_bytes());
    let (limit, all) = (V::splat(prepared.top), prepared.count + 1);
    let mut offset = 0;
    while offset < count {
        blocks[0][LOW] = V::count_from(low_bits(first).wrapping_add(offset)).swap_bytes();
        let mut value = splat(&INITIAL);
        // One loop over both hashes, so that there is one copy of the rounds, and it stays in the cache.
        for (at, (block, (len, flags))) in blocks.iter_mut().zip(prepared.kinds).take(all).enumerate() {
            if at == prepared.count {
                block[..8].copy_from_slice(&value);
                value = splat(&INITIAL);
            }
            let mut state = lanes::start(value, [0, 0], len, flags);
            rounds(&mut state, block);
            value = output(&state);
        }
        let candidates = value[0].swap_bytes().at_most(limit);
        if candidates != 0 {
            super::Prepared::check(prepared, candidates, first + u64::from(offset), count - offset, found);
        }
        offset += V::COUNT;
    }
}
