//! The rules of the house that neither the compiler nor clippy can check, over the whole workspace.
//!
//! It stands in the lightest crate so that it runs in seconds, and is not part of what that crate publishes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod documents;
mod packages;
mod sources;
mod tree;

/// The crates that are published, dependencies first.
const CRATES: [&str; 6] =
    ["otedama-core", "otedama-hash", "otedama-gpu", "otedama-stratum", "otedama-pool", "otedama-cli"];

/// Fails with all the complaints at once.
fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}\n", complaints.join("\n  "));
}
