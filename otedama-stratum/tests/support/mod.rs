//! A server session with a wire in the hand, and jobs for it.
#![allow(dead_code, unreachable_pub, reason = "not every test uses everything")]

pub mod v2;

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Difficulty, Extranonce, Hash256, Job,
    JobBody, JobId, Now, Share, Target, Terms, hex,
};
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession, SessionError, Ticket};

pub const BLOCK_ONE: &str = "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e\
                             1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299";

/// The body of Bitcoin's block 1 for four bytes of extranonce1 and two of extranonce2.
pub fn block_one() -> JobBody {
    let source = BitcoinSource {
        version: 1,
        previous: Hash256::from_rpc_hex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
            .unwrap(),
        coinbase: CoinbaseHalves {
            prefix: hex::decode(b"01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704")
                .unwrap()
                .into(),
            suffix: hex::decode(
                b"ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da75893\
                  79515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000",
            )
            .unwrap()
            .into(),
        },
        merkle_path: Box::new([]),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 0x4966_bc61,
    };
    JobBody::bitcoin(Algorithm::SHA256D, source, true).unwrap()
}

/// Terms of job `id` at this difficulty, on an empty prefix.
pub fn terms(id: u32, difficulty: f64) -> Terms {
    Terms {
        channel: ChannelId(0),
        id: JobId(id),
        share_target: Difficulty::from_f64(Algorithm::SHA256D, difficulty).unwrap().target(),
        extranonce_prefix: Extranonce::EMPTY,
        extranonce2_len: 8,
        version_mask: 0,
    }
}

/// A server session and the test's end of its wire.
pub struct Wire {
    pub session: ServerSession,
    pub now: Now,
    prefix: Extranonce,
    extranonce2_len: usize,
}

impl Wire {
    pub fn new(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new(Algorithm::SHA256D);
        configure(&mut config);
        let now = Now::default().plus(Duration::from_secs(1_000));
        let extranonce2_len = config.extranonce2_len;
        let session = ServerSession::new(Arc::new(config), now);
        Self { session, now, prefix: Extranonce::EMPTY, extranonce2_len }
    }

    /// Sends one line.
    pub fn say(&mut self, line: &str) {
        self.try_say(line).unwrap();
    }

    pub fn try_say(&mut self, line: &str) -> Result<(), SessionError> {
        self.session.handle_input(format!("{line}\n").as_bytes(), self.now)
    }

    /// The lines that the session sends.
    pub fn sent(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.session.poll_transmit() {
            bytes.extend_from_slice(&piece);
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }

    pub fn events(&mut self) -> Vec<ServerEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    pub fn wait(&mut self, seconds: u64) -> Result<(), SessionError> {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.session.handle_timeout(self.now)
    }

    /// Subscribes with this prefix and authorises the worker `w`.
    pub fn subscribed(&mut self, prefix: &str) {
        self.say(r#"{"id":1,"method":"mining.subscribe","params":["test/1.0"]}"#);
        self.say(r#"{"id":2,"method":"mining.authorize","params":["w","x"]}"#);
        let events = self.events();
        let [ServerEvent::Subscribe { .. }, ServerEvent::Authorize { worker, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        self.prefix = Extranonce::from_hex(prefix).unwrap();
        self.session.open_channel(ChannelId(0), self.prefix, Target::MAX);
        self.session.authorize(*worker, true);
    }

    /// Sends a job of this body at this difficulty.
    pub fn job(&mut self, body: &JobBody, id: u32, difficulty: f64) -> Job {
        let terms = Terms {
            extranonce_prefix: self.prefix,
            extranonce2_len: self.extranonce2_len,
            version_mask: self.session.version_mask(),
            ..terms(id, difficulty)
        };
        self.session.send_job(&EncodedJob::new(body).unwrap(), &terms);
        Job::new(Arc::new(body.clone()), terms)
    }

    /// The one share that was submitted.
    pub fn submitted(&mut self) -> (Ticket, Share) {
        match &self.events()[..] {
            [ServerEvent::Submit { ticket, share }] => (*ticket, share.clone()),
            events => panic!("{events:?}"),
        }
    }
}
