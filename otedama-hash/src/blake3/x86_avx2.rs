//! Eight messages at a time, on 256-bit vectors.
#![expect(unsafe_code, reason = "vector instructions that not every CPU has")]

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_castsi256_ps, _mm256_cmpeq_epi32, _mm256_min_epu32, _mm256_movemask_ps,
    _mm256_or_si256, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setr_epi32, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_srli_epi32, _mm256_xor_si256,
};

use super::lanes::Lanes;
use super::{alephium, decred};

/// Whether this CPU has what the kernels need.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Decred's kernel: see [`super::Search`].
pub(super) fn decred(prepared: &decred::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    #[target_feature(enable = "avx2")]
    fn search(prepared: &decred::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
        decred::search::<Words>(prepared, first, count, found);
    }
    // SAFETY: a kernel runs only where it is available.
    unsafe { search(prepared, first, count, found) }
}

/// Alephium's kernel.
pub(super) fn alephium(prepared: &alephium::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    #[target_feature(enable = "avx2")]
    fn search(prepared: &alephium::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
        alephium::search::<Words>(prepared, first, count, found);
    }
    // SAFETY: a kernel runs only where it is available.
    unsafe { search(prepared, first, count, found) }
}

/// Eight words. Only the two functions above make any, where the CPU is known to have AVX2.
#[derive(Clone, Copy)]
struct Words(__m256i);

impl Lanes for Words {
    const COUNT: u32 = 8;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: the CPU has AVX2, as for every value of this type.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn count_from(first: u32) -> Self {
        // SAFETY: as above.
        Self::splat(first).add(Self(unsafe { _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7) }))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_16(self) -> Self {
        self.bytes([2, 3, 0, 1])
    }

    #[inline(always)]
    fn rotate_12(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_or_si256(_mm256_srli_epi32::<12>(self.0), _mm256_slli_epi32::<20>(self.0)) })
    }

    #[inline(always)]
    fn rotate_8(self) -> Self {
        self.bytes([1, 2, 3, 0])
    }

    #[inline(always)]
    fn rotate_7(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_or_si256(_mm256_srli_epi32::<7>(self.0), _mm256_slli_epi32::<25>(self.0)) })
    }

    #[inline(always)]
    fn swap_bytes(self) -> Self {
        self.bytes([3, 2, 1, 0])
    }

    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        // SAFETY: as above.
        unsafe {
            let is = _mm256_cmpeq_epi32(_mm256_min_epu32(self.0, limit.0), self.0);
            _mm256_movemask_ps(_mm256_castsi256_ps(is)).cast_unsigned()
        }
    }
}

impl Words {
    /// The bytes of every word in another order.
    #[inline(always)]
    #[rustfmt::skip]
    fn bytes(self, [a, b, c, d]: [i8; 4]) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            _mm256_shuffle_epi8(self.0, _mm256_setr_epi8(
                a, b, c, d, 4 + a, 4 + b, 4 + c, 4 + d, 8 + a, 8 + b, 8 + c, 8 + d, 12 + a, 12 + b, 12 + c, 12 + d,
                a, b, c, d, 4 + a, 4 + b, 4 + c, 4 + d, 8 + a, 8 + b, 8 + c, 8 + d, 12 + a, 12 + b, 12 + c, 12 + d,
            ))
        })
    }
}
