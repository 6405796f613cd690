//! SHA-256 with the SHA instructions of x86, two blocks interleaved: one alone waits for its own results most of the
//! time.
#![expect(unsafe_code, reason = "calls code for instructions that were looked for")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32,
    _mm_sha256rnds2_epu32, _mm_srli_si128,
};

use super::pbkdf2::{Compress, State, Words};
use crate::sha256d::constants::K;

/// The function for this CPU, if it has the instructions.
pub(super) fn compress() -> Option<Compress> {
    let available = is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3");
    // SAFETY: the instructions are there.
    available.then_some(|states, blocks| unsafe { all(states, blocks) })
}

#[target_feature(enable = "sha,ssse3")]
fn all(states: &mut [State], blocks: &[Words]) {
    let ((two_states, states), (two_blocks, blocks)) = (states.as_chunks_mut(), blocks.as_chunks());
    for (states, blocks) in two_states.iter_mut().zip(two_blocks) {
        some::<2>(states, blocks);
    }
    for (state, block) in states.iter_mut().zip(blocks) {
        some::<1>(core::array::from_mut(state), core::array::from_ref(block));
    }
}

/// Interleaves so many.
#[target_feature(enable = "sha,ssse3")]
#[inline]
fn some<const M: usize>(states: &mut [State; M], blocks: &[Words; M]) {
    let mut w: [[__m128i; 4]; M] = blocks.map(bytemuck::cast);
    // The order in which the instructions want the eight variables.
    let before = states.map(|[a, b, c, d, e, f, g, h]| [[f, e, b, a], [h, g, d, c]].map(bytemuck::cast));
    let mut state: [[__m128i; 2]; M] = before;
    for (at, k) in K.as_chunks().0.iter().enumerate() {
        let k: [u32; 4] = *k;
        for (w, [abef, cdgh]) in w.iter_mut().zip(&mut state) {
            let input = _mm_add_epi32(w[at % 4], bytemuck::cast(k));
            *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, input);
            *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_srli_si128::<8>(input));
            let [w0, w1, w2, w3] = [0, 1, 2, 3].map(|ahead| w[(at + ahead) % 4]);
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
            w[at % 4] = _mm_sha256msg2_epu32(sum, w3);
        }
    }
    for ((out, state), before) in states.iter_mut().zip(state).zip(before) {
        let [f, e, b, a]: [u32; 4] = bytemuck::cast(_mm_add_epi32(state[0], before[0]));
        let [h, g, d, c]: [u32; 4] = bytemuck::cast(_mm_add_epi32(state[1], before[1]));
        *out = [a, b, c, d, e, f, g, h];
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests;

    #[test]
    fn two_blocks_are_hashed_as_one() {
        if let Some(compress) = super::compress() {
            tests::hashes_as_one(compress);
        }
    }
}
