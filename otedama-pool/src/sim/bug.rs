//! Deliberate bugs at the seams of the core: what the simulation is there to find.

use std::fmt;
use std::str::FromStr;

use otedama_core::{Amount, Target, Weight};

use crate::account::Account;
use crate::scheme::{Payee, Pplns, Scheme, ShareWindow};

macro_rules! bugs {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A bug that is put into the simulated pool on purpose, to see that its invariants find it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Bug {
            $($(#[$doc])* $variant,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

bugs! {
    /// Shares are answered when they are handed to the journal, not when it has them.
    AnswersBeforeCommit = "answers-before-commit",
    /// The journal never syncs.
    NeverSyncs = "never-syncs",
    /// A journal in doubt is taken for one that failed.
    DoubtIsFailure = "doubt-is-failure",
    /// Shares are numbered from 1 in every life, and nothing tells the lives apart.
    KeyWithoutBoot = "key-without-boot",
    /// Coinbases and job ids are those of the life before.
    CoinbaseWithoutBoot = "coinbase-without-boot",
    /// The shares of earlier lives are not loaded.
    ForgetsWindow = "forgets-window",
    /// The open blocks of earlier lives are not loaded.
    ForgetsBlocks = "forgets-blocks",
    /// Shares are rolled up while their window is open.
    RollsUpTooMuch = "rolls-up-too-much",
    /// Every part of a reward is rounded up.
    RoundsUp = "rounds-up",
    /// The last miner gets what rounding leaves.
    RemainderToTheLast = "remainder-to-the-last",
    /// A block is credited when it is found.
    CreditsWhenFound = "credits-when-found",
    /// A block is credited for good with its first confirmation.
    MaturesAtOnce = "matures-at-once",
    /// A block is credited for good one confirmation too early.
    MaturesOneEarly = "matures-one-early",
    /// What submitting a block returned is taken for its confirmation.
    TrustsSubmission = "trusts-submission",
    /// The node that sees a block deepest is believed.
    BelievesTheDeepest = "believes-the-deepest",
    /// The credits of an orphan stay.
    KeepsOrphans = "keeps-orphans",
    /// A block leaves before it is written down.
    SubmitsBeforePersist = "submits-before-persist",
    /// Only the first node gets blocks.
    FirstNodeOnly = "first-node-only",
    /// A block among stale shares is dropped.
    DropsStaleBlocks = "drops-stale-blocks",
    /// A connection that was paused is never read from again.
    ForgetsToResume = "forgets-to-resume",
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no bug of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no bug is called {0:?}")]
pub struct UnknownBug(String);

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        let found = Self::ALL.iter().find(|bug| bug.name() == name);
        found.copied().ok_or_else(|| UnknownBug(name.to_owned()))
    }
}

/// PPLNS with a wrong last step.
#[derive(Debug)]
pub(super) struct Misrounding {
    pub(super) right: Pplns,
    /// Every part up; else every part down, and the rest to the last.
    pub(super) up: bool,
}

impl Scheme for Misrounding {
    fn name(&self) -> &'static str {
        "misrounding"
    }

    fn payee(&self) -> Payee {
        Payee::Pool
    }

    fn span(&self, network: Target) -> Weight {
        self.right.span(network)
    }

    fn split(
        &self,
        reward: Amount,
        finder: &Account,
        window: &ShareWindow,
        network: Target,
    ) -> Vec<(Account, Amount)> {
        let weights = window.within(self.span(network));
        let total: u128 = weights.iter().map(|(_, weight)| weight.get()).sum();
        if total == 0 {
            return vec![(finder.clone(), reward)];
        }
        let part = |(account, weight): &(Account, Weight)| {
            let exact = reward.atomic().saturating_mul(weight.get());
            let part = if self.up { exact.div_ceil(total) } else { exact / total };
            (account.clone(), part)
        };
        let mut parts: Vec<_> = weights.iter().map(part).collect();
        let sum: u128 = parts.iter().map(|(_, part)| part).sum();
        if let Some((_, last)) = parts.last_mut() {
            *last = last.saturating_add(reward.atomic()).saturating_sub(sum);
        }
        parts.into_iter().map(|(account, part)| (account, Amount::from_atomic(part))).collect()
    }
}
