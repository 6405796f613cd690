//! scrypt with AVX-512: one header in each quarter of a vector, four vectors interleaved, and a second such group that
//! is mixed while the first one's memory is on its way.
//!
//! As with AVX2, Salsa20/8 holds the diagonals of its matrix in four vectors. A step is three instructions here, of
//! which each waits for the one before: a single stream would leave most of the core idle.
#![expect(unsafe_code, reason = "calls code for instructions that were looked for, and prefetches")]

use core::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_rol_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi32, _mm512_shuffle_i32x4, _mm512_xor_si512,
};

use crate::kernel::Entry;

use super::pbkdf2::{State as Hash, Words};
use super::{Block, N, STRIDE, Scanner, diagonal, entry, wide, x86_sha};

/// Headers in one vector.
const PER_VECTOR: usize = 4;
/// Groups that take turns.
const GROUPS: usize = 2;
/// Vectors that are interleaved, where there are headers enough.
const STREAMS: usize = 4;
const LANES: usize = GROUPS * STREAMS * PER_VECTOR;

pub(super) static ENTRY: Entry = entry("avx512", available, LANES, |memory| {
    // SAFETY: a scanner is made only where `available`.
    let wide = |states: &mut [Hash], blocks: &[Words]| unsafe { compress(states, blocks) };
    // SAFETY: likewise.
    let mix = |blocks: &mut [Block], memory: &mut [u8]| unsafe { mix::<N, STRIDE>(blocks, memory) };
    Scanner::boxed(LANES, mix, x86_sha::compress().unwrap_or(wide), memory)
});

fn available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// SHA-256 of sixteen blocks at once.
#[target_feature(enable = "avx512f")]
fn compress(states: &mut [Hash], blocks: &[Words]) {
    wide::compress::<16>(states, blocks);
}

/// What is stored of one header at one step: two cache lines.
type Row = [__m512i; 2];
/// What is mixed of four headers.
type State = [__m512i; 8];

/// ROMix with the parameter `COUNT` of any number of headers up to the lanes, as [`super::Mix`] says.
#[target_feature(enable = "avx512f")]
fn mix<const COUNT: usize, const STRIDE: usize>(blocks: &mut [Block], memory: &mut [u8]) {
    match blocks.len() {
        0..=4 => mix_streams::<COUNT, STRIDE, 1>(blocks, memory),
        5..=8 => mix_streams::<COUNT, STRIDE, 2>(blocks, memory),
        9..=12 | 17..=24 => mix_streams::<COUNT, STRIDE, 3>(blocks, memory),
        _ => mix_streams::<COUNT, STRIDE, STREAMS>(blocks, memory),
    }
}

/// The same with so many streams to a group, and one group if that is enough.
#[target_feature(enable = "avx512f")]
fn mix_streams<const COUNT: usize, const STRIDE: usize, const S: usize>(
    blocks: &mut [Block],
    memory: &mut [u8],
) {
    let rows: &mut [__m512i] = bytemuck::pod_align_to_mut(memory).1;
    let lanes = rows.as_chunks_mut::<2>().0.as_chunks_mut::<STRIDE>().0.as_chunks_mut::<PER_VECTOR>().0;
    let lanes = lanes.as_chunks_mut::<S>().0;

    let groups = blocks.len().div_ceil(S * PER_VECTOR);
    let mut states = [[[_mm512_setzero_si512(); 8]; S]; GROUPS];
    let words: &mut [[[u32; 4]; 4]] = bytemuck::cast_slice_mut(states.as_flattened_mut().as_flattened_mut());
    for (four, rows) in blocks.chunks(PER_VECTOR).zip(words.as_chunks_mut::<8>().0) {
        for (quarter, block) in four.iter().enumerate() {
            for (place, row) in rows.iter_mut().enumerate() {
                row[quarter] = diagonal(place).map(|word| block[word]);
            }
        }
    }

    ro_mix::<COUNT, STRIDE, S>(&mut states[..groups], lanes);

    let words: &[[[u32; 4]; 4]] = bytemuck::cast_slice(states.as_flattened().as_flattened());
    for (four, rows) in blocks.chunks_mut(PER_VECTOR).zip(words.as_chunks::<8>().0) {
        for (quarter, block) in four.iter_mut().enumerate() {
            for (place, row) in rows.iter().enumerate() {
                for (word, value) in diagonal(place).into_iter().zip(row[quarter]) {
                    block[word] = value;
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn ro_mix<const COUNT: usize, const STRIDE: usize, const S: usize>(
    groups: &mut [[State; S]],
    memory: &mut [[[[Row; STRIDE]; PER_VECTOR]; S]],
) {
    const { assert!(COUNT <= STRIDE && COUNT.is_power_of_two(), "every row that may be chosen is there") };
    for at in 0..COUNT {
        for (states, memory) in groups.iter_mut().zip(&mut *memory) {
            for (state, lanes) in states.iter().zip(memory) {
                for (half, parts) in state.as_chunks().0.iter().enumerate() {
                    for (lane, line) in lanes.iter_mut().zip(transpose(*parts)) {
                        lane[at][half] = line;
                    }
                }
            }
            mix_block(states);
        }
    }
    for _ in 0..COUNT {
        for (states, memory) in groups.iter_mut().zip(&mut *memory) {
            for (state, lanes) in states.iter_mut().zip(&*memory) {
                let rows = chosen::<COUNT, STRIDE>(state, lanes);
                for (half, parts) in state.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    for (part, line) in parts.iter_mut().zip(transpose(rows.map(|row| row[half]))) {
                        *part = _mm512_xor_si512(*part, line);
                    }
                }
            }
            mix_block(states);
            for (state, lanes) in states.iter().zip(&*memory) {
                for row in chosen::<COUNT, STRIDE>(state, lanes) {
                    prefetch(&row[0]);
                    prefetch(&row[1]);
                }
            }
        }
    }
}

/// The rows that the states choose.
#[target_feature(enable = "avx512f")]
#[inline]
fn chosen<'m, const COUNT: usize, const STRIDE: usize>(
    state: &State,
    lanes: &'m [[Row; STRIDE]; PER_VECTOR],
) -> [&'m Row; PER_VECTOR] {
    let words: [[u32; 4]; PER_VECTOR] = bytemuck::cast(state[4]);
    core::array::from_fn(|lane| &lanes[lane][words[lane][0] as usize % COUNT])
}

/// From four vectors of quarters of four lanes to four lanes as they lie in memory, and back.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (low_ab, high_ab) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
    let (low_cd, high_cd) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
    [
        _mm512_shuffle_i32x4::<0x88>(low_ab, low_cd),
        _mm512_shuffle_i32x4::<0xdd>(low_ab, low_cd),
        _mm512_shuffle_i32x4::<0x88>(high_ab, high_cd),
        _mm512_shuffle_i32x4::<0xdd>(high_ab, high_cd),
    ]
}

#[target_feature(enable = "avx512f")]
#[inline]
#[allow(unused_unsafe, reason = "safe only in later versions of Rust than the oldest that builds this")]
fn prefetch(line: &__m512i) {
    // SAFETY: a prefetch is a hint that reads nothing.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(line).cast()) }
}

/// BlockMix with r = 1: two halves, each salted with the other.
#[target_feature(enable = "avx512f")]
#[inline]
fn mix_block<const S: usize>(states: &mut [State; S]) {
    xor_salsa::<S, 0, 4>(states);
    xor_salsa::<S, 4, 0>(states);
}

/// `into ^= other`, then Salsa20/8 of it, on the halves that begin at these vectors.
#[target_feature(enable = "avx512f")]
#[inline]
fn xor_salsa<const S: usize, const INTO: usize, const OTHER: usize>(states: &mut [State; S]) {
    let mut x = [[_mm512_setzero_si512(); 4]; S];
    for (x, state) in x.iter_mut().zip(&mut *states) {
        for (part, x) in x.iter_mut().enumerate() {
            *x = _mm512_xor_si512(state[INTO + part], state[OTHER + part]);
            state[INTO + part] = *x;
        }
    }
    for _ in 0..4 {
        step::<S, 1, 0, 3, 7>(&mut x);
        step::<S, 2, 1, 0, 9>(&mut x);
        step::<S, 3, 2, 1, 13>(&mut x);
        step::<S, 0, 3, 2, 18>(&mut x);
        turn::<S, 0x93, 0x4e, 0x39>(&mut x);
        step::<S, 3, 0, 1, 7>(&mut x);
        step::<S, 2, 3, 0, 9>(&mut x);
        step::<S, 1, 2, 3, 13>(&mut x);
        step::<S, 0, 1, 2, 18>(&mut x);
        turn::<S, 0x39, 0x4e, 0x93>(&mut x);
    }
    for (x, state) in x.iter().zip(states) {
        for (part, x) in x.iter().enumerate() {
            state[INTO + part] = _mm512_add_epi32(state[INTO + part], *x);
        }
    }
}

/// `x[INTO] ^= (x[A] + x[B]) <<< LEFT` in every stream.
#[target_feature(enable = "avx512f")]
#[inline]
fn step<const S: usize, const INTO: usize, const A: usize, const B: usize, const LEFT: i32>(
    x: &mut [[__m512i; 4]; S],
) {
    for x in x {
        x[INTO] = _mm512_xor_si512(x[INTO], _mm512_rol_epi32::<LEFT>(_mm512_add_epi32(x[A], x[B])));
    }
}

/// Turns the diagonals, so that columns become rows or rows become columns.
#[target_feature(enable = "avx512f")]
#[inline]
fn turn<const S: usize, const ONE: i32, const TWO: i32, const THREE: i32>(x: &mut [[__m512i; 4]; S]) {
    for x in x {
        x[1] = _mm512_shuffle_epi32::<ONE>(x[1]);
        x[2] = _mm512_shuffle_epi32::<TWO>(x[2]);
        x[3] = _mm512_shuffle_epi32::<THREE>(x[3]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests;
    use super::*;

    #[test]
    fn any_number_of_lanes_is_mixed_as_the_oracle_does() {
        if available() {
            // Two groups of three streams, the last of which is half empty, are what an interpreter has time for.
            let counts = if cfg!(miri) { 18..=18 } else { 0..=LANES };
            // SAFETY: just looked for.
            tests::mixes_as_the_oracle(counts, |blocks, memory| unsafe { mix::<4, 6>(blocks, memory) });
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "plain Rust, which is interpreted with fewer lanes")]
    fn sixteen_blocks_are_hashed_as_one() {
        if available() {
            // SAFETY: just looked for.
            tests::hashes_as_one(|states, blocks| unsafe { compress(states, blocks) });
        }
    }
}
