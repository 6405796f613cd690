//! Where a share is judged: cheap checks first, the hash anywhere, the verdict last.

use std::time::Duration;

use otedama_core::{Claim, Digest, Goal, Job, Now, Reject, Share, Verdict};

/// How far a share's time may lie ahead of the pool's clock; nodes refuse blocks beyond it.
pub const MAX_AHEAD: Duration = Duration::from_secs(7200);

/// A share that passed the cheap checks, or failed only those that do not matter to the chain, and waits for its hash.
#[derive(Debug, Clone)]
pub struct Pending {
    claim: Claim,
    refused: Option<Reject>,
}

/// What became of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The verdict, or why the share does not count.
    pub verdict: Result<Verdict, Reject>,
    /// The digest of its header.
    pub digest: Digest,
    /// Whether it is a block, which it may be although it does not count as a share.
    pub block: bool,
}

impl Pending {
    /// The first half: everything that costs no hash.
    ///
    /// `stale` says that the job's block is already mined. A stale share, or one of too late a time, still gets
    /// hashed: if it is a block, the block must go out all the same.
    ///
    /// # Errors
    /// [`Reject`] if no header can be made of the share: the miner is at fault.
    pub fn begin(job: &Job, share: &Share, stale: bool, now: Now) -> Result<Self, Reject> {
        let claim = job.claim(share)?;
        let refused = if stale { Some(Reject::Stale) } else { too_new(job, share, now) };
        Ok(Self { claim, refused })
    }

    /// The same share, which will not count for a reason of the caller's, unless it already does not for another. It
    /// may still be a block.
    #[must_use]
    pub fn refused(mut self, why: Reject) -> Self {
        self.refused.get_or_insert(why);
        self
    }

    /// The claim whose header has to be hashed.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The job that the share is for.
    #[must_use]
    pub const fn job(&self) -> &Job {
        self.claim.job()
    }

    /// The second half: the digest of the header of [`claim`](Self::claim) against the job's frozen target, and nothing else.
    ///
    /// `fresh` is told the digest of a share that would count, and says whether it is the first with it.
    pub fn finish(&self, digest: Digest, fresh: impl FnOnce(&Digest) -> bool) -> Judged {
        let judged = self.job().judge(digest);
        let block = judged.is_ok_and(|verdict| verdict.met(Goal::BLOCK));
        let verdict = match (self.refused, judged) {
            (Some(refused), _) => Err(refused),
            (None, Ok(verdict)) if !verdict.met(Goal::SHARE) => {
                // Impossible while share targets are never harder than the network's, but money hangs on it.
                Err(Reject::LowDifficulty {
                    reached: self.job().algorithm().reached(&digest),
                    target: self.job().terms().share_target,
                })
            }
            (None, Ok(_)) if !fresh(&digest) => Err(Reject::Duplicate),
            (None, judged) => judged,
        };
        Judged { verdict, digest, block }
    }
}

/// The job's own time is the node's: a host whose calendar fell far behind must not refuse what the node asks for.
fn too_new(job: &Job, share: &Share, now: Now) -> Option<Reject> {
    let offered = job.body().ntime();
    let ahead = u32::try_from(MAX_AHEAD.as_secs()).unwrap_or(u32::MAX);
    let latest = now.unix.to_header_time().saturating_add(ahead).max(offered);
    (share.ntime > latest).then_some(Reject::TimeTooNew { ntime: share.ntime, latest })
}
