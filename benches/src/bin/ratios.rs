//! `make ratios`: our kernels over named baselines, one line `NAME RATIO` or `NAME unavailable` for each row.

use std::hint::black_box;
use std::process::ExitCode;

use otedama_benches::baseline::{self, Baseline, header};
use otedama_benches::measure::{self, Task, compare};
use otedama_benches::program::{Failure, Measured, run};
use otedama_benches::results::{Row, Table, quantity};
use otedama_benches::{ethash, limit, noise, randomx, shares, sv2};
use otedama_core::{Algorithm, Target, Work};
use otedama_hash::{Kernel, NonceRange, Stop};

/// What is compared with what.
struct Ratio {
    name: &'static str,
    baseline: Baseline,
}

static RATIOS: [Ratio; 4] = [
    Ratio { name: "sha256d", baseline: baseline::SHA256D },
    Ratio { name: "scrypt", baseline: baseline::SCRYPT },
    Ratio { name: "blake3-decred", baseline: baseline::BLAKE3_DECRED },
    Ratio { name: "blake3-alephium", baseline: baseline::BLAKE3_ALEPHIUM },
];

/// The fastest kernel of an algorithm on several threads, against itself on one.
struct Scaling {
    name: &'static str,
    algorithm: Algorithm,
    threads: usize,
}

const SCALINGS: [Scaling; 2] = [
    Scaling { name: "sha256d-2t", algorithm: Algorithm::SHA256D, threads: 2 },
    Scaling { name: "scrypt-2t", algorithm: Algorithm::SCRYPT, threads: 2 },
];

/// What measures a row.
enum Kind {
    /// The fastest kernel of an algorithm over its baseline.
    Ratio(&'static Ratio),
    /// The same on several threads.
    Scaling(&'static Scaling),
    /// Something of its own.
    Other(fn() -> Measured),
}

fn main() -> ExitCode {
    let ratios = RATIOS.iter().map(|ratio| (ratio.name, Kind::Ratio(ratio)));
    let scalings = SCALINGS.iter().map(|scaling| (scaling.name, Kind::Scaling(scaling)));
    let others = [&randomx::ROWS[..], &ethash::ROWS, &noise::ROWS, &sv2::ROWS, &shares::ROWS].concat();
    let others = others.into_iter().map(|(name, measure)| (name, Kind::Other(measure)));
    let rows: Vec<_> = ratios.chain(scalings).chain(others).collect();
    run(Table::Ratios, &rows, |(name, _)| name, |(_, kind)| kind.measure())
}

impl Kind {
    fn measure(&self) -> Measured {
        match self {
            Self::Ratio(ratio) => ratio.measure(),
            Self::Scaling(scaling) => scaling.measure(),
            Self::Other(measure) => measure(),
        }
    }
}

impl Scaling {
    /// Rates by the clock on the wall; unavailable where there are fewer CPUs than threads.
    fn measure(&self) -> Measured {
        let Self { name, algorithm, threads } = *self;
        if measure::threads() < threads {
            return Ok(None);
        }
        let Some(kernel) = fastest(algorithm)? else { return Ok(None) };
        let found = measure::scale(threads, || ours(kernel));
        let result = format!("{:.3}", found.ratio);
        let row = Row {
            name,
            result: result.clone(),
            beside: format!(
                "{kernel}, {threads} threads: {} of wall-clock time",
                quantity(found.ours, "H/s")
            ),
            baseline: format!("1 thread: {} of wall-clock time", quantity(found.theirs, "H/s")),
            limit: None,
            reached: None,
        };
        Ok(Some((result, row)))
    }
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
