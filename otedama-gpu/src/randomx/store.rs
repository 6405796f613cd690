//! What is made, for which seeds, and who waits for it.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, Seed};
use otedama_hash::randomx::{Cache, Dataset, Provider, Scanner, Tables};
use otedama_hash::{Scan, ScanError, Stop};

use super::making::{self, Made, Task};
use super::topology;
use crate::cpu::Scanners;
use crate::pages::Backing;

/// Between two looks at a stop flag while tables are made.
const LOOK: Duration = Duration::from_millis(5);

/// Which tables to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// The large ones if there is memory for them, else the small ones.
    #[default]
    Auto,
    /// The large ones: 2080 MiB for each memory node.
    Fast,
    /// The small ones: 256 MiB.
    Light,
}

/// What a store says about its work, on a thread of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// So many items of so many are filled in the datasets of a seed.
    Filling {
        /// The seed.
        seed: Seed,
        /// Items that are filled.
        done: u64,
        /// Items that there will be.
        total: u64,
    },
    /// The tables of a seed are there.
    Ready(Ready),
}

/// Tables that are there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ready {
    /// Their seed.
    pub seed: Seed,
    /// `fast` or `light`.
    pub kernel: &'static str,
    /// What they lie in, for each memory node.
    pub backing: Vec<Backing>,
    /// How long it took to make them.
    pub took: Duration,
}

/// A store that is being configured.
pub struct Builder {
    pub(super) mode: Mode,
    pub(super) light: Vec<Seed>,
    pub(super) threads: usize,
    pub(super) nodes: Vec<Vec<usize>>,
    pub(super) on_event: Box<dyn Fn(&Event) + Send + Sync>,
}

/// Makes the tables of seeds and shares them; clones are the same store. Dropping the last one, scanners included, ends
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
    current: Option<Seed>,
    /// What is made ahead.
    next: Option<Seed>,
    /// Of these two at most.
    slots: Vec<Slot>,
    /// Datasets that were given up, and are gone once no scanner holds them.
    retired: Vec<Weak<Dataset>>,
}

struct Slot {
    seed: Seed,
    cancel: Arc<AtomicBool>,
    outcome: Outcome,
}

enum Outcome {
    Making,
    /// There was no memory for more while another seed was mined.
    Half(Arc<Cache>),
    Whole(Made),
    Failed(ScanError),
}

impl Builder {
    /// Which tables.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The small ones for this seed, whatever the mode: for test chains, which are not worth the making of large ones.
    #[must_use]
    pub fn light(mut self, seed: Seed) -> Self {
        self.light.push(seed);
        self
    }

    /// How many threads make tables, those of all nodes together; one for each logical CPU if not said.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }

    /// The logical CPUs of each memory node, if not those that the system says. Each node has its own dataset, which
    /// is filled by threads bound to its CPUs where there are several nodes.
    #[must_use]
    pub fn nodes(self, nodes: Vec<Vec<usize>>) -> Self {
        Self { nodes: if nodes.is_empty() { vec![Vec::new()] } else { nodes }, ..self }
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

impl Default for Builder {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            mode: Mode::Auto,
            light: Vec::new(),
            threads,
            nodes: topology::nodes(),
            on_event: Box::new(|_| ()),
        }
    }
}

impl Store {
    /// A store to be configured.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Makes the tables of a seed ahead, while another is mined: whole if there is memory for both, else what there is
    /// memory for. Does not wait.
    pub fn expect(&self, seed: &Seed) {
        let mut state = self.0.lock();
        if state.current == Some(*seed) || state.next == Some(*seed) {
            return;
        }
        state.next = Some(*seed);
        state.tidy();
        self.0.start_next(&mut state);
    }

    /// The seeds whose tables are there, at least in part.
    #[must_use]
    pub fn seeds(&self) -> Vec<Seed> {
        let there = |slot: &&Slot| matches!(slot.outcome, Outcome::Half(_) | Outcome::Whole(_));
        self.0.lock().slots.iter().filter(there).map(|slot| slot.seed).collect()
    }
}

impl Provider for Store {
    /// From now on this is the seed that is mined. Others but the one that is expected are given up.
    fn tables(&self, seed: &Seed, stop: &Stop) -> Result<Option<Tables>, ScanError> {
        let inner = &self.0;
        let mut state = inner.lock();
        while !stop.is_requested() {
            state.focus(seed);
            let cache = match state.slot(seed).map(|slot| &slot.outcome) {
                Some(Outcome::Whole(made)) => return Ok(Some(made.here(&inner.builder.nodes))),
                Some(Outcome::Failed(error)) => return Err(error.clone()),
                Some(Outcome::Making) => {
                    state = wait(&inner.changed, state);
                    continue;
                }
                Some(Outcome::Half(cache)) => Some(Arc::clone(cache)),
                None => None,
            };
            inner.start(&mut state, *seed, cache, true);
        }
        Ok(None)
    }
}

impl Scanners for Store {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RANDOMX
    }

    fn scanner(&self) -> Result<Box<dyn Scan>, ScanError> {
        Ok(Box::new(Scanner::new(Arc::new(self.clone()))))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the tables of a seed on a thread of its own, which ends early if this store does.
    fn start(self: &Arc<Self>, state: &mut State, seed: Seed, cache: Option<Arc<Cache>>, now: bool) {
        let cancel = Arc::new(AtomicBool::new(false));
        let retired = std::mem::take(&mut state.retired);
        let task = Task { seed, cache, now, retired, cancel: Arc::clone(&cancel) };
        let (store, builder) = (Arc::downgrade(self), Arc::clone(&self.builder));
        let make = move || {
            let result = making::make(&builder, task);
            if let (Some(inner), Some(result)) = (store.upgrade(), result) {
                inner.publish(seed, result);
            }
        };
        let spawned = thread::Builder::new().name("otedama-randomx".into()).spawn(make);
        let outcome = spawned.map_or_else(
            |error| Outcome::Failed(ScanError::Device(format!("cannot start a thread: {error}").into())),
            |_| Outcome::Making,
        );
        state.slots.retain(|slot| slot.seed != seed);
        state.slots.push(Slot { seed, cancel, outcome });
    }

    /// Makes what is expected, once nothing else is being made.
    fn start_next(self: &Arc<Self>, state: &mut State) {
        let busy = state.slots.iter().any(|slot| matches!(slot.outcome, Outcome::Making));
        if let Some(next) = state.next.filter(|next| !busy && state.slot(next).is_none()) {
            self.start(state, next, None, state.current.is_none());
        }
    }

    fn publish(self: &Arc<Self>, seed: Seed, result: Result<making::Result, ScanError>) {
        let mut state = self.lock();
        if let Some(slot) = state.slots.iter_mut().find(|slot| slot.seed == seed) {
            slot.outcome = match result {
                Ok(making::Result::Half(cache)) => Outcome::Half(cache),
                Ok(making::Result::Whole(made)) => Outcome::Whole(made),
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
    fn slot(&self, seed: &Seed) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.seed == *seed)
    }

    fn focus(&mut self, seed: &Seed) {
        if self.current != Some(*seed) {
            self.current = Some(*seed);
            self.next = self.next.filter(|next| next != seed);
            self.tidy();
        }
    }

    /// Gives up what is neither mined nor expected.
    fn tidy(&mut self) {
        let wanted = [self.current, self.next];
        let retired = &mut self.retired;
        self.slots.retain(|slot| {
            let keep = wanted.contains(&Some(slot.seed));
            if !keep {
                slot.cancel();
                if let Outcome::Whole(made) = &slot.outcome {
                    retired.extend(made.datasets().map(Arc::downgrade));
                }
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

fn wait<'a>(changed: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, threads, nodes, .. } = self;
        f.debug_struct("Builder")
            .field("mode", mode)
            .field("threads", threads)
            .field("nodes", nodes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("builder", &self.0.builder).finish_non_exhaustive()
    }
}
