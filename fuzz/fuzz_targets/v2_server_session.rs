//! A server hears anything at all where Stratum V2 begins: no panic, no more memory than its limits, and what it says is
//! whole messages.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Algorithm, ChannelId, Extranonce, Now, Reject, Target};
use otedama_fuzz::{body, pieces, terms};
use otedama_stratum::v2::{Frame, Message};
use otedama_stratum::{ChannelKind, EncodedJob, Protocol, ServerConfig, ServerEvent, ServerSession};

fuzz_target!(|data: &[u8]| {
    let mut config = ServerConfig::new(Algorithm::SHA256D);
    config.limits.output = 2048;
    config.limits.output_per_channel = 1024;
    config.limits.frame = 1024;
    config.limits.pending_answers = 4;
    config.limits.workers = 3;
    config.limits.channels = 4;
    config.limits.opens = 3;
    config.share_batch = 2;
    let limits = config.limits.clone();
    let now = Now::default();
    let mut session = ServerSession::new(Arc::new(config), now);
    let jobs = [true, false].map(|clean| EncodedJob::new(&body(clean)).expect("a Bitcoin-like body"));
    let mut channels: BTreeMap<ChannelId, (Extranonce, usize)> = BTreeMap::new();
    let mut waiting = Vec::new();
    for (turn, piece) in (0..).zip(pieces(data)) {
        let ended = session.handle_input(piece, now).is_err();
        let most = limits.output + limits.output_per_channel * channels.len() + 4096;
        assert!(session.buffered_bytes() <= most);
        while let Some(event) = session.poll_event() {
            match event {
                ServerEvent::Authorize { worker, login } => {
                    assert!(worker.0 < 6 && login.user.len() <= limits.user_name);
                    session.authorize(worker, login.user.len() % 2 == 1);
                }
                ServerEvent::Subscribe { channel, agent, .. } if session.protocol() == Protocol::V1 => {
                    assert!(agent.len() <= limits.agent);
                    session.open_channel(channel, Extranonce::EMPTY, Target::MAX);
                }
                ServerEvent::Subscribe { channel, wish, .. } => {
                    assert!(channels.len() < limits.channels && wish.easiest > Target::ZERO);
                    let (prefix, rolled) = if wish.kind == ChannelKind::Standard { (12, 0) } else { (4, 8) };
                    let prefix = Extranonce::from_counter(channel.0.into(), prefix).expect("a small number");
                    if channel.0 % 5 == 4 {
                        session.refuse_channel(channel);
                    } else {
                        session.open_channel(channel, prefix, Target::MAX);
                        assert!(
                            channels.insert(channel, (prefix, rolled)).is_none(),
                            "numbers do not come again"
                        );
                    }
                }
                ServerEvent::Closed { channel } => assert!(channels.remove(&channel).is_some()),
                ServerEvent::Update { channel, .. } => assert!(channels.contains_key(&channel)),
                ServerEvent::Submit { ticket, .. } => {
                    waiting.push(ticket);
                    assert!(waiting.len() <= limits.pending_answers);
                }
                ServerEvent::Machine { worker, of, name } => assert!(worker != of && name.len() <= 32),
                _ => {}
            }
        }
        let all = channels.iter().map(|(channel, (prefix, rolled))| {
            let mut terms = terms(turn, Target::MAX, *prefix, session.mask_within(0x1fff_ffe0));
            (terms.channel, terms.extranonce2_len) = (*channel, *rolled);
            terms
        });
        let all = all.collect::<Vec<_>>();
        session.send_jobs(&jobs[usize::from(turn % 3 == 0)], &all);
        if turn % 3 == 0 {
            for ticket in waiting.drain(..).rev() {
                session.answer(ticket, if turn % 2 == 0 { Ok(()) } else { Err(Reject::Duplicate) });
            }
        }
        let v2 = session.protocol() == Protocol::V2;
        let sent: Vec<u8> = std::iter::from_fn(|| session.poll_transmit()).flatten().collect();
        let mut rest = &sent[..];
        while v2 && let Some((frame, used)) = Frame::split(rest, sent.len()).expect("no longer than all") {
            let (message, _) = Message::parse(frame).expect("what was sent can be read");
            assert!(!matches!(message, Message::Unknown(_)));
            rest = &rest[used..];
        }
        assert!(!v2 || rest.is_empty(), "whole frames");
        if ended {
            assert!(session.handle_input(b"", now).is_err(), "an end is an end");
            break;
        }
    }
});
