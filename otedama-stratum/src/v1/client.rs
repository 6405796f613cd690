//! The client's side of a Stratum V1 connection.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use otedama_core::{
    ChannelId, Difficulty, Job, JobBody, JobId, Moment, Now, Reject, Share, Target, Terms, hex,
};

use super::dialect::bitcoin::{self, Channel, Notify};
use super::json::{Items, Message, Raw};
use super::line::LineReader;
use super::message::{self, Code, Text, printable};
use super::outbox::Outbox;
use crate::client::{ClientConfig, Numbers};
use crate::error::{SessionError, SubmitError};
use crate::event::{ClientEvent, Rejection, ShareId};

/// See [`ClientSession`](crate::ClientSession), which this is for Stratum V1.
#[derive(Debug)]
pub(crate) struct Client {
    config: ClientConfig,
    lines: LineReader,
    out: Outbox,
    events: VecDeque<ClientEvent>,
    pending: VecDeque<Pending>,
    pending_shares: usize,
    requests: u64,
    session: Option<String>,
    channel: Option<Channel>,
    authorized: bool,
    version_mask: u32,
    target: Target,
    latest: Option<Latest>,
    live: VecDeque<Live>,
    numbers: Numbers,
    malformed: u32,
    began: Moment,
    heard: Moment,
    failed: Option<SessionError>,
}

/// A request that the server has yet to answer.
#[derive(Debug)]
struct Pending {
    request: u64,
    kind: Kind,
    sent: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Configure,
    Subscribe {
        resuming: bool,
    },
    Authorize,
    /// Whose answer changes nothing.
    Wish,
    Share(ShareId),
}

/// The newest notify, with the difficulty and the channel that it came under.
#[derive(Debug)]
struct Latest {
    wire: Arc<str>,
    body: Arc<JobBody>,
    target: Target,
    channel: Option<Channel>,
}

/// A job that shares may still be for.
#[derive(Debug)]
struct Live {
    wire: Arc<str>,
    job: Job,
}

impl Client {
    pub(crate) fn new(config: ClientConfig, now: Now) -> Self {
        let one = config.login.algorithm.spec().difficulty_one;
        let numbers = config.numbers;
        let mut client = Self {
            config,
            lines: LineReader::default(),
            out: Outbox::default(),
            events: VecDeque::new(),
            pending: VecDeque::new(),
            pending_shares: 0,
            requests: 0,
            session: None,
            channel: None,
            authorized: false,
            version_mask: 0,
            target: one,
            latest: None,
            live: VecDeque::new(),
            numbers,
            malformed: 0,
            began: now.moment,
            heard: now.moment,
            failed: None,
        };
        client.greet(now.moment);
        client
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

    pub(crate) fn poll_event(&mut self) -> Option<ClientEvent> {
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

    pub(crate) fn submit(&mut self, share: &Share, now: Now) -> Result<ShareId, SubmitError> {
        if self.failed.is_some() {
            return Err(SubmitError::Ended);
        }
        let live = self.live.iter().rev().find(|live| live.job.id() == share.job);
        let live = live.ok_or(SubmitError::UnknownJob)?;
        live.job.header(share)?;
        let nonce = u32::try_from(share.nonce).map_err(|_| Reject::NonceTooWide(share.nonce))?;
        let limit = self.config.limits.pending_shares;
        if self.pending_shares >= limit {
            return Err(SubmitError::Full { limit });
        }
        let params = bitcoin::submit_params(&self.config.login.user, &live.wire, share, nonce);
        let id = ShareId(self.numbers.share);
        self.numbers.share = id.0.wrapping_add(1);
        self.pending_shares += 1;
        self.ask(Kind::Share(id), now.moment, "mining.submit", &params);
        Ok(id)
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub(crate) const fn numbers(&self) -> Numbers {
        self.numbers
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.channel.is_some() && self.authorized
    }

    pub(crate) const fn version_mask(&self) -> u32 {
        self.version_mask
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.out.len()
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, SessionError)> + '_ {
        let limits = &self.config.limits;
        let handshake = self.began.plus(limits.handshake);
        let handshake = (!self.is_ready()).then_some((handshake, SessionError::NoAnswer));
        let share = self.pending.iter().find(|pending| matches!(pending.kind, Kind::Share(_)));
        let answer = share.map(|share| (share.sent.plus(limits.answer), SessionError::NoAnswer));
        let silent = Some((self.heard.plus(limits.silence), SessionError::Silent));
        [handshake, answer, silent].into_iter().flatten()
    }

    fn check(&self) -> Result<(), SessionError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: SessionError) {
        self.failed.get_or_insert(error);
    }

    fn bad(&mut self, method: &'static str) {
        self.fail(SessionError::BadMessage { method });
    }

    fn event(&mut self, event: ClientEvent) {
        let limit = self.config.limits.events;
        if self.events.len() < limit {
            self.events.push_back(event);
        } else {
            self.fail(SessionError::EventsFull { limit });
        }
    }

    fn ask(&mut self, kind: Kind, now: Moment, method: &str, params: &str) {
        self.requests += 1;
        let request = self.requests;
        message::request(self.out.tail(), request, method, params);
        self.pending.push_back(Pending { request, kind, sent: now });
        self.check_output();
    }

    fn check_output(&mut self) {
        let limit = self.config.limits.output;
        if self.out.len() > limit {
            self.fail(SessionError::OutputFull { limit });
        }
    }
}

/// The handshake.
impl Client {
    fn greet(&mut self, now: Moment) {
        let mask = self.config.version_mask;
        if mask != 0 {
            let bits = mask.count_ones().min(2);
            let params = alloc::format!(
                "[[\"version-rolling\"],{{\"version-rolling.mask\":\"{mask:08x}\",\"version-rolling.min-bit-count\":{bits}}}]"
            );
            self.ask(Kind::Configure, now, "mining.configure", &params);
        }
        let resume = self.config.resume.take();
        self.subscribe(resume.as_deref(), now);
        let (user, password) = (Text(&self.config.login.user), Text(&self.config.login.password));
        let params = alloc::format!("[{user},{password}]");
        self.ask(Kind::Authorize, now, "mining.authorize", &params);
    }

    fn subscribe(&mut self, resume: Option<&str>, now: Moment) {
        let agent = Text(&self.config.agent);
        let params = match resume {
            Some(session) => alloc::format!("[{agent},{}]", Text(session)),
            None => alloc::format!("[{agent}]"),
        };
        let kind = Kind::Subscribe { resuming: resume.is_some() };
        self.ask(kind, now, "mining.subscribe", &params);
    }

    fn subscribed(&mut self, result: Raw<'_>) {
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

    fn authorized(&mut self, now: Moment) {
        self.authorized = true;
        self.ask(Kind::Wish, now, "mining.extranonce.subscribe", "[]");
        if let Some(target) = self.config.suggested {
            let number = bitcoin::difficulty_number(self.config.login.algorithm, target);
            self.ask(Kind::Wish, now, "mining.suggest_difficulty", &alloc::format!("[{number}]"));
        }
        self.ready();
    }

    fn ready(&mut self) {
        if self.is_ready() {
            self.event(ClientEvent::Ready);
            self.give_job();
        }
    }

    fn configured(&mut self, result: Raw<'_>) {
        let rolling = result.field("version-rolling").boolean() == Some(true);
        let mask = result.field("version-rolling.mask").text();
        let mask = mask.and_then(|mask| hex::decode_u32(mask.as_bytes()).ok());
        self.change_mask(mask.filter(|_| rolling).unwrap_or(0));
    }
}

/// What comes in.
impl Client {
    fn line(&mut self, line: &[u8], now: Now) -> Result<(), SessionError> {
        if line.is_empty() {
            return Ok(());
        }
        self.heard = now.moment;
        match Message::parse(line, self.config.limits.nesting) {
            Err(_) => {
                self.malformed += 1;
                let limit = self.config.limits.malformed_lines;
                if self.malformed > limit {
                    self.fail(SessionError::Malformed { limit });
                }
            }
            Ok(Message::Request { id, method, params }) => {
                self.malformed = 0;
                self.request(id, &method, params);
            }
            Ok(Message::Response { id, result, error, reject_reason }) => {
                self.malformed = 0;
                let limit = self.config.limits.text;
                let outcome = outcome(result, error, reject_reason, limit);
                self.response(id, outcome, now.moment);
            }
        }
        self.check_output();
        self.check()
    }

    fn response(&mut self, id: Raw<'_>, outcome: Result<Raw<'_>, Rejection>, now: Moment) {
        let found = id.whole().and_then(|id| self.pending.iter().position(|pending| pending.request == id));
        let Some(pending) = found.and_then(|index| self.pending.remove(index)) else { return };
        match (pending.kind, outcome) {
            (Kind::Configure, Ok(result)) => self.configured(result),
            (Kind::Subscribe { .. }, Ok(result)) => self.subscribed(result),
            (Kind::Subscribe { resuming: true }, Err(_)) => self.subscribe(None, now),
            (Kind::Subscribe { .. }, Err(why)) => self.fail(SessionError::SubscribeRefused(why)),
            (Kind::Authorize, Ok(_)) => self.authorized(now),
            (Kind::Authorize, Err(why)) => self.fail(SessionError::LoginRefused(why)),
            (Kind::Configure, Err(_)) | (Kind::Wish, _) => {}
            (Kind::Share(share), outcome) => {
                self.pending_shares -= 1;
                self.event(match outcome {
                    Ok(_) => ClientEvent::Accepted(share),
                    Err(why) => ClientEvent::Rejected(share, why),
                });
            }
        }
    }

    fn request(&mut self, id: Option<&str>, method: &str, params: Raw<'_>) {
        let id = id.filter(|id| *id != "null");
        let items = params.items().unwrap_or_default();
        match method {
            "mining.notify" => self.notify(&items),
            "mining.set_difficulty" => self.set_difficulty(&items),
            "mining.set_extranonce" => self.set_extranonce(&items),
            "mining.set_version_mask" => {
                let mask = items.text(0).and_then(|mask| hex::decode_u32(mask.as_bytes()).ok());
                match mask {
                    Some(mask) => self.change_mask(mask),
                    None => self.bad("mining.set_version_mask"),
                }
            }
            "mining.ping" => self.answer(id, |out, id| message::result(out, id, "\"pong\"")),
            "client.get_version" => {
                let agent = Text(&self.config.agent).to_string();
                self.answer(id, |out, id| message::result(out, id, &agent));
            }
            "client.show_message" => {
                let text = printable(&items.text(0).unwrap_or_default(), self.config.limits.text);
                self.event(ClientEvent::Message(text));
            }
            "client.reconnect" => {
                let host = items.text(0).map(|host| printable(&host, self.config.limits.text));
                let host = host.filter(|host| !host.is_empty());
                let port = items.get(1).whole().and_then(|port| u16::try_from(port).ok());
                let wait = Duration::from_secs(items.get(2).whole().unwrap_or(0));
                self.event(ClientEvent::Reconnect { host, port, wait });
            }
            _ => self.answer(id, |out, id| message::error(out, id, Code::METHOD, &"unknown method")),
        }
    }

    fn answer(&mut self, id: Option<&str>, write: impl FnOnce(&mut String, &str)) {
        if let Some(id) = id {
            write(self.out.tail(), id);
        }
    }

    fn set_difficulty(&mut self, params: &Items<'_>) {
        let algorithm = self.config.login.algorithm;
        let number = params.get(0).number();
        match number.and_then(|number| Difficulty::from_f64(algorithm, number).ok()) {
            Some(difficulty) => self.target = difficulty.target(),
            None => self.bad("mining.set_difficulty"),
        }
    }

    fn set_extranonce(&mut self, params: &Items<'_>) {
        let before = self.channel.and_then(|channel| u64::try_from(channel.extranonce2_len).ok());
        match Channel::read(params.get(0), params.get(1).whole().or(before)) {
            Some(channel) => self.channel = Some(channel),
            None => self.bad("mining.set_extranonce"),
        }
    }

    fn notify(&mut self, params: &Items<'_>) {
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

    fn change_mask(&mut self, mask: u32) {
        let mask = mask & self.config.version_mask;
        if mask != self.version_mask {
            self.version_mask = mask;
            self.give_job();
        }
    }

    /// Makes the newest notify a job, once the session is ready for it.
    fn give_job(&mut self) {
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

/// What an answer says, in all the shapes that pools use.
fn outcome<'a>(result: Raw<'a>, error: Raw<'_>, reason: Raw<'_>, limit: usize) -> Result<Raw<'a>, Rejection> {
    if !error.is_null() {
        return Err(rejection(error, limit));
    }
    if result.is_null() || result.boolean() == Some(false) {
        let message = printable(&reason.text().unwrap_or_default(), limit);
        return Err(Rejection { code: None, message });
    }
    Ok(result)
}

/// An error as `[code, message, …]`, `{"code": …, "message": …}`, or text.
fn rejection(error: Raw<'_>, limit: usize) -> Rejection {
    let (code, message) = if error.is_array() {
        let items = error.items().unwrap_or_default();
        (items.get(0), items.get(1))
    } else if error.is_object() {
        (error.field("code"), error.field("message"))
    } else {
        (Raw::NULL, error)
    };
    let message = message.text().unwrap_or_else(|| message.json().into());
    let message = if message == "null" { String::new() } else { printable(&message, limit) };
    Rejection { code: code.json().parse().ok(), message }
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
