//! What a client tells.

use std::string::String;

use otedama_core::Job;

use super::error::Disconnect;
use super::url::Url;
use crate::error::SubmitError;
use crate::event::{Rejection, ShareId};

/// What happens to a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A server has let the worker in; jobs follow.
    Connected(Url),
    /// The connection is gone, or there was none. Jobs until now are dead; shares for them are dropped.
    Disconnected(Url, Disconnect),
    /// Mine this from now on.
    Job(Job),
    /// A share was accepted.
    Accepted(ShareId),
    /// A share was refused.
    Rejected(ShareId, Rejection),
    /// A share was not sent.
    Dropped(SubmitError),
    /// The server has a word for whoever watches.
    Message(String),
    /// The server asked to connect to a foreign host, which was not done.
    RedirectRefused {
        /// The host, if it named one.
        host: Option<String>,
        /// The port, if it named one.
        port: Option<u16>,
    },
}
