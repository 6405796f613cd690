//! Published headers and their digests, against the oracle, the verifier, the kernels and RustCrypto.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![cfg(not(miri))]

use otedama_core::{Algorithm, Header, Target, Work, hex};
use otedama_hash::{Kernel, NonceRange, Stop, hash, oracle};
use serde_json::Value;

fn file(algorithm: Algorithm) -> Value {
    let text = if algorithm == Algorithm::SHA256D {
        include_str!("../vectors/sha256d.json")
    } else {
        include_str!("../vectors/scrypt.json")
    };
    serde_json::from_str(text).unwrap()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn check(algorithm: Algorithm, expected_count: usize) {
    let file = file(algorithm);
    assert_eq!(text(&file, "algorithm"), algorithm.name());
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), expected_count);
    for vector in vectors {
        let name = text(vector, "name");
        assert!(!text(vector, "source").is_empty(), "{name}");
        let header = hex::decode(text(vector, "header_hex").as_bytes()).unwrap();
        let digest = text(vector, "pow_hash_hex");
        assert_eq!(oracle::digest(algorithm, &header).unwrap().to_string(), digest, "{name}");
        assert_eq!(hash(algorithm, &header).unwrap().to_string(), digest, "{name}");

        let target = vector.get("target_hex_be").or(vector.get("share_target_hex_be")).unwrap();
        let target = Target::from_hex_be(target.as_str().unwrap()).unwrap();
        let nonce = vector["nonce"].as_u64().unwrap();
        let work = Work::new(algorithm, Header::new(&header).unwrap(), target);
        assert_eq!(work.header.nonce(algorithm), nonce, "{name}");
        for kernel in Kernel::available(algorithm) {
            let range = NonceRange::new(nonce.wrapping_sub(5), 11);
            let mut found = Vec::new();
            kernel.scanner().scan(&work, range, &Stop::new(), &mut found).unwrap();
            let nonces: Vec<_> = found.iter().map(|solution| solution.nonce).collect();
            assert_eq!(nonces, [nonce], "{kernel} {name}");
        }
    }
}

#[test]
fn sha256d_of_real_headers() {
    check(Algorithm::SHA256D, 13);
}

#[test]
fn scrypt_of_real_headers() {
    check(Algorithm::SCRYPT, 20);
}

/// The oracle's parts against published values: FIPS 180-4 examples, and an independent scrypt for lengths that no
/// header has.
#[test]
fn the_oracle_is_what_others_compute() {
    for (message, digest) in [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ] {
        assert_eq!(hex::encode(&oracle::sha256(message.as_bytes())), digest);
    }
    let params = scrypt::Params::new(10, 1, 1).unwrap();
    for len in [0, 1, 31, 55, 56, 63, 64, 65, 80, 127, 128, 192] {
        let bytes: Vec<u8> = (0..len).collect();
        let mut expected = [0; 32];
        scrypt::scrypt(&bytes, &bytes, &params, &mut expected).unwrap();
        assert_eq!(oracle::scrypt(&bytes), expected, "{len}");
        assert_eq!(oracle::sha256d(&bytes), *otedama_core::Hash256::sha256d(&bytes).as_internal(), "{len}");
    }
}
