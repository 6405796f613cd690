//! The client's side of a Stratum V1 connection.

mod handshake;
mod incoming;
mod jobs;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;
use otedama_core::{Job, JobBody, Moment, Now, Reject, Share, Target};

use super::dialect::bitcoin::{self, Channel};
use super::line::LineReader;
use super::message;
use super::outbox::Outbox;
use crate::client::{ClientConfig, Numbers};
use crate::error::{SessionError, SubmitError};
use crate::event::{ClientEvent, ShareId};

/// See [`ClientSession`](crate::ClientSession), which this is for Stratum V1.
#[derive(Debug)]
pub(crate) struct Client {
    config: ClientConfig,
    lines: LineReader,
    out: Outbox,
    events: VecDeque<ClientEvent>,
    pending: VecDeque<Pending>,
    /// How many of them are shares.
    pending_shares: usize,
    /// Requests of ours so far.
    requests: u64,
    session: Option<String>,
    channel: Option<Channel>,
    authorized: bool,
    version_mask: u32,
    /// For the next notify.
    target: Target,
    latest: Option<Latest>,
    live: VecDeque<Live>,
    numbers: Numbers,
    /// Malformed lines in a row.
    malformed: u32,
    began: Moment,
    heard: Moment,
    failed: Option<SessionError>,
}

/// A request that the server has yet to answer.
#[derive(Debug)]
struct Pending {
    request: u64,
    kind: Kind,
    sent: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Configure,
    Subscribe {
        resuming: bool,
    },
    Authorize,
    /// Whose answer changes nothing.
    Wish,
    Share(ShareId),
}

/// The newest notify, with the difficulty and the channel that it came under.
#[derive(Debug)]
struct Latest {
    wire: Arc<str>,
    body: Arc<JobBody>,
    target: Target,
    channel: Option<Channel>,
}

/// A job that shares may still be for.
#[derive(Debug)]
struct Live {
    wire: Arc<str>,
    job: Job,
}

impl Client {
    pub(crate) fn new(config: ClientConfig, now: Now) -> Self {
        let one = config.login.algorithm.spec().difficulty_one;
        let numbers = config.numbers;
        let mut client = Self {
            config,
            lines: LineReader::default(),
            out: Outbox::default(),
            events: VecDeque::new(),
            pending: VecDeque::new(),
            pending_shares: 0,
            requests: 0,
            session: None,
            channel: None,
            authorized: false,
            version_mask: 0,
            target: one,
            latest: None,
            live: VecDeque::new(),
            numbers,
            malformed: 0,
            began: now.moment,
            heard: now.moment,
            failed: None,
        };
        client.greet(now.moment);
        client
    }

    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        self.check()?;
        let mut lines = core::mem::take(&mut self.lines);
        let result = lines.feed(bytes, self.config.limits.line, now, |line| self.line(line, now));
        self.lines = lines;
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.take()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        if self.failed.is_some() {
            return Some(Moment::ORIGIN);
        }
        self.deadlines().map(|(at, _)| at).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        let due = self.deadlines().find(|(at, _)| *at <= now.moment);
        if let Some((_, error)) = due {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    pub(crate) fn submit(&mut self, share: &Share, now: Now) -> Result<ShareId, SubmitError> {
        if self.failed.is_some() {
            return Err(SubmitError::Ended);
        }
        let live = self.live.iter().rev().find(|live| live.job.id() == share.job);
        let live = live.ok_or(SubmitError::UnknownJob)?;
        live.job.header(share)?;
        let nonce = u32::try_from(share.nonce).map_err(|_| Reject::NonceTooWide(share.nonce))?;
        let limit = self.config.limits.pending_shares;
        if self.pending_shares >= limit {
            return Err(SubmitError::Full { limit });
        }
        // BIP 310: whoever has agreed on a mask sends the bits inside it, rolled or not.
        let (own, mask) = (live.job.body().version(), live.job.terms().version_mask);
        let bits = share.version_bits.or((mask != 0).then_some(own & mask));
        let params = bitcoin::submit_params(&self.config.login.user, &live.wire, share, nonce, bits);
        let id = ShareId(self.numbers.share);
        self.numbers.share = id.0.wrapping_add(1);
        self.pending_shares += 1;
        self.ask(Kind::Share(id), now.moment, "mining.submit", &params);
        Ok(id)
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub(crate) const fn numbers(&self) -> Numbers {
        self.numbers
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.channel.is_some() && self.authorized
    }

    pub(crate) const fn version_mask(&self) -> u32 {
        self.version_mask
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.out.len()
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, SessionError)> + '_ {
        let limits = &self.config.limits;
        let handshake = self.began.plus(limits.handshake);
        let handshake = (!self.is_ready()).then_some((handshake, SessionError::NoAnswer));
        let share = self.pending.iter().find(|pending| matches!(pending.kind, Kind::Share(_)));
        let answer = share.map(|share| (share.sent.plus(limits.answer), SessionError::NoAnswer));
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

    fn ask(&mut self, kind: Kind, now: Moment, method: &str, params: &str) {
        self.requests += 1;
        let request = self.requests;
        message::request(self.out.tail(), request, method, params);
        self.pending.push_back(Pending { request, kind, sent: now });
        self.check_output();
    }

    fn check_output(&mut self) {
        let limit = self.config.limits.output;
        if self.out.len() > limit {
            self.fail(SessionError::OutputFull { limit });
        }
    }
}
