//! What a client asks for.

use alloc::string::{String, ToString};
use core::fmt::Write as _;

use otedama_core::{ChannelId, Extranonce, Now, Reject, Target, WorkerId, hex};

use super::outgoing::authorization;
use super::{Server, Worker};
use crate::error::SessionError;
use crate::event::{ChannelKind, Refused, ServerEvent, Ticket, Wish};
use crate::limits::MAX_PARAMS;
use crate::login::Login;
use crate::v1::answers::Request;
use crate::v1::dialect::bitcoin::{self, Announced, BadShare, Submit};
use crate::v1::json::{Items, Malformed, Message, Params, Raw};
use crate::v1::message::{self, Code, Text, printable};

impl Server {
    pub(super) fn line(&mut self, line: &[u8], now: Now) -> Result<(), SessionError> {
        if line.is_empty() {
            return Ok(());
        }
        self.heard = now.moment;
        match Message::parse(line, self.config.limits.nesting) {
            Err(malformed) => self.malformed(malformed),
            Ok(Message::Request { id, method, params }) => {
                self.malformed = 0;
                self.request(id, &method, params);
            }
            Ok(Message::Response { id, result, .. }) => {
                self.malformed = 0;
                self.response(id, result);
            }
        }
        self.check_output();
        self.check()
    }

    fn malformed(&mut self, why: Malformed<'_>) {
        let (id, code) = match why {
            Malformed::Json | Malformed::Nesting => (None, Code::PARSE),
            Malformed::Batch | Malformed::Id => (None, Code::REQUEST),
            Malformed::Request { id } => (id, Code::REQUEST),
        };
        self.refuse(Some(id.unwrap_or("null")), code, &why, Refused::Line);
        self.malformed += 1;
        let limit = self.config.limits.malformed_lines;
        if self.malformed > limit {
            self.failed.get_or_insert(SessionError::Malformed { limit });
        }
    }

    fn request(&mut self, id: Option<&str>, method: &str, params: Params<'_>) {
        let Some(items) = params.items() else {
            let refused = match method {
                "mining.submit" => Refused::MalformedShare(None),
                _ => Refused::Params,
            };
            return self.refuse(id, Code::OTHER, &"params are not a short array", refused);
        };
        match method {
            "mining.submit" => self.submit(id, &items),
            "mining.subscribe" => self.subscribe(id, &items),
            "mining.authorize" => self.authorize_request(id, &items),
            "mining.configure" => self.configure(id, &items),
            "mining.extranonce.subscribe" => {
                self.extranonce_changes = true;
                self.reply(id, "true");
            }
            "mining.suggest_difficulty" => {
                let number = items.get(0).number();
                self.suggest(id, number.and_then(|n| bitcoin::suggested(self.config.algorithm, n)));
            }
            "mining.suggest_target" => {
                let target = items.text(0).and_then(|text| Target::from_hex_be(&text).ok());
                self.suggest(id, target.filter(|target| *target != Target::ZERO));
            }
            "mining.get_transactions" | "mining.get_txnhashes" => self.reply(id, "[]"),
            "mining.ping" => self.reply(id, "\"pong\""),
            "mining.hashrate" | "eth_submitHashrate" => self.reply(id, "true"),
            // Some firmware answers a ping with a request of this name and waits for nothing.
            "pong" | "mining.pong" => {}
            _ => self.refuse(id, Code::METHOD, &"unknown method", Refused::Method),
        }
    }

    fn response(&mut self, id: Raw<'_>, result: Raw<'_>) {
        let expected = self.version_request.is_some_and(|request| id.whole() == Some(request));
        if let Some(version) = result.text().filter(|_| expected) {
            self.version_request = None;
            self.agent = printable(&version, self.config.limits.agent);
            self.event(ServerEvent::Version(self.agent.clone()));
        }
    }

    fn subscribe(&mut self, id: Option<&str>, params: &Items<'_>) {
        self.asked_channel = true;
        if let Some(prefix) = self.prefix {
            let result = self.subscription(&prefix);
            return self.reply(id, &result);
        }
        let pending = self.answers.waits(Request::Subscribe);
        if self.wait(id, Request::Subscribe).is_none() || pending {
            return;
        }
        let agent = params.text(0).unwrap_or_default();
        self.agent = printable(&agent, self.config.limits.agent);
        let resume = params.text(1).and_then(|session| Extranonce::from_hex(&session).ok());
        let resume = resume.filter(|prefix| !prefix.is_empty());
        let (channel, wish) = (ChannelId(0), Wish::new(ChannelKind::Extended));
        let agent = self.agent.clone();
        self.event(ServerEvent::Subscribe { channel, worker: None, wish, agent, resume });
    }

    fn authorize_request(&mut self, id: Option<&str>, params: &Items<'_>) {
        let user = params.text(0).unwrap_or_default();
        let password = params.text(1).unwrap_or_default();
        let plain = |text: &str, limit| text.len() <= limit && !text.chars().any(char::is_control);
        let known = self.worker(&user);
        let limits = &self.config.limits;
        let acceptable = !user.is_empty()
            && plain(&user, limits.user_name)
            && plain(&password, limits.password)
            && (known.is_some() || self.workers.len() < limits.workers);
        if !acceptable {
            self.say(id, |out, id| {
                message::refusal(out, id, "false", Code::UNAUTHORIZED, &"login not acceptable");
            });
            return self.event(ServerEvent::Refused(Refused::Login));
        }
        let index = known.unwrap_or(self.workers.len());
        let worker = WorkerId(u32::try_from(index).unwrap_or(u32::MAX));
        let allowed = self.workers.get(index).and_then(|worker| worker.allowed);
        if let Some(allowed) = allowed {
            return self.say(id, |out, id| authorization(out, id, allowed));
        }
        if self.wait(id, Request::Authorize(worker)).is_none() || known.is_some() {
            return;
        }
        self.workers.push(Worker { name: user.to_string(), allowed: None });
        let login = Login::new(self.config.algorithm, user).password(password);
        self.event(ServerEvent::Authorize { worker, login });
    }

    fn submit(&mut self, id: Option<&str>, params: &Items<'_>) {
        let Some(submit) = Submit::read(params) else {
            return self.refuse_share(id, None, BadShare::Fields);
        };
        if self.prefix.is_none() {
            return self.refuse_share(id, None, Reject::NotSubscribed.into());
        }
        let announced =
            Announced { extranonce2_len: self.config.extranonce2_len, version_mask: self.version_mask };
        let known = self.worker(&submit.worker);
        let allowed = known.filter(|index| self.workers[*index].allowed == Some(true));
        let Some(worker) = allowed.and_then(|index| u32::try_from(index).ok()).map(WorkerId) else {
            self.refuse_share(id, None, Reject::Unauthorized.into());
            if let Ok(share) = submit.share(announced) {
                self.event(ServerEvent::Uncounted { share });
            }
            return;
        };
        let share = match submit.share(announced) {
            Ok(share) => share.by(worker),
            Err(bad) => return self.refuse_share(id, Some(worker), bad),
        };
        if self.answers.waiting() >= self.config.limits.pending_answers {
            self.refuse_share(id, Some(worker), Reject::Overloaded.into());
            return self.event(ServerEvent::Uncounted { share });
        }
        let ticket = Ticket(self.answers.wait(id, Request::Submit));
        self.event(ServerEvent::Submit { ticket, share });
    }

    fn refuse_share(&mut self, id: Option<&str>, worker: Option<WorkerId>, bad: BadShare) {
        let (code, refused) = match bad {
            BadShare::Reject(reject) => (Code::of(reject), Refused::Share(worker, reject)),
            _ => (Code::OTHER, Refused::MalformedShare(worker)),
        };
        self.refuse(id, code, &bad, refused);
    }

    fn suggest(&mut self, id: Option<&str>, target: Option<Target>) {
        let Some(target) = target else {
            return self.refuse(id, Code::OTHER, &"not a positive difficulty", Refused::Params);
        };
        self.reply(id, "true");
        self.event(ServerEvent::SuggestDifficulty(target));
    }

    /// `mining.configure`: every extension that is asked for gets an answer.
    fn configure(&mut self, id: Option<&str>, params: &Items<'_>) {
        let Some(extensions) = params.get(0).list(MAX_PARAMS) else {
            return self.refuse(id, Code::OTHER, &"extensions are not a short array", Refused::Params);
        };
        let options = params.get(1);
        let mut result = String::from("{");
        for extension in extensions.iter().filter_map(|extension| extension.text()) {
            if result.len() > 1 {
                result.push(',');
            }
            self.extension(&extension, options, &mut result);
        }
        result.push('}');
        self.reply(id, &result);
    }

    fn extension(&mut self, name: &str, options: Raw<'_>, result: &mut String) {
        let mut say = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = write!(result, "{}:{value}", Text(name));
        };
        match name {
            "version-rolling" => {
                let asked = match options.field("version-rolling.mask") {
                    mask if mask.is_null() => Some(u32::MAX),
                    mask => mask.text().and_then(|mask| hex::decode_u32(mask.as_bytes()).ok()),
                };
                let Some(asked) = asked else {
                    return say(name, "\"version-rolling.mask is not eight hex digits\"");
                };
                let mask = asked & self.config.version_mask;
                say(name, if mask == 0 { "false" } else { "true" });
                if mask != 0 {
                    let _ = write!(result, ",\"version-rolling.mask\":\"{mask:08x}\"");
                }
                (self.version_mask, self.told_mask) = (mask, mask);
                self.event(ServerEvent::VersionMask(mask));
            }
            "minimum-difficulty" => {
                let number = options.field("minimum-difficulty.value").number();
                let target = number.and_then(|n| bitcoin::suggested(self.config.algorithm, n));
                say(name, if target.is_some() { "true" } else { "false" });
                if let Some(target) = target {
                    self.event(ServerEvent::MinimumDifficulty(target));
                }
            }
            "subscribe-extranonce" => {
                self.extranonce_changes = true;
                say(name, "true");
            }
            "info" => say(name, "true"),
            _ => say(name, "false"),
        }
    }

    /// Keeps a place for an answer, unless too many wait; then the request is refused here.
    fn wait(&mut self, id: Option<&str>, request: Request) -> Option<u64> {
        if self.answers.waiting() >= self.config.limits.pending_answers {
            self.refuse(id, Code::OTHER, &Reject::Overloaded, Refused::Overloaded);
            return None;
        }
        Some(self.answers.wait(id, request))
    }

    /// The index of the worker with this name. Most clients have one.
    fn worker(&mut self, name: &str) -> Option<usize> {
        let last = self.workers.get(self.last_worker);
        if last.is_some_and(|worker| worker.name == name) {
            return Some(self.last_worker);
        }
        let index = self.workers.iter().position(|worker| worker.name == name)?;
        self.last_worker = index;
        Some(index)
    }
}
