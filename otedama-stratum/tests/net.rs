//! The blocking client against servers on loopback.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, ChannelId, Extranonce, Job, JobId, Now, Reject, Share, Target};
use otedama_stratum::net::{Client, ClientError, ConnectError, Disconnect, Event, Options};
use otedama_stratum::{
    EncodedJob, Login, ServerConfig, ServerEvent, ServerSession, SessionError, SubmitError,
};
use support::{block_one, terms};

/// What a server in a thread does with its connections, one after the other.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    /// Gives jobs, and accepts shares whose extranonce2 starts with zero.
    Serve,
    /// Hangs up after the first share.
    HangUp,
    /// Lets nobody in.
    Refuse,
    /// Sends everybody to another port of the same host.
    Move(u16),
    /// Sends everybody to a foreign host, then serves.
    Lure,
}

struct Server {
    url: String,
    port: u16,
    seen: Receiver<ServerEvent>,
}

/// One connection for each behaviour; then the listener closes.
fn serve(behaviours: Vec<Behaviour>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    serve_on(listener, behaviours)
}

fn serve_on(listener: TcpListener, behaviours: Vec<Behaviour>) -> Server {
    let port = listener.local_addr().unwrap().port();
    let (seeing, seen) = channel();
    thread::spawn(move || {
        for behaviour in behaviours {
            let Ok((stream, _)) = listener.accept() else { return };
            attend(stream, behaviour, &seeing);
        }
    });
    Server { url: format!("stratum+tcp://127.0.0.1:{port}"), port, seen }
}

/// Serves one connection until it ends.
fn attend(mut stream: TcpStream, behaviour: Behaviour, seeing: &Sender<ServerEvent>) {
    let mut config = ServerConfig::new(Algorithm::SHA256D);
    config.extranonce2_len = 2;
    let now = Now::default();
    let mut session = ServerSession::new(Arc::new(config), now);
    let mut buffer = [0; 4096];
    loop {
        while let Some(bytes) = session.poll_transmit() {
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
        let Ok(len @ 1..) = stream.read(&mut buffer) else { return };
        session.handle_input(&buffer[..len], now).unwrap();
        while let Some(event) = session.poll_event() {
            let _ = seeing.send(event.clone());
            match event {
                ServerEvent::Subscribe { resume, .. } => {
                    session.open_channel(
                        ChannelId(0),
                        resume.unwrap_or(Extranonce::from_hex("ffff001d").unwrap()),
                        Target::MAX,
                    );
                }
                ServerEvent::Authorize { worker, .. } => {
                    session.authorize(worker, behaviour != Behaviour::Refuse);
                    match behaviour {
                        Behaviour::Move(port) => session.reconnect("127.0.0.1", port, Duration::ZERO),
                        Behaviour::Lure => session.reconnect("evil.example", 1, Duration::ZERO),
                        _ => false,
                    };
                    session.show_message("hello");
                    session.send_job(&EncodedJob::new(&block_one()).unwrap(), &terms(5, 1.0));
                }
                ServerEvent::Submit { .. } if behaviour == Behaviour::HangUp => return,
                ServerEvent::Submit { ticket, share } => {
                    let good = share.extranonce2.as_bytes()[0] == 0;
                    session.answer(ticket, if good { Ok(()) } else { Err(Reject::Duplicate) });
                }
                _ => {}
            }
        }
    }
}

fn login() -> Login {
    Login::new(Algorithm::SHA256D, "wallet.rig1")
}

/// A client that loses no time.
fn quick(urls: &[&str]) -> Client {
    let mut options = Options::new(urls, login()).unwrap();
    options.backoff.first = Duration::from_millis(1);
    options.backoff.longest = Duration::from_millis(20);
    Client::new(options)
}

fn job(client: &mut Client) -> Job {
    client
        .find_map(|event| match event.unwrap() {
            Event::Job(job) => Some(job),
            _ => None,
        })
        .unwrap()
}

fn share(job: &Job, extranonce2: &str) -> Share {
    Share::new(ChannelId(0), job.id(), Extranonce::from_hex(extranonce2).unwrap(), 0x4966_bc61, 7)
}

#[test]
fn a_job_comes_down_and_shares_go_up() {
    let server = serve(vec![Behaviour::Serve]);
    let mut client = Client::connect(&server.url, login()).unwrap();
    let shares = client.submitter();
    let job = job(&mut client);
    assert_eq!(job.terms().extranonce_prefix, Extranonce::from_hex("ffff001d").unwrap());
    let from_elsewhere = thread::spawn(move || {
        shares.submit(share(&job, "0001"));
        shares.submit(share(&job, "0100"));
        let mut unknown = share(&job, "0000");
        unknown.job = JobId(99);
        shares.submit(unknown);
    });
    let (mut accepted, mut rejected, mut dropped) = (None, None, None);
    while accepted.is_none() || rejected.is_none() || dropped.is_none() {
        match client.next().unwrap().unwrap() {
            Event::Accepted(id) => accepted = Some(id.to_string()),
            Event::Rejected(id, why) => rejected = Some(format!("{id}: {why}")),
            Event::Dropped(why) => dropped = Some(why),
            _ => {}
        }
    }
    assert_eq!(accepted.as_deref(), Some("0"));
    assert_eq!(rejected.as_deref(), Some("1: duplicate share (22)"));
    assert_eq!(dropped, Some(SubmitError::UnknownJob));
    from_elsewhere.join().unwrap();
}

#[test]
fn a_broken_connection_is_resumed_and_its_shares_die() {
    let server = serve(vec![Behaviour::HangUp, Behaviour::Serve]);
    let mut client = quick(&[&server.url]);
    let shares = client.submitter();
    let before = job(&mut client);
    shares.submit(share(&before, "0001"));
    let gone = client.find_map(|event| match event.unwrap() {
        Event::Disconnected(_, why) => Some(why),
        _ => None,
    });
    assert!(matches!(gone, Some(Disconnect::Closed | Disconnect::Io(_))), "{gone:?}");
    let after = job(&mut client);
    assert_ne!(before.id(), after.id());
    shares.submit(share(&before, "0002"));
    shares.submit(share(&after, "0003"));
    let told: Vec<_> = client.take(2).map(Result::unwrap).collect();
    assert!(matches!(told[..], [Event::Dropped(SubmitError::UnknownJob), Event::Accepted(_)]), "{told:?}");
    let resumed: Vec<_> = server
        .seen
        .try_iter()
        .filter_map(|event| match event {
            ServerEvent::Subscribe { resume, .. } => Some(resume),
            _ => None,
        })
        .collect();
    assert_eq!(resumed, [None, Extranonce::from_hex("ffff001d").ok()]);
}

#[test]
fn the_next_server_takes_over() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("127.0.0.1:{}", closed.local_addr().unwrap().port());
    drop(closed);
    let server = serve(vec![Behaviour::Serve, Behaviour::Serve]);
    let mut client = quick(&[&dead, &server.url]);
    let first = client.next().unwrap().unwrap();
    assert!(
        matches!(&first, Event::Disconnected(url, Disconnect::Io(_)) if url.to_string().ends_with(&dead))
    );
    let second = client.next().unwrap().unwrap();
    assert!(matches!(&second, Event::Connected(url) if url.to_string() == server.url), "{second:?}");
    drop(client);
    assert!(Client::connect_any([&dead, &server.url], login()).is_ok());
    assert!(matches!(Client::connect(&dead, login()), Err(ConnectError::Unreachable { .. })));
}

#[test]
fn the_first_server_is_preferred_once_it_answers() {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap();
    drop(first);
    let second = serve(vec![Behaviour::Serve]);
    let mut options = Options::new([&address.to_string(), &second.url], login()).unwrap();
    options.return_after = Duration::from_millis(5);
    let mut client = Client::new(options);
    let connected = |client: &mut Client| {
        client
            .find_map(|event| match event.unwrap() {
                Event::Connected(url) => Some(url.to_string()),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(connected(&mut client), second.url);
    let first = serve_on(TcpListener::bind(address).unwrap(), vec![Behaviour::Serve]);
    assert_eq!(connected(&mut client), first.url);
}

#[test]
fn a_refused_login_ends_it_once_all_have_refused() {
    let (one, two) = (serve(vec![Behaviour::Refuse]), serve(vec![Behaviour::Refuse]));
    let mut client = quick(&[&one.url, &two.url]);
    let mut refused = 0;
    let end = client.find_map(|event| match event {
        Ok(Event::Disconnected(_, Disconnect::Session(SessionError::LoginRefused(_)))) => {
            refused += 1;
            None
        }
        Ok(_) => None,
        Err(error) => Some(error),
    });
    assert_eq!(refused, 2);
    assert!(matches!(end, Some(ClientError::LoginRefused(why)) if why.code == Some(24)));
    assert!(client.next().is_none());
}

#[test]
fn a_server_may_move_its_miners_but_not_to_strangers() {
    let there = serve(vec![Behaviour::Serve]);
    let here = serve(vec![Behaviour::Move(there.port)]);
    let mut client = quick(&[&here.url]);
    let urls: Vec<_> = client
        .by_ref()
        .filter_map(|event| match event.unwrap() {
            Event::Connected(url) => Some(url.to_string()),
            _ => None,
        })
        .take(2)
        .collect();
    assert_eq!(urls, [here.url, there.url]);

    let lure = serve(vec![Behaviour::Lure]);
    let mut client = quick(&[&lure.url]);
    let refused = client.find_map(|event| match event.unwrap() {
        Event::RedirectRefused { host, port } => Some((host, port)),
        _ => None,
    });
    assert_eq!(refused, Some((Some("evil.example".into()), Some(1))));
    job(&mut client);
}

#[test]
fn closing_from_another_thread_ends_the_iterator() {
    let server = serve(vec![Behaviour::Serve]);
    let mut client = quick(&[&server.url]);
    job(&mut client);
    let (close, shares) = (client.close_handle(), client.submitter());
    let closing = thread::spawn(move || close.close());
    assert!(client.all(|event| event.is_ok()), "ends without an error");
    closing.join().unwrap();
    let late = Share::new(ChannelId(0), JobId(0), Extranonce::EMPTY, 0, 0);
    assert_eq!(shares.try_submit(late), Err(SubmitError::Ended));
}

#[test]
fn shares_wait_only_up_to_the_limit() {
    let mut options = Options::new(["127.0.0.1:1"], login()).unwrap();
    options.queue = 2;
    let mut client = Client::new(options);
    let shares = client.submitter();
    let late = Share::new(ChannelId(0), JobId(0), Extranonce::EMPTY, 0, 0);
    assert_eq!(shares.try_submit(late.clone()), Ok(()));
    assert_eq!(shares.try_submit(late.clone()), Ok(()));
    assert_eq!(shares.try_submit(late.clone()), Err(SubmitError::Full { limit: 2 }));
    shares.submit(late);
    let dropped: Vec<_> = client
        .by_ref()
        .filter_map(|event| match event.unwrap() {
            Event::Dropped(why) => Some(why),
            _ => None,
        })
        .take(3)
        .collect();
    let dead = SubmitError::UnknownJob;
    assert_eq!(dropped, [dead, dead, SubmitError::Full { limit: 2 }], "none is lost in silence");
}

#[test]
fn bad_addresses_are_told_apart() {
    let refused = |url: &str| Client::connect(url, login()).unwrap_err().to_string();
    assert_eq!(
        refused("stratum+ssl://pool.example:3333"),
        "stratum+ssl:// is not supported, only stratum+tcp:// and, with the feature noise, stratum2+tcp://"
    );
    assert_eq!(refused("pool.example"), "\"pool.example\" is not stratum+tcp://host:port");
    let none: [&str; 0] = [];
    assert!(matches!(Client::connect_any(none, login()), Err(ConnectError::NoServer)));
}

#[cfg(not(feature = "noise"))]
#[test]
fn an_address_that_is_not_spoken_is_refused_before_anything_else() {
    let refused = Options::new(["stratum+tcp://pool.example:3333", "stratum2+tcp://pool.example:1"], login());
    let error = ConnectError::Url(otedama_stratum::net::UrlError::Unsupported("stratum2+tcp".into()));
    assert_eq!(refused.map(drop), Err(error));
}
