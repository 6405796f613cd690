//! Ours against the implementations of others.
//!
//! The tests compare values: what ours write, theirs read, and the other way round. The program `interop` (`make interop`)
//! lets whole programs of others work with ours, and `device` is one more of them, made of the reference
//! implementation's crates.

/// An error for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
