//! What an embedder decides: who may mine, and how hard its first shares are.

use std::fmt;
use std::sync::Arc;

use otedama_stratum::Login;

use crate::core::{Payouts, StartPolicy};
use crate::job::Payout;
use crate::user::User;

/// A worker that asks whether it may mine.
#[derive(Clone)]
#[non_exhaustive]
pub struct Applicant {
    /// User name and password, as they came.
    pub login: Login,
    /// What the client calls itself; empty if it does not. Anybody may claim anything.
    pub agent: String,
    payouts: Payouts,
}

impl Applicant {
    fn new(login: Login, agent: String, payouts: Payouts) -> Self {
        Self { login, agent, payouts }
    }

    /// Whom the address in the user name stands for: what is decided where nobody else decides. `None` if it is none of
    /// the pool's chain.
    #[must_use]
    pub fn by_address(&self) -> Option<Payout> {
        self.payout(User::parse(&self.login.user, &self.login.password).address)
    }

    /// Whom this address stands for; `None` if it is none of the pool's chain.
    #[must_use]
    pub fn payout(&self, address: &str) -> Option<Payout> {
        (self.payouts)(address)
    }
}

impl fmt::Debug for Applicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, agent, payouts: _ } = self;
        f.debug_struct("Applicant").field("login", login).field("agent", agent).finish_non_exhaustive()
    }
}

/// Decides about an applicant. It may block.
pub(super) type Authorize = Arc<dyn Fn(&Applicant) -> Option<Payout> + Send + Sync>;

/// What the embedder has to say.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) authorize: Option<Authorize>,
    pub(super) start: Option<StartPolicy>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorize, start } = self;
        let (authorize, start) = (authorize.is_some(), start.is_some());
        f.debug_struct("Hooks").field("authorize", &authorize).field("start", &start).finish()
    }
}

/// The embedder's decisions about workers.
#[derive(Clone)]
pub(super) struct Authorizer {
    decide: Option<Authorize>,
    payouts: Payouts,
}

impl Authorizer {
    pub(super) fn new(hooks: &Hooks, payouts: Payouts) -> Self {
        Self { decide: hooks.authorize.clone(), payouts }
    }

    /// The decision, on a thread where it may take its time. If the embedder's code panics, the worker may not mine.
    pub(super) async fn decide(self, login: Login, agent: String) -> Option<Payout> {
        let Self { decide, payouts } = self;
        let applicant = Applicant::new(login, agent, payouts);
        let decide = move || decide.and_then(|decide| decide(&applicant));
        tokio::task::spawn_blocking(decide).await.unwrap_or_default()
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("decide", &self.decide.is_some()).finish_non_exhaustive()
    }
}
