//! What the reader of a connection and the users of the node share.

use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use otedama_core::Hash256;
use otedama_stratum::v2::distribution::TemplateClientEvent;

use super::assemble::assemble;
use super::book::{Book, Next, Parts};
use super::config::TemplateProviderConfig;
use super::link::Link;
use super::tips::Tips;
use crate::node::NodeError;
use crate::server::clock::Clock;
use crate::template::Template;

/// All of a node but its thread.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: TemplateProviderConfig,
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

/// What changes, under one lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stopped: bool,
    /// Connections so far.
    connections: u64,
    pub(super) link: Option<Link>,
    pub(super) book: Book,
    pub(super) tips: Tips,
    /// When the tip was named.
    tip_since: Option<Instant>,
    current: Option<Template>,
    /// Why there is no connection.
    failure: Option<NodeError>,
}

impl Shared {
    pub(super) fn new(config: TemplateProviderConfig) -> Self {
        Self { config, clock: Clock::new(), state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is an answer, at most until then.
    pub(super) fn wait<T>(&self, until: Instant, answer: impl Fn(&State) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = answer(&state) {
                return Some(answer);
            }
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits before the next connection; `false` if there is to be none.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let until = Instant::now().checked_add(time);
        let stopped = |state: &State| state.stopped.then_some(());
        until.is_none_or(|until| self.wait(until, stopped).is_none())
    }

    /// Ends everything.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        if let Some(link) = &state.link {
            link.hang_up();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A connection is there.
    pub(super) fn begin(&self, socket: &TcpStream) -> Result<(), NodeError> {
        let link = Link::open(&self.config, self.clock, socket)?;
        let mut state = self.lock();
        if state.stopped {
            return Err(NodeError::Unreachable("stopped".into()));
        }
        state.connections += 1;
        (state.link, state.failure) = (Some(link), None);
        Ok(())
    }

    /// The connection is over; whether it was of use.
    pub(super) fn end(&self, error: NodeError) -> bool {
        let mut state = self.lock();
        let useful = state.current.take().is_some();
        if let Some(link) = state.link.take() {
            link.hang_up();
        }
        state.book = Book::default();
        state.tips.lose_tip();
        (state.tip_since, state.failure) = (None, Some(error));
        drop(state);
        self.changed.notify_all();
        useful
    }

    /// Takes bytes of the socket, and acts on what they say.
    pub(super) fn receive(&self, bytes: &[u8]) -> Result<(), NodeError> {
        let mut whole = Vec::new();
        let mut state = self.lock();
        state.link()?.receive(bytes)?;
        while let Some(event) = state.link()?.event() {
            match state.take(event)? {
                Next::Wait => {}
                Next::Ask(id) => state.link()?.ask(id)?,
                Next::Assemble(parts) => whole.push(parts),
            }
        }
        drop(state);
        self.changed.notify_all();
        whole.iter().try_for_each(|parts| self.complete(parts))
    }

    /// Looks at the deadlines.
    pub(super) fn tick(&self) -> Result<(), NodeError> {
        self.lock().link()?.tick()
    }

    /// Makes a template of its parts without keeping anybody waiting, and offers it unless there is a newer one.
    fn complete(&self, parts: &Parts) -> Result<(), NodeError> {
        let constraints = self.config.client().constraints;
        let Parts { number, offer, previous, transactions } = parts;
        let mut template = assemble(offer, previous, transactions, &constraints)?;
        let mut state = self.lock();
        if state.book.adopt(*number, previous) {
            template.long_poll_id = Some(format!("{}.{number}", state.connections));
            (state.current, state.failure) = (Some(template), None);
            drop(state);
            self.changed.notify_all();
        }
        Ok(())
    }
}

impl State {
    /// The newest whole template, as it looks now; the reason if there is no connection, `None` if it is yet to come.
    pub(super) fn template(&self) -> Option<Result<Template, NodeError>> {
        if let (Some(current), Some(since)) = (&self.current, self.tip_since) {
            let mut template = current.clone();
            // The provider's clock, which it told with the tip.
            let passed = u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX);
            template.curtime = template.curtime.saturating_add(passed);
            return Some(Ok(template));
        }
        self.failure.clone().map(Err)
    }

    /// The ticket of that template.
    pub(super) fn ticket(&self) -> Option<&str> {
        self.current.as_ref()?.long_poll_id.as_deref()
    }

    /// The tip, if there is a connection that tells it.
    pub(super) fn tip(&self) -> Option<Result<Hash256, NodeError>> {
        self.tips.tip().map(Ok).or_else(|| self.failure.clone().map(Err))
    }

    /// The connection, or why there is none.
    pub(super) fn link(&mut self) -> Result<&mut Link, NodeError> {
        let failure = || NodeError::Unreachable("not connected yet".into());
        match &mut self.link {
            Some(link) => Ok(link),
            None => Err(self.failure.clone().unwrap_or_else(failure)),
        }
    }

    fn take(&mut self, event: TemplateClientEvent) -> Result<Next, NodeError> {
        match event {
            TemplateClientEvent::Template(offer) => self.book.offered(*offer),
            TemplateClientEvent::Previous(previous) => {
                let (tip, height, next) = self.book.begun(previous)?;
                self.tips.set_tip(tip, height);
                self.tip_since = Some(Instant::now());
                Ok(next)
            }
            TemplateClientEvent::Transactions(transactions) => Ok(self.book.given(transactions)),
            TemplateClientEvent::TransactionsRefused { template_id, code } => {
                tracing::debug!(template_id, code, "a template's transactions are not given");
                self.book.refused(template_id);
                Ok(Next::Wait)
            }
            _ => Ok(Next::Wait),
        }
    }
}
