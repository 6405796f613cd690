//! The pure whole of the pool: sessions, jobs, shares, books and blocks, without a socket, a clock or a thread.

mod blocks;
mod commit;
mod config;
mod connection;
mod io;
mod mining;
mod pressure;
mod sessions;
mod shares;
pub(crate) mod source;
mod votes;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use otedama_core::{Extranonce, Moment, Now, Weight};
use otedama_stratum::ServerSession;

pub use self::config::{Authorization, CoreConfig, CoreLimits, Newcomer, PREFIX_LEN, Payouts, StartPolicy};
pub use self::io::{BatchId, CloseReason, ConnectionId, Effect, Input, NodeId, PoolEvent};
pub use self::shares::Check;

use self::blocks::Blocks;
use self::commit::{Commit, Terms};
use self::connection::{Connection, Given};
use self::source::Sources;
use crate::extranonce::Prefixes;
use crate::hashing::NumberMap;
use crate::job::JobBoard;
use crate::journal::{BlockRecord, Life};

/// Between two looks at a connection's difficulty.
const LOOK: Duration = Duration::from_secs(2);

/// The pure whole of a pool. Same inputs at the same times, same effects.
///
/// A shell calls in this order, for ever: [`handle`](Self::handle) with whatever happened, as often as it likes;
/// [`poll_effect`](Self::poll_effect) until it gives `None`, doing what it says;
/// [`poll_timeout`](Self::poll_timeout) for the moment at which [`Input::Timeout`] is due.
///
/// A share is judged in `shares.rs`. It is answered "accepted" only after the journal has said that it is durable, and
/// a block leaves for the nodes once it was written down, or when the journal fails or takes longer than half a second.
#[derive(Debug)]
pub struct PoolCore {
    config: CoreConfig,
    now: Now,
    connections: NumberMap<ConnectionId, Connection>,
    prefixes: Prefixes,
    /// What was given under prefixes whose connections are gone, on the current template.
    given: HashMap<Extranonce, Given>,
    board: JobBoard,
    sources: Sources,
    commit: Commit,
    blocks: Blocks,
    /// Shares whose hash is waited for.
    hashing: usize,
    /// Those whose hash was not asked for yet.
    unhashed: Vec<Check>,
    /// What comes back empty, to be filled again.
    spare_checks: Vec<Check>,
    /// Connections that are not read from for now.
    paused: usize,
    /// Some of them may wait for the pool as a whole, not for shares of their own.
    congested: bool,
    /// Shares written down since the last roll-up.
    unrolled: u64,
    rolling_up: bool,
    window: WindowState,
    layouts: HashSet<mining::Shape>,
    journal_failing: bool,
    alarms: BinaryHeap<Reverse<(Moment, ConnectionId)>>,
    touched: BTreeSet<ConnectionId>,
    effects: VecDeque<Effect>,
}

/// Whether the shares of earlier lives are in; before that, nobody gets a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WindowState {
    Unknown,
    Asked { span: Weight },
    Loaded,
}

impl PoolCore {
    /// The core of a pool in this life, with the blocks of earlier lives whose fate is open.
    #[must_use]
    pub fn new(config: CoreConfig, life: Life, open_blocks: Vec<BlockRecord>, now: Now) -> Self {
        let terms =
            Terms { pool: config.pool.clone(), scheme: config.scheme.clone(), fee: config.layout.fee };
        let mut effects = Vec::new();
        let mut blocks = Blocks::new(config.maturity);
        for record in open_blocks {
            blocks.recover(record, now, &mut effects);
        }
        Self {
            board: JobBoard::new(config.layout.clone(), life),
            commit: Commit::new(terms, life),
            prefixes: Prefixes::new(PREFIX_LEN),
            given: HashMap::new(),
            sources: Sources::new(config.blind_nodes.clone()),
            config,
            now,
            blocks,
            connections: NumberMap::default(),
            hashing: 0,
            unhashed: Vec::new(),
            spare_checks: Vec::new(),
            paused: 0,
            congested: false,
            unrolled: 0,
            rolling_up: false,
            window: WindowState::Unknown,
            layouts: HashSet::new(),
            journal_failing: false,
            alarms: BinaryHeap::new(),
            touched: BTreeSet::new(),
            effects: effects.into(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        self.now = now;
        match input {
            Input::Connected { connection, address: _ } => self.connected(connection),
            Input::Received { connection, bytes } => self.received(connection, bytes),
            Input::Disconnected { connection } => self.disconnected(connection),
            Input::Template { node, template } => self.offered(node, template),
            Input::NodeFailed { node, error } => self.node_failed(node, error),
            Input::Verified { checks, digests } => self.verified(checks, digests),
            Input::Persisted { batch, outcome } => self.persisted(batch, outcome),
            Input::Window { shares } => self.window_loaded(&shares),
            Input::Submitted { hash, answers } => {
                for (node, answer) in answers {
                    self.blocks.answered(&hash, node, &answer);
                    self.event(PoolEvent::BlockAnswered { hash, node, answer });
                }
            }
            Input::Observed { hash, answers } => self.observed(&hash, &answers),
            Input::RolledUp { outcome } => self.rolled_up(outcome),
            Input::Authorized { connection, worker, payout } => self.decided(connection, worker, payout),
            Input::Retarget { connection, channel, target } => self.retarget(connection, channel, target),
            Input::Timeout => self.timeout(),
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        while let Some(connection) = self.touched.pop_first() {
            self.flush(connection);
        }
        let effect = self.effects.pop_front();
        effect.or_else(|| self.poll_verify()).or_else(|| self.commit.poll(self.now))
    }

    /// Whatever came in since it was asked last goes off to be hashed together.
    fn poll_verify(&mut self) -> Option<Effect> {
        if self.unhashed.is_empty() {
            return None;
        }
        let spare = std::mem::take(&mut self.spare_checks);
        Some(Effect::Verify { checks: std::mem::replace(&mut self.unhashed, spare) })
    }

    /// When [`Input::Timeout`] is due, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        let alarm = self.alarms.peek().map(|Reverse((moment, _))| *moment);
        let (blocks, journal) = (self.blocks.timeout(), self.commit.timeout());
        [alarm, blocks, journal, self.commit.block_timeout()].into_iter().flatten().min()
    }

    /// How many miners are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn connected(&mut self, id: ConnectionId) {
        if self.connections.len() >= self.config.limits.connections {
            self.effects.push_back(Effect::Close { connection: id, reason: CloseReason::Full });
            return;
        }
        let session = ServerSession::new(self.config.session.clone(), self.now);
        self.connections.insert(id, Connection::new(session));
        self.touched.insert(id);
    }

    fn disconnected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.forget_pause(&connection);
        for channel in connection.into_channels() {
            self.release(&channel);
        }
        self.event(PoolEvent::Left { connection: id });
    }

    /// Cuts a connection: what its session still has to say is sent first.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        self.flush(id);
        self.effects.push_back(Effect::Close { connection: id, reason });
        self.disconnected(id);
    }

    /// Sends what the session has to say, and sets its alarm.
    fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        while let Some(bytes) = connection.session.poll_transmit() {
            self.effects.push_back(Effect::Send { connection: id, bytes });
        }
        // Only a connection that gets jobs has a difficulty to look at.
        let look = connection.is_greeted().then(|| self.now.moment.plus(LOOK));
        let Some(due) = [connection.session.poll_timeout(), look].into_iter().flatten().min() else { return };
        if connection.alarm.is_none_or(|alarm| due < alarm) {
            connection.alarm = Some(due);
            self.alarms.push(Reverse((due, id)));
        }
    }

    fn timeout(&mut self) {
        while let Some(Reverse((moment, id))) = self.alarms.peek().copied() {
            if moment > self.now.moment {
                break;
            }
            self.alarms.pop();
            self.alarm(id, moment);
        }
        self.send_overdue_blocks();
        let mut effects = Vec::new();
        self.blocks.look(self.now, &mut effects);
        self.effects.extend(effects);
    }

    fn alarm(&mut self, id: ConnectionId, moment: Moment) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.alarm != Some(moment) {
            return;
        }
        connection.alarm = None;
        let now = self.now;
        if connection.session.poll_timeout().is_some_and(|due| due <= now.moment)
            && let Err(error) = connection.session.handle_timeout(now)
        {
            return self.close(id, error.into());
        }
        let changed = connection.channels_mut().iter_mut();
        let changed = changed.filter_map(|channel| channel.vardiff.poll(now).map(|_| channel.id));
        for channel in changed.collect::<Vec<_>>() {
            self.resend_job(id, channel);
        }
        self.touched.insert(id);
    }

    fn event(&mut self, event: PoolEvent) {
        self.effects.push_back(Effect::Event(event));
    }
}
