//! Tables of an epoch, wherever they lie, and what is computed from them.

use core::fmt;
use std::sync::Arc;

use otedama_core::{Algorithm, Digest};

use super::engine::Task;
use super::items::{Cache, Modulus};
use super::{Engine, Epoch, EthashError, Input, Node, Outcome};
use crate::kawpow::mix::First;
use crate::kawpow::program::{CACHE_WORDS, Programs};

/// Where nodes lie: on the heap, in large pages, in a file. They must never change.
pub trait Nodes: Send + Sync {
    /// All of them.
    fn nodes(&self) -> &[Node];
}

impl Nodes for Vec<Node> {
    fn nodes(&self) -> &[Node] {
        self
    }
}

impl Nodes for Box<[Node]> {
    fn nodes(&self) -> &[Node] {
        self
    }
}

/// The tables of one epoch, shared by any number of threads.
pub struct Tables {
    epoch: Epoch,
    engine: Engine,
    kind: Kind,
    /// Pages of the dataset: of 128 bytes for Ethash, of 256 for `KawPow`.
    pages: Modulus,
    /// What the programmes of `KawPow` read as a cache.
    first: Option<Box<First>>,
    programs: Programs,
}

enum Kind {
    Light(Arc<dyn Nodes>),
    Full(Arc<dyn Nodes>),
}

impl Tables {
    /// Makes the cache of an epoch in memory of the caller's. One thread does all of it, some 0.2 s for each 16 MiB.
    ///
    /// # Errors
    /// [`EthashError::Length`] if there are not as many nodes as [`Epoch::cache_nodes`]: misuse by the caller.
    pub fn fill_cache(epoch: Epoch, engine: Engine, nodes: &mut [Node]) -> Result<(), EthashError> {
        EthashError::check_length(epoch.cache_nodes(), nodes.len())?;
        engine.run(Task::Cache { seed: &epoch.seed().0, nodes });
        Ok(())
    }

    /// Tables that are the cache alone, and from which items are made on the way: what verifying needs.
    ///
    /// # Errors
    /// [`EthashError::Length`] if there are not as many nodes as [`Epoch::cache_nodes`]: misuse by the caller.
    pub fn light(epoch: Epoch, engine: Engine, cache: Arc<dyn Nodes>) -> Result<Self, EthashError> {
        EthashError::check_length(epoch.cache_nodes(), cache.nodes().len())?;
        let mut tables = Self::new(epoch, engine, Kind::Light(cache));
        if epoch.is_kawpow() {
            let mut items = vec![Node::ZERO; CACHE_WORDS / 16];
            tables.fill(0, &mut items)?;
            tables.first = first(&items);
        }
        Ok(tables)
    }

    /// Tables that are the whole dataset: what mining needs.
    ///
    /// # Errors
    /// [`EthashError::Length`] if there are not as many items as [`Epoch::dataset_items`]: misuse by the caller.
    pub fn full(epoch: Epoch, engine: Engine, dataset: Arc<dyn Nodes>) -> Result<Self, EthashError> {
        EthashError::check_length(epoch.dataset_items(), dataset.nodes().len())?;
        let first = epoch.is_kawpow().then(|| first(dataset.nodes())).flatten();
        Ok(Self { first, ..Self::new(epoch, engine, Kind::Full(dataset)) })
    }

    /// The cache of an epoch on the heap, made on this thread.
    ///
    /// # Errors
    /// [`EthashError::Memory`] if there is no memory.
    pub fn make_light(epoch: Epoch, engine: Engine) -> Result<Self, EthashError> {
        let count = epoch.cache_nodes() as usize;
        let mut nodes = Vec::new();
        nodes.try_reserve_exact(count).map_err(|_| EthashError::Memory { bytes: epoch.cache_bytes() })?;
        nodes.resize(count, Node::ZERO);
        Self::fill_cache(epoch, engine, &mut nodes)?;
        Self::light(epoch, engine, Arc::new(nodes))
    }

    /// The dataset of test chains, made on this thread in some milliseconds.
    pub(crate) fn of_test_chains(algorithm: Algorithm, engine: Engine) -> Result<Self, EthashError> {
        let epoch = Epoch::of_test_chains(algorithm)?;
        let mut cache = vec![Node::ZERO; epoch.cache_nodes() as usize];
        Self::fill_cache(epoch, engine, &mut cache)?;
        let mut dataset = vec![Node::ZERO; epoch.dataset_items() as usize];
        let cache = Cache::new(&cache, epoch.parents());
        engine.run(Task::Items { cache, first: 0, out: &mut dataset });
        Self::full(epoch, engine, Arc::new(dataset))
    }

    fn new(epoch: Epoch, engine: Engine, kind: Kind) -> Self {
        let page = if epoch.is_kawpow() { 4 } else { 2 };
        let pages = Modulus::new(epoch.dataset_items() / page);
        Self { epoch, engine, kind, pages, first: None, programs: Programs::default() }
    }

    /// Whose they are.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What computes from them.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// `light` or `full`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Light(_) => "light",
            Kind::Full(_) => "full",
        }
    }

    /// Bytes of the table.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let (Kind::Light(nodes) | Kind::Full(nodes)) = &self.kind;
        size_of_val(nodes.nodes()) as u64
    }

    /// Copies items of the dataset, or makes them from the cache, from this number on. Numbers beyond the dataset's go on
    /// where the cache knows how, as the oracle does.
    ///
    /// # Errors
    /// [`EthashError::Length`] if a dataset ends before: misuse by the caller.
    pub fn fill(&self, first: u32, out: &mut [Node]) -> Result<(), EthashError> {
        match &self.kind {
            Kind::Light(cache) => {
                let cache = Cache::new(cache.nodes(), self.epoch.parents());
                self.engine.run(Task::Items { cache, first, out });
            }
            Kind::Full(dataset) => {
                let there = dataset.nodes().get(first as usize..).and_then(|rest| rest.get(..out.len()));
                let all = self.epoch.dataset_items();
                out.copy_from_slice(there.ok_or(EthashError::Length { expected: all, found: out.len() })?);
            }
        }
        Ok(())
    }

    /// Digest and mix hash of one input.
    #[must_use]
    pub fn hash(&self, input: &Input) -> Outcome {
        let [outcome] = self.hash_each(&[*input]);
        outcome
    }

    /// The same of several at once, which costs less than one after the other: waiting for memory overlaps.
    #[must_use]
    pub fn hashes(&self, inputs: &[Input]) -> Vec<Outcome> {
        let mut out = vec![Outcome::NONE; inputs.len()];
        self.hash_into(inputs, &mut out);
        out
    }

    /// The same of so many.
    pub(super) fn hash_each<const N: usize>(&self, inputs: &[Input; N]) -> [Outcome; N] {
        let mut out = [Outcome::NONE; N];
        self.hash_into(inputs, &mut out);
        out
    }

    fn hash_into(&self, inputs: &[Input], out: &mut [Outcome]) {
        if let Some(first) = &self.first {
            let inputs: Vec<_> =
                inputs.iter().map(|input| (*input, self.programs.at(input.height))).collect();
            self.engine.run(match &self.kind {
                Kind::Light(cache) => Task::KawpowLight {
                    cache: Cache::new(cache.nodes(), self.epoch.parents()),
                    pages: self.pages,
                    first,
                    inputs: &inputs,
                    out,
                },
                Kind::Full(dataset) => {
                    Task::KawpowFull { dataset: dataset.nodes(), first, inputs: &inputs, out }
                }
            });
        } else {
            self.engine.run(match &self.kind {
                Kind::Light(cache) => {
                    let cache = Cache::new(cache.nodes(), self.epoch.parents());
                    Task::Light { cache, pages: self.pages, inputs, out }
                }
                Kind::Full(dataset) => Task::Full { dataset: dataset.nodes(), inputs, out },
            });
        }
    }
}

/// The words that the programmes of `KawPow` read as a cache: the first 16 KiB of the dataset.
fn first(items: &[Node]) -> Option<Box<First>> {
    let words: Vec<u32> = items.iter().take(CACHE_WORDS / 16).flat_map(|item| item.0).collect();
    words.into_boxed_slice().try_into().ok()
}

/// The digest that header, nonce and mix hash of an input give by themselves, which is the right one if the mix hash is
/// right. It needs no tables and two short hashes: what claims too much is found before anything dear is done.
#[must_use]
pub fn claimed(epoch: Epoch, input: &Input, mix: &[u8; 32]) -> Digest {
    Engine::best().claimed(epoch, input, mix)
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({} of {}, {})", self.name(), self.epoch, self.engine.name())
    }
}
