//! The contract of journals: the one in SQLite does what the one in memory does, and lasts.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod contract;
mod damage;
mod migrate;
mod roll_up;
mod snapshot;
mod world;
