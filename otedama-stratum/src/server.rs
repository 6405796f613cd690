//! The server's side of a connection.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use otedama_core::{Algorithm, ChannelId, Extranonce, Moment, Now, Reject, Target, Terms, WorkerId};

use crate::encoded::EncodedJob;
use crate::error::SessionError;
use crate::event::{ServerEvent, Ticket};
use crate::limits::Limits;
use crate::v1;
use crate::v2;

/// The first byte of every Stratum V2 connection, and of no line of Stratum V1.
const V2_BEGINS: u8 = 0;

/// A version of Stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Lines of JSON.
    V1,
    /// Binary frames, with several channels on a connection.
    V2,
}

/// What all connections of a listener have in common.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What the clients mine; it gives difficulties their meaning.
    pub algorithm: Algorithm,
    /// Version bits that clients may roll if they ask; `1fffe000` (BIP 320). Zero refuses version rolling. Stratum V2
    /// names no bits: unless this is zero, its clients may roll `1fffffe0` (BIP 323).
    pub version_mask: u32,
    /// Bytes of extranonce2 that every client rolls; 8. Some firmware fails below 2 or above 8.
    pub extranonce2_len: usize,
    /// Accepted shares that a Stratum V2 client is told of in one message at most; 64. An answer never waits for it to be
    /// full: it goes out with the next [`poll_transmit`](ServerSession::poll_transmit).
    pub share_batch: u32,
    /// What a client may take.
    pub limits: Limits,
}

impl ServerConfig {
    /// The defaults named at the fields.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            version_mask: 0x1fff_e000,
            extranonce2_len: 8,
            share_batch: 64,
            limits: Limits::default(),
        }
    }
}

/// The server's side of one connection: a machine without a socket and without a clock.
///
/// Bytes go in with [`handle_input`](Self::handle_input); afterwards take every event from
/// [`poll_event`](Self::poll_event), give the commands that they call for, send everything from
/// [`poll_transmit`](Self::poll_transmit), and wait for bytes or until [`poll_timeout`](Self::poll_timeout), then
/// [`handle_timeout`](Self::handle_timeout).
///
/// It serves both versions of Stratum: a client whose first byte is 0 speaks Stratum V2, in plain frames; encryption is
/// the affair of whoever carries the bytes. Until a client has spoken, commands are for Stratum V1.
///
/// Requests may come in any order, in any chopping. Answers go out in the order of the requests, in whatever order
/// the embedder gives them. What a client can be told about is answered and never ends a session; an `Err` does:
/// send what is left and close. Nothing that a client does makes a session hold more than its [`Limits`].
#[derive(Debug)]
pub struct ServerSession(Side);

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a Stratum V1 connection, of which there are many, needs no more than it did"
)]
enum Side {
    V1(v1::server::Server),
    V2(Box<v2::server::Server>),
}

/// Hands a call on to the side that is there.
macro_rules! each {
    ($self:ident, $server:ident => $call:expr) => {
        match &$self.0 {
            Side::V1($server) => $call,
            Side::V2($server) => $call,
        }
    };
    (mut $self:ident, $server:ident => $call:expr) => {
        match &mut $self.0 {
            Side::V1($server) => $call,
            Side::V2($server) => $call,
        }
    };
}

/// Input, output and time.
impl ServerSession {
    /// A session for a connection that opens now.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>, now: Now) -> Self {
        Self(Side::V1(v1::server::Server::new(config, now)))
    }

    /// Takes bytes from the client, cut anywhere.
    ///
    /// # Errors
    /// [`SessionError`] once the session must end, and the same one at every later call.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        if let Side::V1(server) = &self.0
            && bytes.first() == Some(&V2_BEGINS)
            && server.is_fresh()
        {
            self.0 = Side::V2(Box::new(server.to_v2(now)));
        }
        each!(mut self, server => server.handle_input(bytes, now))
    }

    /// The next thing that the client did.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        each!(mut self, server => server.poll_event())
    }

    /// The next bytes to send. What many sessions send is shared between them, not copied. Over Stratum V2 a piece may end
    /// within a frame: whatever takes only whole frames, as `noise::Stream` does, takes all the pieces in one.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        each!(mut self, server => server.poll_transmit())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; a moment in the past if the session has failed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        each!(self, server => server.poll_timeout())
    }

    /// Lets time pass. Harmless if nothing is due.
    ///
    /// # Errors
    /// [`SessionError`] if the session must end: the client was too slow, or a command has filled the output.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        each!(mut self, server => server.handle_timeout(now))
    }
}

/// Commands. What they send waits in [`poll_transmit`](ServerSession::poll_transmit).
impl ServerSession {
    /// Answers [`ServerEvent::Subscribe`]: the client mines with this extranonce prefix, at first for this share target.
    ///
    /// The prefix of a standard channel is the whole extranonce. Stratum V1 tells the target with the first job.
    pub fn open_channel(&mut self, channel: ChannelId, prefix: Extranonce, target: Target) {
        match &mut self.0 {
            Side::V1(server) => server.open_channel(prefix),
            Side::V2(server) => server.open_channel(channel, prefix, target),
        }
    }

    /// Answers [`ServerEvent::Subscribe`]: there is no prefix left. The client may ask again.
    pub fn refuse_channel(&mut self, channel: ChannelId) {
        match &mut self.0 {
            Side::V1(server) => server.refuse_channel(),
            Side::V2(server) => server.refuse_channel(channel),
        }
    }

    /// Closes a channel for a reason of a few words, such as `pool-shutting-down`. The embedder forgets it: no
    /// [`ServerEvent::Closed`] follows, and its shares that wait for an answer need none. Stratum V2; a Stratum V1
    /// connection is closed as a whole.
    pub fn close_channel(&mut self, channel: ChannelId, reason: &str) {
        if let Side::V2(server) = &mut self.0 {
            server.close_channel(channel, reason);
        }
    }

    /// Answers [`ServerEvent::Authorize`]. The answer holds for the connection; asked again, the session repeats it.
    ///
    /// In Stratum V2 the worker's channels are asked for only then: take events again.
    pub fn authorize(&mut self, worker: WorkerId, allowed: bool) {
        each!(mut self, server => server.authorize(worker, allowed));
    }

    /// Answers [`ServerEvent::Submit`], in any order. A ticket that was answered before is ignored.
    pub fn answer(&mut self, ticket: Ticket, verdict: Result<(), Reject>) {
        each!(mut self, server => server.answer(ticket, verdict));
    }

    /// Sends a job on these terms, and before it what the client does not have yet: its difficulty, and in Stratum V1 its
    /// version mask, if one was negotiated and the job leaves free something else.
    ///
    /// Nothing is sent before [`open_channel`](Self::open_channel). Stratum V1 does not look at the terms' channel. In
    /// Stratum V2 a job on another block than the channel's last ends all older ones even if it is not clean.
    pub fn send_job(&mut self, encoded: &EncodedJob, terms: &Terms) {
        each!(mut self, server => server.send_job(encoded, terms));
    }

    /// Sends the same job on several channels, together where the protocol has a form for that: Stratum V2, if these are
    /// all channels of the connection, by ascending numbers, and the job has one number. Each of the terms is as for
    /// [`send_job`](Self::send_job).
    pub fn send_jobs(&mut self, encoded: &EncodedJob, terms: &[Terms]) {
        match &mut self.0 {
            Side::V1(server) => terms.iter().for_each(|terms| server.send_job(encoded, terms)),
            Side::V2(server) => server.send_jobs(encoded, terms),
        }
    }

    /// Gives a channel another prefix from the next job on; in Stratum V1 that ends all older ones.
    ///
    /// `false` if the client did not say that it can follow, or is known not to, if there is no such channel, or in
    /// Stratum V2 if the prefix is not as long as the old one; then nothing was sent and the old prefix stays.
    pub fn change_prefix(&mut self, channel: ChannelId, prefix: Extranonce) -> bool {
        match &mut self.0 {
            Side::V1(server) => server.change_prefix(prefix),
            Side::V2(server) => server.change_prefix(channel, prefix),
        }
    }

    /// Shows a text to whoever looks at the miner. Some devices show 256 bytes of it. Stratum V2 has no such message.
    pub fn show_message(&mut self, text: &str) {
        if let Side::V1(server) = &mut self.0 {
            server.show_message(text);
        }
    }

    /// Asks the client to connect elsewhere after a wait of whole seconds. Many follow only within the same domain.
    ///
    /// Stratum V2 has no wait, and the other server must have a certificate of the same authority. `false` if nothing was
    /// sent: to software that is known to crash (`translator_sv2` 0.6.0, `mining_device`), or since the host has more than
    /// 255 bytes.
    pub fn reconnect(&mut self, host: &str, port: u16, wait: Duration) -> bool {
        match &mut self.0 {
            Side::V1(server) => {
                server.reconnect(host, port, wait);
                true
            }
            Side::V2(server) => server.reconnect(host, port),
        }
    }

    /// Asks for a sign of life. Not every client gives one. Stratum V2 has no such message.
    pub fn ping(&mut self) {
        if let Side::V1(server) = &mut self.0 {
            server.ping();
        }
    }

    /// Asks what the client is; it may answer with [`ServerEvent::Version`]. Stratum V2 has no such message: there every
    /// client has said what it is.
    pub fn ask_version(&mut self) {
        if let Side::V1(server) = &mut self.0 {
            server.ask_version();
        }
    }
}

/// What is known about the client.
impl ServerSession {
    /// What it calls itself; empty until it says so. In Stratum V2 vendor, hardware and firmware, joined by slashes.
    #[must_use]
    pub fn agent(&self) -> &str {
        each!(self, server => server.agent())
    }

    /// Whether it has a channel.
    #[must_use]
    pub const fn is_subscribed(&self) -> bool {
        each!(self, server => server.is_subscribed())
    }

    /// What the client speaks. [`Protocol::V1`] until it has said something.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match &self.0 {
            Side::V1(_) => Protocol::V1,
            Side::V2(_) => Protocol::V2,
        }
    }

    /// The version bits that the client may roll in a job that leaves these bits free. In Stratum V2 all that it ever
    /// rolls or, if one of those is not free, none.
    #[must_use]
    pub const fn mask_within(&self, free: u32) -> u32 {
        each!(self, server => server.mask_within(free))
    }

    /// The negotiated version mask; 0 if there is none.
    #[must_use]
    pub const fn version_mask(&self) -> u32 {
        each!(self, server => server.version_mask())
    }

    /// Whether [`change_prefix`](Self::change_prefix) will be followed.
    #[must_use]
    pub const fn accepts_extranonce_changes(&self) -> bool {
        each!(self, server => server.accepts_extranonce_changes())
    }

    /// Bytes that wait to be sent or for an answer before them.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        each!(self, server => server.buffered_bytes())
    }
}
