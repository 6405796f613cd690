//! Every bound on what a peer of the pool may make it do.

/// Transactions of a template; a block of 4,000,000 weight units holds fewer than 17,000 of the smallest ones.
pub(crate) const MAX_TEMPLATE_TRANSACTIONS: usize = 25_000;

/// Bytes of the head of an HTTP request to the mining port.
#[cfg(feature = "server")]
pub(crate) const MAX_HTTP_HEAD: usize = 8 * 1024;

/// Bounds on what waits for a node.
#[cfg(feature = "server")]
pub(crate) mod node {
    /// Questions of one kind that wait while a node is slow; of more, the oldest are given up and asked again later.
    pub(crate) const MAX_QUESTIONS: usize = 4096;
}

/// Bounds on a node that is asked over JSON-RPC.
#[cfg(feature = "server")]
pub(crate) mod rpc {
    use std::time::Duration;

    /// Bytes of an HTTP head.
    pub(crate) const MAX_HEAD: usize = 16 * 1024;
    /// Bytes of an answer: a template is two hex digits for each byte of a block, and some JSON around them.
    pub(crate) const MAX_RESPONSE: u64 = 32 * 1024 * 1024;
    /// Characters kept of a node's own words.
    pub(crate) const MAX_MESSAGE: usize = 300;
    /// Bytes of a long-poll ticket; real ones have about 70.
    pub(crate) const MAX_LONG_POLL_ID: usize = 256;
    /// How long a connection is kept for the next call; nodes hang up after 30 seconds without one.
    pub(crate) const MAX_IDLE: Duration = Duration::from_secs(10);
    /// Within which an answer must be complete, unless the user says otherwise.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
    /// After which a long poll is given up and started again; nodes answer after a minute if the mempool changed.
    pub(crate) const LONG_POLL_PATIENCE: Duration = Duration::from_secs(300);
    /// How long a failed long poll is left alone.
    pub(crate) const LONG_POLL_RETRY: Duration = Duration::from_secs(5);
    /// How often the tip is looked at beside a long poll.
    pub(crate) const TIP_POLL: Duration = Duration::from_millis(500);
}

/// Names of accounts and workers that the SQLite journal keeps in memory; beyond it starts anew.
#[cfg(feature = "sqlite")]
pub(crate) const MAX_CACHED_NAMES: usize = 200_000;
