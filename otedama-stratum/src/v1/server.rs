//! The server's side of a Stratum V1 connection.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{Display, Write as _};
use core::time::Duration;

use bytes::Bytes;
use otedama_core::{Extranonce, Moment, Now, Reject, Target, Terms, WorkerId, hex};

use super::answers::{Answers, Request};
use super::dialect::bitcoin::{self, Announced, BadShare, Submit};
use super::json::{Items, Malformed, Message, Raw};
use super::line::LineReader;
use super::message::{self, Code, Text, printable};
use super::outbox::Outbox;
use crate::encoded::EncodedJob;
use crate::error::SessionError;
use crate::event::{Refused, ServerEvent, Ticket};
use crate::login::Login;
use crate::server::ServerConfig;

/// See [`ServerSession`](crate::ServerSession), which this is for Stratum V1.
#[derive(Debug)]
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    lines: LineReader,
    out: Outbox,
    answers: Answers,
    events: VecDeque<ServerEvent>,
    agent: String,
    workers: Vec<Worker>,
    last_worker: usize,
    prefix: Option<Extranonce>,
    asked_channel: bool,
    version_mask: u32,
    extranonce_changes: bool,
    sent_target: Option<Target>,
    force_clean: bool,
    malformed: u32,
    requests: u64,
    version_request: Option<u64>,
    began: Moment,
    heard: Moment,
    failed: Option<SessionError>,
}

#[derive(Debug)]
struct Worker {
    name: String,
    allowed: Option<bool>,
}

impl Server {
    pub(crate) fn new(config: Arc<ServerConfig>, now: Now) -> Self {
        Self {
            config,
            lines: LineReader::default(),
            out: Outbox::default(),
            answers: Answers::default(),
            events: VecDeque::new(),
            agent: String::new(),
            workers: Vec::new(),
            last_worker: 0,
            prefix: None,
            asked_channel: false,
            version_mask: 0,
            extranonce_changes: false,
            sent_target: None,
            force_clean: false,
            malformed: 0,
            requests: 0,
            version_request: None,
            began: now.moment,
            heard: now.moment,
            failed: None,
        }
    }

    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), SessionError> {
        self.check()?;
        let mut lines = core::mem::take(&mut self.lines);
        let result = lines.feed(bytes, self.config.limits.line, now, |line| self.line(line, now));
        self.lines = lines;
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.take()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        if self.failed.is_some() {
            return Some(Moment::ORIGIN);
        }
        self.deadlines().map(|(at, _)| at).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        let due = self.deadlines().find(|(at, _)| *at <= now.moment);
        if let Some((_, error)) = due {
            self.failed.get_or_insert(error);
        }
        self.check()
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, SessionError)> + '_ {
        let limits = &self.config.limits;
        let authorized = self.workers.iter().any(|worker| worker.allowed != Some(false));
        let after = |from: Moment, limit: Duration, error| Some((from.plus(limit), error));
        let subscribe = if self.asked_channel {
            None
        } else {
            after(self.began, limits.subscribe, SessionError::SubscribeTimeout)
        };
        let authorize = if authorized {
            None
        } else {
            after(self.began, limits.authorize, SessionError::AuthorizeTimeout)
        };
        let line =
            self.lines.began().and_then(|began| after(began, limits.line_time, SessionError::LineTimeout));
        let silent = after(self.heard, limits.silence, SessionError::Silent);
        [subscribe, authorize, line, silent].into_iter().flatten()
    }

    fn check(&self) -> Result<(), SessionError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn check_output(&mut self) {
        let limit = self.config.limits.output;
        if self.buffered_bytes() > limit {
            self.failed.get_or_insert(SessionError::OutputFull { limit });
        }
    }

    fn event(&mut self, event: ServerEvent) {
        let limit = self.config.limits.events;
        if self.events.len() < limit {
            self.events.push_back(event);
        } else {
            self.failed.get_or_insert(SessionError::EventsFull { limit });
        }
    }
}

/// What comes in.
impl Server {
    fn line(&mut self, line: &[u8], now: Now) -> Result<(), SessionError> {
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

    fn request(&mut self, id: Option<&str>, method: &str, params: Raw<'_>) {
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
        self.event(ServerEvent::Subscribe { agent: self.agent.clone(), resume });
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
                message::refusal(out, id, "false", Code::UNAUTHORIZED, &"user name not acceptable");
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
        let known = self.worker(&submit.worker);
        let allowed = known.filter(|index| self.workers[*index].allowed == Some(true));
        let Some(worker) = allowed.and_then(|index| u32::try_from(index).ok()).map(WorkerId) else {
            return self.refuse_share(id, None, Reject::Unauthorized.into());
        };
        let announced =
            Announced { extranonce2_len: self.config.extranonce2_len, version_mask: self.version_mask };
        let share = match submit.share(announced) {
            Ok(share) => share.by(worker),
            Err(bad) => return self.refuse_share(id, Some(worker), bad),
        };
        if self.answers.waiting() >= self.config.limits.pending_answers {
            return self.refuse_share(id, Some(worker), Reject::Overloaded.into());
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
        let Some(extensions) = params.get(0).list(crate::limits::MAX_PARAMS) else {
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
                self.version_mask = mask;
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

/// What goes out.
impl Server {
    pub(crate) fn open_channel(&mut self, prefix: Extranonce) {
        self.prefix = Some(prefix);
        let result = self.subscription(&prefix);
        self.answers
            .settle_all(&mut self.out, Request::Subscribe, |out, id| message::result(out, id, &result));
        self.check_output();
    }

    pub(crate) fn refuse_channel(&mut self) {
        self.answers.settle_all(&mut self.out, Request::Subscribe, |out, id| {
            message::error(out, id, Code::OTHER, &"no channel left");
        });
        self.check_output();
    }

    pub(crate) fn authorize(&mut self, worker: WorkerId, allowed: bool) {
        let index = usize::try_from(worker.0).unwrap_or(usize::MAX);
        if let Some(known) = self.workers.get_mut(index) {
            known.allowed = Some(allowed);
        }
        let write = |out: &mut String, id: &str| authorization(out, id, allowed);
        self.answers.settle_all(&mut self.out, Request::Authorize(worker), write);
        self.check_output();
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, verdict: Result<(), Reject>) {
        self.answers.settle(&mut self.out, ticket.0, |out, id| match verdict {
            Ok(()) => message::result(out, id, "true"),
            Err(reject) => message::error(out, id, Code::of(reject), &reject),
        });
        self.check_output();
    }

    pub(crate) fn send_job(&mut self, encoded: &EncodedJob, terms: &Terms) {
        if self.prefix.is_none() || self.failed.is_some() {
            return;
        }
        let target = terms.share_target;
        if self.sent_target != Some(target) {
            self.sent_target = Some(target);
            let number = bitcoin::difficulty_number(self.config.algorithm, target);
            self.tell("mining.set_difficulty", format_args!("[{number}]"));
        }
        let id = terms.id;
        self.append(|out| {
            let _ = write!(out, "{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{id}\"");
        });
        let clean = core::mem::take(&mut self.force_clean);
        if self.answers.owes_subscription() {
            self.answers.append_shared(&mut self.out, encoded.v1(clean));
        } else {
            self.out.share(encoded.v1(clean));
        }
        self.check_output();
    }

    pub(crate) fn change_prefix(&mut self, prefix: Extranonce) -> bool {
        if self.prefix.is_none() || !self.extranonce_changes {
            return false;
        }
        self.prefix = Some(prefix);
        self.force_clean = true;
        let len = self.config.extranonce2_len;
        self.tell("mining.set_extranonce", format_args!("[\"{prefix}\",{len}]"));
        true
    }

    pub(crate) fn show_message(&mut self, text: &str) {
        self.tell("client.show_message", format_args!("[{}]", Text(text)));
    }

    pub(crate) fn reconnect(&mut self, host: &str, port: u16, wait: Duration) {
        let wait = wait.as_secs();
        self.tell("client.reconnect", format_args!("[{},{port},{wait}]", Text(host)));
    }

    pub(crate) fn ping(&mut self) {
        let id = self.next_request();
        self.append(|out| message::request(out, id, "mining.ping", "[]"));
        self.check_output();
    }

    pub(crate) fn ask_version(&mut self) {
        let id = self.next_request();
        self.version_request = Some(id);
        self.append(|out| message::request(out, id, "client.get_version", "[]"));
        self.check_output();
    }

    pub(crate) fn agent(&self) -> &str {
        &self.agent
    }

    pub(crate) const fn is_subscribed(&self) -> bool {
        self.prefix.is_some()
    }

    pub(crate) const fn version_mask(&self) -> u32 {
        self.version_mask
    }

    pub(crate) const fn accepts_extranonce_changes(&self) -> bool {
        self.extranonce_changes
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.out.len() + self.answers.len()
    }

    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn subscription(&self, prefix: &Extranonce) -> String {
        let len = self.config.extranonce2_len;
        format!(
            "[[[\"mining.set_difficulty\",\"{prefix}\"],[\"mining.notify\",\"{prefix}\"]],\"{prefix}\",{len}]"
        )
    }

    /// Answers right away, behind the answers that are still owed.
    fn say(&mut self, id: Option<&str>, write: impl FnOnce(&mut String, &str)) {
        if let Some(id) = id {
            self.answers.append(&mut self.out, |out| write(out, id));
        }
    }

    fn reply(&mut self, id: Option<&str>, result: &str) {
        self.say(id, |out, id| message::result(out, id, result));
    }

    fn refuse(&mut self, id: Option<&str>, code: Code, text: &impl Display, refused: Refused) {
        self.say(id, |out, id| message::error(out, id, code, text));
        self.event(ServerEvent::Refused(refused));
    }

    fn tell(&mut self, method: &str, params: core::fmt::Arguments<'_>) {
        self.append(|out| message::request(out, "null", method, params));
        self.check_output();
    }

    /// Writes what is no answer: at once, unless the client still waits for its subscription.
    fn append(&mut self, write: impl FnOnce(&mut String)) {
        if self.failed.is_some() {
            return;
        }
        if self.answers.owes_subscription() {
            self.answers.append(&mut self.out, write);
        } else {
            write(self.out.tail());
        }
    }
}

fn authorization(out: &mut String, id: &str, allowed: bool) {
    if allowed {
        message::result(out, id, "true");
    } else {
        message::refusal(out, id, "false", Code::UNAUTHORIZED, &Reject::Unauthorized);
    }
}
