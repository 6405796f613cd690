//! PBKDF2-HMAC-SHA256 with one iteration (RFC 8018), as scrypt uses it before and behind the mixing: for one password
//! of any length, and for many headers at once that differ in their nonces.

use sha2::{Digest as _, Sha256};

use super::{Block, MOST_LANES};
use crate::sha256d::constants::INITIAL;

/// HMAC-SHA256 with the password already taken in.
pub(super) struct Password {
    inner: Sha256,
    outer: Sha256,
}

impl Password {
    /// A password of any length.
    pub(super) fn new(password: &[u8]) -> Self {
        let mut key = [0; 64];
        if let Some(short) = key.get_mut(..password.len()) {
            short.copy_from_slice(password);
        } else {
            key[..32].copy_from_slice(&Sha256::digest(password));
        }
        let keyed = |pad: u8| Sha256::new().chain_update(key.map(|byte| byte ^ pad));
        Self { inner: keyed(0x36), outer: keyed(0x5c) }
    }

    /// The 128 bytes to mix, derived with this salt.
    pub(super) fn expand(&self, salt: &[u8]) -> Block {
        let salted = self.inner.clone().chain_update(salt);
        let mut out = [0; 32];
        for (words, index) in out.chunks_exact_mut(8).zip(1u32..) {
            let bytes = self.block(salted.clone(), index);
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
        }
        out
    }

    /// The 32 bytes of the result, derived with the mixed block as salt.
    pub(super) fn reduce(&self, mixed: &Block) -> [u8; 32] {
        let mut salt = [0; 128];
        for (bytes, word) in salt.chunks_exact_mut(4).zip(mixed) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        self.block(self.inner.clone().chain_update(salt), 1)
    }

    fn block(&self, salted: Sha256, index: u32) -> [u8; 32] {
        let inner = salted.chain_update(index.to_be_bytes()).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

/// The state of SHA-256, and the sixteen words of the block that it takes in.
pub(super) type State = [u32; 8];
pub(super) type Words = [u32; 16];

/// Takes one block into each state: as many blocks as states, all independent of each other.
pub(super) type Compress = fn(&mut [State], &[Words]);

/// The bit that ends a message, as the first bit of a word.
const PAD: u32 = 0x8000_0000;

/// 80-byte headers that differ in their nonces alone, each as password and as salt.
pub(super) struct Headers {
    /// The first 64 bytes, which all have in common.
    start: Words,
    /// The state after them.
    midstate: State,
    /// The three words between them and the nonce.
    tail: [u32; 3],
    compress: Compress,
}

/// The HMAC keys of some headers: the states after the padded key, one pair for each header.
pub(super) struct Keys {
    inner: [State; MOST_LANES],
    outer: [State; MOST_LANES],
}

impl Headers {
    /// Headers like this one; `compress` does the hashing.
    pub(super) fn new(header: &[u8; 80], compress: Compress) -> Self {
        let mut words = [0; 20];
        for (word, bytes) in words.iter_mut().zip(header.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let (mut start, mut midstate) = ([0; 16], [INITIAL]);
        start.copy_from_slice(&words[..16]);
        compress(&mut midstate, &[start]);
        Self { start, midstate: midstate[0], tail: [words[16], words[17], words[18]], compress }
    }

    /// The blocks to mix for the nonces from `first` on, at most [`MOST_LANES`], and the keys to reduce them with.
    pub(super) fn expand(&self, first: u32, blocks: &mut [Block]) -> Keys {
        let lanes = blocks.len();
        let mut nonces = [0; MOST_LANES];
        for (word, nonce) in nonces.iter_mut().zip(0..) {
            *word = first.wrapping_add(nonce).swap_bytes();
        }
        let tails = nonces.map(|nonce| self.last_words(nonce, [PAD, 0], 640));

        let mut passwords = [self.midstate; MOST_LANES];
        (self.compress)(&mut passwords[..lanes], &tails[..lanes]);
        let mut keys = Keys { inner: [INITIAL; MOST_LANES], outer: [INITIAL; MOST_LANES] };
        let padded = |pad: u32| passwords.map(|key| joined(key, [0; 8]).map(|word| word ^ pad));
        (self.compress)(&mut keys.inner[..lanes], &padded(0x3636_3636)[..lanes]);
        (self.compress)(&mut keys.outer[..lanes], &padded(0x5c5c_5c5c)[..lanes]);

        let mut salted = keys.inner;
        (self.compress)(&mut salted[..lanes], &[self.start; MOST_LANES][..lanes]);
        for (part, index) in (0..4).zip(1..) {
            let mut states = salted;
            let ends = nonces.map(|nonce| self.last_words(nonce, [index, PAD], (64 + 84) * 8));
            (self.compress)(&mut states[..lanes], &ends[..lanes]);
            self.finish(&keys, &mut states[..lanes]);
            for (block, state) in blocks.iter_mut().zip(states) {
                block[8 * part..8 * part + 8].copy_from_slice(&state.map(u32::swap_bytes));
            }
        }
        keys
    }

    /// The digests, one for each mixed block.
    pub(super) fn reduce(&self, keys: &Keys, mixed: &[Block], digests: &mut [[u8; 32]]) {
        let lanes = mixed.len().min(MOST_LANES);
        let mut states = keys.inner;
        let states = &mut states[..lanes];
        for half in 0..2 {
            let mut words = [[0; 16]; MOST_LANES];
            for (words, block) in words.iter_mut().zip(mixed) {
                words.copy_from_slice(&block[16 * half..16 * half + 16]);
                *words = words.map(u32::swap_bytes);
            }
            (self.compress)(states, &words[..lanes]);
        }
        let last = [1, PAD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (64 + 128 + 4) * 8];
        (self.compress)(states, &[last; MOST_LANES][..lanes]);
        self.finish(keys, states);
        for (digest, state) in digests.iter_mut().zip(states) {
            for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
                *bytes = word.to_be_bytes();
            }
        }
    }

    /// The last block of a message that ends with a header, two words more and its length in bits.
    const fn last_words(&self, nonce: u32, [one, two]: [u32; 2], bits: u32) -> Words {
        let [w0, w1, w2] = self.tail;
        [w0, w1, w2, nonce, one, two, 0, 0, 0, 0, 0, 0, 0, 0, 0, bits]
    }

    /// The outer hashes of inner ones.
    fn finish(&self, keys: &Keys, inner: &mut [State]) {
        let mut words = [[0; 16]; MOST_LANES];
        for (words, state) in words.iter_mut().zip(&*inner) {
            *words = joined(*state, [PAD, 0, 0, 0, 0, 0, 0, (64 + 32) * 8]);
        }
        inner.copy_from_slice(&keys.outer[..inner.len()]);
        (self.compress)(inner, &words[..inner.len()]);
    }
}

const fn joined([a, b, c, d, e, f, g, h]: [u32; 8], [i, j, k, l, m, n, o, p]: [u32; 8]) -> Words {
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
