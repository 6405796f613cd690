//! The headers of `N` shares at once with the SHA instructions of x86.
//!
//! Everything between two compressions stays in registers: a state as the instructions want it is turned into words,
//! which are the first half of the next message.

#![expect(unsafe_code, reason = "instructions that not every CPU has")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_storeu_si128,
};

use otedama_core::{Claim, Digest, Hash256};

use crate::sha256d::constants::{INITIAL, K};

/// Proves that this CPU has the instructions.
#[derive(Clone, Copy)]
pub(super) struct Engine(());

/// The variables of the compression as the instructions want them: A, B, E, F and C, D, G, H, the first one highest.
type State = [__m128i; 2];
/// Sixteen words of a message, the first one lowest.
type Block = [__m128i; 4];
/// Eight words of a state or a digest, the first one lowest.
type Words = [__m128i; 2];

impl Engine {
    /// If this CPU has the instructions.
    pub(super) fn new() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        has.then_some(Self(()))
    }

    /// The digests of the headers of claims whose coinbases are equally long and whose paths have equally many levels.
    pub(super) fn digests<const N: usize>(self, claims: [&Claim; N]) -> [Digest; N] {
        // SAFETY: `Engine::new` found the instructions.
        unsafe { digests(claims) }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn digests<const N: usize>(claims: [&Claim; N]) -> [Digest; N] {
    let coinbases = claims.map(padded);
    let blocks = coinbases.iter().map(|bytes| bytes.as_chunks::<64>().0.len()).min().unwrap_or(0);
    let mut states = [initial(); N];
    for at in 0..blocks {
        let mut block = [[_mm_setzero_si128(); 4]; N];
        for (block, bytes) in block.iter_mut().zip(&coinbases) {
            *block = load_block(&bytes.as_chunks::<64>().0[at]);
        }
        compress(&mut states, &mut block);
    }
    let mut nodes = hash_digests(words(states));
    let levels = claims.iter().map(|claim| claim.merkle_path().len()).min().unwrap_or(0);
    for level in 0..levels {
        nodes = parents(nodes, claims.map(|claim| &claim.merkle_path()[level]));
    }
    hash_headers(claims, nodes)
}

/// The coinbase and what SHA-256 puts behind it, a multiple of 64 bytes.
fn padded(claim: &Claim) -> Vec<u8> {
    let parts = claim.coinbase().unwrap_or_default();
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(len + 72);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.push(0x80);
    bytes.resize((len + 9).next_multiple_of(64) - 8, 0);
    bytes.extend_from_slice(&(8 * len as u64).to_be_bytes());
    bytes
}

/// The digests of digests.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn hash_digests<const N: usize>(digests: [Words; N]) -> [Words; N] {
    let mut states = [initial(); N];
    let padding = _mm_set_epi32(0, 0, 0, i32::MIN);
    let length = _mm_set_epi32(256, 0, 0, 0);
    let mut blocks = [[padding; 4]; N];
    for (block, [low, high]) in blocks.iter_mut().zip(digests) {
        *block = [low, high, padding, length];
    }
    compress(&mut states, &mut blocks);
    words(states)
}

/// One level up the tree: the nodes at the left of their siblings.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn parents<const N: usize>(nodes: [Words; N], siblings: [&Hash256; N]) -> [Words; N] {
    let mut blocks = [[_mm_setzero_si128(); 4]; N];
    for ((block, node), sibling) in blocks.iter_mut().zip(nodes).zip(siblings) {
        let (low, high) = halves(sibling.as_internal());
        *block = [node[0], node[1], load(low), load(high)];
    }
    let mut states = [initial(); N];
    compress(&mut states, &mut blocks);
    compress_padding(&mut states);
    hash_digests(words(states))
}

/// The digests of the claims' headers over these merkle roots.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn hash_headers<const N: usize>(claims: [&Claim; N], roots: [Words; N]) -> [Digest; N] {
    let mut first = [[_mm_setzero_si128(); 4]; N];
    let mut second = first;
    for (((claim, root), first), second) in claims.iter().zip(roots).zip(&mut first).zip(&mut second) {
        let root = Hash256::from_internal(store(root));
        let mut bytes = [0; 128];
        bytes[..80].copy_from_slice(claim.header_over(&root).as_bytes());
        bytes[80] = 0x80;
        bytes[120..].copy_from_slice(&640u64.to_be_bytes());
        let (blocks, _) = bytes.as_chunks::<64>();
        (*first, *second) = (load_block(&blocks[0]), load_block(&blocks[1]));
    }
    let mut states = [initial(); N];
    compress(&mut states, &mut first);
    compress(&mut states, &mut second);
    let mut digests = [Digest::new([0; 32]); N];
    for (digest, words) in digests.iter_mut().zip(hash_digests(words(states))) {
        *digest = Digest::new(store(words));
    }
    digests
}

/// One more block each (FIPS 180-4, 6.2.2). The blocks are used up.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress<const N: usize>(states: &mut [State; N], blocks: &mut [Block; N]) {
    let before = *states;
    macro_rules! rounds {
        ($($quarter:literal)*) => { $(
            let constants = four(&K, $quarter);
            for (state, block) in states.iter_mut().zip(blocks.iter_mut()) {
                four_rounds(state, _mm_add_epi32(block[$quarter % 4], constants));
                if $quarter < 12 {
                    let (now, next) = (block[$quarter % 4], block[($quarter + 1) % 4]);
                    let (third, last) = (block[($quarter + 2) % 4], block[($quarter + 3) % 4]);
                    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8::<4>(last, third));
                    block[$quarter % 4] = _mm_sha256msg2_epu32(sum, last);
                }
            }
        )* };
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    add(states, &before);
}

/// One more block each: the one that ends a message of 64 bytes, whose schedule is known.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress_padding<const N: usize>(states: &mut [State; N]) {
    const SCHEDULE: [u32; 64] = schedule_and_constants();
    let before = *states;
    for quarter in 0..16 {
        let input = four(&SCHEDULE, quarter);
        for state in states.iter_mut() {
            four_rounds(state, input);
        }
    }
    add(states, &before);
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn add<const N: usize>(states: &mut [State; N], before: &[State; N]) {
    for (state, before) in states.iter_mut().zip(before) {
        *state = [_mm_add_epi32(state[0], before[0]), _mm_add_epi32(state[1], before[1])];
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn four_rounds([abef, cdgh]: &mut State, input: __m128i) {
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, input);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0x0e>(input));
}

/// Message schedule plus round constants of the block that ends a message of 64 bytes.
const fn schedule_and_constants() -> [u32; 64] {
    let mut words = [0u32; 64];
    (words[0], words[15]) = (0x8000_0000, 512);
    let mut at = 16;
    while at < 64 {
        let (two, fifteen) = (words[at - 2], words[at - 15]);
        let sigma1 = two.rotate_right(17) ^ two.rotate_right(19) ^ (two >> 10);
        let sigma0 = fifteen.rotate_right(7) ^ fifteen.rotate_right(18) ^ (fifteen >> 3);
        words[at] = sigma1.wrapping_add(words[at - 7]).wrapping_add(sigma0).wrapping_add(words[at - 16]);
        at += 1;
    }
    at = 0;
    while at < 64 {
        words[at] = words[at].wrapping_add(K[at]);
        at += 1;
    }
    words
}

/// The state that SHA-256 starts from.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn initial() -> State {
    let [a, b, c, d, e, f, g, h] = INITIAL.map(u32::cast_signed);
    [_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h)]
}

/// The eight words of each state, in their order.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn words<const N: usize>(states: [State; N]) -> [Words; N] {
    let mut out = states;
    for ([low, high], [abef, cdgh]) in out.iter_mut().zip(states) {
        let feba = _mm_shuffle_epi32::<0x1b>(abef);
        let dchg = _mm_shuffle_epi32::<0xb1>(cdgh);
        (*low, *high) = (_mm_blend_epi16::<0xf0>(feba, dchg), _mm_alignr_epi8::<8>(dchg, feba));
    }
    out
}

/// The words of 64 bytes, as SHA-256 reads them.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load_block(bytes: &[u8; 64]) -> Block {
    let (quarters, _) = bytes.as_chunks::<16>();
    [load(&quarters[0]), load(&quarters[1]), load(&quarters[2]), load(&quarters[3])]
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is to sixteen readable bytes; the instruction asks for no alignment.
    swap(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// The bytes of eight words, as SHA-256 writes them.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn store(words: Words) -> [u8; 32] {
    let mut bytes = [0u8; 32];
    let (low, high) = bytes.split_at_mut(16);
    for (half, words) in [low, high].into_iter().zip(words) {
        // SAFETY: the half has sixteen writable bytes; the instruction asks for no alignment.
        unsafe { _mm_storeu_si128(half.as_mut_ptr().cast(), swap(words)) };
    }
    bytes
}

/// Reverses the bytes of each word.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn swap(words: __m128i) -> __m128i {
    _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
}

/// Words `4 * quarter` and the three behind it.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn four(words: &[u32; 64], quarter: usize) -> __m128i {
    let (fours, _) = words.as_chunks::<4>();
    // SAFETY: the reference is to sixteen readable bytes; the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(fours[quarter].as_ptr().cast()) }
}

fn halves(bytes: &[u8; 32]) -> (&[u8; 16], &[u8; 16]) {
    let (halves, _) = bytes.as_chunks::<16>();
    (&halves[0], &halves[1])
}
