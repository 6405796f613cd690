//! The side that has templates.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use otedama_core::{Moment, Now};

use super::error::{DistributionError, SendError};
use super::values::{EncodedTransactions, TemplateOffer, TemplateSolution};
use crate::limits::TemplateServerLimits;
use crate::v2::common::{Protocol, SetupConnection, SetupConnectionError, SetupConnectionSuccess, VERSION};
use crate::v2::inbox::Inbox;
use crate::v2::outbox::Outbox;
use crate::v2::template::{CoinbaseOutputConstraints, RequestTransactionDataError, SetNewPrevHash};
use crate::v2::{Code, Frame, Message};

/// The server's side of one connection for templates: a machine without a socket and without a clock.
///
/// Bytes go in with [`handle_input`](Self::handle_input); afterwards take every event from
/// [`poll_event`](Self::poll_event), give commands, send everything from [`poll_transmit`](Self::poll_transmit), and wait
/// for bytes or until [`poll_timeout`](Self::poll_timeout), then [`handle_timeout`](Self::handle_timeout).
///
/// It speaks plain frames. Templates may be sent from the first [`TemplateServerEvent::Constraints`] on: a future
/// template and the [`set_previous`](Self::set_previous) that begins it, then others for the same tip. An `Err` of input
/// or time ends the session: send what is left and close. A client may be silent for ever.
#[derive(Debug)]
pub struct TemplateServer {
    limits: Arc<TemplateServerLimits>,
    inbox: Inbox,
    out: Outbox,
    events: VecDeque<TemplateServerEvent>,
    state: State,
    /// Since when the present state lasts.
    since: Moment,
    failed: Option<DistributionError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `SetupConnection` is to come.
    Opening,
    /// The constraints are to come.
    Agreed,
    Ready,
}

/// What a client of templates did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TemplateServerEvent {
    /// It has set up the connection, and says who made it; control characters are removed.
    Connected {
        /// Its maker; often empty.
        vendor: String,
    },
    /// It says how much it will add to coinbases. It may say so again, and that holds for the templates after it.
    Constraints(CoinbaseOutputConstraints),
    /// It asks for the transactions of a template: answer with `send_transactions` or `refuse_transactions`.
    TransactionsRequested {
        /// The template, by its word.
        template_id: u64,
    },
    /// It has found a block, by its word. The protocol has no answer to that.
    Solution(TemplateSolution),
}

/// Input, output and time.
impl TemplateServer {
    /// A session for a connection that opens now.
    #[must_use]
    pub fn new(limits: Arc<TemplateServerLimits>, now: Now) -> Self {
        Self {
            limits,
            inbox: Inbox::default(),
            out: Outbox::default(),
            events: VecDeque::new(),
            state: State::Opening,
            since: now.moment,
            failed: None,
        }
    }

    /// Takes bytes from the client, cut anywhere.
    ///
    /// # Errors
    /// [`DistributionError`] once the session must end, and the same one at every later call.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), DistributionError> {
        self.check()?;
        let mut inbox = core::mem::take(&mut self.inbox);
        let result = inbox.feed(bytes, self.limits.frame, now, |frame| self.frame(frame, now));
        self.inbox = inbox;
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    /// The next thing that the client did.
    pub fn poll_event(&mut self) -> Option<TemplateServerEvent> {
        self.events.pop_front()
    }

    /// The next bytes to send, always whole frames. Transactions are shared between sessions, not copied.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.take()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; a moment in the past if the session has failed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        if self.failed.is_some() {
            return Some(Moment::ORIGIN);
        }
        self.deadlines().map(|(at, _)| at).min()
    }

    /// Lets time pass. Harmless if nothing is due.
    ///
    /// # Errors
    /// [`DistributionError`] if the session must end: the client was too slow, or a command has filled the output.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), DistributionError> {
        let due = self.deadlines().find(|(at, _)| *at <= now.moment);
        if let Some((_, error)) = due {
            self.failed.get_or_insert(error);
        }
        self.check()
    }
}

/// Commands. What they send waits in [`poll_transmit`](TemplateServer::poll_transmit).
impl TemplateServer {
    /// Sends a template. A future one waits for [`set_previous`](Self::set_previous); any other builds on the block that
    /// was last named there.
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn send_template(&mut self, offer: &TemplateOffer) -> Result<(), SendError> {
        self.may_send()?;
        self.out.message(&offer.message(&mut Vec::new())?);
        self.check_output();
        Ok(())
    }

    /// Names a new tip and the future template that builds on it.
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn set_previous(&mut self, previous: &SetNewPrevHash) -> Result<(), SendError> {
        self.may_send()?;
        self.out.message(previous);
        self.check_output();
        Ok(())
    }

    /// Answers [`TemplateServerEvent::TransactionsRequested`].
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn send_transactions(&mut self, transactions: &EncodedTransactions) -> Result<(), SendError> {
        self.may_send()?;
        self.out.share(transactions.frame());
        self.check_output();
        Ok(())
    }

    /// Answers [`TemplateServerEvent::TransactionsRequested`]: with [`Code::TemplateIdNotFound`], or with
    /// [`Code::StaleTemplateId`] for a template on an older tip.
    ///
    /// # Errors
    /// [`SendError`] if nothing was sent.
    pub fn refuse_transactions(&mut self, template_id: u64, code: Code) -> Result<(), SendError> {
        self.may_send()?;
        self.out.message(&RequestTransactionDataError { template_id, error_code: code.into() });
        self.check_output();
        Ok(())
    }

    /// Whether templates may be sent.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.may_send().is_ok()
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.out.len()
    }

    fn may_send(&self) -> Result<(), SendError> {
        match (self.state, &self.failed) {
            (_, Some(_)) => Err(SendError::Ended),
            (State::Ready, None) => Ok(()),
            (State::Opening | State::Agreed, None) => Err(SendError::NotReady),
        }
    }
}

impl TemplateServer {
    fn frame(&mut self, frame: Frame<'_>, now: Now) -> Result<(), DistributionError> {
        let (message, _) = Message::parse(frame)?;
        match (self.state, message) {
            // Extensions that nobody negotiated, among them the question for extensions.
            (_, Message::Unknown(_) | Message::RequestExtensions(_)) => Ok(()),
            (State::Opening, Message::SetupConnection(setup)) => self.set_up(&setup, now),
            (State::Agreed | State::Ready, Message::CoinbaseOutputConstraints(constraints)) => {
                self.state = State::Ready;
                self.event(TemplateServerEvent::Constraints(constraints))
            }
            (State::Ready, Message::RequestTransactionData(request)) => {
                self.event(TemplateServerEvent::TransactionsRequested { template_id: request.template_id })
            }
            (State::Ready, Message::SubmitSolution(solution)) => {
                self.event(TemplateServerEvent::Solution(TemplateSolution::read(&solution)))
            }
            (_, other) => Err(DistributionError::Unexpected { message: other.name().unwrap_or("a message") }),
        }
    }

    fn set_up(&mut self, setup: &SetupConnection<'_>, now: Now) -> Result<(), DistributionError> {
        let fault = if setup.protocol != Protocol::TEMPLATE_DISTRIBUTION {
            Some((0, Code::UnsupportedProtocol))
        } else if !(setup.min_version..=setup.max_version).contains(&VERSION) {
            Some((0, Code::ProtocolVersionMismatch))
        } else {
            // This protocol has no flags.
            (setup.flags != 0).then_some((setup.flags, Code::UnsupportedFeatureFlags))
        };
        if let Some((flags, code)) = fault {
            self.out.message(&SetupConnectionError { flags, error_code: code.into() });
            return Err(DistributionError::Unsupported(code));
        }
        self.out.message(&SetupConnectionSuccess { used_version: VERSION, flags: 0 });
        (self.state, self.since) = (State::Agreed, now.moment);
        let vendor = setup.vendor.to_string().chars().filter(|letter| !letter.is_control()).collect();
        self.event(TemplateServerEvent::Connected { vendor })
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, DistributionError)> + '_ {
        let limits = &self.limits;
        let state = match self.state {
            State::Opening => Some((limits.setup, DistributionError::SetupTimeout)),
            State::Agreed => Some((limits.constraints, DistributionError::ConstraintsTimeout)),
            State::Ready => None,
        };
        let state = state.map(|(patience, error)| (self.since.plus(patience), error));
        let frame = self.inbox.began().map(|began| began.plus(limits.frame_time));
        state.into_iter().chain(frame.map(|at| (at, DistributionError::FrameTimeout)))
    }

    fn event(&mut self, event: TemplateServerEvent) -> Result<(), DistributionError> {
        let limit = self.limits.events;
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
        let limit = self.limits.output;
        if self.out.len() > limit {
            self.failed.get_or_insert(DistributionError::OutputFull { limit });
        }
    }
}
