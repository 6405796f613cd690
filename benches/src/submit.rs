//! The server's work on a share: parse the line, rebuild the header, hash, judge, answer.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, Claim, CoinbaseHalves, CompactTarget, Digest, Extranonce, Hash256,
    Job, JobBody, JobId, Moment, Now, Share, Target, Terms, UnixTime,
};
use otedama_hash::Verifier;
use otedama_pool::validator::Pending;
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession, Ticket};

/// Levels of the merkle path: a block of some 4,000 transactions.
const LEVELS: u8 = 12;
/// Shares that arrive together; below what may wait for an answer.
const BATCH: u64 = 256;
const JOB: JobId = JobId(0x2a);
const NTIME: u32 = 0x65a0_bc00;

/// A subscribed V1 connection with a job, and a miner that never runs out of shares.
#[derive(Debug)]
pub struct Submits {
    session: ServerSession,
    verifier: Verifier,
    job: Job,
    /// What the job has had, as the job board remembers it.
    seen: HashSet<Digest>,
    now: Now,
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
        let now = Now::new(Moment::ORIGIN, UnixTime::from_secs(NTIME.into()));
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
                ServerEvent::Subscribe { .. } => session.open_channel(ChannelId(0), prefix, Target::MAX),
                ServerEvent::Authorize { worker, .. } => session.authorize(worker, true),
                other => unreachable!("a client that only greets caused {other:?}"),
            }
        }
        let body = JobBody::bitcoin(Algorithm::SHA256D, source(), true).unwrap();
        let terms = terms(prefix);
        session.send_job(&EncodedJob::new(&body).unwrap(), &terms);
        while session.poll_transmit().is_some() {}
        let verifier = Verifier::new(Algorithm::SHA256D).unwrap();
        let (job, seen) = (Job::new(Arc::new(body), terms), HashSet::new());
        Self { session, verifier, job, seen, now, lines: String::new(), nonce: 0 }
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
                r#"{{"id":{id},"method":"mining.submit","params":["wallet.rig","{JOB}","{nonce:016x}","{NTIME:08x}","{nonce:08x}"]}}"#
            );
            let _ = writeln!(self.lines, "{line}");
        }
    }

    fn handle(&mut self) -> u64 {
        if self.session.handle_input(self.lines.as_bytes(), self.now).is_err() {
            return 0;
        }
        let mut pending = Vec::new();
        while let Some(event) = self.session.poll_event() {
            let ServerEvent::Submit { ticket, share } = event else { continue };
            match Pending::begin(&self.job, &share, false, self.now) {
                Ok(share) => pending.push((ticket, share)),
                Err(reject) => self.session.answer(ticket, Err(reject)),
            }
        }
        let accepted = self.judge(&pending);
        while self.session.poll_transmit().is_some() {}
        accepted
    }

    /// All that came together are hashed together, as in the pool.
    fn judge(&mut self, pending: &[(Ticket, Pending)]) -> u64 {
        let digests = self.verifier.digests(pending.iter().map(|(_, share)| share.claim()));
        let mut accepted = 0;
        for ((ticket, share), digest) in pending.iter().zip(digests) {
            let judged = share.finish(digest, |digest| self.seen.insert(*digest));
            accepted += u64::from(judged.verdict.is_ok());
            self.session.answer(*ticket, judged.verdict.map(|_| ()));
        }
        accepted
    }
}

impl Default for Submits {
    fn default() -> Self {
        Self::new()
    }
}

/// The hashing of at least `count` shares, as many at once as [`Submits`] has, with nothing around it.
///
/// # Panics
/// If a share does not fit its job: then there is nothing to measure.
#[expect(clippy::unwrap_used, reason = "a benchmark of nothing must not go on")]
pub fn hashing_alone(count: u64) {
    let body = JobBody::bitcoin(Algorithm::SHA256D, source(), true).unwrap();
    let job = Job::new(Arc::new(body), terms(Extranonce::from_counter(1, 4).unwrap()));
    let claim = |number: u64| {
        let rolled = Extranonce::from_counter(number, 8).unwrap();
        job.claim(&Share::new(job.terms().channel, JOB, rolled, NTIME, number)).unwrap()
    };
    let claims: Vec<Claim> = (0..BATCH).map(claim).collect();
    let verifier = Verifier::new(Algorithm::SHA256D).unwrap();
    for _ in 0..count.div_ceil(BATCH) {
        std::hint::black_box(verifier.digests(&claims));
    }
}

/// Every digest will do: all the work, no search.
const fn terms(extranonce_prefix: Extranonce) -> Terms {
    Terms {
        channel: ChannelId(0),
        id: JOB,
        share_target: Target::MAX,
        extranonce_prefix,
        extranonce2_len: 8,
        version_mask: 0,
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
        ntime: NTIME,
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
