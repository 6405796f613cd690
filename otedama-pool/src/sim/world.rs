//! The world around a simulated pool: time, what is on its way, and what is done to whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Algorithm, Hash256, Moment, Now, Percent, Target, UnixTime, Weight};
use otedama_hash::Verifier;

use super::action::{Action, Deed, Lie};
use super::audit::{Audit, Broken, REST, broken};
use super::bug::Bug;
use super::chain::{BLOCK_WEIGHT, Chain};
use super::miner::Miner;
use super::network::Link;
use super::process::Process;
use super::random::Random;
use super::store::Store;
use super::{Options, Tally};
use crate::account::{Account, PoolName};
use crate::core::{BatchId, Check, CoreConfig, NodeId};
use crate::job::{Layout, Payout};
use crate::journal::{Applied, Entry, JournalError, RolledUp};
use crate::node::{BlockStatus, NodeError, Submission};
use crate::scheme::{Pplns, Scheme};
use crate::testkit::FakeClock;

/// The calendar when the world begins.
const NOON: u64 = 1_800_000_000;
/// Confirmations after which a coinbase can be spent, here.
pub(super) const MATURITY: u32 = 8;
/// How far branches may part before the world lets the nodes meet again.
const PARTED: u32 = MATURITY - 3;
/// Pays the pool.
pub(super) const SCRIPT: [u8; 22] = [0, 20, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
const SECOND: u64 = 1_000_000;

/// Something that will happen. What belongs to a life of the process dies with it.
#[derive(Debug)]
pub(super) enum Event {
    ToPool { link: u64, bytes: Vec<u8> },
    ToMiner { link: u64, bytes: Vec<u8> },
    HungUp { link: u64 },
    Cut { link: u64 },
    Connect { miner: usize },
    Replay { miner: usize },
    Say { link: u64, bytes: Vec<u8> },
    Verified { life: u64, check: Box<Check> },
    Write { life: u64, batch: BatchId, entries: Arc<[Entry]> },
    Sync { life: u64, batch: BatchId, entries: Arc<[Entry]>, applied: Vec<Applied> },
    Persisted { life: u64, batch: BatchId, outcome: Result<Vec<Applied>, JournalError> },
    Window { life: u64, span: Weight },
    RollUp { life: u64, keep: Weight, at_most: u64 },
    RolledUp { life: u64, outcome: Result<RolledUp, JournalError> },
    Submit { life: u64, node: usize, hash: Hash256, block: Arc<[u8]> },
    Submitted { life: u64, node: usize, hash: Hash256, answer: Result<Submission, NodeError> },
    Observe { life: u64, hash: Hash256 },
    Observed { life: u64, hash: Hash256, answers: Vec<(NodeId, Option<BlockStatus>)> },
    Poll { life: u64, node: usize },
    Resumed { life: u64, link: u64 },
    Timeout { life: u64 },
    Gossip,
    Start,
    Mend { deed: Deed },
}

#[derive(Debug)]
struct Scheduled {
    at: u64,
    /// Among what happens at one time, chance decides, then the order.
    tie: (u64, u64),
    event: Event,
}

/// The world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: u64,
    calendar: i64,
    pub(super) clock: FakeClock,
    pub(super) random: Random,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub(super) config: CoreConfig,
    pub(super) bug: Option<Bug>,
    pub(super) verifier: Verifier,
    pub(super) chain: Chain,
    pub(super) store: Store,
    pub(super) pplns: Pplns,
    pub(super) process: Option<Process>,
    /// Counts processes; what belongs to an earlier one is void.
    pub(super) life: u64,
    /// Effects until the process dies.
    pub(super) countdown: Option<(u64, u64)>,
    pub(super) disk_slow: bool,
    pub(super) miners: Vec<Miner>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) last_link: u64,
    pub(super) audit: Audit,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(seed: u64, options: &Options) -> Self {
        let mut random = Random::of(seed, 0);
        let clock = FakeClock::at(NOON);
        let factor = [1, 2, 4, 20][random.index(4)];
        let fee = ["0", "1.0", "1.3", "33.333333"][random.index(4)].parse().unwrap_or(Percent::ZERO);
        let nodes = [1, 2, 3, 3, 4][random.index(5)];
        let pplns = Pplns::new(otedama_core::Factor::whole(factor));
        // A factor that is not zero, and an algorithm that is built in.
        let (Ok(pplns), Ok(verifier), Ok(chain)) =
            (pplns, Verifier::new(Algorithm::SHA256D), Chain::new(nodes, &clock))
        else {
            unreachable!("the world is made of constants")
        };
        let network = Target::from_weight(Weight::new(BLOCK_WEIGHT)).unwrap_or(Target::MAX).to_compact();
        let span = pplns.span(network.target().unwrap_or(Target::MAX));
        let mut config = config(pplns, fee);
        config.limits.roll_up = random.between(20, 200);
        config.limits.shares_per_connection = usize::try_from(random.between(4, 64)).unwrap_or(4);
        let miners = (0..random.between(1, 4)).map(|number| miner(number, &mut random)).collect();
        let audit = Audit::new(config.pool.clone(), span, MATURITY);
        let mut world = Self {
            now: clock.now().moment.as_micros(),
            calendar: 0,
            clock,
            random,
            queue: BinaryHeap::new(),
            scheduled: 0,
            config,
            bug: options.bug,
            verifier,
            chain,
            store: Store::new(options.bug == Some(Bug::NeverSyncs)),
            pplns,
            process: None,
            life: 0,
            countdown: None,
            disk_slow: false,
            miners,
            links: BTreeMap::new(),
            last_link: 0,
            audit,
            tally: Tally::default(),
        };
        world.chain.others_mine(0, 2);
        world.chain.gossip_all();
        world.later(0, Event::Start);
        for miner in 0..world.miners.len() {
            world.later(1000, Event::Connect { miner });
        }
        world
    }

    /// Plays a plan, then lets everything come to rest.
    pub(super) fn play(&mut self, seed: u64, actions: &[Action]) -> Result<(), Broken> {
        for action in actions {
            self.random = Random::of(seed, action.number.wrapping_add(1000));
            self.tally.actions += 1;
            self.act(action.deed)?;
            self.run_until(self.now.saturating_add(action.pause))?;
        }
        self.settle()
    }

    /// What the process believes the time to be.
    pub(super) fn time(&self) -> Now {
        let truth = self.clock.now().unix.as_secs();
        Now::new(
            Moment::from_micros(self.now),
            UnixTime::from_secs(truth.saturating_add_signed(self.calendar)),
        )
    }

    pub(super) fn later(&mut self, micros: u64, event: Event) {
        self.at(self.now.saturating_add(micros), event);
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        // Events of one connection, and those of the journal, have times of their own that keep their order.
        let tie = (self.random.below(4), self.scheduled);
        self.queue.push(Reverse(Scheduled { at: at.max(self.now), tie, event }));
    }

    pub(super) fn run_until(&mut self, end: u64) -> Result<(), Broken> {
        while self.queue.peek().is_some_and(|Reverse(next)| next.at <= end) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.set_time(next.at);
            self.happen(next.event)?;
            self.audit.on_time(self.now)?;
        }
        self.set_time(end);
        Ok(())
    }

    fn set_time(&mut self, now: u64) {
        self.clock.advance(Duration::from_micros(now.saturating_sub(self.now)));
        self.now = self.now.max(now);
    }

    fn act(&mut self, deed: Deed) -> Result<(), Broken> {
        match deed {
            Deed::Mine { miner, shares } => self.mine(miner, shares),
            Deed::Repeat { miner } => self.repeat(miner),
            Deed::Replay { miner } => self.replay(miner),
            Deed::Cut { miner } => self.cut(miner),
            Deed::OthersMine { .. } | Deed::Reorganise { .. } | Deed::TurnBack { .. } => {
                self.others(deed);
                self.spread();
                Ok(())
            }
            _ => {
                if let Some(millis) = self.harm(deed) {
                    self.tally.faults += 1;
                    self.later(millis.saturating_mul(1000), Event::Mend { deed });
                }
                Ok(())
            }
        }
    }

    /// Others find blocks somewhere.
    fn others(&mut self, deed: Deed) {
        let parted = self.chain.parted();
        match deed {
            Deed::OthersMine { node, blocks } if parted < PARTED => {
                self.chain.others_mine(self.chain.index(node), blocks);
            }
            Deed::Reorganise { node, depth } if parted == 0 => {
                self.chain.reorganise(self.chain.index(node), depth);
                self.tally.reorganisations += 1;
            }
            Deed::TurnBack { node } if parted == 0 => self.chain.turn_back(self.chain.index(node), PARTED),
            _ => {}
        }
    }

    /// Something breaks; for how many milliseconds, if it is to be mended.
    fn harm(&mut self, deed: Deed) -> Option<u64> {
        match deed {
            Deed::Stall { miner, millis } => {
                self.stall(miner, millis.saturating_mul(1000));
                None
            }
            Deed::Crash { effects, millis } => {
                self.countdown.get_or_insert((effects, millis.saturating_mul(1000)));
                None
            }
            Deed::SyncFails { syncs } => {
                self.store.disk.failing_syncs = syncs;
                None
            }
            Deed::Calendar { seconds } => {
                self.calendar = seconds;
                None
            }
            Deed::DiskFull { millis } => {
                self.store.disk.full = true;
                Some(millis)
            }
            Deed::DiskSlow { millis } => {
                self.disk_slow = true;
                Some(millis)
            }
            _ => self.harm_node(deed),
        }
    }

    /// Never so much that more than half of the nodes that answer would lie.
    fn harm_node(&mut self, deed: Deed) -> Option<u64> {
        let liar = self.chain.has_liar();
        match deed {
            Deed::NodeGone { node, millis } => {
                let index = self.chain.index(node);
                if liar && !self.chain.has_honest_besides(index) {
                    return None;
                }
                self.chain.nodes[index].gone = true;
                Some(millis)
            }
            Deed::NodeSlow { node, millis } => {
                let index = self.chain.index(node);
                self.chain.nodes[index].slow = true;
                Some(millis)
            }
            Deed::NodeLies { node, lie, millis } => {
                let index = self.chain.index(node);
                if liar || !self.chain.has_honest_besides(index) || self.chain.parted() > 0 {
                    return None;
                }
                self.audit.lied_to |= lie == Lie::HasAll;
                self.chain.nodes[index].lie = Some(lie);
                Some(millis)
            }
            Deed::Split { node, millis } if !liar => {
                let index = self.chain.index(node);
                self.chain.nodes[index].side = 1;
                Some(millis)
            }
            _ => None,
        }
    }

    pub(super) fn mend(&mut self, deed: Deed) {
        match deed {
            Deed::DiskFull { .. } => self.store.disk.full = false,
            Deed::DiskSlow { .. } => self.disk_slow = false,
            Deed::NodeGone { node, .. } => {
                let index = self.chain.index(node);
                self.chain.nodes[index].gone = false;
            }
            Deed::NodeSlow { node, .. } => {
                let index = self.chain.index(node);
                self.chain.nodes[index].slow = false;
            }
            Deed::NodeLies { node, .. } => {
                let index = self.chain.index(node);
                self.chain.nodes[index].lie = None;
            }
            Deed::Split { .. } => self.unite(),
            _ => {}
        }
        self.spread();
    }

    /// Blocks travel between the nodes, in a while.
    pub(super) fn spread(&mut self) {
        let delay = self.random.between(10_000, 400_000);
        self.later(delay, Event::Gossip);
    }

    pub(super) fn gossip(&mut self) {
        self.chain.gossip_all();
        // A branch that is about to undo what has matured would be a fault of the chain, not of the pool.
        if self.chain.is_split() && self.chain.parted() >= PARTED {
            self.unite();
        }
    }

    fn unite(&mut self) {
        for node in &mut self.chain.nodes {
            node.side = 0;
        }
        self.chain.gossip_all();
    }

    /// All faults end; time passes and others mine until everything is answered and settled.
    fn settle(&mut self) -> Result<(), Broken> {
        self.countdown = None;
        (self.store.disk.full, self.store.disk.failing_syncs, self.calendar) = (false, 0, 0);
        self.disk_slow = false;
        for node in &mut self.chain.nodes {
            (node.gone, node.slow, node.lie) = (false, false, None);
        }
        self.unite();
        for round in 0..400_u32 {
            self.run_until(self.now.saturating_add(2 * SECOND))?;
            if round.is_multiple_of(4) {
                self.chain.others_mine(0, 1);
                self.spread();
            }
            if round > 8 && self.is_at_rest() {
                break;
            }
        }
        let unanswered: usize = self.miners.iter().map(Miner::unanswered).sum();
        if !self.is_at_rest() {
            let open = self.store.open_blocks(&self.config.pool);
            return broken(REST, format!("{unanswered} shares without an answer, {open} blocks open"));
        }
        self.audit.shares(self.store.memory())?;
        self.audit.books(self.store.memory())?;
        self.audit.settled(&self.chain, self.store.memory(), &SCRIPT)
    }

    fn is_at_rest(&mut self) -> bool {
        self.process.is_some()
            && self.chain.tips().len() == 1
            && self.miners.iter().all(|miner| miner.unanswered() == 0)
            && self.store.open_blocks(&self.config.pool) == 0
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

fn config(scheme: Pplns, fee: Percent) -> CoreConfig {
    let layout = Layout {
        algorithm: Algorithm::SHA256D,
        payee: scheme.payee(),
        pool_script: SCRIPT.into(),
        fee,
        tag: (*b"/chaos/").into(),
        extranonce_len: 12,
        version_mask: 0x1fff_e000,
    };
    let payout = |text: &str| {
        let account = text.starts_with("miner").then(|| Account::new(text))?;
        Some(Payout { account, script: SCRIPT.as_slice().into() })
    };
    CoreConfig::new(PoolName::new("chaos"), layout, Arc::new(scheme), MATURITY, payout)
}

/// A share of a miner takes 4 or 16 hashes, or as many as a block.
fn miner(number: u64, random: &mut Random) -> Miner {
    let hashes = [Some(4.0), Some(4.0), Some(16.0), None][random.index(4)];
    // Difficulty 1 takes 2^32 hashes.
    let difficulty = hashes.map(|hashes: f64| hashes / 4_295_032_833.0);
    Miner::new(format!("miner{number}"), "rig", difficulty)
}
