//! Every bound on what a peer of the pool may make it do.

/// Transactions of a template; a block of 4,000,000 weight units holds fewer than 17,000 of the smallest ones.
pub(crate) const MAX_TEMPLATE_TRANSACTIONS: usize = 25_000;

/// How often a node's tip is looked at.
pub(crate) const TIP_POLL: std::time::Duration = std::time::Duration::from_millis(500);

/// Bytes of the head of an HTTP request to the mining port.
#[cfg(feature = "server")]
pub(crate) const MAX_HTTP_HEAD: usize = 8 * 1024;

/// Bounds on what waits for a node, and on how long it is waited for.
#[cfg(feature = "server")]
pub(crate) mod node {
    use std::time::Duration;

    /// Questions of one kind that wait while a node is slow; of more, the oldest are given up and asked again later.
    pub(crate) const MAX_QUESTIONS: usize = 4096;
    /// How long a node is asked for news before its template is fetched anew.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
    /// Between two questions to a node, or to a journal, that fails.
    pub(crate) const RETRY: Duration = Duration::from_secs(1);
}

/// Bounds on a node that gives templates over Stratum V2.
#[cfg(feature = "server")]
pub(crate) mod sv2 {
    use std::time::Duration;

    /// Templates of one connection that a block may still be found on.
    pub(crate) const MAX_TEMPLATES: usize = 256;
    /// Blocks that are remembered: tips, and blocks of the pool. More than any coin takes to let coins be spent.
    pub(crate) const MAX_BLOCKS: usize = 2048;
    /// Bytes of a sealed frame's payload; transactions of a whole block.
    #[cfg(feature = "noise")]
    pub(crate) const MAX_FRAME: usize = 8 * 1024 * 1024;
    /// Bytes taken from the socket in one go.
    pub(crate) const READ: usize = 64 * 1024;
    /// How long connecting to one address may take.
    pub(crate) const CONNECT: Duration = Duration::from_secs(5);
    /// How long one write may take.
    pub(crate) const WRITE: Duration = Duration::from_secs(10);
    /// How long a read may wait before deadlines are looked at.
    pub(crate) const TICK: Duration = Duration::from_millis(500);
    /// Between two connections at least, doubled with each failure up to the second.
    pub(crate) const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
    /// How long a block on the tip may take to become the tip, before its fate is said to be open.
    pub(crate) const VERDICT: Duration = Duration::from_millis(500);
}

/// Bounds on those who take templates from this pool's nodes.
#[cfg(feature = "server")]
pub(crate) mod provider {
    use std::time::Duration;

    /// Clients at a time.
    pub(crate) const MAX_CLIENTS: usize = 1024;
    /// Templates that blocks are taken for and whose transactions are given, the newest included.
    pub(crate) const MAX_ROUNDS: usize = 16;
    /// Kinds of one template, which differ in how many transactions they leave out for their clients' outputs.
    pub(crate) const MAX_VARIANTS: usize = 8;
    /// Blocks that are on their way to one node; of more, a node gets none.
    pub(crate) const MAX_SUBMISSIONS: usize = 64;
    /// Blocks that are remembered, so that none is handed in twice.
    pub(crate) const MAX_BLOCKS: usize = 1024;
    /// How often a node that does not answer is given a block.
    pub(crate) const ATTEMPTS: u32 = 5;
    /// Bytes of one write, and how long it may take.
    pub(crate) const WRITE: (usize, Duration) = (64 * 1024, Duration::from_secs(30));
    /// Bytes taken from a socket in one go.
    pub(crate) const READ: usize = 4096;
    /// News that waits for its reader; more is dropped.
    pub(crate) const NEWS: usize = 1024;
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
}

/// Names of accounts and workers that the SQLite journal keeps in memory; beyond it starts anew.
#[cfg(feature = "sqlite")]
pub(crate) const MAX_CACHED_NAMES: usize = 200_000;
