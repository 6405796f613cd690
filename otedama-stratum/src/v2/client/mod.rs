//! The client's side of a Stratum V2 connection: one channel.

mod handshake;
mod incoming;
mod jobs;
mod shares;

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use otedama_core::{Extranonce, HashRate, Moment, Now, Target};

use self::jobs::{Draft, Live, Tip};
use self::shares::Pending;
use super::inbox::Inbox;
use super::message::Encode;
use crate::client::{ClientConfig, Numbers};
use crate::error::SessionError;
use crate::event::{ClientEvent, Rejection};
use crate::v1::message::printable;

/// See [`ClientSession`](crate::ClientSession), which this is for Stratum V2.
#[derive(Debug)]
pub(crate) struct Client {
    config: ClientConfig,
    frames: Inbox,
    out: BytesMut,
    events: VecDeque<ClientEvent>,
    phase: Phase,
    /// The version bits that both sides let the miner roll.
    mask: u32,
    /// Whether the server takes worker names behind shares.
    names: bool,
    channel: Option<Channel>,
    tip: Option<Tip>,
    /// Jobs that wait for the block that they build on.
    future: VecDeque<Draft>,
    live: VecDeque<Live>,
    /// In the order of their sequence numbers.
    pending: VecDeque<Pending>,
    /// The sequence number of the next share.
    sequence: u32,
    numbers: Numbers,
    /// Malformed messages in a row.
    malformed: u32,
    began: Moment,
    heard: Moment,
    failed: Option<SessionError>,
}

/// What the client waits for before it has a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Setup,
    /// The answer may never come; at this moment it goes on without.
    Extensions(Moment),
    Opening,
    Open,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    id: u32,
    group: u32,
    /// Of jobs that start from now on.
    target: Target,
    /// Of jobs that come from now on.
    prefix: Extranonce,
    extranonce2_len: usize,
}

impl Client {
    pub(crate) fn new(config: ClientConfig, now: Now) -> Self {
        let numbers = config.numbers;
        let mut client = Self {
            config,
            frames: Inbox::default(),
            out: BytesMut::new(),
            events: VecDeque::new(),
            phase: Phase::Setup,
            mask: 0,
            names: false,
            channel: None,
            tip: None,
            future: VecDeque::new(),
            live: VecDeque::new(),
            pending: VecDeque::new(),
            sequence: 0,
            numbers,
            malformed: 0,
            began: now.moment,
            heard: now.moment,
            failed: None,
        };
        client.greet();
        client
    }

    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        self.check()?;
        let mut frames = core::mem::take(&mut self.frames);
        let result = frames.feed(bytes, self.config.limits.frame, now, |frame| self.frame(frame, now));
        self.frames = frames;
        if let Err(error) = result {
            self.fail(error);
        }
        self.check()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        if self.failed.is_some() {
            return Some(Moment::ORIGIN);
        }
        let extensions = match self.phase {
            Phase::Extensions(until) => Some(until),
            _ => None,
        };
        self.deadlines().map(|(at, _)| at).chain(extensions).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        let due = self.deadlines().find(|(at, _)| *at <= now.moment);
        if let Some((_, error)) = due {
            self.fail(error);
        }
        self.check()?;
        if matches!(self.phase, Phase::Extensions(until) if until <= now.moment) {
            self.open();
        }
        self.check()
    }

    pub(crate) const fn numbers(&self) -> Numbers {
        self.numbers
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.channel.is_some()
    }

    pub(crate) const fn version_mask(&self) -> u32 {
        self.mask
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn set_hash_rate(&mut self, rate: HashRate) {
        self.config.hash_rate = Some(rate);
        self.update();
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, SessionError)> + '_ {
        let limits = &self.config.limits;
        let handshake = self.began.plus(limits.handshake);
        let handshake = (!self.is_ready()).then_some((handshake, SessionError::NoAnswer));
        let share = self.pending.front();
        let answer = share.map(|share| (share.sent.plus(limits.batch), SessionError::NoAnswer));
        let silent = Some((self.heard.plus(limits.silence), SessionError::Silent));
        [handshake, answer, silent].into_iter().flatten()
    }

    fn check(&self) -> Result<(), SessionError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: SessionError) {
        self.failed.get_or_insert(error);
    }

    fn bad(&mut self, method: &'static str) {
        self.fail(SessionError::BadMessage { method });
    }

    fn event(&mut self, event: ClientEvent) {
        let limit = self.config.limits.events;
        if self.events.len() < limit {
            self.events.push_back(event);
        } else {
            self.fail(SessionError::EventsFull { limit });
        }
    }

    /// A refusal in the server's words, which may be any bytes.
    fn rejection(&self, code: super::Str0_255<'_>) -> Rejection {
        let message = printable(&alloc::format!("{code}"), self.config.limits.text);
        Rejection { code: None, message }
    }

    fn send(&mut self, message: &impl Encode) {
        write(&mut self.out, message);
        self.check_output();
    }

    fn check_output(&mut self) {
        let limit = self.config.limits.output;
        if self.out.len() > limit {
            self.fail(SessionError::OutputFull { limit });
        }
    }
}

/// Appends a message. Everything that a client sends is short, so it fits a frame.
fn write(out: &mut BytesMut, message: &impl Encode) {
    let start = out.len();
    out.resize(start.saturating_add(message.encoded_len()), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    if message.encode(place).is_err() {
        out.truncate(start);
    }
}
