//! Why a session must end.

use otedama_core::Reject;

use crate::event::Rejection;
use crate::v2::{Code, FrameError};

/// Why a session must end: the peer is cut after what `poll_transmit` still yields.
///
/// Mistakes that a peer can be told about (a bad share, an unknown method) never end a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer sent a line longer than the limit.
    #[error("line is longer than {limit} bytes")]
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer sent too many lines in a row that are no messages.
    #[error("more than {limit} malformed lines in a row")]
    Malformed {
        /// The limit, in lines.
        limit: u32,
    },
    /// The peer announced a frame with more payload than the limit.
    #[error("frame is longer than {limit} bytes")]
    FrameTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer sent too many frames in a row that are not the messages that they say they are.
    #[error("more than {limit} malformed messages in a row")]
    MalformedMessages {
        /// The limit, in messages.
        limit: u32,
    },
    /// The client began with something else than `SetupConnection`, or with one that cannot be read.
    #[error("the client did not set up the connection first")]
    NoSetup,
    /// The client wants a connection that the server does not give, and was told so.
    #[error("connection refused: {0}")]
    Unserved(Code),
    /// The peer speaks another protocol.
    #[error("the peer speaks {0}, not Stratum")]
    NotStratum(Foreign),
    /// The client did not subscribe in time; in Stratum V2, it did not set up the connection.
    #[error("no subscription in time")]
    SubscribeTimeout,
    /// The client had no worker authorised in time; in Stratum V2, no channel.
    #[error("no authorised worker in time")]
    AuthorizeTimeout,
    /// The peer began a line and did not end it in time.
    #[error("a line was not ended in time")]
    LineTimeout,
    /// The peer began a frame and did not end it in time.
    #[error("a frame was not ended in time")]
    FrameTimeout,
    /// The peer said nothing for too long.
    #[error("the peer went silent")]
    Silent,
    /// The server did not answer in time.
    #[error("the server does not answer")]
    NoAnswer,
    /// The server does not take the connection as the client wants it. Stratum V2.
    #[error("connection refused: {0}")]
    SetupRefused(Rejection),
    /// The server has closed the channel. Stratum V2.
    #[error("channel closed: {0}")]
    ChannelClosed(Rejection),
    /// The server gives no channel.
    #[error("subscription refused: {0}")]
    SubscribeRefused(Rejection),
    /// The server does not let this user mine; trying again as it is will not help.
    #[error("login refused: {0}")]
    LoginRefused(Rejection),
    /// The server sent a message that the work depends on and that cannot be understood.
    #[error("the server sent a {method} that is not understood")]
    BadMessage {
        /// What it should have been.
        method: &'static str,
    },
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

impl From<FrameError> for SessionError {
    fn from(FrameError::TooLong { limit, .. }: FrameError) -> Self {
        Self::FrameTooLong { limit }
    }
}

/// Protocols that are recognised by their first bytes where Stratum was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Foreign {
    /// A TLS handshake.
    #[error("TLS")]
    Tls,
    /// An HTTP request.
    #[error("HTTP")]
    Http,
    /// A PROXY protocol header, version 1 or 2.
    #[error("the PROXY protocol")]
    Proxy,
}

/// Why a job cannot be written for a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The dialect has no message for this kind of header.
    #[error("this kind of job has no form in the dialect")]
    Unsupported,
    /// A half of the coinbase has more than 65,535 bytes, or the merkle path more than 255 hashes.
    #[error("the job is too large for the dialect")]
    TooLarge,
}

/// Why a share was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Its job was never given by this session, or is forgotten, or ended by a newer one.
    #[error("the share's job is not alive in this session")]
    UnknownJob,
    /// Too many shares wait for their answers.
    #[error("more than {limit} shares wait for their answers")]
    Full {
        /// The limit, in shares.
        limit: usize,
    },
    /// It does not fit its job: the caller is at fault.
    #[error("the share does not fit its job: {0}")]
    Unfit(#[from] Reject),
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}
