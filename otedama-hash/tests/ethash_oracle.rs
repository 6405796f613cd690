//! The oracle of Ethash, Etchash and `KawPow` against published headers, tables and sizes.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![cfg(not(miri))]

use std::collections::BTreeMap;
use std::ops::Range;

use otedama_core::{Algorithm, hex};
use otedama_hash::oracle::{self, Dag, Node, keccak256, keccak512};
use serde_json::Value;

fn ethash() -> Value {
    serde_json::from_str(include_str!("../vectors/ethash.json")).unwrap()
}

fn etchash() -> Value {
    serde_json::from_str(include_str!("../vectors/etchash.json")).unwrap()
}

fn kawpow() -> Value {
    serde_json::from_str(include_str!("../vectors/kawpow.json")).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn epoch_of(value: &Value) -> u32 {
    u32::try_from(number(value, "epoch")).unwrap()
}

fn header_hash(vector: &Value) -> [u8; 32] {
    hex::decode_array(text(vector, "header_hash").as_bytes()).unwrap()
}

fn nonce(vector: &Value) -> u64 {
    u64::from_str_radix(text(vector, "nonce"), 16).unwrap()
}

fn bytes(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
}

fn check(vector: &Value, (mix, digest): ([u8; 32], [u8; 32])) {
    assert!(!text(vector, "source").is_empty());
    assert_eq!(hex::encode(&mix), text(vector, "mix_hash"), "{}", text(vector, "name"));
    assert_eq!(hex::encode(&digest), text(vector, "pow_hash_hex"), "{}", text(vector, "name"));
    if let Some(target) = vector["target_hex_be"].as_str() {
        assert!(text(vector, "pow_hash_hex") <= target, "{}", text(vector, "name"));
    }
}

/// The last epoch whose tables the oracle makes in the short run. All others have theirs in the long one, and in the tests
/// of what is fast.
const LAST: u32 = 2;

/// The vectors of a file by what their tables are made from.
fn by_epoch(file: &Value, count: usize) -> BTreeMap<u32, Vec<Value>> {
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), count);
    let mut epochs: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
    for vector in vectors {
        epochs.entry(epoch_of(vector)).or_default().push(vector.clone());
    }
    epochs
}

#[test]
fn keccak_has_its_first_padding() {
    for (message, digest) in [
        ("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ] {
        assert_eq!(hex::encode(&keccak256(message.as_bytes())), digest);
    }
    let empty = "0eab42de4c3ceb9235fc91acffe746b29c29a8c366b7c60e4e67c466f36a4304c00fa9caf9d87976ba469bcbe06713b435f091ef2769fb160cdab33d3670680e";
    assert_eq!(hex::encode(&keccak512(b"")), empty);
}

#[test]
fn ethash_of_published_headers() {
    ethash_of_published_headers_in(0..LAST + 1);
}

#[test]
#[ignore = "minutes of tables that are made slowly: `make nightly`"]
fn ethash_published_headers_of_all_epochs() {
    ethash_of_published_headers_in(0..u32::MAX);
}

fn ethash_of_published_headers_in(epochs: Range<u32>) {
    for (epoch, vectors) in by_epoch(&ethash(), 24).into_iter().filter(|(epoch, _)| epochs.contains(epoch)) {
        let dag = Dag::ethash(epoch, epoch);
        for vector in &vectors {
            assert_eq!(number(vector, "cache_bytes"), oracle::cache_bytes(epoch));
            assert_eq!(number(vector, "dataset_bytes"), oracle::dataset_bytes(epoch));
            assert_eq!(text(vector, "seed_hash"), hex::encode(&oracle::seed(epoch)));
            check(vector, dag.hashimoto(&header_hash(vector), nonce(vector)));
        }
    }
}

#[test]
#[ignore = "minutes of tables that are made slowly: `make nightly`"]
fn etchash_of_published_headers() {
    let file = etchash();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 5);
    let mut tables = BTreeMap::new();
    for vector in vectors {
        let epoch = epoch_of(vector);
        let seed_epoch = if number(vector, "height") < 11_700_000 { epoch } else { 2 * epoch };
        assert_eq!(text(vector, "seed_hash"), hex::encode(&oracle::seed(seed_epoch)));
        let dag = tables.entry(epoch).or_insert_with(|| Dag::ethash(epoch, seed_epoch));
        if let Some(sum) = vector["cache_keccak256"].as_str() {
            assert_eq!(hex::encode(&keccak256(&bytes(dag.cache()))), sum);
        }
        check(vector, dag.hashimoto(&header_hash(vector), nonce(vector)));
    }
}

#[test]
fn kawpow_of_published_headers() {
    kawpow_of_published_headers_in(0..LAST + 1);
}

#[test]
#[ignore = "minutes of tables that are made slowly: `make nightly`"]
fn kawpow_published_headers_of_all_epochs() {
    kawpow_of_published_headers_in(0..u32::MAX);
}

fn kawpow_of_published_headers_in(epochs: Range<u32>) {
    for (epoch, vectors) in by_epoch(&kawpow(), 22).into_iter().filter(|(epoch, _)| epochs.contains(epoch)) {
        let dag = Dag::kawpow(epoch);
        for vector in &vectors {
            check(vector, dag.kawpow_hash(&header_hash(vector), nonce(vector), number(vector, "height")));
        }
    }
}

#[test]
fn tables_have_their_published_sizes_and_contents() {
    let file = ethash();
    for facts in file["epoch_facts"].as_array().unwrap() {
        let epoch = epoch_of(facts);
        assert_eq!(number(facts, "light_cache_bytes"), oracle::cache_bytes(epoch));
        assert_eq!(number(facts, "full_dataset_bytes"), oracle::dataset_bytes(epoch));
        assert_eq!(text(facts, "seed_hash"), hex::encode(&oracle::seed(epoch)));
        let Some(sum) = facts["cache_keccak256"].as_str().filter(|_| epoch <= LAST) else { continue };
        let dag = Dag::ethash(epoch, epoch);
        assert_eq!(hex::encode(&keccak256(&bytes(dag.cache()))), sum, "{epoch}");
        assert_eq!(hex::encode(&bytes(&dag.cache()[..1])), text(facts, "cache_first_item"));
        assert_eq!(
            hex::encode(&bytes(&dag.cache()[dag.cache().len() - 1..])),
            text(facts, "cache_last_item")
        );
        for (index, item) in facts["dataset_items_64B"].as_object().unwrap() {
            let found = dag.item(index.parse().unwrap());
            assert_eq!(hex::encode(&bytes(&[found])), item.as_str().unwrap(), "{epoch} {index}");
        }
    }
    for facts in kawpow()["epoch_facts"].as_array().unwrap() {
        let epoch = epoch_of(facts);
        assert_eq!(number(facts, "light_cache_bytes"), oracle::cache_bytes(epoch));
        assert_eq!(number(facts, "full_dataset_bytes"), oracle::dataset_bytes(epoch));
        if epoch > LAST {
            continue;
        }
        let dag = Dag::kawpow(epoch);
        let first = [dag.item(0), dag.item(1)].concat();
        let expected: Vec<u64> =
            facts["l1_cache_first20"].as_array().unwrap().iter().map(|word| word.as_u64().unwrap()).collect();
        assert_eq!(first[..20].iter().map(|word| u64::from(*word)).collect::<Vec<_>>(), expected, "{epoch}");
    }
}

#[test]
fn all_sizes_are_those_of_the_published_tables() {
    let tables = &ethash()["size_tables"];
    let sum = |sizes: fn(u32) -> u64| {
        let bytes: Vec<u8> = (0..2048).flat_map(|epoch| sizes(epoch).to_le_bytes()).collect();
        hex::encode(&oracle::sha256(&bytes))
    };
    assert_eq!(sum(oracle::dataset_bytes), text(tables, "sha256_of_all_2048_dataset_sizes_le_u64"));
    assert_eq!(sum(oracle::cache_bytes), text(tables, "sha256_of_all_2048_cache_sizes_le_u64"));
}

#[test]
fn the_tables_of_test_chains_are_those_of_others_tests() {
    let file = ethash();
    let small = &file["small_test"];
    let dag = Dag::of_test_chains(256);
    assert_eq!(hex::encode(&keccak256(&bytes(dag.cache()))), text(small, "cache_keccak256"));
    assert_eq!(hex::encode(&bytes(&dag.cache()[..1])), text(small, "cache_first_item"));
    assert_eq!(hex::encode(&bytes(&[dag.item(0)])), text(small, "dataset_item_0"));
    assert_eq!(hex::encode(&bytes(&[dag.item(511)])), text(small, "dataset_item_511"));
    let (mix, digest) = dag.hashimoto(&header_hash(small), nonce(small));
    assert_eq!(hex::encode(&mix), text(small, "mix_hash"));
    assert_eq!(hex::encode(&digest), text(small, "pow_hash_hex"));
    // Bitcoin's header takes the place of the other one, and Ethash's relatives that of Ethash.
    let header = [7; 80];
    let other = dag.hashimoto(&oracle::sha256d(&header[..76]), 0x0707_0707).1;
    for algorithm in [Algorithm::ETHASH, Algorithm::ETCHASH] {
        assert_eq!(*oracle::digest(algorithm, &header).unwrap().as_bytes(), other);
        assert!(oracle::digest(algorithm, &header[1..]).is_err());
    }
    assert_ne!(*oracle::digest(Algorithm::KAWPOW, &header).unwrap().as_bytes(), other);
}

/// A search of Ravencoin's own tests finds one nonce.
#[test]
fn kawpow_finds_the_nonce_of_others_tests() {
    let file = kawpow();
    let known = &file["facts"]["search_light"];
    let (mix, digest) = Dag::kawpow(0).kawpow_hash(&header_hash(known), number(known, "solution_nonce"), 0);
    assert_eq!(hex::encode(&mix), text(known, "mix_hash"));
    assert_eq!(hex::encode(&digest), text(known, "pow_hash_hex"));
}
