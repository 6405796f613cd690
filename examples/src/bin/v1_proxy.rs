//! Many miners on one connection to a pool: server sessions on one side, a client session on the other.
//!
//!     v1_proxy 127.0.0.1:3333 pool.example:3333 wallet.farm
//!
//! Each miner gets the pool's extranonce prefix and two bytes more, so no two search the same space; the pool sees one
//! worker. It ends when the pool does: to reconnect, start it again.

use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use otedama_core::{Algorithm, ChannelId, Extranonce, Job, Now, Reject, Share, Target, Terms};
use otedama_examples::{Clock, Failure, News, accept, read, send};
use otedama_stratum::{
    ClientConfig, ClientEvent, ClientSession, EncodedJob, Login, Rejection, ServerConfig, ServerEvent,
    ServerSession, ShareId, Ticket,
};

/// The number of the pool's connection; miners count from 1.
const POOL: u16 = 0;
/// Bytes of the pool's extranonce2 that tell the miners apart.
const SHARED: usize = 2;

struct Proxy {
    pool: ClientSession,
    pool_stream: TcpStream,
    miners: HashMap<u16, Miner>,
    /// What new miners begin with, and the settings that follow from it; from the pool's first job on.
    job: Option<(Job, EncodedJob)>,
    config: Arc<ServerConfig>,
    waiting: HashMap<ShareId, (u16, Ticket)>,
}

struct Miner {
    session: ServerSession,
    stream: TcpStream,
    /// Whether somebody is authorised, and whether the first job is out; requests come in any order.
    authorized: bool,
    mining: bool,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, pool, user] = &arguments[..] else {
        return Err("usage: v1_proxy ADDRESS POOL USER".into());
    };
    let listener = TcpListener::bind(address)?;
    let pool_stream = TcpStream::connect(pool)?;
    let (news, happened) = mpsc::channel();
    read(POOL, pool_stream.try_clone()?, news.clone());
    let clock = Clock::start();
    let login = Login::new(Algorithm::SHA256D, user);
    let mut proxy = Proxy {
        pool: ClientSession::new(ClientConfig::new(login), clock.now()),
        pool_stream,
        miners: HashMap::new(),
        job: None,
        config: Arc::new(ServerConfig::new(Algorithm::SHA256D)),
        waiting: HashMap::new(),
    };
    proxy.run(listener, news, &happened, clock)
}

impl Proxy {
    fn run(
        &mut self,
        listener: TcpListener,
        news: Sender<News>,
        happened: &Receiver<News>,
        clock: Clock,
    ) -> Result<(), Failure> {
        let mut listener = Some((listener, news));
        loop {
            while let Some(bytes) = self.pool.poll_transmit() {
                self.pool_stream.write_all(&bytes)?;
            }
            let news = happened.recv_timeout(self.patience(clock.now())).ok();
            let now = clock.now();
            match news {
                Some(News::Received(POOL, bytes)) => self.pool.handle_input(&bytes, now)?,
                Some(News::Closed(POOL)) => return Err("the pool closed the connection".into()),
                Some(News::Opened(id, stream)) => {
                    let session = ServerSession::new(Arc::clone(&self.config), now);
                    self.miners.insert(id, Miner { session, stream, authorized: false, mining: false });
                }
                Some(News::Received(id, bytes)) => {
                    let _ = self.miners.get_mut(&id).map(|miner| miner.session.handle_input(&bytes, now));
                }
                Some(News::Closed(id)) => drop(self.miners.remove(&id)),
                None => {}
            }
            self.pool.handle_timeout(now)?;
            self.hear_pool()?;
            self.hear_miners(now);
            self.miners.retain(|_, miner| {
                send(&mut miner.session, &mut miner.stream).is_ok()
                    && miner.session.handle_timeout(now).is_ok()
            });
            // The first job says how much extranonce there is to share: only then miners may come.
            if self.job.is_some()
                && let Some((listener, news)) = listener.take()
            {
                println!("listening {}", listener.local_addr()?);
                accept(listener, news);
            }
        }
    }

    fn patience(&self, now: Now) -> Duration {
        let miners = self.miners.values().filter_map(|miner| miner.session.poll_timeout());
        let next = miners.chain(self.pool.poll_timeout()).min();
        next.map_or(Duration::from_secs(60), |moment| moment.since(now.moment))
    }

    fn hear_pool(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.pool.poll_event() {
            match event {
                ClientEvent::Job(job) => self.give(job)?,
                ClientEvent::Accepted(id) => self.answer(id, Ok(())),
                ClientEvent::Rejected(id, why) => {
                    let reject = self.translate(&why);
                    self.answer(id, Err(reject));
                }
                other => eprintln!("pool: {other:?}"),
            }
        }
        Ok(())
    }

    /// Passes a job on to all miners. Those that cannot follow to a new prefix are let go: they will come back.
    fn give(&mut self, job: Job) -> Result<(), Failure> {
        let encoded = EncodedJob::new(job.body())?;
        if self.job.is_none() {
            let mut config = ServerConfig::new(job.algorithm());
            config.extranonce2_len = job
                .terms()
                .extranonce2_len
                .checked_sub(SHARED)
                .ok_or("the pool leaves no extranonce to share")?;
            config.version_mask = job.terms().version_mask;
            self.config = Arc::new(config);
        }
        let moved = self
            .job
            .as_ref()
            .is_some_and(|(old, _)| old.terms().extranonce_prefix != job.terms().extranonce_prefix);
        self.miners.retain(|id, miner| {
            let Some(terms) = terms(&job, *id) else { return false };
            if moved
                && miner.session.is_subscribed()
                && !miner.session.change_prefix(ChannelId(0), terms.extranonce_prefix)
            {
                return false;
            }
            if miner.mining {
                miner.session.send_job(&encoded, &terms);
            }
            true
        });
        self.job = Some((job, encoded));
        Ok(())
    }

    fn hear_miners(&mut self, now: Now) {
        let Some((job, encoded)) = &self.job else { return };
        for (id, miner) in &mut self.miners {
            let Some(terms) = terms(job, *id) else { continue };
            while let Some(event) = miner.session.poll_event() {
                match event {
                    ServerEvent::Subscribe { .. } => {
                        miner.session.open_channel(ChannelId(0), terms.extranonce_prefix, Target::MAX)
                    }
                    ServerEvent::Authorize { worker, .. } => {
                        miner.session.authorize(worker, true);
                        miner.authorized = true;
                    }
                    ServerEvent::Submit { ticket, share } => {
                        match self.pool.submit(&upward(*id, &share), now) {
                            Ok(sent) => drop(self.waiting.insert(sent, (*id, ticket))),
                            Err(_) => miner.session.answer(ticket, Err(Reject::Stale)),
                        }
                    }
                    other => eprintln!("miner {id}: {other:?}"),
                }
            }
            if miner.authorized && miner.session.is_subscribed() && !miner.mining {
                miner.session.send_job(encoded, &terms);
                miner.mining = true;
            }
        }
    }

    fn answer(&mut self, id: ShareId, verdict: Result<(), Reject>) {
        let waiting = self.waiting.remove(&id);
        let found = waiting.and_then(|(id, ticket)| Some((self.miners.get_mut(&id)?, ticket)));
        if let Some((miner, ticket)) = found {
            miner.session.answer(ticket, verdict);
        }
    }

    /// What the pool said, as a reason for the miner.
    fn translate(&self, why: &Rejection) -> Reject {
        let target = self.job.as_ref().map(|(job, _)| job.terms().share_target).unwrap_or(Target::ZERO);
        match why.code {
            Some(21) => Reject::UnknownJob,
            Some(22) => Reject::Duplicate,
            Some(23) => Reject::LowDifficulty { reached: Target::MAX, target },
            _ => Reject::NotRecorded,
        }
    }
}

/// The pool's terms as a miner gets them: two bytes of extranonce2 become the end of its prefix.
fn terms(job: &Job, miner: u16) -> Option<Terms> {
    let terms = *job.terms();
    let prefix = [terms.extranonce_prefix.as_bytes(), &miner.to_be_bytes()].concat();
    let extranonce2_len = terms.extranonce2_len.checked_sub(SHARED)?;
    Some(Terms { extranonce_prefix: Extranonce::new(&prefix)?, extranonce2_len, ..terms })
}

/// A miner's share as the pool wants it: the two bytes come back in front of its extranonce2.
fn upward(miner: u16, share: &Share) -> Share {
    let extranonce2 = [&miner.to_be_bytes(), share.extranonce2.as_bytes()].concat();
    let extranonce2 = Extranonce::new(&extranonce2).unwrap_or(share.extranonce2);
    let mut upward = Share::new(share.channel, share.job, extranonce2, share.ntime, share.nonce);
    upward.version_bits = share.version_bits;
    upward
}
