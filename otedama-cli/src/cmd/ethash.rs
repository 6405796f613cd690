//! Ethash, Etchash and `KawPow` in `otedama hash`, `scan` and `bench`: they have tables where other functions have
//! kernels.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otedama_core::{Algorithm, Hash256, HashRate, Target, Weight, Work, hex};
use otedama_gpu::pages;
use otedama_gpu::tables::{Event, Mode, Store};
use otedama_hash::ethash::{Engine, Epoch, Input, Provider as _, Scanner, Tables};
use otedama_hash::{NonceRange, Scan, ScanError, Stop};
use serde_json::json;
use tracing::{info, warn};

use crate::cache;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::measure::{count, header};

/// Nonces of the checksum; one in four digests is part of it.
const CHECKED: u64 = 16;

/// Prints digest and mix hash of a header's hash and a nonce.
pub(crate) fn hash(
    algorithm: Algorithm,
    header_hash: &[u8],
    nonce: Option<&str>,
    height: Option<u64>,
) -> Result<(), Failure> {
    let usage = |error: &dyn ToString| Failure::Usage(error.to_string());
    let missing = |what: &str| Failure::Usage(format!("{algorithm} needs {what}"));
    let found = header_hash.len();
    let header_hash = header_hash
        .try_into()
        .map_err(|_| usage(&format!("the hash of a header has 32 bytes, not {found}")))?;
    let nonce = read_nonce(nonce.ok_or_else(|| missing("--nonce, as hex"))?)?;
    let height = height.ok_or_else(|| missing("--height, the number of the block"))?;
    let epoch = Epoch::at(algorithm, height).map_err(|error| usage(&format!("--height: {error}")))?;
    let store = store(algorithm, Mode::Light)?;
    let made = store.tables(epoch, &Stop::new()).map_err(|error| failed(&error))?;
    let tables = made.ok_or(Failure::Interrupted)?;
    let outcome = tables.hash(&Input { header_hash, nonce, height });
    writeln!(io::stdout(), "{} {}", outcome.digest, hex::encode(&outcome.mix))?;
    Ok(())
}

/// Up to eight bytes, most significant first.
fn read_nonce(text: &str) -> Result<u64, Failure> {
    let bytes = hex::decode(text.as_bytes()).map_err(|error| Failure::Usage(format!("--nonce: {error}")))?;
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(Failure::Usage(format!("--nonce: 1 to 8 bytes, not {}", bytes.len())));
    }
    Ok(bytes.iter().fold(0, |nonce, byte| nonce << 8 | u64::from(*byte)))
}

/// A scanner over the tables of a height, which goes into the work: the light ones, unless the full ones are asked for.
pub(crate) fn scanner(
    algorithm: Algorithm,
    height: u64,
    kernel: Option<&str>,
    work: &mut Work,
    stop: &Stop,
) -> Result<Box<dyn Scan>, Failure> {
    let epoch = Epoch::at(algorithm, height);
    let epoch = epoch.map_err(|error| Failure::Usage(format!("--height: {error}")))?;
    work.height = Some(height);
    let tables = tables(algorithm, epoch, mode(algorithm, kernel)?, stop)?;
    Ok(Box::new(Scanner::over(algorithm, tables).map_err(|error| failed(&error))?))
}

/// The way to compute that has this name.
fn mode(algorithm: Algorithm, kernel: Option<&str>) -> Result<Mode, Failure> {
    match kernel {
        None | Some("light") => Ok(Mode::Light),
        Some("full") => Ok(Mode::Full),
        Some(name) => Err(Failure::Usage(format!("no kernel {name:?} for {algorithm}; known: full, light"))),
    }
}

/// Datasets are kept in files, caches are made faster than they are read.
fn store(algorithm: Algorithm, mode: Mode) -> Result<Store, Failure> {
    let builder = Store::builder(algorithm).map_err(|error| failed(&error))?.mode(mode).on_event(say());
    let folder = cache::tables().filter(|_| mode == Mode::Full);
    Ok(match folder {
        Some(folder) => builder.folder(folder),
        None => builder,
    }
    .build())
}

fn tables(algorithm: Algorithm, epoch: Epoch, mode: Mode, stop: &Stop) -> Result<Arc<Tables>, Failure> {
    let made = store(algorithm, mode)?.tables(epoch, stop).map_err(|error| failed(&error))?;
    made.ok_or(Failure::Interrupted)
}

/// Logs what a store does: tenths of the way, and what was wrong with a file.
fn say() -> impl Fn(&Event) + Send + Sync + 'static {
    let tenths = AtomicU64::new(0);
    move |event| match event {
        Event::Filling { epoch, done, total } => {
            let tenth = done.saturating_mul(10) / (*total).max(1);
            if tenths.fetch_max(tenth, Ordering::Relaxed) < tenth {
                info!("{epoch}: the dataset is filled to {} %", 10 * tenth);
            }
        }
        Event::Wrong { path, fault } => warn!("{} is made again: {fault}", path.display()),
        Event::Ready { epoch, kernel, found, took } => {
            tenths.store(0, Ordering::Relaxed);
            let how = if *found { "found in a file and checked" } else { "made" };
            info!("{epoch}: {kernel} tables, {how} in {:.1} s", took.as_secs_f64());
        }
        _ => {}
    }
}

/// Measures tables of the first epoch: the light ones, unless the full ones are asked for.
pub(crate) fn bench(
    algorithm: Algorithm,
    kernel: Option<&str>,
    threads: usize,
    time: Duration,
    json: bool,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mode = mode(algorithm, kernel)?;
    let stop = Stop::new();
    let asked = stop.clone();
    interrupt.on_request(move || asked.request());
    let epoch = Epoch::new(algorithm, 0).map_err(|error| failed(&error))?;
    let tables = tables(algorithm, epoch, mode, &stop)?;
    let checksum = checksum(algorithm, &tables)?;
    let (elapsed, hashes) = measure(algorithm, &tables, threads, time, interrupt)?;
    let rate = HashRate::from_work(Weight::new(hashes.into()), elapsed);
    let (name, kernel, seconds) = (algorithm.name(), tables.name(), elapsed.as_secs_f64());
    let line = if json {
        json!({
            "algorithm": name,
            "kernel": kernel,
            "threads": threads,
            "seconds": seconds,
            "hashes": hashes,
            "rate": rate.hashes_per_second(),
            "checksum": checksum,
            "fastest": true,
            "engine": tables.engine().name(),
            "epoch": 0,
            "peak_memory": pages::peak_memory(),
        })
        .to_string()
    } else {
        let plural = if threads == 1 { "" } else { "s" };
        let engine = tables.engine().name();
        format!(
            "{name} {kernel}: {rate} on {threads} thread{plural} ({hashes} hashes in {seconds:.2} s, {engine}, \
             epoch 0, checksum {checksum})"
        )
    };
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

/// Work of the first epoch.
fn work(algorithm: Algorithm, target: Target) -> Work {
    let mut work = Work::new(algorithm, header(algorithm), target);
    work.height = Some(0);
    work
}

fn measure(
    algorithm: Algorithm,
    tables: &Arc<Tables>,
    threads: usize,
    time: Duration,
    interrupt: &Interrupt,
) -> Result<(Duration, u64), Failure> {
    let work = work(algorithm, Target::ZERO);
    let scanner = || Scanner::over(algorithm, Arc::clone(tables));
    let scan = |mut scanner: Scanner, stop: &Stop| -> Result<u64, ScanError> {
        Ok(scanner.scan(&work, NonceRange::all(algorithm), stop, &mut Vec::new())?.hashes)
    };
    count((threads, time), &algorithm, scanner, scan, interrupt)
}

/// What a scan finds in a fixed range, as a checksum; an error if the portable code, one hash after the other from the
/// cache, finds anything else.
fn checksum(algorithm: Algorithm, tables: &Arc<Tables>) -> Result<String, Failure> {
    let work = work(algorithm, Target::from_weight(Weight::new(4)).unwrap_or(Target::MAX));
    let mut scanner = Scanner::over(algorithm, Arc::clone(tables)).map_err(|error| failed(&error))?;
    let mut found = Vec::new();
    let range = NonceRange::new(0, CHECKED);
    scanner.scan(&work, range, &Stop::new(), &mut found).map_err(|error| failed(&error))?;
    let nonces: Vec<u64> = found.iter().map(|solution| solution.nonce).collect();

    let plain = Tables::make_light(tables.epoch(), Engine::portable()).map_err(|error| failed(&error))?;
    let header_hash = work.header.as_bytes().first_chunk().copied().unwrap_or_default();
    let meets =
        |nonce: &u64| work.accepts(&plain.hash(&Input { header_hash, nonce: *nonce, height: 0 }).digest);
    let expected: Vec<u64> = (0..CHECKED).filter(meets).collect();
    if nonces != expected {
        return Err(failed(&format!("{algorithm} finds {nonces:?} where {expected:?} is right")));
    }
    let bytes: Vec<u8> = nonces.iter().flat_map(|nonce| nonce.to_le_bytes()).collect();
    Ok(Hash256::sha256d(&bytes).to_string())
}

fn failed(error: &dyn ToString) -> Failure {
    Failure::Failed(error.to_string())
}
