//! The implementations, as values that prove that this CPU can run them.

use core::fmt;
use std::sync::Arc;

use otedama_core::Digest;

use super::items::{Cache, Modulus};
use super::{Epoch, Input, Node, Outcome, cache, hashimoto};
use crate::kawpow::mix::{self, First};
use crate::kawpow::program::Program;
use crate::keccak::Lanes;

/// The implementations, the fastest first.
#[cfg(target_arch = "x86_64")]
static ENTRIES: [&Entry; 3] = [&super::x86::AVX512, &super::x86::AVX2, &PORTABLE];
#[cfg(not(target_arch = "x86_64"))]
static ENTRIES: [&Entry; 1] = [&PORTABLE];

static PORTABLE: Entry = Entry { name: "portable", available: || true, run: perform::<u64> };

/// One implementation of all that Ethash and its relatives compute. Having the value proves that this CPU can run it.
#[derive(Clone, Copy)]
pub struct Engine(&'static Entry);

/// What an implementation registers.
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Whether this CPU has the instructions.
    pub(super) available: fn() -> bool,
    /// Called only where `available`.
    pub(super) run: fn(Task<'_>),
}

/// Something to compute. The lengths of inputs and outputs are equal.
pub(super) enum Task<'a> {
    /// A whole cache.
    Cache { seed: &'a [u8; 32], nodes: &'a mut [Node] },
    /// The items from a number on.
    Items { cache: Cache<'a>, first: u32, out: &'a mut [Node] },
    /// Hashes of Ethash from the cache, of a dataset of so many pages.
    Light { cache: Cache<'a>, pages: Modulus, inputs: &'a [Input], out: &'a mut [Outcome] },
    /// The same from the dataset.
    Full { dataset: &'a [Node], inputs: &'a [Input], out: &'a mut [Outcome] },
    /// Hashes of `KawPow` from the cache.
    KawpowLight {
        cache: Cache<'a>,
        pages: Modulus,
        first: &'a First,
        inputs: &'a [(Input, Arc<Program>)],
        out: &'a mut [Outcome],
    },
    /// The same from the dataset.
    KawpowFull {
        dataset: &'a [Node],
        first: &'a First,
        inputs: &'a [(Input, Arc<Program>)],
        out: &'a mut [Outcome],
    },
    /// The digest that an input has if its mix hash is this.
    Claimed { kawpow: bool, input: &'a Input, mix: &'a [u8; 32], out: &'a mut Digest },
}

/// All of it is inlined into the function that is compiled for a CPU's instructions.
#[inline(always)]
pub(super) fn perform<V: Lanes>(task: Task<'_>) {
    match task {
        Task::Cache { seed, nodes } => cache::fill(seed, nodes),
        Task::Items { cache, first, out } => cache.fill::<V>(first, out),
        Task::Light { cache, pages, inputs, out } => hashimoto::light::<V>(&cache, pages, inputs, out),
        Task::Full { dataset, inputs, out } => hashimoto::full::<V>(dataset, inputs, out),
        Task::KawpowLight { cache, pages, first, inputs, out } => {
            mix::light::<V>(&cache, pages, first, inputs, out);
        }
        Task::KawpowFull { dataset, first, inputs, out } => mix::full::<V>(dataset, first, inputs, out),
        Task::Claimed { kawpow: true, input, mix, out } => *out = mix::claimed(input, mix),
        Task::Claimed { kawpow: false, input, mix, out } => *out = hashimoto::claimed(input, mix),
    }
}

impl Engine {
    /// Those that this CPU can run, the fastest first; the portable one is always among them.
    #[must_use]
    pub fn available() -> Vec<Self> {
        ENTRIES.into_iter().filter(|entry| (entry.available)()).map(Self).collect()
    }

    /// The fastest that this CPU can run.
    #[must_use]
    pub fn best() -> Self {
        ENTRIES.into_iter().find(|entry| (entry.available)()).map_or(Self(&PORTABLE), Self)
    }

    /// The portable one.
    #[must_use]
    pub const fn portable() -> Self {
        Self(&PORTABLE)
    }

    /// That of an entry, which this CPU may not be able to run.
    pub(super) const fn of(entry: &'static Entry) -> Self {
        Self(entry)
    }

    pub(super) fn is_available(self) -> bool {
        (self.0.available)()
    }

    /// Its name: `portable`, or the instructions that it uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The digest that an input has if its mix hash is this.
    pub(super) fn claimed(self, epoch: Epoch, input: &Input, mix: &[u8; 32]) -> Digest {
        let mut out = Outcome::NONE.digest;
        self.run(Task::Claimed { kawpow: epoch.is_kawpow(), input, mix, out: &mut out });
        out
    }

    pub(super) fn run(self, task: Task<'_>) {
        (self.0.run)(task);
    }
}

impl PartialEq for Engine {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Engine {}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use otedama_core::Algorithm;

    use super::*;

    /// Few enough for an interpreter, which plays CPUs that this machine is not.
    const PARENTS: u32 = 3;

    fn cache_of(engine: Engine) -> Vec<Node> {
        let mut nodes = vec![Node::ZERO; 13];
        engine.run(Task::Cache { seed: &[7; 32], nodes: &mut nodes });
        nodes
    }

    fn items_of(engine: Engine, nodes: &[Node], count: usize) -> Vec<Node> {
        let mut out = vec![Node::ZERO; count];
        engine.run(Task::Items { cache: Cache::new(nodes, PARENTS), first: 5, out: &mut out });
        out
    }

    fn inputs(count: u64) -> Vec<Input> {
        (0..count).map(|nonce| Input { header_hash: [3; 32], nonce, height: 0 }).collect()
    }

    #[test]
    fn every_engine_computes_the_same() {
        let nodes = cache_of(Engine::portable());
        let dataset = items_of(Engine::portable(), &nodes, if cfg!(miri) { 16 } else { 64 });
        let first: Box<First> =
            Box::new(std::array::from_fn(|at| u32::try_from(at).unwrap().wrapping_mul(0x9e37_79b9)));
        let results = |engine: Engine| {
            let inputs = inputs(17);
            let none = Outcome { digest: Digest::new([0; 32]), mix: [0; 32] };
            let mut full = vec![none; inputs.len()];
            engine.run(Task::Full { dataset: &dataset, inputs: &inputs, out: &mut full });
            let program = Arc::new(Program::new(1));
            // An interpreter takes minutes for one hash of this, in which nothing is special to an engine.
            let count = if cfg!(miri) { 0 } else { 5 };
            let with: Vec<_> =
                inputs.iter().take(count).map(|input| (*input, Arc::clone(&program))).collect();
            let mut kawpow = vec![none; with.len()];
            engine.run(Task::KawpowFull {
                dataset: &dataset,
                first: &first,
                inputs: &with,
                out: &mut kawpow,
            });
            let [ethash, kawpow_epoch] = [Algorithm::ETHASH, Algorithm::KAWPOW].map(Epoch::of_test_chains);
            let claims = [(ethash.unwrap(), full.first()), (kawpow_epoch.unwrap(), kawpow.first())];
            for (epoch, outcome) in claims {
                let (Some(outcome), input) = (outcome, inputs[0]) else { continue };
                assert_eq!(engine.claimed(epoch, &input, &outcome.mix), outcome.digest, "{engine:?}");
                assert_ne!(engine.claimed(epoch, &input, &[1; 32]), outcome.digest, "{engine:?}");
            }
            (cache_of(engine), items_of(engine, &nodes, 9), full, kawpow)
        };
        let expected = results(Engine::portable());
        for engine in Engine::available().into_iter().filter(|engine| *engine != Engine::portable()) {
            assert_eq!(results(engine), expected, "{engine:?}");
        }
        assert_eq!(Engine::available().first(), Some(&Engine::best()));
    }

    /// From the cache as from the dataset that it makes.
    #[test]
    #[cfg_attr(miri, ignore = "tens of thousands of nodes")]
    fn light_equals_full() {
        for engine in Engine::available() {
            let nodes = cache_of(engine);
            let mut dataset = vec![Node::ZERO; 64];
            let cache = Cache::new(&nodes, PARENTS);
            engine.run(Task::Items { cache, first: 0, out: &mut dataset });
            let inputs = inputs(23);
            let none = Outcome { digest: Digest::new([0; 32]), mix: [0; 32] };
            let (mut light, mut full) = (vec![none; inputs.len()], vec![none; inputs.len()]);
            engine.run(Task::Light { cache, pages: Modulus::new(32), inputs: &inputs, out: &mut light });
            engine.run(Task::Full { dataset: &dataset, inputs: &inputs, out: &mut full });
            assert_eq!(light, full, "{engine:?}");
        }
    }
}
