//! What miners say before and besides shares.

use otedama_core::{Difficulty, Extranonce, WorkerId};
use otedama_stratum::{Login, ServerEvent};

use super::PoolCore;
use super::connection::Worker;
use super::io::{ConnectionId, PoolEvent};
use crate::job::EDITIONS;
use crate::scheme::Payee;
use crate::user::User;

/// The longest worker name that goes into the books; more is cut off.
const WORKER_NAME: usize = 64;

impl PoolCore {
    pub(super) fn received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let outcome = connection.session.handle_input(bytes, self.now);
        while let Some(event) = self.connections.get_mut(&id).and_then(|c| c.session.poll_event()) {
            self.session_event(id, event);
        }
        match outcome {
            Ok(()) => {
                self.touched.insert(id);
            }
            Err(error) => self.close(id, error.into()),
        }
    }

    fn session_event(&mut self, id: ConnectionId, event: ServerEvent) {
        match event {
            ServerEvent::Subscribe { agent: _, resume } => self.subscribe(id, resume),
            ServerEvent::Authorize { worker, login } => self.authorize(id, worker, &login),
            ServerEvent::Submit { ticket, share } => self.submit(id, Some(ticket), &share),
            ServerEvent::Uncounted { share } => self.submit(id, None, &share),
            ServerEvent::VersionMask(mask) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                if connection.apply_mask(mask) {
                    self.resend_job(id);
                }
            }
            ServerEvent::SuggestDifficulty(target) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                if connection.vardiff.suggest(target, self.now).is_some() {
                    self.resend_job(id);
                }
            }
            ServerEvent::MinimumDifficulty(target) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.easiest = target;
                }
            }
            _ => {}
        }
    }

    /// A channel for life: who subscribes again keeps the prefix, who comes back gets the old one if it is free.
    fn subscribe(&mut self, id: ConnectionId, resume: Option<Extranonce>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // Under a prefix that had many jobs on this template there are few left to give.
        let round = self.board.round();
        let worn =
            |prefix: &Extranonce| self.given.get(prefix).is_some_and(|given| given.on(round) > EDITIONS / 2);
        let prefix = connection.prefix.or_else(|| {
            let resume = resume.filter(|prefix| !worn(prefix));
            let resumed = resume.and_then(|prefix| self.prefixes.resume(&prefix));
            resumed.or_else(|| self.prefixes.allocate(self.now.moment))
        });
        if let Some(given) = prefix.and_then(|prefix| self.given.remove(&prefix)) {
            connection.given = given;
        }
        connection.prefix = prefix;
        match prefix {
            Some(prefix) => connection.session.open_channel(prefix),
            None => connection.session.refuse_channel(),
        }
        self.greet(id);
    }

    fn authorize(&mut self, id: ConnectionId, worker: WorkerId, login: &Login) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let user = User::parse(&login.user, &login.password);
        let payout = (self.config.payouts)(user.address).filter(|payout| {
            // One coinbase cannot pay two finders, so such a connection belongs to one account.
            self.config.layout.payee == Payee::Pool || connection.payout().is_none_or(|first| first == payout)
        });
        let allowed = payout.is_some();
        let name = user.worker.chars().take(WORKER_NAME).collect::<String>();
        connection.set_worker(worker, payout.map(|payout| Worker { payout, name: name.into() }));
        connection.session.authorize(worker, allowed);
        let wish = user.difficulty.filter(|_| allowed);
        if let Some(wish) =
            wish.and_then(|wish| Difficulty::from_f64(self.config.layout.algorithm, wish).ok())
        {
            let changed = connection.vardiff.fix(wish.target(), self.now).is_some();
            if changed && connection.greeted {
                self.resend_job(id);
            }
        }
        self.greet(id);
    }

    /// Gives the first job to a connection that is subscribed and authorised.
    fn greet(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.greeted || !connection.is_ready() {
            return;
        }
        connection.greeted = true;
        if let Some(payout) = connection.payout() {
            let (account, agent) = (payout.account.clone(), connection.session.agent().to_owned());
            self.event(PoolEvent::Ready { connection: id, account, agent });
        }
        let job = self.board.next_id();
        self.send_job(id, job);
    }
}
