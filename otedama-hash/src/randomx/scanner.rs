//! Searching nonces with tables that many scanners share.

use core::fmt;
use std::sync::Arc;

use otedama_core::{Algorithm, Seed, Solution, Work};

use super::library::{Cache, Dataset, Machine};
use super::{Pages, RandomXError};
use crate::error::ScanError;
use crate::scan::{NonceRange, Scan, Scanned, Stop, header};

/// The tables that a machine computes from.
#[derive(Debug, Clone)]
pub enum Tables {
    /// The small ones: 256 MiB.
    Light(Arc<Cache>),
    /// The large ones: 2080 MiB, and ten times as fast.
    Fast(Arc<Dataset>),
}

impl Tables {
    /// The name of this way to compute, as kernels have one.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Light(_) => "light",
            Self::Fast(_) => "fast",
        }
    }

    /// A machine over them with a scratchpad in the best pages to be had.
    ///
    /// # Errors
    /// [`RandomXError::Memory`] if there is no memory.
    pub fn machine(&self) -> Result<Machine, RandomXError> {
        Pages::best(|pages| Machine::new(self.clone(), pages))
    }
}

/// Gives scanners the tables of a seed; it decides what is shared and how many threads make it. A closure is one.
pub trait Provider: Send + Sync {
    /// The tables of this seed, once they are made; `None` if `stop` is requested before that.
    ///
    /// # Errors
    /// [`ScanError`] if they cannot be made.
    fn tables(&self, seed: &Seed, stop: &Stop) -> Result<Option<Tables>, ScanError>;
}

impl<F: Fn(&Seed) -> Result<Tables, ScanError> + Send + Sync> Provider for F {
    fn tables(&self, seed: &Seed, _: &Stop) -> Result<Option<Tables>, ScanError> {
        self(seed).map(Some)
    }
}

/// A scanner for one thread over shared tables.
///
/// The tables of a new seed are waited for in the first [`scan`](Scan::scan), so that a stop ends that too. It looks at
/// the stop flag after every hash. One of light tables takes longer than the 10 ms that `scan` grants, some 25 to 40 ms,
/// and cannot be interrupted.
pub struct Scanner {
    provider: Arc<dyn Provider>,
    ready: Option<(Seed, Machine)>,
}

impl Scanner {
    /// A scanner that gets its tables from `provider`.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, ready: None }
    }

    /// A scanner with this machine for this seed, and for no other.
    #[must_use]
    pub fn over(seed: Seed, machine: Machine) -> Self {
        let none = |seed: &Seed| Err(RandomXError::NotPrepared(*seed).into());
        Self { provider: Arc::new(none), ready: Some((seed, machine)) }
    }

    /// The machine for a seed; `None` if it was stopped before there was one.
    fn machine(&mut self, seed: Seed, stop: &Stop) -> Result<Option<&mut Machine>, ScanError> {
        if self.ready.as_ref().is_none_or(|(ready, _)| *ready != seed) {
            // Lets go of the old tables before there are new ones.
            self.ready = None;
            let Some(tables) = self.provider.tables(&seed, stop)? else { return Ok(None) };
            self.ready = Some((seed, tables.machine()?));
        }
        Ok(self.ready.as_mut().map(|(_, machine)| machine))
    }
}

impl Scan for Scanner {
    fn prepare(&mut self, seed: &Seed) -> Result<(), ScanError> {
        if self.ready.as_ref().is_none_or(|(ready, _)| ready != seed) {
            self.ready = None;
        }
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        header(Algorithm::RANDOMX, work)?;
        let seed = work.seed.ok_or(RandomXError::NoSeed)?;
        match self.machine(seed, stop)? {
            Some(machine) => Ok(search(machine, work, range, stop, out)),
            None => Ok(Scanned::new(0)),
        }
    }
}

/// While the digest of one nonce is finished, that of the next begins.
fn search(
    machine: &mut Machine,
    work: &Work,
    range: NonceRange,
    stop: &Stop,
    out: &mut Vec<Solution>,
) -> Scanned {
    let space = work.algorithm.max_nonce() + 1;
    let total = range.count.min(space);
    let nonce = |index: u64| (range.start % space + index) % space;
    let header = |index: u64| work.header.with_nonce(work.algorithm, nonce(index));
    if total == 0 || stop.is_requested() {
        return Scanned::new(0);
    }
    let mut check = |index: u64, digest| {
        if work.algorithm.meets(&digest, work.target) {
            out.push(Solution::new(work.generation, nonce(index)));
        }
    };
    let mut run = machine.begin(header(0).as_bytes());
    for index in 1..total {
        check(index - 1, run.next(header(index).as_bytes()));
        if stop.is_requested() {
            return Scanned::new(index);
        }
    }
    check(total - 1, run.last());
    Scanned::new(total)
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.ready.as_ref().map(|(seed, _)| seed);
        f.debug_struct("Scanner").field("seed", &seed).finish_non_exhaustive()
    }
}
