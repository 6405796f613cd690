//! The client's side of a connection.

use alloc::string::String;

use bytes::Bytes;
use otedama_core::{Moment, Now, Share, Target};

use crate::error::{SessionError, SubmitError};
use crate::event::{ClientEvent, ShareId};
use crate::limits::ClientLimits;
use crate::login::Login;
use crate::v1;

/// What a client wants from a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Who mines what.
    pub login: Login,
    /// What the client calls itself; `otedama/` and the version of this crate.
    pub agent: String,
    /// Version bits that the miner would roll; `1fffe000` (BIP 320). Zero asks for none.
    pub version_mask: u32,
    /// The session id of an earlier session with this server, to go on with its extranonce; none.
    pub resume: Option<String>,
    /// Where the session's own numbers begin; at 0. Go on with the [numbers](ClientSession::numbers) of the session
    /// before, and no late share of it is mistaken for one of this session.
    pub numbers: Numbers,
    /// A share target to ask for; none. Servers need not follow.
    pub suggested: Option<Target>,
    /// What the server may take.
    pub limits: ClientLimits,
}

impl ClientConfig {
    /// The defaults named at the fields.
    #[must_use]
    pub fn new(login: Login) -> Self {
        Self {
            login,
            agent: String::from(concat!("otedama/", env!("CARGO_PKG_VERSION"))),
            version_mask: 0x1fff_e000,
            resume: None,
            numbers: Numbers::default(),
            suggested: None,
            limits: ClientLimits::default(),
        }
    }
}

/// How far a session has counted its jobs and shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    pub(crate) job: u32,
    pub(crate) share: u64,
}

/// The client's side of one connection: a machine without a socket and without a clock.
///
/// It says its greeting by itself. Bytes go in with [`handle_input`](Self::handle_input); afterwards take every event
/// from [`poll_event`](Self::poll_event), send everything from [`poll_transmit`](Self::poll_transmit), and wait for
/// bytes, for a share to [`submit`](Self::submit), or until [`poll_timeout`](Self::poll_timeout), then
/// [`handle_timeout`](Self::handle_timeout).
///
/// A new difficulty, extranonce or version mask never arrives alone: it is in the next [`ClientEvent::Job`]. Job ids
/// are the session's own numbers; the server's are kept inside. An `Err` ends the session.
#[derive(Debug)]
pub struct ClientSession(v1::client::Client);

impl ClientSession {
    /// A session for a connection that opens now; the greeting waits in [`poll_transmit`](Self::poll_transmit).
    #[must_use]
    pub fn new(config: ClientConfig, now: Now) -> Self {
        Self(v1::client::Client::new(config, now))
    }

    /// Takes bytes from the server, cut anywhere.
    ///
    /// # Errors
    /// [`SessionError`] once the session must end, and the same one at every later call.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        self.0.handle_input(bytes, now)
    }

    /// The next thing that the server did. Of several jobs that came at once, only the last.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.0.poll_event()
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.0.poll_transmit()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; a moment in the past if the session has failed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.0.poll_timeout()
    }

    /// Lets time pass. Harmless if nothing is due.
    ///
    /// # Errors
    /// [`SessionError`] if the session must end: the server was too slow or does not read.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        self.0.handle_timeout(now)
    }

    /// Claims a share of a job of this session. Its worker is ignored: the login's user claims it.
    ///
    /// # Errors
    /// [`SubmitError`] if the share is not worth sending; nothing is sent then. Whether its digest meets the target is
    /// not checked.
    pub fn submit(&mut self, share: &Share, now: Now) -> Result<ShareId, SubmitError> {
        self.0.submit(share, now)
    }

    /// The id to [resume](ClientConfig::resume) this session by, if the server gave one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.0.session()
    }

    /// How far the session has counted, for the [configuration](ClientConfig::numbers) of the next one.
    #[must_use]
    pub const fn numbers(&self) -> Numbers {
        self.0.numbers()
    }

    /// Whether the channel is open and the worker authorised.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// The negotiated version mask; 0 if there is none.
    #[must_use]
    pub const fn version_mask(&self) -> u32 {
        self.0.version_mask()
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.0.buffered_bytes()
    }
}
