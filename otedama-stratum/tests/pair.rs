//! Client and server against each other, over a wire that chops.
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Algorithm, ChannelId, Difficulty, Extranonce, Job, JobBody, JobId, Share, Target, Terms};
use otedama_stratum::testkit::{Pair, PairError};
use otedama_stratum::{
    ClientConfig, ClientEvent, EncodedJob, Login, ServerConfig, ServerEvent, SessionError, SubmitError,
    Ticket,
};
use support::block_one;

/// A pool that says yes, and a miner, joined.
struct Table {
    pair: Pair,
    prefix: Extranonce,
    shares: Vec<(Ticket, Share)>,
    others: Vec<ServerEvent>,
    heard: Vec<ClientEvent>,
}

impl Table {
    fn new(seed: u64) -> Self {
        let mut server = ServerConfig::new(Algorithm::SHA256D);
        server.extranonce2_len = 2;
        let client = ClientConfig::new(Login::new(Algorithm::SHA256D, "wallet.rig1").password("d=1"));
        Self::with(client, server, seed)
    }

    fn with(client: ClientConfig, server: ServerConfig, seed: u64) -> Self {
        let prefix = Extranonce::from_hex("ffff001d").unwrap();
        let pair = Pair::new(client, Arc::new(server), seed);
        Self { pair, prefix, shares: Vec::new(), others: Vec::new(), heard: Vec::new() }
    }

    /// Lets both sides talk until they have nothing more to say.
    fn talk(&mut self) -> Result<(), PairError> {
        loop {
            self.pair.exchange()?;
            let mut quiet = true;
            while let Some(event) = self.pair.server.poll_event() {
                quiet = false;
                match event {
                    ServerEvent::Subscribe { resume, .. } => {
                        self.prefix = resume.unwrap_or(self.prefix);
                        self.pair.server.open_channel(ChannelId(0), self.prefix, Target::MAX);
                    }
                    ServerEvent::Authorize { worker, login } => {
                        let allowed = login.user != "banned";
                        self.pair.server.authorize(worker, allowed);
                    }
                    ServerEvent::Submit { ticket, share } => self.shares.push((ticket, share)),
                    other => self.others.push(other),
                }
            }
            while let Some(event) = self.pair.client.poll_event() {
                quiet = false;
                self.heard.push(event);
            }
            if quiet {
                return Ok(());
            }
        }
    }

    fn send(&mut self, body: &JobBody, id: u32, difficulty: f64) {
        let terms = Terms {
            channel: ChannelId(0),
            id: JobId(id),
            share_target: Difficulty::from_f64(Algorithm::SHA256D, difficulty).unwrap().target(),
            extranonce_prefix: self.prefix,
            extranonce2_len: 2,
            version_mask: self.pair.server.version_mask(),
        };
        self.pair.server.send_job(&EncodedJob::new(body).unwrap(), &terms);
    }

    /// The jobs that the client's embedder saw since the last call.
    fn jobs(&mut self) -> Vec<Job> {
        let heard = std::mem::take(&mut self.heard);
        heard
            .into_iter()
            .filter_map(|event| match event {
                ClientEvent::Job(job) => Some(job),
                _ => None,
            })
            .collect()
    }
}

/// The share that solves block 1.
fn solution(job: &Job) -> Share {
    let extranonce2 = Extranonce::from_hex("0104").unwrap();
    Share::new(ChannelId(0), job.id(), extranonce2, 0x4966_bc61, 0x9962_e301)
}

#[test]
fn block_one_is_mined_however_the_wire_chops() {
    for seed in 0..50 {
        let mut table = Table::new(seed);
        table.talk().unwrap();
        assert!(matches!(table.heard[..], [ClientEvent::Ready]), "{:?}", table.heard);
        assert_eq!(table.pair.client.version_mask(), 0x1fff_e000);
        assert!(table.pair.server.accepts_extranonce_changes());
        table.send(&block_one(), 7, 0.5);
        table.talk().unwrap();
        let job = table.jobs().pop().unwrap();
        assert_eq!(Difficulty::from_target(Algorithm::SHA256D, job.terms().share_target).as_f64(), 0.5);
        let id = table.pair.client.submit(&solution(&job), table.pair.now).unwrap();
        table.talk().unwrap();
        let (ticket, share) = table.shares.pop().unwrap();
        assert_eq!(share.job, JobId(7));
        assert_eq!(
            otedama_core::hex::encode(job.header(&solution(&job)).unwrap().as_bytes()),
            support::BLOCK_ONE
        );
        table.pair.server.answer(ticket, Ok(()));
        table.talk().unwrap();
        assert!(matches!(table.heard[..], [ClientEvent::Accepted(accepted)] if accepted == id));
    }
}

#[test]
fn a_new_prefix_and_difficulty_reach_the_miner_as_a_job() {
    let mut table = Table::new(7);
    table.talk().unwrap();
    table.send(&block_one(), 1, 0.5);
    table.talk().unwrap();
    let old = table.jobs().pop().unwrap();
    let prefix = Extranonce::from_hex("01020304").unwrap();
    assert!(table.pair.server.change_prefix(ChannelId(0), prefix));
    table.prefix = prefix;
    table.talk().unwrap();
    assert!(table.jobs().is_empty());
    let mut body = block_one();
    body.clean = false;
    table.send(&body, 2, 0.25);
    table.talk().unwrap();
    let new = table.jobs().pop().unwrap();
    assert_eq!(new.terms().extranonce_prefix, prefix);
    assert_eq!(Difficulty::from_target(Algorithm::SHA256D, new.terms().share_target).as_f64(), 0.25);
    assert!(new.body().clean, "work under the old prefix is over");
    assert_eq!(table.pair.client.submit(&solution(&old), table.pair.now), Err(SubmitError::UnknownJob));
    assert!(table.pair.client.submit(&solution(&new), table.pair.now).is_ok());
}

#[test]
fn a_refused_login_is_told_as_such() {
    let client = ClientConfig::new(Login::new(Algorithm::SHA256D, "banned"));
    let mut table = Table::with(client, ServerConfig::new(Algorithm::SHA256D), 3);
    let end = table.talk().unwrap_err();
    assert_eq!(end.to_string(), "client: login refused: unauthorised worker (24)");
}

#[test]
fn a_pool_without_version_rolling_gets_none() {
    let mut server = ServerConfig::new(Algorithm::SHA256D);
    server.version_mask = 0;
    let mut table = Table::with(ClientConfig::new(Login::new(Algorithm::SHA256D, "w")), server, 3);
    table.talk().unwrap();
    assert_eq!((table.pair.client.version_mask(), table.pair.server.version_mask()), (0, 0));
    assert_eq!(table.others, [ServerEvent::VersionMask(0)]);
}

#[test]
fn a_later_session_goes_on_with_the_extranonce() {
    let mut table = Table::new(5);
    table.talk().unwrap();
    let mut client = ClientConfig::new(Login::new(Algorithm::SHA256D, "wallet.rig1"));
    client.resume = table.pair.client.session().map(str::to_owned);
    let mut next = Table::with(client, ServerConfig::new(Algorithm::SHA256D), 6);
    next.prefix = Extranonce::from_hex("00000001").unwrap();
    next.talk().unwrap();
    assert_eq!(next.prefix, table.prefix);
}

#[test]
fn a_share_without_an_answer_ends_the_session() {
    let mut table = Table::new(9);
    table.talk().unwrap();
    table.send(&block_one(), 1, 0.5);
    table.talk().unwrap();
    let job = table.jobs().pop().unwrap();
    table.pair.client.submit(&solution(&job), table.pair.now).unwrap();
    assert_eq!(table.pair.wait(Duration::from_secs(119)), Ok(()));
    assert_eq!(table.pair.wait(Duration::from_secs(1)), Err(PairError::Client(SessionError::NoAnswer)));
    let late = table.pair.client.submit(&solution(&job), table.pair.now);
    assert_eq!(late, Err(SubmitError::Ended));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut table = Table::new(seed);
        table.talk().unwrap();
        table.send(&block_one(), 1, 0.5);
        table.talk().unwrap();
        format!("{:?}", table.pair)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
