//! The codec of Stratum V2 against the reference implementation, `stratum-core` 0.6: the same bytes for the same message,
//! every message in both directions.

#![allow(clippy::unwrap_used, clippy::panic)]

mod pairs;
#[path = "../../../otedama-stratum/src/v2/sample.rs"]
mod sample;
mod values;

use otedama_stratum::v2::{
    B0_16M, Encode as _, Frame, Message, Octets, Seq, Str0_255, Tlv, U256, common,
    mining::SubmitSharesExtended,
};
use proptest::prelude::*;
use sample::Source;
use stratum_core::framing_sv2::header::Header;
use stratum_core::parsers_sv2::{AnyMessage, TlvField as _, parse_message_frame_with_tlvs};

/// Messages of every kind, with values that follow from these.
fn with_source(seed: u64, bytes: &[u8], each: impl FnOnce(&mut Source<'_>)) {
    let hashes: Vec<_> = bytes.chunks_exact(32).map(|bytes| U256(bytes.try_into().unwrap())).collect();
    let numbers: Vec<_> = bytes.iter().map(|byte| u32::from(*byte) << 11).collect();
    let short_numbers: Vec<_> = bytes.iter().map(|byte| u16::from(*byte) << 5).collect();
    let transactions: Vec<_> = bytes.chunks(99).map(|bytes| B0_16M::new(bytes).unwrap()).collect();
    each(&mut Source {
        seed,
        bytes,
        hashes: &hashes,
        numbers: &numbers,
        short_numbers: &short_numbers,
        transactions: &transactions,
    });
}

/// What the reference implementation makes of a frame.
fn read_by_theirs(frame: &[u8]) -> Option<stratum_core::parsers_sv2::AnyMessageOwned> {
    let header = Header::from_bytes(&frame[..6]).unwrap();
    let mut payload = frame[6..].to_vec();
    AnyMessage::try_from((header, &mut payload[..])).ok().map(AnyMessage::into_owned)
}

/// What ours make of a frame.
fn read_by_ours(frame: &[u8]) -> Message<'_> {
    let (frame, used) = Frame::split(frame, frame.len()).unwrap().unwrap();
    assert_eq!(used, 6 + frame.payload.len());
    let (message, tlvs) = Message::parse(frame).unwrap();
    assert_eq!(tlvs.count(), 0);
    message
}

proptest! {
    #[test]
    fn every_message_has_the_same_bytes(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        with_source(seed, &bytes, pairs::compare_all);
    }

    #[test]
    fn worker_names_have_the_same_bytes(nonce: u32, extranonce: [u8; 16], name in "[ -~]{1,32}") {
        let share = SubmitSharesExtended {
            channel_id: 2,
            sequence_number: 1,
            job_id: 7,
            nonce,
            ntime: 1_700_000_000,
            version: 0x2000_0000,
            extranonce: Octets::new(&extranonce).unwrap(),
        };
        let tlvs = [Tlv::worker_name(&name).unwrap()];
            let mut bytes = Vec::new();
            share.with(&tlvs).append(&mut bytes).unwrap();

            let theirs = stratum_core::extensions_sv2::UserIdentity::new(&name).unwrap();
            let tail = theirs.to_tlv().unwrap().encode().unwrap();
            assert!(bytes.ends_with(&tail));

            let header = Header::from_bytes(&bytes[..6]).unwrap();
            let mut payload = bytes[6..].to_vec();
            let (_, tlvs) = parse_message_frame_with_tlvs(header, &mut payload, &[2]).unwrap();
            let tlvs = tlvs.unwrap();
            assert_eq!(tlvs.len(), 1);
            assert_eq!(tlvs[0].value, name.as_bytes());
    }

    /// A payload that is wrong is wrong for both, but for one thing: to theirs a greeting for a protocol that they do not
    /// know is malformed; ours read it, so that it can be answered.
    #[test]
    fn both_take_and_refuse_the_same(
        kind in prop_oneof![0..5u8, 0x10..0x26u8, 0x50..0x61u8, 0x70..0x77u8, any::<u8>()],
        payload in prop::collection::vec(prop_oneof![4 => Just(0u8), 2 => 0..4u8, 1 => any::<u8>()], 0..200),
    ) {
        let frame = Frame { extension: 0, channel: true, kind, payload: &payload };
        let mut bytes = Vec::new();
        frame.append(&mut bytes).unwrap();
        let ours = match Message::parse(frame) {
            Ok((Message::Unknown(_), _)) | Err(_) => false,
            Ok((Message::SetupConnection(greeting), _)) if greeting.protocol.0 > 2 => false,
            Ok(_) => true,
        };
        prop_assert_eq!(ours, read_by_theirs(&bytes).is_some());
    }
}
