//! The server's work on a share: parse the line, rebuild the header, hash, judge, answer.

use std::fmt::Write as _;
use std::sync::Arc;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Hash256, Header, Job,
    JobBody, JobId, Now, Target, Terms,
};
use otedama_hash::Verifier;
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession};

/// Levels of the merkle path: a block of some 4,000 transactions.
const LEVELS: u8 = 12;
/// Shares that arrive together; below what may wait for an answer.
const BATCH: u64 = 256;
const JOB: JobId = JobId(0x2a);

/// A subscribed V1 connection with a job, and a miner that never runs out of shares.
#[derive(Debug)]
pub struct Submits {
    session: ServerSession,
    verifier: Verifier,
    job: Job,
    lines: String,
    nonce: u32,
}

impl Submits {
    /// A connection that has done its greeting and has its job.
    ///
    /// # Panics
    /// If the session does not behave as it should: then there is nothing to measure.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "a benchmark over a broken session must not go on")]
    pub fn new() -> Self {
        let now = Now::default();
        let mut session = ServerSession::new(Arc::new(ServerConfig::new(Algorithm::SHA256D)), now);
        let greeting = concat!(
            r#"{"id":1,"method":"mining.subscribe","params":["bench"]}"#,
            "\n",
            r#"{"id":2,"method":"mining.authorize","params":["wallet.rig","x"]}"#,
            "\n"
        );
        session.handle_input(greeting.as_bytes(), now).unwrap();
        let prefix = Extranonce::from_counter(1, 4).unwrap();
        while let Some(event) = session.poll_event() {
            match event {
                ServerEvent::Subscribe { .. } => session.open_channel(prefix),
                ServerEvent::Authorize { worker, .. } => session.authorize(worker, true),
                other => unreachable!("a client that only greets caused {other:?}"),
            }
        }
        let body = JobBody::bitcoin(Algorithm::SHA256D, source(), true).unwrap();
        let terms = Terms {
            channel: ChannelId(0),
            id: JOB,
            // Every digest will do: all the work, no search.
            share_target: Target::MAX,
            extranonce_prefix: prefix,
            extranonce2_len: 8,
            version_mask: 0,
        };
        session.send_job(&EncodedJob::new(&body).unwrap(), &terms);
        while session.poll_transmit().is_some() {}
        let verifier = Verifier::new(Algorithm::SHA256D).unwrap();
        Self { session, verifier, job: Job::new(Arc::new(body), terms), lines: String::new(), nonce: 0 }
    }

    /// Handles at least `count` shares and returns how many were accepted: as many as were handled.
    pub fn run(&mut self, count: u64) -> u64 {
        let mut accepted = 0;
        for _ in 0..count.div_ceil(BATCH) {
            self.write_lines();
            accepted += self.handle();
        }
        accepted
    }

    /// The lines of a batch, as a miner sends them that rolls both extranonce2 and nonce.
    fn write_lines(&mut self) {
        self.lines.clear();
        for _ in 0..BATCH {
            self.nonce = self.nonce.wrapping_add(1);
            let (id, nonce) = (self.nonce, self.nonce);
            let line = format_args!(
                r#"{{"id":{id},"method":"mining.submit","params":["wallet.rig","{JOB}","{nonce:016x}","65a0bc00","{nonce:08x}"]}}"#
            );
            let _ = writeln!(self.lines, "{line}");
        }
    }

    fn handle(&mut self) -> u64 {
        let Self { session, verifier, job, lines, .. } = self;
        if session.handle_input(lines.as_bytes(), Now::default()).is_err() {
            return 0;
        }
        let mut accepted = 0;
        while let Some(event) = session.poll_event() {
            let ServerEvent::Submit { ticket, share } = event else { continue };
            let verdict = verifier.verify(job, &share).map(|_| ());
            accepted += u64::from(verdict.is_ok());
            session.answer(ticket, verdict);
        }
        while session.poll_transmit().is_some() {}
        accepted
    }
}

impl Default for Submits {
    fn default() -> Self {
        Self::new()
    }
}

/// The hashing that no implementation of `count` shares can avoid, with nothing around it.
pub fn hashing_alone(count: u64) {
    let source = source();
    let mut transaction = source.coinbase.transaction(&Extranonce::EMPTY, &Extranonce::EMPTY);
    transaction.extend([0; 12]);
    let header = Header::from([0x33; 80]);
    for _ in 0..count {
        let leaf = Hash256::sha256d(&transaction);
        let root = otedama_core::coinbase::merkle_root(leaf, &source.merkle_path);
        let header = header.with_nonce(Algorithm::SHA256D, u64::from(root.as_internal()[0]));
        std::hint::black_box(Hash256::sha256d(header.as_bytes()));
    }
}

/// A job as large as those of a busy chain.
fn source() -> BitcoinSource {
    BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::sha256d(b"previous"),
        coinbase: CoinbaseHalves { prefix: Box::from([0x11; 58]), suffix: Box::from([0x22; 130]) },
        merkle_path: (0..LEVELS).map(|level| Hash256::sha256d(&[level])).collect(),
        nbits: CompactTarget::from_bits(0x1703_4219),
        ntime: 0x65a0_bc00,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_is_parsed_judged_and_accepted() {
        assert_eq!(Submits::new().run(1000), 1024);
    }
}
