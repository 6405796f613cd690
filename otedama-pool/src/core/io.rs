//! What goes into the pool core and what comes out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use otedama_core::{Amount, ChannelId, Digest, Hash256, Reject, Target, Weight, WorkerId};
use otedama_stratum::{Login, SessionError};

use super::shares::Check;
use crate::account::Account;
use crate::job::{JobError, Payout};
use crate::journal::{Applied, BlockState, Entry, JournalError, RolledUp};
use crate::node::{BlockStatus, NodeError, Submission};
use crate::template::Template;

/// A connection, numbered by the shell; a number is never used twice in one life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// A group of entries that is committed together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BatchId(pub(super) u64);

/// A node, by its place in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub usize);

/// Something that happened outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A miner connected.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// From where, if it is known.
        address: Option<IpAddr>,
    },
    /// Bytes came in.
    Received {
        /// From this connection.
        connection: ConnectionId,
        /// In any chopping.
        bytes: &'a [u8],
    },
    /// A connection is gone.
    Disconnected {
        /// This one.
        connection: ConnectionId,
    },
    /// A node offers a template.
    Template {
        /// This node.
        node: NodeId,
        /// Its offer.
        template: Arc<Template>,
    },
    /// A node does not answer; its template is used no more than it must be.
    NodeFailed {
        /// This node.
        node: NodeId,
        /// What it said, or did not.
        error: NodeError,
    },
    /// Hashes that were asked for with [`Effect::Verify`].
    Verified {
        /// The shares, as they came.
        checks: Vec<Check>,
        /// The digests of their headers, in the same order. A share without one is refused as
        /// [`Reject::Overloaded`].
        digests: Vec<Digest>,
    },
    /// The outcome of [`Effect::Persist`].
    Persisted {
        /// Which one.
        batch: BatchId,
        /// What the journal said.
        outcome: Result<Vec<Applied>, JournalError>,
    },
    /// The answer to [`Effect::LoadWindow`]: shares of earlier lives, newest first.
    Window {
        /// Who did how much.
        shares: Vec<(Account, Weight)>,
    },
    /// The first words of the nodes on a block of [`Effect::Submit`].
    Submitted {
        /// The block.
        hash: Hash256,
        /// Node by node.
        answers: Vec<(NodeId, Result<Submission, NodeError>)>,
    },
    /// The answer to [`Effect::Observe`].
    Observed {
        /// The block.
        hash: Hash256,
        /// Where it stands for each node that answered; `None` if that node does not know it.
        answers: Vec<(NodeId, Option<BlockStatus>)>,
    },
    /// The outcome of [`Effect::RollUp`].
    RolledUp {
        /// What the journal said.
        outcome: Result<RolledUp, JournalError>,
    },
    /// The answer to [`Effect::Authorize`].
    Authorized {
        /// Where the worker is.
        connection: ConnectionId,
        /// Which one.
        worker: WorkerId,
        /// Who is credited and paid for its work; `None` if it may not mine.
        payout: Option<Payout>,
    },
    /// A channel is to have this share target from its next job on; vardiff is off for it.
    Retarget {
        /// Where the channel is.
        connection: ConnectionId,
        /// Which one; 0 in Stratum V1.
        channel: ChannelId,
        /// The target, within the bounds of the configuration.
        target: Target,
    },
    /// The moment of [`PoolCore::poll_timeout`](super::PoolCore::poll_timeout) has come.
    Timeout,
}

/// Something to be done outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Write these bytes, after all earlier ones of the connection.
    Send {
        /// To this connection.
        connection: ConnectionId,
        /// Often shared between many connections.
        bytes: Bytes,
    },
    /// Close the connection once what was sent is written.
    Close {
        /// This one.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// Decide whether this worker may mine and answer with [`Input::Authorized`], whenever that is known. Comes only if
    /// the core was [told to ask](super::Authorization::Asked).
    Authorize {
        /// Where the worker is.
        connection: ConnectionId,
        /// Which one.
        worker: WorkerId,
        /// What it says of itself.
        login: Login,
        /// What its client calls itself.
        agent: String,
    },
    /// Hash the headers that these shares [claim](Check::claim) and give the shares back with [`Input::Verified`], in
    /// any order and in pieces, on any thread. [`Verifier::digests`](otedama_hash::Verifier::digests) takes them all at
    /// once.
    Verify {
        /// What to hash.
        checks: Vec<Check>,
    },
    /// Read nothing more from this connection until [`Effect::Resume`]: it has enough under way.
    Pause {
        /// This one.
        connection: ConnectionId,
    },
    /// Read from this connection again.
    Resume {
        /// This one.
        connection: ConnectionId,
    },
    /// Append these entries and answer with [`Input::Persisted`]. There is never more than one outstanding. After
    /// [`JournalError::Unknown`] the same batch comes again.
    Persist {
        /// To be given back.
        batch: BatchId,
        /// All or none of them.
        entries: Arc<[Entry]>,
    },
    /// Let the journal [roll up](crate::journal::Journal::roll_up) shares, after all earlier batches, and answer with
    /// [`Input::RolledUp`].
    RollUp {
        /// What the shares that stay weigh at least.
        keep: Weight,
        /// About how many shares may go at once.
        at_most: u64,
    },
    /// Read the newest shares back to this weight in all, and answer with [`Input::Window`]. It comes once, before any
    /// [`Effect::Persist`].
    LoadWindow {
        /// How far back.
        span: Weight,
    },
    /// Hand this block to every node, now, and answer with [`Input::Submitted`].
    Submit {
        /// Its id.
        hash: Hash256,
        /// The serialised block.
        block: Arc<[u8]>,
    },
    /// Ask the nodes where this block stands and answer with [`Input::Observed`].
    Observe {
        /// Its id.
        hash: Hash256,
    },
    /// Ask a node whether it would take this block, proof of work aside; the coinbase has a new layout.
    Propose {
        /// The serialised block.
        block: Arc<[u8]>,
    },
    /// News for whoever runs the pool.
    Event(PoolEvent),
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer broke the protocol or a limit.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The pool is full.
    #[error("too many connections")]
    Full,
}

/// News of a running pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A miner is ready to get jobs.
    Ready {
        /// Its connection.
        connection: ConnectionId,
        /// Its channel; 0 in Stratum V1.
        channel: ChannelId,
        /// Whose it is.
        account: Account,
        /// What it calls itself.
        agent: String,
    },
    /// A connection ended.
    Left {
        /// Which one.
        connection: ConnectionId,
    },
    /// A new block is being mined.
    Job {
        /// Its height.
        height: u32,
    },
    /// A share was accepted and is durable.
    Share {
        /// On this connection, which may be gone.
        connection: ConnectionId,
        /// On this channel; 0 in Stratum V1.
        channel: ChannelId,
        /// Who is credited.
        account: Account,
        /// The machine.
        worker: Arc<str>,
        /// For how much.
        weight: Weight,
    },
    /// A share was refused.
    Rejected {
        /// On this connection.
        connection: ConnectionId,
        /// Why.
        reject: Reject,
    },
    /// A block was found, and is on its way to the nodes.
    BlockFound {
        /// Its id.
        hash: Hash256,
        /// Its height.
        height: u32,
        /// Who found it.
        account: Account,
        /// What it pays.
        reward: Amount,
    },
    /// A node's first word on a block.
    BlockAnswered {
        /// Its id.
        hash: Hash256,
        /// The node.
        node: NodeId,
        /// What it said.
        answer: Result<Submission, NodeError>,
    },
    /// A block's fate took a turn, and the books followed.
    BlockTurned {
        /// Its id.
        hash: Hash256,
        /// Its height.
        height: u32,
        /// What became of it.
        state: BlockState,
        /// What its coinbase pays.
        reward: Amount,
        /// The pool's part of that.
        fee: Amount,
    },
    /// The journal failed; shares are refused until it works again.
    JournalFailed(JournalError),
    /// The journal works again.
    JournalRecovered,
    /// Shares whose window is closed were replaced by their sums.
    RolledUp {
        /// How many.
        shares: u64,
    },
    /// Shares whose window is closed could not be replaced by their sums; they stay as they are.
    RollUpFailed(JournalError),
    /// A node does not answer, or refuses.
    NodeFailed {
        /// Which one.
        node: NodeId,
        /// What it said.
        error: NodeError,
    },
    /// No job can be made of a template.
    TemplateRefused(JobError),
    /// A node was shown the first block of a new coinbase layout, proof of work aside.
    LayoutChecked {
        /// Which node.
        node: NodeId,
        /// What it said; `None` if it cannot say.
        answer: Result<Option<Submission>, NodeError>,
    },
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
