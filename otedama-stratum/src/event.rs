//! What sessions tell their embedder.

use alloc::string::String;

use otedama_core::{Extranonce, Reject, Share, Target, WorkerId};

use crate::login::Login;

/// A share that waits for its answer. It means something only to the session that gave it out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub(crate) u64);

/// What a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// It asks for a channel: answer with `open_channel` or `refuse_channel`. Comes again only after a refusal.
    Subscribe {
        /// What it calls itself; empty if it does not. Control characters are removed, and the length is bounded.
        agent: String,
        /// The extranonce prefix of an earlier session that it would like to go on with.
        resume: Option<Extranonce>,
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
    /// A line that is not one JSON object, or no message. Code -32700 or -32600.
    Line,
    /// A method that does not exist. Code -32601.
    Method,
    /// A request whose parameters are not what it takes. Code 20.
    Params,
    /// A request other than a share while too many wait for their answers. Code 20.
    Overloaded,
    /// A user name that is not acceptable, or one too many. Code 24.
    Login,
    /// A share whose fields are not what they should be: wrong hex, wrong length, missing. Code 20.
    MalformedShare(Option<WorkerId>),
    /// A share that was refused before it was worth an event.
    Share(Option<WorkerId>, Reject),
}
