//! Server sessions in a loop of one's own: no runtime, a thread for each socket that only reads.
//!
//!     own_event_loop 127.0.0.1:3333 [SHARES]
//!
//! It gives every miner the same easy job and judges what comes back; it ends after so many accepted shares.

use std::collections::{HashMap, HashSet};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use otedama_core::{ChannelId, Digest, Extranonce, Job, Now, Reject, Share, Target};
use otedama_examples::{Clock, EXTRANONCE2, Failure, News, accept, easy_job, send};
use otedama_hash::Verifier;
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession};

struct Miner {
    session: ServerSession,
    stream: TcpStream,
    job: Job,
    /// Whether somebody is authorised, and whether the job is out; requests come in any order.
    authorized: bool,
    mining: bool,
    seen: HashSet<Digest>,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: own_event_loop ADDRESS [SHARES]")?;
    let wanted: usize = arguments.next().map_or(Ok(usize::MAX), |shares| shares.parse())?;
    let listener = TcpListener::bind(address)?;
    println!("listening {}", listener.local_addr()?);
    let (news, happened) = mpsc::channel();
    accept(listener, news);

    let clock = Clock::start();
    let mut config = ServerConfig::new(easy_job(Extranonce::EMPTY)?.algorithm());
    config.extranonce2_len = EXTRANONCE2;
    config.version_mask = 0;
    let config = Arc::new(config);
    let mut miners: HashMap<u16, Miner> = HashMap::new();
    let mut accepted = 0;
    while accepted < wanted {
        let news = match happened.recv_timeout(patience(&miners, clock.now())) {
            Err(RecvTimeoutError::Disconnected) => return Err("the listener is gone".into()),
            other => other.ok(),
        };
        let now = clock.now();
        match news {
            Some(News::Opened(id, stream)) => {
                let job = easy_job(Extranonce::from_counter(id.into(), 2).ok_or("too many miners")?)?;
                let session = ServerSession::new(Arc::clone(&config), now);
                let seen = HashSet::new();
                miners.insert(id, Miner { session, stream, job, authorized: false, mining: false, seen });
            }
            Some(News::Received(id, bytes)) => {
                // A session that ends has still something to say: it is sent below, then the timeout ends it.
                let _ = miners.get_mut(&id).map(|miner| miner.session.handle_input(&bytes, now));
            }
            Some(News::Closed(id)) => drop(miners.remove(&id)),
            None => {}
        }
        miners.retain(|_, miner| {
            accepted += miner.serve();
            send(&mut miner.session, &mut miner.stream).is_ok() && miner.session.handle_timeout(now).is_ok()
        });
    }
    Ok(())
}

/// How long nothing needs to be done.
fn patience(miners: &HashMap<u16, Miner>, now: Now) -> Duration {
    let next = miners.values().filter_map(|miner| miner.session.poll_timeout()).min();
    next.map_or(Duration::from_secs(60), |moment| moment.since(now.moment))
}

impl Miner {
    /// Does what the session asks for, and returns how many shares were accepted.
    fn serve(&mut self) -> usize {
        let mut accepted = 0;
        while let Some(event) = self.session.poll_event() {
            match event {
                ServerEvent::Subscribe { .. } => {
                    self.session.open_channel(ChannelId(0), self.job.terms().extranonce_prefix, Target::MAX)
                }
                ServerEvent::Authorize { worker, .. } => {
                    self.session.authorize(worker, true);
                    self.authorized = true;
                }
                ServerEvent::Submit { ticket, share } => {
                    let verdict = self.judge(&share);
                    accepted += usize::from(verdict.is_ok());
                    self.session.answer(ticket, verdict);
                }
                other => eprintln!("{other:?}"),
            }
        }
        if self.session.is_subscribed()
            && self.authorized
            && !self.mining
            && let Ok(encoded) = EncodedJob::new(self.job.body())
        {
            self.session.send_job(&encoded, self.job.terms());
            self.mining = true;
        }
        accepted
    }

    fn judge(&mut self, share: &Share) -> Result<(), Reject> {
        let verifier = Verifier::new(self.job.algorithm()).map_err(|_| Reject::Overloaded)?;
        let verdict = verifier.verify(&self.job, share)?;
        if self.seen.insert(*verdict.digest()) { Ok(()) } else { Err(Reject::Duplicate) }
    }
}
