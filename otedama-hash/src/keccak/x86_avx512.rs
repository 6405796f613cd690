//! Eight states at a time, on 512-bit vectors with rotations and three-input logic.
#![expect(unsafe_code, reason = "vector instructions that not every CPU has")]

use core::arch::x86_64::{
    __m512i, _mm512_load_si512, _mm512_mullo_epi32, _mm512_rol_epi64, _mm512_set_epi64, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_store_si512, _mm512_ternarylogic_epi32, _mm512_xor_si512,
};

use super::Lanes;
use crate::ethash::items::{CHAINS, Cache, PRIME};
use crate::ethash::{Input, Node};
use crate::kawpow::Program;
use crate::kawpow::mix::{self, First, Mix};

/// Whether this CPU has what the lanes need, and what a single state gains from.
pub(crate) fn available() -> bool {
    super::x86_avx2::available() && is_x86_feature_detected!("avx512f")
}

/// Eight words. Made only where [`available`].
#[derive(Clone, Copy)]
pub(crate) struct Words(__m512i);

impl Lanes for Words {
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: the CPU has AVX-512F, as for every value of this type.
        Self(unsafe { _mm512_set1_epi64(word.cast_signed()) })
    }

    #[inline(always)]
    fn gather(word: impl Fn(usize) -> u64) -> Self {
        let words = [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)];
        let [a, b, c, d, e, f, g, h] = words.map(u64::cast_signed);
        // SAFETY: as above.
        Self(unsafe { _mm512_set_epi64(h, g, f, e, d, c, b, a) })
    }

    #[inline(always)]
    fn scatter(self, mut take: impl FnMut(usize, u64)) {
        // SAFETY: both have 64 bytes, and any bytes are eight words.
        let words: [u64; 8] = unsafe { core::mem::transmute(self.0) };
        for (lane, word) in words.into_iter().enumerate() {
            take(lane, word);
        }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0x96>(self.0, second.0, third.0) })
    }

    #[inline(always)]
    fn chi(self, second: Self, third: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0xd2>(self.0, second.0, third.0) })
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_rol_epi64::<LEFT>(self.0) })
    }

    #[inline(always)]
    fn fnv_node(mix: &mut Node, other: &Node) {
        let mix: *mut __m512i = mix.0.as_mut_ptr().cast();
        let other: *const __m512i = other.0.as_ptr().cast();
        // SAFETY: called only where the lanes are available. A node is one vector, and begins at a multiple of 64.
        unsafe {
            let product = _mm512_mullo_epi32(_mm512_load_si512(mix), _mm512_set1_epi32(PRIME.cast_signed()));
            _mm512_store_si512(mix, _mm512_xor_si512(product, _mm512_load_si512(other)));
        }
    }

    fn hash_nodes(nodes: &mut [Node]) {
        #[target_feature(enable = "avx512f")]
        fn run(nodes: &mut [Node]) {
            super::hash_nodes::<Words>(nodes);
        }
        // SAFETY: called only where the lanes are available.
        unsafe { run(nodes) }
    }

    fn absorb_headers(inputs: &[Input], out: &mut [Node]) {
        #[target_feature(enable = "avx512f")]
        fn run(inputs: &[Input], out: &mut [Node]) {
            super::absorb_headers::<Words>(inputs, out);
        }
        // SAFETY: as above.
        unsafe { run(inputs, out) }
    }

    fn absorb_mixes(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]) {
        #[target_feature(enable = "avx512f")]
        fn run(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]) {
            super::absorb_mixes::<Words>(nodes, mixes, out);
        }
        // SAFETY: as above.
        unsafe { run(nodes, mixes, out) }
    }

    fn items(cache: &Cache<'_>, index: [u32; CHAINS]) -> [Node; CHAINS] {
        #[target_feature(enable = "avx512f,avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn run(cache: &Cache<'_>, index: [u32; CHAINS]) -> [Node; CHAINS] {
            cache.items::<Words, CHAINS>(index)
        }
        // SAFETY: as above.
        unsafe { run(cache, index) }
    }

    fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &[Node; 4]) {
        #[target_feature(enable = "avx512f,avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &[Node; 4]) {
            mix::run(program, round, mix, first, page);
        }
        // SAFETY: as above.
        unsafe { run(program, round, mix, first, page) }
    }
}
