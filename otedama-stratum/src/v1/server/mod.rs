//! The server's side of a Stratum V1 connection.

mod incoming;
mod outgoing;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use otedama_core::{Extranonce, Moment, Now, Target};

use super::answers::Answers;
use super::line::LineReader;
use super::outbox::Outbox;
use crate::error::SessionError;
use crate::event::ServerEvent;
use crate::server::ServerConfig;

/// See [`ServerSession`](crate::ServerSession), which this is for Stratum V1.
#[derive(Debug)]
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    lines: LineReader,
    out: Outbox,
    answers: Answers,
    events: VecDeque<ServerEvent>,
    agent: String,
    /// By their ids.
    workers: Vec<Worker>,
    /// Who was looked for last, and will be again.
    last_worker: usize,
    prefix: Option<Extranonce>,
    asked_channel: bool,
    version_mask: u32,
    /// What the client was last told that it may roll.
    told_mask: u32,
    extranonce_changes: bool,
    sent_target: Option<Target>,
    /// Whether the next job must end all others, because the prefix has changed.
    force_clean: bool,
    /// Malformed lines in a row.
    malformed: u32,
    /// Requests of ours so far.
    requests: u64,
    version_request: Option<u64>,
    began: Moment,
    heard: Moment,
    failed: Option<SessionError>,
}

/// A user name that was to be authorised.
#[derive(Debug)]
struct Worker {
    name: String,
    /// The embedder's answer, once it is there.
    allowed: Option<bool>,
}

impl Server {
    pub(crate) fn new(config: Arc<ServerConfig>, now: Now) -> Self {
        Self {
            config,
            lines: LineReader::default(),
            out: Outbox::default(),
            answers: Answers::default(),
            events: VecDeque::new(),
            agent: String::new(),
            workers: Vec::new(),
            last_worker: 0,
            prefix: None,
            asked_channel: false,
            version_mask: 0,
            told_mask: 0,
            extranonce_changes: false,
            sent_target: None,
            force_clean: false,
            malformed: 0,
            requests: 0,
            version_request: None,
            began: now.moment,
            heard: now.moment,
            failed: None,
        }
    }

    /// Whether nothing has come yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.lines.is_fresh()
    }

    /// The session for the same connection if its client turns out to speak Stratum V2.
    pub(crate) fn to_v2(&self, now: Now) -> crate::v2::server::Server {
        crate::v2::server::Server::new(Arc::clone(&self.config), self.began, now)
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

    pub(crate) fn poll_event(&mut self) -> Option<ServerEvent> {
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

    pub(crate) fn agent(&self) -> &str {
        &self.agent
    }

    pub(crate) const fn is_subscribed(&self) -> bool {
        self.prefix.is_some()
    }

    pub(crate) const fn version_mask(&self) -> u32 {
        self.version_mask
    }

    pub(crate) const fn accepts_extranonce_changes(&self) -> bool {
        self.extranonce_changes
    }

    pub(crate) const fn mask_within(&self, free: u32) -> u32 {
        self.version_mask & free
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.out.len() + self.answers.len()
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, SessionError)> + '_ {
        let limits = &self.config.limits;
        // A worker whose answer is still to come is not late: that is the embedder's time.
        let authorized = self.workers.iter().any(|worker| worker.allowed != Some(false));
        let subscribe = (self.began.plus(limits.subscribe), SessionError::SubscribeTimeout);
        let authorize = (self.began.plus(limits.authorize), SessionError::AuthorizeTimeout);
        let line = self.lines.began().map(|began| (began.plus(limits.line_time), SessionError::LineTimeout));
        let silent = (self.heard.plus(limits.silence), SessionError::Silent);
        let (subscribe, authorize) =
            ((!self.asked_channel).then_some(subscribe), (!authorized).then_some(authorize));
        [subscribe, authorize, line, Some(silent)].into_iter().flatten()
    }

    fn check(&self) -> Result<(), SessionError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn check_output(&mut self) {
        let limit = self.config.limits.output;
        if self.buffered_bytes() > limit {
            self.failed.get_or_insert(SessionError::OutputFull { limit });
        }
    }

    fn event(&mut self, event: ServerEvent) {
        let limit = self.config.limits.events;
        if self.events.len() < limit {
            self.events.push_back(event);
        } else {
            self.failed.get_or_insert(SessionError::EventsFull { limit });
        }
    }
}
