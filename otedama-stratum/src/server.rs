//! The server's side of a connection.

use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use otedama_core::{Algorithm, ChannelId, Extranonce, Moment, Now, Reject, Target, Terms, WorkerId};

use crate::encoded::EncodedJob;
use crate::error::SessionError;
use crate::event::{ServerEvent, Ticket};
use crate::limits::Limits;
use crate::v1;

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
    /// Version bits that clients may roll if they ask; `1fffe000` (BIP 320). Zero refuses version rolling.
    pub version_mask: u32,
    /// Bytes of extranonce2 that every client rolls; 8. Some firmware fails below 2 or above 8.
    pub extranonce2_len: usize,
    /// What a client may take.
    pub limits: Limits,
}

impl ServerConfig {
    /// The defaults named at the fields.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, version_mask: 0x1fff_e000, extranonce2_len: 8, limits: Limits::default() }
    }
}

/// The server's side of one connection: a machine without a socket and without a clock.
///
/// Bytes go in with [`handle_input`](Self::handle_input); afterwards take every event from
/// [`poll_event`](Self::poll_event), give the commands that they call for, send everything from
/// [`poll_transmit`](Self::poll_transmit), and wait for bytes or until [`poll_timeout`](Self::poll_timeout), then
/// [`handle_timeout`](Self::handle_timeout).
///
/// Requests may come in any order, in any chopping. Answers go out in the order of the requests, in whatever order
/// the embedder gives them. What a client can be told about is answered and never ends a session; an `Err` does:
/// send what is left and close. Nothing that a client does makes a session hold more than its [`Limits`].
#[derive(Debug)]
pub struct ServerSession(v1::server::Server);

/// Input, output and time.
impl ServerSession {
    /// A session for a connection that opens now.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>, now: Now) -> Self {
        Self(v1::server::Server::new(config, now))
    }

    /// Takes bytes from the client, cut anywhere.
    ///
    /// # Errors
    /// [`SessionError`] once the session must end, and the same one at every later call.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        self.0.handle_input(bytes, now)
    }

    /// The next thing that the client did.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.0.poll_event()
    }

    /// The next bytes to send. What many sessions send is shared between them, not copied.
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
    /// [`SessionError`] if the session must end: the client was too slow, or a command has filled the output.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        self.0.handle_timeout(now)
    }
}

/// Commands. What they send waits in [`poll_transmit`](ServerSession::poll_transmit).
impl ServerSession {
    /// Answers [`ServerEvent::Subscribe`]: the client mines with this extranonce prefix, at first for this share target.
    ///
    /// The prefix of a standard channel is the whole extranonce. Stratum V1 tells the target with the first job.
    pub fn open_channel(&mut self, channel: ChannelId, prefix: Extranonce, target: Target) {
        let _ = (channel, target);
        self.0.open_channel(prefix);
    }

    /// Answers [`ServerEvent::Subscribe`]: there is no prefix left. The client may ask again.
    pub fn refuse_channel(&mut self, channel: ChannelId) {
        let _ = channel;
        self.0.refuse_channel();
    }

    /// Answers [`ServerEvent::Authorize`]. The answer holds for the connection; asked again, the session repeats it.
    pub fn authorize(&mut self, worker: WorkerId, allowed: bool) {
        self.0.authorize(worker, allowed);
    }

    /// Answers [`ServerEvent::Submit`], in any order. A ticket that was answered before is ignored.
    pub fn answer(&mut self, ticket: Ticket, verdict: Result<(), Reject>) {
        self.0.answer(ticket, verdict);
    }

    /// Sends a job on these terms, and before it what the client does not have yet: its difficulty, and its version
    /// mask, if one was negotiated and the job leaves free something else.
    ///
    /// The terms' channel is not sent: a V1 connection is channel 0.
    /// Nothing is sent before [`open_channel`](Self::open_channel).
    pub fn send_job(&mut self, encoded: &EncodedJob, terms: &Terms) {
        self.0.send_job(encoded, terms);
    }

    /// Sends the same job on several channels, together where the protocol has a form for that. Each of the terms is as
    /// for [`send_job`](Self::send_job).
    pub fn send_jobs(&mut self, encoded: &EncodedJob, terms: &[Terms]) {
        for terms in terms {
            self.send_job(encoded, terms);
        }
    }

    /// Gives a channel another prefix from the next job on; in Stratum V1 that ends all older ones.
    ///
    /// `false` if the client did not say that it can follow, or there is no such channel; then nothing was sent and the
    /// old prefix stays.
    pub fn change_prefix(&mut self, channel: ChannelId, prefix: Extranonce) -> bool {
        let _ = channel;
        self.0.change_prefix(prefix)
    }

    /// Shows a text to whoever looks at the miner. Some devices show 256 bytes of it.
    pub fn show_message(&mut self, text: &str) {
        self.0.show_message(text);
    }

    /// Asks the client to connect elsewhere after a wait of whole seconds. Many follow only within the same domain.
    pub fn reconnect(&mut self, host: &str, port: u16, wait: Duration) {
        self.0.reconnect(host, port, wait);
    }

    /// Asks for a sign of life. Not every client gives one.
    pub fn ping(&mut self) {
        self.0.ping();
    }

    /// Asks what the client is; it may answer with [`ServerEvent::Version`].
    pub fn ask_version(&mut self) {
        self.0.ask_version();
    }
}

/// What is known about the client.
impl ServerSession {
    /// What it calls itself; empty until it says so.
    #[must_use]
    pub fn agent(&self) -> &str {
        self.0.agent()
    }

    /// Whether it has a channel.
    #[must_use]
    pub const fn is_subscribed(&self) -> bool {
        self.0.is_subscribed()
    }

    /// What the client speaks. [`Protocol::V1`] until it has said something.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol::V1
    }

    /// The version bits that the client may roll in a job that leaves these bits free.
    #[must_use]
    pub const fn mask_within(&self, free: u32) -> u32 {
        self.0.version_mask() & free
    }

    /// The negotiated version mask; 0 if there is none.
    #[must_use]
    pub const fn version_mask(&self) -> u32 {
        self.0.version_mask()
    }

    /// Whether [`change_prefix`](Self::change_prefix) will be followed.
    #[must_use]
    pub const fn accepts_extranonce_changes(&self) -> bool {
        self.0.accepts_extranonce_changes()
    }

    /// Bytes that wait to be sent or for an answer before them.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.0.buffered_bytes()
    }
}
