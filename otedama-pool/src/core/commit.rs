//! Group commit: what waits to be written down, and what follows once it is.

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Amount, ChannelId, Digest, Hash256, Moment, Now, Percent, Target, UnixTime, Weight};
use otedama_stratum::Ticket;

use super::connection::Worker;
use super::io::{BatchId, ConnectionId, Effect};
use crate::account::{Account, PoolName};
use crate::job::BoardJob;
use crate::journal::{BlockEvent, Candidate, Entry, Life, ShareKey, ShareRecord};
use crate::scheme::{Payee, Scheme, ShareWindow};

/// How long a journal that failed is left alone.
const REST: Duration = Duration::from_secs(1);
/// How long a block waits for the journal.
const BLOCK_PATIENCE: Duration = Duration::from_millis(500);
/// Records in one batch at most; the rest waits for the next.
const BATCH: usize = 4096;

/// Something that is to be written down.
#[derive(Debug)]
pub(super) enum Record {
    Share(AcceptedShare),
    Block(Found),
    News(BlockEvent),
}

/// A share that counts as soon as it is written down.
#[derive(Debug)]
pub(super) struct AcceptedShare {
    pub(super) connection: ConnectionId,
    pub(super) channel: ChannelId,
    pub(super) ticket: Ticket,
    pub(super) worker: Arc<Worker>,
    pub(super) weight: Weight,
    pub(super) digest: Digest,
    pub(super) job: Arc<BoardJob>,
}

/// A block, and its split once a batch has it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) hash: Hash256,
    pub(super) worker: Arc<Worker>,
    pub(super) job: Arc<BoardJob>,
    pub(super) block: Box<[u8]>,
    /// Made anew for every batch that the block is tried in: the window may have changed since.
    pub(super) candidate: Option<Arc<Candidate>>,
    /// When it leaves for the nodes although it is not written down; `None` once it has left.
    pub(super) leaves_at: Option<Moment>,
}

/// What the split of a block depends on besides the window.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) pool: PoolName,
    pub(super) scheme: Arc<dyn Scheme>,
    pub(super) fee: Percent,
}

/// The queue in front of the journal. One batch is in flight at a time; meanwhile the next one gathers.
#[derive(Debug)]
pub(super) struct Commit {
    terms: Terms,
    life: Life,
    window: ShareWindow,
    span: Option<(Target, Weight)>,
    sequence: u64,
    batches: u64,
    waiting: Vec<Record>,
    /// What was a batch, to be filled again.
    spare: Vec<Record>,
    in_flight: Option<InFlight>,
    /// Blocks among both that have not left yet.
    blocks_held: usize,
    rest_until: Option<Moment>,
}

/// A batch whose fate is open.
#[derive(Debug)]
struct InFlight {
    batch: BatchId,
    records: Vec<Record>,
    entries: Arc<[Entry]>,
    /// The journal has failed in a way that leaves open whether it took effect, and is to be asked again.
    in_doubt: bool,
    /// That has happened to it before.
    was_in_doubt: bool,
}

impl Commit {
    pub(super) fn new(terms: Terms, life: Life) -> Self {
        let (sequence, batches, blocks_held, rest_until) = (0, 0, 0, None);
        let (window, waiting, in_flight) = (ShareWindow::default(), Vec::new(), None);
        Self {
            terms,
            life,
            window,
            span: None,
            sequence,
            batches,
            waiting,
            spare: Vec::new(),
            in_flight,
            blocks_held,
            rest_until,
        }
    }

    /// Takes in the shares of earlier lives, newest first.
    pub(super) fn load(&mut self, shares: &[(Account, Weight)], span: Weight) {
        self.window.fill(shares.iter().map(|(account, weight)| (account, *weight)), span);
    }

    pub(super) fn scheme(&self) -> &Arc<dyn Scheme> {
        &self.terms.scheme
    }

    pub(super) fn add(&mut self, record: Record) {
        self.waiting.push(record);
    }

    /// Adds a block that was found now.
    pub(super) fn add_block(&mut self, found: Found, now: Now) {
        let leaves_at = Some(now.moment.plus(BLOCK_PATIENCE));
        self.blocks_held += 1;
        self.waiting.push(Record::Block(Found { leaves_at, ..found }));
    }

    /// When the next block leaves although it is not written down.
    pub(super) fn block_timeout(&self) -> Option<Moment> {
        if self.blocks_held == 0 {
            return None;
        }
        let flying = self.in_flight.iter().flat_map(|flight| &flight.records);
        let held = |record: &Record| match record {
            Record::Block(found) => found.leaves_at,
            Record::Share(_) | Record::News(_) => None,
        };
        flying.chain(&self.waiting).filter_map(held).min()
    }

    /// The blocks that have waited long enough, with the split that they would have now.
    pub(super) fn overdue(&mut self, now: Now) -> Vec<Arc<Candidate>> {
        if self.block_timeout().is_none_or(|due| due > now.moment) {
            return Vec::new();
        }
        let mut leaving = Vec::new();
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut in_flight = self.in_flight.take();
        let flying = in_flight.iter_mut().flat_map(|flight| &mut flight.records);
        for record in flying.chain(&mut waiting) {
            if let Record::Block(found) = record
                && found.leaves_at.take_if(|at| *at <= now.moment).is_some()
            {
                let candidate = found.candidate.clone();
                leaving.push(candidate.unwrap_or_else(|| Arc::new(self.candidate(found, now.unix))));
            }
        }
        self.blocks_held -= leaving.len();
        (self.waiting, self.in_flight) = (waiting, in_flight);
        leaving
    }

    /// A block leaves, for whatever reason.
    pub(super) fn leaves(&mut self, found: &mut Found) {
        if found.leaves_at.take().is_some() {
            self.blocks_held -= 1;
        }
    }

    /// Records that wait or are on their way.
    pub(super) fn backlog(&self) -> usize {
        self.waiting.len() + self.in_flight.as_ref().map_or(0, |flight| flight.records.len())
    }

    /// When a journal that failed may be tried again.
    pub(super) fn timeout(&self) -> Option<Moment> {
        let has_work = match &self.in_flight {
            Some(flight) => flight.in_doubt,
            None => !self.waiting.is_empty(),
        };
        self.rest_until.filter(|_| has_work)
    }

    /// The next batch, if there is something to write and nothing in flight; the same batch again while it is in doubt.
    pub(super) fn poll(&mut self, now: Now) -> Option<Effect> {
        if self.rest_until.is_some_and(|until| now.moment < until) {
            return None;
        }
        if let Some(flight) = &mut self.in_flight {
            let again = std::mem::take(&mut flight.in_doubt);
            let persist = || Effect::Persist { batch: flight.batch, entries: Arc::clone(&flight.entries) };
            return again.then(persist);
        }
        if self.waiting.is_empty() {
            return None;
        }
        let mut records = std::mem::take(&mut self.spare);
        if self.waiting.len() <= BATCH {
            std::mem::swap(&mut records, &mut self.waiting);
        } else {
            records.extend(self.waiting.drain(..BATCH));
        }
        let entries: Arc<[Entry]> = records.iter_mut().map(|record| self.entry(record, now.unix)).collect();
        self.batches += 1;
        let batch = BatchId(self.batches);
        self.in_flight = Some(InFlight {
            batch,
            records,
            entries: Arc::clone(&entries),
            in_doubt: false,
            was_in_doubt: false,
        });
        Some(Effect::Persist { batch, entries })
    }

    /// Takes back what held a batch, to hold another.
    pub(super) fn recycle(&mut self, mut records: Vec<Record>) {
        records.clear();
        self.spare = records;
    }

    /// The records of the batch that was written down.
    pub(super) fn done(&mut self, batch: BatchId) -> Option<Vec<Record>> {
        let flight = self.in_flight.take_if(|flight| flight.batch == batch)?;
        self.window.keep();
        self.rest_until = None;
        Some(flight.records)
    }

    /// It is open whether the batch was written. Only the same batch tells, so it is tried until that is known: whoever
    /// was told "refused" now would come again, and count twice. Gives the blocks in it, which must not wait.
    pub(super) fn in_doubt(&mut self, batch: BatchId, now: Now) -> Vec<Arc<Candidate>> {
        let Some(flight) = self.in_flight.as_mut().filter(|flight| flight.batch == batch) else {
            return Vec::new();
        };
        flight.in_doubt = true;
        flight.was_in_doubt = true;
        self.rest_until = Some(now.moment.plus(REST));
        let mut leaving = Vec::new();
        for record in &mut flight.records {
            if let Record::Block(found) = record
                && found.leaves_at.take().is_some()
            {
                self.blocks_held -= 1;
                leaving.extend(found.candidate.clone());
            }
        }
        leaving
    }

    /// Whether this batch may be there although the journal said that the last attempt failed.
    pub(super) fn may_be_there(&self, batch: BatchId) -> bool {
        self.in_flight.as_ref().is_some_and(|flight| flight.batch == batch && flight.was_in_doubt)
    }

    /// The records of the batch that could not be written; its shares leave the window.
    pub(super) fn failed(&mut self, batch: BatchId, now: Now) -> Option<Vec<Record>> {
        let flight = self.in_flight.take_if(|flight| flight.batch == batch)?;
        for record in &flight.records {
            if matches!(record, Record::Share(_)) {
                self.window.pop_newest();
            }
        }
        self.rest_until = Some(now.moment.plus(REST));
        Some(flight.records)
    }

    fn entry(&mut self, record: &mut Record, time: UnixTime) -> Entry {
        match record {
            Record::Share(share) => Entry::Share(self.share(share, time)),
            Record::News(event) => Entry::Block(event.clone()),
            Record::Block(found) => {
                let candidate = Arc::new(self.candidate(found, time));
                found.candidate = Some(Arc::clone(&candidate));
                Entry::Candidate(candidate)
            }
        }
    }

    /// What the scheme looks back on at this target; nearly always the one that it was asked about last.
    fn span(&mut self, network: Target) -> Weight {
        match self.span {
            Some((last, span)) if last == network => span,
            _ => self.span.insert((network, self.terms.scheme.span(network))).1,
        }
    }

    fn share(&mut self, share: &AcceptedShare, time: UnixTime) -> ShareRecord {
        let span = self.span(share.job.body.network_target());
        let account = &share.worker.payout.account;
        self.window.push_for_now(account, share.weight, span);
        self.sequence += 1;
        ShareRecord {
            key: ShareKey { node: self.life.node, boot: self.life.boot, sequence: self.sequence },
            pool: self.terms.pool.clone(),
            account: account.clone(),
            worker: Arc::clone(&share.worker.name),
            weight: share.weight,
            digest: share.digest,
            height: share.job.template.height,
            time,
        }
    }

    fn candidate(&self, found: &Found, time: UnixTime) -> Candidate {
        let reward = found.job.template.coinbase_value;
        let fee = reward.percent(self.terms.fee);
        let rest = reward.checked_sub(fee).unwrap_or(Amount::ZERO);
        let network = found.job.body.network_target();
        let account = &found.worker.payout.account;
        let credits = self.terms.scheme.split(rest, account, &self.window, network);
        let credits = exact(rest, credits, account);
        Candidate {
            pool: self.terms.pool.clone(),
            hash: found.hash,
            height: found.job.template.height,
            finder: account.clone(),
            worker: Arc::clone(&found.worker.name),
            reward,
            fee,
            credits,
            paid_by_coinbase: self.terms.scheme.payee() == Payee::Finder,
            time,
            block: found.block.clone(),
        }
    }
}

/// The credits of a scheme, made to add up. A scheme that does not split exactly breaks its contract, but no block may
/// be lost and no coin be made up because of it: its parts then only say the proportions.
fn exact(rest: Amount, credits: Vec<(Account, Amount)>, finder: &Account) -> Vec<(Account, Amount)> {
    let sum = Amount::checked_sum(credits.iter().map(|(_, amount)| *amount));
    if sum == Some(rest) {
        return credits;
    }
    let weights: Vec<_> = credits.iter().map(|(_, amount)| Weight::new(amount.atomic())).collect();
    match rest.split(&weights) {
        Some(parts) => credits.into_iter().zip(parts).map(|((account, _), part)| (account, part)).collect(),
        None => vec![(finder.clone(), rest)],
    }
}
