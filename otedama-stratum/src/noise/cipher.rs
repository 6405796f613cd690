//! ChaCha20-Poly1305 (RFC 8439) with a counter for a nonce.

use bytes::BytesMut;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::error::NoiseError;

/// Bytes that sealing adds to a message.
pub(super) const TAG: usize = 16;

/// A key and the number of its next message. Each direction has its own.
#[derive(Debug)]
pub(super) struct Cipher {
    key: LessSafeKey,
    next: u64,
}

impl Cipher {
    pub(super) fn new(key: &[u8; 32]) -> Result<Self, NoiseError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| NoiseError::Exhausted)?;
        Ok(Self { key: LessSafeKey::new(key), next: 0 })
    }

    /// Appends a message, sealed. `data` is what is authenticated with it but not sent.
    pub(super) fn append(
        &mut self,
        data: &[u8],
        message: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), NoiseError> {
        let nonce = self.nonce()?;
        let start = out.len();
        out.extend_from_slice(message);
        let place = out.get_mut(start..).unwrap_or_default();
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(data), place);
        out.extend_from_slice(tag.map_err(|_| NoiseError::Exhausted)?.as_ref());
        Ok(())
    }

    /// Opens the sealed message that begins at `from` and ends with the slice; the plain bytes are moved to the
    /// beginning of the slice.
    pub(super) fn open(&mut self, data: &[u8], place: &mut [u8], from: usize) -> Result<(), NoiseError> {
        let nonce = self.nonce()?;
        let opened = self.key.open_within(nonce, Aad::from(data), place, from..);
        opened.map(drop).map_err(|_| NoiseError::Forged)
    }

    /// Four zero bytes and the counter, little-endian. No number is used twice.
    fn nonce(&mut self) -> Result<Nonce, NoiseError> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or(NoiseError::Exhausted)?;
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        Ok(Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_ends_before_it_wraps() {
        let mut cipher = Cipher::new(&[1; 32]).unwrap();
        cipher.next = u64::MAX - 1;
        let mut out = BytesMut::new();
        assert_eq!(cipher.append(&[], b"last", &mut out), Ok(()));
        assert_eq!(cipher.append(&[], b"one more", &mut out), Err(NoiseError::Exhausted));
        assert_eq!(out.len(), 4 + TAG);
        assert_eq!(cipher.open(&[], &mut out, 0), Err(NoiseError::Exhausted));
    }

    #[test]
    fn a_message_opens_once_and_in_its_place() {
        let (mut ours, mut theirs) = (Cipher::new(&[1; 32]).unwrap(), Cipher::new(&[1; 32]).unwrap());
        let mut out = BytesMut::from(&b"gap"[..]);
        ours.append(b"data", b"message", &mut out).unwrap();
        let sealed = out.clone();
        assert_eq!(theirs.open(b"data", &mut out, 3), Ok(()));
        assert_eq!(out.get(..7), Some(&b"message"[..]));
        assert_eq!(theirs.open(b"data", &mut sealed.clone(), 3), Err(NoiseError::Forged), "another number");
        let mut others = Cipher::new(&[1; 32]).unwrap();
        assert_eq!(others.open(b"dato", &mut sealed.clone(), 3), Err(NoiseError::Forged), "other data");
    }
}
