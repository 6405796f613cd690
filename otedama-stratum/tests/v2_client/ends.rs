//! How a session ends, and what does not end it.

use std::time::Duration;

use otedama_core::Moment;
use otedama_stratum::v2::common::{Reconnect, SetupConnectionError, SetupConnectionSuccess};
use otedama_stratum::v2::mining::{
    CloseChannel, NewExtendedMiningJob, OpenExtendedMiningChannelSuccess, OpenMiningChannelError,
    SetExtranoncePrefix, SetNewPrevHash, SetTarget, SubmitSharesExtended,
};
use otedama_stratum::v2::{B0_32, B0_64K, Encode, Frame, Seq0_255, Str0_255, U256};
use otedama_stratum::{ChannelKind, ClientEvent, SessionError, SubmitError};

use crate::wire::*;

#[test]
fn refusals_end_the_session_with_the_servers_words() {
    let end = |messages: &[&[u8]]| {
        let mut wire = Wire::new(|_| {});
        let end = messages.iter().find_map(|bytes| wire.session.handle_input(bytes, wire.now).err()).unwrap();
        assert_eq!(wire.session.handle_input(b"", wire.now), Err(end.clone()), "an end is an end");
        assert_eq!(wire.session.poll_timeout(), Some(Moment::ORIGIN));
        end.to_string()
    };
    let refused = bytes(&SetupConnectionError { flags: 4, error_code: text("unsupported-feature-flags") });
    assert_eq!(end(&[&refused]), "connection refused: unsupported-feature-flags");
    let version = bytes(&SetupConnectionSuccess { used_version: 3, flags: 0 });
    assert_eq!(end(&[&version]), "the server sent a SetupConnectionSuccess that is not understood");

    let setup = bytes(&SetupConnectionSuccess { used_version: 2, flags: 2 });
    for (code, expected) in [
        ("unknown-user", "login refused: unknown-user"),
        ("invalid-user-identity", "login refused: invalid-user-identity"),
        ("solar-flare", "subscription refused: solar-flare"),
    ] {
        let refused = bytes(&OpenMiningChannelError { request_id: 1, error_code: text(code) });
        assert_eq!(end(&[&setup, &refused]), expected);
    }
    let close = |channel_id| bytes(&CloseChannel { channel_id, reason_code: text("maintenance") });
    let open = bytes(&opened());
    assert_eq!(end(&[&setup, &open, &close(9), &close(CHANNEL)]), "channel closed: maintenance");
    assert_eq!(end(&[&setup, &open, &close(GROUP)]), "channel closed: maintenance");

    let mut wire = Wire::new(|config| config.channel = ChannelKind::Standard);
    let end = wire.try_hear(&SetupConnectionSuccess { used_version: 2, flags: 2 }).unwrap_err();
    assert_eq!(end.to_string(), "connection refused: the server opens no standard channels");

    let mut wire = Wire::new(|config| config.login.user = "u".repeat(256));
    assert_eq!(wire.sent(), b"");
    let end = wire.wait(0).unwrap_err();
    assert_eq!(end.to_string(), "login refused: a user name has at most 255 bytes");
}

#[test]
fn messages_that_make_no_work_end_the_session() {
    let channels = |size, prefix: &'static [u8]| OpenExtendedMiningChannelSuccess {
        extranonce_size: size,
        extranonce_prefix: B0_32::new(prefix).unwrap(),
        ..opened()
    };
    for (channel, good) in [
        (channels(28, &[1; 4]), true),
        (channels(29, &[1; 4]), false),
        (channels(u16::MAX, &[]), false),
        (channels(4, &[1; 28]), true),
        (channels(3, &[1; 4]), false),
    ] {
        let mut wire = Wire::new(|_| {});
        wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
        let method = "OpenExtendedMiningChannelSuccess";
        let expected = if good { Ok(()) } else { Err(SessionError::BadMessage { method }) };
        assert_eq!(wire.try_hear(&channel), expected, "{channel:?}");
    }
    let bad = |method| Err(SessionError::BadMessage { method });
    let mut wire = Wire::ready(|_| {});
    assert_eq!(wire.try_hear(&tip(CHANNEL, 1)), bad("SetNewPrevHash"), "of a job that nobody knows");
    let mut wire = Wire::ready(|_| {});
    assert_eq!(wire.try_hear(&job(CHANNEL, 1, Some(NTIME))), bad("NewExtendedMiningJob"), "before a tip");
    let mut wire = Wire::ready(|_| {});
    wire.hear(&job(CHANNEL, 1, None));
    let nonsense = SetNewPrevHash { nbits: 0xff12_3456, ..tip(CHANNEL, 1) };
    assert_eq!(wire.try_hear(&nonsense), bad("SetNewPrevHash"));
    let (mut wire, _) = Wire::mining(|config| config.limits.coinbase = 102);
    let long = NewExtendedMiningJob {
        coinbase_tx_prefix: B0_64K::new(&[1; 43]).unwrap(),
        ..job(CHANNEL, 2, Some(NTIME))
    };
    assert_eq!(wire.try_hear(&long), bad("NewExtendedMiningJob"));
    let (mut wire, _) = Wire::mining(|_| {});
    let hashes = [U256::default(); 33];
    let deep =
        NewExtendedMiningJob { merkle_path: Seq0_255::new(&hashes).unwrap(), ..job(CHANNEL, 2, Some(NTIME)) };
    assert_eq!(wire.try_hear(&deep), bad("NewExtendedMiningJob"));
    let (mut wire, _) = Wire::mining(|_| {});
    let longer = SetExtranoncePrefix { channel_id: CHANNEL, extranonce_prefix: B0_32::new(&[1; 5]).unwrap() };
    assert_eq!(wire.try_hear(&longer), bad("SetExtranoncePrefix"));
}

#[test]
fn what_is_not_known_or_not_for_a_miner_is_dropped() {
    let (mut wire, first) = Wire::mining(|_| {});
    for (extension, kind) in [(0, 0x1e), (0, 0xff), (0x4001, 0x1f), (1, 0x20)] {
        wire.hear(&Frame { extension, channel: true, kind, payload: b"anything" });
    }
    // Requests of clients, second answers to requests, messages of other protocols.
    wire.hear(&opened());
    wire.hear(&SetupConnectionSuccess { used_version: 9, flags: 3 });
    wire.hear(&SubmitSharesExtended {
        channel_id: CHANNEL,
        sequence_number: 0,
        job_id: 1,
        nonce: 0,
        ntime: 0,
        version: 0,
        extranonce: B0_32::EMPTY,
    });
    wire.hear(&otedama_stratum::v2::template::RequestTransactionData { template_id: 1 });
    assert!(wire.events().is_empty() && wire.sent().is_empty());
    let mut two = Vec::new();
    Frame { extension: 0x4001, channel: false, kind: 1, payload: &[0; 99] }.append(&mut two).unwrap();
    job(CHANNEL, 2, Some(NTIME)).append(&mut two).unwrap();
    wire.session.handle_input(&two, wire.now).unwrap();
    assert_ne!(wire.job().id(), first.id(), "an unknown frame hides no known one");
}

#[test]
fn malformed_messages_are_overlooked_for_a_while() {
    let (mut wire, _) = Wire::mining(|config| config.limits.malformed_messages = 3);
    let cut = Frame { extension: 0, channel: true, kind: 0x21, payload: &[1, 0, 0] };
    for _ in 0..3 {
        wire.hear(&cut);
    }
    wire.hear(&SetTarget { channel_id: CHANNEL, maximum_target: target(8).into() });
    for _ in 0..3 {
        wire.hear(&cut);
    }
    assert_eq!(wire.try_hear(&cut), Err(SessionError::MalformedMessages { limit: 3 }));

    let mut wire = Wire::new(|config| config.limits.frame = 100);
    let long = wire.session.handle_input(b"\0\0\x7f\x65\0\0", wire.now);
    assert_eq!(long, Err(SessionError::FrameTooLong { limit: 100 }));
}

#[test]
fn a_server_that_asks_to_reconnect_is_told_of() {
    let mut wire = Wire::ready(|_| {});
    wire.hear(&Reconnect { new_host: Str0_255::EMPTY, new_port: 0 });
    wire.hear(&Reconnect { new_host: text("eu.pool\u{1b}.example"), new_port: 4444 });
    let events = wire.events();
    let [
        ClientEvent::Reconnect { host: None, port: None, wait: Duration::ZERO },
        ClientEvent::Reconnect { host: Some(host), port: Some(4444), wait: Duration::ZERO },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(host, "eu.pool.example");
}

#[test]
fn everything_has_its_time() {
    let mut wire = Wire::new(|_| {});
    assert_eq!((wire.wait(29), wire.wait(1)), (Ok(()), Err(SessionError::NoAnswer)));

    let (mut wire, job) = Wire::mining(|_| {});
    wire.submit(&share(&job));
    // A batch may take long to fill, so long as the server says anything.
    for _ in 0..23 {
        assert_eq!(wire.wait(300), Ok(()));
        wire.hear(&SetTarget { channel_id: CHANNEL, maximum_target: target(8).into() });
    }
    assert_eq!((wire.wait(299), wire.wait(1)), (Ok(()), Err(SessionError::NoAnswer)));
    assert_eq!(wire.session.submit(&share(&job), wire.now), Err(SubmitError::Ended));

    let (mut wire, _) = Wire::mining(|_| {});
    assert_eq!((wire.wait(599), wire.wait(1)), (Ok(()), Err(SessionError::Silent)));
}

#[test]
fn nothing_grows_beyond_its_limit() {
    let (mut wire, first) = Wire::mining(|config| {
        config.limits.jobs = 4;
        config.limits.future_jobs = 3;
        config.limits.pending_shares = 2;
        config.limits.events = 5;
    });
    for number in 2..6 {
        wire.hear(&job(CHANNEL, number, Some(NTIME)));
    }
    assert_eq!(
        wire.session.submit(&share(&first), wire.now),
        Err(SubmitError::UnknownJob),
        "the oldest of 5"
    );
    let newest = wire.job();
    wire.submit(&share(&newest));
    wire.submit(&share(&newest));
    let full = wire.session.submit(&share(&newest), wire.now);
    assert_eq!(full, Err(SubmitError::Full { limit: 2 }));

    for number in 10..14 {
        wire.hear(&job(CHANNEL, number, None));
    }
    wire.hear(&tip(CHANNEL, 11));
    let end = wire.try_hear(&tip(CHANNEL, 12)).unwrap_err();
    assert_eq!(end, SessionError::BadMessage { method: "SetNewPrevHash" }, "a tip ends all others");

    let (mut wire, _) = Wire::mining(|config| config.limits.events = 5);
    let ask = Reconnect { new_host: Str0_255::EMPTY, new_port: 0 };
    let end = (0..6).find_map(|_| wire.try_hear(&ask).err());
    assert_eq!(end, Some(SessionError::EventsFull { limit: 5 }));

    let (mut wire, job) = Wire::mining(|config| config.limits.output = 1000);
    let sent = (0..100).take_while(|_| wire.session.submit(&share(&job), wire.now).is_ok()).count();
    assert_eq!(wire.session.handle_input(b"", wire.now), Err(SessionError::OutputFull { limit: 1000 }));
    assert_eq!((sent, wire.session.buffered_bytes()), (22, 22 * 47), "the one too many is there");
}

#[test]
fn the_next_session_counts_on() {
    let (mut wire, first) = Wire::mining(|_| {});
    let before = wire.submit(&share(&first));
    let numbers = wire.session.numbers();
    let (mut next, job) = Wire::mining(|config| config.numbers = numbers);
    assert_eq!(next.session.submit(&share(&first), next.now), Err(SubmitError::UnknownJob));
    assert!(job.id() > first.id() && next.submit(&share(&job)) > before);
    let sent = next.sent();
    assert_eq!(shares(&sent)[0].sequence_number, 0, "the channel's own number");
}

#[test]
fn any_chopping_gives_the_same_session() {
    let mut stream = Vec::new();
    let setup = SetupConnectionSuccess { used_version: 2, flags: 0 };
    setup.append(&mut stream).unwrap();
    opened().append(&mut stream).unwrap();
    job(CHANNEL, 1, None).append(&mut stream).unwrap();
    tip(CHANNEL, 1).append(&mut stream).unwrap();
    for size in 1..stream.len() {
        let mut wire = Wire::new(|_| {});
        for piece in stream.chunks(size) {
            wire.session.handle_input(piece, wire.now).unwrap();
        }
        assert!(matches!(&wire.events()[..], [ClientEvent::Ready, ClientEvent::Job(_)]), "{size}");
    }
}
