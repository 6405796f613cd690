//! What can go wrong with tables, and who is at fault.

use otedama_core::{Seed, hex::Hex};

use super::Epoch;
use super::limits::MAX_EPOCH;
use crate::Unsupported;

/// Why there are no tables, or not these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EthashError {
    /// The algorithm has no epochs: misuse by the caller.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// No chain is so high: whoever said the height is at fault.
    #[error("height {0} is beyond epoch {MAX_EPOCH}")]
    Height(u64),
    /// There are no tables of this number: whoever said it is at fault.
    #[error("epoch {0} is beyond epoch {MAX_EPOCH}")]
    Epoch(u32),
    /// No epoch has this seed: whoever said it is at fault.
    #[error("no epoch has the seed {}", Hex(&.0.0))]
    Seed(Seed),
    /// A table is not as long as that of its epoch: misuse by the caller.
    #[error("a table has {found} nodes, {expected} expected")]
    Length {
        /// Nodes that there should be.
        expected: u32,
        /// Nodes that there are.
        found: usize,
    },
    /// The tables of this epoch are not there: they were never prepared, or it is long ago.
    #[error("no tables for {0}")]
    NotPrepared(Epoch),
    /// The tables of an epoch need more memory than all that are kept may have.
    #[error("the tables of {epoch} have {bytes} bytes, at most {bound} may be used")]
    Bound {
        /// The epoch.
        epoch: Epoch,
        /// What its tables need.
        bytes: u64,
        /// What all may need together.
        bound: u64,
    },
    /// The system has no memory.
    #[error("no memory for a table of {bytes} bytes")]
    Memory {
        /// Bytes of the table.
        bytes: u64,
    },
    /// The work says neither height nor seed: misuse by the caller.
    #[error("work without a height")]
    NoHeight,
    /// A digest is not what it must be: the machine, or the code for it, is broken. It must not mine.
    #[error("{0} failed its self-test")]
    SelfTest(&'static str),
}

impl EthashError {
    pub(super) fn check_length(expected: u32, found: usize) -> Result<(), Self> {
        if found == expected as usize { Ok(()) } else { Err(Self::Length { expected, found }) }
    }
}
