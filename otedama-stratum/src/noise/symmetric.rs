//! What both sides of a handshake keep in step: chaining key, transcript hash and the key of the moment.

use bytes::BytesMut;
use ring::{digest, hmac};
use secp256k1::SecretKey;
use secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::error::NoiseError;

const NAME: &[u8] = b"Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256";

/// `SymmetricState` of the Noise specification, revision 34, chapter 5.2.
#[derive(Debug)]
pub(super) struct Symmetric {
    chaining_key: Zeroizing<[u8; 32]>,
    hash: [u8; 32],
    cipher: Option<Cipher>,
}

impl Symmetric {
    /// The state before the first message: the protocol's name and an empty prologue.
    pub(super) fn new() -> Self {
        let name = sha256(&[NAME]);
        Self { chaining_key: Zeroizing::new(name), hash: sha256(&[&name]), cipher: None }
    }

    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.hash = sha256(&[&self.hash, data]);
    }

    /// Mixes the shared secret of two keys in, as BIP 324 computes it: `initiator` and `responder` are the public keys
    /// by who sent them, `own` is the secret of the `party` that computes.
    pub(super) fn mix_shared(
        &mut self,
        initiator: ElligatorSwift,
        responder: ElligatorSwift,
        own: SecretKey,
        party: ElligatorSwiftParty,
    ) -> Result<(), NoiseError> {
        let shared = ElligatorSwift::shared_secret(initiator, responder, own, party, None);
        let shared = Zeroizing::new(shared.to_secret_bytes());
        let (chaining_key, key) = expand(&self.chaining_key, &*shared);
        self.chaining_key = chaining_key;
        self.cipher = Some(Cipher::new(&key)?);
        Ok(())
    }

    /// Appends a message that is sealed with the key of the moment.
    pub(super) fn append(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), NoiseError> {
        let cipher = self.cipher.as_mut().ok_or(NoiseError::Exhausted)?;
        let start = out.len();
        cipher.append(&self.hash, message, out)?;
        self.mix_hash(out.get(start..).unwrap_or_default());
        Ok(())
    }

    /// Opens a message in place; its tag, at the end, stays.
    pub(super) fn open(&mut self, message: &mut [u8]) -> Result<(), NoiseError> {
        let cipher = self.cipher.as_mut().ok_or(NoiseError::Forged)?;
        let hash = sha256(&[&self.hash, message]);
        cipher.open(&self.hash, message, 0)?;
        self.hash = hash;
        Ok(())
    }

    /// The keys for the time after the handshake: from initiator to responder, and back.
    pub(super) fn split(&self) -> Result<(Cipher, Cipher), NoiseError> {
        let (there, back) = expand(&self.chaining_key, &[]);
        Ok((Cipher::new(&there)?, Cipher::new(&back)?))
    }
}

/// HKDF of the Noise specification with two outputs, over HMAC-SHA256.
fn expand(chaining_key: &[u8; 32], input: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let key = hmac_sha256(chaining_key, &[input]);
    let first = hmac_sha256(&key, &[&[1]]);
    let second = hmac_sha256(&key, &[&*first, &[2]]);
    (first, second)
}

fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    Zeroizing::new(array(context.sign().as_ref()))
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    array(context.finish().as_ref())
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; 32] {
        otedama_core::hex::decode_array(hex.as_bytes()).unwrap()
    }

    /// The constant of the reference implementation, `noise_sv2` 2.0.0.
    #[test]
    fn the_first_chaining_key_is_the_hash_of_the_name() {
        let name = bytes("2eb47881208e9eee1f669f67c66ee70ea9ea88090d503fe830dc4bc83e29bf10");
        let state = Symmetric::new();
        assert_eq!((*state.chaining_key, state.hash), (name, sha256(&[&name])));
    }

    /// RFC 5869, test case 1: the first block of its output is an HMAC with a key of 32 bytes.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let key = bytes("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let info = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9];
        let first = bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
        assert_eq!(*hmac_sha256(&key, &[&info, &[1]]), first);
    }

    #[test]
    fn nothing_is_opened_without_a_key() {
        assert_eq!(Symmetric::new().open(&mut [0; 16]), Err(NoiseError::Forged));
    }
}
