//! Why a session must end, and why something was not sent.

use alloc::string::String;

use crate::v2::{Code, DecodeError, FrameError, TooLong};

/// Why a session must end: the peer is cut after what `poll_transmit` still yields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// The peer announced a frame that is longer than allowed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer sent a message that is not what its header says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The peer sent a message that has no place here or now.
    #[error("{message} is out of place")]
    Unexpected {
        /// The message, by its name in the specification without the dots.
        message: &'static str,
    },
    /// The server refused the connection. The words are its own, without control characters.
    #[error("the server refuses the connection: {0}")]
    Refused(String),
    /// The client asked for what the server does not have, and was told so.
    #[error("the client was refused: {0}")]
    Unsupported(Code),
    /// The peer sent more of something than allowed.
    #[error("{count} {what}, {limit} allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The client did not say in time what it wants.
    #[error("no connection was set up in time")]
    SetupTimeout,
    /// The client did not say in time how much it adds to coinbases.
    #[error("no coinbase constraints in time")]
    ConstraintsTimeout,
    /// The peer began a frame and did not end it in time.
    #[error("a frame was not ended in time")]
    FrameTimeout,
    /// The server did not answer in time.
    #[error("the server does not answer")]
    NoAnswer,
    /// The peer does not read what it is sent.
    #[error("more than {limit} bytes wait to be sent")]
    OutputFull {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More happened than the embedder took with `poll_event`: a flood by the peer, or misuse.
    #[error("more than {limit} events wait to be taken")]
    EventsFull {
        /// The limit, in events.
        limit: usize,
    },
}

/// Why a command was not carried out; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peers have not agreed yet: a server waits for the constraints, a client for the server's consent.
    #[error("the connection is not set up yet")]
    NotReady,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// A field is longer than the protocol can say. The caller is at fault.
    #[error("a field has {0}")]
    TooLong(#[from] TooLong),
}
