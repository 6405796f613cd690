//! Searching nonces with tables that many scanners share.

use core::fmt;
use std::sync::Arc;

use otedama_core::{Algorithm, Hash256, Header, Proof, Seed, Solution, Work};

use super::{Engine, Epoch, EthashError, Input, Tables};
use crate::error::ScanError;
use crate::kernel::{Entry, Known};
use crate::scan::{NonceRange, Scan, Scanned, Stop, drive_wide, header};

/// Hashes at once from a dataset, and between two looks at the stop flag: some tenths of a millisecond.
const FULL: usize = 16;
/// The same where items are made on the way, which takes milliseconds: of Ethash, and of `KawPow`.
const LIGHT: usize = 8;
const KAWPOW_LIGHT: usize = 4;

/// Gives scanners the tables of an epoch; it decides what is shared and how many threads make it. A closure is one.
pub trait Provider: Send + Sync {
    /// The tables of this epoch, once they are made; `None` if `stop` is requested before that.
    ///
    /// # Errors
    /// [`ScanError`] if they cannot be made.
    fn tables(&self, epoch: Epoch, stop: &Stop) -> Result<Option<Arc<Tables>>, ScanError>;
}

impl<F: Fn(Epoch) -> Result<Arc<Tables>, ScanError> + Send + Sync> Provider for F {
    fn tables(&self, epoch: Epoch, _: &Stop) -> Result<Option<Arc<Tables>>, ScanError> {
        self(epoch).map(Some)
    }
}

/// A scanner for one thread over shared tables. Solutions carry the mix hash.
///
/// The tables of a new epoch are waited for in the first [`scan`](Scan::scan), so that a stop ends that too. Work for test
/// chains, which has neither seed nor height, needs no provider.
pub struct Scanner {
    algorithm: Algorithm,
    engine: Engine,
    provider: Arc<dyn Provider>,
    ready: Option<Arc<Tables>>,
    /// The last seed that was looked up.
    known: Option<(Seed, Epoch)>,
}

impl Scanner {
    /// A scanner of Ethash, Etchash or `KawPow` that gets its tables from `provider`.
    ///
    /// # Errors
    /// [`EthashError::Unsupported`] if the algorithm is none of these.
    pub fn new(algorithm: Algorithm, provider: Arc<dyn Provider>) -> Result<Self, EthashError> {
        // What has no tables for test chains has none at all.
        Epoch::of_test_chains(algorithm)?;
        Ok(Self { algorithm, engine: Engine::best(), provider, ready: None, known: None })
    }

    /// A scanner with these tables, and with no others.
    ///
    /// # Errors
    /// [`EthashError::Unsupported`] if the algorithm has no tables.
    pub fn over(algorithm: Algorithm, tables: Arc<Tables>) -> Result<Self, EthashError> {
        let only = Arc::clone(&tables);
        let provider = move |epoch: Epoch| {
            if epoch == only.epoch() {
                Ok(Arc::clone(&only))
            } else {
                Err(EthashError::NotPrepared(epoch).into())
            }
        };
        Ok(Self { ready: Some(tables), ..Self::new(algorithm, Arc::new(provider))? })
    }

    /// A scanner for test chains alone.
    fn of_test_chains(algorithm: Algorithm, engine: Engine) -> Self {
        let provider = Arc::new(|epoch: Epoch| Err(EthashError::NotPrepared(epoch).into()));
        Self { algorithm, engine, provider, ready: None, known: None }
    }

    /// Whose tables the work is for. The seed decides where there is one: a chain may have begun an epoch elsewhere.
    fn epoch(&mut self, work: &Work) -> Result<Epoch, EthashError> {
        match (work.seed, work.height) {
            (None, None) | (Some(Seed::DEVNET), _) => Epoch::of_test_chains(self.algorithm),
            (None, Some(_)) if work.header.as_bytes().len() == 80 => Epoch::of_test_chains(self.algorithm),
            (None, Some(height)) => Epoch::at(self.algorithm, height),
            (Some(_), None) if self.algorithm == Algorithm::KAWPOW => Err(EthashError::NoHeight),
            (Some(seed), _) => match self.known {
                Some((known, epoch)) if known == seed => Ok(epoch),
                _ => {
                    let epoch = Epoch::of_seed(self.algorithm, &seed)?;
                    self.known = Some((seed, epoch));
                    Ok(epoch)
                }
            },
        }
    }

    /// The tables of an epoch; `None` if it was stopped before there were any.
    fn tables(&mut self, epoch: Epoch, stop: &Stop) -> Result<Option<Arc<Tables>>, ScanError> {
        if let Some(ready) = self.ready.as_ref().filter(|ready| ready.epoch() == epoch) {
            return Ok(Some(Arc::clone(ready)));
        }
        // Lets go of the old tables before there are new ones.
        self.ready = None;
        self.ready = if epoch.number().is_none() {
            Some(Arc::new(Tables::of_test_chains(self.algorithm, self.engine)?))
        } else {
            self.provider.tables(epoch, stop)?
        };
        Ok(self.ready.clone())
    }
}

impl Scan for Scanner {
    fn prepare(&mut self, _: &Seed) -> Result<(), ScanError> {
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        if work.algorithm != self.algorithm {
            return Err(ScanError::WrongAlgorithm { scanner: self.algorithm, work: work.algorithm });
        }
        // That of the work may be the one over Bitcoin's header.
        header(work.algorithm, work)?;
        let epoch = self.epoch(work)?;
        let Some(tables) = self.tables(epoch, stop)? else { return Ok(Scanned::new(0)) };
        let height = if epoch.number().is_none() { 0 } else { work.height.unwrap_or(0) };
        let first = input(&work.header, height);
        if tables.name() == "full" {
            Ok(search::<FULL>(&tables, work, first, range, stop, out))
        } else if epoch.is_kawpow() {
            Ok(search::<KAWPOW_LIGHT>(&tables, work, first, range, stop, out))
        } else {
            Ok(search::<LIGHT>(&tables, work, first, range, stop, out))
        }
    }
}

/// Hashes `N` nonces at once; those behind the end of the range are not looked at.
fn search<const N: usize>(
    tables: &Tables,
    work: &Work,
    first: Input,
    range: NonceRange,
    stop: &Stop,
    out: &mut Vec<Solution>,
) -> Scanned {
    // Not more than 16.
    let chunk = u32::try_from(N).unwrap_or(1);
    drive_wide(range, work.algorithm.max_nonce(), chunk, stop, |nonce, count| {
        let mut next = nonce;
        let inputs = [(); N].map(|()| {
            next = next.wrapping_add(1);
            Input { nonce: next.wrapping_sub(1), ..first }
        });
        let outcomes = tables.hash_each(&inputs);
        for (input, outcome) in inputs.iter().zip(outcomes).take(count as usize) {
            if work.accepts(&outcome.digest) {
                let mut solution = Solution::new(work.generation, input.nonce);
                solution.proof = Proof::Mix(outcome.mix);
                out.push(solution);
            }
        }
    })
}

/// What a header stands for: 32 bytes and a nonce, or Bitcoin's header, whose last four bytes are the nonce. Of any
/// other number of bytes the same holds as of Bitcoin's.
pub(crate) fn input(header: &Header, height: u64) -> Input {
    let bytes = header.as_bytes();
    if let Some((hash, nonce)) = bytes.split_first_chunk::<32>()
        && let Ok(nonce) = nonce.try_into()
    {
        return Input { header_hash: *hash, nonce: u64::from_le_bytes(nonce), height };
    }
    let (head, nonce) = bytes.split_last_chunk::<4>().unwrap_or((bytes, &[0; 4]));
    let nonce = u32::from_le_bytes(*nonce).into();
    Input { header_hash: *Hash256::sha256d(head).as_internal(), nonce, height }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("algorithm", &self.algorithm).field("tables", &self.ready).finish()
    }
}

/// The kernels of an algorithm: they mine test chains. For other work there are tables, and [`Scanner`] over them.
macro_rules! kernels {
    ($algorithm:expr, $known:expr) => {
        [
            #[cfg(target_arch = "x86_64")]
            &kernels!("avx512", $algorithm, Engine::of(&super::x86::AVX512), $known),
            #[cfg(target_arch = "x86_64")]
            &kernels!("avx2", $algorithm, Engine::of(&super::x86::AVX2), $known),
            &kernels!("portable", $algorithm, Engine::portable(), $known),
        ]
    };
    ($name:expr, $algorithm:expr, $engine:expr, $known:expr) => {
        Entry {
            name: $name,
            algorithm: $algorithm,
            available: || $engine.is_available(),
            scanner: |_| Box::new(Scanner::of_test_chains($algorithm, $engine)),
            memory: 0,
            stop_interval: 16,
            known: Known { work: || known_work($algorithm), nonce: $known, before: 7, count: 23 },
        }
    };
}

#[cfg(target_arch = "x86_64")]
const COUNT: usize = 3;
#[cfg(not(target_arch = "x86_64"))]
const COUNT: usize = 1;

pub(crate) static ETHASH: [&Entry; COUNT] = kernels!(Algorithm::ETHASH, 97);
pub(crate) static ETCHASH: [&Entry; COUNT] = kernels!(Algorithm::ETCHASH, 97);
pub(crate) static KAWPOW: [&Entry; COUNT] = kernels!(Algorithm::KAWPOW, 203);

/// A header that no chain has, and a target that about one nonce in 32 meets.
fn known_work(algorithm: Algorithm) -> Work {
    let header = Header::new(&[0x5a; 40]).unwrap_or(Header::from([0x5a; 80]));
    let target = otedama_core::Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 5]);
    Work::new(algorithm, header, target)
}
