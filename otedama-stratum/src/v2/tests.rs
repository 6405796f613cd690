//! The codec as a whole: known bytes, round trips of every message, and everything that is none.

use proptest::prelude::*;
use std::vec::Vec;

use super::common::{Protocol, SetupConnection, SetupConnectionSuccess};
use super::extension::RequestExtensionsSuccess;
use super::message::samples;
use super::mining::{NewExtendedMiningJob, SubmitSharesExtended};
use super::sample::Source;
use super::*;

fn bytes_of(message: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.append(&mut bytes).unwrap();
    bytes
}

fn frame_of(bytes: &[u8]) -> Frame<'_> {
    let (frame, used) = Frame::split(bytes, bytes.len()).unwrap().unwrap();
    assert_eq!(used, bytes.len());
    frame
}

/// One message of each kind, with arbitrary values.
fn with_samples(seed: u64, bytes: &[u8], mut each: impl FnMut(Message<'_>)) {
    let hashes: Vec<_> = bytes.chunks_exact(32).map(|bytes| U256(bytes.try_into().unwrap())).collect();
    let numbers: Vec<_> = bytes.iter().map(|byte| u32::from(*byte) << 11).collect();
    let short_numbers: Vec<_> = bytes.iter().map(|byte| u16::from(*byte) << 5).collect();
    let transactions: Vec<_> = bytes.chunks(99).map(|bytes| B0_16M::new(bytes).unwrap()).collect();
    let mut source = Source {
        seed,
        bytes,
        hashes: &hashes,
        numbers: &numbers,
        short_numbers: &short_numbers,
        transactions: &transactions,
    };
    samples(&mut source).into_iter().for_each(&mut each);
}

const SHARE: &[u8] = b"\x00\x80\x1b\x1d\x00\x00\x02\0\0\0\x07\0\0\0\x01\0\0\0\x78\x56\x34\x12\0\xf1\x53\x65\0\0\0\x20\x04\x01\x02\x03\x04";

fn share() -> SubmitSharesExtended<'static> {
    SubmitSharesExtended {
        channel_id: 2,
        sequence_number: 7,
        job_id: 1,
        nonce: 0x1234_5678,
        ntime: 1_700_000_000,
        version: 0x2000_0000,
        extranonce: B0_32::new(&[1, 2, 3, 4]).unwrap(),
    }
}

#[test]
fn a_share_has_these_bytes() {
    assert_eq!(bytes_of(&share()), SHARE);
    assert_eq!(Message::parse(frame_of(SHARE)), Ok((share().into(), Tlvs::default())));
}

#[test]
fn a_worker_name_follows_a_share_without_an_allocation() {
    let tlvs = [Tlv::worker_name("rig1").unwrap()];
    let mut buffer = [0; 64];
    let len = share().with(&tlvs).encode(&mut buffer).unwrap();
    let expected = [&SHARE[..3], b"\x26\0\0", &SHARE[6..], b"\x02\x00\x01\x04\x00rig1"].concat();
    assert_eq!(buffer[..len], expected);
    let (message, tlvs) = Message::parse(frame_of(&buffer[..len])).unwrap();
    assert_eq!((message, tlvs.worker_name()), (share().into(), Some("rig1")));
}

#[test]
fn the_greeting_has_these_bytes() {
    let greeting = SetupConnection {
        protocol: Protocol::MINING,
        min_version: 2,
        max_version: 2,
        flags: common::REQUIRES_VERSION_ROLLING,
        endpoint_host: Str0_255::new("h").unwrap(),
        endpoint_port: 3333,
        vendor: Str0_255::EMPTY,
        hardware_version: Str0_255::EMPTY,
        firmware: Str0_255::new("ot").unwrap(),
        device_id: Str0_255::EMPTY,
    };
    let bytes = b"\0\0\x00\x13\0\0\x00\x02\0\x02\0\x04\0\0\0\x01h\x05\x0d\0\0\x02ot\0";
    assert_eq!(bytes_of(&greeting), bytes);
    let success = SetupConnectionSuccess { used_version: 2, flags: common::REQUIRES_EXTENDED_CHANNELS };
    assert_eq!(bytes_of(&success), b"\0\0\x01\x06\0\0\x02\0\x02\0\0\0");
}

/// As seen from a pool that supports extension 2.
#[test]
fn extensions_are_agreed_on_with_these_bytes() {
    let success = RequestExtensionsSuccess { request_id: 1, supported_extensions: Seq::new(&[2]).unwrap() };
    let bytes = b"\x01\0\x01\x06\0\0\x01\0\x01\0\x02\0";
    assert_eq!(bytes_of(&success), bytes);
    assert_eq!(Message::parse(frame_of(bytes)), Ok((success.into(), Tlvs::default())));
}

#[test]
fn every_message_has_its_number() {
    let mut numbers = Vec::new();
    with_samples(1, &[], |message| {
        let header = message.header().unwrap();
        let name = message.name().unwrap();
        assert_eq!(header.is_channel(), std::format!("{message:?}").contains("{ channel_id: "), "{name}");
        numbers.push((header.extension(), header.kind()));
    });
    let core = [0..=4u8, 0x10..=0x1d, 0x1f..=0x25, 0x50..=0x51, 0x55..=0x59, 0x60..=0x60, 0x70..=0x76];
    let core = core.into_iter().flatten().map(|kind| (0, kind));
    assert_eq!(numbers, core.chain((0..=2).map(|kind| (1, kind))).collect::<Vec<_>>());
}

#[test]
fn the_channel_bit_and_the_upper_bits_of_booleans_do_not_count() {
    let path = [U256([7; 32]), U256([8; 32])];
    let job = NewExtendedMiningJob {
        channel_id: 1,
        job_id: 2,
        min_ntime: None,
        version: 3,
        version_rolling_allowed: true,
        merkle_path: Seq::new(&path).unwrap(),
        coinbase_tx_prefix: Octets::new(b"left").unwrap(),
        coinbase_tx_suffix: Octets::new(b"right").unwrap(),
    };
    let mut bytes = bytes_of(&job);
    assert_eq!(bytes[..20], *b"\x00\x80\x1f\x5c\0\0\x01\0\0\0\x02\0\0\0\0\x03\0\0\0\x01");
    bytes[1] = 0;
    bytes[19] = 0xff;
    let frame = frame_of(&bytes);
    assert!(!frame.channel);
    assert_eq!(Message::parse(frame), Ok((job.into(), Tlvs::default())));
    bytes[19] = 0xfe;
    let (message, _) = Message::parse(frame_of(&bytes)).unwrap();
    assert_eq!(message, NewExtendedMiningJob { version_rolling_allowed: false, ..job }.into());
}

#[test]
fn errors_name_the_field() {
    let mut bytes = SHARE.to_vec();
    let field = |fault| DecodeError { message: "SubmitSharesExtended", field: "extranonce", fault };
    bytes[30] = 33;
    let error = Message::parse(frame_of(&bytes)).unwrap_err();
    assert_eq!(error, field(Fault::TooLong(TooLong { len: 33, max: 32 })));
    assert_eq!(std::format!("{error}"), "SubmitSharesExtended, extranonce: 33 where at most 32 are allowed");
    bytes[30] = 5;
    assert_eq!(Message::parse(frame_of(&bytes)), Err(field(Fault::Truncated)));
    let job = Frame { extension: 0, channel: true, kind: 0x15, payload: &[1, 0, 0, 0, 2, 0, 0, 0, 2] };
    let error = DecodeError { message: "NewMiningJob", field: "min_ntime", fault: Fault::Option(2) };
    assert_eq!(Message::parse(job), Err(error));
}

#[test]
fn what_is_not_known_is_kept_whole() {
    for (extension, kind) in [(0, 0x1e), (0, 0xff), (0x4001, 0x1b), (1, 0x1b)] {
        let frame = Frame { extension, channel: true, kind, payload: b"anything" };
        let (message, tlvs) = Message::parse(frame).unwrap();
        assert_eq!((message, message.name(), tlvs), (Message::Unknown(frame), None, Tlvs::default()));
        assert_eq!(frame_of(&bytes_of(&message)), frame);
    }
}

#[test]
fn frames_are_cut_off_a_stream() {
    let two = [SHARE, SHARE].concat();
    assert_eq!(Frame::split(&two, 29), Ok(Some((frame_of(SHARE), 35))));
    for end in 0..SHARE.len() {
        assert_eq!(Frame::split(&SHARE[..end], 29), Ok(None));
    }
    let error = FrameError::TooLong { kind: 0x1b, len: 29, limit: 28 };
    assert_eq!(Frame::split(SHARE, 28), Err(error));
    assert_eq!(Frame::split(&SHARE[..6], 28), Err(error), "as soon as the header is there");
    assert_eq!(Frame::split(&SHARE[..5], 28), Ok(None));
}

#[test]
fn what_fits_no_frame_is_refused() {
    let payload = std::vec![0; 0x100_0000];
    let frame = |extension, len| Frame { extension, channel: false, kind: 0, payload: &payload[..len] };
    let mut out = std::vec![1];
    assert_eq!(frame(0, 0x100_0000).append(&mut out), Err(EncodeError::Payload(0x100_0000)));
    assert_eq!(frame(0x8000, 0).append(&mut out), Err(EncodeError::Extension(0x8000)));
    assert_eq!(out, [1], "nothing is appended");
    assert_eq!(frame(0x7fff, 0xff_ffff).append(&mut out), Ok(()));
    let full = EncodeError::NoRoom { needed: 35, room: 34 };
    assert_eq!(share().encode(&mut [0; 34]), Err(full));
    assert!(B0_32::new(&[0; 33]).is_err() && B0_64K::new(&payload).is_err());
    assert!(Seq0_255::new(&[0u32; 256]).is_err() && Seq0_255::new(&[0u32; 255]).is_ok());
}

#[test]
fn an_inspector_can_read_what_it_prints() {
    let text = std::format!("{:?}", Message::from(share()));
    assert!(text.contains("nonce: 305419896") && text.contains("extranonce: 01020304"), "{text}");
    assert_eq!(std::format!("{:?}", U256([0xab; 32])), "ab".repeat(32));
    assert_eq!(std::format!("{:?}", B0_64K::new(&[1; 65]).unwrap()), "01".repeat(64) + "… (65 bytes)");
    let text = Str0_255::from(B0_255::new(b"a\xff\"\n").unwrap());
    assert_eq!(std::format!("{text:?} {text}"), "\"a\\xff\\\"\\n\" a\u{fffd}\"\n");
    assert_eq!(Str0_255::truncated(&"ä".repeat(200)).as_bytes().len(), 254);
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        with_samples(seed, &bytes, |message| {
            let bytes = bytes_of(&message);
            assert_eq!(bytes.len(), message.encoded_len());
            let (read, tlvs) = Message::parse(frame_of(&bytes)).unwrap();
            assert_eq!((read, tlvs), (message, Tlvs::default()));
            assert!(!matches!(read, Message::Unknown(_)));
            assert_eq!(bytes_of(&read), bytes);
            let mut buffer = std::vec![0xee; bytes.len() + 1];
            assert_eq!(read.encode(&mut buffer), Ok(bytes.len()));
            assert_eq!(buffer.split_last(), Some((&0xee, &bytes[..])));
            assert!(message.encode(&mut buffer[..bytes.len() - 1]).is_err());
        });
    }

    #[test]
    fn every_truncation_is_an_error(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        with_samples(seed, &bytes, |message| {
            let bytes = bytes_of(&message);
            let frame = frame_of(&bytes);
            for end in 0..frame.payload.len() {
                let cut = Frame { payload: &frame.payload[..end], ..frame };
                assert!(Message::parse(cut).is_err(), "{:?} cut to {end}", message.name());
            }
        });
    }

    #[test]
    fn trailing_bytes_are_tlvs(seed: u64, tail in prop::collection::vec(any::<u8>(), 0..40)) {
        with_samples(seed, &tail, |message| {
            let bytes = bytes_of(&message);
            let payload = [frame_of(&bytes).payload, &tail].concat();
            let (read, tlvs) = Message::parse(Frame { payload: &payload, ..frame_of(&bytes) }).unwrap();
            assert_eq!((read, tlvs.as_bytes()), (message, &tail[..]));
            assert!(tlvs.count() <= tail.len());
        });
    }

    #[test]
    fn no_bytes_do_harm(extension in 0..4u16, kind in 0..0x80u8, payload in prop::collection::vec(any::<u8>(), 0..400)) {
        let frame = Frame { extension, channel: false, kind, payload: &payload };
        if let Ok((message, tlvs)) = Message::parse(frame) {
            let again = [&bytes_of(&message)[6..], tlvs.as_bytes()].concat();
            prop_assert_eq!(again.len(), payload.len());
            let (read, _) = Message::parse(Frame { payload: &again, ..frame }).unwrap();
            prop_assert_eq!(bytes_of(&read), bytes_of(&message));
        }
    }
}
