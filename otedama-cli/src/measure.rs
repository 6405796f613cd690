//! How fast this machine hashes.

use std::fmt::Display;
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

/// A header that no chain has, of the algorithm's usual length; bytes that differ from each other.
pub(crate) fn header(algorithm: Algorithm) -> Header {
    let bytes: [u8; Header::MAX] = std::array::from_fn(|index| u8::try_from(index % 256).unwrap_or(0));
    let len = algorithm.spec().header_len.min(Header::MAX);
    Header::new(&bytes[..len]).unwrap_or(Header::from([0; 80]))
}

/// Hashes on so many threads, all of which begin together.
pub(crate) fn measure(
    kernel: Kernel,
    threads: usize,
    time: Duration,
    interrupt: &Interrupt,
) -> Result<Measured, Failure> {
    let work = Work::new(kernel.algorithm(), header(kernel.algorithm()), Target::ZERO);
    let (elapsed, hashed) = together(
        threads,
        &kernel,
        || pages::scanner(kernel),
        |(mut scanner, backing), stop| hash_until(&mut *scanner, &work, stop).map(|hashes| (hashes, backing)),
        || wait(kernel, time, interrupt),
        interrupt,
    )?;
    let mut measured = Measured { elapsed, hashes: 0, backing: None };
    for (hashes, backing) in hashed {
        measured.hashes = measured.hashes.saturating_add(hashes);
        let rank = |backing: &Backing| (backing.kind, backing.covered);
        measured.backing = measured.backing.into_iter().chain(backing).min_by_key(rank);
    }
    Ok(measured)
}

/// How many hashes so many threads compute until they are told to stop, and in what time.
pub(crate) fn count<S, E>(
    (threads, time): (usize, Duration),
    name: &dyn Display,
    scanner: impl Fn() -> Result<S, E> + Sync,
    scan: impl Fn(S, &Stop) -> Result<u64, ScanError> + Sync,
    interrupt: &Interrupt,
) -> Result<(Duration, u64), Failure>
where
    ScanError: From<E>,
{
    let wait = || {
        interrupt.wait(time);
    };
    let (elapsed, counts) = together(threads, name, scanner, scan, wait, interrupt)?;
    Ok((elapsed, counts.into_iter().fold(0, u64::saturating_add)))
}

/// Prepares on so many threads, runs on all of them at the same time from when the last is ready until the wait is over,
/// and returns how long that was and what came out.
fn together<S, T: Send, E>(
    threads: usize,
    name: &dyn Display,
    prepare: impl Fn() -> Result<S, E> + Sync,
    run: impl Fn(S, &Stop) -> Result<T, ScanError> + Sync,
    wait: impl FnOnce(),
    interrupt: &Interrupt,
) -> Result<(Duration, Vec<T>), Failure>
where
    ScanError: From<E>,
{
    let (stop, barrier) = (Stop::new(), Barrier::new(threads + 1));
    let task = || {
        let prepared = prepare();
        // Also where nothing is: the others wait.
        barrier.wait();
        run(prepared?, &stop)
    };
    let (elapsed, results) = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(task)).collect();
        barrier.wait();
        let start = Instant::now();
        wait();
        stop.request();
        let results: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
        (start.elapsed(), results)
    });
    if interrupt.is_requested() {
        return Err(Failure::Interrupted);
    }
    let broken = || Failure::Failed(format!("a thread of {name} broke down"));
    let result = |joined: thread::Result<Result<T, ScanError>>| {
        joined.map_err(|_| broken())?.map_err(|error| Failure::Failed(error.to_string()))
    };
    Ok((elapsed, results.into_iter().map(result).collect::<Result<_, _>>()?))
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
