//! PBKDF2-HMAC-SHA256 with one iteration (RFC 8018), as scrypt uses it before and behind the mixing.

use sha2::{Digest as _, Sha256};

use super::Block;

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
