//! How fast this machine hashes.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use otedama_core::{Algorithm, HashRate, Header, Target, Weight, Work};
use otedama_hash::{Kernel, NonceRange, Scan, ScanError, Stop};

use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// What was hashed, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    pub(crate) hashes: u64,
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
    let stop = Stop::new();
    let barrier = Barrier::new(threads + 1);
    let work = Work::new(kernel.algorithm(), header(kernel.algorithm()), Target::ZERO);
    let (elapsed, counts) = thread::scope(|scope| {
        let hasher = || {
            let mut scanner = kernel.scanner();
            barrier.wait();
            hash_until(&mut *scanner, &work, &stop)
        };
        let hashers: Vec<_> = (0..threads).map(|_| scope.spawn(hasher)).collect();
        barrier.wait();
        let start = Instant::now();
        interrupt.wait(time);
        stop.request();
        let counts: Vec<_> = hashers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        (start.elapsed(), counts)
    });
    if interrupt.is_requested() {
        return Err(Failure::Interrupted);
    }
    let mut hashes: u64 = 0;
    for count in counts {
        let count = count.map_err(|_| Failure::Failed(format!("a thread of {kernel} broke down")))?;
        hashes = hashes.saturating_add(count.map_err(|error| Failure::Failed(error.to_string()))?);
    }
    Ok(Measured { elapsed, hashes })
}

fn hash_until(scanner: &mut dyn Scan, work: &Work, stop: &Stop) -> Result<u64, ScanError> {
    let (mut hashes, mut found) = (0, Vec::new());
    while !stop.is_requested() {
        hashes += scanner.scan(work, NonceRange::all(work.algorithm), stop, &mut found)?.hashes;
        found.clear();
    }
    Ok(hashes)
}
