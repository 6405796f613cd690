//! Miners in this process, at a difficulty at which nearly every hash is a share.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use otedama_core::{Algorithm, Digest, Extranonce, Job, Moment, Now, Share, UnixTime};
use otedama_hash::Verifier;
use otedama_stratum::{ClientConfig, ClientEvent, ClientSession, Login, ShareId};

/// Shares that a miner sends before it waits for answers.
const IN_FLIGHT: usize = 64;

/// The digests of all shares that any miner saw accepted, in all lives of the pool.
#[derive(Clone, Default)]
pub struct Accepted(Arc<(Mutex<Vec<Digest>>, Condvar)>);

impl Accepted {
    pub fn all(&self) -> Vec<Digest> {
        self.0.0.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap().len()
    }

    /// Waits until there are so many.
    pub fn wait_for(&self, count: usize, patience: Duration) {
        let digests = self.0.0.lock().unwrap();
        let (digests, timeout) =
            self.0.1.wait_timeout_while(digests, patience, |digests| digests.len() < count).unwrap();
        assert!(!timeout.timed_out(), "only {} of {count} shares were accepted", digests.len());
    }

    fn push(&self, digest: Digest) {
        self.0.0.lock().unwrap().push(digest);
        self.0.1.notify_all();
    }
}

/// Mines on a thread until the connection is gone.
pub fn start(address: &str, user: &str, accepted: &Accepted) -> JoinHandle<()> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let login = Login::new(Algorithm::SHA256D, user);
    let miner = Miner {
        stream,
        begin: Instant::now(),
        session: ClientSession::new(ClientConfig::new(login), Now::default()),
        verifier: Verifier::new(Algorithm::SHA256D).unwrap(),
        job: None,
        counter: 0,
        waiting: HashMap::new(),
        accepted: accepted.clone(),
    };
    thread::spawn(move || miner.run())
}

struct Miner {
    stream: TcpStream,
    begin: Instant,
    session: ClientSession,
    verifier: Verifier,
    job: Option<Job>,
    counter: u64,
    waiting: HashMap<ShareId, Digest>,
    accepted: Accepted,
}

impl Miner {
    fn run(mut self) {
        let mut bytes = [0; 1 << 16];
        loop {
            while let Some(bytes) = self.session.poll_transmit() {
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
            while self.job.is_some() && self.waiting.len() < IN_FLIGHT {
                self.mine();
            }
        }
    }

    fn now(&self) -> Now {
        Now::new(Moment::after_origin(self.begin.elapsed()), UnixTime::from_secs(0))
    }

    fn take(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Job(job) => self.job = Some(job),
            ClientEvent::Accepted(id) => {
                let digest = self.waiting.remove(&id).unwrap();
                self.accepted.push(digest);
            }
            ClientEvent::Rejected(id, _) => {
                self.waiting.remove(&id).unwrap();
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
            if job.judge(digest).is_ok() {
                let now = self.now();
                if let Ok(id) = self.session.submit(&share, now) {
                    self.waiting.insert(id, digest);
                }
                return;
            }
        }
    }
}
