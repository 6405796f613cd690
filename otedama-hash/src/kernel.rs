//! The fast implementations, as values that prove that this CPU can run them.

use core::fmt;

use otedama_core::{Algorithm, Work};

use crate::error::{KernelError, Unsupported};
use crate::scan::{NonceRange, Scan, Scanned, Stop};
use crate::{blake3, ethash, scrypt, sha256d};

/// All kernels, by algorithm; within each the one that is likely to be fastest first, the portable one last.
static ENTRIES: [&[&Entry]; 7] = [
    &sha256d::KERNELS,
    &scrypt::KERNELS,
    &blake3::decred::KERNELS,
    &blake3::alephium::KERNELS,
    &ethash::scanner::ETHASH,
    &ethash::scanner::ETCHASH,
    &ethash::scanner::KAWPOW,
];

/// Memory that a scanner works in: a vector, or pages from whoever knows how to get large ones. What it holds at first
/// does not matter, and it must be of the same length every time.
pub type Memory = Box<dyn AsMut<[u8]> + Send>;

/// One implementation of one algorithm. Having the value proves that this CPU can run it.
#[derive(Clone, Copy)]
pub struct Kernel(&'static Entry);

/// What a kernel file registers.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) algorithm: Algorithm,
    /// Whether this CPU has the instructions.
    pub(crate) available: fn() -> bool,
    /// A scanner for one thread, over at least `memory` bytes; called only where `available`.
    pub(crate) scanner: fn(Memory) -> Box<dyn Scan>,
    /// Bytes that a scanner works in, with what it may lose to aligning them.
    pub(crate) memory: usize,
    /// Most hashes between two looks at the stop flag.
    pub(crate) stop_interval: u32,
    /// What the self-test must find.
    pub(crate) known: Known,
}

/// Work whose nonce is known, and the range around it in which there is no other.
pub(crate) struct Known {
    pub(crate) work: fn() -> Work,
    pub(crate) nonce: u64,
    /// Where the range starts, counted back from the nonce.
    pub(crate) before: u64,
    pub(crate) count: u64,
}

impl Kernel {
    /// The kernels of an algorithm that this CPU can run, the one that is likely to be fastest first.
    ///
    /// Empty if there is no code for the algorithm; otherwise the portable kernel is always among them.
    #[must_use]
    pub fn available(algorithm: Algorithm) -> Vec<Self> {
        of(algorithm).filter(|entry| (entry.available)()).map(Self).collect()
    }

    /// The kernel of this name.
    ///
    /// # Errors
    /// [`KernelError`] if there is none of the name (it lists those that there are), if this CPU cannot run it, or if
    /// there is no code for the algorithm at all.
    pub fn find(algorithm: Algorithm, name: &str) -> Result<Self, KernelError> {
        let known: Vec<_> = of(algorithm).map(|entry| entry.name).collect();
        if known.is_empty() {
            return Err(Unsupported(algorithm).into());
        }
        let Some(entry) = of(algorithm).find(|entry| entry.name == name) else {
            return Err(KernelError::Unknown { algorithm, name: name.into(), known });
        };
        if (entry.available)() { Ok(Self(entry)) } else { Err(KernelError::NotOnThisCpu(entry.name)) }
    }

    /// Its name: `portable`, or the instructions that it uses. Unique within its algorithm.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// What it computes.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        self.0.algorithm
    }

    /// The most hashes that its scanners do after a stop was requested.
    #[must_use]
    pub fn stop_interval(self) -> u64 {
        u64::from(self.0.stop_interval)
    }

    /// Bytes of memory that one scanner works in; 0 for an algorithm that needs none.
    #[must_use]
    pub const fn memory(self) -> usize {
        self.0.memory
    }

    /// A scanner for one thread, over memory from the heap. Make one per thread: each has memory of its own.
    #[must_use]
    pub fn scanner(self) -> Box<dyn Scan> {
        (self.0.scanner)(Box::new(vec![0; self.0.memory]))
    }

    /// A scanner for one thread over memory of the caller's, such as large pages; [`memory`](Self::memory) says how
    /// much it wants.
    ///
    /// # Errors
    /// [`KernelError::Memory`] if it is too little.
    pub fn scanner_in(self, mut memory: Memory) -> Result<Box<dyn Scan>, KernelError> {
        let (needed, found) = (self.0.memory, memory.as_mut().as_mut().len());
        if found < needed {
            return Err(KernelError::Memory { kernel: self.0.name, needed, found });
        }
        Ok((self.0.scanner)(memory))
    }

    /// Proves on this CPU that it finds the nonce of a known header in a range around it, and nothing else there.
    /// Takes some milliseconds.
    ///
    /// # Errors
    /// [`KernelError::SelfTest`] if not: the CPU or the kernel is broken, and its shares would be worthless.
    pub fn self_test(self) -> Result<(), KernelError> {
        let known = &self.0.known;
        let range = NonceRange::new(known.nonce - known.before, known.count);
        let mut found = Vec::new();
        let scanned = self.scanner().scan(&(known.work)(), range, &Stop::new(), &mut found);
        let nonces: Vec<u64> = found.iter().map(|solution| solution.nonce).collect();
        if scanned == Ok(Scanned::new(known.count)) && nonces == [known.nonce] {
            return Ok(());
        }
        Err(KernelError::SelfTest { kernel: self.0.name, expected: known.nonce, found: nonces })
    }
}

fn of(algorithm: Algorithm) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.into_iter().flatten().copied().filter(move |entry| entry.algorithm == algorithm)
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.0.algorithm == other.0.algorithm && self.0.name == other.0.name
    }
}

impl Eq for Kernel {}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({self})")
    }
}

impl fmt::Display for Kernel {
    /// Algorithm and name: `sha256d/portable`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.algorithm, self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use otedama_core::{Header, Target};

    use super::*;
    use crate::scan::Scanned;

    /// A kernel that finds what it is told to, whatever the work.
    struct Finds(&'static [u64], u64);

    impl Scan for Finds {
        fn prepare(&mut self, _: &otedama_core::Seed) -> Result<(), crate::ScanError> {
            Ok(())
        }

        fn scan(
            &mut self,
            work: &Work,
            _: NonceRange,
            _: &Stop,
            out: &mut Vec<otedama_core::Solution>,
        ) -> Result<Scanned, crate::ScanError> {
            let solution = |nonce: &u64| otedama_core::Solution::new(work.generation, *nonce);
            out.extend(self.0.iter().map(solution));
            Ok(Scanned::new(self.1))
        }
    }

    fn some_work() -> Work {
        Work::new(Algorithm::SHA256D, Header::from([0; 80]), Target::MAX)
    }

    const fn broken(scanner: fn(Memory) -> Box<dyn Scan>) -> Entry {
        let known = Known { work: some_work, nonce: 500, before: 5, count: 10 };
        let (name, algorithm, available) = ("broken", Algorithm::SHA256D, || true);
        Entry { name, algorithm, available, scanner, memory: 0, stop_interval: 1, known }
    }

    #[test]
    fn memory_of_the_callers_must_suffice() {
        for kernel in ENTRIES.into_iter().flatten().map(|entry| Kernel(entry)) {
            let memory = |len: usize| -> Memory { Box::new(vec![0xa5_u8; len]) };
            assert!(kernel.scanner_in(memory(kernel.memory() + 1)).is_ok(), "{kernel}");
            let Some(found) = kernel.memory().checked_sub(1) else { continue };
            let needed = kernel.memory();
            let refused = kernel.scanner_in(memory(found)).map(|_| ());
            assert_eq!(refused, Err(KernelError::Memory { kernel: kernel.name(), needed, found }));
        }
    }

    #[test]
    fn a_self_test_wants_the_nonce_and_nothing_else_in_the_whole_range() {
        static GOOD: Entry = broken(|_| Box::new(Finds(&[500], 10)));
        static BLIND: Entry = broken(|_| Box::new(Finds(&[], 10)));
        static WRONG: Entry = broken(|_| Box::new(Finds(&[501], 10)));
        static EAGER: Entry = broken(|_| Box::new(Finds(&[499, 500], 10)));
        static SHORT: Entry = broken(|_| Box::new(Finds(&[500], 9)));
        assert_eq!(Kernel(&GOOD).self_test(), Ok(()));
        for entry in [&BLIND, &WRONG, &EAGER, &SHORT] {
            let result = Kernel(entry).self_test();
            assert!(matches!(result, Err(KernelError::SelfTest { expected: 500, .. })), "{result:?}");
        }
    }
}
