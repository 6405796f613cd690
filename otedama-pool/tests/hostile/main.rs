//! What hostile and broken miners send, against a whole pool: once in memory, once over sockets.
//!
//! Every case has the id of its kind: F for framing, S for shares. Both runs play the same table, `cases::TABLE`. For
//! every case three things are checked: the stated answer comes; exactly the shares that were answered "accepted" are
//! in the journal; and a well-behaved miner on the same pool goes on undisturbed before, during and after.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod bench;
mod cases;
mod framing;
mod live;
mod peer;
mod shares;
mod stage;

use std::time::Duration;

use cases::TABLE;
use otedama_pool::PoolName;
use otedama_pool::journal::{BlockState, Journal};
use peer::{Peer, code};
use stage::{ALICE, POOL, Stage, candidates};

#[test]
fn the_table_in_memory() {
    cases::play(&mut bench::InMemory::new(0), &TABLE);
}

#[test]
fn the_table_over_sockets() {
    cases::play(&mut live::OverSockets::new(0), &TABLE);
}

/// A template whose version already has a bit inside the mask that is offered for rolling, as nodes have sent it.
const SIGNALLING: u32 = 0x1000_0010;

#[test]
fn version_bits_that_the_template_needs_in_memory() {
    cases::play(&mut bench::InMemory::new(SIGNALLING), &cases::SIGNALLING);
}

#[test]
fn version_bits_that_the_template_needs_over_sockets() {
    cases::play(&mut live::OverSockets::new(SIGNALLING), &cases::SIGNALLING);
}

/// S15: a block that comes again while its record is on the way, and again when its fate is final, is no second block:
/// a journal would refuse that, and with it the shares of others in the same batch.
#[test]
fn a_repeated_block_does_not_spoil_the_shares_of_others() {
    let mut stage = bench::InMemory::new(0);
    let mut peer = Peer::join(&mut stage, &format!("{ALICE}.S15"));
    let mut honest = Peer::join(&mut stage, &format!("{POOL}.honest"));
    let (block, share) = (peer.block(), honest.share());
    let line = |params: String| format!("{{\"id\":4,\"method\":\"mining.submit\",\"params\":{params}}}\n");
    stage.bench.hold_journal();
    stage.send(peer.connection, line(block.params()).as_bytes());
    stage.bench.advance(Duration::from_secs(2));
    stage.send(peer.connection, line(block.params()).as_bytes());
    stage.send(honest.connection, line(share.params()).as_bytes());
    stage.bench.release();
    let answers = [peer.answer(&mut stage), peer.answer(&mut stage), honest.answer(&mut stage)];
    assert_eq!(answers.map(|answer| code(&answer.unwrap())), [None, Some(22), None]);
    for _ in 0..3 {
        honest.catch_up(&mut stage);
        let block = honest.block();
        assert_eq!(code(&honest.submit(&mut stage, &block.params())), None);
        honest.catch_up(&mut stage);
        stage.bench.advance(Duration::from_secs(60));
    }
    let blocks = stage.journal().blocks(&PoolName::new("test"), false).unwrap();
    assert_eq!(blocks[0].state, BlockState::Matured);
    assert_eq!(code(&peer.submit(&mut stage, &block.params())), Some(21));
    let share = honest.share();
    assert_eq!(code(&honest.submit(&mut stage, &share.params())), None);
    assert_eq!(candidates(&stage, block.hash), 1);
}
