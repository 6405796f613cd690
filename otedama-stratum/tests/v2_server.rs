//! The server's session of Stratum V2, driven by the frames that clients send.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use otedama_core::{ChannelId, Extranonce, HashRate, Reject, Target};
use otedama_stratum::v2::common::{REQUIRES_STANDARD_JOBS, SetupConnectionSuccess};
use otedama_stratum::v2::mining::{
    NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannelSuccess, OpenStandardMiningChannelSuccess,
    SetNewPrevHash, SetTarget, SubmitSharesExtended, SubmitSharesSuccess,
};
use otedama_stratum::v2::{B0_32, B0_64K, Message, Seq0_255, U256};
use otedama_stratum::{ChannelKind, Protocol, Refused, ServerEvent, Wish};
use support::v2::{
    FIRST, TARGET, Wire, body, encoded, extended, extended_share, frame, job, messages, prefix, setup,
    standard, standard_share, terms,
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
    let next = otedama_core::Terms { id: otedama_core::JobId(2), share_target: harder, ..terms };
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
