//! Every kernel that this CPU can run equals the oracle: one test for all of them.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use otedama_core::{Algorithm, AlgorithmSpec, ChainIndex, Generation, Header, Seed, Solution, Target, Work};
use otedama_hash::{HashError, Kernel, KernelError, NonceRange, ScanError, Stop, Unsupported, oracle};
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::SHA256D, Algorithm::SCRYPT, Algorithm::BLAKE3_DECRED, Algorithm::BLAKE3_ALEPHIUM];

/// How many nonces a range of the tests has at most: the oracle is slow, and slower still in an interpreter.
fn most(algorithm: Algorithm) -> u64 {
    if cfg!(miri) {
        4
    } else if algorithm == Algorithm::SCRYPT {
        20
    } else {
        5000
    }
}

/// The kernels that are tested. Miri, to which one hash of scrypt is minutes, plays everything with SHA256d, whose scanner
/// is like the others; all kernels but scrypt's it plays in `every_kernel_with_full_vectors_and_a_rest`.
fn kernels() -> impl Iterator<Item = Kernel> {
    let tested = ALGORITHMS.into_iter().filter(|algorithm| !cfg!(miri) || *algorithm == Algorithm::SHA256D);
    tested.flat_map(Kernel::available)
}

fn work(algorithm: Algorithm, header: Header, target: Target) -> Work {
    Work::new(algorithm, header, target).with_generation(Generation(7))
}

/// A header of the algorithm's usual length.
fn header(algorithm: Algorithm, byte: u8) -> Header {
    Header::new(&vec![byte; algorithm.spec().header_len]).unwrap()
}

/// The check that every kernel has to pass, on whatever work and range.
fn equals_the_oracle(kernel: Kernel, work: &Work, range: NonceRange) {
    let mut found = vec![Solution::new(Generation(1), 1)];
    let scanned = kernel.scanner().scan(work, range, &Stop::new(), &mut found).unwrap();
    assert_eq!(scanned.hashes, range.count, "{kernel}");
    let before = found.remove(0);
    assert_eq!(before, Solution::new(Generation(1), 1), "what was there before stays");
    let expected: Vec<_> = oracle::scan(work, range)
        .unwrap()
        .into_iter()
        .map(|nonce| Solution::new(work.generation, nonce))
        .collect();
    assert_eq!(found, expected, "{kernel} {range:?} {work:?}");
}

/// A target that about one nonce in `2^bits` meets.
fn one_in(bits: usize) -> Target {
    let mut bytes = [0xff; 32];
    bytes[..bits / 8].fill(0);
    bytes[bits / 8] = 0xff >> (bits % 8);
    Target::from_be_bytes(bytes)
}

#[test]
fn every_algorithm_has_a_portable_kernel() {
    for algorithm in ALGORITHMS {
        let kernel = Kernel::find(algorithm, "portable").unwrap();
        assert_eq!((kernel.algorithm(), kernel.name()), (algorithm, "portable"));
        assert!(Kernel::available(algorithm).contains(&kernel));
    }
}

#[test]
#[cfg_attr(miri, ignore = "thousands of nonces")]
fn every_kernel_passes_its_self_test() {
    for kernel in kernels() {
        assert_eq!(kernel.self_test(), Ok(()), "{kernel}");
    }
}

#[test]
fn every_kernel_at_the_edges() {
    for kernel in kernels() {
        let wide = 1 << 32;
        let last = kernel.algorithm().max_nonce();
        let few = most(kernel.algorithm()).min(9);
        let targets = [one_in(1), Target::ZERO, Target::MAX, one_in(8)];
        for target in targets.into_iter().take(if cfg!(miri) { 1 } else { targets.len() }) {
            let work = work(kernel.algorithm(), header(kernel.algorithm(), 0x5a), target);
            let starts = [wide - few / 2, 0, 1, wide - 1, wide, wide + 3, last, last - few / 2];
            for start in starts.into_iter().take(if cfg!(miri) { 1 } else { starts.len() }) {
                for count in [few, 0, 1].into_iter().take(if cfg!(miri) { 1 } else { 3 }) {
                    equals_the_oracle(kernel, &work, NonceRange::new(start, count));
                }
            }
        }
    }
}

/// Whatever the number of lanes: a solution may sit in each, and a range may end after each.
#[test]
#[cfg_attr(miri, ignore = "thousands of nonces")]
fn every_lane_finds_its_nonce_and_no_lane_looks_beyond_the_range() {
    let (algorithm, nonce) = (Algorithm::SHA256D, 0x1234_5678);
    let bytes = Header::from([0x77; 80]).with_nonce(algorithm, nonce);
    let reached = algorithm.reached(&oracle::digest(algorithm, bytes.as_bytes()).unwrap());
    for kernel in Kernel::available(algorithm) {
        for before in 0..34 {
            let just = work(algorithm, Header::from([0x77; 80]), reached);
            equals_the_oracle(kernel, &just, NonceRange::new(nonce - before, 34));
            equals_the_oracle(kernel, &just, NonceRange::new(nonce - before, before));
            let any = work(algorithm, Header::from([0x77; 80]), Target::MAX);
            equals_the_oracle(kernel, &any, NonceRange::new((1 << 32) - before, 34));
            equals_the_oracle(kernel, &any, NonceRange::new(nonce, before));
        }
    }
}

/// More nonces than any vector has lanes, and not a multiple of them, up to the largest nonce and past it. Short enough
/// for an interpreter, which runs kernels that this CPU may not have, and leaves those to it that every CPU of today has.
#[test]
fn every_kernel_with_full_vectors_and_a_rest() {
    for algorithm in ALGORITHMS.into_iter().filter(|algorithm| *algorithm != Algorithm::SCRYPT) {
        let header = Header::new(&vec![0xa5; algorithm.spec().shortest_header]).unwrap();
        let work = work(algorithm, header, one_in(2));
        let start = algorithm.max_nonce() - 16;
        let expected = oracle::scan(&work, NonceRange::new(start, 19)).unwrap();
        for kernel in Kernel::available(algorithm) {
            let count = match kernel.name() {
                "portable" if cfg!(miri) => 2,
                "avx2" if cfg!(miri) => continue,
                _ => 19,
            };
            let mut found = Vec::new();
            kernel.scanner().scan(&work, NonceRange::new(start, count), &Stop::new(), &mut found).unwrap();
            let found: Vec<_> = found.iter().map(|solution| solution.nonce).collect();
            let within = |nonce: &&u64| nonce.wrapping_sub(start) & algorithm.max_nonce() < count;
            let expected: Vec<_> = expected.iter().filter(within).copied().collect();
            assert_eq!(found, expected, "{kernel}");
        }
    }
}

#[test]
fn a_target_that_a_digest_just_meets_is_met_and_the_next_harder_is_not() {
    for kernel in kernels() {
        let algorithm = kernel.algorithm();
        let header = header(algorithm, 0x33).with_nonce(algorithm, 77);
        let reached = algorithm.reached(&oracle::digest(algorithm, header.as_bytes()).unwrap());
        let mut harder = reached.to_be_bytes();
        let low = harder.iter().rposition(|byte| *byte != 0).unwrap();
        harder[low] -= 1;
        harder[low + 1..].fill(0xff);
        for (target, hits) in [(reached, 1), (Target::from_be_bytes(harder), 0)] {
            let mut found = Vec::new();
            let work = work(algorithm, header, target);
            kernel.scanner().scan(&work, NonceRange::new(77, 1), &Stop::new(), &mut found).unwrap();
            assert_eq!(found.len(), hits, "{kernel}");
        }
    }
}

#[test]
fn one_scanner_serves_one_work_after_the_other() {
    for kernel in kernels() {
        let mut scanner = kernel.scanner();
        scanner.prepare(&Seed([0; 32])).unwrap();
        for byte in 0..3 {
            let work = work(kernel.algorithm(), header(kernel.algorithm(), byte), Target::MAX);
            let mut found = Vec::new();
            scanner.scan(&work, NonceRange::new(5, 2), &Stop::new(), &mut found).unwrap();
            let nonces: Vec<_> = found.iter().map(|solution| solution.nonce).collect();
            assert_eq!(nonces, [5, 6], "{kernel}");
        }
    }
}

#[test]
fn a_stop_ends_a_scan_within_its_interval() {
    for kernel in kernels() {
        let work = work(kernel.algorithm(), header(kernel.algorithm(), 1), Target::ZERO);
        let stop = Stop::new();
        stop.request();
        let scanned = kernel.scanner().scan(&work, NonceRange::new(0, 1 << 32), &stop, &mut Vec::new());
        assert_eq!(scanned.map(|scanned| scanned.hashes), Ok(0), "{kernel}");
        assert!(kernel.stop_interval() > 0);
    }
}

/// A stop from another thread ends a scan that would take hours, and the scan says how far it came.
#[test]
#[cfg_attr(miri, ignore = "would interpret for minutes")]
fn a_stop_from_outside_ends_a_running_scan() {
    for kernel in kernels() {
        let work = work(kernel.algorithm(), header(kernel.algorithm(), 2), one_in(9));
        let stop = Stop::new();
        let reached = AtomicU64::new(0);
        let started = Barrier::new(2);
        let mut found = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                started.wait();
                let scanned =
                    kernel.scanner().scan(&work, NonceRange::all(kernel.algorithm()), &stop, &mut found);
                reached.store(scanned.unwrap().hashes, Ordering::Relaxed);
            });
            started.wait();
            stop.request();
        });
        let reached = reached.into_inner();
        assert!(reached < 1 << 32, "{kernel}");
        let tried = NonceRange::new(0, reached.min(most(kernel.algorithm())));
        let nonces: Vec<_> = found.iter().map(|s| s.nonce).take_while(|nonce| *nonce < tried.count).collect();
        assert_eq!(nonces, oracle::scan(&work, tried).unwrap(), "{kernel}");
    }
}

#[test]
fn work_for_another_scanner_is_refused() {
    for kernel in kernels() {
        let scan = |work: &Work| {
            kernel.scanner().scan(work, NonceRange::new(0, 1), &Stop::new(), &mut Vec::new()).map(|_| ())
        };
        let other = ALGORITHMS.into_iter().find(|other| *other != kernel.algorithm()).unwrap();
        let refused = ScanError::WrongAlgorithm { scanner: kernel.algorithm(), work: other };
        assert_eq!(scan(&work(other, header(other, 0), Target::MAX)), Err(refused));
        let spec = kernel.algorithm().spec();
        let (shortest, longest) = (spec.shortest_header, spec.header_len);
        for found in [0, shortest - 1, longest + 1, Header::MAX] {
            let header = Header::new(&vec![0; found]).unwrap();
            let refused = if shortest == longest {
                HashError::Length { expected: longest, found }
            } else {
                HashError::Lengths { shortest, longest, found }
            };
            assert_eq!(scan(&Work::new(kernel.algorithm(), header, Target::MAX)), Err(refused.into()));
        }
    }
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let error = Kernel::find(Algorithm::SHA256D, "sse9").unwrap_err();
    let KernelError::Unknown { known, .. } = &error else { panic!("{error:?}") };
    assert!(known.contains(&"portable"));
    assert_eq!(error.to_string(), format!("no kernel \"sse9\" for sha256d; known: {}", known.join(", ")));

    static OTHER: AlgorithmSpec = AlgorithmSpec::bitcoin_like("other", Target::MAX);
    let other = Algorithm::new(&OTHER);
    assert_eq!(Kernel::find(other, "portable"), Err(KernelError::Unsupported(Unsupported(other))));
    assert_eq!(Kernel::available(other), []);
}

/// A header of any length that the algorithm has, from more random bytes than any algorithm needs.
fn cut(algorithm: Algorithm, bytes: &[[u8; 32]; 12], len: usize) -> Header {
    let spec = algorithm.spec();
    let len = spec.shortest_header + len % (spec.header_len - spec.shortest_header + 1);
    Header::new(&bytes.as_flattened()[..len]).unwrap()
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::ZERO),
        Just(Target::MAX),
        (0usize..14).prop_map(one_in),
        any::<[u8; 32]>().prop_map(Target::from_be_bytes),
    ]
}

/// Starts anywhere, often close to the end so that the range wraps.
fn any_start() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..1u64 << 32, (1u64 << 32) - 40..1 << 32, u64::MAX - 40..=u64::MAX]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 48 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_kernel_equals_the_oracle(
        bytes in any::<[[u8; 32]; 12]>(),
        len in any::<usize>(),
        target in any_target(),
        start in any_start(),
        count in any::<u64>(),
    ) {
        for kernel in kernels() {
            let range = NonceRange::new(start, count % (most(kernel.algorithm()) + 1));
            let header = cut(kernel.algorithm(), &bytes, len);
            equals_the_oracle(kernel, &work(kernel.algorithm(), header, target), range);
        }
    }

    /// Alephium's digests must name a chain besides.
    #[test]
    fn every_kernel_finds_only_what_belongs_to_the_chain(
        bytes in any::<[[u8; 32]; 12]>(),
        len in any::<usize>(),
        groups in 1u8..6,
        pair in any::<[u8; 2]>(),
    ) {
        let chain = ChainIndex::new(pair[0] % groups, pair[1] % groups, groups).unwrap();
        for kernel in Kernel::available(Algorithm::BLAKE3_ALEPHIUM) {
            let work = work(kernel.algorithm(), cut(kernel.algorithm(), &bytes, len), one_in(1)).with_chain(chain);
            equals_the_oracle(kernel, &work, NonceRange::new(0, most(kernel.algorithm()).min(500)));
        }
    }
}
