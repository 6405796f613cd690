//! The shell around the core: what the server does, with queues in place of sockets.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use otedama_core::{
    Algorithm, Amount, CompactTarget, Digest, Factor, Hash256, Moment, Now, Target, UnixTime, Weight,
};
use otedama_hash::Verifier;
use otedama_pool::core::{BatchId, Check, ConnectionId, CoreConfig, Effect, Input, NodeId, PoolCore};
use otedama_pool::job::{Layout, Payout};
use otedama_pool::journal::{Applied, Entry, Journal, JournalError, RolledUp, Sqlite};
use otedama_pool::scheme::{Pplns, Scheme as _};
use otedama_pool::{Account, PoolName, Template, TemplateTransaction};

use super::Acks;
use super::load::{CONNECTIONS, Load};
use crate::clock::thread_time;
use crate::program::Failure;

pub(super) const NTIME: u32 = 0x65a0_bc00;
/// A network at which no share of a run is a block.
const NBITS: u32 = 0x1703_4219;
/// Transactions of a block: twelve levels of the merkle path.
const TRANSACTIONS: u64 = 4_000;
/// Messages that are handled before the effects are carried out, as in the server.
const BURST: usize = 128;
/// How long an answer may take before the run has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that happened outside of the core's thread.
pub(super) enum Message {
    Received(u64, String),
    Verified(Vec<Check>, Vec<Digest>),
    Persisted(BatchId, Result<Vec<Applied>, JournalError>),
    RolledUp(Result<RolledUp, JournalError>),
}

/// What the journal's thread is asked to do.
enum Order {
    Persist(BatchId, Arc<[Entry]>),
    RollUp(Weight, u64),
}

/// The core and what is around it.
pub(super) struct Shell {
    core: PoolCore,
    origin: Instant,
    journal: Sender<Order>,
    hashing: Sender<Vec<Check>>,
    _threads: [JoinHandle<()>; 2],
    /// What has come on connections that the core does not want to read from now.
    paused: HashMap<u64, VecDeque<String>>,
    /// The same of connections that it reads again, which take turns as sockets do.
    kept: VecDeque<(u64, VecDeque<String>)>,
    /// What was sent, and when.
    sent: Vec<(Instant, u64, bytes::Bytes)>,
    /// Answers to shares among it.
    answers: u64,
    busy: Duration,
    begin: Instant,
}

impl Shell {
    /// A pool in its first life on this journal, whose thread reports to `inbox`.
    pub(super) fn start(mut journal: Sqlite, inbox: Sender<Message>) -> Result<Self, Failure> {
        let life = journal.begin()?;
        let origin = Instant::now();
        let core = PoolCore::new(config()?, life, Vec::new(), now(origin));
        let (sender, orders) = mpsc::channel();
        let (hashing, hashing_thread) = start_hashing(inbox.clone())?;
        let thread = thread::Builder::new().name("journal".into()).spawn(move || {
            for order in orders {
                let answer = match order {
                    Order::Persist(batch, entries) => Message::Persisted(batch, journal.append(&entries)),
                    Order::RollUp(keep, most) => Message::RolledUp(journal.roll_up(&pool(), keep, most)),
                };
                if inbox.send(answer).is_err() {
                    return;
                }
                journal.tidy();
            }
        })?;
        let (sent, answers, busy, paused) = (Vec::new(), 0, Duration::ZERO, HashMap::new());
        let (journal, begin, _threads) = (sender, origin, [thread, hashing_thread]);
        let kept = VecDeque::new();
        Ok(Self { core, origin, journal, hashing, _threads, paused, kept, sent, answers, busy, begin })
    }

    /// Lets all miners in, and returns the job that each is told.
    pub(super) fn connect(&mut self) -> Result<Arc<[String]>, Failure> {
        let node = NodeId(0);
        self.handle(Input::Template { node, template: Arc::new(template()) })?;
        for number in 0..CONNECTIONS {
            let connection = ConnectionId(number);
            self.handle(Input::Connected { connection, address: None })?;
            let greeting = format!(
                "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"bench\"]}}\n\
                 {{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"miner{number}.rig\",\"x\"]}}\n"
            );
            self.handle(Input::Received { connection, bytes: greeting.as_bytes() })?;
        }
        let mut jobs = vec![String::new(); usize::try_from(CONNECTIONS)?];
        for (_, connection, bytes) in self.sent.drain(..) {
            let Some(job) = std::str::from_utf8(&bytes)?.lines().find_map(notified) else { continue };
            let slot = jobs.get_mut(usize::try_from(connection)?).ok_or("nobody has this connection")?;
            job.clone_into(slot);
        }
        self.answers = 0;
        if jobs.iter().any(String::is_empty) { Err("a miner has no job".into()) } else { Ok(jobs.into()) }
    }

    /// Runs until so many shares are answered.
    pub(super) fn run(
        &mut self,
        begin: Instant,
        messages: &Receiver<Message>,
        shares: u64,
    ) -> Result<(), Failure> {
        self.begin = begin;
        // It must not move while it grows: the pool would wait for that.
        self.sent.reserve(usize::try_from(shares)?);
        let start = thread_time();
        while self.answers < shares {
            if self.kept.is_empty() {
                self.take(messages.recv_timeout(PATIENCE).map_err(|_| {
                    format!("{} of {shares} shares were not answered", shares.saturating_sub(self.answers))
                })?)?;
            }
            self.read_on();
            for message in messages.try_iter().take(BURST) {
                self.take(message)?;
            }
            self.carry_out()?;
        }
        self.busy = thread_time().saturating_sub(start);
        Ok(())
    }

    /// What the answers say, those to shares of the warm-up left out of the latencies.
    pub(super) fn summary(&self, load: &Load, warm_up: Duration) -> Result<Acks, Failure> {
        let (mut latencies, mut refused) = (Vec::new(), 0u64);
        for (moment, connection, bytes) in &self.sent {
            for line in std::str::from_utf8(bytes)?.lines() {
                let Some(id) = answered(line) else { continue };
                let due = load.due(*connection, id);
                if !line.contains("\"result\":true") {
                    refused += 1;
                } else if due >= warm_up {
                    latencies.push(moment.saturating_duration_since(self.begin + due));
                }
            }
        }
        latencies.sort_unstable();
        let end = self.sent.last().map_or(self.begin, |(moment, ..)| *moment);
        let seconds = (end - self.begin).as_secs_f64();
        let at = |part: usize| {
            let index = latencies.len().saturating_sub(1) * part / 100;
            latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
        };
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let accepted = self.answers.saturating_sub(refused) as f64;
        Ok(Acks {
            rate: accepted / seconds,
            median: at(50),
            p99: at(99),
            worst: at(100),
            refused,
            core_load: self.busy.as_secs_f64() / seconds,
        })
    }

    fn take(&mut self, message: Message) -> Result<(), Failure> {
        let now = now(self.origin);
        match message {
            Message::Received(connection, lines) => self.receive(connection, lines),
            Message::Verified(checks, digests) => {
                self.core.handle(Input::Verified { checks, digests }, now);
            }
            Message::Persisted(batch, outcome) => {
                outcome.as_ref().map_err(ToString::to_string)?;
                self.core.handle(Input::Persisted { batch, outcome }, now);
            }
            Message::RolledUp(outcome) => self.core.handle(Input::RolledUp { outcome }, now),
        }
        Ok(())
    }

    /// Hands in the next lines of each connection that is read again.
    fn read_on(&mut self) {
        for _ in 0..self.kept.len() {
            let Some((connection, mut waiting)) = self.kept.pop_front() else { return };
            if let Some(lines) = waiting.pop_front() {
                self.core.handle(received(connection, &lines), now(self.origin));
            }
            if !waiting.is_empty() {
                self.kept.push_back((connection, waiting));
            }
        }
    }

    /// Hands lines in, or keeps them behind those that wait.
    fn receive(&mut self, connection: u64, lines: String) {
        let kept = self.kept.iter_mut().find(|(of, _)| *of == connection).map(|(_, waiting)| waiting);
        if let Some(waiting) = self.paused.get_mut(&connection).or(kept) {
            return waiting.push_back(lines);
        }
        self.core.handle(received(connection, &lines), now(self.origin));
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), Failure> {
        self.core.handle(input, now(self.origin));
        self.carry_out()
    }

    /// Does what the core wants.
    fn carry_out(&mut self) -> Result<(), Failure> {
        while let Some(effect) = self.core.poll_effect() {
            self.effect(effect)?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> Result<(), Failure> {
        match effect {
            Effect::Send { connection, bytes } => {
                self.answers += lines(&bytes);
                self.sent.push((Instant::now(), connection.0, bytes));
            }
            Effect::Verify { checks } => {
                // A thread that has ended gives no answer, which ends the run.
                let _ = self.hashing.send(checks);
            }
            Effect::Pause { connection: ConnectionId(connection) } => {
                let kept = self.kept.iter().position(|(of, _)| *of == connection);
                let waiting = kept.and_then(|at| self.kept.remove(at)).map(|(_, waiting)| waiting);
                self.paused.insert(connection, waiting.unwrap_or_default());
            }
            Effect::Resume { connection: ConnectionId(connection) } => {
                let waiting = self.paused.remove(&connection).filter(|waiting| !waiting.is_empty());
                self.kept.extend(waiting.map(|waiting| (connection, waiting)));
            }
            Effect::Persist { batch, entries } => {
                let _ = self.journal.send(Order::Persist(batch, entries));
            }
            Effect::RollUp { keep, at_most } => {
                let _ = self.journal.send(Order::RollUp(keep, at_most));
            }
            Effect::LoadWindow { .. } => {
                let shares = Vec::new();
                self.core.handle(Input::Window { shares }, now(self.origin));
            }
            Effect::Close { connection, reason } => {
                return Err(format!("connection {connection} was closed: {reason}").into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// A thread that hashes what it is sent, and reports to `inbox`.
fn start_hashing(inbox: Sender<Message>) -> Result<(Sender<Vec<Check>>, JoinHandle<()>), Failure> {
    let verifier = Verifier::new(Algorithm::SHA256D)?;
    let (sender, orders) = mpsc::channel::<Vec<Check>>();
    let thread = thread::Builder::new().name("hashing".into()).spawn(move || {
        for checks in orders {
            let digests = verifier.digests(checks.iter().map(Check::claim));
            if inbox.send(Message::Verified(checks, digests)).is_err() {
                return;
            }
        }
    })?;
    Ok((sender, thread))
}

fn pool() -> PoolName {
    PoolName::new("default")
}

fn now(origin: Instant) -> Now {
    Now::new(Moment::after_origin(origin.elapsed()), UnixTime::from_secs(NTIME.into()))
}

fn received(connection: u64, lines: &str) -> Input<'_> {
    Input::Received { connection: ConnectionId(connection), bytes: lines.as_bytes() }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// The id of the job in a line that tells one.
fn notified(line: &str) -> Option<&str> {
    line.contains(r#""method":"mining.notify""#).then_some(())?;
    line.split_once(r#""params":[""#)?.1.split('"').next()
}

/// The id that a line answers.
fn answered(line: &str) -> Option<u64> {
    let digits = line.split_once("\"id\":")?.1;
    let end = digits.find(|character: char| !character.is_ascii_digit())?;
    digits.get(..end)?.parse().ok()
}

/// A PPLNS pool that gives every miner the easiest target: each hash is a share.
fn config() -> Result<CoreConfig, Failure> {
    let scheme = Pplns::new(Factor::whole(2))?;
    let layout = Layout {
        algorithm: Algorithm::SHA256D,
        payee: scheme.payee(),
        pool_script: Box::from([0x51; 34]),
        fee: "1.0".parse()?,
        tag: Box::from(*b"/bench/"),
        extranonce_len: 12,
        version_mask: 0,
    };
    let script: Arc<[u8]> = Arc::from([0x51; 34]);
    let payouts = move |name: &str| Some(Payout { account: Account::new(name), script: script.clone() });
    let mut config = CoreConfig::new(pool(), layout, Arc::new(scheme), 100, payouts);
    config.vardiff.start = Some(Target::MAX);
    config.vardiff.hardest = Target::MAX;
    Ok(config)
}

/// A job as large as those of a busy chain.
fn template() -> Template {
    let (previous, value) = (Hash256::sha256d(b"previous"), Amount::from_atomic(312_500_000));
    let mut template = Template::new(840_000, previous, CompactTarget::from_bits(NBITS), NTIME, value);
    template.transactions = (0..TRANSACTIONS)
        .map(|number| {
            let txid = Hash256::sha256d(&number.to_le_bytes());
            let data = Box::from([]);
            TemplateTransaction { txid, wtxid: txid, data, fee: Some(Amount::ZERO), sigops: 0, weight: 0 }
        })
        .collect();
    template
}
