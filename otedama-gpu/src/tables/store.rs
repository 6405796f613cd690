//! What is made, for which epochs, and who waits for it.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, Seed, Solution, Work};
use otedama_hash::ethash::{Epoch, EthashError, Provider, Scanner, Tables};
use otedama_hash::{NonceRange, Scan, ScanError, Scanned, Stop};

use super::file::Fault;
use super::making;
use crate::cpu::Scanners;
use crate::limits::{LOCK_LOOK, TABLES_AHEAD};

/// Which tables to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Datasets: GiB, and a hundred times as fast.
    #[default]
    Full,
    /// Caches: tens of MiB.
    Light,
}

/// What a store says about its work, on threads of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// So many nodes of so many are made.
    Filling {
        /// Whose.
        epoch: Epoch,
        /// Nodes that are made.
        done: u64,
        /// Nodes that there will be.
        total: u64,
    },
    /// A file was not the table that it should be. It is made again.
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The tables of an epoch are there.
    Ready {
        /// Whose.
        epoch: Epoch,
        /// `full` or `light`.
        kernel: &'static str,
        /// Whether they were found in a file.
        found: bool,
        /// How long it took to make or to check them.
        took: Duration,
    },
}

/// A store that is being configured.
pub struct Builder {
    pub(super) algorithm: Algorithm,
    pub(super) mode: Mode,
    pub(super) folder: Option<PathBuf>,
    pub(super) threads: usize,
    pub(super) on_event: Box<dyn Fn(&Event) + Send + Sync>,
}

/// Makes the tables of epochs and shares them; clones are the same store. Dropping the last one, scanners included, ends
/// what is still being made.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    builder: Arc<Builder>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is mined now.
    current: Option<Epoch>,
    /// What is made ahead.
    next: Option<Epoch>,
    /// Of these two at most.
    slots: Vec<Slot>,
}

struct Slot {
    epoch: Epoch,
    cancel: Arc<AtomicBool>,
    outcome: Outcome,
}

enum Outcome {
    Making,
    Made(Arc<Tables>),
    Failed(ScanError),
}

impl Builder {
    /// Which tables.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Keeps them in files of this folder, which other processes may use at the same time.
    #[must_use]
    pub fn folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// How many threads make tables; one for each logical CPU if not said.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }

    /// Says here what is going on. It should return quickly.
    #[must_use]
    pub fn on_event(self, report: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { on_event: Box::new(report), ..self }
    }

    /// The store. It makes nothing yet.
    #[must_use]
    pub fn build(self) -> Store {
        let inner = Inner { builder: Arc::new(self), state: Mutex::default(), changed: Condvar::new() };
        Store(Arc::new(inner))
    }
}

impl Store {
    /// A store to be configured, for Ethash, Etchash or `KawPow`: datasets, in memory.
    ///
    /// # Errors
    /// [`EthashError::Unsupported`] if the algorithm is none of these.
    pub fn builder(algorithm: Algorithm) -> Result<Builder, EthashError> {
        Epoch::of_test_chains(algorithm)?;
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Builder { algorithm, mode: Mode::default(), folder: None, threads, on_event: Box::new(|_| ()) })
    }

    /// Makes the tables of an epoch ahead, while another is mined. Does not wait.
    pub fn expect(&self, epoch: Epoch) {
        let mut state = self.0.lock();
        if state.current == Some(epoch) || state.next == Some(epoch) {
            return;
        }
        state.next = Some(epoch);
        state.tidy();
        self.0.start_next(&mut state);
    }

    /// Expects the epoch that a chain at this height will soon be in, if it is another one. Scanners of the store do so
    /// with the work that they get.
    pub fn watch(&self, height: u64) {
        let algorithm = self.0.builder.algorithm;
        let epochs = [height, height.saturating_add(TABLES_AHEAD)].map(|height| Epoch::at(algorithm, height));
        if let [Ok(now), Ok(soon)] = epochs
            && now != soon
        {
            self.expect(soon);
        }
    }

    /// The epochs whose tables are there.
    #[must_use]
    pub fn epochs(&self) -> Vec<Epoch> {
        let there = |slot: &&Slot| matches!(slot.outcome, Outcome::Made(_));
        self.0.lock().slots.iter().filter(there).map(|slot| slot.epoch).collect()
    }
}

impl Provider for Store {
    /// From now on this is the epoch that is mined. Others but the one that is expected are given up.
    fn tables(&self, epoch: Epoch, stop: &Stop) -> Result<Option<Arc<Tables>>, ScanError> {
        let inner = &self.0;
        let mut state = inner.lock();
        while !stop.is_requested() {
            state.focus(epoch);
            match state.slot(epoch).map(|slot| &slot.outcome) {
                Some(Outcome::Made(tables)) => return Ok(Some(Arc::clone(tables))),
                Some(Outcome::Failed(error)) => return Err(error.clone()),
                Some(Outcome::Making) => {
                    let waited = inner.changed.wait_timeout(state, LOCK_LOOK);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => inner.start(&mut state, epoch),
            }
        }
        Ok(None)
    }
}

impl Scanners for Store {
    fn algorithm(&self) -> Algorithm {
        self.0.builder.algorithm
    }

    fn scanner(&self) -> Result<Box<dyn Scan>, ScanError> {
        let scanner = Scanner::new(self.0.builder.algorithm, Arc::new(self.clone()))?;
        Ok(Box::new(Watching { store: self.clone(), scanner }))
    }
}

/// A scanner that tells the store how high the chain is.
struct Watching {
    store: Store,
    scanner: Scanner,
}

impl Scan for Watching {
    fn prepare(&mut self, seed: &Seed) -> Result<(), ScanError> {
        self.scanner.prepare(seed)
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        let scanned = self.scanner.scan(work, range, stop, out);
        // Bitcoin's header is that of test chains, which have one epoch.
        if let Some(height) = work.height.filter(|_| work.header.as_bytes().len() == 40) {
            self.store.watch(height);
        }
        scanned
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the tables of an epoch on a thread of its own, which ends early if this store does.
    fn start(self: &Arc<Self>, state: &mut State, epoch: Epoch) {
        let cancel = Arc::new(AtomicBool::new(false));
        let (store, builder, asked) = (Arc::downgrade(self), Arc::clone(&self.builder), Arc::clone(&cancel));
        let make = move || {
            let result = making::make(&builder, epoch, &asked);
            if let (Some(inner), Some(result)) = (store.upgrade(), result) {
                inner.publish(epoch, result);
            }
        };
        let spawned = thread::Builder::new().name("otedama-tables".into()).spawn(make);
        let outcome = spawned.map_or_else(
            |error| Outcome::Failed(ScanError::Device(format!("cannot start a thread: {error}").into())),
            |_| Outcome::Making,
        );
        state.slots.retain(|slot| slot.epoch != epoch);
        state.slots.push(Slot { epoch, cancel, outcome });
    }

    /// Makes what is expected, once nothing else is being made.
    fn start_next(self: &Arc<Self>, state: &mut State) {
        let busy = state.slots.iter().any(|slot| matches!(slot.outcome, Outcome::Making));
        if let Some(next) = state.next.filter(|next| !busy && state.slot(*next).is_none()) {
            self.start(state, next);
        }
    }

    fn publish(self: &Arc<Self>, epoch: Epoch, result: Result<Arc<Tables>, ScanError>) {
        let mut state = self.lock();
        if let Some(slot) = state.slots.iter_mut().find(|slot| slot.epoch == epoch) {
            slot.outcome = match result {
                Ok(tables) => Outcome::Made(tables),
                Err(error) => Outcome::Failed(error),
            };
        }
        self.start_next(&mut state);
        drop(state);
        self.changed.notify_all();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.slots.iter().for_each(Slot::cancel);
    }
}

impl State {
    fn slot(&self, epoch: Epoch) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.epoch == epoch)
    }

    fn focus(&mut self, epoch: Epoch) {
        if self.current != Some(epoch) {
            self.current = Some(epoch);
            self.next = self.next.filter(|next| *next != epoch);
            self.tidy();
        }
    }

    /// Gives up what is neither mined nor expected.
    fn tidy(&mut self) {
        let wanted = [self.current, self.next];
        self.slots.retain(|slot| {
            let keep = wanted.contains(&Some(slot.epoch));
            if !keep {
                slot.cancel();
            }
            keep
        });
    }
}

impl Slot {
    fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.0.builder.algorithm;
        f.debug_struct("Store").field("algorithm", &algorithm).field("epochs", &self.epochs()).finish()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("algorithm", &self.algorithm)
            .field("mode", &self.mode)
            .field("folder", &self.folder)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
