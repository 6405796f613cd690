//! A pool on a workbench: no socket, no thread, a clock that moves when it is told to.
//!
//! [`Bench`] is a shell around [`PoolCore`] like the tokio server, but in memory and step by step. It takes any
//! [`Journal`] and any [`Node`], so that a test can make either of them fail. The miner's side is anything that
//! speaks bytes: a string of JSON lines or a client session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otedama_core::{Hash256, Moment, Now, UnixTime, WorkerId};
use otedama_hash::Verifier;
use otedama_stratum::Login;

use crate::core::{Check, CloseReason, ConnectionId, CoreConfig, Effect, Input, NodeId, PoolCore, PoolEvent};
use crate::journal::{Journal, JournalError};
use crate::node::{BlockStatus, Node, NodeError, Submission};
use crate::template::Template;

/// A clock that moves when it is told to. Clones show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Mutex<Now>>);

impl FakeClock {
    /// A clock that shows this time of the calendar.
    #[must_use]
    pub fn at(unix: u64) -> Self {
        let now = Now::new(Moment::from_micros(1_000_000), UnixTime::from_secs(unix));
        Self(Arc::new(Mutex::new(now)))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus(by);
    }

    /// Sets the calendar alone, as an administrator would.
    pub fn set_calendar(&self, unix: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unix = UnixTime::from_secs(unix);
    }
}

/// A pool core with its surroundings in memory.
#[derive(Debug)]
pub struct Bench {
    core: PoolCore,
    clock: FakeClock,
    journal: Box<dyn Journal>,
    pool: crate::PoolName,
    node: Arc<dyn Node>,
    verifier: Verifier,
    connections: u64,
    output: BTreeMap<ConnectionId, Vec<u8>>,
    closed: BTreeMap<ConnectionId, CloseReason>,
    paused: BTreeSet<ConnectionId>,
    events: Vec<PoolEvent>,
    asked: Vec<(ConnectionId, WorkerId, Login)>,
    held: VecDeque<Effect>,
    hold_persist: bool,
    hold_verify: bool,
}

impl Bench {
    /// Begins a life of the pool on this journal and node, and fetches the first template if the node has one.
    ///
    /// # Errors
    /// [`JournalError`] if the journal does not begin.
    pub fn new(
        config: CoreConfig,
        verifier: Verifier,
        mut journal: Box<dyn Journal>,
        node: Arc<dyn Node>,
        clock: FakeClock,
    ) -> Result<Self, JournalError> {
        let life = journal.begin()?;
        let pool = config.pool.clone();
        let open = journal.blocks(&pool, true)?;
        let core = PoolCore::new(config, life, open, clock.now());
        let (output, closed, paused, events, asked, held) = Default::default();
        let (connections, hold_persist, hold_verify) = (0, false, false);
        let mut bench = Self {
            core,
            clock,
            journal,
            pool,
            node,
            verifier,
            connections,
            output,
            closed,
            paused,
            events,
            asked,
            held,
            hold_persist,
            hold_verify,
        };
        bench.run();
        bench.fetch_template();
        Ok(bench)
    }

    /// Lets a miner connect.
    pub fn connect(&mut self) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.handle(Input::Connected { connection, address: None });
        connection
    }

    /// The workers about whom the pool has asked since this was called last; answer with [`Input::Authorized`].
    pub fn asked(&mut self) -> Vec<(ConnectionId, WorkerId, Login)> {
        std::mem::take(&mut self.asked)
    }

    /// Tells the core what an embedder would: the answer to a question, a wish.
    pub fn tell(&mut self, input: Input<'_>) {
        self.handle(input);
    }

    /// Lets a miner hang up.
    pub fn disconnect(&mut self, connection: ConnectionId) {
        self.handle(Input::Disconnected { connection });
    }

    /// Lets a miner send these bytes.
    pub fn send(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.handle(Input::Received { connection, bytes });
    }

    /// What the pool sent to a connection since it was last asked.
    pub fn take_output(&mut self, connection: ConnectionId) -> Vec<u8> {
        self.output.remove(&connection).unwrap_or_default()
    }

    /// Why the pool closed a connection, if it did.
    #[must_use]
    pub fn closed(&self, connection: ConnectionId) -> Option<&CloseReason> {
        self.closed.get(&connection)
    }

    /// Whether the pool would rather not be sent anything by a connection for now. The bench sends all the same.
    #[must_use]
    pub fn paused(&self, connection: ConnectionId) -> bool {
        self.paused.contains(&connection)
    }

    /// The news since it was last asked.
    pub fn take_events(&mut self) -> Vec<PoolEvent> {
        std::mem::take(&mut self.events)
    }

    /// Asks the node for a template and hands it to the pool.
    pub fn fetch_template(&mut self) {
        let node = NodeId(0);
        match self.node.template() {
            Ok(template) => self.handle(Input::Template { node, template: Arc::new(template) }),
            Err(error) => self.handle(Input::NodeFailed { node, error }),
        }
    }

    /// Lets time pass, with every timer that is due on the way.
    pub fn advance(&mut self, by: Duration) {
        let end = self.clock.now().plus(by);
        while let Some(due) = self.core.poll_timeout().filter(|due| *due <= end.moment) {
            // A timer that is due now must not keep the clock from moving.
            let wait = due.since(self.clock.now().moment).max(Duration::from_millis(1));
            self.clock.advance(wait.min(end.moment.since(self.clock.now().moment)));
            self.handle(Input::Timeout);
            if self.clock.now().moment >= end.moment {
                return;
            }
        }
        self.clock.advance(end.moment.since(self.clock.now().moment));
        self.handle(Input::Timeout);
    }

    /// Keeps batches back from the journal until [`release`](Self::release); what was not committed is not accepted.
    pub fn hold_journal(&mut self) {
        self.hold_persist = true;
    }

    /// Keeps hashes back until [`release`](Self::release), as if there were too many to compute.
    pub fn hold_hashing(&mut self) {
        self.hold_verify = true;
    }

    /// Gives shares whose hashes were kept back to the core without any.
    pub fn lose_hashes(&mut self) {
        self.hold_verify = false;
        for effect in std::mem::take(&mut self.held) {
            match effect {
                Effect::Verify { checks } => self.handle(Input::Verified { checks, digests: Vec::new() }),
                other => self.held.push_back(other),
            }
        }
    }

    /// Lets go on what was kept back.
    pub fn release(&mut self) {
        (self.hold_persist, self.hold_verify) = (false, false);
        while let Some(effect) = self.held.pop_front() {
            self.carry_out(effect);
        }
        self.run();
    }

    /// The core itself.
    #[must_use]
    pub const fn core(&self) -> &PoolCore {
        &self.core
    }

    /// The journal, for looking into the books.
    pub fn journal(&mut self) -> &mut dyn Journal {
        self.journal.as_mut()
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &FakeClock {
        &self.clock
    }

    fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, self.clock.now());
        self.run();
    }

    fn run(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            let held = match effect {
                Effect::Persist { .. } => self.hold_persist,
                Effect::Verify { .. } => self.hold_verify,
                _ => false,
            };
            if held {
                self.held.push_back(effect);
            } else {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let now = self.clock.now();
        match effect {
            Effect::Send { connection, bytes } => self.output.entry(connection).or_default().extend(&bytes),
            Effect::Authorize { connection, worker, login, agent: _ } => {
                self.asked.push((connection, worker, login));
            }
            Effect::Close { connection, reason } => {
                self.closed.insert(connection, reason);
            }
            Effect::Verify { checks } => {
                let digests = self.verifier.digests(checks.iter().map(Check::claim));
                self.core.handle(Input::Verified { checks, digests }, now);
            }
            Effect::Persist { batch, entries } => {
                let outcome = self.journal.append(&entries);
                self.core.handle(Input::Persisted { batch, outcome }, now);
            }
            Effect::RollUp { keep, at_most } => {
                let outcome = self.journal.roll_up(&self.pool, keep, at_most);
                self.core.handle(Input::RolledUp { outcome }, now);
            }
            Effect::Pause { connection } => drop(self.paused.insert(connection)),
            Effect::Resume { connection } => drop(self.paused.remove(&connection)),
            Effect::LoadWindow { span } => match self.journal.window(&self.pool, span) {
                Ok(shares) => self.core.handle(Input::Window { shares }, now),
                Err(error) => self.events.push(PoolEvent::JournalFailed(error)),
            },
            Effect::Submit { hash, block } => {
                let answers = vec![(NodeId(0), self.node.submit(&block))];
                self.core.handle(Input::Submitted { hash, answers }, now);
            }
            Effect::Observe { hash } => {
                if let Ok(status) = self.node.block(hash) {
                    self.core.handle(Input::Observed { hash, answers: vec![(NodeId(0), status)] }, now);
                }
            }
            Effect::Propose { block } => {
                let answer = self.node.propose(&block);
                self.events.push(PoolEvent::LayoutChecked { node: NodeId(0), answer });
            }
            Effect::Event(event) => self.events.push(event),
        }
    }
}

/// A node that says what it was told to say. Clones are the same node.
///
/// Every method answers with the setting at the time of the call; nothing blocks.
#[derive(Debug, Clone)]
pub struct ScriptedNode(Arc<Mutex<Script>>);

#[derive(Debug)]
struct Script {
    template: Result<Template, NodeError>,
    submission: Result<Submission, NodeError>,
    statuses: BTreeMap<Hash256, BlockStatus>,
    submitted: Vec<Vec<u8>>,
}

impl ScriptedNode {
    /// A node with this template, which takes every block.
    #[must_use]
    pub fn new(template: Template) -> Self {
        let script = Script {
            template: Ok(template),
            submission: Ok(Submission::Known),
            statuses: BTreeMap::new(),
            submitted: Vec::new(),
        };
        Self(Arc::new(Mutex::new(script)))
    }

    /// From now on it offers this.
    pub fn offer(&self, template: Result<Template, NodeError>) {
        self.script(|script| script.template = template);
    }

    /// From now on it says this to every block.
    pub fn answer(&self, submission: Result<Submission, NodeError>) {
        self.script(|script| script.submission = submission);
    }

    /// From now on this block stands there, or nowhere.
    pub fn place(&self, hash: Hash256, status: Option<BlockStatus>) {
        self.script(|script| match status {
            Some(status) => drop(script.statuses.insert(hash, status)),
            None => drop(script.statuses.remove(&hash)),
        });
    }

    /// The blocks that were handed in, in order.
    #[must_use]
    pub fn submitted(&self) -> Vec<Vec<u8>> {
        self.script(|script| script.submitted.clone())
    }

    fn script<T>(&self, with: impl FnOnce(&mut Script) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Node for ScriptedNode {
    fn name(&self) -> &str {
        "scripted"
    }

    fn chain(&self) -> Result<String, NodeError> {
        Ok("regtest".into())
    }

    fn tip(&self) -> Result<Hash256, NodeError> {
        self.script(|script| script.template.clone()).map(|template| template.previous)
    }

    fn template(&self) -> Result<Template, NodeError> {
        self.script(|script| script.template.clone())
    }

    fn next_template(&self, seen: &Template, _: Duration) -> Result<Option<Template>, NodeError> {
        self.template().map(|template| Some(template).filter(|template| template != seen))
    }

    fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> {
        self.script(|script| {
            script.submitted.push(block.to_vec());
            script.submission.clone()
        })
    }

    fn propose(&self, _: &[u8]) -> Result<Option<Submission>, NodeError> {
        Ok(None)
    }

    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        Ok(self.script(|script| script.statuses.get(&hash).copied()))
    }
}
