//! `otedama bench`: how fast this machine hashes, and whether it does so rightly.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, AlgorithmSet, Hash256, Target, Weight, Work};
use otedama_gpu::pages;
use otedama_hash::ethash::Epoch;
use otedama_hash::{Kernel, NonceRange, Stop, oracle};
use serde_json::json;
use tracing::info;

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::measure::{Measured, header, measure};
use crate::miner::mib;

/// What takes longer than this says how far it is.
const QUIET_SECONDS: u32 = 2;

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let threads = args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let time = Duration::from_secs(args.seconds.into());
    #[cfg(feature = "randomx")]
    if args.algorithm == Some(Algorithm::RANDOMX) {
        return super::randomx::bench(args.kernel.as_deref(), args.threads, time, args.json, &interrupt);
    }
    if let Some(algorithm) = args.algorithm.filter(|algorithm| has_tables(*algorithm)) {
        return super::ethash::bench(algorithm, args.kernel.as_deref(), threads, time, args.json, &interrupt);
    }
    for kernels in plan(args.algorithm, args.kernel.as_deref())? {
        let mut rows = Vec::new();
        let all = kernels.len();
        for (at, kernel) in kernels.into_iter().enumerate() {
            if args.seconds.saturating_mul(u32::try_from(all).unwrap_or(u32::MAX)) > QUIET_SECONDS {
                info!("{kernel}: {} of {all}, {} s", at + 1, args.seconds);
            }
            kernel.self_test().map_err(|error| Failure::Failed(error.to_string()))?;
            let checksum = checksum(kernel)?;
            let measured = measure(kernel, threads, time, &interrupt)?;
            rows.push(Row { kernel, threads, measured, checksum, peak_memory: pages::peak_memory() });
        }
        print(args.json, &rows)?;
        advise(&rows);
    }
    if args.algorithm.is_none() {
        for algorithm in AlgorithmSet::builtin().iter().filter(|algorithm| has_tables(*algorithm)) {
            super::ethash::bench(algorithm, Some("light"), threads, time, args.json, &interrupt)?;
        }
    }
    #[cfg(feature = "randomx")]
    if args.algorithm.is_none() {
        // Large tables take a minute and 2.3 GiB: only where they are asked for.
        super::randomx::bench(Some("light"), args.threads, time, args.json, &interrupt)?;
    }
    Ok(())
}

/// What to measure: the kernels of each algorithm.
fn plan(algorithm: Option<Algorithm>, name: Option<&str>) -> Result<Vec<Vec<Kernel>>, Failure> {
    match (algorithm, name) {
        (Some(algorithm), Some(name)) => {
            let kernel = Kernel::find(algorithm, name);
            Ok(vec![vec![kernel.map_err(|error| Failure::Usage(error.to_string()))?]])
        }
        (Some(algorithm), None) => match Kernel::available(algorithm) {
            none if none.is_empty() => Err(Failure::Usage(format!("there is no kernel for {algorithm}"))),
            kernels => Ok(vec![kernels]),
        },
        (None, _) => {
            // The kernels of what has tables are for test chains.
            let known = AlgorithmSet::builtin();
            let all = known.iter().filter(|algorithm| !has_tables(*algorithm));
            Ok(all.map(Kernel::available).filter(|kernels| !kernels.is_empty()).collect())
        }
    }
}

/// Whether it is Ethash or a relative.
fn has_tables(algorithm: Algorithm) -> bool {
    Epoch::of_test_chains(algorithm).is_ok()
}

/// What was measured of one kernel.
struct Row {
    kernel: Kernel,
    threads: usize,
    measured: Measured,
    checksum: String,
    /// Of the whole process, until then.
    peak_memory: Option<u64>,
}

/// The kernels of an algorithm, one line each, in the order in which they were measured.
fn print(json: bool, rows: &[Row]) -> io::Result<()> {
    let rates = || rows.iter().map(|row| row.measured.rate().hashes_per_second());
    let best = rates().fold(0.0, f64::max);
    let first = rates().position(|rate| rate >= best);
    let mut out = io::stdout();
    for (at, row) in rows.iter().enumerate() {
        let fastest = first == Some(at);
        let line = if json { row.json(fastest) } else { row.text(fastest) };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

impl Row {
    fn json(&self, fastest: bool) -> String {
        let Self { kernel, threads, measured, checksum, peak_memory } = self;
        let line = json!({
            "algorithm": kernel.algorithm().name(),
            "kernel": kernel.name(),
            "threads": threads,
            "seconds": measured.elapsed.as_secs_f64(),
            "hashes": measured.hashes,
            "rate": measured.rate().hashes_per_second(),
            "checksum": checksum,
            "fastest": fastest,
            "pages": measured.backing.map(|backing| backing.kind.name()),
            "peak_memory": peak_memory,
        });
        line.to_string()
    }

    fn text(&self, fastest: bool) -> String {
        let Self { kernel, threads, measured, checksum, peak_memory } = self;
        let Measured { elapsed, hashes, backing } = measured;
        let (algorithm, name, rate) = (kernel.algorithm().name(), kernel.name(), measured.rate());
        let plural = if *threads == 1 { "" } else { "s" };
        let (seconds, fastest) = (elapsed.as_secs_f64(), if fastest { ", the fastest" } else { "" });
        let pages = backing.map(|backing| format!(", {backing}")).unwrap_or_default();
        let memory = peak_memory.map(|bytes| format!(", peak memory {}", mib(bytes))).unwrap_or_default();
        format!(
            "{algorithm} {name}: {rate} on {threads} thread{plural}{fastest} ({hashes} hashes in {seconds:.2} s{pages}{memory}, checksum {checksum})"
        )
    }
}

/// Says which command would give better pages to the kernel that wants most of them.
fn advise(rows: &[Row]) {
    let better = |row: &Row| {
        let backing = row.measured.backing?;
        backing.improvement(row.threads).map(|command| (backing.len, row.kernel, command))
    };
    if let Some((_, kernel, command)) = rows.iter().filter_map(better).max_by_key(|(len, ..)| *len) {
        info!("better pages for {kernel} next time: {command}");
    }
}

/// Nonces of the checksum, and how many leading bits of a digest must be zero to be part of it.
fn checked_range(algorithm: Algorithm) -> (u64, u32) {
    // The oracle is slow on purpose: some ten milliseconds for any.
    if algorithm == Algorithm::SCRYPT || has_tables(algorithm) { (16, 2) } else { (1 << 14, 7) }
}

/// What the kernel finds in a fixed range, as a checksum; an error if the oracle finds anything else.
fn checksum(kernel: Kernel) -> Result<String, Failure> {
    let (count, zeros) = checked_range(kernel.algorithm());
    let target = Target::from_weight(Weight::new(1 << zeros)).unwrap_or(Target::MAX);
    let work = Work::new(kernel.algorithm(), header(kernel.algorithm()), target);
    let range = NonceRange::new(0, count);
    let mut found = Vec::new();
    let failed = |error: &dyn ToString| Failure::Failed(format!("{kernel}: {}", error.to_string()));
    kernel.scanner().scan(&work, range, &Stop::new(), &mut found).map_err(|error| failed(&error))?;
    let nonces: Vec<u64> = found.iter().map(|solution| solution.nonce).collect();
    let expected = oracle::scan(&work, range).map_err(|error| failed(&error))?;
    if nonces != expected {
        return Err(failed(&format!("finds {nonces:?} where {expected:?} is right")));
    }
    let bytes: Vec<u8> = nonces.iter().flat_map(|nonce| nonce.to_le_bytes()).collect();
    Ok(Hash256::sha256d(&bytes).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_the_same_checksum() {
        for algorithm in AlgorithmSet::builtin().iter().filter(|known| !Kernel::available(*known).is_empty())
        {
            let sums: Vec<_> =
                Kernel::available(algorithm).into_iter().map(|kernel| checksum(kernel).unwrap()).collect();
            assert!(sums.iter().all(|sum| sum == &sums[0]), "{sums:?}");
            let none = Hash256::sha256d(&[]).to_string();
            assert_ne!(sums[0], none, "the range holds finds");
        }
    }
}
