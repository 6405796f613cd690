//! A Stratum V2 client hears anything at all: no panic, no more memory than its limits, every job can be worked on, and
//! every share has at most one answer.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Algorithm, Extranonce, Generation, Now, Share};
use otedama_fuzz::pieces;
use otedama_stratum::v2::{Frame, Message};
use otedama_stratum::{ChannelKind, ClientConfig, ClientEvent, ClientSession, Login};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let mut config = ClientConfig::new(Login::new(Algorithm::SHA256D, "w"));
    config.limits.output = 2048;
    config.limits.frame = 4096;
    config.limits.pending_shares = 8;
    config.channel = if choice & 1 == 0 { ChannelKind::Extended } else { ChannelKind::Standard };
    config.worker_name = (choice & 2 != 0).then(|| "rig".into());
    let limits = config.limits.clone();
    let now = Now::default();
    let mut session = ClientSession::v2(config, now);
    let mut waiting = HashSet::new();
    for piece in pieces(data) {
        let ended = session.handle_input(piece, now).is_err();
        assert!(session.buffered_bytes() <= limits.output + 1024);
        let mut sent = Vec::new();
        while let Some(event) = session.poll_event() {
            match event {
                ClientEvent::Job(job) => {
                    let terms = job.terms();
                    let extranonce2 = Extranonce::new(&[9; 32][..terms.extranonce2_len]).expect("32 at most");
                    job.work(&extranonce2, Generation(1)).expect("of the channel's length");
                    assert!(terms.extranonce_prefix.len() + terms.extranonce2_len <= 32);
                    let mut share = Share::new(terms.channel, job.id(), extranonce2, job.body().ntime(), 1);
                    share.version_bits = (terms.version_mask != 0).then_some(terms.version_mask & 0x2000);
                    match session.submit(&share, now) {
                        Ok(id) => assert!(waiting.insert(id) && waiting.len() <= limits.pending_shares),
                        Err(_) => assert!(ended || waiting.len() == limits.pending_shares),
                    }
                }
                ClientEvent::Accepted(id) => assert!(waiting.remove(&id)),
                ClientEvent::Rejected(id, why) => {
                    assert!(waiting.remove(&id) && why.message.len() <= limits.text);
                }
                _ => {}
            }
        }
        while let Some(bytes) = session.poll_transmit() {
            sent.extend_from_slice(&bytes);
        }
        let mut rest = &sent[..];
        while let Some((frame, used)) = Frame::split(rest, limits.output).expect("no long frame") {
            let (message, _) = Message::parse(frame).expect("what was sent can be read");
            assert!(!matches!(message, Message::Unknown(_)));
            rest = &rest[used..];
        }
        assert!(rest.is_empty(), "whole frames");
        if ended {
            assert!(session.handle_input(b"", now).is_err(), "an end is an end");
            break;
        }
    }
});
