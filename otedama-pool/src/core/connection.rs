//! One connection: its session, its workers, the jobs that it was given.

use std::collections::VecDeque;
use std::sync::Arc;

use otedama_core::{Extranonce, Job, JobId, Moment, Target, Terms, WorkerId};
use otedama_stratum::ServerSession;

use crate::job::{BoardJob, Payout};
use crate::vardiff::Vardiff;

/// Jobs that a connection may still send shares for.
const JOBS: usize = 8;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: ServerSession,
    pub(super) prefix: Option<Extranonce>,
    pub(super) workers: Vec<Option<Worker>>,
    pub(super) vardiff: Vardiff,
    /// The miner cannot count shares that are easier than this.
    pub(super) easiest: Target,
    /// Shares that wait for their hash, or for the journal and their answer.
    pub(super) open: usize,
    /// Nothing is read from it until it has less under way.
    pub(super) paused: bool,
    /// The next look at its timers, as it stands in the core's heap.
    pub(super) alarm: Option<Moment>,
    pub(super) greeted: bool,
    /// What was given under its prefix.
    pub(super) given: Given,
    jobs: VecDeque<SentJob>,
}

/// How many jobs were given under an extranonce prefix on one template: the edition that comes next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    round: u64,
    jobs: u32,
}

impl Given {
    /// How many on the template with this number.
    pub(super) const fn on(self, round: u64) -> u32 {
        if self.round == round { self.jobs } else { 0 }
    }

    /// The same with one more on the template with this number.
    const fn and_one_on(self, round: u64) -> Self {
        Self { round, jobs: self.on(round).saturating_add(1) }
    }
}

/// An authorised worker.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) payout: Payout,
    pub(super) name: Arc<str>,
}

/// A job as this connection has it.
#[derive(Debug, Clone)]
pub(super) struct SentJob {
    pub(super) job: Job,
    pub(super) board: Arc<BoardJob>,
}

impl Connection {
    pub(super) fn new(session: ServerSession, vardiff: Vardiff) -> Self {
        let (prefix, open, paused, alarm, greeted) = (None, 0, false, None, false);
        let (workers, easiest, given, jobs) = (Vec::new(), Target::MAX, Given::default(), VecDeque::new());
        Self { session, prefix, workers, vardiff, easiest, open, paused, alarm, greeted, given, jobs }
    }

    /// The worker with this number, if it was authorised.
    pub(super) fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    /// Notes what became of a worker's authorisation.
    pub(super) fn set_worker(&mut self, id: WorkerId, worker: Option<Worker>) {
        // The session bounds how many workers there are.
        let Ok(index) = usize::try_from(id.0) else { return };
        if self.workers.len() <= index {
            self.workers.resize(index + 1, None);
        }
        self.workers[index] = worker;
    }

    /// The payout of the first worker: whom the coinbase pays where it pays the finder.
    pub(super) fn payout(&self) -> Option<&Payout> {
        self.first_worker().map(|worker| &worker.payout)
    }

    /// The first worker that was authorised.
    pub(super) fn first_worker(&self) -> Option<&Worker> {
        self.workers.iter().flatten().next()
    }

    /// Whether it can be given jobs.
    pub(super) fn is_ready(&self) -> bool {
        self.prefix.is_some() && self.payout().is_some()
    }

    /// Notes a job that was given on the template with this number.
    pub(super) fn remember(&mut self, job: SentJob, round: u64) {
        self.given = self.given.and_one_on(round);
        if self.jobs.len() == JOBS {
            self.jobs.pop_front();
        }
        self.jobs.push_back(job);
    }

    pub(super) fn job(&self, id: JobId) -> Option<&SentJob> {
        self.jobs.iter().rev().find(|sent| sent.job.id() == id)
    }

    /// Lets the jobs that were already sent be rolled by a mask negotiated since, as Stratum V1 has it. `true` if the
    /// newest of them leaves less free than was negotiated, which the miner has to be told.
    pub(super) fn apply_mask(&mut self, negotiated: u32) -> bool {
        for sent in &mut self.jobs {
            let terms = Terms { version_mask: negotiated & sent.board.version_mask, ..*sent.job.terms() };
            sent.job = Job::new(Arc::clone(sent.job.body()), terms);
        }
        self.jobs.back().is_some_and(|newest| newest.job.terms().version_mask != negotiated)
    }
}
