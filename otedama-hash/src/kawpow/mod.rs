//! `KawPow`: the programmes that Ravencoin's blocks run over the tables of [`ethash`](crate::ethash).
//!
//! A [`Program`] is what changes every three blocks; [`ethash::Tables`](crate::ethash::Tables) run it.

pub(crate) mod mix;
pub(crate) mod program;

pub use program::{
    CACHE_WORDS, How, LANES, Merge, Operation, PERIOD_BLOCKS, Program, REGISTERS, ROUNDS, Step,
};
