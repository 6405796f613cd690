//! What sessions tell their embedder.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use otedama_core::{ChannelId, Extranonce, HashRate, Job, Reject, Share, Target, WorkerId};

use crate::login::Login;

/// A share that waits for its answer. It means something only to the session that gave it out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub(crate) u64);

/// Which part of the search space a channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// Headers only: the whole extranonce is the channel's prefix.
    Standard,
    /// The rest of the extranonce is the client's to roll.
    Extended,
}

/// What a client would like of a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Wish {
    /// What it can roll.
    pub kind: ChannelKind,
    /// How fast it says that it is; above 0.
    pub hash_rate: Option<HashRate>,
    /// The easiest share target that it can work with; [`Target::MAX`] if it takes any, never [`Target::ZERO`].
    pub easiest: Target,
}

impl Wish {
    /// A channel of this kind, otherwise anything.
    #[must_use]
    pub const fn new(kind: ChannelKind) -> Self {
        Self { kind, hash_rate: None, easiest: Target::MAX }
    }
}

/// What a client did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// It asks for a channel: answer with `open_channel` or `refuse_channel`. In Stratum V1 it is channel 0, and asked
    /// for again only after a refusal.
    Subscribe {
        /// The channel's number, if it opens.
        channel: ChannelId,
        /// Whose channel it is: a worker that was authorised. `None` in Stratum V1, whose workers share the channel and
        /// may come later.
        worker: Option<WorkerId>,
        /// What it should be like.
        wish: Wish,
        /// What the client calls itself; empty if it does not. Control characters are removed, and the length is
        /// bounded.
        agent: String,
        /// The extranonce prefix of an earlier session that it would like to go on with.
        resume: Option<Extranonce>,
    },
    /// It wishes something else of a channel from now on: the next job may be on other terms. Stratum V2.
    Update {
        /// The channel.
        channel: ChannelId,
        /// What it should be like; the kind stays.
        wish: Wish,
    },
    /// It has closed a channel; nothing more comes of it. Stratum V2.
    Closed {
        /// The channel.
        channel: ChannelId,
    },
    /// A machine behind a worker is named for the first time, and shares come by it from now on: it is authorised as the
    /// worker is. Stratum V2, extension 2.
    Machine {
        /// The machine, numbered like a worker.
        worker: WorkerId,
        /// The worker that it belongs to.
        of: WorkerId,
        /// What it is called, without control characters and bounded.
        name: String,
    },
    /// It asks to mine for a worker: answer with `authorize`. Comes once for each user name.
    Authorize {
        /// The worker, numbered in the order of the first requests.
        worker: WorkerId,
        /// Name and password as they came, within the limits.
        login: Login,
    },
    /// It claims a share: answer with `answer`.
    Submit {
        /// Names the share in the answer.
        ticket: Ticket,
        /// The claim, in its types; its worker is authorised, everything else is unproven.
        share: Share,
    },
    /// It claims a share that was refused already, for want of room or of authorisation ([`Refused`](Self::Refused) says
    /// so too), and there is nothing to answer. But it may be a block.
    Uncounted {
        /// The claim, in its types; its worker means nothing.
        share: Share,
    },
    /// Version rolling was negotiated; jobs from now on may name this mask. Zero: the client gave it up.
    VersionMask(u32),
    /// It would like this share target. Never [`Target::ZERO`]; whether it is sensible is the embedder's affair.
    SuggestDifficulty(Target),
    /// It cannot count shares that are easier than this target. Never [`Target::ZERO`].
    MinimumDifficulty(Target),
    /// Its answer to `ask_version`, without control characters and bounded like the agent.
    Version(String),
    /// Something was answered with an error right away. For the embedder's counters.
    Refused(Refused),
}

/// What was answered with an error without the embedder's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// A line that is not one JSON object, or no message. Code -32700 or -32600. In Stratum V2 a message that is no
    /// message, or not one for a server; it is dropped.
    Line,
    /// A method that does not exist. Code -32601. In Stratum V2 a job of the client's own, or extensions none of which
    /// exists here.
    Method,
    /// A request whose parameters are not what it takes. Code 20. In Stratum V2 a channel that cannot be as it should be,
    /// or a change to a channel that is not there.
    Params,
    /// A request other than a share while too many wait for their answers. Code 20. In Stratum V2 one channel too many.
    Overloaded,
    /// A user name or password that is too long or has control characters, or one name too many. Code 24. In Stratum V2
    /// also a channel for a worker that was refused before.
    Login,
    /// A share whose fields are not what they should be: wrong hex, wrong length, missing. Code 20.
    MalformedShare(Option<WorkerId>),
    /// A share that was refused before it was worth an event.
    Share(Option<WorkerId>, Reject),
}

/// A share of a client, in the order of submission within its session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShareId(pub(crate) u64);

impl fmt::Display for ShareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a server did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The channel is open and the worker authorised; jobs follow.
    Ready,
    /// Mine this from now on. Complete: it holds target, extranonce and mask; a new difficulty is a new job.
    Job(Job),
    /// A share was accepted.
    Accepted(ShareId),
    /// A share was refused.
    Rejected(ShareId, Rejection),
    /// The server asks to connect elsewhere after a wait. Nobody vouches for the address: it may be an attacker's.
    Reconnect {
        /// Where; the same host if absent.
        host: Option<String>,
        /// Which port; the same if absent.
        port: Option<u16>,
        /// How long to wait.
        wait: Duration,
    },
    /// A text for whoever watches, without control characters and bounded.
    Message(String),
}

/// A refusal as a server words it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The code, if it gave one: 21 stale, 22 duplicate, 23 low difficulty, 24 unauthorised, 25 not subscribed.
    pub code: Option<i64>,
    /// Its words, without control characters and bounded.
    pub message: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if self.message.is_empty() { "no reason given" } else { &self.message };
        match self.code {
            Some(code) => write!(f, "{message} ({code})"),
            None => f.write_str(message),
        }
    }
}
