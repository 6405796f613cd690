//! The server's session of Stratum V2, driven by the frames that clients send.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use otedama_core::{ChannelId, Extranonce, HashRate, JobId, Reject, Target, Terms, WorkerId};
use otedama_stratum::v2::common::{
    REQUIRES_FIXED_VERSION, REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, Reconnect, SetupConnection,
    SetupConnectionSuccess,
};
use otedama_stratum::v2::extension::{RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess};
use otedama_stratum::v2::mining::{
    CloseChannel, NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannelSuccess,
    OpenStandardMiningChannelSuccess, SetExtranoncePrefix, SetNewPrevHash, SetTarget, SubmitSharesExtended,
    SubmitSharesStandard, SubmitSharesSuccess, UpdateChannel,
};
use otedama_stratum::v2::{B0_32, B0_64K, Encode, Message, Seq0_64K, Seq0_255, Str0_255, Tlv, U256};
use otedama_stratum::{ChannelKind, EncodedJob, Protocol, Refused, ServerEvent, Wish};
use support::v2::{
    FIRST, TARGET, Wire, body, encoded, extended, extended_share, frame, job, messages, open_extended,
    open_standard, prefix, setup, standard, standard_share, terms,
};

/// What a job of [`body`] is on the wire, and what starts it.
fn on_the_wire(channel_id: u32, job_id: u32, starts: bool, each: impl FnOnce(Message<'_>, Message<'_>)) {
    let body = body(true);
    let otedama_core::HeaderSource::Bitcoin(source) = &body.source else { panic!("made with a coinbase") };
    let path: Vec<_> = source.merkle_path.iter().copied().map(U256::from).collect();
    let job = NewExtendedMiningJob {
        channel_id,
        job_id,
        min_ntime: starts.then_some(source.ntime),
        version: 1,
        version_rolling_allowed: true,
        merkle_path: Seq0_255::new(&path).unwrap(),
        coinbase_tx_prefix: B0_64K::new(&source.coinbase.prefix).unwrap(),
        coinbase_tx_suffix: B0_64K::new(&source.coinbase.suffix).unwrap(),
    };
    let start = SetNewPrevHash {
        channel_id,
        job_id,
        prev_hash: source.previous.into(),
        min_ntime: source.ntime,
        nbits: source.nbits.to_bits(),
    };
    each(job.into(), start.into());
}

#[test]
fn a_connection_is_stratum_v2_by_its_first_byte() {
    let mut wire = Wire::new(|_| {});
    assert_eq!(wire.session.protocol(), Protocol::V1);
    wire.session.handle_input(&[], wire.now).unwrap();
    wire.session.handle_input(&[0], wire.now).unwrap();
    assert_eq!(wire.session.protocol(), Protocol::V2);
    wire.session.handle_input(&frame(&setup())[1..], wire.now).unwrap();
    let sent = wire.sent();
    assert_eq!(messages(&sent), [SetupConnectionSuccess { used_version: 2, flags: 0 }.into()]);
    assert_eq!((wire.session.agent(), wire.session.is_subscribed()), ("acme/rig/1.0", false));
    assert!(wire.session.accepts_extranonce_changes());
    let mut v1 = support::Wire::new(|_| {});
    v1.say("");
    v1.session.handle_input(b"\0\n", v1.now).unwrap();
    assert_eq!(v1.session.protocol(), Protocol::V1);
    assert_eq!(v1.events(), [ServerEvent::Refused(Refused::Line)]);
    v1.subscribed("00");
}

#[test]
fn an_extended_channel_lives() {
    let mut wire = Wire::set_up(0);
    wire.say(&extended(7, "wallet.rig"));
    let [ServerEvent::Authorize { worker: FIRST, login }] = &wire.events()[..] else { panic!() };
    assert_eq!((login.user.as_str(), login.password.as_str()), ("wallet.rig", ""));
    wire.session.authorize(FIRST, true);
    let mut wish = Wish::new(ChannelKind::Extended);
    wish.hash_rate = Some(HashRate::from_hashes_per_second(f64::from(1e12f32)));
    let channel = ChannelId(2);
    let agent = String::from("acme/rig/1.0");
    let expected = ServerEvent::Subscribe { channel, worker: Some(FIRST), wish, agent, resume: None };
    assert_eq!(wire.events(), [expected]);
    assert!(wire.sent().is_empty());
    wire.session.open_channel(channel, prefix(2, 4), TARGET);
    wire.session.send_job(&encoded(true), &terms(2, 1, false));
    let success = OpenExtendedMiningChannelSuccess {
        request_id: 7,
        channel_id: 2,
        target: TARGET.into(),
        extranonce_size: 8,
        extranonce_prefix: B0_32::new(&[0, 0, 0, 2]).unwrap(),
        group_channel_id: 1,
    };
    let sent = wire.sent();
    on_the_wire(2, 1, false, |job, start| assert_eq!(messages(&sent), [success.into(), job, start]));

    let rolled = SubmitSharesExtended { version: 0x0000_2021, ..extended_share(2, 1) };
    wire.say(&rolled);
    let (ticket, share) = wire.submitted();
    assert_eq!((share.channel, share.worker, share.version_bits), (channel, FIRST, Some(0x2020)));
    let header = job(true, terms(2, 1, false)).header(&share).unwrap();
    assert_eq!(header.as_bytes()[..4], 0x2021u32.to_le_bytes());
    wire.session.answer(ticket, Ok(()));
    let success = SubmitSharesSuccess {
        channel_id: 2,
        last_sequence_number: 1,
        new_submits_accepted_count: 1,
        new_shares_sum: 1,
    };
    let sent = wire.sent();
    assert_eq!(messages(&sent), [success.into()]);
}

#[test]
fn a_standard_channel_lives() {
    let mut wire = Wire::set_up(REQUIRES_STANDARD_JOBS);
    wire.say(&standard(9, "w"));
    assert_eq!(wire.serve(), []);
    let terms = terms(2, 1, true);
    wire.session.send_job(&encoded(true), &terms);
    let sent = wire.sent();
    let success = OpenStandardMiningChannelSuccess {
        request_id: 9,
        channel_id: 2,
        target: TARGET.into(),
        extranonce_prefix: B0_32::new(terms.extranonce_prefix.as_bytes()).unwrap(),
        group_channel_id: 0,
    };
    let job = job(true, terms);
    let root = job.merkle_root(&Extranonce::EMPTY);
    let new = |job_id, min_ntime| NewMiningJob {
        channel_id: 2,
        job_id,
        min_ntime,
        version: 1,
        merkle_root: root.into(),
    };
    on_the_wire(2, 1, false, |_, start| {
        assert_eq!(messages(&sent), [success.into(), new(1, None).into(), start]);
    });
    let harder = Target::from_limbs([0, 0, 0, 0xffff]);
    let next = Terms { id: JobId(2), share_target: harder, ..terms };
    wire.session.send_job(&encoded(false), &next);
    let sent = wire.sent();
    let target = SetTarget { channel_id: 2, maximum_target: harder.into() };
    assert_eq!(messages(&sent), [target.into(), new(2, Some(0x4966_bc61)).into()]);

    wire.say(&standard_share(2, 1));
    let (ticket, share) = wire.submitted();
    assert_eq!((share.version_bits, share.extranonce2), (Some(0), Extranonce::EMPTY));
    assert_eq!(job.header(&share).unwrap().as_bytes()[36..68], *root.as_internal());
    wire.session.answer(ticket, Err(Reject::Duplicate));
    assert_eq!(wire.code(), "duplicate-share");
}

#[test]
fn extensions_are_agreed_on_or_refused() {
    let mut wire = Wire::set_up(0);
    let mut ask = |list: &[u16]| {
        let requested_extensions = Seq0_64K::new(list).unwrap();
        wire.say(&RequestExtensions { request_id: 5, requested_extensions });
        wire.sent()
    };
    let success = |list| RequestExtensionsSuccess { request_id: 5, supported_extensions: list };
    assert_eq!(messages(&ask(&[7, 2])), [success(Seq0_64K::new(&[2]).unwrap()).into()]);
    assert_eq!(messages(&ask(&[])), [success(Seq0_64K::EMPTY).into()]);
    let unknown = [3, 4];
    let error = RequestExtensionsError {
        request_id: 5,
        unsupported_extensions: Seq0_64K::new(&unknown).unwrap(),
        required_extensions: Seq0_64K::EMPTY,
    };
    assert_eq!(messages(&ask(&unknown)), [error.into()]);
    assert_eq!(wire.events(), [ServerEvent::Refused(Refused::Method)]);
}

#[test]
fn machines_are_named_once_and_only_where_it_was_agreed() {
    let mut wire = Wire::configured(0, |config| config.limits.workers = 2);
    wire.say(&extended(1, "w"));
    assert_eq!(wire.serve(), []);
    let submit = |wire: &mut Wire, name: &str| {
        let name = [Tlv::worker_name(name).unwrap()];
        wire.say(&extended_share(2, 1).with(&name));
        let mut events = wire.events();
        let Some(ServerEvent::Submit { share, .. }) = events.pop() else { panic!("{events:?}") };
        (share.worker.0, events)
    };
    assert_eq!(submit(&mut wire, "rig1"), (0, vec![]));
    let requested_extensions = Seq0_64K::new(&[2]).unwrap();
    wire.say(&RequestExtensions { request_id: 5, requested_extensions });
    let machine = |number, name: &str| {
        let (worker, name) = (WorkerId(number), String::from(name));
        vec![ServerEvent::Machine { worker, of: FIRST, name }]
    };
    assert_eq!(submit(&mut wire, "rig1"), (1, machine(1, "rig1")));
    assert_eq!(submit(&mut wire, "rig\n2"), (2, machine(2, "rig2")));
    assert_eq!(submit(&mut wire, "rig1"), (1, vec![]));
    assert_eq!(submit(&mut wire, "rig\n2"), (2, vec![]));
    assert_eq!(submit(&mut wire, "rig3"), (0, vec![]), "one too many counts for the worker");
    wire.say(&extended_share(2, 1));
    assert_eq!(wire.submitted().1.worker, FIRST, "no name, no machine");
}

#[test]
fn accepted_shares_are_answered_together_up_to_a_limit() {
    let mut wire = Wire::configured(0, |config| config.share_batch = 3);
    wire.say(&extended(1, "w"));
    wire.say(&extended(2, "w"));
    assert_eq!(wire.serve(), []);
    wire.sent();
    for (channel, number) in [(2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (2, 5)] {
        wire.say(&extended_share(channel, number));
    }
    let tickets: Vec<_> = (0..6).map(|_| wire.submitted().0).collect();
    for ticket in tickets.iter().rev() {
        wire.session.answer(*ticket, Ok(()));
    }
    // The target is worth 2^32 hashes, which is difficulty 1.
    let success = |channel_id, last_sequence_number, count: u32| {
        let (new_submits_accepted_count, new_shares_sum) = (count, count.into());
        Message::from(SubmitSharesSuccess {
            channel_id,
            last_sequence_number,
            new_submits_accepted_count,
            new_shares_sum,
        })
    };
    let sent = wire.sent();
    assert_eq!(messages(&sent), [success(2, 3, 3), success(2, 4, 1), success(3, 1, 1), success(2, 5, 1)]);
    assert_eq!(wire.session.buffered_bytes(), 0);
    wire.session.answer(tickets[0], Ok(()));
    assert!(wire.sent().is_empty(), "a ticket is good for one answer");
}

/// The sum is of the targets that the jobs had, not of the channel's newest.
#[test]
fn difficulties_are_those_of_the_jobs() {
    let mut wire = Wire::with(0, &[&open_extended]);
    wire.session.send_job(&encoded(true), &terms(2, 1, false));
    let harder = Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0xff_ffff]);
    let next = Terms { id: JobId(2), share_target: harder, ..terms(2, 2, false) };
    wire.session.send_job(&encoded(false), &next);
    wire.sent();
    for job_id in [1, 2, 1] {
        wire.say(&SubmitSharesExtended { job_id, ..extended_share(2, 1) });
        let (ticket, _) = wire.submitted();
        wire.session.answer(ticket, Ok(()));
    }
    let sent = wire.sent();
    let [Message::SubmitSharesSuccess(success)] = messages(&sent)[..] else { panic!() };
    assert_eq!((success.new_submits_accepted_count, success.new_shares_sum), (3, 1 + 256 + 1));
}

#[test]
fn a_group_gets_a_job_in_one_message() {
    let mut wire = Wire::with(0, &[&open_extended, &open_standard, &open_extended]);
    let all = |id| [terms(2, id, false), terms(3, id, true), terms(4, id, false)];
    let (clean, unclean) = (encoded(true), encoded(false));
    wire.session.send_jobs(&unclean, &all(1));
    let sent = wire.sent();
    on_the_wire(1, 1, false, |job, start| assert_eq!(messages(&sent), [job, start], "the first one"));
    wire.session.send_jobs(&unclean, &all(2));
    let sent = wire.sent();
    on_the_wire(1, 2, true, |job, _| assert_eq!(messages(&sent), [job]));
    wire.session.send_jobs(&clean, &all(3));
    let sent = wire.sent();
    on_the_wire(1, 3, false, |job, start| assert_eq!(messages(&sent), [job, start]));

    // The standard channel makes its root from its whole extranonce.
    wire.say(&SubmitSharesStandard { job_id: 3, ..standard_share(3, 1) });
    let (_, share) = wire.submitted();
    let root = job(true, terms(3, 3, true)).merkle_root(&share.extranonce2);
    let twelve = Extranonce::from_hex("000000000000000000000003").unwrap();
    let by_group = Terms { extranonce_prefix: Extranonce::EMPTY, ..terms(2, 3, false) };
    assert_eq!(job(true, by_group).merkle_root(&twelve), root);

    let harder = Target::from_limbs([0, 0, 0, 0xffff]);
    let mut some = all(4);
    some[1].share_target = harder;
    wire.session.send_jobs(&unclean, &some);
    let sent = wire.sent();
    let target = SetTarget { channel_id: 3, maximum_target: harder.into() };
    on_the_wire(1, 4, true, |job, _| assert_eq!(messages(&sent), [target.into(), job]));
}

/// The channels that the messages of a broadcast are for.
fn receivers(wire: &mut Wire, encoded: &EncodedJob, terms: &[Terms]) -> Vec<(u32, bool)> {
    wire.session.send_jobs(encoded, terms);
    let sent = wire.sent();
    let jobs = messages(&sent).into_iter().filter_map(|message| match message {
        Message::NewExtendedMiningJob(job) => Some((job.channel_id, job.min_ntime.is_some())),
        Message::NewMiningJob(job) => Some((job.channel_id, job.min_ntime.is_some())),
        Message::SetNewPrevHash(_) => None,
        other => panic!("{other:?}"),
    });
    jobs.collect()
}

#[test]
fn what_is_not_the_same_for_the_whole_group_goes_to_each_channel() {
    let mut wire = Wire::with(0, &[&open_extended, &open_extended, &open_standard]);
    let all = |id| [terms(2, id, false), terms(3, id, false), terms(4, id, true)];
    let (clean, unclean) = (encoded(true), encoded(false));
    assert_eq!(receivers(&mut wire, &clean, &all(1)[..2]), [(2, false), (3, false)], "one is left out");
    assert_eq!(receivers(&mut wire, &unclean, &all(2)), [(2, true), (3, true), (4, false)], "one is new");
    let [mut one, two, three] = all(3);
    one.id = JobId(9);
    assert_eq!(receivers(&mut wire, &unclean, &[one, two, three]), [(2, true), (3, true), (4, true)]);
    let [mut one, two, three] = all(4);
    one.version_mask = 0;
    assert_eq!(receivers(&mut wire, &unclean, &[one, two, three]), [(2, true), (3, true), (4, true)]);
    let [one, two, three] = all(5);
    assert_eq!(receivers(&mut wire, &unclean, &[two, one, three]), [(3, true), (2, true), (4, true)]);
    assert_eq!(receivers(&mut wire, &unclean, &all(6)), [(1, true)]);
    wire.session.close_channel(ChannelId(4), "test");
    wire.session.close_channel(ChannelId(3), "test");
    wire.sent();
    assert_eq!(receivers(&mut wire, &unclean, &all(7)), [(2, true)], "nobody is left to share with");

    let mut alone = Wire::with(REQUIRES_STANDARD_JOBS, &[&open_standard, &open_standard]);
    let each = [terms(2, 1, true), terms(3, 1, true)];
    assert_eq!(receivers(&mut alone, &clean, &each), [(2, false), (3, false)]);
}

/// A job cannot start at once on a block that the client does not know of, whatever `clean` says.
#[test]
fn a_job_on_another_block_is_told_with_it() {
    let mut wire = Wire::with(0, &[&open_extended]);
    wire.session.send_job(&encoded(false), &terms(2, 1, false));
    let mut other = body(false);
    let otedama_core::HeaderSource::Bitcoin(source) = &mut other.source else { panic!() };
    source.previous = otedama_core::Hash256::sha256d(b"another");
    let other = EncodedJob::new(&other).unwrap();
    wire.sent();
    for (id, kinds) in [(2, 2), (3, 1)] {
        wire.session.send_job(&other, &terms(2, id, false));
        let sent = wire.sent();
        assert_eq!(messages(&sent).len(), kinds);
    }
}

#[test]
fn a_channel_changes_and_closes() {
    let mut wire = Wire::with(0, &[&open_extended, &open_standard, &open_extended]);
    let mut easiest = [0; 32];
    easiest[20] = 1;
    let update = UpdateChannel { channel_id: 3, nominal_hash_rate: -1.0, maximum_target: U256(easiest) };
    wire.say(&update);
    let mut wish = Wish::new(ChannelKind::Standard);
    wish.easiest = Target::from_le_bytes(easiest);
    assert_eq!(wire.events(), [ServerEvent::Update { channel: ChannelId(3), wish }]);

    wire.say(&extended_share(2, 1));
    let (kept, _) = wire.submitted();
    wire.say(&extended_share(2, 2));
    let (dropped, _) = wire.submitted();
    wire.session.answer(kept, Ok(()));
    let close = |channel_id| CloseChannel { channel_id, reason_code: Str0_255::new("done").unwrap() };
    wire.say(&close(2));
    assert_eq!(wire.events(), [ServerEvent::Closed { channel: ChannelId(2) }]);
    wire.session.answer(dropped, Ok(()));
    let sent = wire.sent();
    let [Message::SubmitSharesSuccess(success)] = messages(&sent)[..] else { panic!() };
    assert_eq!((success.last_sequence_number, success.new_submits_accepted_count), (1, 1));
    wire.session.send_job(&encoded(true), &terms(2, 1, false));
    wire.say(&close(2));
    wire.say(&close(77));
    assert_eq!((wire.sent(), wire.events()), (vec![], vec![]));

    wire.say(&extended(8, "w"));
    assert_eq!(wire.serve(), []);
    let sent = wire.sent();
    let [Message::OpenExtendedMiningChannelSuccess(success)] = messages(&sent)[..] else { panic!() };
    assert_eq!(success.channel_id, 5, "numbers do not come again");
    wire.say(&close(1));
    let closed = |id| ServerEvent::Closed { channel: ChannelId(id) };
    assert_eq!(wire.events(), [closed(3), closed(4), closed(5)]);
    assert!(!wire.session.is_subscribed());
}

#[test]
fn a_server_closes_a_channel_and_changes_a_prefix() {
    let mut wire = Wire::with(0, &[&open_extended, &open_standard]);
    assert!(wire.session.change_prefix(ChannelId(2), prefix(9, 4)));
    assert!(!wire.session.change_prefix(ChannelId(2), prefix(9, 5)), "of another length");
    assert!(wire.session.change_prefix(ChannelId(3), prefix(9, 12)));
    assert!(!wire.session.change_prefix(ChannelId(4), prefix(9, 4)), "no such channel");
    wire.session.close_channel(ChannelId(3), "bye");
    wire.session.close_channel(ChannelId(3), "bye");
    assert!(!wire.session.change_prefix(ChannelId(3), prefix(9, 12)));
    let sent = wire.sent();
    let set = |channel_id, bytes| {
        let extranonce_prefix = B0_32::new(bytes).unwrap();
        SetExtranoncePrefix { channel_id, extranonce_prefix }
    };
    let reason_code = Str0_255::new("bye").unwrap();
    assert_eq!(
        messages(&sent),
        [
            set(2, &[0, 0, 0, 9]).into(),
            set(3, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]).into(),
            CloseChannel { channel_id: 3, reason_code }.into(),
        ]
    );
    assert_eq!(wire.events(), []);
}

#[test]
fn software_that_crashes_is_not_asked_to_follow() {
    let known = |text| Str0_255::new(text).unwrap();
    let (sri, translator) = (known("SRI"), known("Translator Proxy"));
    let plain = setup();
    let device = SetupConnection {
        vendor: Str0_255::EMPTY,
        hardware_version: Str0_255::EMPTY,
        firmware: Str0_255::EMPTY,
        ..plain
    };
    let translator = SetupConnection { vendor: sri, hardware_version: translator, ..plain };
    for (setup, reconnects, prefixes) in
        [(plain, true, true), (translator, false, true), (device, false, false)]
    {
        let mut wire = Wire::new(|_| {});
        wire.say(&setup);
        wire.say(&extended(1, "w"));
        assert_eq!(wire.serve(), []);
        wire.sent();
        assert_eq!(wire.session.accepts_extranonce_changes(), prefixes);
        assert_eq!(wire.session.change_prefix(ChannelId(2), prefix(9, 4)), prefixes);
        wire.sent();
        assert_eq!(wire.session.reconnect("pool.example", 7, Duration::from_secs(9)), reconnects);
        let sent = wire.sent();
        let expected = Reconnect { new_host: Str0_255::new("pool.example").unwrap(), new_port: 7 };
        let expected: &[Message<'_>] = if reconnects { &[expected.into()] } else { &[] };
        assert_eq!(messages(&sent), expected);
        assert!(!wire.session.reconnect(&"x".repeat(256), 7, Duration::ZERO));
        wire.session.show_message("hello");
        wire.session.ping();
        wire.session.ask_version();
        assert!(wire.sent().is_empty(), "there are no such messages");
    }
}

#[test]
fn versions_are_rolled_only_where_all_bits_are_free() {
    let wire = Wire::set_up(REQUIRES_VERSION_ROLLING);
    let all = 0x1fff_ffe0;
    assert_eq!((wire.session.version_mask(), wire.session.mask_within(u32::MAX)), (all, all));
    assert_eq!((wire.session.mask_within(all), wire.session.mask_within(!0x2000)), (all, 0));
    let mut fixed = Wire::new(|config| config.version_mask = 0);
    fixed.say(&setup());
    let sent = fixed.sent();
    let success = SetupConnectionSuccess { used_version: 2, flags: REQUIRES_FIXED_VERSION };
    assert_eq!(messages(&sent), [success.into()]);
    assert_eq!((fixed.session.version_mask(), fixed.session.mask_within(u32::MAX)), (0, 0));
    fixed.say(&extended(1, "w"));
    assert_eq!(fixed.serve(), []);
    fixed.session.send_job(&encoded(true), &Terms { version_mask: 0, ..terms(2, 1, false) });
    let sent = fixed.sent();
    let [_, Message::NewExtendedMiningJob(job), _] = messages(&sent)[..] else { panic!() };
    assert!(!job.version_rolling_allowed);
    for (version, bits) in [(1, 0), (0x2001, 0x2000)] {
        fixed.say(&SubmitSharesExtended { version, ..extended_share(2, 1) });
        assert_eq!(fixed.submitted().1.version_bits, Some(bits));
    }
    fixed.say(&SubmitSharesExtended { job_id: 4, version: 0x2001, ..extended_share(2, 1) });
    assert_eq!(fixed.submitted().1.version_bits, None, "nobody knows the version of an unknown job");
}

/// Once its buffers have their size, a session needs no memory for a share, its answer and their way through.
#[test]
fn a_share_costs_no_allocation() {
    let mut wire = Wire::with(0, &[&open_extended]);
    wire.session.send_job(&encoded(true), &terms(2, 1, false));
    wire.sent();
    let frames = [(); 8].map(|()| frame(&extended_share(2, 1))).concat();
    let mut exchange = |times: u32| {
        for _ in 0..times {
            let (whole, cut) = frames.split_at(frames.len() - 3);
            wire.session.handle_input(whole, wire.now).unwrap();
            wire.session.handle_input(cut, wire.now).unwrap();
            while let Some(ServerEvent::Submit { ticket, share }) = wire.session.poll_event() {
                let verdict = if share.nonce == 1 { Ok(()) } else { Err(Reject::Duplicate) };
                wire.session.answer(ticket, verdict);
            }
            let mut sent = 0;
            while let Some(piece) = wire.session.poll_transmit() {
                sent += piece.len();
            }
            assert!(sent > 0);
        }
    };
    exchange(100);
    assert_eq!(allocation_counter::measure(|| exchange(1000)).count_total, 0);
}
