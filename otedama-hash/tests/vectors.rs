//! Published headers and their digests, against the oracle, the verifier, the kernels and RustCrypto.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![cfg(not(miri))]

use otedama_core::{Algorithm, ChainIndex, Digest, Header, Target, Work, hex};
use otedama_hash::{Kernel, NonceRange, Stop, blake3, hash, oracle};
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

/// What is the same about every vector of BLAKE3: its digest, and that it has a source.
fn blake3_vectors(prefixes: &[&str], expected_count: usize) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/blake3.json")).unwrap();
    let of = |vector: &&Value| prefixes.iter().any(|prefix| text(vector, "name").starts_with(prefix));
    let vectors: Vec<_> = file["vectors"].as_array().unwrap().iter().filter(of).cloned().collect();
    assert_eq!(vectors.len(), expected_count);
    assert!(vectors.iter().all(|vector| !text(vector, "source").is_empty()));
    vectors
}

/// Every kernel finds the nonce that stands in the header, in a range around it, and nothing else there.
fn check_scan(work: &Work, name: &str) {
    let nonce = work.header.nonce(work.algorithm);
    for kernel in Kernel::available(work.algorithm) {
        let mut found = Vec::new();
        let range = NonceRange::new(nonce.wrapping_sub(20), 41);
        kernel.scanner().scan(work, range, &Stop::new(), &mut found).unwrap();
        let nonces: Vec<_> = found.iter().map(|solution| solution.nonce).collect();
        assert_eq!(nonces, [nonce], "{kernel} {name}");
    }
}

#[test]
fn blake3_of_any_bytes() {
    for vector in blake3_vectors(&["official-"], 7) {
        let len = vector["input_len"].as_u64().unwrap();
        let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let digest = text(&vector, "pow_hash_hex");
        assert_eq!(hex::encode(&oracle::blake3(&bytes)), digest, "{len}");
        assert_eq!(hex::encode(&blake3(&bytes)), digest, "{len}");
    }
    // Trees of every shape up to nine chunks.
    for len in (0..9 * 1024 + 2).step_by(509).chain([1024, 1025, 3 * 1024, 4 * 1024, 4 * 1024 + 1]) {
        let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 249).unwrap()).collect();
        assert_eq!(blake3(&bytes), oracle::blake3(&bytes), "{len}");
    }
}

/// Real headers, none of which was mined with BLAKE3: so each is scanned for the digest that it has.
#[test]
fn blake3_of_decred_headers() {
    for vector in blake3_vectors(&["decred-", "dcrd-"], 5) {
        let name = text(&vector, "name");
        let bytes = hex::decode(text(&vector, "header_hex").as_bytes()).unwrap();
        let digest = text(&vector, "pow_hash_hex");
        assert_eq!(oracle::digest(Algorithm::BLAKE3_DECRED, &bytes).unwrap().to_string(), digest, "{name}");
        let found = hash(Algorithm::BLAKE3_DECRED, &bytes).unwrap();
        assert_eq!(found.to_string(), digest, "{name}");
        let header = Header::new(&bytes).unwrap();
        if let Some(nonce) = vector["nonce"].as_u64() {
            assert_eq!(header.nonce(Algorithm::BLAKE3_DECRED), nonce, "{name}");
        }
        // As the network shows it, the digest is a number with its top first.
        if let Some(shown) = vector["pow_hash_hex_display"].as_str() {
            assert_eq!(Algorithm::BLAKE3_DECRED.reached(&found).to_string(), shown, "{name}");
        }
        let target = vector["share_target_hex_be"].as_str().map(|text| Target::from_hex_be(text).unwrap());
        let reached = Algorithm::BLAKE3_DECRED.reached(&found);
        assert!(target.is_none_or(|target| target >= reached), "{name}");
        check_exact(Algorithm::BLAKE3_DECRED, header, found, name);
        let Some(target) = target else { continue };
        check_scan(&Work::new(Algorithm::BLAKE3_DECRED, header, target), name);
        lowest(&Work::new(Algorithm::BLAKE3_DECRED, header, target), name);
    }
}

#[test]
fn blake3_of_alephium_headers() {
    for vector in blake3_vectors(&["alephium-"], 8) {
        let name = text(&vector, "name");
        let bytes = hex::decode(text(&vector, "input_hex").as_bytes()).unwrap();
        let digest = text(&vector, "pow_hash_hex");
        assert_eq!(hex::encode(&blake3(&bytes)), text(&vector, "blake3_once"), "{name}");
        assert_eq!(oracle::digest(Algorithm::BLAKE3_ALEPHIUM, &bytes).unwrap().to_string(), digest, "{name}");
        let found = hash(Algorithm::BLAKE3_ALEPHIUM, &bytes).unwrap();
        assert_eq!(found.to_string(), digest, "{name}");

        let number = |key: &str| u8::try_from(vector[key].as_u64().unwrap()).unwrap();
        let groups = number("groups");
        let chain = ChainIndex::new(number("from_group"), number("to_group"), groups).unwrap();
        assert!(chain.is_named_by(&found), "{name}");
        let index = number("chain_index_big");
        assert_eq!(ChainIndex::new(index / groups, index % groups, groups), Some(chain), "{name}");
        let header = Header::new(&bytes).unwrap();
        check_exact(Algorithm::BLAKE3_ALEPHIUM, header, found, name);
        let Some(nonce) = vector["nonce_int"].as_u64() else { continue };
        assert_eq!(header.nonce(Algorithm::BLAKE3_ALEPHIUM), nonce, "{name}");
        let target = Target::from_hex_be(&format!("00{}", "f".repeat(62))).unwrap();
        let job = ChainIndex::new(number("job_from_group"), number("job_to_group"), groups).unwrap();
        let work = Work::new(Algorithm::BLAKE3_ALEPHIUM, header, target).with_chain(job);
        check_scan(&work, name);
        lowest(&work, name);
    }
}

/// Found for the target that the digest just meets.
fn check_exact(algorithm: Algorithm, header: Header, digest: Digest, name: &str) {
    let reached = algorithm.reached(&digest);
    let nonce = header.nonce(algorithm);
    for kernel in Kernel::available(algorithm) {
        let mut found = Vec::new();
        let work = Work::new(algorithm, header, reached);
        kernel.scanner().scan(&work, NonceRange::new(nonce, 17), &Stop::new(), &mut found).unwrap();
        assert_eq!(found.first().map(|solution| solution.nonce), Some(nonce), "{kernel} {name}");
    }
}

/// The nonce in the header is the lowest that there is.
fn lowest(work: &Work, name: &str) {
    let nonce = work.header.nonce(work.algorithm);
    for kernel in Kernel::available(work.algorithm) {
        let mut found = Vec::new();
        kernel.scanner().scan(work, NonceRange::new(0, 20_000), &Stop::new(), &mut found).unwrap();
        assert_eq!(found.first().map(|solution| solution.nonce), Some(nonce), "{kernel} {name}");
    }
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
