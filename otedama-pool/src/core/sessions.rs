//! What miners say before and besides shares.

use std::sync::Arc;

use otedama_core::{ChannelId, Difficulty, Extranonce, Now, Target, WorkerId};
use otedama_stratum::{ChannelKind, Login, Protocol, ServerEvent, Wish};

use super::PoolCore;
use super::config::{Authorization, Newcomer};
use super::connection::{Channel, Space, Worker};
use super::io::{ConnectionId, Effect, PoolEvent};
use crate::job::{EDITIONS, Payout};
use crate::scheme::Payee;
use crate::user::User;
use crate::vardiff::Vardiff;

/// The longest worker name that goes into the books; more is cut off.
const WORKER_NAME: usize = 64;

/// The channel of a Stratum V1 connection.
const ONLY: ChannelId = ChannelId(0);

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
            ServerEvent::Submit { ticket, share } => self.submit(id, Some(ticket), &share),
            ServerEvent::Uncounted { share } => self.submit(id, None, &share),
            ServerEvent::Subscribe { channel, worker, wish, agent: _, resume } => {
                self.subscribe(id, channel, worker, &wish, resume);
            }
            ServerEvent::Authorize { worker, login } => self.authorize(id, worker, login),
            ServerEvent::Machine { worker, of, name } => self.machine(id, worker, of, &name),
            ServerEvent::Update { channel, wish } => self.wishes(id, channel, &wish),
            ServerEvent::Closed { channel } => self.channel_closed(id, channel),
            ServerEvent::VersionMask(mask) => {
                self.change_only(id, |channel, _| channel.apply_mask(mask));
            }
            ServerEvent::SuggestDifficulty(target) => {
                self.change_only(id, |channel, now| channel.vardiff.suggest(target, now).is_some());
            }
            ServerEvent::MinimumDifficulty(target) => {
                if let Some(channel) = self.channel(id, ONLY) {
                    channel.easiest = target;
                }
            }
            _ => {}
        }
    }

    /// The channel with this number, made if it is not there.
    fn channel(&mut self, id: ConnectionId, channel: ChannelId) -> Option<&mut Channel> {
        let network = self.board.template().and_then(|template| template.nbits.target().ok());
        let (config, now) = (self.config.vardiff, self.now);
        let vardiff = || Vardiff::new(config, network.unwrap_or(Target::ZERO), now);
        self.connections.get_mut(&id).map(|connection| connection.channel_or(channel, vardiff))
    }

    /// Changes the channel of a Stratum V1 connection, and sends its job again if that calls for it.
    fn change_only(&mut self, id: ConnectionId, change: impl FnOnce(&mut Channel, Now) -> bool) {
        let now = self.now;
        if self.channel(id, ONLY).is_some_and(|channel| change(channel, now)) {
            self.resend_job(id, ONLY);
        }
    }

    /// A channel for life: who subscribes again keeps the prefix, who comes back gets the old one if it is free.
    fn subscribe(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        owner: Option<WorkerId>,
        wish: &Wish,
        resume: Option<Extranonce>,
    ) {
        // Under a prefix that had many jobs on this template there are few left to give.
        let round = self.board.round();
        let worn =
            |prefix: &Extranonce| self.given.get(prefix).is_some_and(|given| given.on(round) > EDITIONS / 2);
        let resume = resume.filter(|prefix| !worn(prefix));
        let had = self.connections.get(&id).and_then(|c| c.channel(channel)?.space).map(|space| space.prefix);
        let prefix = had.or_else(|| {
            let resumed = resume.and_then(|prefix| self.prefixes.resume(&prefix));
            resumed.or_else(|| self.prefixes.allocate(self.now.moment))
        });
        let given = prefix.and_then(|prefix| self.given.remove(&prefix));
        let space = prefix.and_then(|prefix| self.space(prefix, wish.kind));
        let Some(opened) = self.channel(id, channel) else { return };
        (opened.owner, opened.space) = (owner, space);
        opened.easiest = opened.easiest.min(wish.easiest);
        if let Some(given) = given {
            opened.given = given;
        }
        self.start(id, channel, wish);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let target = connection.channel(channel).map_or(Target::MAX, Channel::target);
        match space {
            Some(space) => connection.session.open_channel(channel, space.told, target),
            None => {
                connection.session.refuse_channel(channel);
                if owner.is_some() {
                    connection.remove_channel(channel);
                }
            }
        }
        self.greet(id, channel);
    }

    /// What a channel with this prefix searches.
    fn space(&self, prefix: Extranonce, kind: ChannelKind) -> Option<Space> {
        let rolled = self.config.session.extranonce2_len;
        match kind {
            ChannelKind::Extended => Some(Space { prefix, told: prefix, rolled }),
            ChannelKind::Standard => {
                let mut whole = prefix.as_bytes().to_vec();
                whole.resize(prefix.len() + rolled, 0);
                Extranonce::new(&whole).map(|told| Space { prefix, told, rolled: 0 })
            }
        }
    }

    /// The difficulty of a channel that is new: what the pool's policy says, else what the miner asked for, else what
    /// suits the speed that it names.
    fn start(&mut self, id: ConnectionId, channel: ChannelId, wish: &Wish) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(opened) = connection.channel(channel) else { return };
        let owner = connection.owner(opened);
        let asked = owner.and_then(|owner| owner.wish);
        let newcomer = Newcomer {
            agent: connection.session.agent(),
            account: owner.map(|owner| &owner.payout.account),
            worker: owner.map_or("", |owner| &owner.name),
            wish: *wish,
        };
        let decided = self.config.start.as_ref().and_then(|start| start(&newcomer));
        let per_minute = self.config.vardiff.shares_per_minute;
        let suited = wish.hash_rate.and_then(|rate| rate.target_for_shares(per_minute));
        let Some(opened) = connection.channel_mut(channel) else { return };
        if let Some(target) = decided.or(asked) {
            opened.vardiff.fix(target, now);
        } else if let Some(target) = suited {
            opened.vardiff.suggest(target, now);
        }
    }

    /// A miner that says how fast it is, or what it can count, after its channel has opened.
    fn wishes(&mut self, id: ConnectionId, channel: ChannelId, wish: &Wish) {
        let (now, per_minute) = (self.now, self.config.vardiff.shares_per_minute);
        let Some(opened) = self.connections.get_mut(&id).and_then(|c| c.channel_mut(channel)) else { return };
        opened.easiest = wish.easiest;
        if let Some(target) = wish.hash_rate.and_then(|rate| rate.target_for_shares(per_minute)) {
            opened.vardiff.suggest(target, now);
        }
        let sent = opened.newest().map(|newest| newest.job.terms().share_target);
        let network = opened.newest().map_or(Target::ZERO, |newest| newest.job.body().network_target());
        if sent.is_some_and(|sent| sent != opened.target().easier(network)) {
            self.resend_job(id, channel);
        }
    }

    fn channel_closed(&mut self, id: ConnectionId, channel: ChannelId) {
        let closed = self.connections.get_mut(&id).and_then(|c| c.remove_channel(channel));
        if let Some(closed) = closed {
            self.release(&closed);
        }
    }

    /// Puts the search space of a channel to rest.
    pub(super) fn release(&mut self, channel: &Channel) {
        let Some(Space { prefix, .. }) = channel.space else { return };
        self.prefixes.release(&prefix, self.now.moment);
        if channel.given.on(self.board.round()) > 0 {
            self.given.insert(prefix, channel.given);
        }
    }

    fn authorize(&mut self, id: ConnectionId, worker: WorkerId, login: Login) {
        match self.config.authorization {
            Authorization::Address => {
                let payout = (self.config.payouts)(User::parse(&login.user, &login.password).address);
                self.authorized(id, worker, &login, payout);
            }
            Authorization::Asked => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                connection.logins.push((worker, login.clone()));
                let agent = connection.session.agent().to_owned();
                self.effects.push_back(Effect::Authorize { connection: id, worker, login, agent });
            }
        }
    }

    /// The embedder has said whether a worker may mine, and for whom.
    pub(super) fn decided(&mut self, id: ConnectionId, worker: WorkerId, payout: Option<Payout>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(at) = connection.logins.iter().position(|(waiting, _)| *waiting == worker) else { return };
        let (_, login) = connection.logins.swap_remove(at);
        self.authorized(id, worker, &login, payout);
        // In Stratum V2 the channel is asked for only now.
        while let Some(event) = self.connections.get_mut(&id).and_then(|c| c.session.poll_event()) {
            self.session_event(id, event);
        }
        self.touched.insert(id);
    }

    fn authorized(&mut self, id: ConnectionId, worker: WorkerId, login: &Login, payout: Option<Payout>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let user = User::parse(&login.user, &login.password);
        let shared = connection.session.protocol() == Protocol::V1;
        let payout = payout.filter(|payout| {
            // One coinbase cannot pay two finders, so such a channel belongs to one account.
            let first = connection.first_worker().map(|first| &first.payout);
            self.config.layout.payee == Payee::Pool || !shared || first.is_none_or(|first| first == payout)
        });
        let allowed = payout.is_some();
        let name = user.worker.chars().take(WORKER_NAME).collect::<String>();
        let wish = user.difficulty.filter(|_| allowed);
        let wish = wish.and_then(|wish| Difficulty::from_f64(self.config.layout.algorithm, wish).ok());
        let wish = wish.map(|wish| wish.target());
        connection.set_worker(worker, payout.map(|payout| Worker { payout, name: name.into(), wish }));
        connection.session.authorize(worker, allowed);
        if !shared {
            return;
        }
        let now = self.now;
        if let Some(wish) = wish
            && let Some(channel) = self.channel(id, ONLY)
            && channel.vardiff.fix(wish, now).is_some()
            && channel.greeted
        {
            self.resend_job(id, ONLY);
        }
        self.greet(id, ONLY);
    }

    /// A machine is credited as its worker is, under a name of its own.
    fn machine(&mut self, id: ConnectionId, machine: WorkerId, of: WorkerId, name: &str) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let name: Arc<str> = name.chars().take(WORKER_NAME).collect::<String>().into();
        let named = connection.worker(of).map(|worker| Worker { name, ..Worker::clone(worker) });
        connection.set_worker(machine, named);
    }

    /// The embedder wants this target for a channel from its next job on, until it says otherwise.
    pub(super) fn retarget(&mut self, id: ConnectionId, channel: ChannelId, target: Target) {
        let now = self.now;
        let Some(opened) = self.connections.get_mut(&id).and_then(|c| c.channel_mut(channel)) else { return };
        if opened.vardiff.fix(target, now).is_some() {
            self.resend_job(id, channel);
        }
    }

    /// Gives the first job to a channel that is open and whose worker is authorised.
    fn greet(&mut self, id: ConnectionId, channel: ChannelId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(opened) = connection.channel(channel) else { return };
        let Some(owner) = connection.owner(opened).filter(|_| opened.space.is_some() && !opened.greeted)
        else {
            return;
        };
        let (account, agent) = (owner.payout.account.clone(), connection.session.agent().to_owned());
        if let Some(opened) = connection.channel_mut(channel) {
            opened.greeted = true;
        }
        self.event(PoolEvent::Ready { connection: id, channel, account, agent });
        let job = self.board.next_id();
        self.send_job(id, channel, job);
    }
}
