//! The processor as a device.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use core_affinity::CoreId;
use otedama_core::{Algorithm, AlgorithmSet, Seed, Solution, Work};
use otedama_hash::{Kernel, KernelError, NonceRange, Scan, ScanError, Scanned, Stop, Unsupported};

use crate::device::{Device, DeviceInfo, DeviceKind};
use crate::limits::MAX_THREADS;

/// The processor, with a thread for each logical CPU that this process may use.
#[must_use]
pub fn devices() -> Vec<Box<dyn Device>> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    vec![Box::new(Cpu { threads, cores: Vec::new(), kernels: Arc::default() })]
}

/// A processor that is being configured: how many threads, where, and with which kernels.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    threads: Option<usize>,
    affinity: Vec<usize>,
    kernels: Vec<Kernel>,
}

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
}

impl Builder {
    /// All logical CPUs, no binding, the fastest kernels.
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
        Self { affinity: cpus.into_iter().collect(), ..self }
    }

    /// Uses this kernel for its algorithm, and no other.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernels.retain(|other| other.algorithm() != kernel.algorithm());
        self.kernels.push(kernel);
        self
    }

    /// The device.
    ///
    /// # Errors
    /// [`CpuError`] if the number of threads or the affinity list cannot be.
    pub fn build(self) -> Result<Cpu, CpuError> {
        let listed = Some(self.affinity.len()).filter(|count| *count > 0);
        let machine = || thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
        let threads = self.threads.or(listed).unwrap_or_else(machine);
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(CpuError::Threads(threads));
        }
        let cores = cores(&self.affinity)?;
        let kernels = Arc::new(Kernels { forced: self.kernels, proven: Mutex::default() });
        Ok(Cpu { threads, cores, kernels })
    }
}

/// The processor as a device; made by [`devices`] or a [`Builder`].
///
/// A kernel proves itself on a known block before its first work. One that fails is not used.
#[derive(Debug)]
pub struct Cpu {
    threads: usize,
    cores: Vec<CoreId>,
    kernels: Arc<Kernels>,
}

impl Device for Cpu {
    fn info(&self) -> DeviceInfo {
        let able = |algorithm: &Algorithm| !Kernel::available(*algorithm).is_empty();
        let algorithms = AlgorithmSet::builtin().iter().filter(able).collect();
        DeviceInfo::new("cpu", DeviceKind::Cpu, algorithms)
    }

    fn scanners(&mut self) -> Result<Vec<Box<dyn Scan>>, ScanError> {
        let mut cores = self.cores.iter().cycle();
        let scanner = |_| -> Box<dyn Scan> {
            let (core, kernels) = (cores.next().copied(), Arc::clone(&self.kernels));
            Box::new(Scanner { core, kernels, current: None })
        };
        Ok((0..self.threads).map(scanner).collect())
    }
}

/// The kernels that all threads of a processor share.
#[derive(Debug, Default)]
struct Kernels {
    forced: Vec<Kernel>,
    proven: Mutex<Vec<Kernel>>,
}

impl Kernels {
    /// The kernel for an algorithm; the first caller proves it, the others wait for that.
    fn get(&self, algorithm: Algorithm) -> Result<Kernel, KernelError> {
        let of = |kernels: &[Kernel]| kernels.iter().copied().find(|kernel| kernel.algorithm() == algorithm);
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = of(&proven) {
            return Ok(kernel);
        }
        let candidates = of(&self.forced).map_or_else(|| Kernel::available(algorithm), |kernel| vec![kernel]);
        let mut result = Err(Unsupported(algorithm).into());
        for kernel in candidates {
            result = kernel.self_test().map(|()| kernel);
            if result.is_ok() {
                proven.push(kernel);
                break;
            }
        }
        result
    }
}

/// One thread of a processor. The first scan binds the thread that calls it.
struct Scanner {
    core: Option<CoreId>,
    kernels: Arc<Kernels>,
    current: Option<(Algorithm, Box<dyn Scan>)>,
}

impl Scanner {
    fn scanner(&mut self, algorithm: Algorithm) -> Result<&mut dyn Scan, ScanError> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != algorithm) {
            self.current = None;
            let kernel = self.kernels.get(algorithm)?;
            self.current = Some((algorithm, kernel.scanner()));
        }
        let (_, scanner) = self.current.as_mut().ok_or(KernelError::from(Unsupported(algorithm)))?;
        Ok(scanner.as_mut())
    }
}

impl Scan for Scanner {
    fn prepare(&mut self, _: &Seed) -> Result<(), ScanError> {
        // None of the algorithms that a processor lists has tables.
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        if let Some(core) = self.core.take()
            && !core_affinity::set_for_current(core)
        {
            let why = format!("cannot bind a thread to logical CPU {}", core.id);
            return Err(ScanError::Device(why.into()));
        }
        self.scanner(work.algorithm)?.scan(work, range, stop, out)
    }
}

fn cores(cpus: &[usize]) -> Result<Vec<CoreId>, CpuError> {
    if cpus.is_empty() {
        return Ok(Vec::new());
    }
    let there = core_affinity::get_core_ids().ok_or(CpuError::NoAffinity)?;
    let find = |cpu: &usize| {
        let known = || there.iter().map(|core| core.id).collect();
        let core = there.iter().copied().find(|core| core.id == *cpu);
        core.ok_or_else(|| CpuError::NoSuchCpu { cpu: *cpu, known: known() })
    };
    cpus.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use otedama_core::{Header, Target};

    use super::*;

    fn scan_one(cpu: &mut Cpu, algorithm: Algorithm) -> Result<u64, ScanError> {
        let header = Header::new(&vec![1; algorithm.spec().header_len]).unwrap();
        let work = Work::new(algorithm, header, Target::MAX);
        let mut scanner = cpu.scanners()?.remove(0);
        let scan = move || scanner.scan(&work, NonceRange::new(0, 3), &Stop::new(), &mut Vec::new());
        // On a thread of its own, which may get bound.
        Ok(thread::spawn(scan).join().unwrap()?.hashes)
    }

    #[test]
    fn threads_are_as_many_as_asked_for() {
        let build = |threads| Builder::new().threads(threads).build();
        assert_eq!(build(3).unwrap().scanners().unwrap().len(), 3);
        assert_eq!(build(0).map(|_| ()), Err(CpuError::Threads(0)));
        assert_eq!(build(MAX_THREADS + 1).map(|_| ()), Err(CpuError::Threads(MAX_THREADS + 1)));
        let machine = thread::available_parallelism().unwrap().get();
        assert_eq!(Builder::new().build().unwrap().scanners().unwrap().len(), machine);
        assert_eq!(devices().remove(0).scanners().unwrap().len(), machine);
    }

    #[test]
    fn a_scanner_takes_any_algorithm_of_the_list() {
        let mut cpu = Builder::new().threads(1).build().unwrap();
        let info = cpu.info();
        assert_eq!(info.algorithms, AlgorithmSet::builtin().iter().collect::<Vec<_>>());
        for algorithm in info.algorithms {
            assert_eq!(scan_one(&mut cpu, algorithm), Ok(3));
        }
    }

    #[test]
    fn a_chosen_kernel_is_used() {
        let portable = Kernel::find(Algorithm::SCRYPT, "portable").unwrap();
        let mut cpu = Builder::new().threads(1).kernel(portable).build().unwrap();
        assert_eq!(scan_one(&mut cpu, Algorithm::SCRYPT), Ok(3));
        assert_eq!(cpu.kernels.get(Algorithm::SCRYPT), Ok(portable));
        assert_eq!(*cpu.kernels.proven.lock().unwrap(), [portable]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_are_bound_to_the_cpus_of_the_list() {
        let there = core_affinity::get_core_ids().unwrap();
        let last = there.last().unwrap().id;
        let mut cpu = Builder::new().affinity([last]).build().unwrap();
        assert_eq!(cpu.threads, 1);
        let mut scanner = cpu.scanners().unwrap().remove(0);
        let bound = thread::spawn(move || {
            let work = Work::new(Algorithm::SHA256D, Header::from([1; 80]), Target::MAX);
            scanner.scan(&work, NonceRange::new(0, 1), &Stop::new(), &mut Vec::new()).unwrap();
            // What a thread may run on is what it is bound to.
            core_affinity::get_core_ids().unwrap()
        });
        assert_eq!(bound.join().unwrap().iter().map(|core| core.id).collect::<Vec<_>>(), [last]);

        let known: Vec<_> = there.iter().map(|core| core.id).collect();
        let missing = Builder::new().affinity([100_000]).build().map(|_| ());
        assert_eq!(missing, Err(CpuError::NoSuchCpu { cpu: 100_000, known }));
    }
}
