//! What a pool core is told once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use otedama_core::Target;
use otedama_stratum::{ServerConfig, Wish};

use super::io::NodeId;
use crate::account::{Account, PoolName};
use crate::job::{Layout, Payout};
use crate::scheme::Scheme;
use crate::vardiff::VardiffConfig;

/// Bytes of the extranonce prefix (V1: extranonce1) that a channel is given.
pub const PREFIX_LEN: usize = 4;

/// What a pool core is told once.
#[derive(Clone)]
#[non_exhaustive]
pub struct CoreConfig {
    /// The name under which the books are kept.
    pub pool: PoolName,
    /// How coinbases are cut.
    pub layout: Layout,
    /// How rewards are split.
    pub scheme: Arc<dyn Scheme>,
    /// How difficulties are chosen.
    pub vardiff: VardiffConfig,
    /// What sessions are told.
    pub session: Arc<ServerConfig>,
    /// Reads a payout address; `None` if it is none of the pool's chain.
    pub payouts: Payouts,
    /// Who decides whether a worker may mine, and for whom.
    pub authorization: Authorization,
    /// Chooses the difficulty of new channels; none: they start as they ask, or as [`vardiff`](Self::vardiff) says.
    pub start: Option<StartPolicy>,
    /// Confirmations after which a coinbase can be spent.
    pub maturity: u32,
    /// Nodes that cannot say of every block where it stands: they have a vote only where they answer; none.
    pub blind_nodes: BTreeSet<NodeId>,
    /// Limits of the core itself.
    pub limits: CoreLimits,
}

/// Reads a payout address.
pub type Payouts = Arc<dyn Fn(&str) -> Option<Payout> + Send + Sync>;

/// Who decides whether a worker may mine, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Authorization {
    /// The address in the user name, as [`payouts`](CoreConfig::payouts) reads it.
    #[default]
    Address,
    /// Whoever runs the core: [`Effect::Authorize`](super::Effect::Authorize) asks, and
    /// [`Input::Authorized`](super::Input::Authorized) may take its time.
    Asked,
}

/// A channel that is about to open, or in Stratum V1 has just been asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Newcomer<'a> {
    /// What the client calls itself; empty if it does not.
    pub agent: &'a str,
    /// Who will be credited; unknown in Stratum V1 if the subscription came first.
    pub account: Option<&'a Account>,
    /// The machine, if it is known and named.
    pub worker: &'a str,
    /// What it would like.
    pub wish: Wish,
}

/// Chooses the share target of a new channel, which holds until [`Input::Retarget`](super::Input::Retarget); `None` leaves
/// it to the pool. Bounded by the configuration of vardiff and by the network's target. Same newcomers, same targets.
pub type StartPolicy = Arc<dyn Fn(&Newcomer<'_>) -> Option<Target> + Send + Sync>;

/// What the core bounds besides what sessions bound. With half of `shares_per_connection`, `checks` or `backlog` under way,
/// whoever sends more is not read from until it is a quarter. What was on its way by then still fits; beyond the whole,
/// shares are refused, though they are hashed, since they may be blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreLimits {
    /// Connections at a time.
    pub connections: usize,
    /// Shares of one connection that wait for their hash or their answer; fewer than a
    /// [session](otedama_stratum::Limits::pending_answers) holds, which refuses what comes beyond.
    pub shares_per_connection: usize,
    /// Shares of all connections that wait for their hash.
    pub checks: usize,
    /// Records that wait for the journal.
    pub backlog: usize,
    /// Shares between two roll-ups of those whose window is closed.
    pub roll_up: u64,
}

impl Default for CoreLimits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            shares_per_connection: 512,
            checks: 65_536,
            backlog: 65_536,
            roll_up: 65_536,
        }
    }
}

impl CoreConfig {
    /// A configuration with everything that has a default at its default.
    pub fn new(
        pool: PoolName,
        layout: Layout,
        scheme: Arc<dyn Scheme>,
        maturity: u32,
        payouts: impl Fn(&str) -> Option<Payout> + Send + Sync + 'static,
    ) -> Self {
        let mut session = ServerConfig::new(layout.algorithm);
        session.version_mask = layout.version_mask;
        session.extranonce2_len = layout.extranonce_len.saturating_sub(PREFIX_LEN);
        let vardiff = VardiffConfig::new(layout.algorithm);
        let (session, payouts, limits) = (Arc::new(session), Arc::new(payouts), CoreLimits::default());
        let (authorization, start, blind_nodes) = (Authorization::default(), None, BTreeSet::new());
        Self {
            pool,
            layout,
            scheme,
            vardiff,
            session,
            payouts,
            authorization,
            start,
            maturity,
            blind_nodes,
            limits,
        }
    }
}

impl fmt::Debug for CoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, layout, scheme, vardiff, session, maturity, limits, authorization, .. } = self;
        f.debug_struct("CoreConfig")
            .field("pool", pool)
            .field("layout", layout)
            .field("scheme", scheme)
            .field("vardiff", vardiff)
            .field("session", session)
            .field("authorization", authorization)
            .field("maturity", maturity)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}
