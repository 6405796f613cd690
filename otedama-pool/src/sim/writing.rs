//! The journal's thread of a simulated process: it writes, syncs and answers, each in its time.

use std::sync::Arc;

use otedama_core::Weight;

use super::audit::{Broken, DURABLE, broken};
use super::bug::Bug;
use super::store::{Done, Op};
use super::world::{Event, World};
use crate::core::{BatchId, Input};
use crate::journal::{
    Applied, BlockRecord, BlockState, Entry, Journal as _, JournalError, RolledUp, ShareKey,
};
use crate::ledger::{Observation, step};

impl World {
    /// When the journal's thread has time for one more thing.
    pub(super) fn journal_turn(&mut self) -> u64 {
        let delay = if self.disk_slow {
            self.random.between(200_000, 4_000_000)
        } else {
            self.random.between(50, 20_000)
        };
        let now = self.now;
        let Some(process) = &mut self.process else { return now };
        process.journal_free = process.journal_free.max(now).saturating_add(delay);
        process.journal_free
    }

    pub(super) fn persist(&mut self, batch: BatchId, entries: Arc<[Entry]>) -> Result<(), Broken> {
        let life = self.life;
        let entries = self.sabotage(entries);
        let at = self.journal_turn();
        if self.bug == Some(Bug::SubmitsBeforePersist) {
            for entry in entries.iter() {
                if let Entry::Candidate(candidate) = entry {
                    self.hand_in(candidate.hash, &Arc::from(candidate.block.as_ref()))?;
                }
            }
        }
        self.at(at, Event::Write { life, batch, entries });
        if self.bug == Some(Bug::AnswersBeforeCommit) {
            let now = self.time();
            if let Some(process) = &mut self.process {
                process.core.handle(Input::Persisted { batch, outcome: Ok(Vec::new()) }, now);
            }
        }
        Ok(())
    }

    /// The entries as a pool with this bug would write them.
    fn sabotage(&self, entries: Arc<[Entry]>) -> Arc<[Entry]> {
        let boot = match (self.bug, &self.process) {
            (Some(Bug::KeyWithoutBoot), _) => Some(1),
            (Some(Bug::CoinbaseWithoutBoot), Some(process)) => Some(process.boot),
            (Some(Bug::KeepsOrphans | Bug::CreditsWhenFound), _) => None,
            _ => return entries,
        };
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            match (entry.clone(), boot) {
                (Entry::Share(mut share), Some(boot)) => {
                    share.key = ShareKey { boot, ..share.key };
                    out.push(Entry::Share(share));
                }
                (Entry::Block(mut event), None) if self.bug == Some(Bug::KeepsOrphans) => {
                    if event.state == BlockState::Orphaned {
                        event.booking = None;
                    }
                    out.push(Entry::Block(event));
                }
                (Entry::Candidate(candidate), None) if self.bug == Some(Bug::CreditsWhenFound) => {
                    let record = BlockRecord {
                        candidate: Arc::clone(&candidate),
                        state: BlockState::Found,
                        ordinal: 0,
                    };
                    let event = step(&record, Observation::OnChain, candidate.time);
                    out.push(Entry::Candidate(candidate));
                    out.extend(event.ok().flatten().map(Entry::Block));
                }
                (entry, _) => out.push(entry),
            }
        }
        out.into()
    }

    /// The journal's thread writes a batch.
    pub(super) fn write(&mut self, batch: BatchId, entries: Arc<[Entry]>) -> Result<(), Broken> {
        let life = self.life;
        match self.store.write(Op::Append(Arc::clone(&entries)), &mut self.random) {
            Ok(Done::Appended(applied)) => {
                let delay = self.random.between(50, 10_000);
                self.hold_journal(delay);
                self.later(delay, Event::Sync { life, batch, entries, applied });
            }
            Ok(_) => {}
            Err(JournalError::Contradiction(what)) => return broken(DURABLE, what),
            Err(error) => self.later(100, Event::Persisted { life, batch, outcome: Err(error) }),
        }
        Ok(())
    }

    /// The journal's thread is busy for so long.
    fn hold_journal(&mut self, micros: u64) {
        let until = self.now.saturating_add(micros).saturating_add(1);
        if let Some(process) = &mut self.process {
            process.journal_free = process.journal_free.max(until);
        }
    }

    pub(super) fn sync(
        &mut self,
        batch: BatchId,
        entries: &[Entry],
        applied: Vec<Applied>,
    ) -> Result<(), Broken> {
        let life = self.life;
        let outcome = match self.store.sync(&mut self.random) {
            Ok(()) => {
                self.audit.synced(entries, &applied, &self.chain)?;
                if entries.iter().any(|entry| matches!(entry, Entry::Block(_))) {
                    self.audit.books(self.store.memory())?;
                }
                Ok(applied)
            }
            Err(error) => {
                self.recovered()?;
                Err(error)
            }
        };
        let delay = self.random.between(1, 2_000);
        self.later(delay, Event::Persisted { life, batch, outcome });
        Ok(())
    }

    pub(super) fn persisted(
        &mut self,
        batch: BatchId,
        outcome: Result<Vec<Applied>, JournalError>,
    ) -> Result<(), Broken> {
        let outcome = match outcome {
            Err(JournalError::Unknown(what)) if self.bug == Some(Bug::DoubtIsFailure) => {
                Err(JournalError::Storage(what))
            }
            outcome => outcome,
        };
        if let Some(process) = &mut self.process {
            process.failing = outcome.is_err();
        }
        self.feed(Input::Persisted { batch, outcome })
    }

    pub(super) fn window(&mut self, span: Weight) -> Result<(), Broken> {
        let pool = self.config.pool.clone();
        let mut shares = self.store.memory().window(&pool, span).unwrap_or_default();
        if self.bug == Some(Bug::ForgetsWindow) {
            shares.clear();
        }
        self.feed(Input::Window { shares })
    }

    pub(super) fn roll_up(&mut self, keep: Weight, at_most: u64) -> Result<(), Broken> {
        let keep = match self.bug {
            Some(Bug::RollsUpTooMuch) => Weight::new(keep.get() / 4),
            _ => keep,
        };
        let op = Op::RollUp { pool: self.config.pool.clone(), keep, at_most };
        let outcome = match self.store.write(op, &mut self.random) {
            Ok(Done::RolledUp(rolled)) => self.store.sync(&mut self.random).map(|()| rolled),
            Ok(_) => Ok(RolledUp::default()),
            Err(error) => Err(error),
        };
        self.audit.shares(self.store.memory())?;
        let life = self.life;
        self.later(500, Event::RolledUp { life, outcome });
        Ok(())
    }
}
