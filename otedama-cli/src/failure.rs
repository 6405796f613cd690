//! How a command ends when it does not end well, and the exit code for it.

use std::io;

use crate::config::ConfigError;

/// Why a command ends without having done what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
    /// It was asked in a way that cannot work.
    #[error("{0}")]
    Usage(String),
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// What was waited for did not come in time.
    #[error("{0}")]
    TimedOut(String),
    /// The user ended it.
    #[error("interrupted")]
    Interrupted,
    /// The reader of the results went away.
    #[error("standard output is closed")]
    OutputClosed,
}

impl Failure {
    /// The exit code: part of the contract with scripts.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
            Self::TimedOut(_) => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<io::Error> for Failure {
    /// An error of writing results.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Failed(format!("cannot write the result: {error}"))
        }
    }
}
