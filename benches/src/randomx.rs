//! The rows of RandomX: what is lost above the reference library, and what pages and threads gain.
//!
//! The baseline is the crate `randomx-rs`, used as its documentation does, with the flags that it recommends.

use std::fs;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use otedama_core::{Algorithm, Header, Seed, Target, Work};
use otedama_hash::randomx::{Blank, Cache, Machine, Pages, Part, Scanner, Tables, Verifier};
use otedama_hash::{NonceRange, Scan as _, Stop};
use randomx_rs::{RandomXCache, RandomXDataset, RandomXFlag, RandomXVM};

use crate::measure::{Comparison, ROUNDS, Task, compare, median, threads};
use crate::program::{Failure, Measured};
use crate::results::{Row, quantity};

/// A row by name, and what measures it.
pub type Named = (&'static str, fn() -> Measured);

/// The rows.
pub const ROWS: [Named; 4] = [
    ("randomx-fast", fast),
    ("randomx-thp", transparent),
    ("randomx-light", light),
    ("randomx-init-2t", initialisation),
];

/// Bytes of a cache and of a dataset, with some room.
const CACHE: u64 = 300 << 20;
const DATASET: u64 = 2200 << 20;
/// Items that a thread fills at once.
const PART: u32 = 1 << 14;
/// Parts of a dataset that are filled to measure how long it takes.
const PARTS: usize = 32;
const SEED: Seed = Seed([7; 32]);

fn fast() -> Measured {
    if !has_memory(2 * DATASET + CACHE) {
        return Ok(None);
    }
    let flags = RandomXFlag::get_recommended_flags();
    let cache = RandomXCache::new(flags, &SEED.0)?;
    let flags = flags | RandomXFlag::FLAG_FULL_MEM;
    let dataset = RandomXDataset::new(flags, cache, 0)?;
    let machine = RandomXVM::new(flags, None, Some(dataset))?;
    let ours = dataset_in(Pages::Small)?;
    same_digest(&mut Machine::new(ours.clone(), Pages::Small)?, &machine)?;
    let found = compare(scan(ours, Pages::Small)?, hash_set(machine));
    row("randomx-fast", &found, "a scan, 4 KiB pages", "randomx-rs, calculate_hash_set, 4 KiB pages")
}

fn transparent() -> Measured {
    if !has_memory(2 * DATASET + CACHE) || !cfg!(target_os = "linux") {
        return Ok(None);
    }
    let (ours, theirs) = (dataset_in(Pages::Transparent)?, dataset_in(Pages::Small)?);
    let found = compare(scan(ours, Pages::Transparent)?, scan(theirs, Pages::Small)?);
    row("randomx-thp", &found, "a scan, transparent huge pages", "the same in 4 KiB pages")
}

fn light() -> Measured {
    if !has_memory(2 * CACHE) {
        return Ok(None);
    }
    let verifier = Verifier::new();
    verifier.prepare(&SEED)?;
    let flags = RandomXFlag::get_recommended_flags();
    let machine = RandomXVM::new(flags, Some(RandomXCache::new(flags, &SEED.0)?), None)?;
    let tables = verifier.tables(&SEED).ok_or("the verifier is prepared")?;
    same_digest(&mut tables.machine()?, &machine)?;
    let ours: Task<'_> = Box::new(move |count| {
        for nonce in 0..count {
            assert!(black_box(verifier.digest(&SEED, header(nonce).as_bytes())).is_ok());
        }
    });
    let theirs: Task<'_> = Box::new(move |count| {
        for nonce in 0..count {
            assert!(black_box(machine.calculate_hash(header(nonce).as_bytes())).is_ok());
        }
    });
    row("randomx-light", &compare(ours, theirs), "verifier, the best pages", "randomx-rs, 4 KiB pages")
}

fn initialisation() -> Measured {
    if !has_memory(DATASET / 8 + CACHE) || threads() < 2 {
        return Ok(None);
    }
    let cache = Pages::best(|pages| Cache::new(&SEED.0, pages))?;
    let mut blank = Pages::best(Blank::new)?;
    let mut seconds = |threads| {
        let mut parts = blank.parts(PART);
        parts.truncate(PARTS);
        let start = Instant::now();
        fill(parts, &cache, threads);
        start.elapsed().as_secs_f64()
    };
    // The first time the memory is new.
    seconds(2);
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (seconds(2), seconds(1))).collect();
    let items = f64::from(PART) * PARTS as f64;
    let found = Comparison {
        ours: median(rounds.iter().map(|(two, _)| items / two)),
        theirs: median(rounds.iter().map(|(_, one)| items / one)),
        ratio: median(rounds.iter().map(|(two, one)| one / two)),
    };
    let (ours, theirs) = (quantity(found.ours, "items/s"), quantity(found.theirs, "items/s"));
    let text = format!("{:.3}", found.ratio);
    let row = Row {
        name: "randomx-init-2t",
        result: text.clone(),
        beside: format!("2 threads, by the clock on the wall: {ours}"),
        baseline: format!("1 thread: {theirs}"),
        limit: None,
        reached: None,
    };
    Ok(Some((text, row)))
}

fn row(name: &'static str, found: &Comparison, ours: &str, theirs: &str) -> Measured {
    let text = format!("{:.3}", found.ratio);
    let row = Row {
        name,
        result: text.clone(),
        beside: format!("{ours}: {}", quantity(found.ours, "H/s")),
        baseline: format!("{theirs}: {}", quantity(found.theirs, "H/s")),
        limit: None,
        reached: None,
    };
    Ok(Some((text, row)))
}

fn header(nonce: u64) -> Header {
    Header::new(&[0x5a; 76]).unwrap_or(Header::from([0x5a; 80])).with_nonce(Algorithm::RANDOMX, nonce)
}

/// Both sides must compute the same function, or the ratio means nothing.
fn same_digest(ours: &mut Machine, theirs: &RandomXVM) -> Result<(), Failure> {
    let input = header(1);
    let same = theirs.calculate_hash(input.as_bytes())? == ours.hash(input.as_bytes()).as_bytes();
    if same { Ok(()) } else { Err("the two sides compute different digests".into()) }
}

/// A dataset in such pages, filled by all threads.
fn dataset_in(pages: Pages) -> Result<Tables, Failure> {
    let cache = Cache::new(&SEED.0, Pages::Transparent)?;
    let mut blank = Blank::new(pages)?;
    fill(blank.parts(PART), &cache, threads());
    Ok(Tables::Fast(Arc::new(blank.finish()?)))
}

fn fill(parts: Vec<Part<'_>>, cache: &Cache, threads: usize) {
    let parts = Mutex::new(parts);
    let next = || parts.lock().ok().and_then(|mut parts| parts.pop());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(part) = next() {
                    part.fill(cache);
                }
            });
        }
    });
}

/// Scans nonces for a digest that does not exist.
fn scan(tables: Tables, pages: Pages) -> Result<Task<'static>, Failure> {
    let machine = Machine::new(tables, pages)?;
    let mut scanner = Scanner::over(SEED, machine);
    let work = Work::new(Algorithm::RANDOMX, header(0), Target::ZERO).with_seed(SEED);
    let mut found = Vec::new();
    Ok(Box::new(move |count| {
        let scanned = scanner.scan(&work, NonceRange::new(0, count), &Stop::new(), &mut found);
        assert_eq!(scanned.map(|scanned| scanned.hashes), Ok(count), "the whole range is scanned");
    }))
}

/// The loop of the crate's documentation.
fn hash_set(machine: RandomXVM) -> Task<'static> {
    Box::new(move |count| {
        let headers: Vec<_> = (0..count).map(header).collect();
        let inputs: Vec<_> = headers.iter().map(Header::as_bytes).collect();
        assert!(black_box(machine.calculate_hash_set(&inputs)).is_ok());
    })
}

/// Whether so much memory is free, as far as the system says.
fn has_memory(bytes: u64) -> bool {
    let Ok(text) = fs::read_to_string("/proc/meminfo") else { return true };
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.is_none_or(|kibibytes| kibibytes * 1024 > bytes)
}
