//! RandomX in `otedama hash` and `otedama bench`: it has tables where other functions have kernels.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, Hash256, HashRate, Header, Seed, Target, Weight, Work, hex};
use otedama_gpu::pages::{self, Backing};
use otedama_gpu::randomx::{Event, Mode, Ready, Store, caches, threads};
use otedama_hash::randomx::{Cache, Machine, Pages, Provider as _, Scanner, Tables};
use otedama_hash::{NonceRange, Scan, ScanError, Stop};
use serde_json::json;
use tracing::info;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::measure::count;
use crate::miner::mib;

/// The key of the tables that are measured.
const SEED: Seed = Seed(*b"otedama: the speed of this CPU..");

/// Nonces of the checksum; one in four digests is part of it.
const CHECKED: u64 = 16;

/// Prints the digest of the bytes for a key, both as they are.
pub(crate) fn hash(bytes: &[u8], key: &str) -> Result<(), Failure> {
    let usage = |error: &dyn ToString| Failure::Usage(error.to_string());
    let key = hex::decode(key.as_bytes()).map_err(|error| usage(&format!("--seed: {error}")))?;
    let longest = Algorithm::RANDOMX.spec().header_len;
    if bytes.len() > longest {
        return Err(usage(&format!("at most {longest} bytes are hashed, not {}", bytes.len())));
    }
    let cache = Pages::best(|pages| Cache::new(&key, pages)).map_err(|error| usage(&error))?;
    let mut machine = Tables::Light(Arc::new(cache)).machine().map_err(|error| failed(&error))?;
    writeln!(io::stdout(), "{}", machine.hash(bytes))?;
    Ok(())
}

/// A scanner over the tables of the seed, which goes into the work: the light ones, unless the large ones are asked for.
pub(crate) fn scanner(
    seed: Option<&str>,
    kernel: Option<&str>,
    work: &mut Work,
    stop: &Stop,
) -> Result<Box<dyn Scan>, Failure> {
    let usage = |error: &dyn ToString| Failure::Usage(error.to_string());
    let seed =
        seed.ok_or_else(|| usage(&"randomx needs --seed, the key of its tables as 32 bytes of hex"))?;
    let seed = hex::decode_array(seed.as_bytes()).map_err(|error| usage(&format!("--seed: {error}")))?;
    let seed = Seed(seed);
    // Filling the large tables takes half a minute, in which the light ones do a thousand hashes.
    let store = Store::builder().mode(mode(kernel.or(Some("light")))?).on_event(say()).build();
    let made = store.tables(&seed, stop).map_err(|error| failed(&error))?;
    let machine = made.ok_or(Failure::Interrupted)?.machine().map_err(|error| failed(&error))?;
    work.seed = Some(seed);
    Ok(Box::new(Scanner::over(seed, machine)))
}

/// The way to compute that has this name.
fn mode(kernel: Option<&str>) -> Result<Mode, Failure> {
    match kernel {
        None => Ok(Mode::Auto),
        Some("fast") => Ok(Mode::Fast),
        Some("light") => Ok(Mode::Light),
        Some(name) => Err(Failure::Usage(format!("no kernel {name:?} for randomx; known: fast, light"))),
    }
}

/// Measures one way to compute: the one of this name, else the large tables if there is memory for them.
pub(crate) fn bench(
    kernel: Option<&str>,
    threads: Option<usize>,
    time: Duration,
    json: bool,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mode = mode(kernel)?;
    let threads = threads.unwrap_or_else(fed_threads);
    let stop = Stop::new();
    let asked = stop.clone();
    interrupt.on_request(move || asked.request());
    let store = Store::builder().mode(mode).on_event(say()).build();
    let made = store.tables(&SEED, &stop).map_err(|error| failed(&error))?;
    let tables = made.ok_or(Failure::Interrupted)?;
    let checksum = checksum(&tables)?;
    let (elapsed, hashes) = measure(&tables, threads, time, interrupt)?;
    let row = Row { tables: &tables, threads, elapsed, hashes, checksum, backing: backing(&tables) };
    writeln!(io::stdout(), "{}", if json { row.json() } else { row.text() })?;
    Ok(())
}

/// Tables for a miner: the large ones if there is memory for them, but not for a test chain.
pub(crate) fn store() -> Store {
    Store::builder().light(Seed::DEVNET).on_event(say()).build()
}

/// As many threads as the caches feed.
pub(crate) fn fed_threads() -> usize {
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    threads(cpus, &caches())
}

/// Logs what a store does: tenths of the way, and what the tables lie in.
pub(crate) fn say() -> impl Fn(&Event) + Send + Sync + 'static {
    let tenths = AtomicU64::new(0);
    move |event| match event {
        Event::Filling { done, total, .. } => {
            let tenth = done.saturating_mul(10) / (*total).max(1);
            if tenths.fetch_max(tenth, Ordering::Relaxed) < tenth {
                info!("randomx: the dataset is filled to {} %", 10 * tenth);
            }
        }
        Event::Ready(ready) => {
            tenths.store(0, Ordering::Relaxed);
            let Ready { kernel, backing, took, .. } = ready;
            let peak = pages::peak_memory().map(|bytes| format!(", peak memory so far {}", mib(bytes)));
            for backing in backing {
                let len = mib(u64::try_from(backing.len).unwrap_or(u64::MAX));
                let (seconds, peak) = (took.as_secs_f64(), peak.as_deref().unwrap_or_default());
                info!("randomx: {kernel} tables after {seconds:.1} s, {len} in {backing}{peak}");
            }
            let command = backing.first().and_then(|first| first.improvement(backing.len()));
            if let Some(command) = command {
                info!("better pages for the next start: {command}");
            }
        }
        _ => {}
    }
}

struct Row<'a> {
    tables: &'a Tables,
    threads: usize,
    elapsed: Duration,
    hashes: u64,
    checksum: String,
    backing: Backing,
}

impl Row<'_> {
    fn rate(&self) -> HashRate {
        HashRate::from_work(Weight::new(self.hashes.into()), self.elapsed)
    }

    fn json(&self) -> String {
        let line = json!({
            "algorithm": "randomx",
            "kernel": self.tables.name(),
            "threads": self.threads,
            "seconds": self.elapsed.as_secs_f64(),
            "hashes": self.hashes,
            "rate": self.rate().hashes_per_second(),
            "checksum": self.checksum,
            "fastest": true,
            "pages": self.backing.kind.name(),
            "peak_memory": pages::peak_memory(),
        });
        line.to_string()
    }

    fn text(&self) -> String {
        let Self { tables, threads, elapsed, hashes, checksum, backing } = self;
        let plural = if *threads == 1 { "" } else { "s" };
        let memory = pages::peak_memory().map(|bytes| format!(", peak memory {}", mib(bytes)));
        format!(
            "randomx {}: {} on {threads} thread{plural} ({hashes} hashes in {:.2} s, {backing}{}, checksum {checksum})",
            tables.name(),
            self.rate(),
            elapsed.as_secs_f64(),
            memory.unwrap_or_default(),
        )
    }
}

fn backing(tables: &Tables) -> Backing {
    let region = match tables {
        Tables::Light(cache) => cache.region(),
        Tables::Fast(dataset) => dataset.region(),
    };
    pages::of(region.address, region.len)
}

fn work(target: Target) -> Work {
    let header = Header::new(&SEED.0.repeat(2)).unwrap_or_else(|| Header::from([0; 80]));
    Work::new(Algorithm::RANDOMX, header, target).with_seed(SEED)
}

fn measure(
    tables: &Tables,
    threads: usize,
    time: Duration,
    interrupt: &Interrupt,
) -> Result<(Duration, u64), Failure> {
    let work = work(Target::ZERO);
    let scan = |machine: Machine, stop: &Stop| -> Result<u64, ScanError> {
        let mut scanner = Scanner::over(SEED, machine);
        Ok(scanner.scan(&work, NonceRange::all(work.algorithm), stop, &mut Vec::new())?.hashes)
    };
    count((threads, time), &work.algorithm, || tables.machine(), scan, interrupt)
}

/// What a scan finds in a fixed range, as a checksum; an error if the library's plain call finds anything else.
fn checksum(tables: &Tables) -> Result<String, Failure> {
    let work = work(Target::from_weight(Weight::new(4)).unwrap_or(Target::MAX));
    let mut scanner = Scanner::over(SEED, tables.machine().map_err(|error| failed(&error))?);
    let mut found = Vec::new();
    let range = NonceRange::new(0, CHECKED);
    scanner.scan(&work, range, &Stop::new(), &mut found).map_err(|error| failed(&error))?;
    let nonces: Vec<u64> = found.iter().map(|solution| solution.nonce).collect();

    let cache = Pages::best(|pages| Cache::new(&SEED.0, pages)).map_err(|error| failed(&error))?;
    let mut plain = Tables::Light(Arc::new(cache)).machine().map_err(|error| failed(&error))?;
    let mut meets = |nonce: &u64| {
        let header = work.header.with_nonce(work.algorithm, *nonce);
        work.algorithm.meets(&plain.hash(header.as_bytes()), work.target)
    };
    let expected: Vec<u64> = (0..CHECKED).filter(|nonce| meets(nonce)).collect();
    if nonces != expected {
        return Err(failed(&format!("randomx finds {nonces:?} where {expected:?} is right")));
    }
    let bytes: Vec<u8> = nonces.iter().flat_map(|nonce| nonce.to_le_bytes()).collect();
    Ok(Hash256::sha256d(&bytes).to_string())
}

fn failed(error: &dyn ToString) -> Failure {
    Failure::Failed(error.to_string())
}
