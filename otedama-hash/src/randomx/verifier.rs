//! Digests for a pool: light tables of a few seeds, shared by all its threads.

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use otedama_core::{Digest, Seed};

use super::library::{Cache, Machine};
use super::{Pages, RandomXError, Tables};

/// Computes digests for the seeds that it was prepared for; clones are the same verifier.
///
/// It holds the tables of the last [`MAX_SEEDS`](Self::MAX_SEEDS) seeds, 256 MiB each, and for each seed as many
/// machines of 2 MiB as threads ever worked on it at once. When a seed is about to change, prepare the next one ahead,
/// on a thread that may take half a second; digests go on meanwhile.
#[derive(Clone, Default)]
pub struct Verifier(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The last one prepared comes last.
    seeds: RwLock<Vec<Arc<Entry>>>,
    /// Held while tables are made, so that nobody makes the same ones.
    making: Mutex<()>,
}

/// The tables of one seed and the machines on them that nobody uses now.
struct Entry {
    seed: Seed,
    tables: Tables,
    idle: Mutex<Vec<Machine>>,
}

impl Verifier {
    /// Seeds whose tables are held: the one before, the present one and the next.
    pub const MAX_SEEDS: usize = 3;

    /// A verifier that is prepared for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the tables of a seed, in the best pages to be had, unless they are there. The seed counts as the latest
    /// from now on, and the one that was prepared longest ago is given up if there are too many.
    ///
    /// # Errors
    /// [`RandomXError::Memory`] if there is no memory.
    pub fn prepare(&self, seed: &Seed) -> Result<(), RandomXError> {
        let _making = lock(&self.0.making);
        let entry = match self.find(seed) {
            Some(entry) => entry,
            None => Arc::new(Entry::new(*seed)?),
        };
        let mut seeds = self.0.seeds.write().unwrap_or_else(PoisonError::into_inner);
        seeds.retain(|other| other.seed != *seed);
        seeds.push(entry);
        let surplus = seeds.len().saturating_sub(Self::MAX_SEEDS);
        seeds.drain(..surplus);
        Ok(())
    }

    /// The seeds whose tables are there, the latest last.
    #[must_use]
    pub fn seeds(&self) -> Vec<Seed> {
        let seeds = self.0.seeds.read().unwrap_or_else(PoisonError::into_inner);
        seeds.iter().map(|entry| entry.seed).collect()
    }

    /// The light tables of a seed, if they are there: to see their pages, or to make a dataset from.
    #[must_use]
    pub fn tables(&self, seed: &Seed) -> Option<Tables> {
        self.find(seed).map(|entry| entry.tables.clone())
    }

    /// The digest of a header for a seed. Takes some 25 ms; any number of threads may call it at once.
    ///
    /// # Errors
    /// [`RandomXError::NotPrepared`] if the tables of the seed are not there, [`RandomXError::Memory`] if there is no
    /// memory for one more thread.
    pub fn digest(&self, seed: &Seed, header: &[u8]) -> Result<Digest, RandomXError> {
        let entry = self.find(seed).ok_or(RandomXError::NotPrepared(*seed))?;
        let idle = lock(&entry.idle).pop();
        let mut machine = idle.map_or_else(|| entry.tables.machine(), Ok)?;
        let digest = machine.hash(header);
        lock(&entry.idle).push(machine);
        Ok(digest)
    }

    /// The same, making the tables if they are not there. A lack of memory ends the process.
    pub(crate) fn prepared_digest(&self, seed: &Seed, header: &[u8]) -> Digest {
        let digest = || match self.digest(seed, header) {
            Err(RandomXError::NotPrepared(_)) => self.prepare(seed).and_then(|()| self.digest(seed, header)),
            other => other,
        };
        digest()
            .unwrap_or_else(|_| std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; 1 << 28]>()))
    }

    fn find(&self, seed: &Seed) -> Option<Arc<Entry>> {
        let seeds = self.0.seeds.read().unwrap_or_else(PoisonError::into_inner);
        seeds.iter().find(|entry| entry.seed == *seed).cloned()
    }
}

impl Entry {
    fn new(seed: Seed) -> Result<Self, RandomXError> {
        let cache = Pages::best(|pages| Cache::new(&seed.0, pages))?;
        Ok(Self { seed, tables: Tables::Light(Arc::new(cache)), idle: Mutex::default() })
    }
}

/// What the lock guards is whole at any time, even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("seeds", &self.seeds()).finish()
    }
}
