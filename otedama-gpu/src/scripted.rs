//! A device that does what a script says, for tests of whatever drives devices.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, Seed, Solution, Work};
use otedama_hash::{Kernel, NonceRange, Scan, ScanError, Scanned, Stop, Unsupported};

use crate::device::{Device, DeviceInfo, DeviceKind, Telemetry};

/// What a scripted scanner does in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Really hashes the range, with the first kernel of the work's algorithm.
    Hash,
    /// Claims at once that these nonces are solutions, true or not, and that the whole range was tried.
    Find(Vec<u64>),
    /// Claims at once that so many nonces of the range were tried, and nothing found.
    Advance(u64),
    /// Waits for the stop, then claims these solutions, as a device does that finds something in the last moment.
    Late(Vec<u64>),
    /// Fails.
    Fail(ScanError),
    /// Panics.
    Panic,
}

/// A device without hardware. Each of its scanners works through a script, one step in each call; when the script is
/// over it waits for the stop in every call.
#[derive(Debug)]
pub struct Scripted {
    info: DeviceInfo,
    scripts: Vec<Vec<Step>>,
    telemetry: Telemetry,
    log: Log,
}

/// One call of a scripted scanner.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call {
    /// Which scanner was called, in the order in which they were added.
    pub scanner: usize,
    /// What it was given.
    pub work: Work,
    /// The range it was given.
    pub range: NonceRange,
}

/// The calls that a scripted device got. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<Call>>, Condvar)>);

impl Scripted {
    /// A device without scanners that says it can do all built-in algorithms.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let algorithms = otedama_core::AlgorithmSet::builtin().iter().collect();
        let info = DeviceInfo::new(name, DeviceKind::Scripted, algorithms);
        Self { info, scripts: Vec::new(), telemetry: Telemetry::default(), log: Log::default() }
    }

    /// The device with one more scanner, which follows this script.
    #[must_use]
    pub fn scanner(mut self, script: impl IntoIterator<Item = Step>) -> Self {
        self.scripts.push(script.into_iter().collect());
        self
    }

    /// The device with these algorithms and no others.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.info.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The device with these sensors.
    #[must_use]
    pub fn telemetry(self, telemetry: Telemetry) -> Self {
        Self { telemetry, ..self }
    }

    /// What its scanners are given from now on.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.clone()
    }
}

impl Device for Scripted {
    fn info(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn scanners(&mut self) -> Result<Vec<Box<dyn Scan>>, ScanError> {
        let scanner = |(number, script): (usize, Vec<Step>)| -> Box<dyn Scan> {
            Box::new(Scanner { number, script: script.into(), log: self.log.clone() })
        };
        Ok(std::mem::take(&mut self.scripts).into_iter().enumerate().map(scanner).collect())
    }

    fn telemetry(&self) -> Telemetry {
        self.telemetry
    }
}

impl Log {
    /// All calls until now, in the order in which they began.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// Waits until so many calls began, and gives all of them; after `patience` it gives those that there are.
    #[must_use]
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<Call> {
        let few = |calls: &mut Vec<Call>| calls.len() < count;
        let waited = self.0.1.wait_timeout_while(self.lock(), patience, few);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, call: Call) {
        self.lock().push(call);
        self.0.1.notify_all();
    }
}

struct Scanner {
    number: usize,
    script: VecDeque<Step>,
    log: Log,
}

impl Scan for Scanner {
    fn prepare(&mut self, _: &Seed) -> Result<(), ScanError> {
        Ok(())
    }

    #[expect(clippy::panic, reason = "the script says so")]
    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        self.log.push(Call { scanner: self.number, work: work.clone(), range });
        let mut claim = |nonces: Vec<u64>| {
            out.extend(nonces.into_iter().map(|nonce| Solution::new(work.generation, nonce)));
        };
        match self.script.pop_front().unwrap_or(Step::Late(Vec::new())) {
            Step::Hash => return hash(work, range, stop, out),
            Step::Find(nonces) => claim(nonces),
            Step::Advance(hashes) => return Ok(Scanned::new(hashes.min(range.count))),
            Step::Late(nonces) => {
                wait(stop);
                claim(nonces);
            }
            Step::Fail(error) => return Err(error),
            Step::Panic => panic!("a scripted panic"),
        }
        Ok(Scanned::new(range.count))
    }
}

fn hash(work: &Work, range: NonceRange, stop: &Stop, out: &mut Vec<Solution>) -> Result<Scanned, ScanError> {
    let kernel = Kernel::available(work.algorithm).first().copied();
    let unsupported = || otedama_hash::KernelError::from(Unsupported(work.algorithm));
    kernel.ok_or_else(unsupported)?.scanner().scan(work, range, stop, out)
}

fn wait(stop: &Stop) {
    while !stop.is_requested() {
        thread::park_timeout(Duration::from_micros(200));
    }
}
