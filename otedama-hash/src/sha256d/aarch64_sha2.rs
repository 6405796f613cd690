//! SHA256d with the SHA-2 instructions of 64-bit Arm: four nonces in turns, since a single one would wait for each
//! instruction.
//!
//! A state is two vectors, `abcd` and `efgh`, the lowest lane first; one pair of instructions does four rounds.
#![expect(unsafe_code, reason = "vector instructions")]

use core::arch::aarch64::*;

use super::Prepared;
use super::constants::{DIGEST_BITS, HEADER_BITS, INITIAL, K, PAD};
use super::lanes::Word;
use crate::kernel::Entry;

/// Runs where the CPU has the SHA-2 instructions.
pub(super) static ENTRY: Entry = entry!("sha2", || std::arch::is_aarch64_feature_detected!("sha2"), search);

/// The kernel: see [`super::Search`].
fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    // SAFETY: this kernel is reached only through `ENTRY`, where the CPU has the instructions.
    unsafe { search_with(prepared, first, count, found) }
}

/// Nonces that take turns.
const STREAMS: usize = 4;

/// Four consecutive words of a block, or half a state.
#[derive(Clone, Copy)]
struct Quad(uint32x4_t);

/// One vector of each stream.
type Quads = [Quad; STREAMS];

/// The state of each stream.
struct States {
    abcd: Quads,
    efgh: Quads,
}

#[inline]
#[target_feature(enable = "sha2")]
fn search_with(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    let mut offset = 0;
    while offset < count {
        let nonces = [0, 1, 2, 3].map(|lane| first.wrapping_add(offset + lane).swap_bytes());
        let words = second_hash(first_hash(prepared, nonces));
        let mut lanes = 0;
        for (lane, word) in words.into_iter().enumerate() {
            lanes |= u32::from(word.swap_bytes() <= prepared.top) << lane;
        }
        if lanes != 0 {
            prepared.check(lanes, first, offset, count, found);
        }
        offset += 4;
    }
}

/// The digests of the headers with these words as nonces.
#[inline]
#[target_feature(enable = "sha2")]
fn first_hash(prepared: &Prepared, nonces: [u32; STREAMS]) -> States {
    let [a, b, c, d, e, f, g, h] = prepared.after_nonce;
    let mut states = States {
        abcd: nonces.map(|nonce| quad([a.wrapping_add(nonce), b, c, d])),
        efgh: nonces.map(|nonce| quad([e.wrapping_add(nonce), f, g, h])),
    };
    let [w4, w8, w12] = [[PAD, 0, 0, 0], [0; 4], [0, 0, 0, HEADER_BITS]].map(quad);
    states.rounds(4, [w4; STREAMS]);
    states.rounds(8, [w8; STREAMS]);
    states.rounds(12, [w12; STREAMS]);
    let [w16, w17, w18, w19] = prepared.schedule;
    let first =
        nonces.map(|nonce| quad([w16, w17, w18.wrapping_add(nonce.small_sigma0()), w19.wrapping_add(nonce)]));
    states.rounds(16, first);
    let mut words = [first, [w4; STREAMS], [w8; STREAMS], [w12; STREAMS]];
    states.four(&mut words, 20);
    states.four(&mut words, 24);
    states.four(&mut words, 28);
    states.four(&mut words, 32);
    states.four(&mut words, 36);
    states.four(&mut words, 40);
    states.four(&mut words, 44);
    states.four(&mut words, 48);
    states.four(&mut words, 52);
    states.four(&mut words, 56);
    states.four(&mut words, 60);
    let [a, b, c, d, e, f, g, h] = prepared.midstate;
    let (abcd, efgh) = (quad([a, b, c, d]), quad([e, f, g, h]));
    States { abcd: states.abcd.map(|quad| quad.add(abcd)), efgh: states.efgh.map(|quad| quad.add(efgh)) }
}

/// The last words of the digests of the digests: the top of the numbers that count.
#[inline]
#[target_feature(enable = "sha2")]
fn second_hash(digests: States) -> [u32; STREAMS] {
    let [a, b, c, d, e, f, g, h] = INITIAL;
    let mut states = States { abcd: [quad([a, b, c, d]); STREAMS], efgh: [quad([e, f, g, h]); STREAMS] };
    let [w8, w12] = [[PAD, 0, 0, 0], [0, 0, 0, DIGEST_BITS]].map(quad);
    let mut words = [digests.abcd, digests.efgh, [w8; STREAMS], [w12; STREAMS]];
    states.rounds(0, words[0]);
    states.rounds(4, words[1]);
    states.rounds(8, words[2]);
    states.rounds(12, words[3]);
    states.four(&mut words, 16);
    states.four(&mut words, 20);
    states.four(&mut words, 24);
    states.four(&mut words, 28);
    states.four(&mut words, 32);
    states.four(&mut words, 36);
    states.four(&mut words, 40);
    states.four(&mut words, 44);
    states.four(&mut words, 48);
    states.four(&mut words, 52);
    states.four(&mut words, 56);
    states.four(&mut words, 60);
    states.efgh.map(|quad| quad.highest().wrapping_add(h))
}

impl States {
    /// Four rounds from the round `from`, with its four words.
    #[inline]
    #[target_feature(enable = "sha2")]
    fn rounds(&mut self, from: usize, words: Quads) {
        let constants = quad([K[from], K[from + 1], K[from + 2], K[from + 3]]);
        for (at, words) in words.into_iter().enumerate() {
            let (abcd, efgh, input) = (self.abcd[at], self.efgh[at], words.add(constants));
            self.abcd[at] = Quad(vsha256hq_u32(abcd.0, efgh.0, input.0));
            self.efgh[at] = Quad(vsha256h2q_u32(efgh.0, abcd.0, input.0));
        }
    }

    /// Four rounds on the four words after these, which replace the oldest four.
    #[inline]
    #[target_feature(enable = "sha2")]
    #[expect(clippy::needless_range_loop, reason = "one stream of each of four arrays")]
    fn four(&mut self, words: &mut [Quads; 4], from: usize) {
        let at = |later: usize| (from / 4 + later) % 4;
        for stream in 0..STREAMS {
            let [w0, w1, w2, w3] = [0, 1, 2, 3].map(|later| words[at(later)][stream].0);
            words[at(0)][stream] = Quad(vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3));
        }
        self.rounds(from, words[at(0)]);
    }
}

/// Four words, the lowest lane first.
#[inline(always)]
fn quad(words: [u32; 4]) -> Quad {
    // SAFETY: four words are as many bytes as the vector has; every 64-bit Arm has NEON.
    Quad(unsafe { vld1q_u32(words.as_ptr()) })
}

impl Quad {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: every 64-bit Arm has NEON.
        Self(unsafe { vaddq_u32(self.0, other.0) })
    }

    #[inline(always)]
    fn highest(self) -> u32 {
        // SAFETY: every 64-bit Arm has NEON.
        unsafe { vgetq_lane_u32::<3>(self.0) }
    }
}
