//! scrypt(1024, 1, 1) of an 80-byte header: the scanner, and what all its kernels share.
//!
//! A kernel mixes a few headers side by side, one in each of its lanes, and says how it does SHA-256 for them. The
//! PBKDF2 around the mixing and the check of the digests are the same for all.

mod pbkdf2;
mod portable;
#[cfg(any(test, target_arch = "x86_64"))]
mod wide;
#[cfg(target_arch = "x86_64")]
mod x86_avx2;
#[cfg(target_arch = "x86_64")]
mod x86_avx512;
#[cfg(target_arch = "x86_64")]
mod x86_sha;

use otedama_core::{Algorithm, CompactTarget, Digest, Header, Seed, Solution, Target, Work};

use crate::error::ScanError;
use crate::kernel::{Entry, Known, Memory};
use crate::scan::{NonceRange, Scan, Scanned, Stop, drive, header80};

/// Blocks that are stored for one hash: the N of scrypt.
const N: usize = 1024;

/// Blocks from one lane's memory to the next one's. Lanes that are whole powers of two apart would fight for the same
/// places of the caches, so two blocks stay empty between them.
const STRIDE: usize = N + 2;

/// The most lanes that a kernel may have.
const MOST_LANES: usize = 32;

/// The 128 bytes that are mixed, as little-endian words.
type Block = [u32; 32];

/// Mixes the blocks (ROMix of RFC 7914, section 5), at most as many as the lanes, over memory that begins at a cache
/// line and holds [`STRIDE`] blocks for each lane.
type Mix = fn(&mut [Block], memory: &mut [u8]);

/// The words of the matrices of a block that stand in one vector: four places hold the diagonals of the first half,
/// four more those of the second.
#[cfg(target_arch = "x86_64")]
const fn diagonal(place: usize) -> [usize; 4] {
    let (half, first) = (place / 4 * 16, place % 4 * 4);
    [half + first, half + (first + 5) % 16, half + (first + 10) % 16, half + (first + 15) % 16]
}

/// The likely fastest first.
#[cfg(target_arch = "x86_64")]
pub(crate) static KERNELS: [&Entry; 3] = [&x86_avx512::ENTRY, &x86_avx2::ENTRY, &PORTABLE];
/// The likely fastest first.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) static KERNELS: [&Entry; 1] = [&PORTABLE];

static PORTABLE: Entry = entry(
    "portable",
    || true,
    1,
    |memory| Scanner::boxed(1, portable::mix_all::<N>, portable::compress, memory),
);

/// What a kernel with so many lanes registers, at most [`MOST_LANES`].
#[expect(clippy::cast_possible_truncation, reason = "a small number")]
const fn entry(
    name: &'static str,
    available: fn() -> bool,
    lanes: usize,
    scanner: fn(Memory) -> Box<dyn Scan>,
) -> Entry {
    let known = Known { work: known, nonce: 0x7c3f_51cd, before: 3, count: 8 };
    assert!(lanes <= MOST_LANES);
    let memory = lanes * STRIDE * size_of::<Block>() + LINE;
    Entry {
        name,
        algorithm: Algorithm::SCRYPT,
        available,
        scanner,
        memory,
        stop_interval: lanes as u32,
        known,
    }
}

/// Litecoin's first block, for its own target.
fn known() -> Work {
    let target = CompactTarget::from_bits(0x1e0f_fff0).target().unwrap_or(Target::ZERO);
    Work::new(Algorithm::SCRYPT, Header::from(GENESIS), target)
}

/// The header of Litecoin's first block with a nonce of 0.
#[rustfmt::skip]
const GENESIS: [u8; 80] = [
    1, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0xd9, 0xce, 0xd4, 0xed, 0x11, 0x30, 0xf7, 0xb7, 0xfa, 0xad, 0x9b, 0xe2, 0x53, 0x23, 0xff, 0xaf,
    0xa3, 0x32, 0x32, 0xa1, 0x7c, 0x3e, 0xdf, 0x6c, 0xfd, 0x97, 0xbe, 0xe6, 0xba, 0xfb, 0xdd, 0x97,
    0xb9, 0xaa, 0x8e, 0x4e, 0xf0, 0xff, 0x0f, 0x1e, 0, 0, 0, 0,
];

/// Bytes of a cache line, at which the memory of the first lane begins.
const LINE: usize = 64;

/// Bytes of a large page. Memory that has room for it begins at one.
const LARGE_PAGE: usize = 2 << 20;

/// The part of the memory that lanes of `needed` bytes in all work in.
fn aligned(memory: &mut [u8], needed: usize) -> &mut [u8] {
    let skip = |alignment| memory.as_ptr().align_offset(alignment);
    let fits = |skip: &usize| skip.checked_add(needed).is_some_and(|end| end <= memory.len());
    let skip = Some(skip(LARGE_PAGE)).filter(fits).unwrap_or_else(|| skip(LINE));
    memory.get_mut(skip..).unwrap_or_default()
}

/// The digest of one header, over 128 KiB of the stack.
pub(crate) fn digest(header: &Header) -> Digest {
    portable::digest(header, &mut [[0; 32]; N])
}

struct Scanner {
    lanes: usize,
    mix: Mix,
    compress: pbkdf2::Compress,
    memory: Memory,
}

impl Scanner {
    /// A scanner of a kernel with so many lanes, at most [`MOST_LANES`].
    fn boxed(lanes: usize, mix: Mix, compress: pbkdf2::Compress, memory: Memory) -> Box<dyn Scan> {
        Box::new(Self { lanes, mix, compress, memory })
    }
}

impl Scan for Scanner {
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
        let headers = pbkdf2::Headers::new(header80(Algorithm::SCRYPT, work)?, self.compress);
        let needed = self.lanes * STRIDE * size_of::<Block>();
        let memory = aligned(self.memory.as_mut().as_mut(), needed);
        let lanes = u32::try_from(self.lanes).unwrap_or(1);
        Ok(drive(range, lanes, stop, |first, count| {
            let lanes = count as usize;
            let (mut blocks, mut digests) = ([[0; 32]; MOST_LANES], [[0; 32]; MOST_LANES]);
            let (blocks, digests) = (&mut blocks[..lanes], &mut digests[..lanes]);
            let keys = headers.expand(first, blocks);
            (self.mix)(blocks, memory);
            headers.reduce(&keys, blocks, digests);
            for (nonce, digest) in (u64::from(first)..).zip(digests) {
                if Algorithm::SCRYPT.meets(&Digest::new(*digest), work.target) {
                    out.push(Solution::new(work.generation, nonce));
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use core::ops::RangeInclusive;

    use super::pbkdf2::{Compress, State, Words};
    use super::*;
    use crate::oracle;
    use crate::sha256d::constants::INITIAL;

    fn block(seed: u32) -> Block {
        let mut block = [0; 32];
        for (word, place) in block.iter_mut().zip(1u32..) {
            *word = place.wrapping_mul(seed.wrapping_add(0x9e37_79b9)).rotate_left(seed % 32);
        }
        block
    }

    fn oracle_mix(block: &Block) -> Block {
        let mixed = oracle::ro_mix(bytemuck::cast(block.map(u32::to_le_bytes)), 4);
        bytemuck::cast::<_, [[u8; 4]; 32]>(mixed).map(u32::from_le_bytes)
    }

    /// The check for every kernel: `mix` of so many headers at once, with N = 4 and a stride of 6, so that an
    /// interpreter can do it too.
    pub(super) fn mixes_as_the_oracle(counts: RangeInclusive<usize>, mix: Mix) {
        let most = *counts.end();
        let blocks: Vec<Block> = (0..).map(block).take(most).collect();
        let expected: Vec<Block> = blocks.iter().map(oracle_mix).collect();
        let needed = MOST_LANES * 6 * size_of::<Block>();
        let mut memory = vec![0xa5; needed + LINE];
        let memory = aligned(&mut memory, needed);
        for count in counts {
            let mut mixed = blocks[..count].to_vec();
            mix(&mut mixed, memory);
            assert_eq!(mixed, expected[..count], "{count} at once");
        }
    }

    /// The check for every way to hash: any number of blocks, each after another state.
    pub(super) fn hashes_as_one(compress: Compress) {
        for count in if cfg!(miri) { 3..4 } else { 0..20 } {
            let words = |seed: u32| -> Words { *block(seed).first_chunk().unwrap() };
            let blocks: Vec<_> = (7..).map(words).take(count).collect();
            let before = |seed: u32| -> State { *block(seed + 99).first_chunk().unwrap() };
            let mut states: Vec<_> = (0..).map(before).take(count).collect();
            let mut expected = states.clone();
            portable::compress(&mut expected, &blocks);
            compress(&mut states, &blocks);
            assert_eq!(states, expected, "{count} at once");
        }
        let mut state = [INITIAL];
        compress(&mut state, &[[0x8000_0000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]);
        let digest: [u8; 32] = bytemuck::cast(state[0].map(u32::to_be_bytes));
        assert_eq!(digest, oracle::sha256(b""));
    }

    #[test]
    fn plain_rust_mixes_as_the_oracle_does() {
        mixes_as_the_oracle(if cfg!(miri) { 2..=2 } else { 0..=MOST_LANES }, portable::mix_all::<4>);
    }

    #[test]
    fn narrow_and_wide_hashing_agree() {
        hashes_as_one(portable::compress);
        hashes_as_one(wide::compress::<4>);
    }

    #[test]
    fn memory_begins_at_a_large_page_where_there_is_room_for_it_and_at_a_line_elsewhere() {
        let mut memory = vec![0; 2 * LARGE_PAGE];
        for (needed, alignment) in [(1, LARGE_PAGE), (LARGE_PAGE, LARGE_PAGE), (2 * LARGE_PAGE - LINE, LINE)]
        {
            let found = aligned(&mut memory[1..], needed);
            assert!(found.as_ptr().addr().is_multiple_of(alignment) && found.len() >= needed, "{needed}");
        }
        assert!(aligned(&mut [], 1).is_empty());
    }
}
