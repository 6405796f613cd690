//! SHA-256 applied twice, and the 32-byte ids that it makes.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::hex::{self, HexError};

/// A 32-byte id (block hash, transaction id, merkle node) in internal order: the order in which SHA-256 wrote it
/// and in which it stands in headers. Node RPCs and explorers show it reversed, and so does `Display`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash256([u8; 32]);

impl Hash256 {
    /// All zeros: the previous block of a first block.
    pub const ZERO: Self = Self([0; 32]);

    /// From bytes in internal order.
    #[must_use]
    pub const fn from_internal(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes in internal order.
    #[must_use]
    pub const fn as_internal(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 64 strict hex digits in the reversed order of node RPCs.
    ///
    /// # Errors
    /// [`HexError`] if the text is anything else.
    pub fn from_rpc_hex(text: &str) -> Result<Self, HexError> {
        let mut bytes = hex::decode_array::<32>(text.as_bytes())?;
        bytes.reverse();
        Ok(Self(bytes))
    }

    /// SHA-256 of SHA-256 of `data`.
    #[must_use]
    pub fn sha256d(data: &[u8]) -> Self {
        Self(Sha256::digest(Sha256::digest(data)).into())
    }

    /// SHA-256 of SHA-256 of the concatenation of `parts`.
    #[must_use]
    pub fn sha256d_of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(Sha256::digest(hasher.finalize()).into())
    }
}

impl fmt::Display for Hash256 {
    /// 64 lower-case hex digits in the reversed order of node RPCs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash256({self})")
    }
}
