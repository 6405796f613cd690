//! What a Stratum V2 client must not do, and what it may not have: refusals, limits and time.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use otedama_core::{ChannelId, Reject, Target, WorkerId};
use otedama_stratum::v2::common::{
    Protocol, REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, REQUIRES_WORK_SELECTION, SetupConnection,
};
use otedama_stratum::v2::declaration::AllocateMiningJobToken;
use otedama_stratum::v2::mining::{
    CloseChannel, OpenExtendedMiningChannel, OpenStandardMiningChannel, SetCustomMiningJob,
    SubmitSharesStandard, UpdateChannel,
};
use otedama_stratum::v2::template::SubmitSolution;
use otedama_stratum::v2::{B0_64K, B0_255, Code, Frame, Message, Seq0_255, Str0_255, U256};
use otedama_stratum::{Refused, ServerEvent, SessionError};
use support::v2::{
    FIRST, TARGET, Wire, encoded, extended, extended_share, frame, messages, open_extended, open_standard,
    prefix, setup, standard, standard_share, terms,
};

fn refused(wire: &mut Wire) -> Refused {
    match wire.events()[..] {
        [ServerEvent::Refused(refused)] => refused,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn connections_for_something_else_are_refused() {
    let all = REQUIRES_STANDARD_JOBS | REQUIRES_WORK_SELECTION | REQUIRES_VERSION_ROLLING;
    let declaration = SetupConnection { protocol: Protocol::JOB_DECLARATION, ..setup() };
    let old = SetupConnection { max_version: 1, min_version: 1, ..setup() };
    let new = SetupConnection { max_version: 9, min_version: 3, ..setup() };
    let selects = SetupConnection { flags: all | 8, ..setup() };
    for (setup, flags, code) in [
        (declaration, 0, Code::UnsupportedProtocol),
        (old, 0, Code::ProtocolVersionMismatch),
        (new, 0, Code::ProtocolVersionMismatch),
        (selects, REQUIRES_WORK_SELECTION | 8, Code::UnsupportedFeatureFlags),
    ] {
        let mut wire = Wire::new(|_| {});
        let error = Err(SessionError::Unserved(code));
        assert_eq!(wire.try_say(&setup), error);
        assert_eq!(wire.try_say(&setup), error, "the same at every later call");
        let sent = wire.sent();
        let [Message::SetupConnectionError(refusal)] = messages(&sent)[..] else { panic!() };
        assert_eq!((refusal.flags, refusal.error_code), (flags, code.into()));
    }
    let mut fixed = Wire::new(|config| config.version_mask = 0);
    let rolls = SetupConnection { flags: REQUIRES_VERSION_ROLLING, ..setup() };
    let error = Err(SessionError::Unserved(Code::UnsupportedFeatureFlags));
    assert_eq!(fixed.try_say(&rolls), error);
}

#[test]
fn nothing_comes_before_the_setup_and_no_second_one_after() {
    let mut wire = Wire::new(|_| {});
    assert_eq!(wire.try_say(&standard(1, "w")), Err(SessionError::NoSetup));
    assert!(wire.sent().is_empty());
    let mut wire = Wire::new(|_| {});
    let cut = Frame { extension: 0, channel: false, kind: 0, payload: &frame(&setup())[6..20] };
    assert_eq!(wire.try_say(&cut), Err(SessionError::NoSetup));
    let mut wire = Wire::set_up(0);
    wire.say(&setup());
    assert_eq!((refused(&mut wire), wire.sent()), (Refused::Line, vec![]));
}

#[test]
fn channels_are_refused_for_these_reasons() {
    let open = |wire: &mut Wire, open: OpenExtendedMiningChannel<'_>| {
        wire.say(&open);
        (wire.code(), refused(wire))
    };
    let is = |code: &str, refused| (String::from(code), refused);
    let mut wire = Wire::configured(0, |config| config.limits.workers = 1);
    let greedy = OpenExtendedMiningChannel { min_extranonce_size: 9, ..extended(1, "w") };
    assert_eq!(open(&mut wire, greedy), is("min-extranonce-size-too-large", Refused::Params));
    let zero = OpenExtendedMiningChannel { max_target: U256([0; 32]), ..extended(1, "w") };
    assert_eq!(open(&mut wire, zero), is("max-target-out-of-range", Refused::Params));
    let long = "x".repeat(256);
    for user in ["", "a\nb", &long[..255]] {
        let mut wire = Wire::configured(0, |config| config.limits.user_name = 254);
        assert_eq!(open(&mut wire, extended(1, user)), is("invalid-user-identity", Refused::Login));
    }
    let raw = Str0_255::from(B0_255::new(b"\xff").unwrap());
    let raw = OpenExtendedMiningChannel { user_identity: raw, ..extended(1, "w") };
    assert_eq!(open(&mut wire, raw), is("invalid-user-identity", Refused::Login));

    wire.say(&extended(1, "w"));
    wire.say(&extended(2, "w"));
    let [ServerEvent::Authorize { worker: FIRST, .. }] = wire.events()[..] else { panic!() };
    assert_eq!(open(&mut wire, extended(3, "v")), is("unknown-user", Refused::Login));
    wire.session.authorize(FIRST, false);
    let sent = wire.sent();
    let errors = messages(&sent).into_iter().map(|message| match message {
        Message::OpenMiningChannelError(error) => (error.request_id, error.error_code.to_string()),
        other => panic!("{other:?}"),
    });
    assert_eq!(errors.collect::<Vec<_>>(), [1, 2].map(|id| (id, String::from("unknown-user"))));
    assert_eq!(open(&mut wire, extended(4, "w")), is("unknown-user", Refused::Login));

    let mut wire = Wire::set_up(REQUIRES_STANDARD_JOBS);
    let code = "extended-channels-not-supported-for-standard-jobs";
    assert_eq!(open(&mut wire, extended(1, "w")), is(code, Refused::Params));
}

#[test]
fn the_embedder_may_have_no_channel_left() {
    let mut wire = Wire::set_up(0);
    wire.say(&standard(7, "w"));
    wire.session.refuse_channel(ChannelId(2));
    wire.session.open_channel(ChannelId(2), prefix(2, 12), TARGET);
    assert!(wire.sent().is_empty(), "not asked for yet");
    wire.session.authorize(WorkerId(1), true);
    wire.session.authorize(FIRST, true);
    wire.session.refuse_channel(ChannelId(3));
    wire.session.refuse_channel(ChannelId(2));
    assert_eq!(wire.code(), "channel-capacity-exhausted");
    wire.session.open_channel(ChannelId(2), prefix(2, 12), TARGET);
    assert!(wire.sent().is_empty() && !wire.session.is_subscribed());
    wire.events();
    wire.say(&standard(8, "w"));
    assert_eq!(wire.serve(), []);
    let sent = wire.sent();
    assert!(matches!(messages(&sent)[..], [Message::OpenStandardMiningChannelSuccess(_)]));
}

#[test]
fn channels_are_bounded_open_or_not() {
    let mut wire = Wire::configured(0, |config| (config.limits.channels, config.limits.opens) = (3, 2));
    for request in 0..3 {
        wire.say(&standard(request, "w"));
    }
    assert_eq!(wire.code(), "channel-capacity-exhausted");
    assert_eq!(wire.serve(), [ServerEvent::Refused(Refused::Overloaded)]);
    wire.sent();
    wire.say(&standard(3, "w"));
    wire.say(&standard(4, "w"));
    assert_eq!(wire.code(), "channel-capacity-exhausted");
    assert_eq!(wire.serve(), [ServerEvent::Refused(Refused::Overloaded)]);
    wire.sent();
    wire.say(&CloseChannel { channel_id: 3, reason_code: Str0_255::EMPTY });
    wire.say(&standard(5, "w"));
    assert_eq!(wire.serve(), [ServerEvent::Closed { channel: ChannelId(3) }]);
}

#[test]
fn changes_are_refused_for_these_reasons() {
    let mut wire = Wire::with(0, &[&open_standard]);
    let update = UpdateChannel { channel_id: 9, nominal_hash_rate: 1.0, maximum_target: U256([1; 32]) };
    wire.say(&update);
    assert_eq!((wire.code(), refused(&mut wire)), ("invalid-channel-id".into(), Refused::Params));
    wire.say(&UpdateChannel { channel_id: 2, maximum_target: U256([0; 32]), ..update });
    assert_eq!((wire.code(), refused(&mut wire)), ("max-target-out-of-range".into(), Refused::Params));
    wire.say(&SetCustomMiningJob {
        channel_id: 2,
        request_id: 1,
        mining_job_token: B0_255::EMPTY,
        version: 1,
        prev_hash: U256([0; 32]),
        min_ntime: 0,
        nbits: 0,
        coinbase_tx_version: 2,
        coinbase_prefix: B0_255::EMPTY,
        coinbase_tx_input_n_sequence: 0,
        coinbase_tx_outputs: B0_64K::EMPTY,
        coinbase_tx_locktime: 0,
        merkle_path: Seq0_255::EMPTY,
    });
    assert_eq!((wire.code(), refused(&mut wire)), ("jd-not-supported".into(), Refused::Method));
}

#[test]
fn every_reason_for_refusing_a_share_has_its_code() {
    let mut wire = Wire::with(0, &[&open_standard]);
    let share = standard_share(2, 1);
    for (reject, code) in [
        (Reject::UnknownJob, "invalid-job-id"),
        (Reject::Stale, "stale-share"),
        (Reject::Duplicate, "duplicate-share"),
        (Reject::LowDifficulty { reached: Target::MAX, target: TARGET }, "difficulty-too-low"),
        (Reject::Extranonce2Length { expected: 8, found: 7 }, "bad-extranonce-size"),
        (Reject::VersionRollingOff, "version-rolling-not-allowed"),
        (Reject::VersionBits { bits: 1, mask: 0 }, "invalid-non-rollable-version-bit"),
        (Reject::TimeTooOld { ntime: 1, earliest: 2 }, "invalid-share"),
        (Reject::TimeTooNew { ntime: 2, latest: 1 }, "invalid-share"),
        (Reject::Unauthorized, "invalid-share"),
        (Reject::Overloaded, "invalid-share"),
        (Reject::NotRecorded, "invalid-share"),
    ] {
        assert_eq!(wire.refusal(&share, reject), code, "{reject}");
    }
    wire.say(&SubmitSharesStandard { channel_id: 9, ..share });
    assert_eq!(wire.code(), "invalid-channel-id");
    assert_eq!(refused(&mut wire), Refused::Share(None, Reject::NotSubscribed));
}

/// What a job refuses by itself: the session gives what it needs to know.
#[test]
fn a_job_sees_what_is_wrong_with_a_share() {
    let mut wire = Wire::with(0, &[&open_extended]);
    let terms = otedama_core::Terms { version_mask: 0x1fff_e000, ..terms(2, 1, false) };
    wire.session.send_job(&encoded(true), &terms);
    let job = support::v2::job(true, terms);
    let mut claim = |share: &dyn Fn() -> Vec<u8>| {
        wire.session.handle_input(&share(), wire.now).unwrap();
        job.claim(&wire.submitted().1).map(|claim| claim.header().as_bytes()[0])
    };
    assert_eq!(claim(&|| frame(&extended_share(2, 1))), Ok(1));
    let mut foreign = extended_share(2, 1);
    foreign.version = 0x2003;
    let bits = Err(Reject::VersionBits { bits: 0x2002, mask: 0x1fff_e000 });
    assert_eq!(claim(&|| frame(&foreign)), bits);
    let length = Err(Reject::Extranonce2Length { expected: 8, found: 0 });
    assert_eq!(claim(&|| frame(&standard_share(2, 1))), length);
}

#[test]
fn shares_beyond_the_limit_are_refused_in_their_turn_and_looked_at_all_the_same() {
    let mut wire = Wire::configured(0, |config| config.limits.pending_answers = 2);
    wire.say(&extended(1, "w"));
    assert_eq!(wire.serve(), []);
    wire.sent();
    for number in 1..=3 {
        wire.say(&extended_share(2, number));
    }
    let (first, second) = (wire.submitted().0, wire.submitted().0);
    let overloaded = Refused::Share(Some(FIRST), Reject::Overloaded);
    let events = wire.events();
    let [ServerEvent::Refused(refused), ServerEvent::Uncounted { share }] = &events[..] else { panic!() };
    assert_eq!((*refused, share.nonce), (overloaded, 3));
    assert!(wire.sent().is_empty());
    wire.session.answer(second, Ok(()));
    wire.session.answer(first, Ok(()));
    let sent = wire.sent();
    let [Message::SubmitSharesSuccess(success), Message::SubmitSharesError(error)] = messages(&sent)[..]
    else {
        panic!()
    };
    assert_eq!((success.new_submits_accepted_count, error.sequence_number), (2, 3));
}

#[test]
fn what_is_not_for_a_server_is_dropped_and_counted() {
    let mut wire = Wire::with(0, &[&open_extended]);
    let frames = [
        Frame { extension: 0, channel: false, kind: 0xff, payload: b"what" },
        Frame { extension: 0x4001, channel: true, kind: 0x1b, payload: b"" },
        Frame { extension: 1, channel: false, kind: 9, payload: b"" },
    ];
    for frame in &frames {
        wire.say(frame);
        assert_eq!(refused(&mut wire), Refused::Line);
    }
    wire.say(&AllocateMiningJobToken { user_identifier: Str0_255::EMPTY, request_id: 1 });
    let coinbase_tx = B0_64K::EMPTY;
    let (template_id, version, header_timestamp, header_nonce) = (1, 1, 1, 1);
    wire.say(&SubmitSolution { template_id, version, header_timestamp, header_nonce, coinbase_tx });
    wire.say(&otedama_stratum::v2::mining::SetTarget { channel_id: 2, maximum_target: U256([1; 32]) });
    assert_eq!(wire.events(), [(); 3].map(|()| ServerEvent::Refused(Refused::Line)));
    assert!(wire.sent().is_empty());
}

#[test]
fn malformed_messages_are_overlooked_up_to_a_limit() {
    let malformed = Frame { extension: 0, channel: true, kind: 0x1b, payload: b"\x02\0\0\0" };
    let closing = Frame { extension: 0, channel: true, kind: 0x18, payload: b"" };
    let mut wire = Wire::with(0, &[&open_extended]);
    for _ in 0..16 {
        wire.say(&malformed);
    }
    assert_eq!(wire.events(), [(); 16].map(|()| ServerEvent::Refused(Refused::MalformedShare(None))));
    wire.say(&extended_share(2, 1));
    wire.events();
    for _ in 0..16 {
        wire.say(&closing);
    }
    assert_eq!(wire.try_say(&closing), Err(SessionError::MalformedMessages { limit: 16 }));
    assert_eq!(wire.session.poll_timeout(), Some(otedama_core::Moment::ORIGIN));
}

#[test]
fn frames_are_bounded() {
    let mut wire = Wire::configured(0, |config| config.limits.frame = 100);
    let frame = |payload| Frame { extension: 9, channel: false, kind: 0, payload };
    wire.say(&frame(&[0; 100]));
    let error = Err(SessionError::FrameTooLong { limit: 100 });
    assert_eq!(wire.try_say(&frame(&[0; 101])), error);
    assert_eq!(wire.session.handle_input(&[], wire.now), error);
}

#[test]
fn a_flood_and_a_client_that_does_not_read_are_cut_off() {
    let mut wire = Wire::configured(0, |config| config.limits.events = 3);
    let unknown = Frame { extension: 9, channel: false, kind: 0, payload: b"" };
    let flood = frame(&unknown).repeat(4);
    let error = SessionError::EventsFull { limit: 3 };
    assert_eq!(wire.session.handle_input(&flood, wire.now), Err(error));

    let mut wire = Wire::configured(0, |config| {
        (config.limits.output, config.limits.output_per_channel) = (1000, 500);
    });
    wire.say(&extended(1, "w"));
    assert_eq!(wire.serve(), []);
    let mut jobs = 0;
    while wire.wait(0).is_ok() {
        jobs += 1;
        wire.session.send_job(&encoded(false), &terms(2, jobs, false));
    }
    assert_eq!(wire.wait(0), Err(SessionError::OutputFull { limit: 1500 }));
    assert!(wire.session.buffered_bytes() < 2000 && jobs > 2);

    let mut wire = Wire::configured(0, |config| {
        (config.limits.output, config.limits.output_per_channel, config.limits.pending_answers) =
            (1000, 0, 1);
    });
    wire.say(&extended(1, "w"));
    assert_eq!(wire.serve(), []);
    wire.sent();
    let ended = (0..1000).find_map(|number| wire.try_say(&extended_share(2, number)).err());
    assert_eq!(ended, Some(SessionError::OutputFull { limit: 1000 }), "refusals wait for the first answer");
}

#[test]
fn time_runs_out() {
    let mut wire = Wire::new(|_| {});
    wire.session.handle_input(&frame(&setup())[..7], wire.now).unwrap();
    assert_eq!(wire.wait(14), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::SubscribeTimeout));

    let mut wire = Wire::set_up(0);
    assert_eq!(wire.wait(59), Ok(()));
    assert_eq!(wire.session.poll_timeout(), Some(wire.now.plus(std::time::Duration::from_secs(1)).moment));
    assert_eq!(wire.wait(1), Err(SessionError::AuthorizeTimeout));

    let mut wire = Wire::set_up(0);
    wire.say(&extended(1, "w"));
    assert_eq!(wire.wait(1000), Ok(()), "the embedder's time");
    wire.session.handle_input(b"\0", wire.now).unwrap();
    assert_eq!(wire.wait(29), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::FrameTimeout));

    let mut wire = Wire::with(0, &[&open_extended]);
    assert_eq!(wire.wait(3 * 60 * 60 - 1), Ok(()));
    wire.say(&CloseChannel { channel_id: 2, reason_code: Str0_255::EMPTY });
    assert_eq!(wire.wait(59), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::AuthorizeTimeout), "a connection without channels");

    let mut wire = Wire::with(0, &[&open_extended]);
    assert_eq!(wire.wait(3 * 60 * 60), Err(SessionError::Silent));
}

#[test]
fn wishes_that_are_none_are_left_out() {
    for rate in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut wire = Wire::set_up(0);
        wire.say(&OpenStandardMiningChannel { nominal_hash_rate: rate, ..standard(1, "w") });
        wire.events();
        wire.session.authorize(FIRST, true);
        let events = wire.events();
        let [ServerEvent::Subscribe { wish, .. }] = &events[..] else { panic!() };
        assert_eq!((wish.hash_rate, wish.easiest), (None, Target::MAX));
    }
}

/// However the stream is cut, the same comes out.
#[test]
fn any_chopping_gives_the_same_session() {
    let share = SubmitSharesStandard { channel_id: 2, ..standard_share(2, 1) };
    let unknown = Frame { extension: 9, channel: false, kind: 7, payload: b"abc" };
    let stream = [
        frame(&setup()),
        frame(&standard(1, "w")),
        frame(&unknown),
        frame(&share),
        frame(&extended_share(2, 2)),
        frame(&CloseChannel { channel_id: 2, reason_code: Str0_255::EMPTY }),
    ]
    .concat();
    let run = |size: usize| {
        let mut wire = Wire::new(|_| {});
        let mut events = Vec::new();
        for piece in stream.chunks(size) {
            wire.session.handle_input(piece, wire.now).unwrap();
            events.extend(wire.serve().iter().map(|event| format!("{event:?}")));
        }
        (events, wire.sent())
    };
    let bytewise = run(1);
    assert_eq!(bytewise.0.len(), 4);
    for size in 2..40 {
        assert_eq!(run(size), bytewise, "pieces of {size}");
    }
}
