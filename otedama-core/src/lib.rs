#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod algorithm;
mod amount;
pub mod coinbase;
mod difficulty;
mod hash256;
pub mod hex;
mod job;
mod rate;
#[cfg(feature = "serde")]
mod serialize;
mod share;
mod target;
mod time;
mod uint;
mod weight;
mod work;

pub use algorithm::{Algorithm, AlgorithmSet, AlgorithmSpec, ByteOrder, ChainIndex, Digest, DigestOrder};
pub use amount::{Amount, DecimalError, Factor, Percent};
pub use coinbase::{CoinbaseHalves, Extranonce};
pub use difficulty::{Difficulty, DifficultyError};
pub use hash256::Hash256;
pub use hex::HexError;
pub use job::{
    BitcoinSource, ChannelId, Claim, Goal, HeaderSource, Job, JobBody, JobId, Origin, StandardSource, Terms,
};
pub use rate::HashRate;
pub use share::{Goals, Reject, Share, Verdict, WorkerId};
pub use target::{CompactError, CompactTarget, Target};
pub use time::{Moment, Now, UnixTime};
pub use weight::Weight;
pub use work::{Extranonce2Stock, Generation, Header, Proof, Rolls, Seed, Solution, Work};
