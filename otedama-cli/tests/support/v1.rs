//! Miners in this process, at a difficulty at which nearly every hash is a share.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use otedama_core::{Algorithm, Digest, Extranonce, Job, Moment, Now, Share, UnixTime, Weight};
use otedama_hash::Verifier;
use otedama_stratum::{ClientConfig, ClientEvent, ClientSession, Login, ShareId};

/// A share as its miner sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whose it is: the user name up to the first `+` or `.`.
    pub account: String,
    pub digest: Digest,
    pub weight: Weight,
}

/// What miners know of their shares, over all lives of the pool.
#[derive(Clone, Default)]
pub struct Accepted(Arc<(Mutex<Known>, Condvar)>);

#[derive(Default)]
struct Known {
    accepted: Vec<Sent>,
    unanswered: Vec<Sent>,
    refused: Vec<(Sent, String)>,
    /// Lines that submitted a share, with the extranonce1 that they are about.
    lines: Vec<(String, String)>,
}

impl Accepted {
    /// The digests of all shares that any miner saw accepted.
    pub fn all(&self) -> Vec<Digest> {
        self.lock().accepted.iter().map(|sent| sent.digest).collect()
    }

    /// All shares that any miner saw accepted.
    pub fn sent(&self) -> Vec<Sent> {
        self.lock().accepted.clone()
    }

    pub fn count(&self) -> usize {
        self.lock().accepted.len()
    }

    /// The shares whose miners were cut off before there was an answer, since this was asked last.
    pub fn take_unanswered(&self) -> Vec<Sent> {
        std::mem::take(&mut self.lock().unanswered)
    }

    /// The shares that were refused and why, in the order in which it was said.
    pub fn refused(&self) -> Vec<(Sent, String)> {
        self.lock().refused.clone()
    }

    /// The lines that submitted shares, each with the extranonce1 of its session, since this was asked last.
    pub fn take_lines(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.lock().lines)
    }

    /// Waits until so many are accepted.
    pub fn wait_for(&self, count: usize, patience: Duration) {
        self.wait_until(patience, &format!("{count} shares are accepted"), |known| {
            known.accepted.len() >= count
        });
    }

    /// Waits until a share is refused with this in the words.
    pub fn wait_for_refusal(&self, words: &str, patience: Duration) {
        self.wait_until(patience, &format!("a share is refused with {words:?}"), |known| {
            known.refused.iter().any(|(_, why)| why.contains(words))
        });
    }

    fn wait_until(&self, patience: Duration, what: &str, done: impl Fn(&Known) -> bool) {
        let (known, timeout) =
            self.0.1.wait_timeout_while(self.lock(), patience, |known| !done(known)).unwrap();
        let Known { accepted, refused, .. } = &*known;
        let (accepted, refused) = (accepted.len(), refused.len());
        assert!(!timeout.timed_out(), "not in time: {what}; {accepted} were accepted, {refused} refused");
    }

    fn note(&self, note: impl FnOnce(&mut Known)) {
        note(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.0.lock().unwrap()
    }
}

/// How a miner works.
#[derive(Clone, Copy)]
pub struct Pace {
    pub algorithm: Algorithm,
    /// Shares that it sends before it waits for answers.
    pub in_flight: usize,
    /// How long it rests between two shares.
    pub rest: Duration,
    /// Whether what it sent is kept word by word.
    pub keeps_lines: bool,
}

impl Pace {
    /// As fast as one thread hashes.
    pub const FAST: Self =
        Self { algorithm: Algorithm::SHA256D, in_flight: 64, rest: Duration::ZERO, keeps_lines: false };
}

/// Mines on a thread until the connection is gone, or nobody listens there.
pub fn start(address: &str, user: &str, pace: Pace, accepted: &Accepted) -> JoinHandle<()> {
    let stream = TcpStream::connect(address);
    let (user, accepted) = (user.to_owned(), accepted.clone());
    thread::spawn(move || {
        // A pool may be gone as soon as it listens.
        let Ok(stream) = stream else { return };
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let begin = Instant::now();
        let mut miner = Miner {
            stream,
            begin,
            session: ClientSession::new(ClientConfig::new(Login::new(pace.algorithm, &user)), Now::default()),
            verifier: Verifier::new(pace.algorithm).unwrap(),
            account: user.split(['+', '.']).next().unwrap().to_owned(),
            pace,
            next: begin,
            job: None,
            counter: 0,
            waiting: HashMap::new(),
            accepted,
        };
        miner.run();
        let unanswered = miner.waiting.into_values();
        miner.accepted.note(|known| known.unanswered.extend(unanswered));
    })
}

struct Miner {
    stream: TcpStream,
    begin: Instant,
    session: ClientSession,
    verifier: Verifier,
    account: String,
    pace: Pace,
    next: Instant,
    job: Option<Job>,
    counter: u64,
    waiting: HashMap<ShareId, Sent>,
    accepted: Accepted,
}

impl Miner {
    fn run(&mut self) {
        let mut bytes = [0; 1 << 16];
        loop {
            while let Some(bytes) = self.session.poll_transmit() {
                self.keep(&bytes);
                if self.stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => self.session.handle_input(&bytes[..count], self.now()).unwrap(),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
            while let Some(event) = self.session.poll_event() {
                self.take(event);
            }
            while self.job.is_some()
                && self.waiting.len() < self.pace.in_flight
                && self.next <= Instant::now()
            {
                self.mine();
                self.next += self.pace.rest;
            }
        }
    }

    /// Keeps what submits a share, for whoever wants to send it again.
    fn keep(&self, bytes: &[u8]) {
        let Some(job) = self.job.as_ref().filter(|_| self.pace.keeps_lines) else { return };
        let prefix = job.terms().extranonce_prefix.to_string();
        let text = String::from_utf8_lossy(bytes);
        let submits = text.lines().filter(|line| line.contains("mining.submit"));
        let lines: Vec<_> = submits.map(|line| (prefix.clone(), line.to_owned())).collect();
        self.accepted.note(|known| known.lines.extend(lines));
    }

    fn now(&self) -> Now {
        Now::new(Moment::after_origin(self.begin.elapsed()), UnixTime::from_secs(0))
    }

    fn take(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Job(job) => self.job = Some(job),
            ClientEvent::Accepted(id) => {
                let sent = self.waiting.remove(&id).unwrap();
                self.accepted.note(|known| known.accepted.push(sent));
            }
            ClientEvent::Rejected(id, why) => {
                let sent = self.waiting.remove(&id).unwrap();
                self.accepted.note(|known| known.refused.push((sent, why.to_string())));
            }
            _ => {}
        }
    }

    /// Finds a share of the job and sends it.
    fn mine(&mut self) {
        let Some(job) = &self.job else { return };
        loop {
            self.counter += 1;
            let extranonce2 = Extranonce::from_counter(self.counter, job.terms().extranonce2_len).unwrap();
            let otedama_core::HeaderSource::Bitcoin(source) = &job.body().source else { return };
            let share =
                Share::new(job.terms().channel, job.id(), extranonce2, source.ntime, self.counter & 0xffff);
            let digest = self.verifier.digest(&job.header(&share).unwrap());
            if let Ok(verdict) = job.judge(digest) {
                let now = self.now();
                if let Ok(id) = self.session.submit(&share, now) {
                    let (account, weight) = (self.account.clone(), verdict.weight());
                    self.waiting.insert(id, Sent { account, digest, weight });
                }
                return;
            }
        }
    }
}
