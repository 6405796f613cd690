//! Judging shares for a pool: light tables of a few epochs, shared by all its threads.

use core::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use otedama_core::{Algorithm, Digest, Target};

use super::{Engine, Epoch, EthashError, Input, Tables};

/// Judges shares of the epochs that it was prepared for; clones are the same verifier.
///
/// It holds the tables of as many epochs as fit into a bound, and gives up those that were used longest ago. It never
/// makes tables for a share: who runs a pool [prepares](Self::prepare) the next epoch ahead, on a thread that may take a
/// second, or [adds](Self::add) tables that were made elsewhere; shares are judged meanwhile.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    engine: Engine,
    /// Bytes that all tables may have together.
    bound: u64,
    epochs: RwLock<Vec<Entry>>,
    /// Counts the uses, so that it is known which comes last.
    clock: AtomicU64,
    /// Held while tables are made, so that nobody makes the same ones.
    making: Mutex<()>,
}

struct Entry {
    tables: Arc<Tables>,
    used: AtomicU64,
}

/// Why a share counts for nothing. Whoever sent it is at fault, but for [`Tables`](Self::Tables), which says who is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There are no tables to judge it with.
    #[error(transparent)]
    Tables(#[from] EthashError),
    /// The digest exceeds the target.
    #[error("digest {digest} exceeds the target")]
    LowDifficulty {
        /// The digest, or what the claimed mix hash gives for one.
        digest: Digest,
    },
    /// The mix hash is not the one of this header and nonce.
    #[error("wrong mix hash")]
    WrongMix,
}

impl Verifier {
    /// A verifier of Ethash, Etchash or `KawPow` whose tables may have so many bytes together. One epoch of 2026 has some
    /// 65 MiB, the last one 272 MiB.
    ///
    /// # Errors
    /// [`EthashError::Unsupported`] if the algorithm is none of these.
    pub fn new(algorithm: Algorithm, bound: u64) -> Result<Self, EthashError> {
        Epoch::of_test_chains(algorithm)?;
        let inner = Inner {
            algorithm,
            engine: Engine::best(),
            bound,
            epochs: RwLock::default(),
            clock: AtomicU64::new(0),
            making: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Makes the cache of an epoch on this thread, unless it is there. It counts as used now.
    ///
    /// # Errors
    /// [`EthashError::Bound`] if it alone is too large, [`EthashError::Memory`] if the system has no memory.
    pub fn prepare(&self, epoch: Epoch) -> Result<(), EthashError> {
        let _making = self.0.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tables(epoch).is_some() {
            return Ok(());
        }
        self.check_bound(epoch, epoch.cache_bytes())?;
        self.add(Arc::new(Tables::make_light(epoch, self.0.engine)?))
    }

    /// Takes tables that were made elsewhere, such as in large pages or a file, in place of others of the epoch.
    ///
    /// # Errors
    /// [`EthashError::Bound`] if they alone are too large.
    pub fn add(&self, tables: Arc<Tables>) -> Result<(), EthashError> {
        self.check_bound(tables.epoch(), tables.bytes())?;
        let mut epochs = self.0.epochs.write().unwrap_or_else(PoisonError::into_inner);
        epochs.retain(|entry| entry.tables.epoch() != tables.epoch());
        let mut all = tables.bytes();
        epochs.push(Entry { tables, used: AtomicU64::new(self.0.now()) });
        // The latest first.
        epochs.sort_by_key(|entry| std::cmp::Reverse(entry.used.load(Ordering::Relaxed)));
        let mut first = true;
        epochs.retain(|entry| {
            if !std::mem::take(&mut first) {
                all = all.saturating_add(entry.tables.bytes());
            }
            all <= self.0.bound
        });
        Ok(())
    }

    /// The epochs whose tables are there, the one that was used last first.
    #[must_use]
    pub fn epochs(&self) -> Vec<Epoch> {
        let epochs = self.0.epochs.read().unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<_> =
            epochs.iter().map(|entry| (entry.used.load(Ordering::Relaxed), entry.tables.epoch())).collect();
        known.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
        known.into_iter().map(|(_, epoch)| epoch).collect()
    }

    /// The tables of an epoch, if they are there. They count as used now.
    #[must_use]
    pub fn tables(&self, epoch: Epoch) -> Option<Arc<Tables>> {
        let epochs = self.0.epochs.read().unwrap_or_else(PoisonError::into_inner);
        let entry = epochs.iter().find(|entry| entry.tables.epoch() == epoch)?;
        entry.used.store(self.0.now(), Ordering::Relaxed);
        Some(Arc::clone(&entry.tables))
    }

    /// Judges one share for a block of the main net: its height decides the epoch. A mix hash that comes with the share is
    /// checked, and refuses most bad ones before any table is read.
    ///
    /// # Errors
    /// [`Refusal`], which says who is at fault.
    pub fn verify(&self, input: &Input, mix: Option<&[u8; 32]>, target: Target) -> Result<Digest, Refusal> {
        self.verify_in(Epoch::at(self.0.algorithm, input.height)?, input, mix, target)
    }

    /// The same in an epoch that is known otherwise, such as by the seed of a job.
    ///
    /// # Errors
    /// [`Refusal`], which says who is at fault.
    pub fn verify_in(
        &self,
        epoch: Epoch,
        input: &Input,
        mix: Option<&[u8; 32]>,
        target: Target,
    ) -> Result<Digest, Refusal> {
        if let Some(mix) = mix {
            self.meets(self.0.engine.claimed(epoch, input, mix), target)?;
        }
        let tables = self.tables(epoch).ok_or(EthashError::NotPrepared(epoch))?;
        let outcome = tables.hash(input);
        if mix.is_some_and(|mix| *mix != outcome.mix) {
            return Err(Refusal::WrongMix);
        }
        self.meets(outcome.digest, target)
    }

    fn meets(&self, digest: Digest, target: Target) -> Result<Digest, Refusal> {
        if self.0.algorithm.meets(&digest, target) {
            Ok(digest)
        } else {
            Err(Refusal::LowDifficulty { digest })
        }
    }

    fn check_bound(&self, epoch: Epoch, bytes: u64) -> Result<(), EthashError> {
        let bound = self.0.bound;
        if bytes <= bound { Ok(()) } else { Err(EthashError::Bound { epoch, bytes, bound }) }
    }
}

impl Inner {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { algorithm, bound, .. } = &*self.0;
        let epochs = self.epochs();
        f.debug_struct("Verifier")
            .field("algorithm", algorithm)
            .field("bound", bound)
            .field("epochs", &epochs)
            .finish_non_exhaustive()
    }
}
