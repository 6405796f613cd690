//! One connection: its session, its workers, its channels, and the jobs that those were given.

use std::collections::VecDeque;
use std::sync::Arc;

use otedama_core::{ChannelId, Extranonce, Job, JobId, Moment, Target, Terms, WorkerId};
use otedama_stratum::{Login, ServerSession};

use crate::job::{BoardJob, Payout};
use crate::vardiff::Vardiff;

/// Jobs that a channel may still send shares for.
const JOBS: usize = 8;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: ServerSession,
    workers: Vec<Option<Arc<Worker>>>,
    /// Workers about whom the embedder was asked. The session bounds how many there are.
    pub(super) logins: Vec<(WorkerId, Login)>,
    /// By ascending ids. A Stratum V1 connection has one, number 0.
    channels: Vec<Channel>,
    /// Shares that wait for their hash, or for the journal and their answer.
    pub(super) open: usize,
    /// Nothing is read from it until it has less under way.
    pub(super) paused: bool,
    /// The next look at its timers, as it stands in the core's heap.
    pub(super) alarm: Option<Moment>,
}

/// A search space of its own, with a difficulty of its own.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    /// Whose it is; in Stratum V1 it is the first worker's.
    pub(super) owner: Option<WorkerId>,
    /// Where it searches, once that is known.
    pub(super) space: Option<Space>,
    pub(super) vardiff: Vardiff,
    /// The miner cannot count shares that are easier than this.
    pub(super) easiest: Target,
    /// Whether it gets jobs.
    pub(super) greeted: bool,
    /// What was given under its prefix.
    pub(super) given: Given,
    jobs: VecDeque<SentJob>,
}

/// The extranonces of a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// What no other channel has.
    pub(super) prefix: Extranonce,
    /// What the channel was told: the same, or for one that rolls no extranonce all of it.
    pub(super) told: Extranonce,
    /// Bytes that the channel rolls.
    pub(super) rolled: usize,
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
    /// The share target that it asked for by its name.
    pub(super) wish: Option<Target>,
}

/// A job as a channel has it.
#[derive(Debug, Clone)]
pub(super) struct SentJob {
    pub(super) job: Job,
    pub(super) board: Arc<BoardJob>,
}

impl Connection {
    pub(super) fn new(session: ServerSession) -> Self {
        let (workers, logins, channels) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, workers, logins, channels, open: 0, paused: false, alarm: None }
    }

    /// The worker with this number, if it was authorised.
    pub(super) fn worker(&self, id: WorkerId) -> Option<&Arc<Worker>> {
        self.workers.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    /// Notes what became of a worker's authorisation.
    pub(super) fn set_worker(&mut self, id: WorkerId, worker: Option<Worker>) {
        // The session bounds how many workers there are.
        let Ok(index) = usize::try_from(id.0) else { return };
        if self.workers.len() <= index {
            self.workers.resize(index + 1, None);
        }
        self.workers[index] = worker.map(Arc::new);
    }

    /// The first worker that was authorised.
    pub(super) fn first_worker(&self) -> Option<&Arc<Worker>> {
        self.workers.iter().flatten().next()
    }

    /// Whose channel it is.
    pub(super) fn owner(&self, channel: &Channel) -> Option<&Arc<Worker>> {
        channel.owner.map_or_else(|| self.first_worker(), |owner| self.worker(owner))
    }

    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    pub(super) fn channels_mut(&mut self) -> &mut [Channel] {
        &mut self.channels
    }

    pub(super) fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(self.position(id).ok()?)
    }

    pub(super) fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        let position = self.position(id).ok()?;
        self.channels.get_mut(position)
    }

    /// The channel with this number, which is made if it is not there. The session bounds how many there are.
    pub(super) fn channel_or(&mut self, id: ChannelId, vardiff: impl FnOnce() -> Vardiff) -> &mut Channel {
        let position = match self.position(id) {
            Ok(position) => position,
            Err(position) => {
                self.channels.insert(position, Channel::new(id, vardiff()));
                position
            }
        };
        &mut self.channels[position]
    }

    pub(super) fn remove_channel(&mut self, id: ChannelId) -> Option<Channel> {
        self.position(id).ok().map(|position| self.channels.remove(position))
    }

    /// All of them, for when the connection ends.
    pub(super) fn into_channels(self) -> Vec<Channel> {
        self.channels
    }

    /// Whether somebody gets jobs here.
    pub(super) fn is_greeted(&self) -> bool {
        self.channels.iter().any(|channel| channel.greeted)
    }

    fn position(&self, id: ChannelId) -> Result<usize, usize> {
        self.channels.binary_search_by_key(&id, |channel| channel.id)
    }
}

impl Channel {
    fn new(id: ChannelId, vardiff: Vardiff) -> Self {
        let (owner, space, greeted) = (None, None, false);
        let (easiest, given, jobs) = (Target::MAX, Given::default(), VecDeque::new());
        Self { id, owner, space, vardiff, easiest, greeted, given, jobs }
    }

    /// What its next job's shares must not exceed.
    pub(super) fn target(&self) -> Target {
        self.vardiff.target().min(self.easiest)
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

    /// The newest job.
    pub(super) fn newest(&self) -> Option<&SentJob> {
        self.jobs.back()
    }

    /// Lets the jobs that were already sent be rolled by a mask negotiated since, as Stratum V1 has it. `true` if the
    /// newest of them leaves less free than was negotiated, which the miner has to be told.
    pub(super) fn apply_mask(&mut self, negotiated: u32) -> bool {
        for sent in &mut self.jobs {
            let terms = Terms { version_mask: negotiated & sent.board.free_bits, ..*sent.job.terms() };
            sent.job = Job::new(Arc::clone(sent.job.body()), terms);
        }
        self.newest().is_some_and(|newest| newest.job.terms().version_mask != negotiated)
    }
}
