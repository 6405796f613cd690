//! Which kernel is fastest on this processor: measured once, and kept.
//!
//! It differs from one processor to the next, and cannot be told from what instructions there are. So every kernel of an
//! algorithm is timed for a moment, in turns, before the algorithm is first mined. The answer goes into a file, for
//! this model of processor, this version and these kernels; whatever in the file is for others is not used.

mod race;
mod record;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use otedama_core::{Algorithm, HashRate};
use otedama_hash::{Kernel, KernelError, Stop, Unsupported};

use race::{Contender, Entrant, race};
use record::{Found, Record};

/// Knows which kernel of each algorithm is fastest here, or finds out. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Calibration(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    record: Record,
    known: Mutex<Vec<Choice>>,
}

/// The kernel that an algorithm is mined with, and why.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// The kernel. It has proved itself on this processor, in this process.
    pub kernel: Kernel,
    /// Where the choice comes from.
    pub basis: Basis,
    /// What the kernels of the algorithm made on one thread, the fastest first; empty if none was measured.
    pub rates: Vec<(&'static str, HashRate)>,
    /// Those that failed to prove themselves, which must not be used on this processor.
    pub failed: Vec<&'static str>,
    /// Why the measurement could not be kept for the next time, if it could not.
    pub unkept: Option<Box<str>>,
}

/// Where the choice of a kernel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Basis {
    /// The caller chose it.
    Asked,
    /// There is no other.
    Only,
    /// It was measured now.
    Measured,
    /// It was measured before, on a processor of this model.
    Kept,
}

impl Calibration {
    /// What is measured is known until the process ends: all that are made this way are one.
    #[must_use]
    pub fn in_process() -> Self {
        static KNOWN: LazyLock<Calibration> = LazyLock::new(|| Calibration::new(Record::nowhere()));
        KNOWN.clone()
    }

    /// What is measured is kept in this file, which is made with its folder when there is something to keep. A file that
    /// cannot be read, or holds something else, is as good as none, and is replaced.
    ///
    /// Best in the user's folder for what can be made anew. Several processes may use it at once.
    #[must_use]
    pub fn kept_in(file: impl Into<PathBuf>) -> Self {
        Self::new(Record::in_file(file.into()))
    }

    fn new(record: Record) -> Self {
        Self(Arc::new(Shared { record, known: Mutex::default() }))
    }

    /// The fastest kernel of an algorithm that proves itself. The first call may take some tenths of a second, most of
    /// them in the processor; others that ask meanwhile wait for it.
    ///
    /// # Errors
    /// [`KernelError`] if there is no kernel, or none proves itself.
    pub fn fastest(&self, algorithm: Algorithm) -> Result<Choice, KernelError> {
        // Nobody else has this stop, so it is never requested.
        self.fastest_unless(algorithm, &Stop::new())?.ok_or_else(|| Unsupported(algorithm).into())
    }

    /// The same, giving up within some milliseconds once the stop is requested: `None`, and nothing is known.
    pub(crate) fn fastest_unless(
        &self,
        algorithm: Algorithm,
        stop: &Stop,
    ) -> Result<Option<Choice>, KernelError> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(choice) = known.iter().find(|choice| choice.kernel.algorithm() == algorithm) {
            return Ok(Some(choice.clone()));
        }
        let kernels = Kernel::available(algorithm);
        let mut entrants: Vec<_> = kernels.iter().copied().map(Entrant::new).collect();
        let Some(decision) = decide(&mut entrants, algorithm, &self.0.record, stop)? else { return Ok(None) };
        let Some(kernel) = kernels.into_iter().find(|kernel| kernel.name() == decision.winner) else {
            return Err(Unsupported(algorithm).into());
        };
        let Decision { basis, rates, failed, unkept, .. } = decision;
        let choice = Choice { kernel, basis, rates, failed, unkept };
        known.push(choice.clone());
        Ok(Some(choice))
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self::in_process()
    }
}

impl Choice {
    pub(crate) const fn asked(kernel: Kernel) -> Self {
        Self { kernel, basis: Basis::Asked, rates: Vec::new(), failed: Vec::new(), unkept: None }
    }

    /// Why this one, for people: `sha-ni 28.1 MH/s, avx2 17.0 MH/s`.
    #[must_use]
    pub fn reason(&self) -> String {
        let rates: Vec<_> = self.rates.iter().map(|(name, rate)| format!("{name} {rate}")).collect();
        let mut reason = match self.basis {
            Basis::Asked => "asked for".to_owned(),
            Basis::Only => "the only kernel".to_owned(),
            Basis::Measured => rates.join(", "),
            Basis::Kept => format!("{}, measured before", rates.join(", ")),
        };
        for name in &self.failed {
            reason += &format!("; {name} failed its self-test");
        }
        reason
    }
}

impl fmt::Display for Choice {
    /// The kernel and the reason: `sha256d/sha-ni (sha-ni 28.1 MH/s, avx2 17.0 MH/s)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kernel, self.reason())
    }
}

/// A choice by name.
#[derive(Debug, Clone, PartialEq)]
struct Decision {
    winner: &'static str,
    basis: Basis,
    rates: Vec<(&'static str, HashRate)>,
    failed: Vec<&'static str>,
    unkept: Option<Box<str>>,
}

/// Finds the fastest contender that proves itself; `None` if it was stopped.
fn decide<C: Contender>(
    contenders: &mut [C],
    algorithm: Algorithm,
    record: &Record,
    stop: &Stop,
) -> Result<Option<Decision>, KernelError> {
    if let [only] = contenders {
        only.prove()?;
        let (winner, basis) = (only.name(), Basis::Only);
        return Ok(Some(Decision { winner, basis, rates: Vec::new(), failed: Vec::new(), unkept: None }));
    }
    let names: Vec<_> = contenders.iter().map(Contender::name).collect();
    if let Some(Found { rates, failed }) = record.find(algorithm, &names)
        && let Some(&(winner, _)) = rates.first()
        && contenders.iter().any(|contender| contender.name() == winner && contender.prove().is_ok())
    {
        return Ok(Some(Decision { winner, basis: Basis::Kept, rates, failed, unkept: None }));
    }
    let (mut sound, mut failed) = (Vec::new(), Vec::new());
    let mut error = Unsupported(algorithm).into();
    for contender in contenders {
        if stop.is_requested() {
            return Ok(None);
        }
        match contender.prove() {
            Ok(()) => sound.push(contender),
            Err(why) => {
                failed.push(contender.name());
                error = why;
            }
        }
    }
    let Some(rates) = race(&mut sound, stop) else { return Ok(None) };
    let mut rates: Vec<_> = sound.iter().map(|contender| contender.name()).zip(rates).collect();
    rates.sort_by(|(_, a), (_, b)| b.hashes_per_second().total_cmp(&a.hashes_per_second()));
    let Some(&(winner, _)) = rates.first() else { return Err(error) };
    let unkept = record.keep(algorithm, &rates, &failed).err();
    Ok(Some(Decision { winner, basis: Basis::Measured, rates, failed, unkept }))
}

#[cfg(test)]
mod tests;
