//! The client: an iterator of events that keeps itself connected.

use core::iter::FusedIterator;
use core::time::Duration;
use std::collections::VecDeque;
use std::net::TcpStream;
use std::string::String;
use std::sync::Arc;
use std::thread;

use otedama_core::Moment;

use super::clock::Clock;
use super::error::{ClientError, ConnectError, Disconnect};
use super::event::Event;
use super::inbox::{CloseHandle, Inbox, Input, Submitter, Wake};
use super::layer::Layer;
use super::link::{self, Link};
use super::options::Options;
use super::url::Url;
use crate::client::{ClientSession, Numbers};
use crate::error::{SessionError, SubmitError};
use crate::event::ClientEvent;
use crate::login::Login;

/// Longer waits are cut into pieces of this.
const LONG: Duration = Duration::from_secs(3600);

/// A miner's connection to its pool: iterate over it, and it connects, reconnects and fails over by itself.
///
/// The iterator blocks until something happens. It ends after [`CloseHandle::close`], or after an error: then trying
/// again will not help. Dropping it closes the connection.
///
/// A miner over Stratum V2, on a channel for headers only (with the feature `noise`, and otedama-gpu for the devices):
///
/// ```no_run
/// use otedama_core::Algorithm;
/// use otedama_gpu::{Rig, cpu};
/// use otedama_stratum::net::{Client, Event, Options};
/// use otedama_stratum::{ChannelKind, Login};
///
/// let login = Login::new(Algorithm::SHA256D, "wallet.rig1");
/// let url = "stratum2+tcp://pool.example:34254/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
/// let mut options = Options::new([url], login)?;
/// options.session.channel = ChannelKind::Standard;
/// let client = Client::new(options);
/// let shares = client.submitter();
/// let rig = Rig::start(cpu::devices(), move |share| shares.submit(share))?;
/// for event in client {
///     match event? {
///         Event::Job(job) => rig.assign(job),
///         Event::Accepted(id) => println!("accepted {id}"),
///         Event::Rejected(id, why) => eprintln!("rejected {id}: {why}"),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    options: Options,
    clock: Clock,
    inbox: Arc<Inbox>,
    events: VecDeque<Result<Event, ClientError>>,
    link: Option<Link>,
    /// Where to go next: an index into the list, or where a server has sent us.
    next: Next,
    /// Rounds over the list without a session.
    rounds: u32,
    not_before: Moment,
    links: u64,
    numbers: Numbers,
    /// The session that could be resumed, and with whom.
    resume: Option<(Url, String)>,
    /// Servers in a row that have refused the login.
    refusals: usize,
    probe_at: Option<Moment>,
}

#[derive(Debug, Clone)]
enum Next {
    Listed(usize),
    Sent(Url),
}

impl Client {
    /// Connects to one server: `stratum+tcp://host:port` or `host:port`; with the feature `noise` also
    /// `stratum2+tcp://host:port/KEY`.
    ///
    /// # Errors
    /// [`ConnectError`] if the URL makes no sense or the server cannot be reached.
    pub fn connect(url: &str, login: Login) -> Result<Self, ConnectError> {
        Self::connect_any([url], login)
    }

    /// Connects to the first server of a list that can be reached.
    ///
    /// # Errors
    /// [`ConnectError`] if a URL makes no sense, there is none, or no server can be reached.
    pub fn connect_any<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
        login: Login,
    ) -> Result<Self, ConnectError> {
        let mut client = Self::new(Options::new(urls, login)?);
        loop {
            let Some((url, error)) = client.dial_next() else { return Ok(client) };
            if client.not_before != Moment::ORIGIN {
                return Err(ConnectError::Unreachable { url, error });
            }
        }
    }

    /// A client that connects once it is iterated over, and keeps trying. Only for options with a server in them;
    /// without one its iterator ends at once.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            clock: Clock::start(),
            inbox: Inbox::new(options.queue),
            events: VecDeque::new(),
            link: None,
            next: Next::Listed(0),
            rounds: 0,
            not_before: Moment::ORIGIN,
            links: 0,
            numbers: Numbers::default(),
            resume: None,
            refusals: 0,
            probe_at: None,
            options,
        }
    }

    /// Where shares go in.
    #[must_use]
    pub fn submitter(&self) -> Submitter {
        Submitter { inbox: Arc::clone(&self.inbox) }
    }

    /// What ends the client from another thread.
    #[must_use]
    pub fn close_handle(&self) -> CloseHandle {
        CloseHandle { inbox: Arc::clone(&self.inbox) }
    }
}

impl Iterator for Client {
    type Item = Result<Event, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.inbox.is_closed() || self.options.urls.is_empty() {
                self.link = None;
                return None;
            }
            if let Some(event) = self.events.pop_front() {
                if event.is_err() {
                    self.inbox.close();
                }
                return Some(event);
            }
            if self.link.is_some() {
                self.turn();
            } else {
                self.dial();
            }
        }
    }
}

impl FusedIterator for Client {}

impl Drop for Client {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// Getting connected.
impl Client {
    /// Waits until it is time, dropping what comes in meanwhile, then tries the next server.
    fn dial(&mut self) {
        match self.inbox.wait(self.clock.until(self.not_before)) {
            Wake::Closed | Wake::Input(_) => {}
            Wake::Share(_) => self.events.push_back(Ok(Event::Dropped(SubmitError::UnknownJob))),
            Wake::Lost(why) => self.events.push_back(Ok(Event::Dropped(why))),
            Wake::Due => {
                if let Some((url, error)) = self.dial_next() {
                    self.events.push_back(Ok(Event::Disconnected(url, Disconnect::Io(error))));
                }
            }
        }
    }

    /// Tries the next server; says which one and why if it cannot be reached.
    fn dial_next(&mut self) -> Option<(Url, std::io::ErrorKind)> {
        let url = match &self.next {
            Next::Listed(index) => self.options.urls.get(*index).cloned()?,
            Next::Sent(url) => url.clone(),
        };
        let opened = link::dial(&url, self.options.connect);
        match opened.and_then(|stream| self.open(url.clone(), stream)) {
            Ok(()) => None,
            Err(error) => {
                self.refusals = 0;
                self.step();
                Some((url, error.kind()))
            }
        }
    }

    fn open(&mut self, url: Url, stream: TcpStream) -> std::io::Result<()> {
        url.supported().map_err(|_| std::io::ErrorKind::Unsupported)?;
        let mut config = self.options.session.clone();
        config.numbers = self.numbers;
        if let Some((_, session)) = self.resume.take().filter(|(from, _)| *from == url) {
            config.resume = Some(session);
        }
        self.links += 1;
        let now = self.clock.now();
        let layer = Layer::new(&url, now)?;
        let session = if url.is_v2() {
            config.endpoint.get_or_insert_with(|| (url.host().into(), url.port()));
            ClientSession::v2(config, now)
        } else {
            ClientSession::new(config, now)
        };
        let ends = (layer, session);
        let link = Link::new(self.links, url, stream, ends, &self.inbox, self.options.write)?;
        let preferred = self.options.urls.first() == Some(&link.url);
        self.probe_at = (!preferred).then(|| now.moment.plus(self.options.return_after));
        self.link = Some(link);
        Ok(())
    }

    /// Goes on to the next server of the list; after the last one there is a wait.
    fn step(&mut self) {
        let next = match self.next {
            Next::Listed(index) => index + 1,
            Next::Sent(_) => 0,
        };
        if next < self.options.urls.len() {
            self.next = Next::Listed(next);
        } else {
            self.next = Next::Listed(0);
            self.pause(self.options.backoff.delay(self.rounds));
            self.rounds = self.rounds.saturating_add(1);
        }
    }

    fn pause(&mut self, time: Duration) {
        self.not_before = self.clock.now().moment.plus(time);
    }

    /// Gives the connection up. After one that was of use and broke, the list begins anew after a short wait; after
    /// one that led nowhere or went wrong it is the next server's turn.
    fn disconnect(&mut self, why: Disconnect) {
        let Some(mut link) = self.link.take() else { return };
        // The last words may explain; the server need not hear them.
        let _ = link.flush();
        self.numbers = link.session.numbers();
        let session = link.session.session().map(String::from);
        self.resume = session.map(|session| (link.url.clone(), session));
        if link.session.is_ready() && !matches!(why, Disconnect::Session(_)) {
            self.next = Next::Listed(0);
            self.pause(self.options.backoff.delay(0));
        } else {
            self.step();
        }
        let refused = match &why {
            Disconnect::Session(SessionError::LoginRefused(rejection)) => Some(rejection.clone()),
            _ => None,
        };
        self.refusals = if refused.is_some() { self.refusals + 1 } else { 0 };
        self.events.push_back(Ok(Event::Disconnected(link.url.clone(), why)));
        if let Some(rejection) = refused.filter(|_| self.refusals >= self.options.urls.len()) {
            self.events.push_back(Err(ClientError::LoginRefused(rejection)));
        }
    }
}

/// Being connected.
impl Client {
    /// Sends what is to be sent, and deals with the next thing that happens.
    fn turn(&mut self) {
        let Some(link) = &mut self.link else { return };
        if let Err(why) = link.flush() {
            return self.disconnect(why);
        }
        let due = link.poll_timeout().into_iter().chain(self.probe_at).min();
        let time = due.map_or(LONG, |due| self.clock.until(due).min(LONG));
        if time.is_zero() {
            return self.time();
        }
        match self.inbox.wait(time) {
            Wake::Closed | Wake::Due => {}
            Wake::Input(input) => self.input(input),
            Wake::Lost(why) => self.events.push_back(Ok(Event::Dropped(why))),
            Wake::Share(share) => {
                if let Err(why) = link.session.submit(&share, self.clock.now()) {
                    self.events.push_back(Ok(Event::Dropped(why)));
                }
            }
        }
    }

    fn time(&mut self) {
        let now = self.clock.now();
        if self.probe_at.is_some_and(|at| at <= now.moment) {
            self.probe(now.moment);
        }
        let result = self.link.as_mut().map_or(Ok(()), |link| link.handle_timeout(now));
        self.settle(result);
    }

    fn input(&mut self, input: Input) {
        let Some(link) = &mut self.link else { return };
        match input {
            Input::Bytes(number, bytes) if number == link.number => {
                let result = link.handle_input(&bytes, self.clock.now());
                self.settle(result);
            }
            Input::End(number, why) if number == link.number => {
                self.disconnect(why.map_or(Disconnect::Closed, Disconnect::Io));
            }
            Input::Preferred(stream) => self.prefer(stream),
            // What a connection of the past has left behind.
            Input::Bytes(..) | Input::End(..) => {}
        }
    }

    /// Passes the session's events on, and ends it if it must end.
    fn settle(&mut self, result: Result<(), Disconnect>) {
        while let Some(event) = self.link.as_mut().and_then(|link| link.session.poll_event()) {
            let Some(event) = self.translate(event) else { continue };
            self.events.push_back(Ok(event));
        }
        if let Err(why) = result {
            self.disconnect(why);
        }
    }

    fn translate(&mut self, event: ClientEvent) -> Option<Event> {
        Some(match event {
            ClientEvent::Ready => {
                self.rounds = 0;
                self.refusals = 0;
                Event::Connected(self.link.as_ref()?.url.clone())
            }
            ClientEvent::Job(job) => Event::Job(job),
            ClientEvent::Accepted(id) => Event::Accepted(id),
            ClientEvent::Rejected(id, why) => Event::Rejected(id, why),
            ClientEvent::Message(text) => Event::Message(text),
            ClientEvent::Reconnect { host, port, wait } => {
                let to = self.link.as_ref()?.url.moved(host.as_deref(), port);
                let Some(to) = to else { return Some(Event::RedirectRefused { host, port }) };
                self.disconnect(Disconnect::Asked);
                self.next = Next::Sent(to);
                self.pause(wait.min(self.options.reconnect_wait));
                return None;
            }
        })
    }

    /// Tries the first server of the list without keeping the present one waiting.
    fn probe(&mut self, now: Moment) {
        self.probe_at = Some(now.plus(self.options.return_after));
        let Some(first) = self.options.urls.first().cloned() else { return };
        let (inbox, timeout) = (Arc::clone(&self.inbox), self.options.connect);
        let attempt = move || {
            if let Ok(stream) = link::dial(&first, timeout) {
                inbox.bring(Input::Preferred(stream));
            }
        };
        // If the system has no thread to give, the next attempt is a few minutes away.
        let _ = thread::Builder::new().name("stratum-probe".into()).spawn(attempt);
    }

    fn prefer(&mut self, stream: TcpStream) {
        let Some(first) = self.options.urls.first().cloned() else { return };
        if self.link.as_ref().is_some_and(|link| link.url == first) {
            return;
        }
        self.disconnect(Disconnect::Preferred);
        self.next = Next::Listed(0);
        if let Err(error) = self.open(first.clone(), stream) {
            self.events.push_back(Ok(Event::Disconnected(first, Disconnect::Io(error.kind()))));
        }
    }
}
