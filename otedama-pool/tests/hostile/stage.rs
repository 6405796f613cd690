//! What the two runs have in common: a pool on a chain in the process, seen from outside.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use otedama_core::{Algorithm, Amount, CompactTarget, Difficulty, Hash256, Target, UnixTime};
use otedama_pool::journal::{Journal, Memory, ShareRecord};
use otedama_pool::node::{BlockStatus, Devnet, DevnetConfig, Node, NodeError, Submission};
use otedama_pool::vardiff::VardiffConfig;
use otedama_pool::{PoolName, Template};

pub const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
pub const ALICE: &str = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202";
/// A network difficulty of 2^14 hashes a block.
const NBITS: u32 = 0x1f03_ffff;
/// A share in 2^8 hashes, which miners ask for with their password.
pub const ASKED: f64 = 1.0 / 16_777_216.0;
/// What a miner starts with that asks for nothing: a share in 2^6 hashes.
pub const START: f64 = 1.0 / 67_108_864.0;
/// The easiest that this pool gives: a share in 2^4 hashes.
pub const EASIEST: f64 = 1.0 / 268_435_456.0;

/// A pool with connections to it.
pub trait Stage {
    /// Opens a connection.
    fn connect(&mut self) -> usize;
    /// Sends bytes, which the pool may no longer want.
    fn send(&mut self, connection: usize, bytes: &[u8]);
    /// The next line that the pool sends, which must come; `None` once it has closed the connection.
    fn line(&mut self, connection: usize) -> Option<String>;
    /// Closes a connection.
    fn hang_up(&mut self, connection: usize);
    /// Sends one byte after the other, slowly, until the pool has had enough.
    fn drip(&mut self, connection: usize, bytes: &[u8]);
    /// Sees to it that the pool knows of the node's tip, or will.
    fn new_tip(&mut self);
    /// The pool's calendar.
    fn now(&self) -> u32;
    /// Sets the pool's calendar, if that can be done.
    fn set_calendar(&mut self, unix: u32) -> bool;
    /// The pool's node.
    fn node(&self) -> Watched;
    /// The pool's journal.
    fn journal(&self) -> Memory;
}

/// The pool's books, from outside.
pub fn records(stage: &dyn Stage) -> Vec<ShareRecord> {
    let mut records = Vec::new();
    let pool = PoolName::new("test");
    let mut see = |record: &ShareRecord| {
        records.push(record.clone());
        std::ops::ControlFlow::Continue(())
    };
    stage.journal().shares(&pool, &mut see).unwrap();
    records
}

/// How many candidates with this hash are in the journal.
pub fn candidates(stage: &dyn Stage, hash: Hash256) -> usize {
    let blocks = stage.journal().blocks(&PoolName::new("test"), false).unwrap();
    blocks.iter().filter(|block| block.candidate.hash == hash).count()
}

pub fn target(difficulty: f64) -> Target {
    Difficulty::from_f64(Algorithm::SHA256D, difficulty).unwrap().target()
}

pub fn vardiff() -> VardiffConfig {
    let mut vardiff = VardiffConfig::new(Algorithm::SHA256D);
    vardiff.start = Some(target(START));
    vardiff.easiest = target(EASIEST);
    vardiff
}

/// A chain that really judges blocks, and a list of what was handed in. Clones are the same node.
#[derive(Debug, Clone)]
pub struct Watched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    devnet: Devnet,
    /// Set in the version of every template.
    version_bits: u32,
    submitted: Mutex<Vec<(Hash256, Submission)>>,
    news: Condvar,
}

impl Watched {
    pub fn new(clock: impl Fn() -> UnixTime + Send + Sync + 'static, version_bits: u32) -> Self {
        let (bits, subsidy) = (CompactTarget::from_bits(NBITS), Amount::from_atomic(5_000_000_000));
        let devnet =
            Devnet::new(DevnetConfig::new(Algorithm::SHA256D, bits, subsidy, Arc::new(clock))).unwrap();
        let (submitted, news) = (Mutex::new(Vec::new()), Condvar::new());
        Self(Arc::new(Inner { devnet, version_bits, submitted, news }))
    }

    /// What the node said when this block was handed in, which must happen.
    pub fn answer(&self, hash: Hash256) -> Submission {
        let said = |list: &[(Hash256, Submission)]| {
            list.iter().find(|(known, _)| *known == hash).map(|(_, answer)| answer.clone())
        };
        let list = self.0.submitted.lock().unwrap();
        let patience = Duration::from_secs(20);
        let waited = self.0.news.wait_timeout_while(list, patience, |list| said(list).is_none()).unwrap();
        said(&waited.0).expect("the block never reached the node")
    }

    fn told(&self, template: Template) -> Template {
        let version = template.version | self.0.version_bits;
        let mut template = template;
        template.version = version;
        template
    }
}

impl Node for Watched {
    fn name(&self) -> &'static str {
        "watched"
    }

    fn chain(&self) -> Result<String, NodeError> {
        self.0.devnet.chain()
    }

    fn tip(&self) -> Result<Hash256, NodeError> {
        self.0.devnet.tip()
    }

    fn template(&self) -> Result<Template, NodeError> {
        self.0.devnet.template().map(|template| self.told(template))
    }

    fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
        Ok(self.0.devnet.next_template(seen, patience)?.map(|template| self.told(template)))
    }

    fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> {
        let answer = self.0.devnet.submit(block)?;
        self.0.submitted.lock().unwrap().push((Hash256::sha256d(&block[..80]), answer.clone()));
        self.0.news.notify_all();
        Ok(answer)
    }

    fn propose(&self, block: &[u8]) -> Result<Option<Submission>, NodeError> {
        self.0.devnet.propose(block)
    }

    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        self.0.devnet.block(hash)
    }
}
