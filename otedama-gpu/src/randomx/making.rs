//! Making the tables of one seed: memory, threads, progress, and the proof that they are right.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use otedama_core::Seed;
use otedama_hash::ScanError;
use otedama_hash::randomx::{Blank, Cache, Dataset, Pages, Part, RandomXError, Region, Tables, self_test};

use super::store::{Builder, Event, Mode, Ready};
use crate::pages;

/// Items that a thread fills at once: some tenths of a second.
const PART: u32 = 1 << 16;
/// Memory that is left to others.
const SPARE: u64 = 512 << 20;
/// How long the memory of the seed before is waited for: its scanners give it back one after the other.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is to be made.
pub(super) struct Task {
    pub(super) seed: Seed,
    /// The small tables, if they are there.
    pub(super) cache: Option<Arc<Cache>>,
    /// Whether anybody waits for it; else another seed is being mined.
    pub(super) now: bool,
    /// What may still hold memory.
    pub(super) retired: Vec<Weak<Dataset>>,
    pub(super) cancel: Arc<AtomicBool>,
}

/// What was made.
pub(super) enum Result {
    Half(Arc<Cache>),
    Whole(Made),
}

/// Tables: light ones, or a dataset for each memory node.
pub(super) enum Made {
    Light(Arc<Cache>),
    Fast(Arc<Dataset>, Vec<Arc<Dataset>>),
}

impl Made {
    /// Those that are near the calling thread.
    pub(super) fn here(&self, nodes: &[Vec<usize>]) -> Tables {
        match self {
            Self::Light(cache) => Tables::Light(Arc::clone(cache)),
            Self::Fast(first, others) => {
                let cpu = if others.is_empty() { None } else { current_cpu() };
                let node = cpu.and_then(|cpu| nodes.iter().position(|cpus| cpus.contains(&cpu)));
                let near = node.and_then(|node| others.get(node.checked_sub(1)?));
                Tables::Fast(Arc::clone(near.unwrap_or(first)))
            }
        }
    }

    pub(super) fn datasets(&self) -> impl Iterator<Item = &Arc<Dataset>> {
        let (first, others) = match self {
            Self::Light(_) => (None, [].as_slice()),
            Self::Fast(first, others) => (Some(first), others.as_slice()),
        };
        first.into_iter().chain(others)
    }
}

/// Makes the tables, and proves that they give right digests; `None` if that was cancelled.
pub(super) fn make(builder: &Builder, task: Task) -> Option<std::result::Result<Result, ScanError>> {
    let cancel = Arc::clone(&task.cancel);
    let result = attempt(builder, task);
    if cancel.load(Ordering::Relaxed) { None } else { Some(result.map_err(ScanError::from)) }
}

fn attempt(builder: &Builder, task: Task) -> std::result::Result<Result, RandomXError> {
    let Task { seed, cache, now, retired, cancel } = task;
    let begin = Instant::now();
    let cache = if let Some(cache) = cache {
        cache
    } else {
        self_test()?;
        Arc::new(Pages::best(|pages| Cache::new(&seed.0, pages))?)
    };
    let light = Tables::Light(Arc::clone(&cache));
    let wanted = Dataset::bytes().saturating_mul(builder.nodes.len() as u64);
    let made = if builder.mode == Mode::Light || builder.light.contains(&seed) {
        Made::Light(cache)
    } else if has_memory(wanted.saturating_add(SPARE), &retired, now) {
        let mut datasets = fill(builder, seed, &cache, &cancel)?.into_iter();
        let Some(first) = datasets.next() else { return Ok(Result::Half(cache)) };
        Made::Fast(first, datasets.collect())
    } else if !now {
        return Ok(Result::Half(cache));
    } else if builder.mode == Mode::Auto {
        Made::Light(cache)
    } else {
        return Err(RandomXError::Memory { what: "a dataset", pages: Pages::Small });
    };
    prove(&light, &made)?;
    (builder.on_event)(&Event::Ready(made.describe(seed, begin.elapsed())));
    Ok(Result::Whole(made))
}

/// A digest reads items all over a dataset, so one wrong item in ten thousand shows.
fn prove(light: &Tables, made: &Made) -> std::result::Result<(), RandomXError> {
    let digest = |tables: &Tables| Ok(tables.machine()?.hash(b"one input for all tables"));
    for dataset in made.datasets() {
        let fast = Tables::Fast(Arc::clone(dataset));
        if digest(&fast)? != digest(light)? {
            return Err(RandomXError::SelfTest { kernel: fast.name() });
        }
    }
    Ok(())
}

impl Made {
    fn describe(&self, seed: Seed, took: Duration) -> Ready {
        let backing = |region: Region| pages::of(region.address, region.len);
        let (kernel, backing) = match self {
            Self::Light(cache) => ("light", vec![backing(cache.region())]),
            Self::Fast(..) => ("fast", self.datasets().map(|dataset| backing(dataset.region())).collect()),
        };
        Ready { seed, kernel, backing, took }
    }
}

/// A dataset for each node, filled by threads of that node; none if it was cancelled.
fn fill(
    builder: &Builder,
    seed: Seed,
    cache: &Cache,
    cancel: &AtomicBool,
) -> std::result::Result<Vec<Arc<Dataset>>, RandomXError> {
    let nodes = &builder.nodes;
    let mut blanks =
        nodes.iter().map(|_| Pages::best(Blank::new)).collect::<std::result::Result<Vec<_>, _>>()?;
    let total = u64::from(Dataset::items()) * nodes.len() as u64;
    let filled = AtomicU64::new(0);
    let work = |parts: &Mutex<Vec<Part<'_>>>| {
        while let Some(part) = next(parts).filter(|_| !cancel.load(Ordering::Relaxed)) {
            let items = u64::from(part.items());
            part.fill(cache);
            let done = filled.fetch_add(items, Ordering::Relaxed) + items;
            (builder.on_event)(&Event::Filling { seed, done, total });
        }
    };
    let queues: Vec<_> = blanks.iter_mut().map(|blank| Mutex::new(blank.parts(PART))).collect();
    thread::scope(|scope| {
        for (queue, cpus) in queues.iter().zip(nodes) {
            for index in 0..builder.threads.div_ceil(nodes.len()) {
                // Memory comes from the node of the thread that first writes to it.
                let cpu = cpus.get(index % cpus.len().max(1)).filter(|_| nodes.len() > 1);
                scope.spawn(move || {
                    cpu.map(|id| core_affinity::set_for_current(CoreId { id: *id }));
                    work(queue);
                });
            }
        }
    });
    drop(queues);
    if cancel.load(Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    blanks.into_iter().map(|blank| blank.finish().map(Arc::new)).collect()
}

fn next<'a>(parts: &Mutex<Vec<Part<'a>>>) -> Option<Part<'a>> {
    parts.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Whether so much memory is free, as far as the system says; what is about to be given back is waited for.
fn has_memory(bytes: u64, retired: &[Weak<Dataset>], now: bool) -> bool {
    let enough = || pages::available_memory().is_none_or(|free| free >= bytes);
    let begin = Instant::now();
    while now && retired.iter().any(|old| old.strong_count() > 0) && begin.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    enough()
}

/// The logical CPU that the calling thread is on.
fn current_cpu() -> Option<usize> {
    #[cfg(target_os = "linux")]
    return Some(rustix::thread::sched_getcpu());
    #[cfg(not(target_os = "linux"))]
    None
}
