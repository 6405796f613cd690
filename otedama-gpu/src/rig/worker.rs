//! One scanner on its thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use otedama_core::{Algorithm, Generation, Seed, Solution, Work};
use otedama_hash::{NonceRange, Scan, ScanError, Stop};

use super::Failure;
use super::shared::{Shared, Slot, Task, lock};
use crate::limits::{FIRST_SLICE, MAX_SLICE, SLICE_TIME};

/// Works until the rig closes or the device fails, which is then reported.
pub(super) fn run(shared: &Shared, device: usize, scanner: Box<dyn Scan>) {
    let Some(slot) = shared.slots.get(device) else { return };
    let mut worker = Worker { shared, slot, scanner, seed: None, found: Vec::new() };
    let failure = match catch_unwind(AssertUnwindSafe(|| worker.run())) {
        Ok(Ok(())) => return,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Panicked,
    };
    shared.quarantine(device, failure);
}

struct Worker<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    scanner: Box<dyn Scan>,
    /// What the scanner's tables are made for.
    seed: Option<Seed>,
    found: Vec<Solution>,
}

impl Worker<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut pace = Pace::default();
        let mut generation = Generation::default();
        while let Some(task) = self.shared.next(self.slot, &mut pace, &mut generation) {
            let before = self.shared.now();
            let scanned = self.scan(&task);
            let elapsed = self.shared.now().since(before);
            // What was found before a failure is good all the same.
            self.shared.deliver(self.slot, &task, &mut self.found);
            pace.learn(scanned?, elapsed);
        }
        Ok(())
    }

    /// Scans a whole slice, unless it is stopped, and returns how many hashes that took.
    fn scan(&mut self, task: &Task) -> Result<u64, Failure> {
        let Task { assignment, slice } = task;
        // A slice is always of the job that it was taken from.
        let Ok(work) = slice.work(&assignment.job, assignment.generation) else { return Ok(0) };
        self.prepare(&work)?;
        let NonceRange { mut start, mut count } = slice.nonces;
        while count > 0 && !assignment.stop.is_requested() {
            let hashes = self.scan_once(&work, NonceRange::new(start, count), &assignment.stop)?;
            // Slices do not wrap, so neither does this sum.
            (start, count) = (start.saturating_add(hashes), count - hashes);
        }
        Ok(slice.nonces.count - count)
    }

    fn scan_once(&mut self, work: &Work, range: NonceRange, stop: &Stop) -> Result<u64, Failure> {
        let scanned = self.scanner.scan(work, range, stop, &mut self.found)?;
        let hashes = scanned.hashes.min(range.count);
        if hashes == 0 && !stop.is_requested() {
            return Err(Failure::Stuck);
        }
        lock(&self.slot.meter).record(hashes, self.shared.now());
        Ok(hashes)
    }

    fn prepare(&mut self, work: &Work) -> Result<(), ScanError> {
        if let Some(seed) = work.seed.filter(|seed| self.seed != Some(*seed)) {
            self.seed = None;
            self.scanner.prepare(&seed)?;
            self.seed = Some(seed);
        }
        Ok(())
    }
}

/// How many nonces a scanner gets at once, so that a call lasts [`SLICE_TIME`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    algorithm: Option<Algorithm>,
    count: u64,
}

impl Pace {
    /// The size of the next slice. With another algorithm it starts anew.
    pub(super) fn next(&mut self, algorithm: Algorithm) -> u64 {
        if self.algorithm != Some(algorithm) {
            *self = Self { algorithm: Some(algorithm), count: FIRST_SLICE };
        }
        self.count
    }

    /// So many hashes took so long. One call changes the size at most fourfold, since one can be disturbed.
    pub(super) fn learn(&mut self, hashes: u64, elapsed: Duration) {
        if hashes == 0 {
            return;
        }
        let wanted = u128::from(hashes) * SLICE_TIME.as_nanos() / elapsed.as_nanos().max(1);
        let wanted = u64::try_from(wanted).unwrap_or(MAX_SLICE);
        let (least, most) = (self.count / 4, self.count.saturating_mul(4));
        self.count = wanted.clamp(least, most).clamp(1, MAX_SLICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_grow_until_they_last_long_enough() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            let count = pace.next(Algorithm::SHA256D);
            pace.learn(count, Duration::from_micros(count));
        }
        assert_eq!(pace.next(Algorithm::SHA256D), 50_000);
        assert_eq!(pace.next(Algorithm::SCRYPT), FIRST_SLICE);
    }

    #[test]
    fn slices_stay_within_their_bounds() {
        let mut pace = Pace::default();
        for _ in 0..40 {
            let count = pace.next(Algorithm::SHA256D);
            pace.learn(count, Duration::ZERO);
        }
        assert_eq!(pace.next(Algorithm::SHA256D), MAX_SLICE);
        for _ in 0..40 {
            pace.learn(0, Duration::ZERO);
        }
        assert_eq!(pace.next(Algorithm::SHA256D), MAX_SLICE);
        for _ in 0..40 {
            pace.learn(1, Duration::from_secs(1));
        }
        assert_eq!(pace.next(Algorithm::SHA256D), 1);
    }
}
