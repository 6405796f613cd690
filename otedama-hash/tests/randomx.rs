//! RandomX against published vectors: single digests, scans, the verifier of a pool, and the large tables.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(feature = "randomx")]

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use otedama_core::{Algorithm, Generation, Header, Seed, Solution, Target, Work, hex};
use otedama_hash::randomx::{Blank, Cache, Dataset, Pages, RandomXError, Scanner, Tables, Verifier};
use otedama_hash::{HashError, NonceRange, Scan, ScanError, Stop};
use serde_json::Value;

/// What one published vector says.
struct Vector {
    name: String,
    key: Vec<u8>,
    blob: Vec<u8>,
    digest: String,
    nonce: Option<u64>,
    real: bool,
}

/// The vectors of rx/0, by key: each key costs half a second.
fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("../vectors/randomx.json")).unwrap();
    let text = |vector: &Value, key: &str| vector[key].as_str().unwrap().to_owned();
    let bytes = |vector: &Value, key: &str| hex::decode(text(vector, key).as_bytes()).unwrap();
    let all = file["vectors"].as_array().unwrap();
    assert!(all.iter().all(|vector| !text(vector, "source").is_empty()));
    let first = all.iter().filter(|vector| text(vector, "variant") == "rx/0 (v1)");
    let mut vectors: Vec<_> = first
        .map(|vector| Vector {
            name: text(vector, "name"),
            key: bytes(vector, "seed_hash"),
            blob: bytes(vector, "hashing_blob"),
            digest: text(vector, "pow_hash_hex"),
            nonce: vector["nonce"].as_u64(),
            real: vector["real_block"].as_bool().unwrap(),
        })
        .collect();
    assert_eq!(vectors.len(), 30);
    vectors.sort_by(|one, other| one.key.cmp(&other.key));
    vectors
}

fn light(key: &[u8]) -> Tables {
    Tables::Light(Arc::new(Pages::best(|pages| Cache::new(key, pages)).unwrap()))
}

/// The key of Monero's block 3454976.
fn seed() -> Seed {
    let text = "11186f5a8473d8dc7a0d3a0bf25834a07b1dffe8741d53cd543a8708c2e8b2a9";
    Seed(hex::decode_array(text.as_bytes()).unwrap())
}

fn scanner(tables: &Tables) -> Scanner {
    let tables = tables.clone();
    let mut scanner = Scanner::new(Arc::new(move |wanted: &Seed| {
        if *wanted == seed() { Ok(tables.clone()) } else { Err(RandomXError::NotPrepared(*wanted).into()) }
    }));
    scanner.prepare(&seed()).unwrap();
    scanner
}

fn work(blob: &[u8], target: Target) -> Work {
    let work = Work::new(Algorithm::RANDOMX, Header::new(blob).unwrap(), target);
    work.with_generation(Generation(7)).with_seed(seed())
}

/// A digest of one nonce after the other equals that of the whole library call, on whatever range and target.
fn equals_the_library(tables: &Tables) {
    let mut scanner = scanner(tables);
    let mut machine = tables.machine().unwrap();
    let half = Target::from_hex_be(&format!("7f{}", "f".repeat(62))).unwrap();
    let wide = 1 << 32;
    for (target, start, count) in [
        (half, 0, 9),
        (half, wide - 3, 6),
        (half, wide + 5, 2),
        (Target::MAX, 7, 0),
        (Target::MAX, 7, 1),
        (Target::MAX, 7, 3),
        (Target::ZERO, u64::MAX, 4),
    ] {
        let work = work(&[0x5a; 76], target);
        let mut found = vec![Solution::new(Generation(1), 1)];
        let scanned = scanner.scan(&work, NonceRange::new(start, count), &Stop::new(), &mut found).unwrap();
        assert_eq!(scanned.hashes, count);
        assert_eq!(found.remove(0), Solution::new(Generation(1), 1), "what was there before stays");
        let nonces = (0..count).map(|index| start.wrapping_add(index) % wide);
        let meets = |nonce: &u64| {
            let header = work.header.with_nonce(Algorithm::RANDOMX, *nonce);
            Algorithm::RANDOMX.meets(&machine.hash(header.as_bytes()), target)
        };
        let expected: Vec<_> =
            nonces.filter(meets).map(|nonce| Solution::new(Generation(7), nonce)).collect();
        assert_eq!(found, expected, "{start} {count} {target}");
    }
}

/// Every vector of this key on these tables, and its nonce found in a scan.
fn check(tables: &Tables, key: &[u8]) -> usize {
    let mut machine = tables.machine().unwrap();
    let mut scanner = (key == seed().0).then(|| scanner(tables));
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| vector.key == key) {
        let digest = machine.hash(&vector.blob);
        assert_eq!(digest.to_string(), vector.digest, "{}", vector.name);
        count += 1;
        let nonce = vector.nonce.filter(|_| vector.real);
        let Some((scanner, nonce)) = scanner.as_mut().zip(nonce) else { continue };
        let work = work(&vector.blob, Algorithm::RANDOMX.reached(&digest));
        let mut found = Vec::new();
        scanner.scan(&work, NonceRange::new(nonce - 1, 2), &Stop::new(), &mut found).unwrap();
        assert_eq!(found, [Solution::new(Generation(7), nonce)], "{}", vector.name);
    }
    count
}

#[test]
fn light_tables_give_the_published_digests() {
    let mut keys: Vec<_> = vectors().into_iter().map(|vector| vector.key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 6);
    let checked: usize = keys.iter().map(|key| check(&light(key), key)).sum();
    assert_eq!(checked, vectors().len());
}

#[test]
fn this_machine_passes_the_self_test() {
    assert_eq!(otedama_hash::randomx::self_test(), Ok(()));
}

#[test]
fn a_scan_with_light_tables_equals_the_library() {
    equals_the_library(&light(&seed().0));
}

#[test]
fn a_scanner_refuses_what_is_not_for_it() {
    let tables = light(&seed().0);
    let mut scanner = scanner(&tables);
    let mut scan = |work: &Work| {
        scanner.scan(work, NonceRange::new(0, 1), &Stop::new(), &mut Vec::new()).map(|scanned| scanned.hashes)
    };
    let good = work(&[1; 76], Target::ZERO);
    assert_eq!(scan(&good), Ok(1));
    let mut seedless = good.clone();
    seedless.seed = None;
    assert_eq!(scan(&seedless), Err(RandomXError::NoSeed.into()));
    let other = Seed([9; 32]);
    assert_eq!(scan(&good.clone().with_seed(other)), Err(RandomXError::NotPrepared(other).into()));
    for found in [42, 129] {
        let refused = ScanError::Header(HashError::Lengths { shortest: 43, longest: 128, found });
        assert_eq!(scan(&work(&vec![0; found], Target::MAX)), Err(refused));
    }
    for len in [43, 128] {
        assert_eq!(scan(&work(&vec![0; len], Target::MAX)), Ok(1));
    }
    let sha = Work::new(Algorithm::SHA256D, Header::from([0; 80]), Target::MAX);
    let refused = ScanError::WrongAlgorithm { scanner: Algorithm::RANDOMX, work: Algorithm::SHA256D };
    assert_eq!(scan(&sha), Err(refused));
    assert_eq!(Cache::new(&[0; 61], Pages::Small).map(|_| ()), Err(RandomXError::Key(61)));
}

#[test]
fn a_stop_ends_a_scan_after_the_hash_at_hand() {
    let tables = light(&seed().0);
    let mut scanner = scanner(&tables);
    let easy = work(&[2; 76], Target::MAX);
    let (stop, started) = (Stop::new(), Barrier::new(2));
    let mut found = Vec::new();
    let scanned = thread::scope(|scope| {
        let scan = scope.spawn(|| {
            started.wait();
            scanner.scan(&easy, NonceRange::new(0, 1 << 32), &stop, &mut found)
        });
        started.wait();
        stop.request();
        scan.join().unwrap().unwrap()
    });
    assert!(scanned.hashes < 1000);
    let nonces: Vec<_> = found.iter().map(|solution| solution.nonce).collect();
    assert_eq!(nonces, (0..scanned.hashes).collect::<Vec<_>>());
    let scanned = scanner.scan(&easy, NonceRange::new(0, 5), &stop, &mut found).unwrap();
    assert_eq!(scanned.hashes, 0, "asked before");
}

#[test]
fn a_verifier_serves_the_seeds_that_it_was_prepared_for() {
    let verifier = Verifier::new();
    assert_eq!(verifier.digest(&seed(), b"any"), Err(RandomXError::NotPrepared(seed())));
    verifier.prepare(&seed()).unwrap();

    let vectors: Vec<_> = vectors().into_iter().filter(|vector| vector.key == seed().0).collect();
    thread::scope(|scope| {
        for half in vectors.chunks(vectors.len().div_ceil(2)) {
            let verifier = verifier.clone();
            scope.spawn(move || {
                for vector in half {
                    let digest = verifier.digest(&seed(), &vector.blob).unwrap();
                    assert_eq!(digest.to_string(), vector.digest, "{}", vector.name);
                }
            });
        }
    });

    let others = [Seed([1; 32]), Seed([2; 32]), Seed([3; 32])];
    for other in &others[..2] {
        verifier.prepare(other).unwrap();
    }
    assert_eq!(verifier.seeds(), [seed(), others[0], others[1]]);
    let one = verifier.digest(&others[0], &[7; 76]).unwrap();
    assert_eq!(one, light(&others[0].0).machine().unwrap().hash(&[7; 76]));
    verifier.prepare(&others[0]).unwrap();
    assert_eq!(verifier.seeds(), [seed(), others[1], others[0]], "the latest is last");
    verifier.prepare(&others[2]).unwrap();
    assert_eq!(verifier.seeds(), [others[1], others[0], others[2]]);
    assert_eq!(verifier.digest(&seed(), b"any"), Err(RandomXError::NotPrepared(seed())));
    let error = RandomXError::NotPrepared(others[0]).to_string();
    assert_eq!(error, format!("no tables for the seed {}", "01".repeat(32)));
}

/// What a pool on a test chain does with headers, whatever the seed of other work.
#[test]
fn the_general_verifier_takes_the_seed_of_test_chains() {
    let verifier = otedama_hash::Verifier::new(Algorithm::RANDOMX).unwrap();
    let header = Header::from([3; 80]);
    let expected = light(&Seed::DEVNET.0).machine().unwrap().hash(header.as_bytes());
    assert_eq!(verifier.digest(&header), expected);
    assert_eq!(verifier.clone().digest(&header), expected);
    let refused = otedama_hash::hash(Algorithm::RANDOMX, header.as_bytes());
    assert_eq!(refused, Err(otedama_hash::Unsupported(Algorithm::RANDOMX).into()), "no seed");
}

#[test]
#[ignore = "2.3 GiB of memory and minutes of filling it: `make nightly`"]
fn a_whole_dataset_gives_the_same_digests() {
    let cache = Pages::best(|pages| Cache::new(&seed().0, pages)).unwrap();
    let mut blank = Pages::best(Blank::new).unwrap();
    let parts = Mutex::new(blank.parts(1 << 16));
    thread::scope(|scope| {
        let fill = || {
            while let Some(part) = { parts.lock().unwrap().pop() } {
                part.fill(&cache);
            }
        };
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(fill);
        }
    });
    drop(parts);
    let dataset = blank.finish().unwrap();
    assert!(dataset.item(Dataset::items() - 1).is_some());
    assert_eq!(dataset.item(Dataset::items()), None);
    let tables = Tables::Fast(Arc::new(dataset));
    assert!(check(&tables, &seed().0) > 10);
    equals_the_library(&tables);
}
