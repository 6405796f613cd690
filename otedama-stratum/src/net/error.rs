//! What can go wrong on the way to a server.

use std::io;
use std::string::String;

use super::url::Url;
use crate::error::SessionError;
use crate::event::Rejection;

/// Why a text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Not `stratum+tcp://host:port`, nor `host:port`, nor `stratum2+tcp://host:port/KEY`.
    #[error("{0:?} is not stratum+tcp://host:port")]
    Malformed(String),
    /// A scheme that this build does not speak.
    #[error("{0}:// is not supported, only stratum+tcp:// and, with the feature noise, stratum2+tcp://")]
    Unsupported(String),
    /// What stands behind host and port is no key of an authority.
    #[error("{0:?} is no key of a pool's authority")]
    Key(String),
}

/// Why there is no connection to begin with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An address makes no sense.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The list of servers is empty.
    #[error("no server was named")]
    NoServer,
    /// No server answers; this is what the last one did.
    #[error("{url} cannot be reached: {error}")]
    Unreachable {
        /// The last server.
        url: Url,
        /// What the system said.
        error: io::ErrorKind,
    },
}

/// Why the client gave up for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Every server on the list refuses the login.
    #[error("login refused: {0}")]
    LoginRefused(Rejection),
}

/// Why a connection ended. The client sees to the next one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// The server could not be reached, or the connection broke.
    #[error("{0}")]
    Io(io::ErrorKind),
    /// The server closed the connection.
    #[error("closed by the server")]
    Closed,
    /// The session could not go on.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The secured connection could not go on.
    #[cfg(feature = "noise")]
    #[error(transparent)]
    Noise(#[from] crate::noise::NoiseError),
    /// The server asked to reconnect.
    #[error("the server asked to reconnect")]
    Asked,
    /// The first server of the list answers again.
    #[error("the first server answers again")]
    Preferred,
}
