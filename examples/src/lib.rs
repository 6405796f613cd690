//! What several examples share: a job to try things on, the clock, and threads that read sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Hash256, Job, JobBody,
    JobId, Moment, Now, Share, Target, Terms, UnixTime, hex,
};
use otedama_stratum::ServerSession;

/// Any error, for `main`.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of extranonce2 that the jobs here leave to the miner.
pub const EXTRANONCE2: usize = 4;

/// The job whose solution is block 1 of Bitcoin, and that solution.
///
/// # Errors
/// Never: the constants are those of the chain.
pub fn block_one() -> Result<(Job, Share), Failure> {
    let terms = terms(Extranonce::from_hex("ffff")?, Target::MAX);
    let share =
        Share::new(ChannelId(0), JobId(1), Extranonce::from_hex("001d0104")?, 0x4966_bc61, 0x9962_e301);
    Ok((Job::new(block_one_body()?.into(), terms), share))
}

/// The same job for a channel with this prefix of two bytes, and a share target that a CPU meets at once.
///
/// # Errors
/// Never: the constants are those of the chain.
pub fn easy_job(prefix: Extranonce) -> Result<Job, Failure> {
    let target = Target::from_hex_be(&format!("0000{}", "f".repeat(60)))?;
    Ok(Job::new(block_one_body()?.into(), terms(prefix, target)))
}

fn block_one_body() -> Result<JobBody, Failure> {
    let prefix = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704";
    let suffix = concat!(
        "ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52",
        "da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000"
    );
    let source = BitcoinSource {
        version: 1,
        previous: Hash256::from_rpc_hex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")?,
        coinbase: CoinbaseHalves {
            prefix: hex::decode(prefix.as_bytes())?.into(),
            suffix: hex::decode(suffix.as_bytes())?.into(),
        },
        merkle_path: Box::new([]),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 0x4966_bc61,
    };
    Ok(JobBody::bitcoin(Algorithm::SHA256D, source, true)?)
}

fn terms(extranonce_prefix: Extranonce, share_target: Target) -> Terms {
    let (channel, id, extranonce2_len) = (ChannelId(0), JobId(1), EXTRANONCE2);
    Terms { channel, id, share_target, extranonce_prefix, extranonce2_len, version_mask: 0 }
}

/// The two clocks of the host, read by whoever drives a machine that has none.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Both readings.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now::new(Moment::after_origin(self.0.elapsed()), UnixTime::from_secs(unix.as_secs()))
    }
}

/// What happens on sockets.
#[derive(Debug)]
pub enum News {
    /// Somebody connected; the stream is for writing.
    Opened(u16, TcpStream),
    /// Bytes came, cut anywhere.
    Received(u16, Vec<u8>),
    /// The peer is gone.
    Closed(u16),
}

/// Accepts connections for ever and tells of them, numbered from 1. Ends when nobody listens to the news any more.
pub fn accept(listener: TcpListener, news: Sender<News>) {
    thread::spawn(move || {
        for (id, stream) in (1..).zip(listener.incoming()) {
            let Ok(stream) = stream else { continue };
            let Ok(reader) = stream.try_clone() else { continue };
            if news.send(News::Opened(id, stream)).is_err() {
                return;
            }
            read(id, reader, news.clone());
        }
    });
}

/// Reads a socket until it ends.
pub fn read(id: u16, mut stream: TcpStream, news: Sender<News>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            if news.send(News::Received(id, buffer[..len].to_vec())).is_err() {
                return;
            }
        }
        let _ = news.send(News::Closed(id));
    });
}

/// Writes everything that a session wants to send.
///
/// # Errors
/// If the socket does not take it: the miner is gone.
pub fn send(session: &mut ServerSession, stream: &mut TcpStream) -> std::io::Result<()> {
    while let Some(bytes) = session.poll_transmit() {
        stream.write_all(&bytes)?;
    }
    Ok(())
}
