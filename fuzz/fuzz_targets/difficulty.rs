//! Difficulties as numbers: what a pool announces for a target is read as that target, and never as an easier one.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Algorithm, ChannelId, Difficulty, Extranonce, Now, Target, WorkerId};
use otedama_fuzz::{body, terms};
use otedama_stratum::{EncodedJob, ServerConfig, ServerSession};

fuzz_target!(|data: (f64, [u8; 32], u8)| {
    let (number, mut bytes, zeros) = data;
    if let Ok(difficulty) = Difficulty::from_f64(Algorithm::SCRYPT, number) {
        let target = difficulty.target();
        assert!(number > 0.0 && target > Target::ZERO);
        assert_eq!(announced(target), target, "{number}");
        let rounded = difficulty.round_to_power_of_two();
        assert!(rounded.target() >= target, "never harder");
    }
    bytes[..usize::from(zeros) % 28].fill(0);
    bytes[31] |= 1;
    let target = Target::from_be_bytes(bytes);
    assert!(announced(target) <= target);
});

/// What a miner reads of the difficulty that a server sends for this target.
fn announced(target: Target) -> Target {
    let mut session = ServerSession::new(Arc::new(ServerConfig::new(Algorithm::SCRYPT)), Now::default());
    session.open_channel(ChannelId(0), Extranonce::EMPTY, Target::MAX);
    session.authorize(WorkerId(0), true);
    session.send_job(
        &EncodedJob::new(&body(true)).expect("Bitcoin-like"),
        &terms(1, target, Extranonce::EMPTY, 0),
    );
    let first = session.poll_transmit().expect("a difficulty");
    let text = std::str::from_utf8(&first).expect("JSON is text");
    let number =
        text.split_once("\"params\":[").and_then(|(_, rest)| rest.split_once(']')).expect("one parameter").0;
    let number: f64 = number.parse().expect("a number");
    Difficulty::from_f64(Algorithm::SCRYPT, number).expect("a difficulty").target()
}
