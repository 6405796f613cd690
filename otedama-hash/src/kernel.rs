//! The fast implementations, as values that prove that this CPU can run them.

use core::fmt;

use otedama_core::{Algorithm, CompactTarget, Header, Target, Work};

use crate::error::{KernelError, Unsupported};
use crate::scan::{NonceRange, Scan, Scanned, Stop};
use crate::{scrypt, sha256d};

/// All kernels, the one that is likely to be fastest first within each algorithm.
static ENTRIES: [&Entry; 2] = [&sha256d::PORTABLE, &scrypt::PORTABLE];

/// One implementation of one algorithm. Having the value proves that this CPU can run it.
#[derive(Clone, Copy)]
pub struct Kernel(&'static Entry);

/// What a kernel file registers.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) algorithm: Algorithm,
    /// Whether this CPU has the instructions.
    pub(crate) available: fn() -> bool,
    /// A scanner for one thread; called only where `available`.
    pub(crate) scanner: fn() -> Box<dyn Scan>,
    /// Most hashes between two looks at the stop flag.
    pub(crate) stop_interval: u32,
    /// What the self-test must find.
    pub(crate) known: Known,
}

/// A header whose nonce is known, and the range around it in which there is no other.
pub(crate) struct Known {
    pub(crate) header: &'static [u8; 80],
    pub(crate) bits: u32,
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

    /// A scanner for one thread. Make one per thread: each has memory of its own.
    #[must_use]
    pub fn scanner(self) -> Box<dyn Scan> {
        (self.0.scanner)()
    }

    /// Proves on this CPU that it finds the nonce of a real block in a range around it, and nothing else there.
    /// Takes some milliseconds.
    ///
    /// # Errors
    /// [`KernelError::SelfTest`] if not: the CPU or the kernel is broken, and its shares would be worthless.
    pub fn self_test(self) -> Result<(), KernelError> {
        let known = &self.0.known;
        let target = CompactTarget::from_bits(known.bits).target().unwrap_or(Target::ZERO);
        let work = Work::new(self.0.algorithm, Header::from(*known.header), target);
        let range = NonceRange::new(known.nonce - known.before, known.count);
        let mut found = Vec::new();
        let scanned = self.scanner().scan(&work, range, &Stop::new(), &mut found);
        let nonces: Vec<u64> = found.iter().map(|solution| solution.nonce).collect();
        if scanned == Ok(Scanned::new(known.count)) && nonces == [known.nonce] {
            return Ok(());
        }
        Err(KernelError::SelfTest { kernel: self.0.name, expected: known.nonce, found: nonces })
    }
}

fn of(algorithm: Algorithm) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.into_iter().filter(move |entry| entry.algorithm == algorithm)
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

    const fn broken(scanner: fn() -> Box<dyn Scan>) -> Entry {
        let known = Known { header: &[0; 80], bits: 0x1d00_ffff, nonce: 500, before: 5, count: 10 };
        let (name, algorithm, available) = ("broken", Algorithm::SHA256D, || true);
        Entry { name, algorithm, available, scanner, stop_interval: 1, known }
    }

    #[test]
    fn a_self_test_wants_the_nonce_and_nothing_else_in_the_whole_range() {
        static GOOD: Entry = broken(|| Box::new(Finds(&[500], 10)));
        static BLIND: Entry = broken(|| Box::new(Finds(&[], 10)));
        static WRONG: Entry = broken(|| Box::new(Finds(&[501], 10)));
        static EAGER: Entry = broken(|| Box::new(Finds(&[499, 500], 10)));
        static SHORT: Entry = broken(|| Box::new(Finds(&[500], 9)));
        assert_eq!(Kernel(&GOOD).self_test(), Ok(()));
        for entry in [&BLIND, &WRONG, &EAGER, &SHORT] {
            let result = Kernel(entry).self_test();
            assert!(matches!(result, Err(KernelError::SelfTest { expected: 500, .. })), "{result:?}");
        }
    }
}
