//! What goes up: a claim, and what became of it.

use core::iter::FromIterator;

use crate::algorithm::Digest;
use crate::coinbase::Extranonce;
use crate::job::{ChannelId, Goal, Job, JobId};
use crate::target::Target;
use crate::weight::Weight;
use crate::work::{Proof, Solution};

/// A worker of a connection, in the order in which its workers were authorised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WorkerId(pub u32);

/// A miner's claim that a header of a job meets the job's target.
///
/// Nothing in it is believed: the judge rebuilds the header from the job and hashes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// The channel that the job was given on.
    pub channel: ChannelId,
    /// Who claims.
    pub worker: WorkerId,
    /// The job.
    pub job: JobId,
    /// The part of the extranonce that the miner rolled.
    pub extranonce2: Extranonce,
    /// The header's time.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u64,
    /// The rolled version bits as BIP 310 sends them: the bits inside the mask, `None` where nothing was rolled.
    pub version_bits: Option<u32>,
    /// What the algorithm wants to see besides the nonce.
    pub proof: Proof,
}

impl Share {
    /// A claim of worker 0 without rolled version bits.
    #[must_use]
    pub const fn new(
        channel: ChannelId,
        job: JobId,
        extranonce2: Extranonce,
        ntime: u32,
        nonce: u64,
    ) -> Self {
        let (worker, version_bits, proof) = (WorkerId(0), None, Proof::None);
        Self { channel, worker, job, extranonce2, ntime, nonce, version_bits, proof }
    }

    /// The claim that a device's find on `job` with this extranonce2 makes.
    #[must_use]
    pub fn from_solution(job: &Job, extranonce2: Extranonce, solution: Solution) -> Self {
        let ntime = solution.ntime.unwrap_or(job.body().ntime());
        let extranonce2 = solution.extranonce2.unwrap_or(extranonce2);
        let mut share = Self::new(job.terms().channel, job.id(), extranonce2, ntime, solution.nonce);
        share.version_bits = solution.version_bits;
        share.proof = solution.proof;
        share
    }

    /// The same claim by another worker.
    #[must_use]
    pub fn by(self, worker: WorkerId) -> Self {
        Self { worker, ..self }
    }
}

/// A set of goals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Goals(u64);

impl Goals {
    /// Whether the goal is in the set.
    #[must_use]
    pub const fn contains(self, goal: Goal) -> bool {
        self.0 & goal.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Goal> for Goals {
    fn from_iter<I: IntoIterator<Item = Goal>>(goals: I) -> Self {
        Self(goals.into_iter().fold(0, |bits, goal| bits | goal.bit()))
    }
}

/// What a share achieved: its goals, its digest, and the weight that it is credited with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Verdict {
    met: Goals,
    digest: Digest,
    weight: Weight,
}

impl Verdict {
    /// A verdict; normally made by [`Job::judge`].
    #[must_use]
    pub const fn new(met: Goals, digest: Digest, weight: Weight) -> Self {
        Self { met, digest, weight }
    }

    /// Whether this goal was met.
    #[must_use]
    pub const fn met(&self, goal: Goal) -> bool {
        self.met.contains(goal)
    }

    /// All goals that were met; at least one.
    #[must_use]
    pub const fn goals(&self) -> Goals {
        self.met
    }

    /// The digest of the header.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What the share counts for: the weight of its job's share target, not of its digest.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }
}

/// Why a share was refused. Wire codes are made from it at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// The job was never given on this channel, or so long ago that it is forgotten.
    #[error("job not found")]
    UnknownJob,
    /// The job is for a block that is already mined.
    #[error("job is stale")]
    Stale,
    /// The same header was claimed before.
    #[error("duplicate share")]
    Duplicate,
    /// The digest exceeds the job's target.
    #[error("low difficulty share")]
    LowDifficulty {
        /// The hardest target that the digest meets.
        reached: Target,
        /// What it had to meet.
        target: Target,
    },
    /// The worker is not authorised on this connection.
    #[error("unauthorised worker")]
    Unauthorized,
    /// A share before the subscription.
    #[error("not subscribed")]
    NotSubscribed,
    /// The extranonce2 is not as long as announced.
    #[error("extranonce2 has {found} bytes, {expected} expected")]
    Extranonce2Length {
        /// Bytes that were announced.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// The time lies before the job's, or before what the chain allows.
    #[error("ntime {ntime} is before {earliest}")]
    TimeTooOld {
        /// The share's time.
        ntime: u32,
        /// The earliest allowed.
        earliest: u32,
    },
    /// The time lies too far ahead of the clock.
    #[error("ntime {ntime} is after {latest}")]
    TimeTooNew {
        /// The share's time.
        ntime: u32,
        /// The latest allowed.
        latest: u32,
    },
    /// Version bits outside the negotiated mask.
    #[error("version bits {bits:08x} are outside the mask {mask:08x}")]
    VersionBits {
        /// The bits that came.
        bits: u32,
        /// The mask.
        mask: u32,
    },
    /// Version bits although version rolling was never negotiated.
    #[error("version rolling was not negotiated")]
    VersionRollingOff,
    /// The nonce is wider than the algorithm's.
    #[error("nonce {0:#x} is too wide")]
    NonceTooWide(u64),
    /// The pool has more to verify than it can; nothing is wrong with the share.
    #[error("overloaded, try again later")]
    Overloaded,
    /// The share could not be written down, so it cannot be accepted; nothing is wrong with the share.
    #[error("share could not be recorded")]
    NotRecorded,
}
