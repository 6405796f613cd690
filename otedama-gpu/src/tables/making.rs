//! Making the tables of one epoch, or finding them in a file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use otedama_hash::ScanError;
use otedama_hash::ethash::{Engine, Epoch, EthashError, Input, Node, Nodes, Tables, self_test};

use super::file::{Fault, Kind, PART, TableFile};
use super::memory::Memory;
use super::store::{Builder, Event, Mode};

/// The tables; `None` if that was cancelled.
pub(super) fn make(
    builder: &Builder,
    epoch: Epoch,
    cancel: &AtomicBool,
) -> Option<Result<Arc<Tables>, ScanError>> {
    let result = Maker { builder, epoch, cancel, begin: Instant::now() }.tables();
    if cancel.load(Ordering::Relaxed) { None } else { Some(result.map(Arc::new)) }
}

struct Maker<'a> {
    builder: &'a Builder,
    epoch: Epoch,
    cancel: &'a AtomicBool,
    begin: Instant,
}

impl Maker<'_> {
    fn tables(&self) -> Result<Tables, ScanError> {
        self_test(self.builder.algorithm)?;
        let engine = Engine::best();
        let kind = match self.builder.mode {
            Mode::Light => Kind::Cache,
            Mode::Full => Kind::Dataset,
        };
        if let Some(folder) = &self.builder.folder {
            return self.in_file(folder, kind, engine);
        }
        let cache = self.cache(engine)?;
        let tables = match kind {
            Kind::Cache => cache,
            Kind::Dataset => {
                let mut memory = Memory::new(self.epoch.dataset_items());
                self.fill(memory.nodes_mut(), &cache);
                let full = Tables::full(self.epoch, engine, Arc::new(memory))?;
                self.prove(&full, &cache)?;
                full
            }
        };
        self.ready(&tables, false);
        Ok(tables)
    }

    /// The file that is there, or one that is made.
    fn in_file(&self, folder: &Path, kind: Kind, engine: Engine) -> Result<Tables, ScanError> {
        let path = TableFile::path(folder, self.epoch, kind);
        let failed = |fault: Fault| ScanError::Device(format!("{}: {fault}", path.display()).into());
        std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
        if let Ok(file) = self.open(&path, kind) {
            let tables = self.over(kind, engine, Arc::new(file))?;
            self.ready(&tables, true);
            return Ok(tables);
        }
        let Some(_lock) = TableFile::lock(&path, self.cancel).map_err(failed)? else {
            return Err(failed(Fault::System("cancelled".into())));
        };
        // Whoever had the lock before may have made it.
        let (file, found) = match self.open(&path, kind) {
            Ok(file) => (file, true),
            Err(fault) => {
                if fault != Fault::Missing {
                    (self.builder.on_event)(&Event::Wrong { path: path.clone(), fault });
                }
                self.write(&path, kind, engine).map_err(|error| match error {
                    Written::File(fault) => failed(fault),
                    Written::Tables(error) => error.into(),
                })?;
                (self.open(&path, kind).map_err(failed)?, false)
            }
        };
        let tables = self.over(kind, engine, Arc::new(file))?;
        self.ready(&tables, found);
        Ok(tables)
    }

    fn open(&self, path: &Path, kind: Kind) -> Result<TableFile, Fault> {
        TableFile::open(path, self.epoch, kind, self.builder.threads)
    }

    fn over(&self, kind: Kind, engine: Engine, nodes: Arc<dyn Nodes>) -> Result<Tables, EthashError> {
        match kind {
            Kind::Cache => Tables::light(self.epoch, engine, nodes),
            Kind::Dataset => Tables::full(self.epoch, engine, nodes),
        }
    }

    fn write(&self, path: &Path, kind: Kind, engine: Engine) -> Result<(), Written> {
        let total = u64::from(kind.nodes(self.epoch));
        let (cache, done) = (self.cache_nodes(engine)?, AtomicU64::new(0));
        let light = match kind {
            Kind::Cache => None,
            Kind::Dataset => Some(Tables::light(self.epoch, engine, Arc::clone(&cache) as Arc<dyn Nodes>)?),
        };
        let fill = |first: u32, out: &mut [Node]| {
            match &light {
                // Cannot fail: the cache knows all items.
                Some(light) => {
                    let _ = light.fill(first, out);
                }
                None => out.copy_from_slice(&cache.nodes()[first as usize..][..out.len()]),
            }
            self.progress(done.fetch_add(out.len() as u64, Ordering::Relaxed) + out.len() as u64, total);
        };
        TableFile::write(path, self.epoch, kind, self.builder.threads, self.cancel, fill)?;
        Ok(())
    }

    fn cache_nodes(&self, engine: Engine) -> Result<Arc<Memory>, EthashError> {
        let mut memory = Memory::new(self.epoch.cache_nodes());
        Tables::fill_cache(self.epoch, engine, memory.nodes_mut())?;
        Ok(Arc::new(memory))
    }

    fn cache(&self, engine: Engine) -> Result<Tables, EthashError> {
        Tables::light(self.epoch, engine, self.cache_nodes(engine)?)
    }

    /// All items, with all threads.
    fn fill(&self, items: &mut [Node], cache: &Tables) {
        let (total, done) = (items.len() as u64, AtomicU64::new(0));
        let parts = Mutex::new((0u32..).step_by(PART).zip(items.chunks_mut(PART)));
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some((first, part)) = next().filter(|_| !self.cancel.load(Ordering::Relaxed)) {
                // Cannot fail: the cache knows all items.
                let _ = cache.fill(first, part);
                let len = part.len() as u64;
                self.progress(done.fetch_add(len, Ordering::Relaxed) + len, total);
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.builder.threads {
                scope.spawn(work);
            }
        });
    }

    /// A digest reads items all over a dataset.
    fn prove(&self, full: &Tables, light: &Tables) -> Result<(), EthashError> {
        let input = Input { header_hash: [0x5a; 32], nonce: 0, height: 0 };
        let same = self.cancel.load(Ordering::Relaxed) || full.hash(&input) == light.hash(&input);
        if same { Ok(()) } else { Err(EthashError::SelfTest("full")) }
    }

    fn progress(&self, done: u64, total: u64) {
        (self.builder.on_event)(&Event::Filling { epoch: self.epoch, done, total });
    }

    fn ready(&self, tables: &Tables, found: bool) {
        let (epoch, kernel) = (self.epoch, tables.name());
        let took = self.begin.elapsed();
        (self.builder.on_event)(&Event::Ready { epoch, kernel, found, took });
    }
}

/// Why a file was not written.
enum Written {
    File(Fault),
    Tables(EthashError),
}

impl From<Fault> for Written {
    fn from(fault: Fault) -> Self {
        Self::File(fault)
    }
}

impl From<EthashError> for Written {
    fn from(error: EthashError) -> Self {
        Self::Tables(error)
    }
}
