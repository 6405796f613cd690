//! The side that takes templates.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString as _};

use bytes::Bytes;
use otedama_core::{Moment, Now};

use super::error::{DistributionError, SendError};
use super::values::{TemplateOffer, TemplateSolution, TemplateTransactions};
use crate::limits::TemplateClientLimits;
use crate::v2::common::{Protocol, SetupConnection, SetupConnectionSuccess, VERSION};
use crate::v2::inbox::Inbox;
use crate::v2::outbox::Outbox;
use crate::v2::template::{
    CoinbaseOutputConstraints, NewTemplate, RequestTransactionData, RequestTransactionDataSuccess,
    SetNewPrevHash,
};
use crate::v2::{Frame, Message, Str0_255};

/// A template that nobody has: asking for it is a sign of life that every server can give.
const NO_TEMPLATE: u64 = u64::MAX;

/// What a client of templates wants from a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TemplateClientConfig {
    /// The host that it believes to speak to.
    pub host: String,
    /// The port that it believes to speak to.
    pub port: u16,
    /// Who made the client; `otedama/` and the version of this crate.
    pub vendor: String,
    /// What it will add to coinbases at most: 512 bytes of outputs and a cost of 16 signature operations, which is
    /// enough for fifteen outputs with witness programs, or for four to hashes of public keys.
    pub constraints: CoinbaseOutputConstraints,
    /// What the server may take.
    pub limits: TemplateClientLimits,
}

impl TemplateClientConfig {
    /// The defaults named at the fields.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            vendor: String::from(concat!("otedama/", env!("CARGO_PKG_VERSION"))),
            constraints: CoinbaseOutputConstraints {
                coinbase_output_max_additional_size: 512,
                coinbase_output_max_additional_sigops: 16,
            },
            limits: TemplateClientLimits::default(),
        }
    }
}

/// What a server of templates did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TemplateClientEvent {
    /// The connection is set up and the constraints are told; templates follow.
    Ready,
    /// A template. Unless it is a future one, it replaces the one before at once.
    Template(Box<TemplateOffer>),
    /// A new tip, and which of the future templates builds on it.
    Previous(SetNewPrevHash),
    /// The transactions that were asked for.
    Transactions(TemplateTransactions),
    /// The transactions that were asked for are not given.
    TransactionsRefused {
        /// Whose.
        template_id: u64,
        /// The server's words, without control characters.
        code: String,
    },
}

/// The client's side of one connection for templates: a machine without a socket and without a clock.
///
/// It says its greeting and its constraints by itself. Bytes go in with [`handle_input`](Self::handle_input); afterwards
/// take every event from [`poll_event`](Self::poll_event), give commands, send everything from
/// [`poll_transmit`](Self::poll_transmit), and wait for bytes or until [`poll_timeout`](Self::poll_timeout), then
/// [`handle_timeout`](Self::handle_timeout).
///
/// It speaks plain frames. A server that says nothing for long is asked for a template that nobody has, and must answer.
/// An `Err` ends the session. A wish of the server to reconnect elsewhere is not followed.
#[derive(Debug)]
pub struct TemplateClient {
    config: TemplateClientConfig,
    inbox: Inbox,
    out: Outbox,
    events: VecDeque<TemplateClientEvent>,
    ready: bool,
    /// When the connection opened, or the last bytes came.
    heard: Moment,
    /// When the server was asked for a sign of life that it has not given yet.
    asked: Option<Moment>,
    failed: Option<DistributionError>,
}

/// Input, output and time.
impl TemplateClient {
    /// A session for a connection that opens now; the greeting waits in [`poll_transmit`](Self::poll_transmit).
    #[must_use]
    pub fn new(config: TemplateClientConfig, now: Now) -> Self {
        let mut out = Outbox::default();
        out.message(&SetupConnection {
            protocol: Protocol::TEMPLATE_DISTRIBUTION,
            min_version: VERSION,
            max_version: VERSION,
            flags: 0,
            endpoint_host: Str0_255::truncated(&config.host),
            endpoint_port: config.port,
            vendor: Str0_255::truncated(&config.vendor),
            hardware_version: Str0_255::EMPTY,
            firmware: Str0_255::EMPTY,
            device_id: Str0_255::EMPTY,
        });
        let (inbox, events) = (Inbox::default(), VecDeque::new());
        Self { config, inbox, out, events, ready: false, heard: now.moment, asked: None, failed: None }
    }

    /// Takes bytes from the server, cut anywhere.
    ///
    /// # Errors
    /// [`DistributionError`] once the session must end, and the same one at every later call.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), DistributionError> {
        self.check()?;
        if self.ready {
            (self.heard, self.asked) = (now.moment, None);
        }
        let mut inbox = core::mem::take(&mut self.inbox);
        let result = inbox.feed(bytes, self.config.limits.frame, now, |frame| self.frame(frame, now));
        self.inbox = inbox;
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    /// The next thing that the server did.
    pub fn poll_event(&mut self) -> Option<TemplateClientEvent> {
        self.events.pop_front()
    }

    /// The next bytes to send, always whole frames.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.take()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; a moment in the past if the session has failed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        if self.failed.is_some() {
            return Some(Moment::ORIGIN);
        }
        let quiet = (self.ready && self.asked.is_none()).then(|| self.heard.plus(self.config.limits.quiet));
        self.deadlines().map(|(at, _)| at).chain(quiet).min()
    }

    /// Lets time pass. Harmless if nothing is due.
    ///
    /// # Errors
    /// [`DistributionError`] if the session must end: the server was too slow, or a command has filled the output.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), DistributionError> {
        let due = self.deadlines().find(|(at, _)| *at <= now.moment);
        if let Some((_, error)) = due {
            self.failed.get_or_insert(error);
        }
        self.check()?;
        if self.ready && self.asked.is_none() && self.heard.plus(self.config.limits.quiet) <= now.moment {
            self.asked = Some(now.moment);
            self.out.message(&RequestTransactionData { template_id: NO_TEMPLATE });
        }
        Ok(())
    }
}

/// Commands. What they send waits in [`poll_transmit`](TemplateClient::poll_transmit).
impl TemplateClient {
    /// Asks for the transactions of a template.
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn request_transactions(&mut self, template_id: u64) -> Result<(), SendError> {
        self.may_send()?;
        self.out.message(&RequestTransactionData { template_id });
        self.check_output();
        Ok(())
    }

    /// Hands in a block. The server does not answer; a new tip shows that the block was good.
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn submit_solution(&mut self, solution: &TemplateSolution) -> Result<(), SendError> {
        self.may_send()?;
        self.out.message(&solution.message()?);
        self.check_output();
        Ok(())
    }

    /// Changes what the client will add to coinbases; the server sends templates that leave as much room.
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn set_constraints(&mut self, constraints: CoinbaseOutputConstraints) -> Result<(), SendError> {
        self.may_send()?;
        self.out.message(&constraints);
        self.check_output();
        Ok(())
    }

    /// Whether the server has agreed to the connection.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.may_send().is_ok()
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.out.len()
    }

    const fn may_send(&self) -> Result<(), SendError> {
        match (&self.failed, self.ready) {
            (Some(_), _) => Err(SendError::Ended),
            (None, false) => Err(SendError::NotReady),
            (None, true) => Ok(()),
        }
    }
}

impl TemplateClient {
    fn frame(&mut self, frame: Frame<'_>, now: Now) -> Result<(), DistributionError> {
        let (message, _) = Message::parse(frame)?;
        match (self.ready, message) {
            (_, Message::Unknown(_) | Message::Reconnect(_)) => Ok(()),
            (false, Message::SetupConnectionSuccess(success)) => self.agreed(success, now),
            (false, Message::SetupConnectionError(error)) => {
                Err(DistributionError::Refused(words(error.error_code)))
            }
            (true, Message::NewTemplate(template)) => self.template(&template),
            (true, Message::TemplateSetNewPrevHash(previous)) => {
                self.event(TemplateClientEvent::Previous(previous))
            }
            (true, Message::RequestTransactionDataSuccess(answer)) => self.transactions(&answer),
            (true, Message::RequestTransactionDataError(answer)) if answer.template_id == NO_TEMPLATE => {
                Ok(())
            }
            (true, Message::RequestTransactionDataError(answer)) => {
                let (template_id, code) = (answer.template_id, words(answer.error_code));
                self.event(TemplateClientEvent::TransactionsRefused { template_id, code })
            }
            (_, other) => Err(DistributionError::Unexpected { message: other.name().unwrap_or("a message") }),
        }
    }

    fn agreed(&mut self, success: SetupConnectionSuccess, now: Now) -> Result<(), DistributionError> {
        if success.used_version != VERSION {
            return Err(DistributionError::Refused(alloc::format!("version {}", success.used_version)));
        }
        (self.ready, self.heard) = (true, now.moment);
        self.out.message(&self.config.constraints);
        self.event(TemplateClientEvent::Ready)
    }

    fn template(&mut self, template: &NewTemplate<'_>) -> Result<(), DistributionError> {
        let limits = &self.config.limits;
        within(
            "bytes of coinbase prefix",
            template.coinbase_prefix.as_bytes().len(),
            limits.coinbase_prefix,
        )?;
        within("hashes of merkle path", template.merkle_path.len(), limits.merkle_path)?;
        let offer = TemplateOffer::read(template);
        self.event(TemplateClientEvent::Template(Box::new(offer)))
    }

    fn transactions(&mut self, answer: &RequestTransactionDataSuccess<'_>) -> Result<(), DistributionError> {
        if answer.template_id == NO_TEMPLATE {
            return Ok(());
        }
        within("transactions", answer.transaction_list.len(), self.config.limits.transactions)?;
        self.event(TemplateClientEvent::Transactions(TemplateTransactions::read(answer)))
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, DistributionError)> + '_ {
        let limits = &self.config.limits;
        let setup = (!self.ready).then(|| (self.heard.plus(limits.setup), DistributionError::NoAnswer));
        let answer = self.asked.map(|asked| (asked.plus(limits.answer), DistributionError::NoAnswer));
        let frame = self.inbox.began().map(|began| began.plus(limits.frame_time));
        let frame = frame.map(|at| (at, DistributionError::FrameTimeout));
        [setup, answer, frame].into_iter().flatten()
    }

    fn event(&mut self, event: TemplateClientEvent) -> Result<(), DistributionError> {
        let limit = self.config.limits.events;
        if self.events.len() >= limit {
            return Err(DistributionError::EventsFull { limit });
        }
        self.events.push_back(event);
        Ok(())
    }

    fn check(&self) -> Result<(), DistributionError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn check_output(&mut self) {
        let limit = self.config.limits.output;
        if self.out.len() > limit {
            self.failed.get_or_insert(DistributionError::OutputFull { limit });
        }
    }
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<(), DistributionError> {
    if count > limit { Err(DistributionError::TooMany { what, count, limit }) } else { Ok(()) }
}

fn words(text: Str0_255<'_>) -> String {
    text.to_string().chars().filter(|letter| !letter.is_control()).collect()
}
