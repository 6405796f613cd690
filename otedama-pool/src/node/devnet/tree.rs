//! The blocks of the embedded chain, and which of them is the tip.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use otedama_core::{Amount, CompactTarget, Hash256};

use super::parse::Block;
use super::rules::{Refusal, check_context, check_form};

/// How far a block's time may lie in the future, in seconds.
const MAX_FUTURE: u32 = 2 * 60 * 60;
/// How many blocks the median time is taken over.
const MEDIAN_SPAN: usize = 11;
const GENESIS_TIME: u32 = 1_296_688_602;

/// All blocks that were ever accepted, and which of them is the tip.
#[derive(Debug)]
pub(super) struct BlockTree {
    nbits: CompactTarget,
    subsidy: Amount,
    blocks: HashMap<Hash256, Entry>,
    tip: Hash256,
    /// Fees of all transactions that this chain has heard of.
    fees: HashMap<Hash256, Amount>,
}

/// An accepted block.
#[derive(Debug)]
pub(super) struct Entry {
    previous: Hash256,
    pub(super) height: u32,
    time: u32,
    /// Of two equally high blocks the one seen first is the tip.
    order: usize,
    valid: bool,
    spent: HashSet<Hash256>,
    pub(super) bytes: Arc<[u8]>,
}

/// Where an accepted block went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It is the new tip.
    Tip,
    /// It is kept on a branch.
    Branch,
}

impl BlockTree {
    pub(super) fn new(nbits: CompactTarget, subsidy: Amount) -> Self {
        let mut header = [0; 80];
        header[0] = 1;
        header[68..72].copy_from_slice(&GENESIS_TIME.to_le_bytes());
        header[72..76].copy_from_slice(&nbits.to_bits().to_le_bytes());
        let genesis = Entry {
            previous: Hash256::ZERO,
            height: 0,
            time: GENESIS_TIME,
            order: 0,
            valid: true,
            spent: HashSet::new(),
            bytes: header.as_slice().into(),
        };
        let tip = Hash256::sha256d(&header);
        Self { nbits, subsidy, blocks: HashMap::from([(tip, genesis)]), tip, fees: HashMap::new() }
    }

    pub(super) const fn tip(&self) -> Hash256 {
        self.tip
    }

    pub(super) const fn subsidy(&self) -> Amount {
        self.subsidy
    }

    pub(super) fn get(&self, hash: Hash256) -> Option<&Entry> {
        self.blocks.get(&hash)
    }

    pub(super) fn height(&self) -> u32 {
        self.blocks.get(&self.tip).map_or(0, |entry| entry.height)
    }

    /// Blocks from this one to the tip, itself included; `None` if it is not on the best chain.
    pub(super) fn confirmations(&self, hash: Hash256) -> Option<u32> {
        let entry = self.blocks.get(&hash)?;
        let on_best = self.branch(self.tip).find(|(_, other)| other.height == entry.height)?.0 == hash;
        on_best.then(|| self.height() - entry.height + 1)
    }

    /// A block and its ancestors, down to the first block of all.
    pub(super) fn branch(&self, from: Hash256) -> impl Iterator<Item = (Hash256, &Entry)> {
        std::iter::successors(self.blocks.get(&from).map(|entry| (from, entry)), |(_, entry)| {
            self.blocks.get(&entry.previous).map(|parent| (entry.previous, parent))
        })
    }

    /// The ids of all transactions on this branch, coinbases aside.
    pub(super) fn spent(&self, tip: Hash256) -> HashSet<Hash256> {
        self.branch(tip).flat_map(|(_, entry)| entry.spent.iter().copied()).collect()
    }

    /// The median time of the last eleven blocks up to this one.
    pub(super) fn median_time(&self, hash: Hash256) -> u32 {
        let mut times: Vec<_> = self.branch(hash).take(MEDIAN_SPAN).map(|(_, entry)| entry.time).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(GENESIS_TIME)
    }

    /// Makes a transaction known, so that blocks may hold it.
    pub(super) fn learn(&mut self, txid: Hash256, fee: Amount) {
        self.fees.insert(txid, fee);
    }

    /// Whether the block obeys every rule but proof of work. `now` bounds its time.
    pub(super) fn check(&self, block: &Block, now: u32) -> Result<(), Refusal> {
        check_form(block)?;
        let parent = self.blocks.get(&block.previous).ok_or("prev-blk-not-found")?;
        if !parent.valid {
            return Err("bad-prevblk".into());
        }
        self.check_header(block, now)?;
        check_context(block, parent.height + 1)?;
        self.check_money(block)
    }

    /// Keeps a block that was checked.
    pub(super) fn accept(&mut self, block: &Block, bytes: Arc<[u8]>) -> Accepted {
        let height = self.blocks.get(&block.previous).map_or(0, |parent| parent.height + 1);
        let spent = block.transactions.iter().skip(1).map(|transaction| transaction.txid).collect();
        let (previous, time, order) = (block.previous, block.time, self.blocks.len());
        let best = height > self.height();
        self.blocks.insert(block.hash(), Entry { previous, height, time, order, valid: true, spent, bytes });
        if best {
            self.tip = block.hash();
            return Accepted::Tip;
        }
        Accepted::Branch
    }

    /// Declares a block and all that builds on it invalid. Whether there was something to invalidate.
    pub(super) fn invalidate(&mut self, hash: Hash256) -> bool {
        if !self.blocks.get(&hash).is_some_and(|entry| entry.valid && entry.height > 0) {
            return false;
        }
        let doomed: Vec<_> = self
            .blocks
            .keys()
            .copied()
            .filter(|key| self.branch(*key).any(|(ancestor, _)| ancestor == hash))
            .collect();
        for key in doomed {
            if let Some(entry) = self.blocks.get_mut(&key) {
                entry.valid = false;
            }
        }
        let best = self
            .blocks
            .iter()
            .filter(|(_, entry)| entry.valid)
            .max_by_key(|(_, entry)| (entry.height, std::cmp::Reverse(entry.order)));
        if let Some((best, _)) = best {
            self.tip = *best;
        }
        true
    }

    pub(super) fn is_valid(&self, hash: Hash256) -> bool {
        self.blocks.get(&hash).is_some_and(|entry| entry.valid)
    }

    fn check_header(&self, block: &Block, now: u32) -> Result<(), Refusal> {
        if block.bits != self.nbits.to_bits() {
            return Err("bad-diffbits".into());
        }
        if block.time <= self.median_time(block.previous) {
            return Err("time-too-old".into());
        }
        if block.time > now.saturating_add(MAX_FUTURE) {
            return Err("time-too-new".into());
        }
        if block.version < 4 {
            return Err(format!("bad-version({:#010x})", block.version).into());
        }
        Ok(())
    }

    fn check_money(&self, block: &Block) -> Result<(), Refusal> {
        let mut allowed = self.subsidy;
        let mut spent =
            if block.transactions.len() > 1 { self.spent(block.previous) } else { HashSet::new() };
        for transaction in block.transactions.iter().skip(1) {
            let fee = self.fees.get(&transaction.txid).filter(|_| spent.insert(transaction.txid));
            let fee = fee.ok_or("bad-txns-inputs-missingorspent")?;
            allowed = allowed.checked_add(*fee).ok_or("bad-txns-accumulated-fee-outofrange")?;
        }
        let coinbase = block.transactions.first().ok_or("bad-cb-missing")?;
        let paid = coinbase.outputs.iter().map(|output| Amount::from_atomic(output.units.into()));
        if Amount::checked_sum(paid).is_none_or(|paid| paid > allowed) {
            return Err("bad-cb-amount".into());
        }
        Ok(())
    }
}
