//! A node in the process: a chain of its own that obeys the rules of Bitcoin, for demonstrations and tests.
//!
//! It really judges every block (proof of work, time, coinbase form, merkle root, witness commitment, amounts, size)
//! and refuses in the words of a real node, with code that shares nothing with the pool's block building. What it
//! leaves out is scripts and coins: an ordinary transaction is opaque, is valid if it was
//! [given](Devnet::add_transaction) before, and may stand once on a branch. Blocks on branches are checked at once,
//! where a real node would wait until the branch is the best.

mod config;
mod file;
mod parse;
mod rules;
mod transaction;
mod tree;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otedama_core::{Amount, CompactTarget, Hash256, Header, Target};
use otedama_hash::Verifier;

use self::file::{ChainFile, Kind, Record};
use self::parse::Block;
use self::rules::{MAX_SIGOPS, MAX_WEIGHT, Refusal, commitment_script, witness_root};
use self::transaction::read_transaction;
use self::tree::{Accepted, BlockTree};
use super::{BlockStatus, Node, NodeError, Submission};
use crate::coin::Chain;
use crate::template::{Template, TemplateTransaction};

pub use config::{Clock, DevnetConfig, DevnetError};
pub use transaction::opaque_transaction;

/// What a template leaves for the block's frame and its coinbase.
const RESERVED_WEIGHT: u64 = 8_000;
/// Signature operations that a template leaves for the coinbase.
const RESERVED_SIGOPS: u64 = 400;

/// A chain in the process. See the [module](self).
pub struct Devnet {
    verifier: Verifier,
    nbits: CompactTarget,
    target: Target,
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

/// What changes, under one lock.
#[derive(Debug)]
struct State {
    chain: BlockTree,
    waiting: Vec<TemplateTransaction>,
    /// How many transactions were ever given; part of the long-poll ticket.
    given: u64,
    file: Option<ChainFile>,
}

impl Devnet {
    /// A new chain, or the one that the file holds.
    ///
    /// # Errors
    /// [`DevnetError`]: which says whether the configuration, the file or the machine is at fault.
    pub fn new(config: DevnetConfig) -> Result<Self, DevnetError> {
        if !config.algorithm.over_bitcoin_header().is_bitcoin_like() {
            return Err(otedama_hash::Unsupported(config.algorithm).into());
        }
        let identity = config.identity();
        let chain = BlockTree::new(config.nbits, config.subsidy);
        let devnet = Self {
            verifier: Verifier::new(config.algorithm)?,
            nbits: config.nbits,
            target: config.nbits.target()?,
            clock: config.clock,
            state: Mutex::new(State { chain, waiting: Vec::new(), given: 0, file: None }),
            changed: Condvar::new(),
        };
        if let Some(path) = &config.file {
            let (mut file, records) = ChainFile::open(path)?;
            devnet.replay(&records, &identity)?;
            if records.is_empty() {
                file.append(Kind::Chain, identity.as_bytes())?;
            }
            devnet.lock().file = Some(file);
        }
        Ok(devnet)
    }

    /// The height of the tip; 0 on a new chain.
    #[must_use]
    pub fn tip_height(&self) -> u32 {
        self.lock().chain.height()
    }

    /// The serialised blocks of the best chain, from height 1 up.
    #[must_use]
    pub fn blocks(&self) -> Vec<Arc<[u8]>> {
        let state = self.lock();
        let best = state.chain.branch(state.chain.tip()).filter(|(_, entry)| entry.height > 0);
        let mut blocks: Vec<_> = best.map(|(_, entry)| entry.bytes.clone()).collect();
        blocks.reverse();
        blocks
    }

    /// Declares a block and everything on top of it invalid; the best of what is left is the new tip. Whether the
    /// block was a valid one of this chain.
    ///
    /// # Errors
    /// [`DevnetError::File`] if that cannot be written down; nothing has changed then.
    pub fn invalidate(&self, hash: Hash256) -> Result<bool, DevnetError> {
        let mut state = self.lock();
        if !state.chain.is_valid(hash) {
            return Ok(false);
        }
        state.record(Kind::Invalid, hash.as_internal())?;
        let invalidated = state.chain.invalidate(hash);
        self.changed.notify_all();
        Ok(invalidated)
    }

    /// Offers a serialised transaction with this fee to the next templates, until a block holds it. Returns its id.
    ///
    /// # Errors
    /// [`DevnetError::Transaction`] if it is not one transaction, is a coinbase, or was given before;
    /// [`DevnetError::File`] if it cannot be written down.
    pub fn add_transaction(&self, data: &[u8], fee: Amount) -> Result<Hash256, DevnetError> {
        let waiting = read_transaction(data, fee)?;
        let mut state = self.lock();
        let txid = waiting.txid;
        if state.waiting.iter().any(|other| other.txid == txid) {
            return Err(DevnetError::Transaction("txn-already-known".into()));
        }
        let units = u64::try_from(fee.atomic()).map_err(|_| DevnetError::Transaction("bad fee".into()))?;
        state.record(Kind::Transaction, &[&units.to_le_bytes(), data].concat())?;
        state.give(waiting);
        Ok(txid)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replay(&self, records: &[Record], identity: &str) -> Result<(), DevnetError> {
        let Some(((kind, found), rest)) = records.split_first() else { return Ok(()) };
        if *kind != Kind::Chain || found != identity.as_bytes() {
            return Err(DevnetError::OtherChain { found: String::from_utf8_lossy(found).into_owned() });
        }
        let mut state = self.lock();
        for (kind, payload) in rest {
            let refused = |reason: &str| DevnetError::FileRefused(reason.to_owned());
            match kind {
                Kind::Chain => return Err(refused("a second chain")),
                Kind::Block => {
                    let block = Block::read(payload).ok_or_else(|| refused("an undecodable block"))?;
                    self.check_work(&block).map_err(|why| refused(&why))?;
                    state.chain.check(&block, u32::MAX).map_err(|why| refused(&why))?;
                    state.chain.accept(&block, payload.as_slice().into());
                }
                Kind::Invalid => {
                    let hash = payload.as_slice().try_into().map_err(|_| refused("a malformed hash"))?;
                    state.chain.invalidate(Hash256::from_internal(hash));
                }
                Kind::Transaction => {
                    let (units, data) = payload.split_first_chunk().ok_or_else(|| refused("a short one"))?;
                    let fee = Amount::from_atomic(u64::from_le_bytes(*units).into());
                    state.give(read_transaction(data, fee)?);
                }
            }
        }
        Ok(())
    }

    fn check_work(&self, block: &Block) -> Result<(), Refusal> {
        let header = Header::new(&block.header).ok_or("bad-header")?;
        let digest = self.verifier.digest(&header);
        if self.verifier.algorithm().meets(&digest, self.target) { Ok(()) } else { Err("high-hash".into()) }
    }

    fn now(&self) -> u32 {
        (self.clock)().to_header_time()
    }

    fn make_template(&self, state: &State) -> Template {
        let tip = state.chain.tip();
        let earliest = state.chain.median_time(tip).saturating_add(1);
        let transactions = state.offered();
        let fees = transactions.iter().filter_map(|transaction| transaction.fee);
        let value = Amount::checked_sum(fees.chain([state.chain.subsidy()])).unwrap_or(Amount::ZERO);
        let time = self.now().max(earliest);
        let ids = transactions.iter().map(|transaction| transaction.wtxid);
        let commitment = commitment_script(witness_root(ids));
        let mut template = Template::new(state.chain.height() + 1, tip, self.nbits, time, value);
        template.mintime = earliest;
        template.witness_commitment = Some(commitment);
        template.transactions = transactions;
        template.sigop_limit = MAX_SIGOPS;
        template.weight_limit = MAX_WEIGHT;
        template.long_poll_id = Some(format!("{tip}{}", state.given));
        template
    }
}

impl Node for Devnet {
    fn name(&self) -> &str {
        "devnet"
    }

    fn chain(&self) -> Result<String, NodeError> {
        Ok(Chain::Regtest.name().to_owned())
    }

    fn tip(&self) -> Result<Hash256, NodeError> {
        Ok(self.lock().chain.tip())
    }

    fn template(&self) -> Result<Template, NodeError> {
        Ok(self.make_template(&self.lock()))
    }

    fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
        let same_tip = |state: &mut State| state.chain.tip() == seen.previous;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, same_tip);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let template = self.make_template(&state);
        Ok((template.long_poll_id != seen.long_poll_id).then_some(template))
    }

    fn submit(&self, bytes: &[u8]) -> Result<Submission, NodeError> {
        let Some(block) = Block::read(bytes) else { return Ok(refused("Block decode failed")) };
        let hash = block.hash();
        let work = self.check_work(&block);
        let mut state = self.lock();
        if state.chain.get(hash).is_some() {
            let valid = state.chain.is_valid(hash);
            return Ok(if valid { Submission::Known } else { refused("duplicate-invalid") });
        }
        if let Err(why) = work.and_then(|()| state.chain.check(&block, self.now())) {
            return Ok(refused(&why));
        }
        state.record(Kind::Block, bytes).map_err(|error| NodeError::Unreachable(error.to_string()))?;
        let accepted = state.chain.accept(&block, bytes.into());
        self.changed.notify_all();
        Ok(match accepted {
            Accepted::Tip => Submission::Known,
            Accepted::Branch => Submission::Inconclusive,
        })
    }

    fn propose(&self, bytes: &[u8]) -> Result<Option<Submission>, NodeError> {
        let Some(block) = Block::read(bytes) else { return Ok(Some(refused("Block decode failed"))) };
        let state = self.lock();
        if block.previous != state.chain.tip() {
            return Ok(Some(Submission::Inconclusive));
        }
        Ok(Some(match state.chain.check(&block, self.now()) {
            Ok(()) => Submission::Known,
            Err(why) => refused(&why),
        }))
    }

    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        let state = self.lock();
        let status = |height| BlockStatus { height, confirmations: state.chain.confirmations(hash) };
        Ok(state.chain.get(hash).map(|entry| status(entry.height)))
    }
}

impl fmt::Debug for Devnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devnet").field("algorithm", &self.verifier.algorithm()).finish_non_exhaustive()
    }
}

impl State {
    fn record(&mut self, kind: Kind, payload: &[u8]) -> Result<(), DevnetError> {
        match &mut self.file {
            Some(file) => Ok(file.append(kind, payload)?),
            None => Ok(()),
        }
    }

    fn give(&mut self, transaction: TemplateTransaction) {
        self.chain.learn(transaction.txid, transaction.fee.unwrap_or(Amount::ZERO));
        self.waiting.push(transaction);
        self.given += 1;
    }

    /// The transactions that no block of the best chain holds, as many as a block takes.
    fn offered(&self) -> Vec<TemplateTransaction> {
        let spent = self.chain.spent(self.chain.tip());
        let mut room = (MAX_WEIGHT - RESERVED_WEIGHT, MAX_SIGOPS - RESERVED_SIGOPS);
        let mut offered = Vec::new();
        for transaction in self.waiting.iter().filter(|waiting| !spent.contains(&waiting.txid)) {
            let weight = room.0.checked_sub(transaction.weight);
            let Some(left) = weight.zip(room.1.checked_sub(transaction.sigops)) else { break };
            room = left;
            offered.push(transaction.clone());
        }
        offered
    }
}

fn refused(why: &str) -> Submission {
    Submission::Refused(why.to_owned())
}
