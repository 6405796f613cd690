//! The rows of Ethash and `KawPow`: verifying from caches, mining from a dataset, and making both.
//!
//! The baseline is the oracle, which is plain code of the same function. Tables lie in the largest pages to be had.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use otedama_core::{Algorithm, Header, Target, Work};
use otedama_gpu::tables::Memory;
use otedama_hash::ethash::{
    Engine, Epoch, Input, Node, Nodes, Scanner, Tables, Verifier, claimed, self_test,
};
use otedama_hash::oracle::Dag;
use otedama_hash::{NonceRange, Scan as _, Stop};

use crate::clock::timed;
use crate::limit::{Limit, clock};
use crate::measure::{Task, compare, rate, threads};
use crate::program::{Failure, Measured};
use crate::results::{Row, quantity};

/// A row by name, and what measures it.
pub type Named = (&'static str, fn() -> Measured);

/// The ratios.
pub const ROWS: [Named; 1] = [("ethash-light", light_ratio)];

/// Shares that are verified together.
const SHARES: u64 = 8;
/// Items that a thread makes at once.
const PART: usize = 1 << 14;
/// How often a cache is made, and the best of these counts: others on the machine only ever slow it down.
const CACHES: usize = 3;

/// A figure, the words beside it, and its limit where there is one.
pub type Figure = Result<(f64, String, Option<Limit>), Failure>;

/// Operations on words that a round of Keccak takes at least: 50 exclusive-ors and 5 rotations of the columns, 24
/// rotations of the lanes, 25 times "and not" and exclusive-or, and the constant; and how many of them a core starts in
/// a cycle.
const ROUND: f64 = 130.0;
const STARTED: f64 = 4.0;
/// Fetches of a line of the cache, each of which waits for the one before, that a hash of `KawPow` takes: 64 rounds of
/// items with 512 parents. Four go on at the same time.
const FETCHES: u32 = 64 * 512;
const CHAINS: usize = 4;

fn light_ratio() -> Measured {
    let tables = light(Algorithm::ETHASH, 0)?;
    let dag = Dag::ethash(0, 0);
    if tables.hash(&input(1)).mix != dag.hashimoto(&input(1).header_hash, 1).0 {
        return Err("the two sides compute different digests".into());
    }
    let engine = tables.engine().name();
    let theirs: Task<'_> = Box::new(move |count| {
        for nonce in 0..count {
            black_box(dag.hashimoto(&input(nonce).header_hash, nonce));
        }
    });
    let found = compare(verify(&tables, SHARES), theirs);
    let ours = SHARES as f64 * found.ours;
    let text = format!("{:.3}", SHARES as f64 * found.ratio);
    let row = Row {
        name: "ethash-light",
        result: text.clone(),
        beside: format!("epoch 0, {engine}, {SHARES} shares together: {}", quantity(ours, "H/s")),
        baseline: format!("the portable oracle: {}", quantity(found.theirs, "H/s")),
        limit: None,
        reached: None,
    };
    Ok(Some((text, row)))
}

/// Hashes per second from the cache of an epoch.
///
/// # Errors
/// If there is no memory, or the machine computes wrongly.
pub fn light_rate(epoch: u32) -> Figure {
    let tables = light(Algorithm::ETHASH, epoch)?;
    let one = rate(verify(&tables, 1));
    let together = SHARES as f64 * rate(verify(&tables, SHARES));
    let engine = tables.engine().name();
    Ok((
        together,
        format!("{engine}, {SHARES} shares together; one at a time: {}", quantity(one, "H/s")),
        None,
    ))
}

/// Seconds to make the cache of an epoch, on one thread.
///
/// # Errors
/// If there is no memory, or the machine computes wrongly.
pub fn cache_seconds(epoch: u32) -> Figure {
    self_test(Algorithm::ETHASH)?;
    let (epoch, engine) = (Epoch::new(Algorithm::ETHASH, epoch)?, Engine::best());
    let mut memory = Memory::new(epoch.cache_nodes());
    let mut best = f64::INFINITY;
    for _ in 0..CACHES {
        let (made, spent) = timed(|| Tables::fill_cache(epoch, engine, memory.nodes_mut()));
        made?;
        best = best.min(spent.as_secs_f64());
    }
    let hashes = 4.0 * f64::from(epoch.cache_nodes());
    let (each, clock) = (1e9 * best / hashes, clock());
    let why = format!(
        "24 rounds of {ROUND} word operations, {STARTED} a cycle, {:.2} GHz, {hashes} times in a row",
        clock / 1e9
    );
    let limit = Limit { rate: hashes * 24.0 * ROUND / STARTED / clock, unit: "s", why };
    let words = format!("{}, the best of {CACHES}: {each:.0} ns for each hash of the chain", engine.name());
    Ok((best, words, Some(limit)))
}

/// Hashes per second of a scan over the dataset of the first epoch.
///
/// # Errors
/// If there is no memory, or the machine computes wrongly.
pub fn full_rate() -> Figure {
    let (tables, _) = dataset(threads())?;
    let value = rate(scan(tables)?);
    let read = quantity(value * 64.0 * 128.0 / 1e9, "GB/s");
    Ok((value, format!("{}, {read} of random pages", Engine::best().name()), None))
}

/// Seconds to make the dataset of the first epoch with two threads.
///
/// # Errors
/// If there is no memory, or the machine computes wrongly.
pub fn dataset_seconds() -> Figure {
    let (tables, seconds) = dataset(2)?;
    let (made, read) = (tables.bytes() as f64 / 1e9, tables.bytes() as f64 * 256.0 / 1e9);
    let words = format!(
        "{}: {:.3} GB/s made, {:.1} GB/s read of the cache",
        Engine::best().name(),
        made / seconds,
        read / seconds
    );
    Ok((seconds, words, None))
}

/// Shares per second that are refused by what they claim.
///
/// # Errors
/// If the machine computes wrongly.
pub fn precheck_rate() -> Figure {
    self_test(Algorithm::KAWPOW)?;
    let epoch = Epoch::new(Algorithm::KAWPOW, 400)?;
    if claimed(epoch, &input(1), &[9; 32]) == claimed(epoch, &input(2), &[9; 32]) {
        return Err("the nonce counts for nothing".into());
    }
    let value = rate(refuse(Verifier::new(Algorithm::KAWPOW, u64::MAX)?));
    let clock = clock();
    let why =
        format!("2 times 22 rounds of {ROUND} word operations, {STARTED} a cycle, {:.2} GHz", clock / 1e9);
    let limit = Limit { rate: clock * STARTED / (44.0 * ROUND), unit: "shares/s", why };
    Ok((value, "the whole of Verifier::verify, without tables".to_owned(), Some(limit)))
}

/// Milliseconds to verify one share of `KawPow` from the cache of epoch 400.
///
/// # Errors
/// If there is no memory, or the machine computes wrongly.
pub fn kawpow_milliseconds() -> Figure {
    let (tables, nodes) = light_over(Algorithm::KAWPOW, 400)?;
    let one = 1e3 / rate(verify(&tables, 1));
    let together = 1e3 / (4.0 * rate(verify(&tables, 4)));
    let waiting = 1e3 / rate(chase(nodes.nodes()));
    let why = format!(
        "{FETCHES} fetches from this table, each after the one before, {CHAINS} side by side: measured"
    );
    let words = format!("{}, one at a time; four together: {together:.2} ms each", tables.engine().name());
    Ok((one, words, Some(Limit { rate: waiting, unit: "ms", why })))
}

/// Reads nodes all over a table as a share does, and computes nothing: what a node holds says which one is next.
fn chase(nodes: &[Node]) -> Task<'_> {
    let mut at = [0u32, 1, 2, 3];
    let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    Box::new(move |repetitions| {
        for _ in 0..repetitions {
            for step in 0..FETCHES {
                for at in &mut at {
                    let word = nodes[*at as usize].0[step as usize % 16];
                    *at = ((u64::from(word ^ step) * u64::from(count)) >> 32) as u32;
                }
            }
        }
        black_box(&at);
    })
}

fn input(nonce: u64) -> Input {
    Input { header_hash: [0x5a; 32], nonce, height: 400 * 7500 }
}

/// Scans nonces for a digest that does not exist.
fn scan(tables: Tables) -> Result<Task<'static>, Failure> {
    let mut scanner = Scanner::over(Algorithm::ETHASH, Arc::new(tables))?;
    let header = Header::new(&[0x5a; 40]).ok_or("40 bytes are a header")?;
    let mut work = Work::new(Algorithm::ETHASH, header, Target::ZERO);
    work.height = Some(0);
    let mut found = Vec::new();
    Ok(Box::new(move |count| {
        let scanned = scanner.scan(&work, NonceRange::new(0, count), &Stop::new(), &mut found);
        assert_eq!(scanned.map(|scanned| scanned.hashes), Ok(count), "the whole range is scanned");
    }))
}

/// Judges shares whose mix hash gives too high a digest.
fn refuse(verifier: Verifier) -> Task<'static> {
    let target = Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0]);
    Box::new(move |count| {
        for nonce in 0..count {
            assert!(black_box(verifier.verify(&input(nonce), Some(&[9; 32]), target)).is_err());
        }
    })
}

/// Verifies so many shares for each repetition.
fn verify(tables: &Tables, shares: u64) -> Task<'_> {
    let mut next = 0;
    Box::new(move |count| {
        for _ in 0..count {
            let inputs: Vec<_> = (next..next + shares).map(input).collect();
            black_box(tables.hashes(&inputs));
            next += shares;
        }
    })
}

fn light(algorithm: Algorithm, epoch: u32) -> Result<Tables, Failure> {
    light_over(algorithm, epoch).map(|(tables, _)| tables)
}

/// The tables and what they lie in.
fn light_over(algorithm: Algorithm, epoch: u32) -> Result<(Tables, Arc<Memory>), Failure> {
    self_test(algorithm)?;
    let (epoch, engine) = (Epoch::new(algorithm, epoch)?, Engine::best());
    let mut memory = Memory::new(epoch.cache_nodes());
    Tables::fill_cache(epoch, engine, memory.nodes_mut())?;
    let memory = Arc::new(memory);
    Ok((Tables::light(epoch, engine, Arc::clone(&memory) as Arc<dyn Nodes>)?, memory))
}

/// The dataset of the first epoch, and how long so many threads took to make it.
fn dataset(threads: usize) -> Result<(Tables, f64), Failure> {
    let cache = light(Algorithm::ETHASH, 0)?;
    let epoch = cache.epoch();
    let mut memory = Memory::new(epoch.dataset_items());
    let start = Instant::now();
    let parts = Mutex::new((0u32..).step_by(PART).zip(memory.nodes_mut().chunks_mut(PART)));
    let next = || parts.lock().ok().and_then(|mut parts| parts.next());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((first, part)) = next() {
                    assert!(cache.fill(first, part).is_ok(), "a cache knows all items");
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let last = memory.nodes().last().copied().unwrap_or(Node::ZERO);
    let mut expected = [Node::ZERO];
    cache.fill(epoch.dataset_items() - 1, &mut expected)?;
    if [last] != expected {
        return Err("the dataset is not the one of its cache".into());
    }
    Ok((Tables::full(epoch, cache.engine(), Arc::new(memory))?, seconds))
}
