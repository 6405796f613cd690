//! What must hold at every step, kept by somebody who sees both sides.

use std::collections::{BTreeMap, HashMap, HashSet};

use otedama_core::{Amount, Digest, Hash256, Weight};

use super::chain::Chain;
use super::miner::Sent;
use crate::account::{Account, PoolName};
use crate::journal::{Applied, BlockEvent, BlockState, Candidate, Entry, Journal as _, Memory, ShareRecord};
use crate::ledger::{Ledger, LedgerAccount};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// Which one, in the words of the promise.
    pub rule: &'static str,
    /// What was seen instead.
    pub what: String,
}

pub(super) fn broken<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { rule, what: what.into() })
}

pub(super) const ONCE: &str = "a share counts once";
pub(super) const DURABLE: &str = "accepted means durable";
pub(super) const EXACT: &str = "a reward is split exactly";
pub(super) const NEVER_LOST: &str = "a block is never lost";
pub(super) const ON_CHAIN: &str = "only a block on the chain is credited";
pub(super) const MATURE: &str = "only a mature block is credited for good";
pub(super) const BOOKS: &str = "the books add up";
pub(super) const WRITTEN: &str = "a block is written down before it leaves";
pub(super) const REST: &str = "everything is answered and settled in the end";

/// What is written down, and what everybody was told.
#[derive(Debug)]
pub(super) struct Audit {
    pool: PoolName,
    span: Weight,
    maturity: u32,
    /// Told on the wire.
    accepted: HashSet<Digest>,
    /// Synced.
    durable: HashMap<Digest, Weight>,
    /// All shares that were ever synced, oldest first.
    history: Vec<(Account, Weight)>,
    pub(super) candidates: HashSet<Hash256>,
    /// Blocks that were once on the best chain of some node.
    pub(super) on_chain: HashSet<Hash256>,
    /// A node has claimed to have blocks that it may not have.
    pub(super) lied_to: bool,
    /// Blocks that the pool knows of and has not handed in yet, and when that breaks the promise.
    pub(super) due: BTreeMap<Hash256, u64>,
    /// Blocks that a node must have been handed by then.
    pub(super) owed: BTreeMap<(Hash256, usize), u64>,
    /// Blocks that left while the journal failed. If the process dies before it is mended, nobody knows of them.
    pub(super) unwritten: HashSet<Hash256>,
}

impl Audit {
    pub(super) fn new(pool: PoolName, span: Weight, maturity: u32) -> Self {
        Self {
            pool,
            span,
            maturity,
            accepted: HashSet::new(),
            durable: HashMap::new(),
            history: Vec::new(),
            candidates: HashSet::new(),
            on_chain: HashSet::new(),
            lied_to: false,
            due: BTreeMap::new(),
            owed: BTreeMap::new(),
            unwritten: HashSet::new(),
        }
    }

    /// How many shares were answered "accepted".
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.len() as u64
    }

    /// Somebody is told that this share counts.
    pub(super) fn told(&mut self, digest: Digest, sent: Option<&Sent>) -> Result<(), Broken> {
        if !self.accepted.insert(digest) {
            return broken(ONCE, format!("{digest} was accepted twice"));
        }
        let Some(weight) = self.durable.get(&digest) else {
            return broken(DURABLE, format!("{digest} was accepted and is not written down"));
        };
        match sent {
            Some(sent) if sent.weight != *weight => {
                broken(EXACT, format!("{digest} counts for {weight}, its job said {}", sent.weight))
            }
            _ => Ok(()),
        }
    }

    /// Entries were synced.
    pub(super) fn synced(
        &mut self,
        entries: &[Entry],
        applied: &[Applied],
        chain: &Chain,
    ) -> Result<(), Broken> {
        for (entry, applied) in entries.iter().zip(applied) {
            if *applied == Applied::AlreadyThere {
                continue;
            }
            match entry {
                Entry::Share(share) => self.share(share)?,
                Entry::Candidate(candidate) => {
                    self.split(candidate)?;
                    self.candidates.insert(candidate.hash);
                }
                Entry::Block(event) => self.turned(event, chain)?,
            }
        }
        Ok(())
    }

    fn share(&mut self, share: &ShareRecord) -> Result<(), Broken> {
        if self.durable.insert(share.digest, share.weight).is_some() {
            return broken(ONCE, format!("{} is written down twice", share.digest));
        }
        self.history.push((share.account.clone(), share.weight));
        Ok(())
    }

    /// The split once more, from all shares that were ever written down before the block.
    fn split(&self, candidate: &Candidate) -> Result<(), Broken> {
        let rest = candidate.reward.atomic().saturating_sub(candidate.fee.atomic());
        let (mut left, mut sums) = (self.span.get(), BTreeMap::new());
        for (account, weight) in self.history.iter().rev() {
            let part = weight.get().min(left);
            left -= part;
            *sums.entry(account.clone()).or_insert(0_u128) += part;
            if left == 0 {
                break;
            }
        }
        let total: u128 = sums.values().sum();
        let expected = if total == 0 {
            vec![(candidate.finder.clone(), rest)]
        } else {
            let mut parts: Vec<_> =
                sums.iter().map(|(account, sum)| (account, rest * sum / total, rest * sum % total)).collect();
            let given: u128 = parts.iter().map(|(_, part, _)| part).sum();
            let mut order: Vec<_> = (0..parts.len()).collect();
            order.sort_by_key(|index| (std::cmp::Reverse(parts[*index].2), *index));
            for index in order.into_iter().take(usize::try_from(rest - given).unwrap_or(usize::MAX)) {
                parts[index].1 += 1;
            }
            let part = |(account, part, _): (&Account, u128, u128)| (account.clone(), part);
            parts.into_iter().map(part).filter(|(_, part)| *part > 0).collect()
        };
        let credits: Vec<_> =
            candidate.credits.iter().map(|(account, part)| (account.clone(), part.atomic())).collect();
        if credits == expected {
            return Ok(());
        }
        broken(EXACT, format!("block {} credits {credits:?}, its window says {expected:?}", candidate.hash))
    }

    fn turned(&mut self, event: &BlockEvent, chain: &Chain) -> Result<(), Broken> {
        let BlockEvent { hash, state, .. } = event;
        let depth = chain.depth(*hash);
        if depth.is_some() {
            self.on_chain.insert(*hash);
        }
        match state {
            BlockState::Confirmed if !self.on_chain.contains(hash) && !self.lied_to => {
                broken(ON_CHAIN, format!("block {hash} was credited and never on a chain"))
            }
            BlockState::Matured if depth.is_none_or(|depth| depth < self.maturity) => {
                broken(MATURE, format!("block {hash} was credited for good at depth {depth:?}"))
            }
            _ => Ok(()),
        }
    }

    /// The journal was read again after a death: what is there is what counts from now on.
    pub(super) fn recovered<'a>(&mut self, entries: impl Iterator<Item = &'a [Entry]>) -> Result<(), Broken> {
        (self.durable, self.history) = (HashMap::new(), Vec::new());
        self.candidates.clear();
        let (mut keys, mut events) = (HashSet::new(), HashSet::new());
        for entry in entries.flatten() {
            match entry {
                Entry::Share(share) if keys.insert(share.key) => self.share(share)?,
                Entry::Candidate(candidate) => drop(self.candidates.insert(candidate.hash)),
                Entry::Block(event) => drop(events.insert((event.hash, event.ordinal))),
                Entry::Share(_) => {}
            }
        }
        let gone = self.accepted.iter().filter(|digest| !self.durable.contains_key(*digest));
        match gone.min_by_key(|digest| digest.as_bytes()) {
            Some(lost) => broken(DURABLE, format!("{lost} was accepted and is gone")),
            None => Ok(()),
        }
    }

    /// The books as the journal shows them, against their fold and against the blocks.
    pub(super) fn books(&self, memory: &mut Memory) -> Result<(), Broken> {
        let fault = |error: crate::journal::JournalError| Broken { rule: BOOKS, what: error.to_string() };
        let (mut fold, mut overdrawn) = (Ledger::default(), None);
        memory
            .bookings(&self.pool, &mut |booking| {
                if let Err(error) = fold.apply(booking) {
                    overdrawn = Some(error);
                }
            })
            .map_err(fault)?;
        if let Some(error) = overdrawn {
            return broken(BOOKS, error.to_string());
        }
        let kept: Ledger = memory
            .balances(&self.pool)
            .map_err(fault)?
            .into_iter()
            .map(|balance| (balance.account, balance.amount))
            .collect();
        if kept != fold {
            return broken(BOOKS, "balances are not the fold of the bookings");
        }
        let mut expected = Ledger::default();
        for block in memory.blocks(&self.pool, false).map_err(fault)? {
            let mature = match block.state {
                BlockState::Confirmed => false,
                BlockState::Matured => true,
                _ => continue,
            };
            let Candidate { reward, fee, credits, .. } = block.candidate.as_ref();
            let fees = if mature { LedgerAccount::Fee } else { LedgerAccount::ImmatureFee };
            let miner = |account: &Account| match mature {
                true => LedgerAccount::Balance(account.clone()),
                false => LedgerAccount::Immature(account.clone()),
            };
            let credits = credits.iter().map(|(account, part)| (miner(account), *part));
            for (account, part) in credits.chain([(fees, *fee), (LedgerAccount::Chain, *reward)]) {
                let sum = expected.balance(&account).checked_add(part).unwrap_or(Amount::ZERO);
                expected.extend([(account, sum)]);
            }
        }
        if kept != expected {
            return broken(BOOKS, "balances are not what the blocks on the chain give");
        }
        Ok(())
    }

    /// Every share is in the journal once: live, or in the sums of its account.
    pub(super) fn shares(&self, memory: &mut Memory) -> Result<(), Broken> {
        let fault = |error: crate::journal::JournalError| Broken { rule: BOOKS, what: error.to_string() };
        let mut sums: BTreeMap<Account, u128> = BTreeMap::new();
        for (account, weight) in &self.history {
            *sums.entry(account.clone()).or_default() += weight.get();
        }
        let mut kept: BTreeMap<Account, u128> = BTreeMap::new();
        memory
            .shares(&self.pool, &mut |share| {
                *kept.entry(share.account.clone()).or_default() += share.weight.get();
                std::ops::ControlFlow::Continue(())
            })
            .map_err(fault)?;
        memory
            .share_totals(&self.pool, &mut |total| {
                *kept.entry(total.account.clone()).or_default() += total.weight.get();
            })
            .map_err(fault)?;
        if kept == sums { Ok(()) } else { broken(ONCE, "rolled up and live shares are not all shares") }
    }

    /// Nothing that was promised for now is missing.
    pub(super) fn on_time(&self, now: u64) -> Result<(), Broken> {
        if let Some((hash, _)) = self.due.iter().find(|(_, deadline)| **deadline < now) {
            return broken(NEVER_LOST, format!("block {hash} was found and never handed in"));
        }
        if let Some(((hash, node), _)) = self.owed.iter().find(|(_, deadline)| **deadline < now) {
            return broken(NEVER_LOST, format!("block {hash} never reached node {node}"));
        }
        Ok(())
    }

    /// When all has come to rest: the chain and the books tell the same story.
    pub(super) fn settled(&self, chain: &Chain, memory: &mut Memory, script: &[u8]) -> Result<(), Broken> {
        let fault = |error: crate::journal::JournalError| Broken { rule: BOOKS, what: error.to_string() };
        let blocks = memory.blocks(&self.pool, false).map_err(fault)?;
        let states: BTreeMap<_, _> = blocks.iter().map(|block| (block.candidate.hash, block.state)).collect();
        if states.len() != blocks.len() {
            return broken(ONCE, "a block is written down twice");
        }
        let ours: BTreeMap<_, _> = chain.paying(0, script).into_iter().collect();
        for (hash, depth) in &ours {
            let expected = if *depth >= self.maturity { BlockState::Matured } else { BlockState::Confirmed };
            match states.get(hash) {
                Some(state) if *state == expected => {}
                None if self.unwritten.contains(hash) => {}
                state => return broken(NEVER_LOST, format!("block {hash} is {depth} deep and {state:?}")),
            }
        }
        let credited = |state: &BlockState| matches!(state, BlockState::Confirmed | BlockState::Matured);
        match states.iter().find(|(hash, state)| credited(state) && !ours.contains_key(*hash)) {
            Some((hash, state)) => broken(ON_CHAIN, format!("block {hash} is on no chain and {state:?}")),
            None => Ok(()),
        }
    }
}
