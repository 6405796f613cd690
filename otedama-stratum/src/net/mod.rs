//! A blocking client over TCP, for programs without a runtime.
//!
//! [`Client`] is an iterator of [`Event`]s that keeps itself connected: it goes down a list of servers, waits longer
//! and longer between rounds, and comes back to the first server when that one answers again. Shares come in through
//! [`Submitter`], from any thread. It uses only the public [`ClientSession`](crate::ClientSession): write your own
//! loop around that one if yours should look different.

mod backoff;
mod client;
mod clock;
mod error;
mod event;
mod inbox;
mod layer;
mod link;
mod options;
mod url;

pub use backoff::Backoff;
pub use client::Client;
pub use error::{ClientError, ConnectError, Disconnect, UrlError};
pub use event::Event;
pub use inbox::{CloseHandle, Submitter};
pub use options::Options;
pub use url::Url;
