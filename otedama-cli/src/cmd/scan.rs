//! `otedama scan`: every nonce of a range that meets a target.

use std::io::{self, BufWriter, Write};

use otedama_core::{Algorithm, Header, Work, hex};
use otedama_gpu::pages;
use otedama_hash::ethash::Epoch;
use otedama_hash::{Kernel, NonceRange, Scan, Stop};

use crate::args::ScanArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Nonces between two writes; bounds the memory where every nonce is a find.
const CHUNK: u64 = 1 << 16;

pub(crate) fn run(args: &ScanArgs) -> Result<(), Failure> {
    let usage = |error: &dyn ToString| Failure::Usage(error.to_string());
    let bytes = hex::decode(args.header.as_bytes()).map_err(|error| usage(&error))?;
    let header = Header::new(&bytes).ok_or_else(|| {
        Failure::Usage(format!("the header has {} bytes, at most {} expected", bytes.len(), Header::MAX))
    })?;
    if args.chain.is_some() && args.algorithm != Algorithm::BLAKE3_ALEPHIUM {
        return Err(Failure::Usage(format!("--chain goes only with {}", Algorithm::BLAKE3_ALEPHIUM)));
    }
    let mut work = Work::new(args.algorithm, header, args.target);
    work.chain = args.chain;
    let stop = Stop::new();
    let mut scanner = scanner(args, &mut work, &stop)?;
    let asked = stop.clone();
    Interrupt::install()?.on_request(move || asked.request());
    let mut out = BufWriter::new(io::stdout().lock());
    for range in ascending(args.algorithm, args.start, args.count) {
        scan(&mut *scanner, &work, range, &stop, &mut out)?;
    }
    Ok(())
}

/// A scanner of the kernel that was asked for. Where functions have tables, it is given their key with the work.
fn scanner(args: &ScanArgs, work: &mut Work, stop: &Stop) -> Result<Box<dyn Scan>, Failure> {
    #[cfg(feature = "randomx")]
    if args.algorithm == Algorithm::RANDOMX {
        return super::randomx::scanner(args.seed.as_deref(), args.kernel.as_deref(), work, stop);
    }
    if Epoch::of_test_chains(args.algorithm).is_ok() {
        if args.seed.is_some() {
            return Err(Failure::Usage(format!("--seed: --height decides the tables of {}", args.algorithm)));
        }
        if let Some(height) = args.height {
            return super::ethash::scanner(args.algorithm, height, args.kernel.as_deref(), work, stop);
        }
    } else if args.height.is_some() {
        return Err(Failure::Usage(format!("--height does not go with {}", args.algorithm)));
    }
    if args.seed.is_some() {
        return Err(Failure::Usage(format!("--seed: {} has no tables", args.algorithm)));
    }
    let kernel = choose(args.algorithm, args.kernel.as_deref())?;
    let (scanner, _) = pages::scanner(kernel).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(scanner)
}

/// The kernel of this name, else the one that is likely to be fastest, after it has proved itself.
pub(crate) fn choose(algorithm: Algorithm, name: Option<&str>) -> Result<Kernel, Failure> {
    let kernel = match name {
        Some(name) => Kernel::find(algorithm, name).map_err(|error| Failure::Usage(error.to_string()))?,
        None => *Kernel::available(algorithm)
            .first()
            .ok_or_else(|| Failure::Usage(format!("there is no kernel for {algorithm}")))?,
    };
    kernel.self_test().map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(kernel)
}

/// The range in at most two pieces that do not wrap, the lower nonces first.
fn ascending(algorithm: Algorithm, start: u64, count: u64) -> [NonceRange; 2] {
    let largest = algorithm.max_nonce();
    let start = start & largest;
    let until_wrap = (largest - start).saturating_add(1);
    let upper = count.min(until_wrap);
    let lower = (count - upper).min(start);
    [NonceRange::new(0, lower), NonceRange::new(start, upper)]
}

fn scan(
    scanner: &mut dyn Scan,
    work: &Work,
    range: NonceRange,
    stop: &Stop,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut done = 0;
    while done < range.count {
        let piece = NonceRange::new(range.start + done, CHUNK.min(range.count - done));
        let scanned = scanner.scan(work, piece, stop, &mut found);
        for solution in found.drain(..) {
            writeln!(out, "{}", solution.nonce)?;
        }
        out.flush()?;
        done += scanned.map_err(|error| Failure::Usage(error.to_string()))?.hashes;
        if stop.is_requested() {
            return Err(Failure::Interrupted);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_wraps_begins_with_its_lower_part() {
        let pieces = |start, count| ascending(Algorithm::SHA256D, start, count).map(|r| (r.start, r.count));
        let last = u64::from(u32::MAX);
        assert_eq!(pieces(5, 10), [(0, 0), (5, 10)]);
        assert_eq!(pieces(last, 1), [(0, 0), (last, 1)]);
        assert_eq!(pieces(last, 3), [(0, 2), (last, 1)]);
        assert_eq!(pieces(5, u64::MAX), [(0, 5), (5, last - 4)], "every nonce once");
        assert_eq!(pieces(1 << 32 | 7, 1), [(0, 0), (7, 1)]);
        assert_eq!(pieces(7, 0), [(0, 0), (7, 0)]);
    }
}
