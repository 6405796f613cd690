//! From the first word to the first job.

use alloc::format;
use alloc::string::{String, ToString};

use otedama_core::{Moment, hex};

use super::{Client, Kind};
use crate::event::ClientEvent;
use crate::v1::dialect::bitcoin::{self, Channel};
use crate::v1::json::{Items, Raw};
use crate::v1::message::Text;

impl Client {
    pub(super) fn greet(&mut self, now: Moment) {
        let mask = self.config.version_mask;
        if mask != 0 {
            let bits = mask.count_ones().min(2);
            let params = format!(
                "[[\"version-rolling\"],{{\"version-rolling.mask\":\"{mask:08x}\",\"version-rolling.min-bit-count\":{bits}}}]"
            );
            self.ask(Kind::Configure, now, "mining.configure", &params);
        }
        let resume = self.config.resume.take();
        self.subscribe(resume.as_deref(), now);
        let (user, password) = (Text(&self.config.login.user), Text(&self.config.login.password));
        let params = format!("[{user},{password}]");
        self.ask(Kind::Authorize, now, "mining.authorize", &params);
    }

    pub(super) fn subscribe(&mut self, resume: Option<&str>, now: Moment) {
        let agent = Text(&self.config.agent);
        let params = match resume {
            Some(session) => format!("[{agent},{}]", Text(session)),
            None => format!("[{agent}]"),
        };
        let kind = Kind::Subscribe { resuming: resume.is_some() };
        self.ask(kind, now, "mining.subscribe", &params);
    }

    pub(super) fn subscribed(&mut self, result: Raw<'_>) {
        let Some(parts) = result.items().filter(|parts| parts.len() >= 3) else {
            return self.bad("answer to mining.subscribe");
        };
        let Some(channel) = Channel::read(parts.get(1), parts.get(2).whole()) else {
            return self.bad("answer to mining.subscribe");
        };
        let limit = self.config.limits.id;
        self.session = session(parts.get(0)).filter(|session| session.len() <= limit);
        self.channel = Some(channel);
        self.ready();
    }

    pub(super) fn authorized(&mut self, now: Moment) {
        self.authorized = true;
        self.ask(Kind::Wish, now, "mining.extranonce.subscribe", "[]");
        if let Some(target) = self.config.suggested {
            let number = bitcoin::difficulty_number(self.config.login.algorithm, target);
            self.ask(Kind::Wish, now, "mining.suggest_difficulty", &format!("[{number}]"));
        }
        self.ready();
    }

    fn ready(&mut self) {
        if self.is_ready() {
            self.event(ClientEvent::Ready);
            self.give_job();
        }
    }

    pub(super) fn configured(&mut self, result: Raw<'_>) {
        let rolling = result.field("version-rolling").boolean() == Some(true);
        let mask = result.field("version-rolling.mask").text();
        let mask = mask.and_then(|mask| hex::decode_u32(mask.as_bytes()).ok());
        self.change_mask(mask.filter(|_| rolling).unwrap_or(0));
    }
}

/// The id to resume by: that of the subscription to `mining.notify`, in a list of pairs or as the only pair.
fn session(subscriptions: Raw<'_>) -> Option<String> {
    let id = |pair: Items<'_>| {
        let notify = pair.text(0).is_some_and(|name| name.starts_with("mining.notify"));
        pair.text(1).filter(|_| notify).map(|id| id.to_string())
    };
    let list = subscriptions.items()?;
    let pairs = (0..list.len()).filter_map(|index| list.get(index).items());
    id(list).or_else(|| pairs.filter_map(id).next())
}
