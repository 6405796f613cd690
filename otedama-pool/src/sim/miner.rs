//! A miner of a simulation: a real client session, and a memory for what it was told.

use std::collections::{HashMap, VecDeque};

use otedama_core::{Algorithm, Digest, Extranonce, Generation, Job, Now, Share, Solution, Weight};
use otedama_hash::Verifier;
use otedama_stratum::{ClientConfig, ClientEvent, ClientSession, Login, Numbers, ShareId};

/// Lines that are kept for somebody to send again.
const LINES: usize = 48;
/// Shares that are kept to be repeated.
const SHARES: usize = 16;

/// A miner, connected or not.
#[derive(Debug)]
pub(super) struct Miner {
    user: String,
    password: String,
    session: Option<ClientSession>,
    job: Option<Job>,
    waiting: HashMap<ShareId, Sent>,
    /// Shares of this connection.
    sent: VecDeque<Sent>,
    /// The parameters of shares of all connections, as they were sent.
    pub(super) lines: VecDeque<String>,
    rolled: u64,
    resume: Option<String>,
    numbers: Numbers,
}

/// A share that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    share: Share,
    pub(super) digest: Digest,
    pub(super) weight: Weight,
}

/// What a miner learns.
#[derive(Debug)]
pub(super) enum Told {
    Accepted(Sent),
    Refused,
}

impl Miner {
    /// A miner who asks for shares of this difficulty; without one the pool chooses.
    pub(super) fn new(address: String, name: &str, difficulty: Option<f64>) -> Self {
        let password = difficulty.map_or_else(|| "x".to_owned(), |difficulty| format!("d={difficulty:e}"));
        Self {
            user: format!("{address}.{name}"),
            password,
            session: None,
            job: None,
            waiting: HashMap::new(),
            sent: VecDeque::new(),
            lines: VecDeque::new(),
            rolled: 0,
            resume: None,
            numbers: Numbers::default(),
        }
    }

    /// Begins a session, going on with the one before if the pool lets it.
    pub(super) fn connect(&mut self, now: Now) {
        let login = Login::new(Algorithm::SHA256D, self.user.as_str()).password(self.password.as_str());
        let mut config = ClientConfig::new(login);
        (config.resume, config.numbers) = (self.resume.take(), self.numbers);
        self.session = Some(ClientSession::new(config, now));
    }

    /// The connection is gone.
    pub(super) fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            self.resume = session.session().map(str::to_owned);
            self.numbers = session.numbers();
        }
        self.job = None;
        self.waiting.clear();
        self.sent.clear();
    }

    /// Shares that nobody has answered yet.
    pub(super) fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    /// The session id and the user, for somebody who would like to be this miner.
    pub(super) fn identity(&self) -> (Option<String>, String, String) {
        let session = self.session.as_ref().and_then(ClientSession::session).map(str::to_owned);
        (session.or_else(|| self.resume.clone()), self.user.clone(), self.password.clone())
    }

    /// Finds a share of the current job and sends it; `false` without a job.
    pub(super) fn mine(&mut self, verifier: &Verifier, now: Now) -> bool {
        let Some(job) = self.job.clone() else { return false };
        loop {
            self.rolled += 1;
            let Some(extranonce2) = Extranonce::from_counter(self.rolled, job.terms().extranonce2_len) else {
                return false;
            };
            let Ok(work) = job.work(&extranonce2, Generation(0)) else { return false };
            for nonce in 0..256 {
                let digest = verifier.digest(&work.header.with_nonce(work.algorithm, nonce));
                if let Ok(verdict) = job.judge(digest) {
                    let share = Share::from_solution(&job, extranonce2, Solution::new(Generation(0), nonce));
                    return self.submit(Sent { share, digest, weight: verdict.weight() }, now);
                }
            }
        }
    }

    /// Sends a share of this connection again.
    pub(super) fn repeat(&mut self, which: usize, now: Now) {
        let which = which.checked_rem(self.sent.len()).unwrap_or(0);
        if let Some(sent) = self.sent.get(which).cloned() {
            self.submit(sent, now);
        }
    }

    fn submit(&mut self, sent: Sent, now: Now) -> bool {
        let Some(id) = self.session.as_mut().and_then(|session| session.submit(&sent.share, now).ok()) else {
            return false;
        };
        if self.sent.len() == SHARES {
            self.sent.pop_front();
        }
        self.sent.push_back(sent.clone());
        self.waiting.insert(id, sent);
        true
    }

    /// The next bytes to send.
    pub(super) fn transmit(&mut self) -> Option<Vec<u8>> {
        let bytes = self.session.as_mut()?.poll_transmit()?;
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines().filter(|line| line.contains("\"mining.submit\"")) {
            let params = line.split_once("\"params\":").map(|(_, rest)| rest.trim_end_matches('}'));
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            self.lines.extend(params.map(str::to_owned));
        }
        Some(bytes.to_vec())
    }

    /// Takes what the pool says. `Err` if it makes no sense, which a pool must never do.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Now) -> Result<Vec<Told>, String> {
        let Some(session) = self.session.as_mut() else { return Ok(Vec::new()) };
        session.handle_input(bytes, now).map_err(|error| error.to_string())?;
        let mut told = Vec::new();
        let mut again = Vec::new();
        while let Some(event) = session.poll_event() {
            match event {
                ClientEvent::Job(job) => self.job = Some(job),
                ClientEvent::Accepted(id) => told.extend(self.waiting.remove(&id).map(Told::Accepted)),
                ClientEvent::Rejected(id, why) => {
                    let sent = self.waiting.remove(&id);
                    // Nothing is wrong with such a share, so an eager miner sends it again.
                    again.extend(sent.filter(|_| why.message.contains("could not be recorded")));
                    told.push(Told::Refused);
                }
                _ => {}
            }
        }
        for sent in again {
            self.submit(sent, now);
        }
        Ok(told)
    }
}
