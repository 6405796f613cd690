//! Both sides of template distribution hear anything at all: no panic, no more memory than their limits, and what they
//! say is whole messages.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use otedama_core::Now;
use otedama_fuzz::pieces;
use otedama_stratum::Bytes;
use otedama_stratum::limits::TemplateServerLimits;
use otedama_stratum::v2::common::{Protocol, SetupConnection, SetupConnectionSuccess, VERSION};
use otedama_stratum::v2::distribution::{
    TemplateClient, TemplateClientConfig, TemplateClientEvent, TemplateServer, TemplateServerEvent,
};
use otedama_stratum::v2::template::CoinbaseOutputConstraints;
use otedama_stratum::v2::{Code, Encode, Frame, Message, Str0_255};

const FRAME: usize = 1024;
const OUTPUT: usize = 2048;
const EVENTS: usize = 4;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let opened = first & 2 != 0;
    if first & 1 == 0 { server(opened, data) } else { client(opened, data) }
});

fn server(opened: bool, data: &[u8]) {
    let mut limits = TemplateServerLimits::default();
    (limits.frame, limits.output, limits.events) = (FRAME, OUTPUT, EVENTS);
    let now = Now::default();
    let mut session = TemplateServer::new(Arc::new(limits), now);
    if opened {
        session.handle_input(&greeting(), now).expect("a greeting as it should be");
        while session.poll_event().is_some() {}
    }
    for piece in pieces(data) {
        let ended = session.handle_input(piece, now).is_err();
        assert!(session.buffered_bytes() <= OUTPUT + FRAME);
        let mut events = 0;
        while let Some(event) = session.poll_event() {
            events += 1;
            match event {
                TemplateServerEvent::TransactionsRequested { template_id } => {
                    let _ = session.refuse_transactions(template_id, Code::TemplateIdNotFound);
                }
                TemplateServerEvent::Connected { vendor } => assert!(!vendor.contains('\n')),
                _ => {}
            }
        }
        assert!(events <= EVENTS);
        whole_messages(std::iter::from_fn(|| session.poll_transmit()));
        if ended {
            assert!(session.handle_input(b"", now).is_err(), "an end is an end");
            return;
        }
    }
}

fn client(opened: bool, data: &[u8]) {
    let mut config = TemplateClientConfig::new("h", 1);
    config.limits.frame = FRAME;
    (config.limits.output, config.limits.events, config.limits.transactions) = (OUTPUT, EVENTS, 8);
    let (path, prefix) = (config.limits.merkle_path, config.limits.coinbase_prefix);
    let now = Now::default();
    let mut session = TemplateClient::new(config, now);
    if opened {
        let answer = encoded(&SetupConnectionSuccess { used_version: VERSION, flags: 0 });
        session.handle_input(&answer, now).expect("an answer as it should be");
        while session.poll_event().is_some() {}
    }
    for piece in pieces(data) {
        let ended = session.handle_input(piece, now).is_err();
        assert!(session.buffered_bytes() <= OUTPUT + FRAME);
        let mut events = 0;
        while let Some(event) = session.poll_event() {
            events += 1;
            match event {
                TemplateClientEvent::Template(offer) => {
                    assert!(offer.merkle_path.len() <= path && offer.coinbase_prefix.len() <= prefix);
                    let _ = session.request_transactions(offer.template_id);
                }
                TemplateClientEvent::Transactions(transactions) => assert!(transactions.list.len() <= 8),
                _ => {}
            }
        }
        assert!(events <= EVENTS);
        whole_messages(std::iter::from_fn(|| session.poll_transmit()));
        if ended {
            assert!(session.handle_input(b"", now).is_err(), "an end is an end");
            return;
        }
    }
}

fn greeting() -> Vec<u8> {
    let (empty, room) = (
        Str0_255::EMPTY,
        CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 100,
            coinbase_output_max_additional_sigops: 4,
        },
    );
    let setup = SetupConnection {
        protocol: Protocol::TEMPLATE_DISTRIBUTION,
        min_version: VERSION,
        max_version: VERSION,
        flags: 0,
        endpoint_host: empty,
        endpoint_port: 1,
        vendor: empty,
        hardware_version: empty,
        firmware: empty,
        device_id: empty,
    };
    [encoded(&setup), encoded(&room)].concat()
}

fn encoded(message: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    message.append(&mut out).expect("it fits a frame");
    out
}

fn whole_messages(sent: impl Iterator<Item = Bytes>) {
    let sent: Vec<u8> = sent.flatten().collect();
    let mut rest = &sent[..];
    while let Some((frame, used)) = Frame::split(rest, sent.len()).expect("no longer than all") {
        let (message, _) = Message::parse(frame).expect("what was sent can be read");
        assert!(!matches!(message, Message::Unknown(_)));
        rest = &rest[used..];
    }
    assert!(rest.is_empty(), "whole frames");
}
