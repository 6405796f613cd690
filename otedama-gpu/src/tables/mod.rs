//! The tables of Ethash, Etchash and `KawPow` for all threads of a processor, in files or in memory.
//!
//! A [`Store`] makes the tables of an epoch once, with all threads: datasets for mining, or caches, which verifying needs.
//! With a folder they lie in files that are checked when they are opened, made again when they are wrong, and shared
//! read-only with other processes; without one, in the largest pages to be had. The next epoch's are made ahead. Scanners
//! from the store share the tables.

mod file;
mod making;
mod memory;
mod store;

pub use file::{Fault, Kind, TableFile};
pub use memory::Memory;
pub use store::{Builder, Event, Mode, Store};
