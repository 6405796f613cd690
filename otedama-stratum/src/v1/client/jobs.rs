//! What makes a job: notify, and the terms that hold for it.

use alloc::sync::Arc;

use otedama_core::{ChannelId, Difficulty, Job, JobBody, JobId, Terms};

use super::{Client, Latest, Live};
use crate::event::ClientEvent;
use crate::v1::dialect::bitcoin::{Channel, Notify};
use crate::v1::json::Items;

impl Client {
    pub(super) fn set_difficulty(&mut self, params: &Items<'_>) {
        let algorithm = self.config.login.algorithm;
        let number = params.get(0).number();
        match number.and_then(|number| Difficulty::from_f64(algorithm, number).ok()) {
            Some(difficulty) => self.target = difficulty.target(),
            None => self.bad("mining.set_difficulty"),
        }
    }

    pub(super) fn set_extranonce(&mut self, params: &Items<'_>) {
        let before = self.channel.and_then(|channel| u64::try_from(channel.extranonce2_len).ok());
        match Channel::read(params.get(0), params.get(1).whole().or(before)) {
            Some(channel) => self.channel = Some(channel),
            None => self.bad("mining.set_extranonce"),
        }
    }

    pub(super) fn notify(&mut self, params: &Items<'_>) {
        let algorithm = self.config.login.algorithm;
        let Some(notify) = Notify::read(params, &self.config.limits) else {
            return self.bad("mining.notify");
        };
        // A clean job that nobody has seen yet passes its cleanness on to the one that replaces it.
        let unseen =
            self.events.iter().any(|event| matches!(event, ClientEvent::Job(job) if job.body().clean));
        let Ok(body) = JobBody::bitcoin(algorithm, notify.source, notify.clean || unseen) else {
            return self.bad("mining.notify");
        };
        if notify.clean {
            self.live.clear();
        }
        let (wire, body) = (notify.job.into(), Arc::new(body));
        self.latest = Some(Latest { wire, body, target: self.target, channel: self.channel });
        self.give_job();
    }

    pub(super) fn change_mask(&mut self, mask: u32) {
        let mask = mask & self.config.version_mask;
        if mask != self.version_mask {
            self.version_mask = mask;
            self.give_job();
        }
    }

    /// Makes the newest notify a job, once the session is ready for it.
    pub(super) fn give_job(&mut self) {
        let Some(latest) = self.latest.as_ref().filter(|_| self.is_ready()) else { return };
        let Some(channel) = latest.channel.or(self.channel) else { return };
        let terms = Terms {
            channel: ChannelId(0),
            id: JobId(self.numbers.job),
            share_target: latest.target,
            extranonce_prefix: channel.prefix,
            extranonce2_len: channel.extranonce2_len,
            version_mask: self.version_mask,
        };
        let job = Job::new(Arc::clone(&latest.body), terms);
        self.numbers.job = self.numbers.job.wrapping_add(1);
        self.live.push_back(Live { wire: Arc::clone(&latest.wire), job: job.clone() });
        if self.live.len() > self.config.limits.jobs {
            self.live.pop_front();
        }
        self.events.retain(|event| !matches!(event, ClientEvent::Job(_)));
        self.event(ClientEvent::Job(job));
    }
}
