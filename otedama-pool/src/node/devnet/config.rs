//! What an embedded chain is made from, and what may be wrong with that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use otedama_core::{Algorithm, Amount, CompactError, CompactTarget, UnixTime};
use otedama_hash::Unsupported;

/// A clock as the shell reads it.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// What a [`Devnet`](super::Devnet) is made from.
#[derive(Clone)]
#[non_exhaustive]
pub struct DevnetConfig {
    /// The proof-of-work function.
    pub algorithm: Algorithm,
    /// The difficulty of every block.
    pub nbits: CompactTarget,
    /// What every block creates.
    pub subsidy: Amount,
    /// What time it is.
    pub clock: Clock,
    /// Where the chain is kept; in memory only if there is no file.
    pub file: Option<PathBuf>,
}

/// Why there is no chain, or why a transaction is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// The configuration is at fault.
    #[error(transparent)]
    Algorithm(#[from] Unsupported),
    /// The configuration is at fault.
    #[error(transparent)]
    Bits(#[from] CompactError),
    /// The chain file could not be read or written; the machine is at fault.
    #[error("chain file: {0}")]
    File(String),
    /// Another process has the chain file.
    #[error("the chain file is in use by another process")]
    FileInUse,
    /// The chain file was changed by someone else, or is something else.
    #[error("the chain file is damaged at byte {offset}")]
    FileDamaged {
        /// Where the record starts that makes no sense.
        offset: usize,
    },
    /// The chain file holds a chain of other rules. The configuration is at fault.
    #[error("the chain file holds another chain: {found}")]
    OtherChain {
        /// Algorithm, nBits and subsidy of the chain in the file.
        found: String,
    },
    /// The chain file holds a block or transaction that the rules refuse.
    #[error("the chain file holds what the chain refuses: {0}")]
    FileRefused(String),
    /// The caller's transaction is none that a block may hold.
    #[error("transaction refused: {0}")]
    Transaction(String),
}

impl From<std::io::Error> for DevnetError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error.to_string())
    }
}

impl DevnetConfig {
    /// A chain in memory.
    #[must_use]
    pub const fn new(algorithm: Algorithm, nbits: CompactTarget, subsidy: Amount, clock: Clock) -> Self {
        Self { algorithm, nbits, subsidy, clock, file: None }
    }

    /// The same, kept in an append-only file. A process that is killed finds its chain again.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), ..self }
    }

    /// The rules of the chain, as its file holds them.
    pub(super) fn identity(&self) -> String {
        format!("devnet 1 {} {} {}", self.algorithm, self.nbits, self.subsidy)
    }
}

impl fmt::Debug for DevnetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevnetConfig")
            .field("algorithm", &self.algorithm)
            .field("nbits", &self.nbits)
            .field("subsidy", &self.subsidy)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
