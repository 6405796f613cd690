//! `otedama bench`: how fast this machine hashes, and whether it does so rightly.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, AlgorithmSet, Hash256, Target, Weight, Work};
use otedama_hash::{Kernel, NonceRange, Stop, oracle};
use serde_json::json;

use crate::args::BenchArgs;
use crate::cmd::scan::choose;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::measure::{Measured, header, measure};

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let threads = args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let algorithms: Vec<_> =
        args.algorithm.map_or_else(|| AlgorithmSet::builtin().iter().collect(), |one| vec![one]);
    for algorithm in algorithms {
        if algorithm == Algorithm::RANDOMX {
            // Large tables take a minute and 2.3 GiB: only where they are asked for.
            #[cfg(feature = "randomx")]
            super::randomx::bench(
                args.algorithm.is_none().then_some("light"),
                args.threads,
                Duration::from_secs(args.seconds.into()),
                args.json,
                &interrupt,
            )?;
            continue;
        }
        let kernel = choose(algorithm, None)?;
        let checksum = checksum(kernel)?;
        let measured = measure(kernel, threads, Duration::from_secs(args.seconds.into()), &interrupt)?;
        print(args.json, kernel, threads, &measured, &checksum)?;
    }
    Ok(())
}

fn print(json: bool, kernel: Kernel, threads: usize, measured: &Measured, checksum: &str) -> io::Result<()> {
    let (algorithm, rate) = (kernel.algorithm().name(), measured.rate());
    let (kernel, seconds, hashes) = (kernel.name(), measured.elapsed.as_secs_f64(), measured.hashes);
    let mut out = io::stdout();
    if json {
        let line = json!({
            "algorithm": algorithm,
            "kernel": kernel,
            "threads": threads,
            "seconds": seconds,
            "hashes": hashes,
            "rate": rate.hashes_per_second(),
            "checksum": checksum,
        });
        writeln!(out, "{line}")
    } else {
        let plural = if threads == 1 { "" } else { "s" };
        writeln!(
            out,
            "{algorithm} {kernel}: {rate} on {threads} thread{plural} ({hashes} hashes in {seconds:.2} s, checksum {checksum})"
        )
    }
}

/// Nonces of the checksum, and how many leading bits of a digest must be zero to be part of it.
fn checked_range(algorithm: Algorithm) -> (u64, u32) {
    // The oracle is slow on purpose: some ten milliseconds for either.
    if algorithm == Algorithm::SHA256D { (1 << 14, 7) } else { (16, 2) }
}

/// What the kernel finds in a fixed range, as a checksum; an error if the oracle finds anything else.
fn checksum(kernel: Kernel) -> Result<String, Failure> {
    let (count, zeros) = checked_range(kernel.algorithm());
    let target = Target::from_weight(Weight::new(1 << zeros)).unwrap_or(Target::MAX);
    let work = Work::new(kernel.algorithm(), header(), target);
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
