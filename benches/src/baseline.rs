//! The implementations that ours are measured against: `RustCrypto`'s and BLAKE3's own, used as anybody would.

use otedama_core::{Algorithm, Header};
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

/// BLAKE3 of Decred's header.
pub const BLAKE3_DECRED: Baseline = Baseline {
    algorithm: Algorithm::BLAKE3_DECRED,
    name: "blake3 crate on 180 bytes",
    hash: |header| blake3::hash(header).into(),
};
/// BLAKE3 twice over Alephium's header.
pub const BLAKE3_ALEPHIUM: Baseline = Baseline {
    algorithm: Algorithm::BLAKE3_ALEPHIUM,
    name: "blake3 crate, twice over 326 bytes",
    hash: |header| blake3::hash(blake3::hash(header).as_bytes()).into(),
};
/// All of them.
pub const ALL: [Baseline; 4] = [SHA256D, SCRYPT, BLAKE3_DECRED, BLAKE3_ALEPHIUM];

/// A header of the algorithm's usual length; bytes that differ from each other.
#[must_use]
pub fn header(algorithm: Algorithm) -> Header {
    let bytes: [u8; Header::MAX] = std::array::from_fn(|index| u8::try_from(index % 256).unwrap_or(0));
    let len = algorithm.spec().header_len.min(Header::MAX);
    Header::new(&bytes[..len]).unwrap_or(Header::from([0; 80]))
}

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
