//! SHA256d with AVX2: eight nonces at once.
#![expect(unsafe_code, reason = "vector instructions")]

use core::arch::x86_64::*;

use super::Prepared;
use super::lanes::{self, Word};
use crate::kernel::Entry;

/// Runs where the CPU has AVX2.
pub(super) static ENTRY: Entry = entry!("avx2", || is_x86_feature_detected!("avx2"), search);

/// The kernel: see [`super::Search`].
fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    #[target_feature(enable = "avx2")]
    fn enabled(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
        lanes::search::<Eight>(Avx2(()), prepared, first, count, found);
    }
    // SAFETY: this kernel is reached only through `ENTRY`, where the CPU has AVX2.
    unsafe { enabled(prepared, first, count, found) }
}

/// Proves that the CPU has AVX2; made in `search` alone.
#[derive(Clone, Copy)]
struct Avx2(());

/// Eight words.
#[derive(Clone, Copy)]
struct Eight(__m256i);

/// An expression on intrinsics of AVX2, where an [`Avx2`] or an [`Eight`] is at hand.
macro_rules! avx2 {
    ($expression:expr) => {
        // SAFETY: an `Avx2` proves that the CPU has the instructions, and so does an `Eight`, which only comes from one.
        unsafe { $expression }
    };
}

/// Rotates each word to the right.
macro_rules! rotated {
    ($word:expr, $by:literal) => {
        _mm256_or_si256(_mm256_srli_epi32::<$by>($word), _mm256_slli_epi32::<{ 32 - $by }>($word))
    };
}

/// Exclusive or of three.
macro_rules! xor3 {
    ($one:expr, $two:expr, $three:expr) => {
        _mm256_xor_si256(_mm256_xor_si256($one, $two), $three)
    };
}

impl Eight {
    /// The bytes of each word in reverse.
    #[inline(always)]
    fn swapped(self) -> Self {
        avx2!({
            let order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
            Self(_mm256_shuffle_epi8(self.0, _mm256_broadcastsi128_si256(order)))
        })
    }
}

impl Word for Eight {
    type Cpu = Avx2;
    const LANES: u32 = 8;

    #[inline(always)]
    fn splat(_: Avx2, value: u32) -> Self {
        avx2!(Self(_mm256_set1_epi32(value.cast_signed())))
    }

    #[inline(always)]
    fn nonces(cpu: Avx2, first: u32) -> Self {
        let ascending = Self(avx2!(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
        Self::splat(cpu, first).add(ascending).swapped()
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        avx2!(Self(_mm256_add_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        avx2!(Self(_mm256_xor_si256(self.0, other.0)))
    }

    #[inline(always)]
    fn big_sigma0(self) -> Self {
        avx2!(Self(xor3!(rotated!(self.0, 2), rotated!(self.0, 13), rotated!(self.0, 22))))
    }

    #[inline(always)]
    fn big_sigma1(self) -> Self {
        avx2!(Self(xor3!(rotated!(self.0, 6), rotated!(self.0, 11), rotated!(self.0, 25))))
    }

    #[inline(always)]
    fn small_sigma0(self) -> Self {
        avx2!(Self(xor3!(rotated!(self.0, 7), rotated!(self.0, 18), _mm256_srli_epi32::<3>(self.0))))
    }

    #[inline(always)]
    fn small_sigma1(self) -> Self {
        avx2!(Self(xor3!(rotated!(self.0, 17), rotated!(self.0, 19), _mm256_srli_epi32::<10>(self.0))))
    }

    #[inline(always)]
    fn choice(self, f: Self, g: Self) -> Self {
        avx2!(Self(_mm256_xor_si256(_mm256_and_si256(self.0, f.0), _mm256_andnot_si256(self.0, g.0))))
    }

    #[inline(always)]
    fn majority(self, b: Self, _: Self, b_xor_c: Self) -> Self {
        avx2!(Self(_mm256_xor_si256(b.0, _mm256_and_si256(_mm256_xor_si256(self.0, b.0), b_xor_c.0))))
    }

    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        let swapped = self.swapped();
        avx2!({
            let reached = _mm256_cmpeq_epi32(_mm256_min_epu32(swapped.0, limit.0), swapped.0);
            _mm256_movemask_ps(_mm256_castsi256_ps(reached)).cast_unsigned()
        })
    }
}
