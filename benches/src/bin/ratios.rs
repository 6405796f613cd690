//! `make ratios`: our kernels over named baselines, one line `NAME RATIO` or `NAME unavailable` for each row.

use std::hint::black_box;
use std::process::ExitCode;

use otedama_benches::baseline::{self, Baseline, header};
use otedama_benches::limit;
use otedama_benches::measure::{self, Task, compare};
use otedama_benches::program::{Failure, Measured, run};
use otedama_benches::results::{Row, Table, quantity};
use otedama_core::{Algorithm, Target, Work};
use otedama_hash::{Kernel, NonceRange, Stop};

/// What is compared with what.
struct Ratio {
    name: &'static str,
    baseline: Baseline,
}

const RATIOS: [Ratio; 4] = [
    Ratio { name: "sha256d", baseline: baseline::SHA256D },
    Ratio { name: "scrypt", baseline: baseline::SCRYPT },
    Ratio { name: "blake3-decred", baseline: baseline::BLAKE3_DECRED },
    Ratio { name: "blake3-alephium", baseline: baseline::BLAKE3_ALEPHIUM },
];

fn main() -> ExitCode {
    run(Table::Ratios, &RATIOS, |ratio| ratio.name, Ratio::measure)
}

impl Ratio {
    fn measure(&self) -> Measured {
        let baseline = self.baseline;
        self.check_baseline()?;
        let Some(kernel) = fastest(baseline.algorithm)? else { return Ok(None) };
        let found = compare(ours(kernel), theirs(baseline));
        let limit = limit::hashes(baseline.algorithm);
        let row = Row {
            name: self.name,
            result: format!("{:.3}", found.ratio),
            beside: format!("{kernel}: {}", quantity(found.ours, "H/s")),
            baseline: format!("{}: {}", baseline.name, quantity(found.theirs, "H/s")),
            reached: limit.as_ref().map(|limit| found.ours / limit.rate),
            limit,
        };
        Ok(Some((format!("{:.3}", found.ratio), row)))
    }

    /// Both sides must compute the same function, or the ratio means nothing.
    fn check_baseline(&self) -> Result<(), Failure> {
        let header = header(self.baseline.algorithm);
        let ours = otedama_hash::hash(self.baseline.algorithm, header.as_bytes())?;
        if *ours.as_bytes() == (self.baseline.hash)(header.as_bytes()) {
            Ok(())
        } else {
            Err(format!("{}: the two sides compute different digests", self.name).into())
        }
    }
}

/// The kernel that is fastest here, if this machine has any; each must prove itself.
fn fastest(algorithm: Algorithm) -> Result<Option<Kernel>, Failure> {
    let mut best = None;
    for kernel in Kernel::available(algorithm) {
        kernel.self_test()?;
        let rate = measure::rate(ours(kernel));
        if best.is_none_or(|(_, fastest)| rate > fastest) {
            best = Some((kernel, rate));
        }
    }
    Ok(best.map(|(kernel, _)| kernel))
}

/// Scans nonces for a digest that does not exist.
fn ours(kernel: Kernel) -> Task<'static> {
    let work = Work::new(kernel.algorithm(), header(kernel.algorithm()), Target::ZERO);
    let mut scanner = kernel.scanner();
    let mut found = Vec::new();
    Box::new(move |count| {
        let scanned = scanner.scan(&work, NonceRange::new(0, count), &Stop::new(), &mut found);
        assert_eq!(scanned.map(|scanned| scanned.hashes), Ok(count), "{kernel} scans the whole range");
    })
}

fn theirs(baseline: Baseline) -> Task<'static> {
    let header = header(baseline.algorithm);
    Box::new(move |count| {
        for nonce in 0..count {
            black_box((baseline.hash)(header.with_nonce(baseline.algorithm, nonce).as_bytes()));
        }
    })
}
