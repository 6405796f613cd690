//! The server's side of a Stratum V2 connection.

mod answers;
mod channels;
mod form;
mod jobs;
mod opening;
mod setup;
mod shares;
mod workers;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use otedama_core::{Moment, Now, Reject};

use self::answers::Answers;
use self::channels::Channels;
pub(crate) use self::form::Form;
use self::opening::Open;
use self::setup::Peer;
use self::workers::Workers;
use super::common::SetupConnection;
use super::extension::RequestExtensions;
use super::mining::{
    CloseChannel, OpenExtendedMiningChannel, OpenStandardMiningChannel, SetCustomMiningJob,
    SetCustomMiningJobError, SubmitSharesExtended, SubmitSharesStandard, UpdateChannel,
};
use super::{Code, Encode, Frame, Payload};
use crate::error::SessionError;
use crate::event::{Refused, ServerEvent};
use crate::server::ServerConfig;
use crate::v2::inbox::Inbox;
use crate::v2::outbox::Outbox;

/// The group of a connection whose channels can share messages.
const GROUP: u32 = 1;
/// The group of a channel that shares none.
const NO_GROUP: u32 = 0;
/// The version bits that may be rolled where rolling is allowed at all (BIP 323).
const ROLLED: u32 = 0x1fff_ffe0;

/// See [`ServerSession`](crate::ServerSession), which this is for Stratum V2.
#[derive(Debug)]
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    /// Version bits that the client may roll in jobs that leave all of them free.
    rolled: u32,
    inbox: Inbox,
    out: Outbox,
    answers: Answers,
    events: VecDeque<ServerEvent>,
    /// The client, once it has set up the connection.
    peer: Option<Peer>,
    workers: Workers,
    channels: Channels,
    /// Channels that were asked for, in the order of their numbers.
    opens: Vec<Open>,
    /// The number of the next channel.
    next_channel: u32,
    /// Malformed messages in a row.
    malformed: u32,
    began: Moment,
    heard: Moment,
    /// Since when there has been no channel, if there is none.
    unused: Moment,
    failed: Option<SessionError>,
}

/// Input, output and time.
impl Server {
    /// A session for a connection that opened at `began` and speaks now.
    pub(crate) fn new(config: Arc<ServerConfig>, began: Moment, now: Now) -> Self {
        let rolled = if config.version_mask == 0 { 0 } else { ROLLED };
        Self {
            config,
            rolled,
            inbox: Inbox::default(),
            out: Outbox::default(),
            answers: Answers::default(),
            events: VecDeque::new(),
            peer: None,
            workers: Workers::default(),
            channels: Channels::default(),
            opens: Vec::new(),
            next_channel: GROUP + 1,
            malformed: 0,
            began,
            heard: now.moment,
            unused: began,
            failed: None,
        }
    }

    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        self.check()?;
        let mut inbox = core::mem::take(&mut self.inbox);
        let result = inbox.feed(bytes, self.config.limits.frame, now, |frame| self.frame(frame, now));
        self.inbox = inbox;
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.answers.write_batch(&mut self.out, &mut self.channels);
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

    fn deadlines(&self) -> impl Iterator<Item = (Moment, SessionError)> + '_ {
        let limits = &self.config.limits;
        let setup = (self.began.plus(limits.subscribe), SessionError::SubscribeTimeout);
        let unused = (self.unused.plus(limits.authorize), SessionError::AuthorizeTimeout);
        let frame =
            self.inbox.began().map(|began| (began.plus(limits.line_time), SessionError::FrameTimeout));
        let silent = (self.heard.plus(limits.silence), SessionError::Silent);
        // A channel whose answer is still to come is not late: that is the embedder's time.
        let is_unused = self.channels.is_empty() && self.opens.is_empty();
        let (setup, unused) = (self.peer.is_none().then_some(setup), is_unused.then_some(unused));
        [setup, unused, frame, Some(silent)].into_iter().flatten()
    }
}

/// What is known about the client.
impl Server {
    pub(crate) fn agent(&self) -> &str {
        self.peer.as_ref().map_or("", |peer| &peer.agent)
    }

    pub(crate) const fn is_subscribed(&self) -> bool {
        !self.channels.is_empty()
    }

    pub(crate) const fn mask_within(&self, free: u32) -> u32 {
        if free & self.rolled == self.rolled { self.rolled } else { 0 }
    }

    pub(crate) const fn version_mask(&self) -> u32 {
        self.rolled
    }

    pub(crate) const fn accepts_extranonce_changes(&self) -> bool {
        match &self.peer {
            Some(peer) => peer.takes_prefixes,
            None => false,
        }
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.out.len() + self.answers.len()
    }
}

/// What a client asks for.
impl Server {
    fn frame(&mut self, frame: Frame<'_>, now: Now) -> Result<(), SessionError> {
        self.heard = now.moment;
        if self.peer.is_none() {
            self.first_frame(frame);
            return self.check();
        }
        let payload = frame.payload;
        let read = match (frame.extension, frame.kind) {
            (SubmitSharesExtended::EXTENSION, SubmitSharesExtended::KIND) => {
                SubmitSharesExtended::decode(payload)
                    .map(|(message, tlvs)| self.extended_share(&message, tlvs))
            }
            (SubmitSharesStandard::EXTENSION, SubmitSharesStandard::KIND) => {
                SubmitSharesStandard::decode(payload)
                    .map(|(message, tlvs)| self.standard_share(&message, tlvs))
            }
            (OpenStandardMiningChannel::EXTENSION, OpenStandardMiningChannel::KIND) => {
                OpenStandardMiningChannel::decode(payload).map(|(message, _)| self.open_standard(&message))
            }
            (OpenExtendedMiningChannel::EXTENSION, OpenExtendedMiningChannel::KIND) => {
                OpenExtendedMiningChannel::decode(payload).map(|(message, _)| self.open_extended(&message))
            }
            (UpdateChannel::EXTENSION, UpdateChannel::KIND) => {
                UpdateChannel::decode(payload).map(|(message, _)| self.update(&message))
            }
            (CloseChannel::EXTENSION, CloseChannel::KIND) => {
                CloseChannel::decode(payload).map(|(message, _)| self.closed(message.channel_id, now))
            }
            (SetCustomMiningJob::EXTENSION, SetCustomMiningJob::KIND) => {
                SetCustomMiningJob::decode(payload).map(|(message, _)| self.custom_job(&message))
            }
            (RequestExtensions::EXTENSION, RequestExtensions::KIND) => {
                RequestExtensions::decode(payload).map(|(message, _)| self.extensions(&message))
            }
            // Of another extension or protocol, or not one for a server, or known to nobody.
            _ => {
                self.event(ServerEvent::Refused(Refused::Line));
                return self.check();
            }
        };
        match read {
            Ok(()) => self.malformed = 0,
            Err(_) => self.malformed(frame.kind),
        }
        self.check_output();
        self.check()
    }

    fn malformed(&mut self, kind: u8) {
        let is_share = matches!(kind, SubmitSharesExtended::KIND | SubmitSharesStandard::KIND);
        let refused = if is_share { Refused::MalformedShare(None) } else { Refused::Line };
        self.event(ServerEvent::Refused(refused));
        self.malformed += 1;
        let limit = self.config.limits.malformed_messages;
        if self.malformed > limit {
            self.failed.get_or_insert(SessionError::MalformedMessages { limit });
        }
    }

    fn custom_job(&mut self, job: &SetCustomMiningJob<'_>) {
        let error = SetCustomMiningJobError {
            channel_id: job.channel_id,
            request_id: job.request_id,
            error_code: Code::JdNotSupported.into(),
        };
        self.refuse(&error, Refused::Method);
    }
}

/// How it is said.
impl Server {
    /// Sends a message; every message that a server makes fits a frame.
    fn send(&mut self, message: &impl Encode) {
        if self.failed.is_none() && self.out.put(message).is_ok() {
            self.check_output();
        }
    }

    fn refuse(&mut self, message: &impl Encode, refused: Refused) {
        self.send(message);
        self.event(ServerEvent::Refused(refused));
    }

    fn check(&self) -> Result<(), SessionError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn check_output(&mut self) {
        let limits = &self.config.limits;
        let limit =
            limits.output_per_channel.saturating_mul(self.channels.len()).saturating_add(limits.output);
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

/// The code that clients know for a refused share.
const fn code(reject: Reject) -> Code {
    match reject {
        Reject::UnknownJob => Code::InvalidJobId,
        Reject::Stale => Code::StaleShare,
        Reject::Duplicate => Code::DuplicateShare,
        Reject::LowDifficulty { .. } => Code::DifficultyTooLow,
        Reject::NotSubscribed => Code::InvalidChannelId,
        Reject::Extranonce2Length { .. } => Code::BadExtranonceSize,
        Reject::VersionRollingOff => Code::VersionRollingNotAllowed,
        Reject::VersionBits { .. } => Code::InvalidNonRollableVersionBit,
        _ => Code::InvalidShare,
    }
}
