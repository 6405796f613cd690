//! What is done to the pool: the plan that a seed stands for.

use std::fmt;

use super::random::Random;

/// One thing that is done, and how long the world is left alone afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its number in the whole plan. It keeps it, and with it its chance, when others are left out.
    pub(super) number: u64,
    /// What is done.
    pub(super) deed: Deed,
    /// Microseconds until the next one.
    pub(super) pause: u64,
}

/// What is done. Whoever is named by a number that is too high is somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Nothing.
    Wait,
    /// A miner finds so many shares and sends them.
    Mine { miner: usize, shares: u64 },
    /// A miner sends a share again that it has sent on this connection.
    Repeat { miner: usize },
    /// Somebody connects and sends all that a miner has sent lately, of whatever job and life.
    Replay { miner: usize },
    /// A miner's connection is cut, with all that was on its way.
    Cut { miner: usize },
    /// Nothing gets through to or from a miner for so many milliseconds.
    Stall { miner: usize, millis: u64 },
    /// Others find blocks on a node's tip.
    OthersMine { node: usize, blocks: u64 },
    /// Others find a longer branch that leaves a node's chain so many blocks below its tip.
    Reorganise { node: usize, depth: u32 },
    /// The branch that was left last becomes the longest again.
    TurnBack { node: usize },
    /// The process dies once so many more effects were begun, and starts again later.
    Crash { effects: u64, millis: u64 },
    /// The disk takes nothing for a while.
    DiskFull { millis: u64 },
    /// Every write takes seconds for a while.
    DiskSlow { millis: u64 },
    /// So many syncs fail.
    SyncFails { syncs: u64 },
    /// A node does not answer for a while.
    NodeGone { node: usize, millis: u64 },
    /// A node takes seconds to answer for a while.
    NodeSlow { node: usize, millis: u64 },
    /// A node lies for a while.
    NodeLies { node: usize, lie: Lie, millis: u64 },
    /// A node loses touch with the others for a while.
    Split { node: usize, millis: u64 },
    /// The host's calendar is set forward or back by so many seconds.
    Calendar { seconds: i64 },
}

impl Action {
    /// Whether nothing is done.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.deed, Deed::Wait)
    }

    /// Microseconds until the next one.
    pub(super) const fn micros(&self) -> u64 {
        self.pause
    }

    /// The same time without the deed.
    pub(super) const fn idle(&self) -> Self {
        Self { deed: Deed::Wait, ..*self }
    }

    /// Another time without the deed.
    pub(super) const fn idle_for(&self, pause: u64) -> Self {
        Self { deed: Deed::Wait, pause, ..*self }
    }
}

/// How a node lies. There is never more than one that does, and two that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// It says that it took a block, and throws it away.
    TakesNothing,
    /// It says of any block that it is deep in its chain.
    HasAll,
    /// It says of any block that it never heard of it.
    KnowsNothing,
}

/// The plan of a seed for so many microseconds.
pub(super) fn plan(seed: u64, micros: u64) -> Vec<Action> {
    let mut random = Random::of(seed, 1);
    let mut actions = Vec::new();
    let mut time = 0;
    while time < micros {
        let pause = match random.below(10) {
            0..=5 => random.between(1, 400_000),
            6..=8 => random.between(100_000, 4_000_000),
            _ => random.between(4_000_000, 40_000_000),
        };
        time += pause;
        actions.push(Action { number: actions.len() as u64, deed: deed(&mut random), pause });
    }
    actions
}

fn deed(random: &mut Random) -> Deed {
    let (miner, node) = (random.index(8), random.index(8));
    let short = random.between(100, 10_000);
    // A service manager starts a process again at once, an operator takes longer.
    let down = if random.chance(500) { random.between(1, 100) } else { short };
    let long = random.between(1_000, 120_000);
    match random.below(1000) {
        0..=459 => Deed::Mine { miner, shares: random.between(1, 16) },
        460..=499 => Deed::Repeat { miner },
        500..=529 => Deed::Replay { miner },
        530..=569 => Deed::Cut { miner },
        570..=599 => Deed::Stall { miner, millis: short },
        600..=689 => Deed::OthersMine { node, blocks: random.between(1, 2) },
        690..=719 => Deed::Reorganise { node, depth: u32::try_from(random.between(1, 4)).unwrap_or(1) },
        720..=739 => Deed::TurnBack { node },
        740..=819 => Deed::Crash { effects: random.below(60), millis: down },
        820..=834 => Deed::DiskFull { millis: short },
        835..=844 => Deed::DiskSlow { millis: short },
        845..=864 => Deed::SyncFails { syncs: random.between(1, 3) },
        865..=899 => Deed::NodeGone { node, millis: long },
        900..=919 => Deed::NodeSlow { node, millis: long },
        920..=944 => {
            let lies = [Lie::TakesNothing, Lie::HasAll, Lie::KnowsNothing];
            Deed::NodeLies { node, lie: lies[random.index(lies.len())], millis: long }
        }
        945..=969 => Deed::Split { node, millis: long },
        _ => {
            let seconds = i64::try_from(random.between(1, 20_000)).unwrap_or(1);
            Deed::Calendar { seconds: if random.chance(500) { seconds } else { -seconds } }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, deed, pause } = self;
        write!(f, "{number:>5}  {deed:?}, then {} ms", pause / 1000)
    }
}
