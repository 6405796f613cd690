//! The blocking client over Stratum V2, secured with Noise, against servers on loopback.
#![cfg(all(feature = "net", feature = "noise"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use otedama_core::{Algorithm, Extranonce, Job, Now, Share, Target, UnixTime};
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::net::{Client, Disconnect, Event, Options};
use otedama_stratum::noise::{AuthoritySecret, Identity, NoiseError, Stream};
use otedama_stratum::{EncodedJob, Login, Protocol, ServerConfig, ServerEvent, ServerSession, SessionError};
use support::{block_one, terms};

/// What a server does with a connection.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Gives a job, and accepts its shares.
    Serve,
    /// Sends the miner to another port of the same host.
    Move(u16),
    /// Lets nobody in.
    Refuse,
}

/// One connection for each behaviour, with a certificate of this authority; then the listener closes.
fn serve(behaviours: &'static [Behaviour], authority: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let authority = AuthoritySecret::from_seed(&[authority; 32]);
        let for_ever = Duration::from_secs(u32::MAX.into());
        let identity = Identity::issue(&authority, UnixTime::from_secs(0), for_ever, &[1; 32]);
        let identity = Arc::new(identity);
        for behaviour in behaviours {
            let Ok((stream, _)) = listener.accept() else { return };
            attend(stream, *behaviour, &identity);
        }
    });
    port
}

/// Serves one connection until it ends.
fn attend(mut socket: TcpStream, behaviour: Behaviour, identity: &Arc<Identity>) {
    let mut config = ServerConfig::new(Algorithm::SHA256D);
    config.extranonce2_len = 8;
    let now = Now::default();
    let mut session = ServerSession::new(Arc::new(config), now);
    let mut noise = Stream::responder(Arc::clone(identity), [2; 32], NoiseLimits::default(), now);
    let mut buffer = [0; 4096];
    loop {
        // Its pieces are whole frames only together.
        let frames: Vec<u8> = std::iter::from_fn(|| session.poll_transmit()).flatten().collect();
        noise.send(&frames).unwrap();
        while let Some(bytes) = noise.poll_transmit() {
            if socket.write_all(&bytes).is_err() {
                return;
            }
        }
        let Ok(len @ 1..) = socket.read(&mut buffer) else { return };
        if noise.handle_input(&buffer[..len], now).is_err() {
            return;
        }
        while let Some(frame) = noise.poll_frame().unwrap() {
            session.handle_input(frame, now).unwrap();
        }
        answer(&mut session, behaviour);
    }
}

fn answer(session: &mut ServerSession, behaviour: Behaviour) {
    while let Some(event) = session.poll_event() {
        assert_eq!(session.protocol(), Protocol::V2);
        match (event, behaviour) {
            (ServerEvent::Authorize { worker, login }, _) => {
                assert_eq!(login.user, "wallet.rig1");
                session.authorize(worker, !matches!(behaviour, Behaviour::Refuse));
            }
            (ServerEvent::Subscribe { channel, .. }, Behaviour::Move(port)) => {
                session.open_channel(channel, Extranonce::new(&[7; 4]).unwrap(), Target::MAX);
                assert!(session.reconnect("", port, Duration::ZERO));
            }
            (ServerEvent::Subscribe { channel, .. }, _) => {
                let mut terms = terms(1, 0.5);
                terms.channel = channel;
                terms.extranonce_prefix = Extranonce::new(&[7; 4]).unwrap();
                session.open_channel(channel, terms.extranonce_prefix, terms.share_target);
                session.send_job(&EncodedJob::new(&block_one()).unwrap(), &terms);
            }
            (ServerEvent::Submit { ticket, .. }, _) => session.answer(ticket, Ok(())),
            (other, _) => panic!("{other:?}"),
        }
    }
}

fn url(port: u16, authority: u8) -> String {
    format!("stratum2+tcp://127.0.0.1:{port}/{}", AuthoritySecret::from_seed(&[authority; 32]).public())
}

/// A client of this server, which goes where it is sent at once.
fn client(url: &str) -> Client {
    let mut options = Options::new([url], Login::new(Algorithm::SHA256D, "wallet.rig1")).unwrap();
    options.backoff.first = Duration::from_millis(1);
    Client::new(options)
}

fn next(client: &mut Client) -> Event {
    client.next().unwrap().unwrap()
}

fn share(job: &Job) -> Share {
    let extranonce2 = Extranonce::new(&[0; 8]).unwrap();
    Share::new(job.terms().channel, job.id(), extranonce2, job.body().ntime(), 1)
}

#[test]
fn a_job_comes_and_its_share_is_accepted() {
    let url = url(serve(&[Behaviour::Serve], 1), 1);
    let mut client = client(&url);
    let Event::Connected(connected) = next(&mut client) else { panic!() };
    assert_eq!(connected.to_string(), url);
    let Event::Job(job) = next(&mut client) else { panic!() };
    assert_eq!((job.terms().extranonce2_len, job.terms().extranonce_prefix.as_bytes()), (8, &[7; 4][..]));
    client.submitter().submit(share(&job));
    assert!(matches!(next(&mut client), Event::Accepted(_)));
}

#[test]
fn a_server_of_another_authority_is_not_mined_for() {
    let mut client = client(&url(serve(&[Behaviour::Serve, Behaviour::Serve], 1), 2));
    let event = next(&mut client);
    let Event::Disconnected(_, why) = event else { panic!("{event:?}") };
    assert_eq!(why, Disconnect::Noise(NoiseError::WrongAuthority));
}

#[test]
fn whoever_names_no_authority_believes_the_server() {
    let port = serve(&[Behaviour::Serve], 1);
    let mut client = client(&format!("stratum2+tcp://127.0.0.1:{port}"));
    assert!(matches!(next(&mut client), Event::Connected(_)));
    assert!(matches!(next(&mut client), Event::Job(_)));
}

#[test]
fn a_server_can_send_the_miner_to_another_of_the_same_authority() {
    for (authority, same) in [(1, true), (9, false)] {
        let there = serve(&[Behaviour::Serve], authority);
        let behaviours: &[Behaviour] = Vec::leak(vec![Behaviour::Move(there)]);
        let mut client = client(&url(serve(behaviours, 1), 1));
        assert!(matches!(next(&mut client), Event::Connected(_)));
        assert!(matches!(next(&mut client), Event::Disconnected(_, Disconnect::Asked)));
        match next(&mut client) {
            Event::Connected(moved) if same => assert_eq!(moved.to_string(), url(there, 1)),
            Event::Disconnected(_, why) => {
                assert_eq!((why, same), (Disconnect::Noise(NoiseError::WrongAuthority), false));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_user_ends_the_client() {
    let mut client = client(&url(serve(&[Behaviour::Refuse], 1), 1));
    let event = next(&mut client);
    let Event::Disconnected(_, Disconnect::Session(SessionError::LoginRefused(why))) = event else {
        panic!("{event:?}")
    };
    assert_eq!(why.message, "unknown-user");
    let end = client.next().unwrap().unwrap_err();
    assert_eq!(end.to_string(), "login refused: unknown-user");
    assert!(client.next().is_none());
}
