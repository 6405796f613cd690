//! The task that owns the core: messages in, effects out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use otedama_core::{ChannelId, Hash256, Target, Weight, WorkerId};
use otedama_stratum::Login;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::connection::{self, Outlet};
use super::hooks::Authorizer;
use super::layer::Ground;
use super::nodes::Nodes;
use super::threads::{Command, Hashed, Hashing};
use crate::account::Account;
use crate::core::{BatchId, ConnectionId, Effect, Input, NodeId, PoolCore, PoolEvent};
use crate::job::Payout;
use crate::journal::{Applied, Balance, JournalError, RolledUp};
use crate::limits::node::RETRY;
use crate::node::{BlockStatus, NodeError, Submission};
use crate::points;
use crate::template::Template;

/// Messages that are handled before the effects are carried out.
const BURST: usize = 128;
/// How long an orderly stop waits for the journal.
const FAREWELL: Duration = Duration::from_secs(5);

/// Something that happened outside of the core's task.
#[derive(Debug)]
pub(super) enum Message {
    Accepted { stream: TcpStream, address: IpAddr },
    Received(ConnectionId, Bytes),
    Disconnected(ConnectionId),
    Template(NodeId, Arc<Template>),
    NodeFailed(NodeId, NodeError),
    Verified(Hashed),
    Persisted(BatchId, Result<Vec<Applied>, JournalError>),
    Window(Weight, Result<Vec<(Account, Weight)>, JournalError>),
    LoadWindow(Weight),
    Submitted(Hash256, NodeId, Result<Submission, NodeError>),
    Observed(Hash256, Vec<(NodeId, Option<BlockStatus>)>),
    RolledUp(Result<RolledUp, JournalError>),
    Proposed(NodeId, Result<Option<Submission>, NodeError>),
    Authorized(ConnectionId, WorkerId, Option<Payout>),
    Retarget(ConnectionId, ChannelId, Target),
    Balances(oneshot::Sender<Result<Vec<Balance>, JournalError>>),
    Stop,
}

/// The task's belongings.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) core: PoolCore,
    pub(super) clock: Clock,
    pub(super) nodes: Nodes,
    pub(super) hashing: Hashing,
    pub(super) journal: std_mpsc::Sender<Command>,
    pub(super) journal_thread: JoinHandle<()>,
    pub(super) events: mpsc::Sender<PoolEvent>,
    pub(super) messages: mpsc::Sender<Message>,
    /// Only held, and raised when the actor ends.
    pub(super) _stop: StopFlag,
    pub(super) outlets: HashMap<ConnectionId, Outlet>,
    pub(super) connections: u64,
    pub(super) persisting: bool,
    pub(super) authorizer: Authorizer,
    pub(super) ground: Arc<Ground>,
}

/// Raised when it is dropped, so that the nodes' threads end with the actor, however that ends.
#[derive(Debug, Default)]
pub(super) struct StopFlag(pub(super) Arc<AtomicBool>);

impl Drop for StopFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Actor {
    /// Runs until it is told to stop.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut burst = Vec::with_capacity(BURST);
        self.carry_out();
        loop {
            let deadline = self.core.poll_timeout().map(|moment| self.clock.instant(moment));
            tokio::select! {
                count = inbox.recv_many(&mut burst, BURST) => if count == 0 { return },
                () = sleep_until(deadline) => self.core.handle(Input::Timeout, self.clock.now()),
            }
            for message in burst.drain(..) {
                if matches!(message, Message::Stop) {
                    return self.finish(inbox).await;
                }
                self.take(message);
            }
            self.carry_out();
            self.ground.status.connections.store(self.outlets.len(), Ordering::Relaxed);
        }
    }

    /// Lets the batch that is on its way arrive and its answers go out, and the journal close.
    async fn finish(mut self, mut inbox: mpsc::Receiver<Message>) {
        self.carry_out();
        let arrive = async {
            while self.persisting {
                let Some(message) = inbox.recv().await else { return };
                if matches!(message, Message::Persisted(..) | Message::Verified(..) | Message::Balances(_)) {
                    self.take(message);
                    self.carry_out();
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, arrive).await;
        let Self { journal, journal_thread, .. } = self;
        drop((journal, inbox));
        let _ = tokio::task::spawn_blocking(move || journal_thread.join()).await;
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Accepted { stream, address } => self.accept(stream, address),
            Message::Received(connection, bytes) => {
                self.core.handle(Input::Received { connection, bytes: &bytes }, now);
            }
            Message::Disconnected(connection) => {
                if self.outlets.remove(&connection).is_some() {
                    self.core.handle(Input::Disconnected { connection }, now);
                }
            }
            Message::Template(node, template) => self.core.handle(Input::Template { node, template }, now),
            Message::NodeFailed(node, error) => self.core.handle(Input::NodeFailed { node, error }, now),
            Message::Verified(hashed) => self.verified(hashed),
            Message::Persisted(batch, outcome) => {
                self.persisting = false;
                self.core.handle(Input::Persisted { batch, outcome }, now);
            }
            Message::Window(_, Ok(shares)) => self.core.handle(Input::Window { shares }, now),
            Message::Window(span, Err(error)) => self.window_failed(span, error),
            Message::LoadWindow(span) => self.order(Command::LoadWindow(span)),
            Message::Submitted(hash, node, answer) => {
                self.core.handle(Input::Submitted { hash, answers: vec![(node, answer)] }, now);
            }
            Message::Observed(hash, answers) => {
                if answers.iter().any(|(_, status)| status.is_some()) {
                    points::pass("before-confirmed");
                }
                self.nodes.observed(&hash);
                self.core.handle(Input::Observed { hash, answers }, now);
            }
            Message::RolledUp(outcome) => self.core.handle(Input::RolledUp { outcome }, now),
            Message::Proposed(node, answer) => self.tell(PoolEvent::LayoutChecked { node, answer }),
            Message::Authorized(connection, worker, payout) => {
                self.core.handle(Input::Authorized { connection, worker, payout }, now);
            }
            Message::Retarget(connection, channel, target) => {
                self.core.handle(Input::Retarget { connection, channel, target }, now);
            }
            Message::Balances(answer) => self.order(Command::Balances(answer)),
            Message::Stop => {}
        }
    }

    fn accept(&mut self, stream: TcpStream, address: IpAddr) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.outlets
            .insert(connection, connection::start(connection, stream, self.messages.clone(), &self.ground));
        self.core.handle(Input::Connected { connection, address: Some(address) }, self.clock.now());
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { connection, bytes } => self.send(connection, bytes),
                Effect::Close { connection, reason } => {
                    tracing::debug!(%connection, %reason, "connection closed");
                    self.outlets.remove(&connection);
                }
                Effect::Verify { checks } => {
                    if let Some(hashed) = self.hashing.hash(checks) {
                        self.verified(hashed);
                    }
                }
                Effect::Persist { batch, entries } => {
                    self.persisting = true;
                    self.order(Command::Persist(batch, entries));
                }
                Effect::RollUp { keep, at_most } => self.order(Command::RollUp(keep, at_most)),
                Effect::Pause { connection } => self.let_read(connection, false),
                Effect::Resume { connection } => self.let_read(connection, true),
                Effect::LoadWindow { span } => self.order(Command::LoadWindow(span)),
                Effect::Submit { hash, block } => self.nodes.submit(hash, &block),
                Effect::Observe { hash } => self.nodes.observe(hash),
                Effect::Propose { block } => self.nodes.propose(block),
                Effect::Event(event) => self.tell(event),
                Effect::Authorize { connection, worker, login, agent } => {
                    self.ask(connection, worker, login, agent);
                }
            }
        }
    }

    /// Lets the embedder decide about a worker.
    fn ask(&self, connection: ConnectionId, worker: WorkerId, login: Login, agent: String) {
        let (authorizer, messages) = (self.authorizer.clone(), self.messages.clone());
        tokio::spawn(async move {
            let payout = authorizer.decide(login, agent).await;
            let _ = messages.send(Message::Authorized(connection, worker, payout)).await;
        });
    }

    fn verified(&mut self, hashed: Hashed) {
        let Hashed { checks, digests } = hashed;
        self.core.handle(Input::Verified { checks, digests }, self.clock.now());
    }

    /// Tells the journal's thread what to do. If that has ended, the journal has failed.
    fn order(&mut self, command: Command) {
        let Err(std_mpsc::SendError(command)) = self.journal.send(command) else { return };
        if let Command::Persist(batch, _) = command {
            self.persisting = false;
            let outcome = Err(JournalError::Storage("the journal's thread has ended".into()));
            self.core.handle(Input::Persisted { batch, outcome }, self.clock.now());
        }
    }

    /// Without the shares of earlier lives nobody may be credited, so it is tried until it works.
    fn window_failed(&self, span: Weight, error: JournalError) {
        self.tell(PoolEvent::JournalFailed(error));
        let messages = self.messages.clone();
        tokio::spawn(async move {
            tokio::time::sleep(RETRY).await;
            let _ = messages.send(Message::LoadWindow(span)).await;
        });
    }

    fn send(&mut self, connection: ConnectionId, bytes: Bytes) {
        if self.outlets.get(&connection).is_some_and(|outlet| !outlet.send(bytes))
            && let Some(outlet) = self.outlets.remove(&connection)
        {
            tracing::info!(%connection, "a connection that does not read is cut");
            outlet.cut();
            self.core.handle(Input::Disconnected { connection }, self.clock.now());
        }
    }

    fn let_read(&self, connection: ConnectionId, may: bool) {
        if let Some(outlet) = self.outlets.get(&connection) {
            outlet.let_read(may);
        }
    }

    fn tell(&self, event: PoolEvent) {
        if let PoolEvent::Job { height } = event {
            self.ground.status.height.store(height, Ordering::Relaxed);
        }
        // A reader that lags behind misses news; the pool does not wait for it.
        let _ = self.events.try_send(event);
    }
}

pub(super) async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
