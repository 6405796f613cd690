//! The implementations that ours are measured against: `RustCrypto`'s, used as anybody would.

use otedama_core::Algorithm;
use sha2::{Digest, Sha256};

/// Another implementation of an algorithm.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// What it computes.
    pub algorithm: Algorithm,
    /// What it is called in results.
    pub name: &'static str,
    /// The digest of a header, in the order in which the function writes it.
    pub hash: fn(&[u8]) -> [u8; 32],
}

/// SHA256d.
pub const SHA256D: Baseline =
    Baseline { algorithm: Algorithm::SHA256D, name: "RustCrypto sha2, twice over 80 bytes", hash: sha256d };
/// scrypt(1024, 1, 1).
pub const SCRYPT: Baseline =
    Baseline { algorithm: Algorithm::SCRYPT, name: "RustCrypto scrypt", hash: scrypt };

/// SHA-256 twice over a header.
fn sha256d(header: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(header)).into()
}

/// scrypt(1024, 1, 1) with the header as password and as salt.
#[expect(clippy::unwrap_used, reason = "constants that are known to be valid")]
fn scrypt(header: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    let parameters = scrypt::Params::new(10, 1, 1).unwrap();
    scrypt::scrypt(header, header, &parameters, &mut digest).unwrap();
    digest
}
