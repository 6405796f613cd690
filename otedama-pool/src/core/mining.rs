//! Templates in, jobs out.

use std::sync::Arc;

use otedama_core::{
    ChannelId, Claim, Extranonce, Hash256, HeaderSource, Job, JobId, Share, Terms as JobTerms, Weight,
};

use super::connection::SentJob;
use super::io::{ConnectionId, Effect, NodeId, PoolEvent};
use super::votes::Votes;
use super::{PoolCore, WindowState};
use crate::account::Account;
use crate::job::BoardJob;
use crate::journal::{JournalError, RolledUp};
use crate::node::{BlockStatus, NodeError};
use crate::template::{Template, TemplateError};

/// What makes a coinbase layout worth a proposal to the node: the lengths of its halves, and what the block carries.
pub(super) type Shape = (usize, usize, bool, bool);

impl PoolCore {
    pub(super) fn offered(&mut self, node: NodeId, template: Arc<Template>) {
        self.sources.offer(node, template);
        self.mine_on_best();
    }

    pub(super) fn node_failed(&mut self, node: NodeId, error: NodeError) {
        self.sources.fail(node);
        self.event(PoolEvent::NodeFailed { node, error });
        self.mine_on_best();
    }

    pub(super) fn window_loaded(&mut self, shares: &[(Account, Weight)]) {
        if let WindowState::Asked { span } = self.window {
            self.commit.load(shares, span);
            self.window = WindowState::Loaded;
        }
        self.mine_on_best();
    }

    fn mine_on_best(&mut self) {
        let current = self.board.template();
        let Some(best) = self.sources.best(current).cloned() else { return };
        if current.is_some_and(|current| Arc::ptr_eq(current, &best)) {
            return;
        }
        match self.window {
            WindowState::Loaded => self.mine_on(best),
            WindowState::Asked { .. } => {}
            WindowState::Unknown => {
                let network = match best.nbits.target() {
                    Ok(network) => network,
                    // With no width to load, a part of the window would be lost for this whole life.
                    Err(error) => {
                        return self.event(PoolEvent::TemplateRefused(TemplateError::from(error).into()));
                    }
                };
                let span = self.commit.scheme().span(network);
                self.window = WindowState::Asked { span };
                // Twice the span, so that the window is whole when the network's difficulty rises.
                self.effects.push_back(Effect::LoadWindow { span: span.saturating_add(span) });
            }
        }
    }

    fn mine_on(&mut self, template: Arc<Template>) {
        let (height, previous) = (template.height, template.previous);
        let new_tip = self.board.template().is_none_or(|old| old.previous != previous);
        if let Err(error) = self.board.set_template(template) {
            return self.event(PoolEvent::TemplateRefused(error));
        }
        self.given.clear();
        if new_tip {
            self.blocks.tip_changed(self.now);
            self.event(PoolEvent::Job { height });
        }
        let job = self.board.next_id();
        let mut ready: Vec<_> =
            self.connections.iter().filter(|(_, c)| c.is_greeted()).map(|(id, _)| *id).collect();
        // A hash map has an order of its own in every process, and same inputs must have same effects.
        ready.sort_unstable();
        for id in ready {
            self.send_to_all(id, job);
        }
    }

    /// Sends the next edition of the current job: the channel's terms have changed. After very many changes they apply
    /// from the next template on.
    pub(super) fn resend_job(&mut self, id: ConnectionId, channel: ChannelId) {
        let job = self.board.next_id();
        self.send_job(id, channel, job);
    }

    pub(super) fn send_job(&mut self, id: ConnectionId, channel: ChannelId, job: JobId) {
        if let Some(sent) = self.next_job(id, channel, job)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.session.send_job(&sent.board.encoded, sent.job.terms());
            self.sent(id, channel, sent);
        }
    }

    /// Sends a job to all channels of a connection, together to those for which it is the same.
    fn send_to_all(&mut self, id: ConnectionId, job: JobId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let channels: Vec<_> = connection.channels().iter().map(|channel| channel.id).collect();
        let jobs: Vec<_> = channels
            .into_iter()
            .filter_map(|channel| Some((channel, self.next_job(id, channel, job)?)))
            .collect();
        for alike in jobs.chunk_by(|(_, one), (_, other)| Arc::ptr_eq(&one.board, &other.board)) {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let terms: Vec<_> = alike.iter().map(|(_, sent)| *sent.job.terms()).collect();
            if let Some((_, first)) = alike.first() {
                connection.session.send_jobs(&first.board.encoded, &terms);
            }
        }
        for (channel, sent) in jobs {
            self.sent(id, channel, sent);
        }
    }

    /// The next job of a channel, on its terms; `None` if it gets none now.
    fn next_job(&mut self, id: ConnectionId, channel: ChannelId, job: JobId) -> Option<SentJob> {
        let connection = self.connections.get_mut(&id)?;
        let open = connection.channel(channel).filter(|channel| channel.greeted)?;
        let space = open.space?;
        let payout = connection.owner(open).map(|owner| &owner.payout);
        let board = match self.board.job(payout, open.given.on(self.board.round())) {
            Ok(board) => board?,
            Err(error) => {
                self.event(PoolEvent::TemplateRefused(error));
                return None;
            }
        };
        let version_mask = connection.session.mask_within(board.free_bits);
        let open = connection.channel_mut(channel)?;
        open.vardiff.set_network(board.body.network_target());
        let terms = JobTerms {
            channel,
            id: job,
            share_target: open.target(),
            extranonce_prefix: space.told,
            extranonce2_len: space.rolled,
            version_mask,
        };
        Some(SentJob { job: Job::new(Arc::clone(&board.body), terms), board })
    }

    fn sent(&mut self, id: ConnectionId, channel: ChannelId, sent: SentJob) {
        self.propose(&sent);
        let round = self.board.round();
        if let Some(open) = self.connections.get_mut(&id).and_then(|c| c.channel_mut(channel)) {
            open.remember(sent, round);
        }
        self.touched.insert(id);
    }

    /// The first block of every new layout is shown to a node before anybody finds one.
    fn propose(&mut self, sent: &SentJob) {
        let HeaderSource::Bitcoin(source) = &sent.job.body().source else { return };
        let (coinbase, template) = (&source.coinbase, &sent.board.template);
        let shape = (
            coinbase.prefix.len(),
            coinbase.suffix.len(),
            template.witness_commitment.is_some(),
            template.mweb.is_some(),
        );
        if !self.layouts.insert(shape) {
            return;
        }
        let terms = sent.job.terms();
        let Some(extranonce2) = Extranonce::from_counter(0, terms.extranonce2_len) else { return };
        let share = Share::new(terms.channel, terms.id, extranonce2, source.ntime, 0);
        let claim = sent.job.claim(&share).ok();
        if let Some((_, block)) = claim.and_then(|claim| assemble(&claim, &sent.board)) {
            self.effects.push_back(Effect::Propose { block: block.into() });
        }
    }

    pub(super) fn observed(&mut self, hash: &Hash256, answers: &[(NodeId, Option<BlockStatus>)]) {
        let Some(height) = self.blocks.height(hash) else { return };
        let Some(votes) = Votes::count(answers, height, &self.sources) else { return };
        if let Some(event) = self.blocks.observed(hash, &votes, self.now) {
            self.commit.add(super::commit::Record::News(event));
        }
    }

    /// Lets the journal replace shares whose window is closed, once enough have come.
    pub(super) fn roll_up(&mut self) {
        let at_most = self.config.limits.roll_up;
        if self.rolling_up || self.unrolled < at_most || self.window != WindowState::Loaded {
            return;
        }
        let network = self.board.template().and_then(|template| template.nbits.target().ok());
        if let Some(span) = network.map(|network| self.commit.scheme().span(network)) {
            (self.rolling_up, self.unrolled) = (true, 0);
            self.effects.push_back(Effect::RollUp { keep: span.saturating_add(span), at_most });
        }
    }

    pub(super) fn rolled_up(&mut self, outcome: Result<RolledUp, JournalError>) {
        self.rolling_up = false;
        match outcome {
            Ok(RolledUp { shares, more }) => {
                if more {
                    self.unrolled = self.config.limits.roll_up;
                }
                if shares > 0 {
                    self.event(PoolEvent::RolledUp { shares });
                }
            }
            Err(error) => self.event(PoolEvent::RollUpFailed(error)),
        }
    }
}

/// The block that a share makes: its id and its bytes.
pub(super) fn assemble(claim: &Claim, board: &BoardJob) -> Option<(Hash256, Box<[u8]>)> {
    let HeaderSource::Bitcoin(source) = &claim.job().body().source else { return None };
    let header = claim.header();
    let coinbase = source.coinbase.transaction(&claim.job().terms().extranonce_prefix, claim.extranonce2());
    let block = board.template.block(&header, &coinbase);
    Some((Hash256::sha256d(header.as_bytes()), block.into()))
}
