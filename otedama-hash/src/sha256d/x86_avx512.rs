//! SHA256d with AVX-512: sixteen nonces at once, rotations and functions of three words in one instruction each.
#![expect(unsafe_code, reason = "vector instructions")]

use core::arch::x86_64::*;

use super::Prepared;
use super::lanes::{self, Word};
use crate::kernel::Entry;

/// Runs where the CPU has AVX-512 with operations on bytes.
pub(super) static ENTRY: Entry = entry!("avx512", available, search);

fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// The kernel: see [`super::Search`].
fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn enabled(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
        lanes::search::<Sixteen>(Avx512(()), prepared, first, count, found);
    }
    // SAFETY: this kernel is reached only through `ENTRY`, where the CPU has both.
    unsafe { enabled(prepared, first, count, found) }
}

/// Proves that the CPU has AVX-512F and AVX-512BW; made in `search` alone.
#[derive(Clone, Copy)]
struct Avx512(());

/// Sixteen words.
#[derive(Clone, Copy)]
struct Sixteen(__m512i);

/// An expression on intrinsics of AVX-512, where an [`Avx512`] or a [`Sixteen`] is at hand.
macro_rules! avx512 {
    ($expression:expr) => {
        // SAFETY: an `Avx512` proves that the CPU has the instructions, and so does a `Sixteen`, which only comes from
        // one.
        unsafe { $expression }
    };
}

/// Exclusive or of three.
macro_rules! xor3 {
    ($one:expr, $two:expr, $three:expr) => {
        _mm512_ternarylogic_epi32::<0x96>($one, $two, $three)
    };
}

impl Sixteen {
    /// The bytes of each word in reverse.
    #[inline(always)]
    fn swapped(self) -> Self {
        avx512!({
            let order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
            Self(_mm512_shuffle_epi8(self.0, _mm512_broadcast_i32x4(order)))
        })
    }
}

impl Word for Sixteen {
    type Cpu = Avx512;
    const LANES: u32 = 16;

    #[inline(always)]
    fn splat(_: Avx512, value: u32) -> Self {
        avx512!(Self(_mm512_set1_epi32(value.cast_signed())))
    }

    #[inline(always)]
    fn nonces(cpu: Avx512, first: u32) -> Self {
        let ascending =
            Self(avx512!(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
        Self::splat(cpu, first).add(ascending).swapped()
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        avx512!(Self(_mm512_add_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        avx512!(Self(_mm512_xor_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn big_sigma0(self) -> Self {
        let word = self.0;
        avx512!(Self(xor3!(
            _mm512_ror_epi32::<2>(word),
            _mm512_ror_epi32::<13>(word),
            _mm512_ror_epi32::<22>(word)
        )))
    }

    #[inline(always)]
    fn big_sigma1(self) -> Self {
        let word = self.0;
        avx512!(Self(xor3!(
            _mm512_ror_epi32::<6>(word),
            _mm512_ror_epi32::<11>(word),
            _mm512_ror_epi32::<25>(word)
        )))
    }

    #[inline(always)]
    fn small_sigma0(self) -> Self {
        let word = self.0;
        avx512!(Self(xor3!(
            _mm512_ror_epi32::<7>(word),
            _mm512_ror_epi32::<18>(word),
            _mm512_srli_epi32::<3>(word)
        )))
    }

    #[inline(always)]
    fn small_sigma1(self) -> Self {
        let word = self.0;
        avx512!(Self(xor3!(
            _mm512_ror_epi32::<17>(word),
            _mm512_ror_epi32::<19>(word),
            _mm512_srli_epi32::<10>(word)
        )))
    }

    #[inline(always)]
    fn choice(self, f: Self, g: Self) -> Self {
        avx512!(Self(_mm512_ternarylogic_epi32::<0xca>(self.0, f.0, g.0)))
    }

    #[inline(always)]
    fn majority(self, b: Self, c: Self, _: Self) -> Self {
        avx512!(Self(_mm512_ternarylogic_epi32::<0xe8>(self.0, b.0, c.0)))
    }

    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        let swapped = self.swapped();
        u32::from(avx512!(_mm512_cmple_epu32_mask(swapped.0, limit.0)))
    }
}
