//! Four states at a time, on 256-bit vectors.
#![expect(unsafe_code, reason = "vector instructions that not every CPU has")]

use core::arch::x86_64::{
    __m256i, _mm256_andnot_si256, _mm256_load_si256, _mm256_mullo_epi32, _mm256_or_si256, _mm256_set_epi64x,
    _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_store_si256,
    _mm256_xor_si256,
};

use super::Lanes;
use crate::ethash::items::{CHAINS, Cache, PRIME};
use crate::ethash::{Input, Node};
use crate::kawpow::Program;
use crate::kawpow::mix::{self, First, Mix};

/// Whether this CPU has what the lanes need, and what a single state gains from.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Four words. Made only where [`available`].
#[derive(Clone, Copy)]
pub(crate) struct Words(__m256i);

impl Lanes for Words {
    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: the CPU has AVX2, as for every value of this type.
        Self(unsafe { _mm256_set1_epi64x(word.cast_signed()) })
    }

    #[inline(always)]
    fn gather(word: impl Fn(usize) -> u64) -> Self {
        let [a, b, c, d] = [word(0), word(1), word(2), word(3)].map(u64::cast_signed);
        // SAFETY: as above.
        Self(unsafe { _mm256_set_epi64x(d, c, b, a) })
    }

    #[inline(always)]
    fn scatter(self, mut take: impl FnMut(usize, u64)) {
        // SAFETY: both have 32 bytes, and any bytes are four words.
        let words: [u64; 4] = unsafe { core::mem::transmute(self.0) };
        for (lane, word) in words.into_iter().enumerate() {
            take(lane, word);
        }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn chi(self, second: Self, third: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_xor_si256(self.0, _mm256_andnot_si256(second.0, third.0)) })
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            _mm256_or_si256(_mm256_slli_epi64::<LEFT>(self.0), _mm256_srli_epi64::<RIGHT>(self.0))
        })
    }

    #[inline(always)]
    fn fnv_node(mix: &mut Node, other: &Node) {
        let mix: *mut __m256i = mix.0.as_mut_ptr().cast();
        let other: *const __m256i = other.0.as_ptr().cast();
        for half in 0..2 {
            // SAFETY: called only where the lanes are available. A node is two vectors, and begins at a multiple of 64.
            unsafe {
                let product = _mm256_mullo_epi32(
                    _mm256_load_si256(mix.add(half)),
                    _mm256_set1_epi32(PRIME.cast_signed()),
                );
                let mixed = _mm256_xor_si256(product, _mm256_load_si256(other.add(half)));
                _mm256_store_si256(mix.add(half), mixed);
            }
        }
    }

    fn hash_nodes(nodes: &mut [Node]) {
        #[target_feature(enable = "avx2")]
        fn run(nodes: &mut [Node]) {
            super::hash_nodes::<Words>(nodes);
        }
        // SAFETY: called only where the lanes are available.
        unsafe { run(nodes) }
    }

    fn absorb_headers(inputs: &[Input], out: &mut [Node]) {
        #[target_feature(enable = "avx2")]
        fn run(inputs: &[Input], out: &mut [Node]) {
            super::absorb_headers::<Words>(inputs, out);
        }
        // SAFETY: as above.
        unsafe { run(inputs, out) }
    }

    fn absorb_mixes(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]) {
        #[target_feature(enable = "avx2")]
        fn run(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]) {
            super::absorb_mixes::<Words>(nodes, mixes, out);
        }
        // SAFETY: as above.
        unsafe { run(nodes, mixes, out) }
    }

    fn items(cache: &Cache<'_>, index: [u32; CHAINS]) -> [Node; CHAINS] {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn run(cache: &Cache<'_>, index: [u32; CHAINS]) -> [Node; CHAINS] {
            cache.items::<Words, CHAINS>(index)
        }
        // SAFETY: as above.
        unsafe { run(cache, index) }
    }

    fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &[Node; 4]) {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &[Node; 4]) {
            mix::run(program, round, mix, first, page);
        }
        // SAFETY: as above.
        unsafe { run(program, round, mix, first, page) }
    }
}
