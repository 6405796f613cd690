//! scrypt with AVX2: one header in each half of a vector, three vectors interleaved, and a second such group that is
//! mixed while the first one's memory is on its way.
//!
//! Salsa20/8 holds the diagonals of its matrix in four vectors, so that a round is four steps on whole vectors. A step
//! waits four cycles for its own result and is five instructions: three interleaved streams keep the core busy, and
//! are the most that fit the registers.
//!
//! Measured on Zen 3: with the second group on its way all of the memory costs some 4 % of the time, so that storing
//! fewer rows and mixing more would not pay.
#![expect(unsafe_code, reason = "calls code for instructions that were looked for, and prefetches")]

use core::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi32, _mm256_castsi128_si256,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_inserti128_si256, _mm256_setzero_si256,
    _mm256_shuffle_epi32, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_xor_si256,
};

use crate::kernel::Entry;

use super::pbkdf2::{State as Hash, Words};
use super::{Block, N, STRIDE, Scanner, diagonal, entry, wide, x86_sha};

/// Headers in one vector.
const PER_VECTOR: usize = 2;
/// Groups that take turns.
const GROUPS: usize = 2;
/// Vectors that are interleaved, where there are headers enough.
const STREAMS: usize = 3;
const LANES: usize = GROUPS * STREAMS * PER_VECTOR;

pub(super) static ENTRY: Entry = entry("avx2", available, LANES, |memory| {
    // SAFETY: a scanner is made only where `available`.
    let wide = |states: &mut [Hash], blocks: &[Words]| unsafe { compress(states, blocks) };
    // SAFETY: likewise.
    let mix = |blocks: &mut [Block], memory: &mut [u8]| unsafe { mix::<N, STRIDE>(blocks, memory) };
    Scanner::boxed(LANES, mix, x86_sha::compress().unwrap_or(wide), memory)
});

fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// SHA-256 of eight blocks at once.
#[target_feature(enable = "avx2")]
fn compress(states: &mut [Hash], blocks: &[Words]) {
    wide::compress::<8>(states, blocks);
}

/// What is stored of one header at one step.
type Row = [__m128i; 8];
/// What is mixed of two headers.
type State = [__m256i; 8];

/// ROMix with the parameter `COUNT` of any number of headers up to the lanes, as [`super::Mix`] says.
#[target_feature(enable = "avx2")]
fn mix<const COUNT: usize, const STRIDE: usize>(blocks: &mut [Block], memory: &mut [u8]) {
    match blocks.len() {
        0..=2 => mix_streams::<COUNT, STRIDE, 1>(blocks, memory),
        3 | 4 | 7 | 8 => mix_streams::<COUNT, STRIDE, 2>(blocks, memory),
        _ => mix_streams::<COUNT, STRIDE, STREAMS>(blocks, memory),
    }
}

/// The same with so many streams to a group, and one group if that is enough.
#[target_feature(enable = "avx2")]
fn mix_streams<const COUNT: usize, const STRIDE: usize, const S: usize>(
    blocks: &mut [Block],
    memory: &mut [u8],
) {
    let rows: &mut [__m128i] = bytemuck::pod_align_to_mut(memory).1;
    let lanes = rows.as_chunks_mut::<8>().0.as_chunks_mut::<STRIDE>().0.as_chunks_mut::<PER_VECTOR>().0;
    let lanes = lanes.as_chunks_mut::<S>().0;

    let groups = blocks.len().div_ceil(S * PER_VECTOR);
    let mut states = [[[_mm256_setzero_si256(); 8]; S]; GROUPS];
    let words: &mut [[[u32; 4]; 2]] = bytemuck::cast_slice_mut(states.as_flattened_mut().as_flattened_mut());
    for (pair, rows) in blocks.chunks(PER_VECTOR).zip(words.as_chunks_mut::<8>().0) {
        for (half, block) in pair.iter().enumerate() {
            for (place, row) in rows.iter_mut().enumerate() {
                row[half] = diagonal(place).map(|word| block[word]);
            }
        }
    }

    ro_mix::<COUNT, STRIDE, S>(&mut states[..groups], lanes);

    let words: &[[[u32; 4]; 2]] = bytemuck::cast_slice(states.as_flattened().as_flattened());
    for (pair, rows) in blocks.chunks_mut(PER_VECTOR).zip(words.as_chunks::<8>().0) {
        for (half, block) in pair.iter_mut().enumerate() {
            for (place, row) in rows.iter().enumerate() {
                for (word, value) in diagonal(place).into_iter().zip(row[half]) {
                    block[word] = value;
                }
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn ro_mix<const COUNT: usize, const STRIDE: usize, const S: usize>(
    groups: &mut [[State; S]],
    memory: &mut [[[[Row; STRIDE]; PER_VECTOR]; S]],
) {
    const { assert!(COUNT <= STRIDE && COUNT.is_power_of_two(), "every row that may be chosen is there") };
    for at in 0..COUNT {
        for (states, memory) in groups.iter_mut().zip(&mut *memory) {
            for (state, [low, high]) in states.iter().zip(memory) {
                for (part, vector) in state.iter().enumerate() {
                    low[at][part] = _mm256_castsi256_si128(*vector);
                    high[at][part] = _mm256_extracti128_si256::<1>(*vector);
                }
            }
            mix_block(states);
        }
    }
    for _ in 0..COUNT {
        for (states, memory) in groups.iter_mut().zip(&mut *memory) {
            for (state, memory) in states.iter_mut().zip(&*memory) {
                let [low, high] = chosen::<COUNT, STRIDE>(state, memory);
                for (part, vector) in state.iter_mut().enumerate() {
                    let row = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low[part]), high[part]);
                    *vector = _mm256_xor_si256(*vector, row);
                }
            }
            mix_block(states);
            for (state, memory) in states.iter().zip(&*memory) {
                for row in chosen::<COUNT, STRIDE>(state, memory) {
                    prefetch(&row[0]);
                    prefetch(&row[4]);
                }
            }
        }
    }
}

/// The rows that the states choose.
#[target_feature(enable = "avx2")]
#[inline]
fn chosen<'m, const COUNT: usize, const STRIDE: usize>(
    state: &State,
    [low, high]: &'m [[Row; STRIDE]; PER_VECTOR],
) -> [&'m Row; PER_VECTOR] {
    let words: [u32; 8] = bytemuck::cast(state[4]);
    [&low[words[0] as usize % COUNT], &high[words[4] as usize % COUNT]]
}

#[target_feature(enable = "avx2")]
#[inline]
#[allow(unused_unsafe, reason = "safe only in later versions of Rust than the oldest that builds this")]
fn prefetch(line: &__m128i) {
    // SAFETY: a prefetch is a hint that reads nothing.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(line).cast()) }
}

/// BlockMix with r = 1: two halves, each salted with the other.
#[target_feature(enable = "avx2")]
#[inline]
fn mix_block<const S: usize>(states: &mut [State; S]) {
    xor_salsa::<S, 0, 4>(states);
    xor_salsa::<S, 4, 0>(states);
}

/// `into ^= other`, then Salsa20/8 of it, on the halves that begin at these vectors.
#[target_feature(enable = "avx2")]
#[inline]
fn xor_salsa<const S: usize, const INTO: usize, const OTHER: usize>(states: &mut [State; S]) {
    let mut x = [[_mm256_setzero_si256(); 4]; S];
    for (x, state) in x.iter_mut().zip(&mut *states) {
        for (part, x) in x.iter_mut().enumerate() {
            *x = _mm256_xor_si256(state[INTO + part], state[OTHER + part]);
            state[INTO + part] = *x;
        }
    }
    for _ in 0..4 {
        step::<S, 1, 0, 3, 7, 25>(&mut x);
        step::<S, 2, 1, 0, 9, 23>(&mut x);
        step::<S, 3, 2, 1, 13, 19>(&mut x);
        step::<S, 0, 3, 2, 18, 14>(&mut x);
        turn::<S, 0x93, 0x4e, 0x39>(&mut x);
        step::<S, 3, 0, 1, 7, 25>(&mut x);
        step::<S, 2, 3, 0, 9, 23>(&mut x);
        step::<S, 1, 2, 3, 13, 19>(&mut x);
        step::<S, 0, 1, 2, 18, 14>(&mut x);
        turn::<S, 0x39, 0x4e, 0x93>(&mut x);
    }
    for (x, state) in x.iter().zip(states) {
        for (part, x) in x.iter().enumerate() {
            state[INTO + part] = _mm256_add_epi32(state[INTO + part], *x);
        }
    }
}

/// `x[INTO] ^= (x[A] + x[B]) <<< LEFT` in every stream; `RIGHT` is what `LEFT` lacks to 32.
#[target_feature(enable = "avx2")]
#[inline]
fn step<
    const S: usize,
    const INTO: usize,
    const A: usize,
    const B: usize,
    const LEFT: i32,
    const RIGHT: i32,
>(
    x: &mut [[__m256i; 4]; S],
) {
    for x in x {
        let sum = _mm256_add_epi32(x[A], x[B]);
        x[INTO] = _mm256_xor_si256(x[INTO], _mm256_slli_epi32::<LEFT>(sum));
        x[INTO] = _mm256_xor_si256(x[INTO], _mm256_srli_epi32::<RIGHT>(sum));
    }
}

/// Turns the diagonals, so that columns become rows or rows become columns.
#[target_feature(enable = "avx2")]
#[inline]
fn turn<const S: usize, const ONE: i32, const TWO: i32, const THREE: i32>(x: &mut [[__m256i; 4]; S]) {
    for x in x {
        x[1] = _mm256_shuffle_epi32::<ONE>(x[1]);
        x[2] = _mm256_shuffle_epi32::<TWO>(x[2]);
        x[3] = _mm256_shuffle_epi32::<THREE>(x[3]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests;
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "every machine of today runs it, and much faster")]
    fn any_number_of_lanes_is_mixed_as_the_oracle_does() {
        if available() {
            // SAFETY: just looked for.
            tests::mixes_as_the_oracle(0..=LANES, |blocks, memory| unsafe { mix::<4, 6>(blocks, memory) });
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "plain Rust, which is interpreted with fewer lanes")]
    fn eight_blocks_are_hashed_as_one() {
        if available() {
            // SAFETY: just looked for.
            tests::hashes_as_one(|states, blocks| unsafe { compress(states, blocks) });
        }
    }
}
