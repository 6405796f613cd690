//! The nodes of a simulation: real chains in memory, which gossip, part ways, hang and lie.

use std::collections::HashSet;
use std::sync::Arc;

use otedama_core::{
    Algorithm, Amount, BitcoinSource, ChannelId, CompactTarget, Extranonce, Hash256, Header, Job, JobBody,
    JobId, Share, Target, Terms, UnixTime, Weight,
};
use otedama_hash::Verifier;

use super::action::Lie;
use crate::node::{BlockStatus, Devnet, DevnetConfig, DevnetError, Node, NodeError, Submission};
use crate::template::{CoinbaseOutput, CoinbasePlan, Marker, Template};
use crate::testkit::FakeClock;

/// Expected hashes behind a block.
pub(super) const BLOCK_WEIGHT: u128 = 64;
/// What a block creates.
pub(super) const SUBSIDY: Amount = Amount::from_atomic(5_000_000_007);
/// Seconds between two readings of a node's clock.
const COARSE: u64 = 64;
/// Pays nobody of the pool.
const OTHERS: [u8; 22] = [0, 20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
const ALGORITHM: Algorithm = Algorithm::SHA256D;

/// A node and what ails it.
#[derive(Debug)]
pub(super) struct SimNode {
    pub(super) net: Devnet,
    pub(super) gone: bool,
    pub(super) slow: bool,
    pub(super) lie: Option<Lie>,
    /// It hears only of those on its own side.
    pub(super) side: u8,
}

/// All nodes of the world.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) nodes: Vec<SimNode>,
    verifier: Verifier,
    nbits: CompactTarget,
    /// Makes coinbases of others differ.
    extra: u32,
    /// A tip that was left, and where its branch began.
    left: Option<(Hash256, u32)>,
    clock: FakeClock,
}

impl Chain {
    pub(super) fn new(nodes: usize, clock: &FakeClock) -> Result<Self, DevnetError> {
        let nbits = Target::from_weight(Weight::new(BLOCK_WEIGHT)).unwrap_or(Target::MAX).to_compact();
        let node = |_| {
            let truth = clock.clone();
            // Templates keep their time for a while, so that jobs of two lives can be as alike as jobs can be.
            let time = move || UnixTime::from_secs(truth.now().unix.as_secs() / COARSE * COARSE);
            let config = DevnetConfig::new(ALGORITHM, nbits, SUBSIDY, Arc::new(time));
            Ok(SimNode { net: Devnet::new(config)?, gone: false, slow: false, lie: None, side: 0 })
        };
        Ok(Self {
            nodes: (0..nodes).map(node).collect::<Result<_, DevnetError>>()?,
            verifier: Verifier::new(ALGORITHM)?,
            nbits,
            extra: 0,
            left: None,
            clock: clock.clone(),
        })
    }

    /// The node that is meant by a number.
    pub(super) fn index(&self, node: usize) -> usize {
        node.checked_rem(self.nodes.len()).unwrap_or(0)
    }

    /// Hands a block to a node, as the pool does.
    pub(super) fn submit(&self, node: usize, block: &[u8]) -> Result<Submission, NodeError> {
        let node = self.asked(node)?;
        if node.lie == Some(Lie::TakesNothing) {
            return Ok(Submission::Known);
        }
        node.net.submit(block)
    }

    /// What a node says of a block.
    pub(super) fn status(&self, node: usize, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        let node = self.asked(node)?;
        match node.lie {
            Some(Lie::HasAll) => Ok(Some(BlockStatus { height: 1, confirmations: Some(100_000) })),
            Some(Lie::KnowsNothing) => Ok(None),
            Some(Lie::TakesNothing) | None => node.net.block(hash),
        }
    }

    pub(super) fn template(&self, node: usize) -> Result<Template, NodeError> {
        self.asked(node)?.net.template()
    }

    fn asked(&self, node: usize) -> Result<&SimNode, NodeError> {
        let gone = || NodeError::Unreachable("connection refused".into());
        self.nodes.get(node).filter(|node| !node.gone).ok_or_else(gone)
    }

    /// How deep a block is in the best chain of the node that has it deepest; the truth, whatever nodes say.
    pub(super) fn depth(&self, hash: Hash256) -> Option<u32> {
        let depth = |node: &SimNode| node.net.block(hash).ok().flatten()?.confirmations;
        self.nodes.iter().filter_map(depth).max()
    }

    /// Whether at least two nodes, or the only one, neither lie nor are gone, this one aside.
    pub(super) fn has_honest_besides(&self, node: usize) -> bool {
        let others = self.nodes.iter().enumerate().filter(|(index, _)| *index != node);
        others.filter(|(_, other)| other.lie.is_none() && !other.gone).count() >= 2
    }

    pub(super) fn has_liar(&self) -> bool {
        self.nodes.iter().any(|node| node.lie.is_some())
    }

    pub(super) fn is_split(&self) -> bool {
        self.nodes.iter().any(|node| node.side != 0)
    }

    /// Lets one node hear of another's best chain, if they are on one side.
    pub(super) fn gossip(&self, from: usize, to: usize) {
        let (Some(from), Some(to)) = (self.nodes.get(from), self.nodes.get(to)) else { return };
        if from.side != to.side {
            return;
        }
        let blocks = from.net.blocks();
        let known = |block: &&Arc<[u8]>| matches!(to.net.block(hash_of(block)), Ok(Some(_)));
        let new = blocks.iter().rev().take_while(|block| !known(block)).count();
        for block in blocks.iter().skip(blocks.len() - new) {
            let _ = to.net.submit(block);
        }
    }

    pub(super) fn gossip_all(&self) {
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                self.gossip(from, to);
            }
        }
    }

    /// How far the nodes have parted: blocks above the last one that all have on their best chain.
    pub(super) fn parted(&self) -> u32 {
        let chains: Vec<_> = self.nodes.iter().map(|node| node.net.blocks()).collect();
        let longest = chains.iter().map(Vec::len).max().unwrap_or(0);
        let common = |height: &usize| {
            let block = chains.first().and_then(|chain| chain.get(*height));
            chains.iter().all(|chain| chain.get(*height) == block && block.is_some())
        };
        let shared = (0..longest).take_while(common).count();
        u32::try_from(longest - shared).unwrap_or(u32::MAX)
    }

    /// Others find blocks on a node's tip.
    pub(super) fn others_mine(&mut self, node: usize, blocks: u64) {
        for _ in 0..blocks {
            let Some(found) = self.nodes.get(node).and_then(|node| node.net.template().ok()) else { return };
            let block = self.solve(&found);
            if let Some(node) = self.nodes.get(node) {
                let _ = node.net.submit(&block);
            }
        }
    }

    /// Others find a branch that begins so many blocks below a node's tip and is longer by one.
    pub(super) fn reorganise(&mut self, node: usize, depth: u32) {
        let Some(net) = self.nodes.get(node).map(|node| &node.net) else { return };
        let height = net.tip_height();
        let Some(fork) = height.checked_sub(depth).filter(|fork| *fork > 0) else { return };
        self.left = net.tip().ok().map(|tip| (tip, fork));
        let blocks = net.blocks();
        let parent =
            usize::try_from(fork - 1).ok().and_then(|index| blocks.get(index)).map(|block| hash_of(block));
        if let Some(parent) = parent {
            self.branch(node, parent, fork, depth + 1);
        }
    }

    /// The branch that was left becomes the longest again, unless it would undo too much.
    pub(super) fn turn_back(&mut self, node: usize, most: u32) {
        let Some((tip, fork)) = self.left.take() else { return };
        let Some(net) = self.nodes.get(node).map(|node| &node.net) else { return };
        let height = net.tip_height();
        let Ok(Some(status)) = net.block(tip) else { return };
        if height.saturating_sub(fork) < most && status.confirmations.is_none() && height >= status.height {
            self.branch(node, tip, status.height, height - status.height + 1);
        }
    }

    fn branch(&mut self, node: usize, parent: Hash256, height: u32, blocks: u32) {
        let mut parent = parent;
        for above in 1..=blocks {
            let time = self.clock.now().unix.to_header_time().saturating_add(above);
            let template = Template::new(height + above, parent, self.nbits, time, SUBSIDY);
            let block = self.solve(&template);
            parent = hash_of(&block);
            let Some(node) = self.nodes.get(node) else { return };
            let _ = node.net.submit(&block);
        }
    }

    /// A block of others on this template.
    fn solve(&mut self, template: &Template) -> Vec<u8> {
        self.extra += 1;
        let marker = Marker { node: u16::MAX, boot: self.extra, job: 0 };
        let outputs = vec![CoinbaseOutput { script: OTHERS.into(), amount: template.coinbase_value }];
        let plan = CoinbasePlan::new(b"others", 8, marker, outputs);
        let Some(coinbase) = plan.and_then(|plan| template.coinbase(&plan)).ok() else { return Vec::new() };
        let source = BitcoinSource {
            version: template.version,
            previous: template.previous,
            coinbase: coinbase.clone(),
            merkle_path: template.merkle_path(),
            nbits: template.nbits,
            ntime: template.curtime,
        };
        let terms = Terms {
            channel: ChannelId(0),
            id: JobId(0),
            share_target: Target::MAX,
            extranonce_prefix: Extranonce::from_counter(0, 4).unwrap_or(Extranonce::EMPTY),
            extranonce2_len: 4,
            version_mask: 0,
        };
        let Ok(body) = JobBody::bitcoin(ALGORITHM, source, true) else { return Vec::new() };
        let job = Job::new(Arc::new(body), terms);
        let rolled = Extranonce::from_counter(0, 4).unwrap_or(Extranonce::EMPTY);
        let Ok(header) = job.header(&Share::new(ChannelId(0), JobId(0), rolled, template.curtime, 0)) else {
            return Vec::new();
        };
        let header = self.work(header);
        template.block(&header, &coinbase.transaction(&terms.extranonce_prefix, &rolled))
    }

    fn work(&self, header: Header) -> Header {
        let target = self.nbits.target().unwrap_or(Target::MAX);
        let mut tries = (0..u64::from(u32::MAX)).map(|nonce| header.with_nonce(ALGORITHM, nonce));
        tries.find(|header| ALGORITHM.meets(&self.verifier.digest(header), target)).unwrap_or(header)
    }

    /// The blocks of a node's best chain that pay this script, with their depth.
    pub(super) fn paying(&self, node: usize, script: &[u8]) -> Vec<(Hash256, u32)> {
        let Some(node) = self.nodes.get(node) else { return Vec::new() };
        let (blocks, height) = (node.net.blocks(), node.net.tip_height());
        let pays = |block: &Arc<[u8]>| block.windows(script.len()).any(|window| window == script);
        let heights = 1..;
        let ours = heights.zip(&blocks).filter(|(_, block)| pays(block));
        ours.map(|(own, block): (u32, _)| (hash_of(block), height - own + 1)).collect()
    }

    /// The tips of all nodes.
    pub(super) fn tips(&self) -> HashSet<Hash256> {
        self.nodes.iter().filter_map(|node| node.net.tip().ok()).collect()
    }
}

/// The id of a serialised block.
pub(super) fn hash_of(block: &[u8]) -> Hash256 {
    Hash256::sha256d(block.get(..80).unwrap_or_default())
}
