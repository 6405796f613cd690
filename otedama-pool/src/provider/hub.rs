//! What all connections share: the templates that are offered, and the way that blocks take.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otedama_core::Hash256;
use otedama_hash::Verifier;
use otedama_stratum::v2::Code;
use otedama_stratum::v2::template::CoinbaseOutputConstraints;
use tokio::sync::{mpsc, watch};

use super::ProviderEvent;
use super::round::{Round, Variant};
use crate::core::NodeId;
use crate::limits::provider::MAX_ROUNDS;
use crate::node::{NodeError, Submission};
use crate::server::clock::Clock;
use crate::template::Template;

/// What the task that owns the nodes is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A node has a template.
    Template(NodeId, Arc<Template>),
    /// A node does not answer.
    NodeFailed(NodeId, NodeError),
    /// A client has found a block, whose proof of work is good.
    Block(Hash256, u32, Arc<[u8]>),
    /// A node's word on a block.
    Answered(Hash256, NodeId, Result<Submission, NodeError>),
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) verifier: Verifier,
    pub(super) clock: Clock,
    pub(super) messages: mpsc::Sender<Message>,
    news: mpsc::Sender<ProviderEvent>,
    ids: AtomicU64,
    rounds: Mutex<VecDeque<Arc<Round>>>,
    current: watch::Sender<Option<Arc<Round>>>,
}

impl Hub {
    pub(super) fn new(
        verifier: Verifier,
        messages: mpsc::Sender<Message>,
        news: mpsc::Sender<ProviderEvent>,
    ) -> Self {
        let (clock, ids, rounds) = (Clock::new(), AtomicU64::new(1), Mutex::default());
        Self { verifier, clock, messages, news, ids, rounds, current: watch::Sender::new(None) }
    }

    /// Tells whoever listens; nobody waits for a reader.
    pub(super) fn tell(&self, event: ProviderEvent) {
        let _ = self.news.try_send(event);
    }

    /// Follows the template that is offered now.
    pub(super) fn follow(&self) -> watch::Receiver<Option<Arc<Round>>> {
        self.current.subscribe()
    }

    /// Offers a template to everybody.
    pub(super) fn offer(&self, template: Arc<Template>) {
        let round = Arc::new(Round::new(template));
        let mut rounds = self.rounds();
        if rounds.len() >= MAX_ROUNDS {
            rounds.pop_front();
        }
        rounds.push_back(Arc::clone(&round));
        drop(rounds);
        self.current.send_replace(Some(round));
    }

    /// The template that is offered now.
    pub(super) fn current(&self) -> Option<Arc<Round>> {
        self.current.borrow().clone()
    }

    /// The variant of a round for a client.
    pub(super) fn variant(&self, round: &Round, room: &CoinbaseOutputConstraints) -> Option<Arc<Variant>> {
        round.variant(room, || self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// The template of this number, if a block for it is still taken.
    pub(super) fn find(&self, id: u64) -> Option<Arc<Variant>> {
        self.rounds().iter().rev().find_map(|round| round.find(id))
    }

    /// The template of this number if it builds on the tip, or why its transactions are not given.
    pub(super) fn requested(&self, id: u64) -> Result<Arc<Variant>, Code> {
        let stale = id > 0 && id < self.ids.load(Ordering::Relaxed);
        let found =
            self.find(id).ok_or(if stale { Code::StaleTemplateId } else { Code::TemplateIdNotFound })?;
        let tip = self.current().map(|round| round.template().previous);
        if tip == Some(found.template.previous) { Ok(found) } else { Err(Code::StaleTemplateId) }
    }

    fn rounds(&self) -> MutexGuard<'_, VecDeque<Arc<Round>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
