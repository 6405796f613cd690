//! The client's side of a connection.

use alloc::string::String;

use bytes::Bytes;
use otedama_core::{HashRate, Moment, Now, Share, Target};

use crate::error::{SessionError, SubmitError};
use crate::event::{ChannelKind, ClientEvent, ShareId};
use crate::limits::ClientLimits;
use crate::login::Login;
use crate::server::Protocol;
use crate::{v1, v2};

/// What a client wants from a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Who mines what.
    pub login: Login,
    /// What the client calls itself; `otedama/` and the version of this crate. Stratum V2 takes what stands before the
    /// first slash as the vendor, and what stands behind it as the firmware.
    pub agent: String,
    /// Version bits that the miner would roll; `1fffe000` (BIP 320). Zero asks for none.
    pub version_mask: u32,
    /// The session id of an earlier session with this server, to go on with its extranonce; none.
    pub resume: Option<String>,
    /// Where the session's own numbers begin; at 0. Go on with the [numbers](ClientSession::numbers) of the session
    /// before, and no late share of it is mistaken for one of this session.
    pub numbers: Numbers,
    /// A share target to ask for; none. Servers need not follow. In Stratum V2 it is the easiest that the client takes.
    pub suggested: Option<Target>,
    /// What the channel should be like; [`ChannelKind::Extended`]. Stratum V1 has only those.
    pub channel: ChannelKind,
    /// Bytes of extranonce2 that an extended channel must have at least; 4. In Stratum V1 the server decides.
    pub extranonce2_len: usize,
    /// How fast the miner is, by which servers choose the first difficulty; not known. Then Stratum V2 says what finds a
    /// share of the suggested target each second, or 1 MH/s if there is none. Stratum V1 has no word for it.
    pub hash_rate: Option<HashRate>,
    /// A name of 1 to 32 bytes to put behind each share of an extended channel, if the server takes it (extension
    /// 0x0002); none. Names of other lengths are not sent. Stratum V1 has it in the user name.
    pub worker_name: Option<String>,
    /// The host and port that the client believes to speak to, which Stratum V2 sends; none.
    pub endpoint: Option<(String, u16)>,
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
            channel: ChannelKind::Extended,
            extranonce2_len: 4,
            hash_rate: None,
            worker_name: None,
            endpoint: None,
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
///
/// What it speaks is decided when it is made. Either way it opens one channel. Stratum V2 expects bytes that are
/// decrypted already, if they were encrypted.
#[derive(Debug)]
pub struct ClientSession(Inner);

#[derive(Debug)]
enum Inner {
    V1(v1::client::Client),
    V2(v2::client::Client),
}

/// The same call to either.
macro_rules! either {
    ($session:expr, $client:ident => $call:expr) => {
        match $session {
            Inner::V1($client) => $call,
            Inner::V2($client) => $call,
        }
    };
}

impl ClientSession {
    /// A session in Stratum V1 for a connection that opens now; the greeting waits in
    /// [`poll_transmit`](Self::poll_transmit).
    #[must_use]
    pub fn new(config: ClientConfig, now: Now) -> Self {
        Self(Inner::V1(v1::client::Client::new(config, now)))
    }

    /// The same in Stratum V2.
    #[must_use]
    pub fn v2(config: ClientConfig, now: Now) -> Self {
        Self(Inner::V2(v2::client::Client::new(config, now)))
    }

    /// Takes bytes from the server, cut anywhere.
    ///
    /// # Errors
    /// [`SessionError`] once the session must end, and the same one at every later call.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        either!(&mut self.0, client => client.handle_input(bytes, now))
    }

    /// The next thing that the server did. Of several jobs that came at once, only the last.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        either!(&mut self.0, client => client.poll_event())
    }

    /// The next bytes to send. In Stratum V2 each piece is whole frames.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        either!(&mut self.0, client => client.poll_transmit())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; a moment in the past if the session has failed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        either!(&self.0, client => client.poll_timeout())
    }

    /// Lets time pass. Harmless if nothing is due.
    ///
    /// # Errors
    /// [`SessionError`] if the session must end: the server was too slow or does not read.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        either!(&mut self.0, client => client.handle_timeout(now))
    }

    /// Claims a share of a job of this session. Its worker is ignored: the login's user claims it.
    ///
    /// # Errors
    /// [`SubmitError`] if the share is not worth sending; nothing is sent then. Whether its digest meets the target is
    /// not checked.
    pub fn submit(&mut self, share: &Share, now: Now) -> Result<ShareId, SubmitError> {
        either!(&mut self.0, client => client.submit(share, now))
    }

    /// Tells how fast the miner is from now on, so that the server may change the difficulty. Stratum V1 has no word for
    /// it.
    pub fn set_hash_rate(&mut self, rate: HashRate) {
        match &mut self.0 {
            Inner::V1(_) => {}
            Inner::V2(client) => client.set_hash_rate(rate),
        }
    }

    /// What the session speaks.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match &self.0 {
            Inner::V1(_) => Protocol::V1,
            Inner::V2(_) => Protocol::V2,
        }
    }

    /// The id to [resume](ClientConfig::resume) this session by, if the server gave one. Stratum V2 knows none.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match &self.0 {
            Inner::V1(client) => client.session(),
            Inner::V2(_) => None,
        }
    }

    /// How far the session has counted, for the [configuration](ClientConfig::numbers) of the next one.
    #[must_use]
    pub const fn numbers(&self) -> Numbers {
        either!(&self.0, client => client.numbers())
    }

    /// Whether the channel is open and the worker authorised.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        either!(&self.0, client => client.is_ready())
    }

    /// The negotiated version mask; 0 if there is none. In Stratum V2 a job may allow less.
    #[must_use]
    pub const fn version_mask(&self) -> u32 {
        either!(&self.0, client => client.version_mask())
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        either!(&self.0, client => client.buffered_bytes())
    }
}
