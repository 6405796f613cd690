//! The tables of RandomX for all threads of a processor (feature `randomx`).
//!
//! A [`Store`] makes the tables of a seed once, with all threads, in the best pages to be had: one dataset for each
//! memory node, or light tables where the memory does not suffice. Scanners from it share them. It can be told which
//! seed comes next, and makes those tables while mining goes on.
//!
//! How many threads should mine is a matter of caches: [`threads`].

mod making;
mod store;
mod topology;

pub use store::{Builder, Event, Mode, Ready, Store};
pub use topology::{SharedCache, caches, nodes, threads};
