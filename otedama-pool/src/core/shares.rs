//! Where a share is judged, recorded and answered.

use std::sync::Arc;

use otedama_core::{Claim, Digest, Reject, Share};
use otedama_stratum::Ticket;

use super::PoolCore;
use super::commit::{AcceptedShare, Found, Record};
use super::connection::Worker;
use super::io::{BatchId, ConnectionId, PoolEvent};
use super::mining::assemble;
use crate::job::BoardJob;
use crate::journal::{Applied, Candidate, JournalError};
use crate::validator::Pending;

/// A share on its way through the hash. Whoever loses it leaves a miner without an answer.
#[derive(Debug)]
pub struct Check {
    connection: ConnectionId,
    /// What to answer to; none if that is done.
    ticket: Option<Ticket>,
    worker: Arc<Worker>,
    board: Arc<BoardJob>,
    pending: Pending,
}

impl Check {
    /// The claim whose header has to be hashed.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        self.pending.claim()
    }
}

impl PoolCore {
    /// A share comes in: the cheap checks, then it goes off to be hashed.
    pub(super) fn submit(&mut self, id: ConnectionId, ticket: Option<Ticket>, share: &Share) {
        match self.begin(id, ticket, share) {
            Ok(check) => {
                self.unhashed.push(check);
                self.hashing += 1;
                self.share_begins(id);
            }
            Err(reject) => self.reject(id, ticket, reject),
        }
    }

    /// What does not count as a share is hashed all the same if a header can be made of it: it may be a block.
    fn begin(&self, id: ConnectionId, ticket: Option<Ticket>, share: &Share) -> Result<Check, Reject> {
        let connection = self.connections.get(&id).ok_or(Reject::NotSubscribed)?;
        let known = connection.worker(share.worker);
        let channel = connection.channel(share.channel).ok_or(Reject::UnknownJob)?;
        let worker = known.or_else(|| connection.owner(channel)).ok_or(Reject::Unauthorized)?;
        let sent = channel.job(share.job).ok_or(Reject::UnknownJob)?;
        if !self.board.remembers(&sent.board) {
            return Err(Reject::UnknownJob);
        }
        let mut pending = Pending::begin(&sent.job, share, self.board.is_stale(&sent.board), self.now)?;
        if known.is_none() {
            pending = pending.refused(Reject::Unauthorized);
        } else if ticket.is_none() || self.is_full(connection) {
            pending = pending.refused(Reject::Overloaded);
        }
        let (worker, board) = (Arc::clone(worker), Arc::clone(&sent.board));
        Ok(Check { connection: id, ticket, worker, board, pending })
    }

    /// The hashes are there: the verdicts.
    pub(super) fn verified(&mut self, mut checks: Vec<Check>, digests: Vec<Digest>) {
        self.hashing = self.hashing.saturating_sub(checks.len());
        self.board.fetch(checks.iter().map(|check| &*check.board).zip(&digests));
        let mut digests = digests.into_iter();
        for check in checks.drain(..) {
            match digests.next() {
                Some(digest) => self.judge(check, digest),
                None => self.refuse(check.connection, check.ticket, Reject::Overloaded),
            }
        }
        if checks.capacity() > self.spare_checks.capacity() {
            self.spare_checks = checks;
        }
        self.relieve();
    }

    /// A block goes out whatever the verdict on the share is.
    fn judge(&mut self, check: Check, digest: Digest) {
        let board = &mut self.board;
        let judged = check.pending.finish(digest, |digest| board.is_first(&check.board, digest));
        let found = if judged.block { self.found(&check) } else { None };
        let Check { connection, ticket, worker, board: job, pending } = check;
        match (judged.verdict, ticket) {
            (Ok(verdict), Some(ticket)) => {
                let (channel, weight) = (pending.job().terms().channel, verdict.weight());
                let share = AcceptedShare { connection, channel, ticket, worker, weight, digest, job };
                self.commit.add(Record::Share(share));
            }
            (Ok(_), None) => self.share_ended(connection),
            (Err(reject), ticket) => self.refuse(connection, ticket, reject),
        }
        // Behind the share, which belongs to what the block pays for.
        if let Some(found) = found {
            self.commit.add_block(found, self.now);
        }
    }

    fn found(&mut self, check: &Check) -> Option<Found> {
        let Check { worker, board, pending, .. } = check;
        let (hash, block) = assemble(pending.claim(), board)?;
        let (worker, job, candidate, leaves_at) = (Arc::clone(worker), Arc::clone(board), None, None);
        self.blocks.is_first(hash).then_some(Found { hash, worker, job, block, candidate, leaves_at })
    }

    /// A share that went off to be hashed does not count.
    fn refuse(&mut self, id: ConnectionId, ticket: Option<Ticket>, reject: Reject) {
        self.reject(id, ticket, reject);
        self.share_ended(id);
    }

    /// The journal has spoken: only now is a share accepted, only now does a block leave.
    pub(super) fn persisted(&mut self, batch: BatchId, outcome: Result<Vec<Applied>, JournalError>) {
        match outcome {
            Ok(_) => {
                if std::mem::take(&mut self.journal_failing) {
                    self.event(PoolEvent::JournalRecovered);
                }
                let mut records = self.commit.done(batch).unwrap_or_default();
                for record in records.drain(..) {
                    self.committed(record);
                }
                self.commit.recycle(records);
                self.roll_up();
            }
            Err(error) => {
                let refused = matches!(error, JournalError::Contradiction(_));
                let unknown = matches!(error, JournalError::Unknown(_)) || self.commit.may_be_there(batch);
                self.journal_failing = true;
                if unknown && !refused {
                    for candidate in self.commit.in_doubt(batch, self.now) {
                        self.send_block(&candidate, false);
                    }
                } else {
                    for record in self.commit.failed(batch, self.now).unwrap_or_default() {
                        self.not_committed(record, !refused);
                    }
                }
                self.event(PoolEvent::JournalFailed(error));
            }
        }
        self.relieve();
    }

    fn committed(&mut self, record: Record) {
        match record {
            Record::Share(share) => {
                let AcceptedShare { connection: id, channel, ticket, worker, weight, .. } = share;
                let (account, worker) = (worker.payout.account.clone(), Arc::clone(&worker.name));
                self.unrolled = self.unrolled.saturating_add(1);
                self.event(PoolEvent::Share { connection: id, channel, account, worker, weight });
                let now = self.now;
                let Some(connection) = self.connections.get_mut(&id) else { return };
                connection.session.answer(ticket, Ok(()));
                if let Some(open) = connection.channel_mut(channel) {
                    open.vardiff.on_share(weight);
                    if open.vardiff.poll(now).is_some() {
                        self.resend_job(id, channel);
                    }
                }
                self.touched.insert(id);
                self.share_ended(id);
            }
            Record::Block(mut found) => {
                self.commit.leaves(&mut found);
                if let Some(candidate) = found.candidate {
                    self.send_block(&candidate, true);
                }
            }
            Record::News(event) => {
                if let Some(event) = self.blocks.turned(&event, self.now) {
                    self.event(event);
                }
            }
        }
    }

    fn not_committed(&mut self, record: Record, retry: bool) {
        match record {
            Record::Share(share) => {
                self.board.forget(&share.job, &share.digest);
                self.refuse(share.connection, Some(share.ticket), Reject::NotRecorded);
            }
            Record::Block(mut found) => {
                self.commit.leaves(&mut found);
                // A block is worth more than its record: it goes out, and is written down as soon as that works.
                if let Some(candidate) = &found.candidate {
                    self.send_block(candidate, false);
                }
                if retry {
                    self.commit.add(Record::Block(found));
                }
            }
            Record::News(event) if retry => self.commit.add(Record::News(event)),
            Record::News(event) => self.blocks.not_turned(&event),
        }
    }

    /// Blocks that the journal keeps waiting leave without it.
    pub(super) fn send_overdue_blocks(&mut self) {
        for candidate in self.commit.overdue(self.now) {
            self.send_block(&candidate, false);
        }
    }

    fn send_block(&mut self, candidate: &Arc<Candidate>, durable: bool) {
        let mut effects = Vec::new();
        self.blocks.found(candidate, durable, self.now, &mut effects);
        self.effects.extend(effects);
    }

    fn reject(&mut self, id: ConnectionId, ticket: Option<Ticket>, reject: Reject) {
        self.event(PoolEvent::Rejected { connection: id, reject });
        if let Some(ticket) = ticket
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.session.answer(ticket, Err(reject));
            self.touched.insert(id);
        }
    }
}
