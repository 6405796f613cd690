//! scrypt in plain Rust: one header at a time over one scratchpad, nothing allocated per hash.

use otedama_core::{Digest, Header};

use super::pbkdf2::{Password, State, Words};
use super::{Block, N};

/// The kernel: see [`super::Mix`], with the parameter `COUNT`.
pub(super) fn mix_all<const COUNT: usize>(blocks: &mut [Block], memory: &mut [u8]) {
    for block in blocks {
        mix::<COUNT>(block, bytemuck::pod_align_to_mut(memory).1);
    }
}

/// SHA-256 of one block after the other: see [`super::pbkdf2::Compress`].
pub(super) fn compress(states: &mut [State], blocks: &[Words]) {
    for (state, words) in states.iter_mut().zip(blocks) {
        let mut block = [0; 64];
        for (bytes, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_be_bytes();
        }
        sha2::block_api::compress256(state, &[block]);
    }
}

/// scrypt with the header as password and as salt.
pub(super) fn digest(header: &Header, memory: &mut [Block]) -> Digest {
    let password = Password::new(header.as_bytes());
    let mut block = password.expand(header.as_bytes());
    mix::<N>(&mut block, memory);
    Digest::new(password.reduce(&block))
}

/// ROMix (RFC 7914, section 5) over the first `COUNT` blocks of `memory`.
fn mix<const COUNT: usize>(block: &mut Block, memory: &mut [Block]) {
    for slot in memory.iter_mut().take(COUNT) {
        *slot = *block;
        mix_block(block);
    }
    for _ in 0..COUNT {
        let chosen = &memory[block[16] as usize % COUNT];
        for (word, other) in block.iter_mut().zip(chosen) {
            *word ^= other;
        }
        mix_block(block);
    }
}

/// BlockMix (RFC 7914, section 4) with r = 1: two halves, each salted with the other.
fn mix_block(block: &mut Block) {
    let (low, high) = block.split_at_mut(16);
    if let (Some(low), Some(high)) = (low.first_chunk_mut(), high.first_chunk_mut()) {
        xor_salsa(low, high);
        xor_salsa(high, low);
    }
}

/// `into ^= other`, then Salsa20/8 (RFC 7914, section 3) of it.
#[inline(always)]
fn xor_salsa(into: &mut [u32; 16], other: &[u32; 16]) {
    for (word, other) in into.iter_mut().zip(other) {
        *word ^= other;
    }
    let mut x = *into;
    for _ in 0..4 {
        quarter::<0, 4, 8, 12>(&mut x);
        quarter::<5, 9, 13, 1>(&mut x);
        quarter::<10, 14, 2, 6>(&mut x);
        quarter::<15, 3, 7, 11>(&mut x);
        quarter::<0, 1, 2, 3>(&mut x);
        quarter::<5, 6, 7, 4>(&mut x);
        quarter::<10, 11, 8, 9>(&mut x);
        quarter::<15, 12, 13, 14>(&mut x);
    }
    for (word, mixed) in into.iter_mut().zip(x) {
        *word = word.wrapping_add(mixed);
    }
}

#[inline(always)]
fn quarter<const A: usize, const B: usize, const C: usize, const D: usize>(x: &mut [u32; 16]) {
    x[B] ^= x[A].wrapping_add(x[D]).rotate_left(7);
    x[C] ^= x[B].wrapping_add(x[A]).rotate_left(9);
    x[D] ^= x[C].wrapping_add(x[B]).rotate_left(13);
    x[A] ^= x[D].wrapping_add(x[C]).rotate_left(18);
}
