//! How fast this machine hashes.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use otedama_core::{Algorithm, HashRate, Header, Target, Weight, Work};
use otedama_gpu::pages::{self, Backing};
use otedama_hash::{Kernel, NonceRange, Scan, ScanError, Stop};
use tracing::info;

use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Between two lines of progress; what is over by then has none.
const PROGRESS: Duration = Duration::from_secs(2);

/// What was hashed, how long it took, and in what memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    pub(crate) hashes: u64,
    /// The worst that a thread got; `None` if the kernel needs no memory.
    pub(crate) backing: Option<Backing>,
}

impl Measured {
    pub(crate) fn rate(&self) -> HashRate {
        HashRate::from_work(Weight::new(self.hashes.into()), self.elapsed)
    }
}

/// A header that no chain has; bytes that differ from each other.
pub(crate) fn header(algorithm: Algorithm) -> Header {
    let bytes: Vec<u8> = (0..=u8::MAX).take(algorithm.spec().header_len).collect();
    Header::new(&bytes).unwrap_or_else(|| Header::from([0; 80]))
}

/// Hashes on so many threads, all of which begin together.
pub(crate) fn measure(
    kernel: Kernel,
    threads: usize,
    time: Duration,
    interrupt: &Interrupt,
) -> Result<Measured, Failure> {
    let stop = Stop::new();
    let barrier = Barrier::new(threads + 1);
    let work = Work::new(kernel.algorithm(), header(kernel.algorithm()), Target::ZERO);
    let (elapsed, results) = thread::scope(|scope| {
        let hasher = || {
            let made = pages::scanner(kernel);
            // Also where there is none: the others wait.
            barrier.wait();
            let (mut scanner, backing) = made?;
            hash_until(&mut *scanner, &work, &stop).map(|hashes| (hashes, backing))
        };
        let hashers: Vec<_> = (0..threads).map(|_| scope.spawn(hasher)).collect();
        barrier.wait();
        let start = Instant::now();
        wait(kernel, time, interrupt);
        stop.request();
        let results: Vec<_> = hashers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        (start.elapsed(), results)
    });
    if interrupt.is_requested() {
        return Err(Failure::Interrupted);
    }
    let mut measured = Measured { elapsed, hashes: 0, backing: None };
    for result in results {
        let result = result.map_err(|_| Failure::Failed(format!("a thread of {kernel} broke down")))?;
        let (hashes, backing) = result.map_err(|error| Failure::Failed(error.to_string()))?;
        measured.hashes = measured.hashes.saturating_add(hashes);
        let rank = |backing: &Backing| (backing.kind, backing.covered);
        measured.backing = measured.backing.into_iter().chain(backing).min_by_key(rank);
    }
    Ok(measured)
}

/// Lets it run, and says how far it is.
fn wait(kernel: Kernel, time: Duration, interrupt: &Interrupt) {
    let begin = Instant::now();
    loop {
        let left = time.saturating_sub(begin.elapsed());
        if left.is_zero() || interrupt.wait(left.min(PROGRESS)) {
            return;
        }
        let (passed, all) = (begin.elapsed().as_secs(), time.as_secs());
        if begin.elapsed() < time {
            info!("{kernel}: {passed} of {all} s");
        }
    }
}

fn hash_until(scanner: &mut dyn Scan, work: &Work, stop: &Stop) -> Result<u64, ScanError> {
    let (mut hashes, mut found) = (0, Vec::new());
    while !stop.is_requested() {
        hashes += scanner.scan(work, NonceRange::all(work.algorithm), stop, &mut found)?.hashes;
        found.clear();
    }
    Ok(hashes)
}
