//! Sixteen messages at a time, on 512-bit vectors, which can rotate.
#![expect(unsafe_code, reason = "vector instructions that not every CPU has")]

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_cmple_epu32_mask, _mm512_rol_epi32, _mm512_ror_epi32,
    _mm512_set1_epi32, _mm512_setr_epi32, _mm512_ternarylogic_epi32, _mm512_xor_si512,
};

use super::lanes::Lanes;
use super::{alephium, decred};

/// Whether this CPU has what the kernels need.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Decred's kernel: see [`super::Search`].
pub(super) fn decred(prepared: &decred::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    #[target_feature(enable = "avx512f")]
    fn search(prepared: &decred::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
        decred::search::<Words>(prepared, first, count, found);
    }
    // SAFETY: a kernel runs only where it is available.
    unsafe { search(prepared, first, count, found) }
}

/// Alephium's kernel.
pub(super) fn alephium(prepared: &alephium::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    #[target_feature(enable = "avx512f")]
    fn search(prepared: &alephium::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
        alephium::search::<Words>(prepared, first, count, found);
    }
    // SAFETY: a kernel runs only where it is available.
    unsafe { search(prepared, first, count, found) }
}

/// Sixteen words. Only the two functions above make any, where the CPU is known to have AVX-512F.
#[derive(Clone, Copy)]
struct Words(__m512i);

impl Lanes for Words {
    const COUNT: u32 = 16;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: the CPU has AVX-512F, as for every value of this type.
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn count_from(first: u32) -> Self {
        // SAFETY: as above.
        let lanes = unsafe { _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) };
        Self::splat(first).add(Self(lanes))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn rotate_16(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ror_epi32::<16>(self.0) })
    }

    #[inline(always)]
    fn rotate_12(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ror_epi32::<12>(self.0) })
    }

    #[inline(always)]
    fn rotate_8(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ror_epi32::<8>(self.0) })
    }

    #[inline(always)]
    fn rotate_7(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ror_epi32::<7>(self.0) })
    }

    #[inline(always)]
    fn swap_bytes(self) -> Self {
        /// The bits of the second operand where the first has ones, of the third where it has zeros.
        const CHOOSE: i32 = 0xca;
        let odd = Self::splat(0xff00_ff00);
        // SAFETY: as above.
        Self(unsafe {
            let (right, left) = (_mm512_ror_epi32::<8>(self.0), _mm512_rol_epi32::<8>(self.0));
            _mm512_ternarylogic_epi32::<CHOOSE>(odd.0, right, left)
        })
    }

    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        // SAFETY: as above.
        u32::from(unsafe { _mm512_cmple_epu32_mask(self.0, limit.0) })
    }
}
