//! A miner that writes its lines by hand, and so can write wrong ones.

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Difficulty, Digest, Extranonce, Goal,
    Hash256, Job, JobBody, JobId, Share, Target, Terms, hex,
};
use otedama_hash::Verifier;
use otedama_pool::node::Node;
use serde_json::Value;
use std::sync::Arc;

use crate::stage::{ASKED, Stage};

/// One connection and what the pool has told it.
pub struct Peer {
    pub connection: usize,
    pub user: String,
    pub jobs: Vec<Job>,
    /// The version bits that it may roll, as told.
    pub mask: u32,
    /// The target of the next job, as told.
    pub target: Target,
    /// What the pool put before what it rolls.
    pub prefix: Extranonce,
    extranonce2_len: usize,
    verifier: Verifier,
    rolled: u64,
}

/// A share that a peer has found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Worker, job, extranonce2, ntime and nonce, as they go over the wire; perhaps version bits.
    pub fields: Vec<String>,
    pub digest: Digest,
    /// The hash of the header, which names the block if it is one.
    pub hash: Hash256,
}

impl Found {
    pub fn params(&self) -> String {
        params(&self.fields)
    }

    /// The same with one field spelt otherwise.
    pub fn with(&self, field: usize, text: impl Into<String>) -> String {
        let mut fields = self.fields.clone();
        fields[field] = text.into();
        params(&fields)
    }
}

/// What stands between the quotes is not escaped.
fn params(fields: &[String]) -> String {
    format!("[\"{}\"]", fields.join("\",\""))
}

/// The error code in an answer, if it is a refusal.
pub fn code(answer: &str) -> Option<i64> {
    answer.split_once("\"error\":[")?.1.split(',').next()?.parse().ok()
}

impl Peer {
    /// A connection that has said nothing yet.
    pub fn open(stage: &mut dyn Stage, user: &str) -> Self {
        Self {
            connection: stage.connect(),
            user: user.to_owned(),
            jobs: Vec::new(),
            mask: 0,
            target: Target::ZERO,
            prefix: Extranonce::EMPTY,
            extranonce2_len: 0,
            verifier: Verifier::new(Algorithm::SHA256D).unwrap(),
            rolled: 0,
        }
    }

    /// A connection that has a job on which it may roll versions, with shares as easy as it asked for.
    pub fn join(stage: &mut dyn Stage, user: &str) -> Self {
        let mut peer = Self::open(stage, user);
        peer.configure(stage, "ffffffff");
        peer.log_in(stage, &format!("d={ASKED}"));
        peer
    }

    pub fn configure(&mut self, stage: &mut dyn Stage, mask: &str) {
        let options = format!(r#"{{"version-rolling.mask":"{mask}"}}"#);
        let answer = self.ask(stage, "mining.configure", &format!(r#"[["version-rolling"],{options}]"#));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let mask = answer["result"]["version-rolling.mask"].as_str().expect("a mask");
        self.mask = hex::decode_u32(mask.as_bytes()).unwrap();
    }

    pub fn log_in(&mut self, stage: &mut dyn Stage, password: &str) {
        self.subscribe(stage, "");
        self.authorize(stage, password);
    }

    pub fn authorize(&mut self, stage: &mut dyn Stage, password: &str) {
        let login = format!(r#"["{}","{password}"]"#, self.user);
        assert!(self.ask(stage, "mining.authorize", &login).contains("true"));
        while self.jobs.is_empty() {
            self.read(stage);
        }
    }

    /// Subscribes, and claims to have had this session before.
    pub fn subscribe(&mut self, stage: &mut dyn Stage, session: &str) {
        let answer = self.ask(stage, "mining.subscribe", &format!(r#"["raw/1.0","{session}"]"#));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        self.prefix = Extranonce::from_hex(answer["result"][1].as_str().unwrap()).unwrap();
        self.extranonce2_len = usize::try_from(answer["result"][2].as_u64().unwrap()).unwrap();
    }

    /// Sends a request and gives back the answer to it.
    pub fn ask(&mut self, stage: &mut dyn Stage, method: &str, params: &str) -> String {
        let line = format!("{{\"id\":4,\"method\":\"{method}\",\"params\":{params}}}\n");
        stage.send(self.connection, line.as_bytes());
        self.answer(stage).expect("the pool hung up")
    }

    pub fn submit(&mut self, stage: &mut dyn Stage, params: &str) -> String {
        self.ask(stage, "mining.submit", params)
    }

    /// The next answer; what else comes before it is noted. `None` if the pool has hung up.
    pub fn answer(&mut self, stage: &mut dyn Stage) -> Option<String> {
        loop {
            let line = stage.line(self.connection)?;
            if !line.contains("\"method\":") {
                return Some(line);
            }
            self.note(&line);
        }
    }

    pub fn read(&mut self, stage: &mut dyn Stage) {
        let line = stage.line(self.connection).expect("the pool hung up");
        assert!(line.contains("\"method\":"), "an answer to nothing: {line}");
        self.note(&line);
    }

    /// Reads until it has a job on the tip of the node.
    pub fn catch_up(&mut self, stage: &mut dyn Stage) {
        stage.new_tip();
        let tip = stage.node().tip().unwrap();
        while previous(self.job()) != tip {
            self.read(stage);
        }
    }

    pub fn job(&self) -> &Job {
        self.jobs.last().expect("no job")
    }

    fn note(&mut self, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap();
        let params = &message["params"];
        match message["method"].as_str().unwrap() {
            "mining.set_difficulty" => {
                let number = params[0].as_f64().unwrap();
                self.target = Difficulty::from_f64(Algorithm::SHA256D, number).unwrap().target();
            }
            "mining.set_version_mask" => {
                self.mask = hex::decode_u32(params[0].as_str().unwrap().as_bytes()).unwrap();
            }
            "mining.notify" => {
                let job = self.read_job(params);
                self.jobs.push(job);
            }
            other => panic!("{other}"),
        }
    }

    fn read_job(&self, params: &Value) -> Job {
        let text = |index: usize| params[index].as_str().unwrap();
        let bytes = |text: &str| hex::decode(text.as_bytes()).unwrap();
        let number = |index: usize| hex::decode_u32(text(index).as_bytes()).unwrap();
        let mut previous = bytes(text(1));
        previous.chunks_mut(4).for_each(<[u8]>::reverse);
        let hash = |bytes: Vec<u8>| Hash256::from_internal(bytes.try_into().unwrap());
        let path = params[4].as_array().unwrap().iter().map(|hash| bytes(hash.as_str().unwrap()));
        let source = BitcoinSource {
            version: number(5),
            previous: hash(previous),
            coinbase: CoinbaseHalves { prefix: bytes(text(2)).into(), suffix: bytes(text(3)).into() },
            merkle_path: path.map(hash).collect(),
            nbits: CompactTarget::from_bits(number(6)),
            ntime: number(7),
        };
        let clean = params[8].as_bool().unwrap();
        let body = JobBody::bitcoin(Algorithm::SHA256D, source, clean).unwrap();
        let terms = Terms {
            channel: ChannelId(0),
            id: JobId(u32::from_str_radix(text(0), 16).unwrap()),
            share_target: self.target,
            extranonce_prefix: self.prefix,
            extranonce2_len: self.extranonce2_len,
            version_mask: self.mask,
        };
        Job::new(Arc::new(body), terms)
    }

    /// A share that meets its job's target and is no block.
    pub fn share(&mut self) -> Found {
        let job = self.job().clone();
        self.share_on(&job)
    }

    pub fn share_on(&mut self, job: &Job) -> Found {
        self.search(job, |_| {}, |digest| only_a_share(job, digest))
    }

    pub fn block(&mut self) -> Found {
        let job = self.job().clone();
        self.search(&job, |_| {}, |digest| judged(&job, digest).1)
    }

    /// Goes through nonces until the digest is wanted. `change` sets time and version bits.
    pub fn search(
        &mut self,
        job: &Job,
        change: impl Fn(&mut Share),
        wanted: impl Fn(Digest) -> bool,
    ) -> Found {
        loop {
            self.rolled += 1;
            let extranonce2 = Extranonce::from_counter(self.rolled, self.extranonce2_len).unwrap();
            let mut share = Share::new(ChannelId(0), job.id(), extranonce2, ntime(job), 0);
            change(&mut share);
            let header = job.header(&share).unwrap();
            for nonce in 0..200_000 {
                let header = header.with_nonce(Algorithm::SHA256D, nonce);
                let digest = self.verifier.digest(&header);
                if wanted(digest) {
                    share.nonce = nonce;
                    let hash = Hash256::sha256d(header.as_bytes());
                    return Found { fields: self.fields(&share), digest, hash };
                }
            }
        }
    }

    /// The digest of a share with other version bits.
    pub fn digest(&self, job: &Job, share: &Share) -> Digest {
        self.verifier.digest(&job.header(share).unwrap())
    }

    fn fields(&self, share: &Share) -> Vec<String> {
        let (id, time, nonce) = (share.job, share.ntime, share.nonce);
        let mut fields = vec![
            self.user.clone(),
            id.to_string(),
            share.extranonce2.to_string(),
            format!("{time:08x}"),
            format!("{nonce:08x}"),
        ];
        fields.extend(share.version_bits.map(|bits| format!("{bits:08x}")));
        fields
    }
}

/// Whether it is a share, and whether it is a block.
fn judged(job: &Job, digest: Digest) -> (bool, bool) {
    job.judge(digest).map_or((false, false), |verdict| (verdict.met(Goal::SHARE), verdict.met(Goal::BLOCK)))
}

/// Whether it is a share and no block: that would move the tip, and make jobs stale in the middle of a case.
pub fn only_a_share(job: &Job, digest: Digest) -> bool {
    judged(job, digest) == (true, false)
}

pub fn source(job: &Job) -> &BitcoinSource {
    let otedama_core::HeaderSource::Bitcoin(source) = &job.body().source else { panic!("not bitcoin") };
    source
}

pub fn previous(job: &Job) -> Hash256 {
    source(job).previous
}

pub fn ntime(job: &Job) -> u32 {
    source(job).ntime
}
