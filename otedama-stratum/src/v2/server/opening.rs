//! Channels come, change and go.

use otedama_core::{ChannelId, Extranonce, HashRate, Now, Target, WorkerId};

use super::channels::Channel;
use super::{
    CloseChannel, GROUP, NO_GROUP, OpenExtendedMiningChannel, OpenStandardMiningChannel, Server,
    UpdateChannel,
};
use crate::event::{ChannelKind, Refused, ServerEvent, Wish};
use crate::login::Login;
use crate::v2::mining::{
    OpenExtendedMiningChannelSuccess, OpenMiningChannelError, OpenStandardMiningChannelSuccess,
    SetExtranoncePrefix, UpdateChannelError,
};
use crate::v2::{B0_32, Code, Str0_255, U256};

/// A channel that was asked for.
#[derive(Debug)]
pub(super) struct Open {
    channel: u32,
    request: u32,
    worker: WorkerId,
    wish: Wish,
    /// Whether the worker is authorised, and the embedder was asked for a prefix.
    asked: bool,
}

impl Server {
    pub(super) fn open_standard(&mut self, open: &OpenStandardMiningChannel<'_>) {
        let wish = wish(ChannelKind::Standard, open.nominal_hash_rate, open.max_target);
        self.open(open.request_id, open.user_identity, wish);
    }

    pub(super) fn open_extended(&mut self, open: &OpenExtendedMiningChannel<'_>) {
        if self.peer.as_ref().is_some_and(|peer| peer.standard_jobs) {
            let code = Code::ExtendedChannelsNotSupportedForStandardJobs;
            return self.refuse_open(open.request_id, code, Refused::Params);
        }
        if usize::from(open.min_extranonce_size) > self.config.extranonce2_len {
            return self.refuse_open(open.request_id, Code::MinExtranonceSizeTooLarge, Refused::Params);
        }
        let wish = wish(ChannelKind::Extended, open.nominal_hash_rate, open.max_target);
        self.open(open.request_id, open.user_identity, wish);
    }

    fn open(&mut self, request: u32, user: Str0_255<'_>, wish: Option<Wish>) {
        let limits = &self.config.limits;
        let Some(wish) = wish else {
            return self.refuse_open(request, Code::MaxTargetOutOfRange, Refused::Params);
        };
        let plain = |user: &&str| {
            !user.is_empty() && user.len() <= limits.user_name && !user.chars().any(char::is_control)
        };
        let Some(user) = user.to_str().filter(plain) else {
            return self.refuse_open(request, Code::InvalidUserIdentity, Refused::Login);
        };
        let room = self.channels.len() + self.opens.len() < limits.channels
            && self.opens.len() < limits.opens
            && self.next_channel < u32::MAX;
        if !room {
            return self.refuse_open(request, Code::ChannelCapacityExhausted, Refused::Overloaded);
        }
        let known = self.workers.user(user).map(|user| (user.id, user.allowed));
        if let Some((_, Some(false))) = known {
            return self.refuse_open(request, Code::UnknownUser, Refused::Login);
        }
        let new = known.is_none().then(|| self.workers.add_user(user, limits.workers));
        let Some(worker) = new.unwrap_or(known.map(|(id, _)| id)) else {
            return self.refuse_open(request, Code::UnknownUser, Refused::Login);
        };
        let channel = self.next_channel;
        self.next_channel += 1;
        self.opens.push(Open { channel, request, worker, wish, asked: false });
        match known {
            None => {
                let login = Login::new(self.config.algorithm, user).password("");
                self.event(ServerEvent::Authorize { worker, login });
            }
            Some((_, Some(_))) => self.ask(worker),
            Some((_, None)) => {}
        }
    }

    /// Asks the embedder for prefixes of all channels of an authorised worker for which it was not asked yet.
    fn ask(&mut self, worker: WorkerId) {
        let mut opens = core::mem::take(&mut self.opens);
        for open in opens.iter_mut().filter(|open| open.worker == worker && !open.asked) {
            open.asked = true;
            self.event(ServerEvent::Subscribe {
                channel: ChannelId(open.channel),
                worker: Some(worker),
                wish: open.wish,
                agent: self.agent().into(),
                resume: None,
            });
        }
        self.opens = opens;
    }

    fn refuse_open(&mut self, request_id: u32, code: Code, refused: Refused) {
        self.refuse(&OpenMiningChannelError { request_id, error_code: code.into() }, refused);
    }

    pub(super) fn update(&mut self, update: &UpdateChannel) {
        let channel_id = update.channel_id;
        let kind = self.channels.get(channel_id).map(|channel| channel.kind);
        let wish = kind.map(|kind| wish(kind, update.nominal_hash_rate, update.maximum_target));
        let code = match wish {
            Some(Some(wish)) => {
                return self.event(ServerEvent::Update { channel: ChannelId(channel_id), wish });
            }
            Some(None) => Code::MaxTargetOutOfRange,
            None => Code::InvalidChannelId,
        };
        self.refuse(&UpdateChannelError { channel_id, error_code: code.into() }, Refused::Params);
    }

    /// The client has closed a channel, or all channels of the group.
    pub(super) fn closed(&mut self, id: u32, now: Now) {
        let group = if id == GROUP { self.channels.group() } else { alloc::vec![id] };
        for id in group {
            // The server may have closed it at the same time.
            if self.forget(id) {
                self.event(ServerEvent::Closed { channel: ChannelId(id) });
            }
        }
        self.unused = now.moment;
    }

    fn forget(&mut self, id: u32) -> bool {
        // What is decided is still said.
        self.answers.write_batch(&mut self.out, &mut self.channels);
        self.answers.close(id);
        self.channels.close(id).is_some()
    }
}

/// Commands.
impl Server {
    pub(crate) fn authorize(&mut self, worker: WorkerId, allowed: bool) {
        if !self.workers.decide(worker, allowed) {
            return;
        }
        if allowed {
            return self.ask(worker);
        }
        let opens = core::mem::take(&mut self.opens);
        for open in opens {
            if open.worker == worker && !open.asked {
                let error_code = Code::UnknownUser.into();
                self.send(&OpenMiningChannelError { request_id: open.request, error_code });
            } else {
                self.opens.push(open);
            }
        }
    }

    pub(crate) fn open_channel(&mut self, channel: ChannelId, prefix: Extranonce, target: Target) {
        let Some(open) = self.take_open(channel) else { return };
        let (kind, rolled) = match open.wish.kind {
            ChannelKind::Standard => (ChannelKind::Standard, 0),
            ChannelKind::Extended => (ChannelKind::Extended, self.config.extranonce2_len),
        };
        let len = prefix.len() + rolled;
        let groups = self.peer.as_ref().is_some_and(|peer| !peer.standard_jobs);
        let opened = Channel::new(open.channel, kind, open.worker, prefix.len(), target);
        let grouped = self.channels.open(opened, groups.then_some(len));
        let (request_id, channel_id, target) = (open.request, open.channel, U256::from(target));
        let group_channel_id = if grouped { GROUP } else { NO_GROUP };
        // It has at most 32 bytes.
        let extranonce_prefix = B0_32::new(prefix.as_bytes()).unwrap_or_default();
        match kind {
            ChannelKind::Standard => self.send(&OpenStandardMiningChannelSuccess {
                request_id,
                channel_id,
                target,
                extranonce_prefix,
                group_channel_id,
            }),
            ChannelKind::Extended => self.send(&OpenExtendedMiningChannelSuccess {
                request_id,
                channel_id,
                target,
                extranonce_size: u16::try_from(rolled).unwrap_or(u16::MAX),
                extranonce_prefix,
                group_channel_id,
            }),
        }
    }

    pub(crate) fn refuse_channel(&mut self, channel: ChannelId) {
        if let Some(Open { request: request_id, .. }) = self.take_open(channel) {
            let error_code = Code::ChannelCapacityExhausted.into();
            self.send(&OpenMiningChannelError { request_id, error_code });
        }
    }

    fn take_open(&mut self, channel: ChannelId) -> Option<Open> {
        let at = self.opens.binary_search_by_key(&channel.0, |open| open.channel).ok()?;
        if self.opens.get(at).is_some_and(|open| open.asked) { Some(self.opens.remove(at)) } else { None }
    }

    pub(crate) fn close_channel(&mut self, channel: ChannelId, reason: &str) {
        if self.forget(channel.0) {
            self.unused = self.heard;
            let reason_code = Str0_255::truncated(reason);
            self.send(&CloseChannel { channel_id: channel.0, reason_code });
        }
    }

    pub(crate) fn change_prefix(&mut self, channel: ChannelId, prefix: Extranonce) -> bool {
        let follows = self.accepts_extranonce_changes();
        let open = self.channels.get(channel.0).filter(|open| open.prefix_len == prefix.len());
        if !follows || open.is_none() {
            return false;
        }
        let extranonce_prefix = B0_32::new(prefix.as_bytes()).unwrap_or_default();
        self.send(&SetExtranoncePrefix { channel_id: channel.0, extranonce_prefix });
        true
    }
}

/// What a client would like; `None` if its easiest target is zero.
fn wish(kind: ChannelKind, hash_rate: f32, easiest: U256) -> Option<Wish> {
    let hash_rate = HashRate::from_hashes_per_second(hash_rate.into());
    let hash_rate = Some(hash_rate).filter(|rate| *rate > HashRate::ZERO);
    let easiest = Target::from(easiest);
    (easiest != Target::ZERO).then_some(Wish { kind, hash_rate, easiest })
}
