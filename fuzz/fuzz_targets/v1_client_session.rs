//! A client hears anything at all: no panic, no more memory than its limits, and every job can be worked on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otedama_core::{Algorithm, Extranonce, Generation, HeaderSource, Now, Share};
use otedama_fuzz::pieces;
use otedama_stratum::{ClientConfig, ClientEvent, ClientSession, Login};

fuzz_target!(|data: &[u8]| {
    let mut config = ClientConfig::new(Login::new(Algorithm::SHA256D, "w"));
    config.limits.output = 2048;
    config.limits.line = 4096;
    config.limits.pending_shares = 8;
    let limits = config.limits.clone();
    let now = Now::default();
    let mut session = ClientSession::new(config, now);
    for piece in pieces(data) {
        let ended = session.handle_input(piece, now).is_err();
        assert!(session.buffered_bytes() <= limits.output + 1024);
        while let Some(event) = session.poll_event() {
            match event {
                ClientEvent::Job(job) => {
                    let HeaderSource::Bitcoin(source) = &job.body().source else { panic!("of another kind") };
                    let extranonce2 =
                        Extranonce::new(&[9; 32][..job.terms().extranonce2_len]).expect("32 at most");
                    job.work(&extranonce2, Generation(1)).expect("of the channel's length");
                    let share = Share::new(job.terms().channel, job.id(), extranonce2, source.ntime, 1);
                    let sent = session.submit(&share, now).is_ok();
                    assert!(sent || ended || session.buffered_bytes() > 0);
                }
                ClientEvent::Message(text) => assert!(text.len() <= limits.text),
                ClientEvent::Rejected(_, why) => assert!(why.message.len() <= limits.text),
                _ => {}
            }
        }
        while session.poll_transmit().is_some() {}
        if ended {
            assert!(session.handle_input(b"", now).is_err(), "an end is an end");
            break;
        }
    }
});
