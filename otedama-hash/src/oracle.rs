//! The slow and obvious implementation, written line by line from the standards. Frozen: every kernel must equal it.
//!
//! It shares no code with any kernel, not even the constants, which it derives from their definition. For tests and
//! for second opinions; a mining program wants a [`Kernel`](crate::Kernel).

mod ethash;
mod kawpow;
mod keccak;

use std::sync::OnceLock;

use otedama_core::{Algorithm, Digest, Work};

pub use ethash::{Dag, Node, cache_bytes, dataset_bytes, seed};
pub use keccak::{keccak256, keccak512};

use crate::error::Unsupported;
use crate::scan::NonceRange;

/// The digest of any bytes. Ethash and its relatives need the tables of an epoch, a [`Dag`]; here they take a hash and a
/// nonce, 40 bytes, or Bitcoin's header of 80 bytes, with the tables of test chains.
///
/// # Errors
/// [`Unsupported`] if the oracle does not know the algorithm, or not for such a header.
pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, Unsupported> {
    if algorithm == Algorithm::SHA256D {
        Ok(Digest::new(sha256d(bytes)))
    } else if algorithm == Algorithm::SCRYPT {
        Ok(Digest::new(scrypt(bytes)))
    } else if algorithm == Algorithm::BLAKE3_DECRED {
        Ok(Digest::new(blake3(bytes)))
    } else if algorithm == Algorithm::BLAKE3_ALEPHIUM {
        Ok(Digest::new(blake3(&blake3(bytes))))
    } else {
        of_test_chains(algorithm, bytes).map(Digest::new).ok_or(Unsupported(algorithm))
    }
}

/// Ethash and its relatives with the tables of test chains. What a header's hash is otherwise, SHA-256d of all but the
/// nonce is with Bitcoin's header. `KawPow` has the programme of the first period.
fn of_test_chains(algorithm: Algorithm, bytes: &[u8]) -> Option<[u8; 32]> {
    static ETHASH: OnceLock<Dag> = OnceLock::new();
    static KAWPOW: OnceLock<Dag> = OnceLock::new();
    let (header_hash, nonce) = if bytes.len() == 40 {
        let (hash, nonce) = bytes.split_first_chunk::<32>()?;
        (*hash, u64::from_le_bytes(nonce.try_into().ok()?))
    } else {
        let (head, nonce) = bytes.split_first_chunk::<76>()?;
        (sha256d(head), u64::from(u32::from_le_bytes(nonce.try_into().ok()?)))
    };
    if algorithm == Algorithm::KAWPOW {
        let dag = KAWPOW.get_or_init(|| Dag::of_test_chains(512));
        Some(dag.kawpow_hash(&header_hash, nonce, 0).1)
    } else if algorithm == Algorithm::ETHASH || algorithm == Algorithm::ETCHASH {
        let dag = ETHASH.get_or_init(|| Dag::of_test_chains(256));
        Some(dag.hashimoto(&header_hash, nonce).1)
    } else {
        None
    }
}

/// Every nonce of the range, in its order, with which the work accepts its header's digest.
///
/// # Errors
/// [`Unsupported`] if the oracle does not know the algorithm.
pub fn scan(work: &Work, range: NonceRange) -> Result<Vec<u64>, Unsupported> {
    let nonces = u128::from(work.algorithm.max_nonce()) + 1;
    let mut found = Vec::new();
    for offset in 0..u128::from(range.count).min(nonces) {
        let nonce = (u128::from(range.start) + offset) % nonces;
        let Ok(nonce) = u64::try_from(nonce) else { break };
        let header = work.header.with_nonce(work.algorithm, nonce);
        if work.accepts(&digest(work.algorithm, header.as_bytes())?) {
            found.push(nonce);
        }
    }
    Ok(found)
}

/// SHA-256 of SHA-256.
#[must_use]
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    sha256(&sha256(bytes))
}

/// scrypt with N = 1024, r = 1, p = 1 and 32 bytes of output; the bytes are password and salt (RFC 7914, section 6).
#[must_use]
pub fn scrypt(bytes: &[u8]) -> [u8; 32] {
    let mut block = [0; 128];
    pbkdf2(bytes, bytes, &mut block);
    let mixed = ro_mix(block, 1024);
    let mut out = [0; 32];
    pbkdf2(bytes, &mixed, &mut out);
    out
}

/// SHA-256 (FIPS 180-4, section 6.2).
#[must_use]
pub fn sha256(message: &[u8]) -> [u8; 32] {
    const K: [u32; 64] = root_fractions(3);
    const H: [u32; 8] = root_fractions(2);
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());

    let mut hash = H;
    for block in padded.chunks(64) {
        let mut w = Vec::new();
        for word in block.chunks(4) {
            w.push(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        for t in 16..64 {
            let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
            let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
            w.push(s1.wrapping_add(w[t - 7]).wrapping_add(s0).wrapping_add(w[t - 16]));
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = hash;
        for t in 0..64 {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let ch = (e & f) ^ (!e & g);
            let t1 = h.wrapping_add(s1).wrapping_add(ch).wrapping_add(K[t]).wrapping_add(w[t]);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let maj = (a & b) ^ (a & c) ^ (b & c);
            let t2 = s0.wrapping_add(maj);
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        }
        for (word, add) in hash.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.wrapping_add(add);
        }
    }

    let mut out = [0; 32];
    for (bytes, word) in out.chunks_mut(4).zip(hash) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// BLAKE3 without a key, 32 bytes of output (BLAKE3 paper, section 2).
#[must_use]
pub fn blake3(bytes: &[u8]) -> [u8; 32] {
    let root = blake3_subtree(bytes, 0, BLAKE3_ROOT);
    let mut out = [0; 32];
    for (bytes, word) in out.chunks_mut(4).zip(root) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out
}

const BLAKE3_CHUNK_START: u32 = 1;
const BLAKE3_CHUNK_END: u32 = 2;
const BLAKE3_PARENT: u32 = 4;
const BLAKE3_ROOT: u32 = 8;

/// The chaining value of a part of the input that begins with the chunk of this number (BLAKE3 paper, section 2.1).
fn blake3_subtree(bytes: &[u8], chunk: u64, root: u32) -> [u32; 8] {
    const IV: [u32; 8] = root_fractions(2);
    let mut value = IV;
    if bytes.len() <= 1024 {
        let blocks = bytes.len().div_ceil(64).max(1);
        for at in 0..blocks {
            let block = &bytes[64 * at..bytes.len().min(64 * at + 64)];
            let start = if at == 0 { BLAKE3_CHUNK_START } else { 0 };
            let end = if at == blocks - 1 { BLAKE3_CHUNK_END | root } else { 0 };
            value = blake3_compress(value, block, chunk, start | end);
        }
        return value;
    }
    // The left part has as many chunks as possible: a power of two of them, with something left for the right.
    let mut left = 1024;
    while 2 * left < bytes.len() {
        left *= 2;
    }
    let mut block = Vec::new();
    for word in blake3_subtree(&bytes[..left], chunk, 0) {
        block.extend(word.to_le_bytes());
    }
    for word in blake3_subtree(&bytes[left..], chunk + left as u64 / 1024, 0) {
        block.extend(word.to_le_bytes());
    }
    blake3_compress(IV, &block, 0, BLAKE3_PARENT | root)
}

/// The first half of the compression function's output (BLAKE3 paper, section 2.2).
#[expect(clippy::cast_possible_truncation, reason = "the halves of the counter, and at most 64 bytes")]
fn blake3_compress(value: [u32; 8], block: &[u8], counter: u64, flags: u32) -> [u32; 8] {
    const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    const IV: [u32; 4] = root_fractions(2);
    let mut m = [0u32; 16];
    for (at, byte) in block.iter().enumerate() {
        m[at / 4] |= u32::from(*byte) << (8 * (at % 4));
    }
    let mut v = [0; 16];
    v[..8].copy_from_slice(&value);
    v[8..12].copy_from_slice(&IV);
    v[12..].copy_from_slice(&[counter as u32, (counter >> 32) as u32, block.len() as u32, flags]);
    for _ in 0..7 {
        blake3_g(&mut v, [0, 4, 8, 12], m[0], m[1]);
        blake3_g(&mut v, [1, 5, 9, 13], m[2], m[3]);
        blake3_g(&mut v, [2, 6, 10, 14], m[4], m[5]);
        blake3_g(&mut v, [3, 7, 11, 15], m[6], m[7]);
        blake3_g(&mut v, [0, 5, 10, 15], m[8], m[9]);
        blake3_g(&mut v, [1, 6, 11, 12], m[10], m[11]);
        blake3_g(&mut v, [2, 7, 8, 13], m[12], m[13]);
        blake3_g(&mut v, [3, 4, 9, 14], m[14], m[15]);
        m = PERMUTATION.map(|from| m[from]);
    }
    let mut out = [0; 8];
    for (at, word) in out.iter_mut().enumerate() {
        *word = v[at] ^ v[at + 8];
    }
    out
}

fn blake3_g(v: &mut [u32; 16], [a, b, c, d]: [usize; 4], x: u32, y: u32) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(12);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
    v[d] = (v[d] ^ v[a]).rotate_right(8);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(7);
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = if key.len() > 64 { sha256(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let mut inner: Vec<u8> = block.iter().map(|byte| byte ^ 0x36).collect();
    inner.extend(message);
    let mut outer: Vec<u8> = block.iter().map(|byte| byte ^ 0x5c).collect();
    outer.extend(sha256(&inner));
    sha256(&outer)
}

/// PBKDF2-HMAC-SHA-256 with one iteration (RFC 8018, section 5.2).
fn pbkdf2(password: &[u8], salt: &[u8], out: &mut [u8]) {
    for (part, index) in out.chunks_mut(32).zip(1u32..) {
        let message = [salt, &index.to_be_bytes()].concat();
        part.copy_from_slice(&hmac(password, &message)[..part.len()]);
    }
}

/// scryptROMix with r = 1 (RFC 7914, section 5).
pub(crate) fn ro_mix(block: [u8; 128], n: usize) -> [u8; 128] {
    let mut x = block;
    let mut v = Vec::new();
    for _ in 0..n {
        v.push(x);
        x = block_mix(x);
    }
    for _ in 0..n {
        let integerify = u32::from_le_bytes([x[64], x[65], x[66], x[67]]);
        let j = integerify as usize % n;
        for (byte, other) in x.iter_mut().zip(v[j]) {
            *byte ^= other;
        }
        x = block_mix(x);
    }
    x
}

/// scryptBlockMix with r = 1 (RFC 7914, section 4).
fn block_mix(block: [u8; 128]) -> [u8; 128] {
    let (first, second) = block.split_at(64);
    let y0 = salsa20_8(&xor(second, first));
    let y1 = salsa20_8(&xor(&y0, second));
    let mut out = [0; 128];
    out[..64].copy_from_slice(&y0);
    out[64..].copy_from_slice(&y1);
    out
}

fn xor(one: &[u8], two: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    for (byte, (one, two)) in out.iter_mut().zip(one.iter().zip(two)) {
        *byte = one ^ two;
    }
    out
}

/// Salsa20/8 Core (RFC 7914, section 3).
fn salsa20_8(input: &[u8; 64]) -> [u8; 64] {
    const COLUMNS: [[usize; 4]; 4] = [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]];
    const ROWS: [[usize; 4]; 4] = [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]];
    let mut words = [0u32; 16];
    for (word, bytes) in words.iter_mut().zip(input.chunks(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let mut x = words;
    for _ in 0..4 {
        for [a, b, c, d] in COLUMNS.into_iter().chain(ROWS) {
            x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
            x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
            x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
            x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
        }
    }
    let mut out = [0; 64];
    for (bytes, (word, mixed)) in out.chunks_mut(4).zip(words.iter().zip(x)) {
        bytes.copy_from_slice(&word.wrapping_add(mixed).to_le_bytes());
    }
    out
}

/// The first 32 bits of the fractions of the `degree`-th roots of the first `COUNT` primes (FIPS 180-4, 4.2.2, 5.3.3).
const fn root_fractions<const COUNT: usize>(degree: u32) -> [u32; COUNT] {
    let mut out = [0; COUNT];
    let mut at = 0;
    let mut number = 2;
    while at < COUNT {
        if is_prime(number) {
            out[at] = root_fraction(number, degree);
            at += 1;
        }
        number += 1;
    }
    out
}

const fn is_prime(number: u128) -> bool {
    let mut divisor = 2;
    while divisor < number {
        if number.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    true
}

/// `floor(root * 2^32)` without its whole part, found bit by bit; the number is below 2^10.
#[expect(clippy::cast_possible_truncation, reason = "drops the whole part of the root")]
const fn root_fraction(number: u128, degree: u32) -> u32 {
    let scaled = number << (32 * degree);
    let mut root: u128 = 0;
    let mut bit = 37;
    while bit > 0 {
        bit -= 1;
        let candidate = root | 1 << bit;
        if candidate.pow(degree) <= scaled {
            root = candidate;
        }
    }
    root as u32
}
