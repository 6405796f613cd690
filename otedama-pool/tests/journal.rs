//! The contract of journals: the one in SQLite does what the one in memory does, and lasts.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "journal/contract.rs"]
mod contract;
#[path = "journal/damage.rs"]
mod damage;
#[path = "journal/migrate.rs"]
mod migrate;
#[path = "journal/roll_up.rs"]
mod roll_up;
#[path = "journal/snapshot.rs"]
mod snapshot;
#[path = "journal/world.rs"]
mod world;
