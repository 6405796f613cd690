//! How a client connects.

use core::time::Duration;
use std::vec::Vec;

use super::backoff::Backoff;
use super::error::ConnectError;
use super::url::Url;
use crate::client::ClientConfig;
use crate::login::Login;

/// How a [`Client`](super::Client) connects.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The servers, the preferred one first.
    pub urls: Vec<Url>,
    /// What is wanted from them.
    pub session: ClientConfig,
    /// The waits between rounds over the list; seeded from the user name.
    pub backoff: Backoff,
    /// How long one attempt to connect may take; 10 s for each address of a host.
    pub connect: Duration,
    /// How long sending may take before the connection counts as broken; 10 s.
    pub write: Duration,
    /// How often the first server is tried while another one is in use; 5 minutes.
    pub return_after: Duration,
    /// The longest wait that a server may ask for before a reconnection; 5 minutes.
    pub reconnect_wait: Duration,
    /// Shares that may wait to be sent; 1024.
    pub queue: usize,
}

impl Options {
    /// The defaults named at the fields.
    ///
    /// # Errors
    /// [`ConnectError`] if there is no URL, or one makes no sense or names what this build does not speak.
    pub fn new<U: AsRef<str>>(urls: impl IntoIterator<Item = U>, login: Login) -> Result<Self, ConnectError> {
        let urls: Vec<Url> = urls.into_iter().map(|url| url.as_ref().parse()).collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(ConnectError::NoServer);
        }
        urls.iter().try_for_each(Url::supported)?;
        Ok(Self {
            urls,
            backoff: Backoff::new(seed(&login.user)),
            session: ClientConfig::new(login),
            connect: Duration::from_secs(10),
            write: Duration::from_secs(10),
            return_after: Duration::from_secs(300),
            reconnect_wait: Duration::from_secs(300),
            queue: 1024,
        })
    }
}

/// FNV-1a, 64 bits.
fn seed(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
