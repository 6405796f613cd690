//! A whole pool in simulation: [`PoolCore`](crate::core::PoolCore) with nodes, miners, a clock, a disk and a network, all
//! from one seed.
//!
//! A seed stands for a plan: miners find shares and send some of them again, others find blocks, branches win and lose,
//! the process dies between any two effects and starts again, the disk is full, slow or forgets, nodes hang, lie, part and
//! meet, connections break. After every step the promises of the pool are checked by somebody who sees both what is on
//! the disk and what was said on the wire. The same seed gives the same run, always and everywhere.
//!
//! ```
//! use std::time::Duration;
//! use otedama_pool::sim::{self, Options};
//!
//! let run = sim::run(7, &Options::new(Duration::from_secs(60)));
//! assert_eq!(run.broken, None, "{:?}", run.trace);
//! ```
//!
//! A run that breaks a promise can be [shrunk](shrink) to the few actions that it takes. With [`Options::bug`] the pool
//! gets a bug on purpose, to see that it is found.

mod action;
mod audit;
mod bug;
mod chain;
mod miner;
mod network;
mod process;
mod random;
mod shrink;
mod store;
mod world;
mod writing;

use std::time::Duration;

use crate::core::PoolEvent;
use crate::journal::BlockState;

pub use action::Action;
pub use audit::Broken;
pub use bug::{Bug, UnknownBug};
pub use shrink::shrink;

use world::World;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long things are done to the pool, in its own time; then it is left to come to rest.
    pub span: Duration,
    /// A bug that is put in on purpose.
    pub bug: Option<Bug>,
}

impl Options {
    /// A pool as it is, for so long.
    #[must_use]
    pub const fn new(span: Duration) -> Self {
        Self { span, bug: None }
    }

    /// The same with a bug.
    #[must_use]
    pub const fn with_bug(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }
}

/// What became of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// What happened, counted.
    pub tally: Tally,
    /// The first promise that was broken, if one was.
    pub broken: Option<Broken>,
    /// All that was done up to then, or to the end.
    pub trace: Vec<Action>,
}

/// What happened in one or many runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Things that were done to the pool.
    pub actions: u64,
    /// Effects that the pool asked for.
    pub effects: u64,
    /// Times that the process started.
    pub lives: u64,
    /// Times that it died.
    pub crashes: u64,
    /// Faults of disk and nodes.
    pub faults: u64,
    /// Branches that replaced the best chain.
    pub reorganisations: u64,
    /// Shares that miners sent.
    pub sent: u64,
    /// Shares that they were told to count.
    pub accepted: u64,
    /// Shares that they were told not to count.
    pub refused: u64,
    /// Blocks among them.
    pub blocks: u64,
    /// Blocks that were credited for good.
    pub matured: u64,
    /// Times that a credited block was taken back, or one was found to be on no chain.
    pub orphaned: u64,
    /// Shares that were rolled up.
    pub rolled_up: u64,
    /// Microseconds of the pool's own time.
    pub micros: u64,
}

impl Tally {
    fn note(&mut self, event: &PoolEvent) {
        match event {
            PoolEvent::RolledUp { shares } => self.rolled_up += shares,
            PoolEvent::BlockTurned { state: BlockState::Matured, .. } => self.matured += 1,
            PoolEvent::BlockTurned { state: BlockState::Orphaned, .. } => self.orphaned += 1,
            _ => {}
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let Self {
            actions,
            effects,
            lives,
            crashes,
            faults,
            reorganisations,
            sent,
            accepted,
            refused,
            blocks,
            matured,
            orphaned,
            rolled_up,
            micros,
        } = other;
        self.actions += actions;
        self.effects += effects;
        self.lives += lives;
        self.crashes += crashes;
        self.faults += faults;
        self.reorganisations += reorganisations;
        self.sent += sent;
        self.accepted += accepted;
        self.refused += refused;
        self.blocks += blocks;
        self.matured += matured;
        self.orphaned += orphaned;
        self.rolled_up += rolled_up;
        self.micros += micros;
        self
    }
}

/// Runs the plan of a seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Run {
    let micros = u64::try_from(options.span.as_micros()).unwrap_or(u64::MAX);
    replay(seed, &action::plan(seed, micros), options)
}

/// Runs some actions of a seed's plan, as a [`Run::trace`] has them.
#[must_use]
pub fn replay(seed: u64, actions: &[Action], options: &Options) -> Run {
    let mut world = World::new(seed, options);
    let broken = world.play(seed, actions).err();
    let mut tally = world.tally;
    (tally.accepted, tally.micros) = (world.audit.accepted(), world.now);
    let done = usize::try_from(tally.actions).unwrap_or(usize::MAX).min(actions.len());
    Run { seed, tally, broken, trace: actions.get(..done).unwrap_or_default().to_vec() }
}
