//! A server hears anything at all: no panic, no more memory than its limits, and every answer is a line.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Algorithm, ChannelId, Extranonce, Now, Reject, Target};
use otedama_fuzz::{body, pieces, terms};
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession};

fuzz_target!(|data: &[u8]| {
    let mut config = ServerConfig::new(Algorithm::SHA256D);
    config.limits.output = 2048;
    config.limits.line = 1024;
    config.limits.pending_answers = 4;
    config.limits.workers = 3;
    let limits = config.limits.clone();
    let now = Now::default();
    let mut session = ServerSession::new(Arc::new(config), now);
    let job = EncodedJob::new(&body(true)).expect("a Bitcoin-like body");
    let mut waiting = Vec::new();
    for (turn, piece) in pieces(data).enumerate() {
        let ended = session.handle_input(piece, now).is_err();
        assert!(session.buffered_bytes() <= limits.output + limits.line + 1024);
        let (mut events, mut sent) = (0, Vec::new());
        while let Some(event) = session.poll_event() {
            events += 1;
            assert!(events <= limits.events);
            match event {
                ServerEvent::Subscribe { agent, .. } => {
                    assert!(agent.len() <= limits.agent);
                    session.open_channel(ChannelId(0), Extranonce::EMPTY, Target::MAX);
                }
                ServerEvent::Authorize { worker, login } => {
                    assert!(worker.0 < 3 && login.user.len() <= limits.user_name);
                    session.authorize(worker, login.user.len() % 2 == 1);
                    session.send_job(&job, &terms(1, Target::MAX, Extranonce::EMPTY, session.version_mask()));
                }
                ServerEvent::Submit { ticket, share } => {
                    assert_eq!(share.extranonce2.len(), 8);
                    waiting.push(ticket);
                    assert!(waiting.len() <= limits.pending_answers);
                }
                ServerEvent::SuggestDifficulty(target) | ServerEvent::MinimumDifficulty(target) => {
                    assert!(target > Target::ZERO);
                }
                _ => {}
            }
        }
        if turn % 3 == 0 {
            for ticket in waiting.drain(..).rev() {
                session.answer(ticket, Err(Reject::Duplicate));
            }
        }
        while let Some(bytes) = session.poll_transmit() {
            sent.extend_from_slice(&bytes);
        }
        assert!(sent.is_empty() || sent.ends_with(b"\n"));
        if ended {
            assert!(session.handle_input(b"", now).is_err(), "an end is an end");
            break;
        }
    }
});
