//! One thread of a processor, and what all of them share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use core_affinity::CoreId;
use otedama_core::{Algorithm, Seed, Solution, Work};
use otedama_hash::{Kernel, KernelError, NonceRange, Scan, ScanError, Scanned, Stop, Unsupported};

use super::{Builder, Report, Reporter, Scanners};
use crate::calibrate::{Calibration, Choice};
use crate::pages::{self, PageKind};
use crate::priority::Priority;

/// Which kernels all threads of a processor use.
#[derive(Debug)]
pub(super) struct Shared {
    priority: Priority,
    forced: Vec<Kernel>,
    sources: Vec<Arc<dyn Scanners>>,
    calibration: Calibration,
    report: Reporter,
    chosen: Mutex<Vec<Choice>>,
    said: Mutex<Vec<(Algorithm, PageKind)>>,
}

impl Shared {
    pub(super) fn new(builder: Builder) -> Self {
        let Builder { priority, kernels: forced, sources, calibration, report, .. } = builder;
        let (chosen, said) = (Mutex::default(), Mutex::default());
        Self { priority, forced, sources, calibration, report, chosen, said }
    }

    /// Whether there is anything for this algorithm.
    pub(super) fn can(&self, algorithm: Algorithm) -> bool {
        self.source(algorithm).is_some() || !Kernel::available(algorithm).is_empty()
    }

    /// The algorithms of sources that are not among these.
    pub(super) fn further(&self, known: &[Algorithm]) -> Vec<Algorithm> {
        self.sources.iter().map(|source| source.algorithm()).filter(|other| !known.contains(other)).collect()
    }

    /// The kernel of an algorithm, however long it takes to find it; `None` if it has a source instead.
    pub(super) fn choose(&self, algorithm: Algorithm) -> Result<Option<Choice>, KernelError> {
        if self.source(algorithm).is_some() {
            return Ok(None);
        }
        self.choice(algorithm, &Stop::new())
    }

    fn source(&self, algorithm: Algorithm) -> Option<&Arc<dyn Scanners>> {
        self.sources.iter().find(|source| source.algorithm() == algorithm)
    }

    /// The kernel for an algorithm; the first caller finds it, the others wait for that. `None` if it was stopped.
    fn choice(&self, algorithm: Algorithm, stop: &Stop) -> Result<Option<Choice>, KernelError> {
        let mut chosen = lock(&self.chosen);
        if let Some(choice) = chosen.iter().find(|choice| choice.kernel.algorithm() == algorithm) {
            return Ok(Some(choice.clone()));
        }
        let forced = self.forced.iter().copied().find(|kernel| kernel.algorithm() == algorithm);
        let choice = match forced {
            Some(kernel) => kernel.self_test().map(|()| Some(Choice::asked(kernel)))?,
            None => self.calibration.fastest_unless(algorithm, stop)?,
        };
        chosen.extend(choice.clone());
        drop(chosen);
        if let Some(choice) = &choice {
            self.report.say(&Report::Kernel(choice.clone()));
        }
        Ok(choice)
    }

    /// A scanner for the calling thread; `None` if it was stopped.
    fn scanner(
        &self,
        algorithm: Algorithm,
        threads: usize,
        stop: &Stop,
    ) -> Result<Option<Box<dyn Scan>>, ScanError> {
        if let Some(source) = self.source(algorithm) {
            return source.scanner().map(Some);
        }
        let Some(Choice { kernel, .. }) = self.choice(algorithm, stop)? else { return Ok(None) };
        let (scanner, backing) = pages::scanner(kernel)?;
        if let Some(backing) = backing {
            let kind = (algorithm, backing.kind);
            let mut said = lock(&self.said);
            let first = !said.contains(&kind);
            said.extend(first.then_some(kind));
            drop(said);
            if first {
                self.report.say(&Report::Memory { algorithm, backing, threads });
            }
        }
        Ok(Some(scanner))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread of a processor. The first scan binds the thread that calls it, and gives it its priority.
pub(super) struct Scanner {
    /// What the calling thread has yet to become; nothing once it is.
    settings: Option<(Option<CoreId>, Priority)>,
    threads: usize,
    shared: Arc<Shared>,
    current: Option<Current>,
}

struct Current {
    algorithm: Algorithm,
    scanner: Box<dyn Scan>,
    /// What its tables are made for.
    seed: Option<Seed>,
}

impl Scanner {
    pub(super) fn new(core: Option<CoreId>, threads: usize, shared: Arc<Shared>) -> Self {
        Self { settings: Some((core, shared.priority)), threads, shared, current: None }
    }

    /// Binds the calling thread, the first time.
    fn settle(&mut self) -> Result<(), ScanError> {
        let Some((core, priority)) = self.settings.take() else { return Ok(()) };
        if let Some(core) = core
            && !core_affinity::set_for_current(core)
        {
            let why = format!("cannot bind a thread to logical CPU {}", core.id);
            return Err(ScanError::Device(why.into()));
        }
        let refused = |error| ScanError::Device(format!("no {priority} priority: {error}").into());
        priority.apply().map_err(refused)
    }

    /// The scanner for this work, with the tables of its seed; `None` if it was stopped.
    fn scanner(&mut self, work: &Work, stop: &Stop) -> Result<Option<&mut dyn Scan>, ScanError> {
        let algorithm = work.algorithm;
        if self.current.as_ref().is_none_or(|current| current.algorithm != algorithm) {
            // Before the next one takes memory, this one gives its own back.
            self.current = None;
            let Some(scanner) = self.shared.scanner(algorithm, self.threads, stop)? else { return Ok(None) };
            self.current = Some(Current { algorithm, scanner, seed: None });
        }
        let current = self.current.as_mut().ok_or(KernelError::from(Unsupported(algorithm)))?;
        if let Some(seed) = work.seed.filter(|seed| current.seed != Some(*seed)) {
            current.prepare(&seed)?;
        }
        Ok(Some(current.scanner.as_mut()))
    }
}

impl Current {
    fn prepare(&mut self, seed: &Seed) -> Result<(), ScanError> {
        self.seed = None;
        self.scanner.prepare(seed)?;
        self.seed = Some(*seed);
        Ok(())
    }
}

impl Scan for Scanner {
    fn prepare(&mut self, seed: &Seed) -> Result<(), ScanError> {
        self.settle()?;
        // Which algorithm it is for shows with the work, which has the seed as well.
        self.current.as_mut().map_or(Ok(()), |current| current.prepare(seed))
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        self.settle()?;
        match self.scanner(work, stop)? {
            Some(scanner) => scanner.scan(work, range, stop, out),
            None => Ok(Scanned::default()),
        }
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current.as_ref().map(|current| current.algorithm);
        f.debug_struct("Scanner").field("current", &current).finish_non_exhaustive()
    }
}
