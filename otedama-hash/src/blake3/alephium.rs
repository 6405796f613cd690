//! Alephium: BLAKE3 of BLAKE3 of a header that begins with its nonce.
//!
//! The nonce's low 32 bits are the sixth word of the first block, so that all blocks of a header have to be hashed for
//! each nonce; only parts of the first block's first round are the same for all. The digest is a big-endian number: its
//! first word decides. Whether it also names the right chain is left to the full check.

use otedama_core::{Algorithm, ChainIndex, Digest, Header, Target, Work};

use super::lanes::{
    self, CHUNK_END, CHUNK_START, COLUMNS, INITIAL, Lanes, ROOT, after_the_first_columns, first_half, output,
    rounds, second_half,
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

/// Of the nonce in the first block.
const HIGH: usize = 4;
const LOW: usize = 5;

/// What is the same for all nonces of one work.
pub(super) struct Prepared {
    /// The header, of which the first `count` blocks count. There are always two at least.
    blocks: [[u32; 16]; MAX_BLOCKS],
    count: usize,
    last_len: u32,
    /// The most significant 32 bits of the target.
    top: u32,
    work: Work,
}

impl super::Prepared for Prepared {
    const CHUNK: u32 = CHUNK;

    fn new(work: &Work) -> Result<Self, ScanError> {
        let header = header(Algorithm::BLAKE3_ALEPHIUM, work)?;
        let mut blocks = [[0; 16]; MAX_BLOCKS];
        let mut last_len = 0;
        for (block, bytes) in blocks.iter_mut().zip(header.chunks(64)) {
            *block = words(bytes);
            last_len = u32::try_from(bytes.len()).unwrap_or(64);
        }
        let [a, b, c, d, ..] = work.target.to_be_bytes();
        let top = u32::from_be_bytes([a, b, c, d]);
        Ok(Self { blocks, count: header.len().div_ceil(64), last_len, top, work: work.clone() })
    }

    fn is_solution(&self, nonce: u64) -> bool {
        self.work.accepts(&digest(&self.work.header.with_nonce(Algorithm::BLAKE3_ALEPHIUM, nonce)))
    }
}

/// The kernel on whatever vectors; see [`super::Search`].
#[inline(always)]
pub(super) fn search<V: Lanes>(prepared: &Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    let blocks = prepared.blocks.map(|block| splat::<V, 16>(&block));
    let (Some((begin, rest)), Some(last)) =
        (blocks[..prepared.count].split_first(), prepared.count.checked_sub(2))
    else {
        return;
    };
    let mut begin = begin.map(Some);
    // The nonce is big-endian, the words of a block are little-endian.
    begin[HIGH] = Some(V::splat(((first >> 32) as u32).swap_bytes()));
    let mut start = lanes::start(splat(&INITIAL), [0, 0], 64, CHUNK_START);
    first_half(&mut start, COLUMNS, [begin[0], begin[2], begin[HIGH], begin[6]]);
    let [one, two, with_nonce, four] = COLUMNS;
    second_half(&mut start, [one, two, four], [begin[1], begin[3], begin[7]]);

    let limit = V::splat(prepared.top);
    let mut offset = 0;
    while offset < count {
        begin[LOW] = Some(low_bits::<V>(first, offset).swap_bytes());
        let mut state = start;
        second_half(&mut state, [with_nonce], [begin[LOW]]);
        after_the_first_columns(&mut state, &begin);
        let mut value = output(&state);
        for (at, block) in rest.iter().enumerate() {
            let (len, flags) = if at == last { (prepared.last_len, CHUNK_END | ROOT) } else { (64, 0) };
            state = lanes::start(value, [0, 0], len, flags);
            rounds(&mut state, &block.map(Some));
            value = output(&state);
        }
        let [top, ..] = again(value);
        let candidates = top.swap_bytes().at_most(limit);
        if candidates != 0 {
            super::Prepared::check(prepared, candidates, first + u64::from(offset), count - offset, found);
        }
        offset += V::COUNT;
    }
}

/// BLAKE3 of 32 bytes.
#[inline(always)]
fn again<V: Lanes>(value: [V; 8]) -> [V; 8] {
    let [a, b, c, d, e, f, g, h] = value.map(Some);
    let block = [a, b, c, d, e, f, g, h, None, None, None, None, None, None, None, None];
    let mut state = lanes::start(splat(&INITIAL), [0, 0], 32, CHUNK_START | CHUNK_END | ROOT);
    rounds(&mut state, &block);
    output(&state)
}
