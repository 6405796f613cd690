//! A journal in memory: for tests, simulations and embedders who owe nobody anything.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otedama_core::Weight;

use super::{
    Applied, Balance, BlockEvent, BlockRecord, BlockState, Candidate, Entry, Journal, JournalError, Life,
    RolledUp, ShareKey, ShareRecord, ShareTotal, check,
};
use crate::account::{Account, PoolName};
use crate::ledger::{Ledger, Transaction};

/// A journal that lasts as long as one of its handles: a clone is another handle on the same entries.
///
/// It keeps the contract of [`Journal`] in all but durability, so a simulated crash is to drop everything else and
/// [`begin`](Journal::begin) on another handle. With [`inject`](Self::inject) it fails on demand.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    store: Arc<Mutex<Store>>,
}

/// How an append of a [`Memory`] is to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// With [`JournalError::Storage`]; nothing is written.
    Refused,
    /// With [`JournalError::Unknown`]; all is written.
    UnknownWritten,
    /// With [`JournalError::Unknown`]; nothing is written.
    UnknownLost,
}

impl Memory {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another handle on the same entries; the same as `clone`.
    #[must_use]
    pub fn handle(&self) -> Self {
        self.clone()
    }

    /// Makes the next append that has not yet been told to fail do so.
    pub fn inject(&self, failure: Failure) {
        self.store().failures.push_back(failure);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // Every append works on a copy or cannot fail half-way, so a panic elsewhere leaves nothing half done.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for Memory {
    fn begin(&mut self) -> Result<Life, JournalError> {
        let mut store = self.store();
        let exhausted = || JournalError::Storage("no boot number is left".into());
        store.boot = store.boot.checked_add(1).ok_or_else(exhausted)?;
        Ok(Life { node: 0, boot: store.boot })
    }

    fn append(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, JournalError> {
        let mut store = self.store();
        match store.failures.pop_front() {
            None => store.append(entries),
            Some(Failure::Refused) => Err(JournalError::Storage("injected".into())),
            Some(Failure::UnknownLost) => Err(JournalError::Unknown("injected".into())),
            Some(Failure::UnknownWritten) => {
                store.append(entries)?;
                Err(JournalError::Unknown("injected".into()))
            }
        }
    }

    fn roll_up(&mut self, pool: &PoolName, keep: Weight, at_most: u64) -> Result<RolledUp, JournalError> {
        self.store().roll_up(pool, keep, at_most)
    }

    fn share_totals(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareTotal),
    ) -> Result<(), JournalError> {
        let store = self.store();
        for ((account, day), (shares, weight)) in store.totals.get(pool).into_iter().flatten() {
            visit(&ShareTotal { account: account.clone(), day: *day, shares: *shares, weight: *weight });
        }
        Ok(())
    }

    fn shares(
        &mut self,
        pool: &PoolName,
        visit: &mut dyn FnMut(&ShareRecord) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        let store = self.store();
        let shares = store.shares.values().rev().filter(|share| share.pool == *pool);
        let _ = { shares }.try_for_each(visit);
        Ok(())
    }

    fn blocks(&mut self, pool: &PoolName, open_only: bool) -> Result<Vec<BlockRecord>, JournalError> {
        let store = self.store();
        let wanted = |block: &&Block| {
            block.record.candidate.pool == *pool && !(open_only && block.record.state.is_final())
        };
        Ok(store.blocks.iter().filter(wanted).map(|block| block.record.clone()).collect())
    }

    fn balances(&mut self, pool: &PoolName) -> Result<Vec<Balance>, JournalError> {
        let store = self.store();
        let balances = store.books.get(pool).into_iter().flat_map(|books| books.ledger.balances());
        Ok(balances.map(|(account, amount)| Balance { account: account.clone(), amount }).collect())
    }

    fn bookings(&mut self, pool: &PoolName, visit: &mut dyn FnMut(&Transaction)) -> Result<(), JournalError> {
        let store = self.store();
        store.books.get(pool).into_iter().flat_map(|books| &books.transactions).for_each(visit);
        Ok(())
    }
}

/// Shares and their weight by account and day.
type Totals = BTreeMap<(Account, u64), (u64, Weight)>;

#[derive(Debug, Default)]
struct Store {
    boot: u32,
    shares: BTreeMap<ShareKey, ShareRecord>,
    /// The highest sequence number of each life.
    last: HashMap<Life, u64>,
    /// The highest of each life that was rolled up.
    rolled: HashMap<Life, u64>,
    totals: HashMap<PoolName, Totals>,
    blocks: Vec<Block>,
    books: HashMap<PoolName, Books>,
    failures: VecDeque<Failure>,
}

#[derive(Clone, Debug)]
struct Block {
    record: BlockRecord,
    events: Vec<BlockEvent>,
}

#[derive(Debug, Default)]
struct Books {
    ledger: Ledger,
    transactions: Vec<Transaction>,
}

/// What an append would change, on top of the store.
#[derive(Debug, Default)]
struct Changes {
    shares: BTreeMap<ShareKey, ShareRecord>,
    /// By position in the store's list; those beyond its end are new.
    blocks: BTreeMap<usize, Block>,
    /// The ledger as it would be, and the new transactions only.
    books: HashMap<PoolName, Books>,
}

impl Store {
    fn append(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, JournalError> {
        let mut changes = Changes::default();
        let applied = entries.iter().map(|entry| match entry {
            Entry::Share(share) => self.add_share(share, &mut changes),
            Entry::Candidate(candidate) => self.add_candidate(candidate, &mut changes),
            Entry::Block(event) => self.add_event(event, &mut changes),
        });
        let applied = applied.collect::<Result<Vec<_>, _>>()?;
        for key in changes.shares.keys() {
            let last = self.last.entry(life(*key)).or_default();
            *last = key.sequence.max(*last);
        }
        self.shares.extend(changes.shares);
        for (position, block) in changes.blocks {
            match self.blocks.get_mut(position) {
                Some(known) => *known = block,
                None => self.blocks.push(block),
            }
        }
        for (pool, mut change) in changes.books {
            let books = self.books.entry(pool).or_default();
            books.ledger = change.ledger;
            books.transactions.append(&mut change.transactions);
        }
        Ok(applied)
    }

    fn add_share(&self, share: &ShareRecord, changes: &mut Changes) -> Result<Applied, JournalError> {
        let key = share.key;
        if key.node != 0 || key.boot == 0 || key.boot > self.boot {
            return Err(check::unknown_life(key));
        }
        if let Some(known) = changes.shares.get(&key).or_else(|| self.shares.get(&key)) {
            return check::same_share(known, share);
        }
        let reached = |numbers: &HashMap<Life, u64>| {
            numbers.get(&life(key)).is_some_and(|number| key.sequence <= *number)
        };
        if reached(&self.rolled) {
            return Ok(Applied::AlreadyThere);
        }
        if reached(&self.last) {
            return Err(check::late_share(key));
        }
        changes.shares.insert(key, share.clone());
        Ok(Applied::Applied)
    }

    fn roll_up(&mut self, pool: &PoolName, keep: Weight, at_most: u64) -> Result<RolledUp, JournalError> {
        let ours = || self.shares.values().filter(|share| share.pool == *pool);
        let mut left = ours().map(|share| share.weight).sum::<Weight>();
        let mut going = Vec::new();
        let mut more = false;
        for share in ours() {
            left = left.saturating_sub(share.weight);
            if left < keep {
                break;
            }
            if going.len() as u64 >= at_most.max(1) {
                more = true;
                break;
            }
            going.push(share.key);
        }
        for key in &going {
            let Some(share) = self.shares.remove(key) else { continue };
            let totals = self.totals.entry(pool.clone()).or_default();
            let (shares, weight) = totals.entry((share.account, share.time.as_secs() / DAY)).or_default();
            *shares += 1;
            *weight = weight.saturating_add(share.weight);
            let rolled = self.rolled.entry(life(*key)).or_default();
            *rolled = key.sequence.max(*rolled);
        }
        Ok(RolledUp { shares: going.len() as u64, more })
    }

    fn add_candidate(
        &self,
        candidate: &Arc<Candidate>,
        changes: &mut Changes,
    ) -> Result<Applied, JournalError> {
        check::candidate(candidate)?;
        if let Some((_, block)) = self.find(candidate.hash, changes) {
            return check::same_candidate(&block.record.candidate, candidate);
        }
        let record = BlockRecord { candidate: candidate.clone(), state: BlockState::Found, ordinal: 0 };
        let position = self.blocks.len() + changes.blocks.range(self.blocks.len()..).count();
        changes.blocks.insert(position, Block { record, events: Vec::new() });
        Ok(Applied::Applied)
    }

    fn add_event(&self, event: &BlockEvent, changes: &mut Changes) -> Result<Applied, JournalError> {
        let (position, mut block) =
            self.find(event.hash, changes).ok_or_else(|| check::unknown_block(event))?;
        if let Some(known) = block.events.iter().find(|known| known.ordinal == event.ordinal) {
            return check::same_event(known, event);
        }
        let record = &block.record;
        check::follows(&record.candidate.pool, record.state, record.ordinal, event)?;
        check::booking(&record.candidate, record.state, event)?;
        if let Some(booking) = &event.booking {
            let books = changes.books.entry(event.pool.clone()).or_insert_with(|| Books {
                ledger: self.books.get(&event.pool).map(|books| books.ledger.clone()).unwrap_or_default(),
                transactions: Vec::new(),
            });
            books.ledger.apply(booking).map_err(|error| check::overdrawn(event, &error))?;
            books.transactions.push(booking.clone());
        }
        (block.record.state, block.record.ordinal) = (event.state, event.ordinal);
        if event.state.is_final() {
            let candidate = Candidate { block: Box::default(), ..Candidate::clone(&block.record.candidate) };
            block.record.candidate = Arc::new(candidate);
        }
        block.events.push(event.clone());
        changes.blocks.insert(position, block);
        Ok(Applied::Applied)
    }

    fn find(&self, hash: otedama_core::Hash256, changes: &Changes) -> Option<(usize, Block)> {
        let is_it = |block: &Block| block.record.candidate.hash == hash;
        let changed = changes.blocks.iter().find(|(_, block)| is_it(block));
        let changed = changed.map(|(position, block)| (*position, block.clone()));
        changed.or_else(|| {
            let position = self.blocks.iter().position(is_it)?;
            Some((position, self.blocks.get(position)?.clone()))
        })
    }
}

/// Seconds of a day.
const DAY: u64 = 86_400;

fn life(key: ShareKey) -> Life {
    Life { node: key.node, boot: key.boot }
}
