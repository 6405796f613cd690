//! The process of the pool: a shell around the core like the server, but one that dies between any two effects.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use otedama_core::{Algorithm, Hash256, Target, Weight};

use super::audit::{Broken, NEVER_LOST, WRITTEN, broken};
use super::bug::{Bug, Misrounding};
use super::chain::{BLOCK_WEIGHT, hash_of};
use super::store::Op;
use super::world::{Event, MATURITY, World};
use crate::core::{Check, ConnectionId, Effect, Input, NodeId, PoolCore};
use crate::journal::{BlockState, Journal as _, Life};
use crate::node::{BlockStatus, NodeError, Submission};

/// How long a block that the pool knows of may stay with it.
const PROMPT: u64 = 2_000_000;
/// Within which a node that answers must have been handed a block.
const HANDED: u64 = 40_000_000;
/// How long a block waits for the journal before it leaves without it.
const WITHOUT_JOURNAL: u64 = 500_000;

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) core: PoolCore,
    /// How the journal knows this life.
    pub(super) boot: u32,
    /// When the journal's thread has done all that it was asked.
    pub(super) journal_free: u64,
    /// When the core's next timeout is on its way.
    alarm: Option<u64>,
    /// What each node offered last, and when.
    offered: BTreeMap<usize, (Option<String>, u64)>,
    failed: HashSet<usize>,
    paused: HashSet<u64>,
    held: HashMap<u64, VecDeque<Vec<u8>>>,
    /// When blocks were found, to tell who left early.
    found: HashMap<Hash256, u64>,
    /// The journal has failed since it last worked.
    pub(super) failing: bool,
}

impl World {
    /// The process starts, if the disk lets it.
    pub(super) fn start(&mut self) -> Result<(), Broken> {
        if self.process.is_some() {
            return Ok(());
        }
        let begun = self.store.begin(&mut self.random);
        self.recovered()?;
        let Ok(life) = begun else {
            self.later(1_000_000, Event::Start);
            return Ok(());
        };
        let pool = self.config.pool.clone();
        let open = self.store.memory().blocks(&pool, true).unwrap_or_default();
        for block in open.iter().filter(|block| block.state == BlockState::Found) {
            self.audit.due.insert(block.candidate.hash, self.now.saturating_add(PROMPT));
        }
        let open = if self.bug == Some(Bug::ForgetsBlocks) { Vec::new() } else { open };
        let mut config = self.config.clone();
        match self.bug {
            Some(Bug::MaturesAtOnce) => config.maturity = 1,
            Some(Bug::MaturesOneEarly) => config.maturity = MATURITY - 1,
            Some(bug @ (Bug::RoundsUp | Bug::RemainderToTheLast)) => {
                let (right, up) = (self.pplns, bug == Bug::RoundsUp);
                config.scheme = Arc::new(Misrounding { right, up });
            }
            _ => {}
        }
        self.life += 1;
        self.tally.lives += 1;
        let told = match self.bug {
            Some(Bug::CoinbaseWithoutBoot) => Life { boot: 1, ..life },
            _ => life,
        };
        self.process = Some(Process {
            core: PoolCore::new(config, told, open, self.time()),
            boot: life.boot,
            journal_free: self.now,
            alarm: None,
            offered: BTreeMap::new(),
            failed: HashSet::new(),
            paused: HashSet::new(),
            held: HashMap::new(),
            found: HashMap::new(),
            failing: false,
        });
        for node in 0..self.chain.nodes.len() {
            self.later(node as u64, Event::Poll { life: self.life, node });
        }
        if self.random.chance(400) {
            // Somebody was waiting at the door.
            let (miner, pause) = (self.random.index(8), self.random.between(1_000, 300_000));
            self.later(pause, Event::Replay { miner });
        }
        self.carry_out()
    }

    /// The process dies, and the disk with what it had not synced.
    fn crash(&mut self, micros: u64) -> Result<(), Broken> {
        self.process = None;
        self.life += 1;
        self.tally.crashes += 1;
        self.audit.due.clear();
        self.audit.owed.clear();
        self.store.crash(&mut self.random);
        self.recovered()?;
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().try_for_each(|link| self.break_link(link))?;
        self.later(micros, Event::Start);
        Ok(())
    }

    /// What is on the disk after a death or a failed sync is what there is.
    pub(super) fn recovered(&mut self) -> Result<(), Broken> {
        let _ = self.store.memory();
        let appended = self.store.ops().iter().filter_map(|op| match op {
            Op::Append(entries) => Some(entries.as_ref()),
            Op::Begin | Op::RollUp { .. } => None,
        });
        self.audit.recovered(appended)?;
        self.audit.shares(self.store.memory())?;
        self.audit.books(self.store.memory())
    }

    /// Gives the core an input, if it runs.
    pub(super) fn feed(&mut self, input: Input<'_>) -> Result<(), Broken> {
        let now = self.time();
        let Some(process) = &mut self.process else { return Ok(()) };
        process.core.handle(input, now);
        self.carry_out()
    }

    /// Carries out every effect of the core, and dies between any two of them if that is planned.
    fn carry_out(&mut self) -> Result<(), Broken> {
        while let Some(effect) = self.process.as_mut().and_then(|process| process.core.poll_effect()) {
            self.tally.effects += 1;
            if let Some((effects, micros)) = self.countdown {
                if effects == 0 {
                    self.countdown = None;
                    return self.crash(micros);
                }
                self.countdown = Some((effects - 1, micros));
            }
            self.effect(effect)?;
        }
        let life = self.life;
        let Some(process) = &mut self.process else { return Ok(()) };
        if let Some(due) = process.core.poll_timeout().map(|due| due.as_micros().max(self.now + 1))
            && process.alarm.is_none_or(|alarm| due < alarm)
        {
            process.alarm = Some(due);
            self.at(due, Event::Timeout { life });
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> Result<(), Broken> {
        let life = self.life;
        match effect {
            Effect::Send { connection, bytes } => self.send_down(connection.0, &bytes),
            // The simulated pool goes by addresses.
            Effect::Authorize { .. } => {}
            Effect::Close { connection, reason } => {
                return broken("nobody is sent away without a reason", format!("{connection}: {reason}"));
            }
            Effect::Verify { checks } => {
                for check in checks {
                    let delay = self.random.between(1, 30_000);
                    self.later(delay, Event::Verified { life, check: Box::new(check) });
                }
            }
            Effect::Persist { batch, entries } => return self.persist(batch, entries),
            Effect::LoadWindow { span } => {
                let at = self.journal_turn();
                self.at(at, Event::Window { life, span });
            }
            Effect::RollUp { keep, at_most } => {
                let at = self.journal_turn();
                self.at(at, Event::RollUp { life, keep, at_most });
            }
            Effect::Submit { hash, block } => return self.hand_in(hash, &block),
            Effect::Observe { hash } => {
                let delay = self.random.between(20_000, 800_000);
                self.later(delay, Event::Observe { life, hash });
            }
            Effect::Propose { block } => {
                let answer = self
                    .chain
                    .nodes
                    .first()
                    .and_then(|node| crate::node::Node::propose(&node.net, &block).ok().flatten());
                if let Some(Submission::Refused(why)) = answer {
                    return broken("nodes take the pool's blocks", why);
                }
            }
            Effect::Pause { connection } => {
                if let Some(process) = &mut self.process {
                    process.paused.insert(connection.0);
                }
            }
            Effect::Resume { connection } => self.resume(connection.0),
            Effect::Event(event) => self.tally.note(&event),
        }
        Ok(())
    }

    fn resume(&mut self, link: u64) {
        if self.bug == Some(Bug::ForgetsToResume) {
            return;
        }
        let Some(process) = &mut self.process else { return };
        process.paused.remove(&link);
        let life = self.life;
        self.later(1, Event::Resumed { life, link });
    }

    /// A block leaves for the nodes.
    pub(super) fn hand_in(&mut self, hash: Hash256, block: &Arc<[u8]>) -> Result<(), Broken> {
        let life = self.life;
        self.audit.due.remove(&hash);
        if !self.audit.candidates.contains(&hash) {
            let excused = self.process.as_ref().is_some_and(|process| {
                let waited = process.found.get(&hash).is_some_and(|at| self.now >= at + WITHOUT_JOURNAL);
                process.failing || waited
            });
            if !excused {
                return broken(WRITTEN, format!("block {hash} left first"));
            }
            self.audit.unwritten.insert(hash);
        }
        for node in 0..self.chain.nodes.len() {
            if !self.chain.nodes[node].gone {
                self.audit.owed.entry((hash, node)).or_insert(self.now.saturating_add(HANDED));
            }
            if node > 0 && self.bug == Some(Bug::FirstNodeOnly) {
                continue;
            }
            let slow = self.chain.nodes[node].slow;
            let delay = if slow {
                self.random.between(1_000_000, 15_000_000)
            } else {
                self.random.between(500, 200_000)
            };
            self.later(delay, Event::Submit { life, node, hash, block: Arc::clone(block) });
        }
        Ok(())
    }

    fn submit(&mut self, node: usize, hash: Hash256, block: &[u8]) -> Result<(), Broken> {
        let life = self.life;
        self.audit.owed.remove(&(hash, node));
        if hash_of(block) != hash {
            return broken(NEVER_LOST, format!("block {hash} was handed in as another"));
        }
        let answer = self.chain.submit(node, block);
        if let Ok(Submission::Refused(why)) = &answer
            && why != "prev-blk-not-found"
            && why != "time-too-old"
        {
            return broken("nodes take the pool's blocks", format!("{hash}: {why}"));
        }
        self.spread();
        let delay = self.random.between(500, 100_000);
        self.later(delay, Event::Submitted { life, node, hash, answer });
        Ok(())
    }

    fn submitted(
        &mut self,
        node: usize,
        hash: Hash256,
        answer: Result<Submission, NodeError>,
    ) -> Result<(), Broken> {
        let trusted = self.bug == Some(Bug::TrustsSubmission) && answer == Ok(Submission::Known);
        self.feed(Input::Submitted { hash, answers: vec![(NodeId(node), answer)] })?;
        if trusted {
            let status = Some(BlockStatus { height: 1, confirmations: Some(1) });
            let answers = (0..self.chain.nodes.len()).map(|node| (NodeId(node), status)).collect();
            return self.feed(Input::Observed { hash, answers });
        }
        Ok(())
    }

    fn observe(&mut self, hash: Hash256) {
        let life = self.life;
        if self.chain.depth(hash).is_some() {
            self.audit.on_chain.insert(hash);
        }
        let mut answers = Vec::new();
        for node in 0..self.chain.nodes.len() {
            if self.chain.nodes[node].slow && self.random.chance(500) {
                continue;
            }
            answers.extend(self.chain.status(node, hash).ok().map(|status| (NodeId(node), status)));
        }
        if self.bug == Some(Bug::BelievesTheDeepest) {
            let depth = |(_, status): &(NodeId, Option<BlockStatus>)| status.and_then(|s| s.confirmations);
            answers = answers.into_iter().max_by_key(depth).into_iter().collect();
        }
        let delay = self.random.between(1_000, 400_000);
        self.later(delay, Event::Observed { life, hash, answers });
    }

    fn verified(&mut self, check: Check) -> Result<(), Broken> {
        let header = check.claim().header();
        let mut digest = self.verifier.digest(&header);
        let network = Target::from_weight(Weight::new(BLOCK_WEIGHT)).unwrap_or(Target::MAX).to_compact();
        let is_block = Algorithm::SHA256D.meets(&digest, network.target().unwrap_or(Target::MAX));
        let hash = hash_of(header.as_bytes());
        let now = self.now;
        if let Some(process) = &mut self.process
            && is_block
            && !self.audit.candidates.contains(&hash)
            && !process.found.contains_key(&hash)
        {
            process.found.insert(hash, now);
            self.audit.due.insert(hash, now.saturating_add(PROMPT));
            self.tally.blocks += 1;
        }
        let previous = header.as_bytes().get(4..36);
        let stale = !self.chain.tips().iter().any(|tip| previous == Some(tip.as_internal().as_slice()));
        if self.bug == Some(Bug::DropsStaleBlocks) && stale && is_block {
            digest = otedama_core::Digest::new([0xff; 32]);
        }
        self.feed(Input::Verified { checks: vec![check], digests: vec![digest] })
    }

    fn poll(&mut self, node: usize) -> Result<(), Broken> {
        let (life, now) = (self.life, self.now);
        let slow = self.chain.nodes.get(node).is_some_and(|node| node.slow);
        let pause = if slow {
            self.random.between(2_000_000, 20_000_000)
        } else {
            self.random.between(100_000, 700_000)
        };
        self.later(pause, Event::Poll { life, node });
        let Some(process) = &mut self.process else { return Ok(()) };
        match self.chain.template(node) {
            Ok(template) => {
                process.failed.remove(&node);
                let known = process.offered.get(&node);
                let news = known.is_none_or(|(ticket, at)| {
                    *ticket != template.long_poll_id || now.saturating_sub(*at) > 30_000_000
                });
                if news {
                    process.offered.insert(node, (template.long_poll_id.clone(), now));
                    return self.feed(Input::Template { node: NodeId(node), template: Arc::new(template) });
                }
            }
            Err(error) => {
                process.offered.remove(&node);
                if process.failed.insert(node) {
                    return self.feed(Input::NodeFailed { node: NodeId(node), error });
                }
            }
        }
        Ok(())
    }

    /// What was on its way happens now.
    pub(super) fn happen(&mut self, event: Event) -> Result<(), Broken> {
        if event.life().is_some_and(|life| life != self.life) {
            // A block that is on its way to a node gets there, though nobody is left to hear of it.
            if let Event::Submit { node, block, .. } = event
                && self.random.chance(500)
            {
                let _ = self.chain.submit(node, &block);
                self.spread();
            }
            return Ok(());
        }
        match event {
            Event::ToPool { link, bytes } => self.received(link, bytes),
            Event::ToMiner { link, bytes } => self.arrive(link, &bytes),
            Event::HungUp { link } => self.feed(Input::Disconnected { connection: ConnectionId(link) }),
            Event::Cut { link } => self.break_link(link),
            Event::Connect { miner } => self.connect(miner),
            Event::Replay { miner } => self.replay(miner),
            Event::Say { link, bytes } => {
                self.send_up(link, &bytes);
                Ok(())
            }
            Event::Verified { check, .. } => self.verified(*check),
            Event::Write { batch, entries, .. } => self.write(batch, entries),
            Event::Sync { batch, entries, applied, .. } => self.sync(batch, &entries, applied),
            Event::Persisted { batch, outcome, .. } => self.persisted(batch, outcome),
            Event::Window { span, .. } => self.window(span),
            Event::RollUp { keep, at_most, .. } => self.roll_up(keep, at_most),
            Event::RolledUp { outcome, .. } => self.feed(Input::RolledUp { outcome }),
            Event::Submit { node, hash, block, .. } => self.submit(node, hash, &block),
            Event::Submitted { node, hash, answer, .. } => self.submitted(node, hash, answer),
            Event::Observe { hash, .. } => {
                self.observe(hash);
                Ok(())
            }
            Event::Observed { hash, answers, .. } => self.feed(Input::Observed { hash, answers }),
            Event::Poll { node, .. } => self.poll(node),
            Event::Resumed { link, .. } => self.resumed(link),
            Event::Timeout { .. } => {
                if let Some(process) = &mut self.process {
                    process.alarm = None;
                }
                self.feed(Input::Timeout)
            }
            Event::Gossip => {
                self.gossip();
                Ok(())
            }
            Event::Start => self.start(),
            Event::Mend { deed } => {
                self.mend(deed);
                Ok(())
            }
        }
    }

    fn received(&mut self, link: u64, bytes: Vec<u8>) -> Result<(), Broken> {
        if !self.links.contains_key(&link) {
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.paused.contains(&link) || process.held.contains_key(&link) {
            process.held.entry(link).or_default().push_back(bytes);
            return Ok(());
        }
        self.feed(Input::Received { connection: ConnectionId(link), bytes: &bytes })
    }

    /// What came while nobody read is read now, as far as the core lets it.
    fn resumed(&mut self, link: u64) -> Result<(), Broken> {
        while let Some(process) = &mut self.process {
            if process.paused.contains(&link) {
                return Ok(());
            }
            let Some(bytes) = process.held.get_mut(&link).and_then(VecDeque::pop_front) else {
                process.held.remove(&link);
                return Ok(());
            };
            self.feed(Input::Received { connection: ConnectionId(link), bytes: &bytes })?;
        }
        Ok(())
    }
}

impl Event {
    /// The life of the process that it belongs to, if it belongs to one.
    const fn life(&self) -> Option<u64> {
        match self {
            Self::Verified { life, .. }
            | Self::Write { life, .. }
            | Self::Sync { life, .. }
            | Self::Persisted { life, .. }
            | Self::Window { life, .. }
            | Self::RollUp { life, .. }
            | Self::RolledUp { life, .. }
            | Self::Submit { life, .. }
            | Self::Submitted { life, .. }
            | Self::Observe { life, .. }
            | Self::Observed { life, .. }
            | Self::Poll { life, .. }
            | Self::Resumed { life, .. }
            | Self::Timeout { life } => Some(*life),
            _ => None,
        }
    }
}
