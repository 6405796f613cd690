//! Stratum V1: newline-terminated JSON.

pub(crate) mod answers;
pub(crate) mod client;
pub(crate) mod dialect;
pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod message;
pub(crate) mod outbox;
mod quick;
pub(crate) mod server;
