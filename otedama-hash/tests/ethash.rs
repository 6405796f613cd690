//! Ethash, Etchash and `KawPow` as they are mined and verified: published vectors, and every engine against the oracle.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![cfg(not(miri))]

use std::collections::BTreeMap;
use std::sync::Arc;

use otedama_core::{Algorithm, Target, hex};
use otedama_hash::ethash::{Engine, Epoch, Input, Node, Outcome, Tables, claimed};
use otedama_hash::oracle::{self, Dag, keccak256};
use proptest::prelude::*;
use serde_json::Value;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn file(algorithm: Algorithm) -> Value {
    serde_json::from_str(match algorithm.name() {
        "ethash" => include_str!("../vectors/ethash.json"),
        "etchash" => include_str!("../vectors/etchash.json"),
        _ => include_str!("../vectors/kawpow.json"),
    })
    .unwrap()
}

fn input(vector: &Value) -> Input {
    Input {
        header_hash: hex::decode_array(text(vector, "header_hash").as_bytes()).unwrap(),
        nonce: u64::from_str_radix(text(vector, "nonce"), 16).unwrap(),
        height: number(vector, "height"),
    }
}

fn bytes(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().flat_map(|node| node.0).flat_map(u32::to_le_bytes).collect()
}

fn check(algorithm: Algorithm, expected_count: usize) {
    let file = file(algorithm);
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), expected_count);
    let mut by_epoch: BTreeMap<Epoch, Vec<&Value>> = BTreeMap::new();
    for vector in vectors {
        by_epoch.entry(Epoch::at(algorithm, number(vector, "height")).unwrap()).or_default().push(vector);
    }
    for (epoch, vectors) in by_epoch {
        let tables = Tables::make_light(epoch, Engine::best()).unwrap();
        let inputs: Vec<_> = vectors.iter().map(|vector| input(vector)).collect();
        let together = tables.hashes(&inputs);
        for ((vector, input), outcome) in vectors.iter().zip(inputs).zip(together) {
            let name = text(vector, "name");
            assert!(!text(vector, "source").is_empty(), "{name}");
            assert_eq!(Some(u64::from(epoch.number().unwrap())), vector["epoch"].as_u64(), "{name}");
            assert_eq!(tables.hash(&input), outcome, "{name}");
            assert_eq!(outcome.digest.to_string(), text(vector, "pow_hash_hex"), "{name}");
            assert_eq!(hex::encode(&outcome.mix), text(vector, "mix_hash"), "{name}");
            assert_eq!(claimed(epoch, &input, &outcome.mix), outcome.digest, "{name}");
            if let Some(seed) = vector["seed_hash"].as_str() {
                assert_eq!(hex::encode(&epoch.seed().0), seed, "{name}");
                assert_eq!(epoch.cache_bytes(), number(vector, "cache_bytes"), "{name}");
                assert_eq!(epoch.dataset_bytes(), number(vector, "dataset_bytes"), "{name}");
                assert_eq!(Epoch::of_seed(algorithm, &epoch.seed()), Ok(epoch), "{name}");
            }
            if let Some(target) = vector["target_hex_be"].as_str() {
                let target = Target::from_hex_be(target).unwrap();
                assert!(algorithm.meets(&outcome.digest, target), "{name}");
            }
        }
    }
}

#[test]
fn ethash_of_published_headers() {
    check(Algorithm::ETHASH, 24);
}

#[test]
fn etchash_of_published_headers() {
    check(Algorithm::ETCHASH, 5);
}

#[test]
fn kawpow_of_published_headers() {
    check(Algorithm::KAWPOW, 22);
}

#[test]
fn published_tables_on_every_engine() {
    let file = file(Algorithm::ETHASH);
    for facts in file["epoch_facts"].as_array().unwrap() {
        let epoch = Epoch::new(Algorithm::ETHASH, u32::try_from(number(facts, "epoch")).unwrap()).unwrap();
        assert_eq!(epoch.cache_bytes(), number(facts, "light_cache_bytes"));
        assert_eq!(epoch.dataset_bytes(), number(facts, "full_dataset_bytes"));
        assert_eq!(hex::encode(&epoch.seed().0), text(facts, "seed_hash"));
        let Some(sum) = facts["cache_keccak256"].as_str() else { continue };
        for engine in Engine::available() {
            let mut cache = vec![Node::ZERO; epoch.cache_nodes() as usize];
            Tables::fill_cache(epoch, engine, &mut cache).unwrap();
            assert_eq!(hex::encode(&keccak256(&bytes(&cache))), sum, "{epoch} {engine:?}");
            let tables = Tables::light(epoch, engine, Arc::new(cache)).unwrap();
            for (index, item) in facts["dataset_items_64B"].as_object().unwrap() {
                let mut found = [Node::ZERO];
                tables.fill(index.parse().unwrap(), &mut found).unwrap();
                assert_eq!(hex::encode(&bytes(&found)), item.as_str().unwrap(), "{epoch} {index}");
            }
        }
    }
}

/// The search of Ravencoin's own tests: 100 nonces from 300 hold one solution, 100 from 700 none.
#[test]
fn kawpow_finds_what_others_tests_find() {
    let file = file(Algorithm::KAWPOW);
    let known = &file["facts"]["search_light"];
    let tables = Tables::make_light(Epoch::new(Algorithm::KAWPOW, 0).unwrap(), Engine::best()).unwrap();
    let boundary = Target::from_hex_be(&format!("00{}", "f".repeat(62))).unwrap();
    let search = |start: u64| -> Vec<u64> {
        let inputs: Vec<_> =
            (start..start + 100).map(|nonce| Input { header_hash: [0; 32], nonce, height: 0 }).collect();
        let outcomes = tables.hashes(&inputs);
        let found = inputs.iter().zip(outcomes);
        let found = found.filter(|(_, outcome)| Algorithm::KAWPOW.meets(&outcome.digest, boundary));
        found.map(|(input, _)| input.nonce).collect()
    };
    assert_eq!(search(300), [number(known, "solution_nonce")]);
    assert_eq!(search(700), [0; 0]);
}

const ALGORITHMS: [Algorithm; 2] = [Algorithm::ETHASH, Algorithm::KAWPOW];

/// Light and full tables of test chains, on every engine, and the oracle's.
fn of_test_chains(algorithm: Algorithm) -> (Vec<Tables>, Dag) {
    let epoch = Epoch::of_test_chains(algorithm).unwrap();
    let mut all = Vec::new();
    for engine in Engine::available() {
        let light = Tables::make_light(epoch, engine).unwrap();
        let mut dataset = vec![Node::ZERO; epoch.dataset_items() as usize];
        light.fill(0, &mut dataset).unwrap();
        all.push(light);
        all.push(Tables::full(epoch, engine, Arc::new(dataset)).unwrap());
    }
    (all, Dag::of_test_chains(epoch.parents()))
}

fn expected(dag: &Dag, algorithm: Algorithm, input: &Input) -> (String, [u8; 32]) {
    let (mix, digest) = if algorithm == Algorithm::KAWPOW {
        dag.kawpow_hash(&input.header_hash, input.nonce, input.height)
    } else {
        dag.hashimoto(&input.header_hash, input.nonce)
    };
    (hex::encode(&digest), mix)
}

#[test]
fn every_engine_makes_the_items_of_the_oracle() {
    for algorithm in ALGORITHMS {
        let (all, dag) = of_test_chains(algorithm);
        for tables in &all {
            for len in [0, 1, 7, 8, 9, 23, 512] {
                let mut items = vec![Node::ZERO; len];
                tables.fill(0, &mut items).unwrap();
                for (index, item) in (0u32..).zip(&items) {
                    assert_eq!(item.0, dag.item(index), "{tables:?} {index}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever the number of hashes at once, and wherever items come from.
    #[test]
    fn every_engine_hashes_as_the_oracle_does(
        header_hash: [u8; 32],
        nonces in proptest::collection::vec(any::<u64>(), 0..37),
        height in 0..1u64 << 40,
    ) {
        for algorithm in ALGORITHMS {
            let (all, dag) = of_test_chains(algorithm);
            let inputs: Vec<_> =
                (height..).zip(&nonces).map(|(height, nonce)| Input { header_hash, nonce: *nonce, height }).collect();
            let expected: Vec<_> = inputs.iter().map(|input| expected(&dag, algorithm, input)).collect();
            for tables in &all {
                let found = tables.hashes(&inputs);
                let found: Vec<_> =
                    found.iter().map(|outcome| (outcome.digest.to_string(), outcome.mix)).collect();
                prop_assert_eq!(&found, &expected, "{:?}", tables);
            }
        }
    }

    /// A cache of any epoch gives the items that the oracle computes one by one.
    #[test]
    fn items_of_real_epochs_are_those_of_the_oracle(numbers in proptest::collection::vec(any::<u32>(), 9)) {
        for algorithm in ALGORITHMS {
            let (light, dag) = epoch_0(algorithm);
            for index in &numbers {
                let index = index % dag.items();
                let mut item = [Node::ZERO; 3];
                light.fill(index, &mut item).unwrap();
                prop_assert_eq!(item[0].0, dag.item(index));
                prop_assert_eq!(item[2].0, dag.item(index + 2));
            }
        }
    }

    /// What a claim gives by itself is the digest if the mix is right, and another one if it is not.
    #[test]
    fn a_claim_shows_its_digest_without_tables(header_hash: [u8; 32], nonce: u64, bit in 0..256usize) {
        for algorithm in ALGORITHMS {
            let (light, _) = epoch_0(algorithm);
            let input = Input { header_hash, nonce, height: 5 };
            let Outcome { digest, mut mix } = light.hash(&input);
            prop_assert_eq!(claimed(light.epoch(), &input, &mix), digest);
            mix[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(claimed(light.epoch(), &input, &mix), digest);
        }
    }
}

/// Tables of the first epoch, ours and the oracle's, made once.
fn epoch_0(algorithm: Algorithm) -> (&'static Tables, &'static Dag) {
    use std::sync::OnceLock;
    static ETHASH: OnceLock<(Tables, Dag)> = OnceLock::new();
    static KAWPOW: OnceLock<(Tables, Dag)> = OnceLock::new();
    let (cell, dag): (_, fn() -> Dag) = if algorithm == Algorithm::KAWPOW {
        (&KAWPOW, || Dag::kawpow(0))
    } else {
        (&ETHASH, || Dag::ethash(0, 0))
    };
    let make = || (Tables::make_light(Epoch::new(algorithm, 0).unwrap(), Engine::best()).unwrap(), dag());
    let (light, dag) = cell.get_or_init(make);
    (light, dag)
}

#[test]
fn tables_of_another_length_are_refused() {
    use otedama_hash::ethash::EthashError;
    let epoch = Epoch::of_test_chains(Algorithm::ETHASH).unwrap();
    let nodes = |count: usize| Arc::new(vec![Node::ZERO; count]);
    let refused = |expected, found| Some(EthashError::Length { expected, found });
    assert_eq!(Tables::light(epoch, Engine::best(), nodes(15)).err(), refused(16, 15));
    assert_eq!(Tables::full(epoch, Engine::best(), nodes(513)).err(), refused(512, 513));
    assert_eq!(Tables::fill_cache(epoch, Engine::best(), &mut []).err(), refused(16, 0));
    let full = Tables::full(epoch, Engine::best(), nodes(512)).unwrap();
    assert_eq!(full.fill(511, &mut [Node::ZERO; 2]).err(), refused(512, 2));
    assert_eq!((full.name(), full.bytes(), full.epoch()), ("full", 32 << 10, epoch));
    assert_eq!(oracle::dataset_bytes(0), Epoch::new(Algorithm::ETHASH, 0).unwrap().dataset_bytes());
}

mod pool {
    //! Verifiers and scanners.

    use otedama_core::{Header, Proof, Seed, Work};
    use otedama_hash::ethash::{EthashError, Refusal, Scanner, Verifier};
    use otedama_hash::{Kernel, NonceRange, Scan, ScanError, Stop};

    use super::*;

    #[test]
    fn a_verifier_judges_the_epochs_that_it_was_prepared_for() {
        let epochs = [0, 1, 2].map(|number| Epoch::new(Algorithm::ETHASH, number).unwrap());
        let verifier =
            Verifier::new(Algorithm::ETHASH, epochs[1].cache_bytes() + epochs[2].cache_bytes()).unwrap();
        let file = file(Algorithm::ETHASH);
        let block = &file["vectors"][0];
        let input = input(block);
        let mix: [u8; 32] = hex::decode_array(text(block, "mix_hash").as_bytes()).unwrap();
        let target = Target::from_hex_be(text(block, "target_hex_be")).unwrap();
        let judge = |mix: Option<&[u8; 32]>, target| verifier.verify(&input, mix, target);

        let unprepared = Err(Refusal::Tables(EthashError::NotPrepared(epochs[0])));
        assert_eq!(judge(None, target), unprepared);
        assert_eq!(judge(Some(&mix), target), unprepared);
        // Bad claims cost no tables.
        assert!(matches!(judge(Some(&[0; 32]), target), Err(Refusal::LowDifficulty { .. })));
        for height in [1 << 40, u64::MAX] {
            let hostile = Input { height, ..input };
            let refused = Err(Refusal::Tables(EthashError::Height(height)));
            assert_eq!(verifier.verify(&hostile, Some(&mix), target), refused);
            assert_eq!(verifier.epochs(), []);
        }

        verifier.prepare(epochs[0]).unwrap();
        let digest = judge(Some(&mix), target).unwrap();
        assert_eq!(digest.to_string(), text(block, "pow_hash_hex"));
        assert_eq!(judge(None, target), Ok(digest));
        assert_eq!(judge(Some(&[0; 32]), Target::MAX), Err(Refusal::WrongMix));
        assert_eq!(judge(None, Target::ZERO), Err(Refusal::LowDifficulty { digest }));

        // There is room for two; the one that was used last stays.
        verifier.prepare(epochs[1]).unwrap();
        judge(None, target).unwrap();
        verifier.clone().prepare(epochs[2]).unwrap();
        assert_eq!(verifier.epochs(), [epochs[2], epochs[0]]);
        let small = Verifier::new(Algorithm::ETHASH, 1000).unwrap();
        let (epoch, bytes) = (epochs[0], epochs[0].cache_bytes());
        assert_eq!(small.prepare(epoch), Err(EthashError::Bound { epoch, bytes, bound: 1000 }));
        assert!(Verifier::new(Algorithm::SCRYPT, 1).is_err());
    }

    #[test]
    fn every_kernel_equals_the_oracle_on_test_chains() {
        let all = [Algorithm::ETHASH, Algorithm::ETCHASH, Algorithm::KAWPOW];
        for kernel in all.into_iter().flat_map(Kernel::available) {
            assert_eq!(kernel.self_test(), Ok(()), "{kernel}");
            let target = Target::from_hex_be(&format!("3f{}", "f".repeat(62))).unwrap();
            for (header, last) in
                [(Header::new(&[3; 40]).unwrap(), u64::MAX), (Header::from([3; 80]), u32::MAX.into())]
            {
                let algorithm = kernel.algorithm();
                let algorithm = if last == u64::MAX { algorithm } else { algorithm.over_bitcoin_header() };
                let work = Work::new(algorithm, header, target);
                for range in
                    [NonceRange::new(last - 3, 9), NonceRange::new(7, 1), NonceRange::new(1 << 31, 6)]
                {
                    let mut found = Vec::new();
                    let scanned = kernel.scanner().scan(&work, range, &Stop::new(), &mut found);
                    assert_eq!(scanned.unwrap().hashes, range.count, "{kernel}");
                    assert!(found.iter().all(|solution| matches!(solution.proof, Proof::Mix(_))));
                    let found: Vec<u64> = found.iter().map(|solution| solution.nonce).collect();
                    assert_eq!(found, oracle::scan(&work, range).unwrap(), "{kernel} {range:?}");
                }
            }
        }
    }

    #[test]
    fn a_scanner_refuses_what_is_not_for_it() {
        let algorithm = Algorithm::KAWPOW;
        let epoch = Epoch::new(algorithm, 0).unwrap();
        let mut scanner =
            Scanner::over(algorithm, Arc::new(Tables::make_light(epoch, Engine::best()).unwrap())).unwrap();
        let mut scan = |work: &Work| {
            let range = NonceRange::new(0, 1);
            scanner.scan(work, range, &Stop::new(), &mut Vec::new()).map(|scanned| scanned.hashes)
        };
        let at = |height| {
            let mut work = Work::new(algorithm, Header::new(&[1; 40]).unwrap(), Target::ZERO);
            work.height = height;
            work
        };
        assert_eq!(scan(&at(Some(7499))), Ok(1));
        let next = Epoch::new(algorithm, 1).unwrap();
        assert_eq!(scan(&at(Some(7500))), Err(EthashError::NotPrepared(next).into()));
        assert_eq!(scan(&at(Some(1 << 40))), Err(EthashError::Height(1 << 40).into()));
        assert_eq!(scan(&at(None).with_seed(epoch.seed())), Err(EthashError::NoHeight.into()));
        assert_eq!(scan(&at(Some(7499)).with_seed(epoch.seed())), Ok(1));
        assert_eq!(scan(&at(Some(5)).with_seed(Seed([9; 32]))), Err(EthashError::Seed(Seed([9; 32])).into()));
        assert_eq!(scan(&at(None)), Ok(1), "a test chain");
        let other = Work::new(Algorithm::ETHASH, Header::new(&[1; 40]).unwrap(), Target::ZERO);
        assert!(matches!(scan(&other), Err(ScanError::WrongAlgorithm { .. })));
        let long = Work::new(algorithm, Header::from([0; 80]), Target::ZERO);
        assert!(matches!(scan(&long), Err(ScanError::Header(_))));
    }

    #[test]
    fn the_general_verifier_takes_the_tables_of_test_chains() {
        for algorithm in [Algorithm::ETHASH, Algorithm::ETCHASH, Algorithm::KAWPOW] {
            let verifier = otedama_hash::Verifier::new(algorithm).unwrap();
            for header in [Header::from([8; 80]), Header::new(&[8; 40]).unwrap()] {
                let expected = oracle::digest(algorithm, header.as_bytes()).unwrap();
                assert_eq!(verifier.digest(&header), expected);
            }
            let refused = otedama_hash::hash(algorithm, &[0; 40]);
            assert_eq!(refused, Err(otedama_hash::Unsupported(algorithm).into()), "no epoch");
        }
    }
}
