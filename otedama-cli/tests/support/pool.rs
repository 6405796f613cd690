//! A pool of a few lines, which gives one job and judges for itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Hash256, Job, JobBody,
    JobId, Now, Reject, Share, Target, Terms, Weight,
};
use otedama_hash::Verifier;
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession};

/// It listens until the test process ends.
pub struct TinyPool {
    pub address: SocketAddr,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    judged: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    users: Mutex<Vec<String>>,
}

impl TinyPool {
    /// A pool for `algorithm` whose shares take so many hashes; it calls every third share a duplicate.
    pub fn start(algorithm: Algorithm, hashes: u128) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counters = Arc::<Counters>::default();
        let counted = counters.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let counters = counted.clone();
                thread::spawn(move || serve(stream.unwrap(), &job(algorithm, hashes), &counters));
            }
        });
        Self { address, counters }
    }

    pub fn accepted(&self) -> u64 {
        self.counters.accepted.load(Ordering::SeqCst)
    }

    pub fn rejected(&self) -> u64 {
        self.counters.rejected.load(Ordering::SeqCst)
    }

    pub fn users(&self) -> Vec<String> {
        self.counters.users.lock().unwrap().clone()
    }
}

fn job(algorithm: Algorithm, hashes: u128) -> Job {
    let source = BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::from_internal([7; 32]),
        coinbase: CoinbaseHalves { prefix: Box::new([1; 40]), suffix: Box::new([2; 40]) },
        merkle_path: Box::new([]),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 1_700_000_000,
    };
    let terms = Terms {
        channel: ChannelId(0),
        id: JobId(1),
        share_target: Target::from_weight(Weight::new(hashes)).unwrap(),
        extranonce_prefix: Extranonce::from_hex("00000001").unwrap(),
        extranonce2_len: 8,
        version_mask: 0,
    };
    Job::new(JobBody::bitcoin(algorithm, source, true).unwrap().into(), terms)
}

fn serve(mut stream: TcpStream, job: &Job, counters: &Counters) {
    let mut session = ServerSession::new(ServerConfig::new(job.algorithm()).into(), Now::default());
    let verifier = Verifier::new(job.algorithm()).unwrap();
    let encoded = EncodedJob::new(job.body()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        session.handle_input(&bytes[..count], Now::default()).unwrap();
        while let Some(event) = session.poll_event() {
            match event {
                ServerEvent::Subscribe { .. } => {
                    session.open_channel(ChannelId(0), job.terms().extranonce_prefix, Target::MAX)
                }
                ServerEvent::Authorize { worker, login } => {
                    counters.users.lock().unwrap().push(login.user.clone());
                    session.authorize(worker, login.user != "nobody");
                    session.send_job(&encoded, job.terms());
                }
                ServerEvent::Submit { ticket, share } => {
                    session.answer(ticket, judge(&verifier, job, &share, counters));
                }
                _ => {}
            }
        }
        while let Some(bytes) = session.poll_transmit() {
            // The miner may have left.
            let _ = stream.write_all(&bytes);
        }
    }
}

fn judge(verifier: &Verifier, job: &Job, share: &Share, counters: &Counters) -> Result<(), Reject> {
    verifier.verify(job, share)?;
    if counters.judged.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
        counters.rejected.fetch_add(1, Ordering::SeqCst);
        return Err(Reject::Duplicate);
    }
    counters.accepted.fetch_add(1, Ordering::SeqCst);
    Ok(())
}
