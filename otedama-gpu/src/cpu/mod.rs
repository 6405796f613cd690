//! The processor as a device.

mod cores;
mod scanner;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use core_affinity::CoreId;
use otedama_core::{Algorithm, AlgorithmSet};
use otedama_hash::{Kernel, KernelError, Scan, ScanError};

use crate::calibrate::{Calibration, Choice};
use crate::device::{Device, DeviceInfo, DeviceKind};
use crate::limits::MAX_THREADS;
use crate::pages::Backing;
pub use crate::priority::{Priority, UnknownPriority};
use scanner::{Scanner, Shared};

/// The processor, with a thread for each logical CPU that this process may use.
#[must_use]
pub fn devices() -> Vec<Box<dyn Device>> {
    let shared = Arc::new(Shared::new(Builder::new()));
    vec![Box::new(Cpu { threads: machine(), cores: Vec::new(), shared })]
}

/// A processor that is being configured: how many threads, where, and with which kernels.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    threads: Option<usize>,
    affinity: Affinity,
    priority: Priority,
    kernels: Vec<Kernel>,
    sources: Vec<Arc<dyn Scanners>>,
    calibration: Calibration,
    report: Reporter,
}

/// Where the scanners of an algorithm come from that needs more than a kernel: tables that all threads share.
pub trait Scanners: fmt::Debug + Send + Sync {
    /// What they compute.
    fn algorithm(&self) -> Algorithm;

    /// A scanner for the calling thread, which is bound to its logical CPU by now. A stop cannot end this, so what takes
    /// long belongs into the scanner's own calls.
    ///
    /// # Errors
    /// [`ScanError`] if there is none; the device is then out of service.
    fn scanner(&self) -> Result<Box<dyn Scan>, ScanError>;
}

/// What a processor says about how it is going to work.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Report {
    /// It mines an algorithm with this kernel. Said once for each algorithm, before its first scan.
    Kernel(Choice),
    /// A thread works in this memory. Said once for each algorithm and kind of page.
    Memory {
        /// What is computed in it.
        algorithm: Algorithm,
        /// What it lies in.
        backing: Backing,
        /// Threads that each have as much.
        threads: usize,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Affinity {
    #[default]
    Anywhere,
    Auto,
    Listed(Vec<usize>),
}

#[derive(Clone, Default)]
struct Reporter(Option<Arc<OnReport>>);

type OnReport = dyn Fn(&Report) + Send + Sync;

/// Why a processor cannot be had as it was asked for. The caller is at fault, or the platform lacks it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpuError {
    /// No threads, or too many.
    #[error("{0} threads are not between 1 and {MAX_THREADS}")]
    Threads(usize),
    /// The platform does not let a program choose where its threads run.
    #[error("threads cannot be bound to logical CPUs on this platform")]
    NoAffinity,
    /// There is no such logical CPU, or this process may not use it.
    #[error("no logical CPU {cpu}; there are {known:?}")]
    NoSuchCpu {
        /// The number that was asked for.
        cpu: usize,
        /// Those that there are.
        known: Vec<usize>,
    },
    /// The system does not give its threads this priority.
    #[error("threads cannot have {priority} priority: {why}")]
    Priority {
        /// The priority that was asked for.
        priority: Priority,
        /// The system's reason.
        why: Box<str>,
    },
}

impl Builder {
    /// All logical CPUs, no binding, the priority of the process, the fastest kernels as measured by this process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many threads. Without it: one for each logical CPU of the affinity list, or else of the machine.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// Binds the threads to these logical CPUs, one after the other and over again. An empty list binds nothing.
    #[must_use]
    pub fn affinity(self, cpus: impl IntoIterator<Item = usize>) -> Self {
        let cpus: Vec<_> = cpus.into_iter().collect();
        let affinity = if cpus.is_empty() { Affinity::Anywhere } else { Affinity::Listed(cpus) };
        Self { affinity, ..self }
    }

    /// Binds the threads to all logical CPUs that this process may use: at first one for each core, then to those that
    /// share a core with another.
    #[must_use]
    pub fn auto_affinity(self) -> Self {
        Self { affinity: Affinity::Auto, ..self }
    }

    /// Gives the threads this priority. On systems other than Linux it is the priority of the whole process.
    #[must_use]
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// Uses this kernel for its algorithm, and no other.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernels.retain(|other| other.algorithm() != kernel.algorithm());
        self.kernels.push(kernel);
        self
    }

    /// Gets the scanners of an algorithm from here, whatever kernels there are.
    #[must_use]
    pub fn scanners(mut self, source: impl Scanners + 'static) -> Self {
        self.sources.retain(|other| other.algorithm() != source.algorithm());
        self.sources.push(Arc::new(source));
        self
    }

    /// Asks this which kernels are fastest.
    #[must_use]
    pub fn calibration(self, calibration: Calibration) -> Self {
        Self { calibration, ..self }
    }

    /// Says here how it is going to work, as soon as that is known, on a thread that is about to mine.
    #[must_use]
    pub fn on_report(self, report: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        Self { report: Reporter(Some(Arc::new(report))), ..self }
    }

    /// The device.
    ///
    /// # Errors
    /// [`CpuError`] if the number of threads, the affinity list or the priority cannot be.
    pub fn build(self) -> Result<Cpu, CpuError> {
        let cores = match &self.affinity {
            Affinity::Anywhere => Vec::new(),
            Affinity::Auto => cores::auto()?,
            Affinity::Listed(cpus) => cores::listed(cpus)?,
        };
        let bound = Some(cores.len()).filter(|count| *count > 0);
        let threads =
            self.threads.unwrap_or_else(|| bound.map_or_else(machine, |bound| bound.min(MAX_THREADS)));
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(CpuError::Threads(threads));
        }
        try_priority(self.priority)?;
        Ok(Cpu { threads, cores, shared: Arc::new(Shared::new(self)) })
    }
}

/// The processor as a device; made by [`devices`] or a [`Builder`].
///
/// A kernel proves itself on a known block before its first work; one that fails is not used. Where there are several,
/// they are measured before that, unless it is known already which is fastest. A kernel that works in memory gets the
/// largest pages to be had.
#[derive(Debug)]
pub struct Cpu {
    threads: usize,
    cores: Vec<CoreId>,
    shared: Arc<Shared>,
}

impl Cpu {
    /// How many threads it has.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Chooses the kernel of an algorithm now instead of before the first scan, which it would delay. `None` if the
    /// scanners come from a [source](Builder::scanners) of the caller's.
    ///
    /// # Errors
    /// [`KernelError`] if there is no kernel, or none proves itself.
    pub fn choose(&self, algorithm: Algorithm) -> Result<Option<Choice>, KernelError> {
        self.shared.choose(algorithm)
    }
}

impl Device for Cpu {
    fn info(&self) -> DeviceInfo {
        let mut algorithms: Vec<_> = AlgorithmSet::builtin().iter().collect();
        algorithms.retain(|algorithm| self.shared.can(*algorithm));
        algorithms.extend(self.shared.further(&algorithms));
        DeviceInfo::new("cpu", DeviceKind::Cpu, algorithms)
    }

    fn scanners(&mut self) -> Result<Vec<Box<dyn Scan>>, ScanError> {
        let mut cores = self.cores.iter().cycle();
        let scanner = |_| -> Box<dyn Scan> {
            Box::new(Scanner::new(cores.next().copied(), self.threads, Arc::clone(&self.shared)))
        };
        Ok((0..self.threads).map(scanner).collect())
    }
}

/// Logical CPUs that this process may use.
fn machine() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS)
}

/// Whether a thread may have this priority, tried on one that ends right after.
fn try_priority(priority: Priority) -> Result<(), CpuError> {
    let refused = |why: String| CpuError::Priority { priority, why: why.into() };
    if priority == Priority::Normal {
        return Ok(());
    }
    let thread =
        thread::Builder::new().spawn(move || priority.apply()).map_err(|error| refused(error.to_string()))?;
    let applied = thread.join().map_err(|_| refused("a thread broke down".into()))?;
    applied.map_err(|error| refused(error.to_string()))
}

impl Reporter {
    fn say(&self, report: &Report) {
        if let Some(say) = &self.0 {
            say(report);
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reporter").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
