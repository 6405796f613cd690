//! The client's session of Stratum V2, driven by the frames that pools send.
#![allow(clippy::unwrap_used, clippy::panic)]

mod ends;
mod wire;

use std::time::Duration;

use otedama_core::{ChannelId, Extranonce, Generation, HashRate, HeaderSource, Reject};
use otedama_stratum::v2::common::{self, SetupConnectionSuccess};
use otedama_stratum::v2::extension::{RequestExtensionsError, RequestExtensionsSuccess};
use otedama_stratum::v2::mining::{
    NewExtendedMiningJob, NewMiningJob, OpenStandardMiningChannelSuccess, SetExtranoncePrefix,
    SetGroupChannel, SetTarget, SubmitSharesExtended, SubmitSharesSuccess,
};
use otedama_stratum::v2::{B0_32, Message, Seq0_64K, Str0_255, U256};
use otedama_stratum::{ChannelKind, ClientConfig, ClientEvent, Protocol, SubmitError};

use wire::*;

#[test]
fn the_greeting_is_what_pools_expect() {
    let mut wire = Wire::new(|config| config.endpoint = Some(("pool.example".into(), 34254)));
    assert_eq!(wire.session.protocol(), Protocol::V2);
    let sent = wire.sent();
    let Message::SetupConnection(setup) = message(&sent) else { panic!() };
    assert_eq!((setup.protocol, setup.min_version, setup.max_version), (common::Protocol::MINING, 2, 2));
    assert_eq!(setup.flags, 0, "a miner that can roll does not require it");
    assert_eq!((setup.endpoint_host, setup.endpoint_port), (text("pool.example"), 34254));
    assert_eq!((setup.vendor, setup.firmware), (text("test"), text("1.2")));
    assert_eq!((setup.hardware_version, setup.device_id), (Str0_255::EMPTY, Str0_255::EMPTY));

    wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    let sent = wire.sent();
    let Message::OpenExtendedMiningChannel(open) = message(&sent) else { panic!() };
    assert_eq!((open.request_id, open.user_identity), (1, text("wallet.rig1")));
    assert_eq!((open.max_target, open.min_extranonce_size), (U256([0xff; 32]), 4));
    assert_eq!(open.nominal_hash_rate.to_bits(), 1e6f32.to_bits());
    assert_eq!((wire.session.is_ready(), wire.session.version_mask()), (false, 0x1fff_e000));
    wire.hear(&opened());
    assert!(matches!(wire.events()[..], [ClientEvent::Ready]));
    assert!(wire.session.is_ready());
}

#[test]
fn wishes_are_said() {
    let mut wire = Wire::new(|config| {
        config.version_mask = 0;
        config.channel = ChannelKind::Standard;
        config.suggested = Some(target(32));
    });
    let sent = wire.sent();
    let Message::SetupConnection(setup) = message(&sent) else { panic!() };
    assert_eq!((setup.flags, setup.endpoint_host, setup.endpoint_port), (0, Str0_255::EMPTY, 0));
    wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    let sent = wire.sent();
    let Message::OpenStandardMiningChannel(open) = message(&sent) else { panic!() };
    assert_eq!(open.max_target, target(32).into());
    assert_eq!(open.nominal_hash_rate.to_bits(), 4_294_967_296f32.to_bits(), "a share a second");

    let fast = HashRate::from_hashes_per_second(1e14);
    let mut wire = Wire::ready(|config| config.hash_rate = Some(fast));
    wire.session.set_hash_rate(HashRate::from_hashes_per_second(1e300));
    let sent = wire.sent();
    let Message::UpdateChannel(update) = message(&sent) else { panic!() };
    assert_eq!((update.channel_id, update.maximum_target), (CHANNEL, U256([0xff; 32])));
    assert_eq!(update.nominal_hash_rate.to_bits(), f32::MAX.to_bits());
}

#[test]
fn a_job_is_complete_and_its_share_is_the_pools() {
    let (mut wire, job) = Wire::mining(|_| {});
    let HeaderSource::Bitcoin(source) = &job.body().source else { panic!() };
    assert_eq!((source.version, source.ntime, source.merkle_path.len()), (0x2000_0000, NTIME, 1));
    assert_eq!(source.previous.as_internal(), &[7; 32]);
    let terms = job.terms();
    assert_eq!((terms.channel, terms.extranonce2_len, terms.version_mask), (ChannelId(2), 16, 0x1fff_e000));
    assert_eq!((terms.extranonce_prefix.to_string().as_str(), terms.share_target), ("01000007", target(16)));
    assert!(job.body().clean);
    assert!(job.work(&Extranonce::new(&[0; 16]).unwrap(), Generation(0)).is_ok());

    let mut rolled = share(&job);
    let plain = wire.submit(&rolled);
    rolled.version_bits = Some(0x2000);
    rolled.ntime += 5;
    wire.submit(&rolled);
    let sent = wire.sent();
    let first = SubmitSharesExtended {
        channel_id: CHANNEL,
        sequence_number: 0,
        job_id: 1,
        nonce: 0xb295_7c02,
        ntime: NTIME,
        version: 0x2000_0000,
        extranonce: B0_32::new(&[9; 16]).unwrap(),
    };
    let second = SubmitSharesExtended { sequence_number: 1, ntime: NTIME + 5, version: 0x2000_2000, ..first };
    assert_eq!(shares(&sent), [first, second]);
    let header = job.header(&rolled).unwrap();
    assert_eq!(header.as_bytes()[..4], second.version.to_le_bytes());

    wire.hear(&accepted(0, 1));
    assert!(matches!(wire.events()[..], [ClientEvent::Accepted(id)] if id == plain));
}

#[test]
fn answers_come_in_batches_and_each_share_has_one() {
    let (mut wire, job) = Wire::mining(|_| {});
    let ids: Vec<_> = (0..6).map(|_| wire.submit(&share(&job))).collect();
    wire.hear(&refused(1, "stale-share"));
    wire.hear(&refused(1, "twice"));
    wire.hear(&SubmitSharesSuccess { channel_id: 9, ..accepted(5, 6) });
    wire.hear(&accepted(6, 7));
    wire.hear(&accepted(u32::MAX, 1));
    let events = wire.events();
    let [ClientEvent::Rejected(id, why)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*id, why.code, why.message.as_str()), (ids[1], None, "stale-share"));
    wire.hear(&accepted(3, 3));
    let told = wire.events().into_iter().map(|event| match event {
        ClientEvent::Accepted(id) => id,
        other => panic!("{other:?}"),
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [ids[0], ids[2], ids[3]]);
    wire.hear(&refused(4, "bad\u{7}\u{1b}[31m"));
    wire.hear(&accepted(5, 1));
    let events = wire.events();
    let [ClientEvent::Rejected(_, why), ClientEvent::Accepted(_)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(why.message, "bad[31m");
}

/// Each change reaches the embedder as a job, at the time that the protocol gives it.
#[test]
fn changes_arrive_with_a_job() {
    let (mut wire, first) = Wire::mining(|_| {});
    wire.hear(&job(GROUP, 2, None));
    wire.hear(&SetExtranoncePrefix {
        channel_id: CHANNEL,
        extranonce_prefix: B0_32::new(&[1, 0, 0, 8]).unwrap(),
    });
    wire.hear(&SetTarget { channel_id: GROUP, maximum_target: target(8).into() });
    wire.hear(&SetTarget { channel_id: 77, maximum_target: target(24).into() });
    assert!(wire.events().is_empty(), "neither is for the present job");

    wire.hear(&job(GROUP, 3, Some(NTIME + 30)));
    let later = wire.job();
    assert_eq!((later.terms().share_target, later.terms().extranonce_prefix.as_bytes()[3]), (target(8), 8));
    assert_eq!((later.body().ntime(), later.body().clean), (NTIME + 30, false));
    let HeaderSource::Bitcoin(source) = &later.body().source else { panic!() };
    assert_eq!(source.previous.as_internal(), &[7; 32]);
    wire.submit(&share(&first));
    let early = wire.session.submit(&share(&later), wire.now);
    let (ntime, earliest) = (NTIME, NTIME + 30);
    assert_eq!(early, Err(SubmitError::Unfit(Reject::TimeTooOld { ntime, earliest })));

    wire.hear(&tip(GROUP, 2));
    let next = wire.job();
    assert_eq!(next.terms().extranonce_prefix.as_bytes()[3], 7, "as it was when the job came");
    assert_eq!((next.terms().share_target, next.body().clean), (target(8), true));
    for dead in [&first, &later] {
        assert_eq!(wire.session.submit(&share(dead), wire.now), Err(SubmitError::UnknownJob));
    }
    wire.submit(&share(&next));
    let sent = wire.sent();
    let sent: Vec<_> = shares(&sent).iter().map(|share| (share.sequence_number, share.job_id)).collect();
    assert_eq!(sent, [(0, 1), (1, 2)]);
}

#[test]
fn jobs_that_nobody_took_make_room_for_the_newest() {
    let mut wire = Wire::ready(|_| {});
    wire.hear(&job(CHANNEL, 1, None));
    wire.hear(&tip(CHANNEL, 1));
    wire.hear(&job(CHANNEL, 2, Some(NTIME)));
    let job = wire.job();
    assert!(job.body().clean, "nobody saw the clean one");
    wire.submit(&share(&job));
    let sent = wire.sent();
    assert_eq!(shares(&sent)[0].job_id, 2);
}

#[test]
fn a_channel_can_move_to_another_group() {
    let (mut wire, _) = Wire::mining(|_| {});
    wire.hear(&SetGroupChannel { group_channel_id: 5, channel_ids: Seq0_64K::new(&[8, CHANNEL]).unwrap() });
    wire.hear(&SetGroupChannel { group_channel_id: 6, channel_ids: Seq0_64K::new(&[8, 9]).unwrap() });
    for stranger in [GROUP, 6, 8] {
        wire.hear(&job(stranger, 2, Some(NTIME)));
        assert!(wire.events().is_empty());
    }
    wire.hear(&job(5, 2, Some(NTIME)));
    assert_eq!(wire.job().body().ntime(), NTIME);
}

#[test]
fn a_job_may_forbid_rolling_and_so_may_the_server() {
    let (mut wire, _) = Wire::mining(|config| config.version_mask = 0xffff_ffff);
    assert_eq!(wire.session.version_mask(), 0x1fff_ffe0);
    let strict = NewExtendedMiningJob { version_rolling_allowed: false, ..job(CHANNEL, 2, Some(NTIME)) };
    wire.hear(&strict);
    let job = wire.job();
    assert_eq!(job.terms().version_mask, 0);
    let mut rolled = share(&job);
    rolled.version_bits = Some(0x2000);
    let refused = wire.session.submit(&rolled, wire.now);
    assert_eq!(refused, Err(SubmitError::Unfit(Reject::VersionRollingOff)));

    let mut wire = Wire::new(|_| {});
    wire.hear(&SetupConnectionSuccess { used_version: 2, flags: common::REQUIRES_FIXED_VERSION });
    assert_eq!(wire.session.version_mask(), 0);
}

#[test]
fn a_standard_channel_takes_jobs_of_both_kinds() {
    let mut wire = Wire::new(|config| config.channel = ChannelKind::Standard);
    wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    wire.hear(&opened());
    assert!(!wire.session.is_ready(), "not what was asked for");
    wire.hear(&OpenStandardMiningChannelSuccess {
        request_id: 1,
        channel_id: CHANNEL,
        target: target(16).into(),
        extranonce_prefix: B0_32::new(&[5; 20]).unwrap(),
        group_channel_id: GROUP,
    });
    assert!(matches!(wire.events()[..], [ClientEvent::Ready]));
    wire.sent();
    let given = NewMiningJob {
        channel_id: CHANNEL,
        job_id: 1,
        min_ntime: None,
        version: 0x2000_0000,
        merkle_root: U256([6; 32]),
    };
    wire.hear(&given);
    wire.hear(&tip(CHANNEL, 1));
    let standard = wire.job();
    let HeaderSource::Standard(source) = &standard.body().source else { panic!() };
    assert_eq!((source.merkle_root.as_internal(), standard.terms().extranonce2_len), (&[6; 32], 0));
    assert_eq!(standard.terms().version_mask, 0x1fff_e000);

    wire.hear(&job(GROUP, 2, Some(NTIME)));
    let grouped = wire.job();
    assert!(matches!(grouped.body().source, HeaderSource::Bitcoin(_)));
    assert_eq!((grouped.terms().extranonce_prefix.len(), grouped.terms().extranonce2_len), (20, 0));

    let mut rolled = share(&grouped);
    rolled.version_bits = Some(0x4000);
    wire.submit(&share(&standard));
    wire.submit(&rolled);
    let sent = wire.sent();
    let [(Message::SubmitSharesStandard(first), _), (Message::SubmitSharesStandard(second), _)] =
        messages(&sent)[..]
    else {
        panic!()
    };
    assert_eq!(
        (first.job_id, first.version, second.job_id, second.version),
        (1, 0x2000_0000, 2, 0x2000_4000)
    );
    assert_eq!(wire.try_hear(&NewMiningJob { channel_id: GROUP, ..given }), Ok(()), "of another channel");

    let (mut wire, _) = Wire::mining(|_| {});
    let end = wire.try_hear(&given).unwrap_err();
    assert_eq!(end.to_string(), "the server sent a NewMiningJob that is not understood");
}

#[test]
fn a_worker_name_goes_with_each_share_once_the_server_takes_it() {
    let named = |config: &mut ClientConfig| config.worker_name = Some("rig1".into());
    let mut wire = Wire::new(named);
    wire.sent();
    wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    assert_eq!(
        otedama_core::hex::encode(&wire.sent()),
        "010000060000010001000200",
        "and the channel must wait"
    );
    let supported_extensions = Seq0_64K::new(&[2]).unwrap();
    wire.hear(&RequestExtensionsSuccess { request_id: 1, supported_extensions });
    assert!(matches!(message(&wire.sent()), Message::OpenExtendedMiningChannel(_)));
    wire.hear(&opened());
    wire.hear(&job(CHANNEL, 1, None));
    wire.hear(&tip(CHANNEL, 1));
    wire.events();
    let job = {
        wire.hear(&job(CHANNEL, 2, Some(NTIME)));
        wire.job()
    };
    let name = |wire: &mut Wire| {
        wire.submit(&share(&job));
        let sent = wire.sent();
        let [(Message::SubmitSharesExtended(_), tlvs)] = messages(&sent)[..] else { panic!() };
        tlvs.worker_name().map(str::to_owned)
    };
    assert_eq!(name(&mut wire).as_deref(), Some("rig1"));
    wire.hear(&common::ChannelEndpointChanged { channel_id: CHANNEL });
    assert_eq!(name(&mut wire), None, "nothing is agreed on with the new endpoint");
}

#[test]
fn servers_without_extensions_are_gone_on_with() {
    let begun = |name: &str| {
        let mut wire = Wire::new(|config| config.worker_name = Some(name.into()));
        wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
        wire.session.poll_transmit();
        wire
    };
    let mut wire = begun("rig1");
    assert_eq!(wire.session.poll_timeout(), Some(wire.now.moment.plus(Duration::from_secs(5))));
    assert_eq!((wire.wait(4), wire.sent()), (Ok(()), vec![]));
    assert_eq!(wire.wait(1), Ok(()));
    assert!(matches!(message(&wire.sent()), Message::OpenExtendedMiningChannel(_)));

    let mut wire = begun("rig1");
    let none = Seq0_64K::EMPTY;
    let unsupported_extensions = Seq0_64K::new(&[2]).unwrap();
    let refused = RequestExtensionsError { request_id: 1, unsupported_extensions, required_extensions: none };
    wire.hear(&refused);
    assert!(matches!(message(&wire.sent()), Message::OpenExtendedMiningChannel(_)));

    let mut wire = begun("rig1");
    let required_extensions = Seq0_64K::new(&[4]).unwrap();
    let end = wire.try_hear(&RequestExtensionsError { required_extensions, ..refused }).unwrap_err();
    assert_eq!(end.to_string(), "connection refused: the server requires extension 0x0004");

    let mut wire = Wire::new(|config| config.worker_name = Some("x".repeat(33)));
    wire.sent();
    wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    assert!(matches!(message(&wire.sent()), Message::OpenExtendedMiningChannel(_)), "no such name");
}
