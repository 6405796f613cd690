//! The pool core on a workbench: what is answered, what is written down, what leaves for the nodes, and in which order.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/workbench.rs"]
mod workbench;

use std::time::Duration;

use otedama_core::{Amount, Percent, Share, hex};
use otedama_pool::core::PoolEvent;
use otedama_pool::journal::{BlockState, Failure};
use otedama_pool::ledger::LedgerAccount;
use otedama_pool::node::{BlockStatus, NodeError};
use otedama_pool::scheme::Solo;
use otedama_pool::{Account, Chain};
use workbench::{ALICE, Miner, POOL, Pool, REST, coin, config, pplns};

#[test]
fn accepted_means_durable() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    pool.bench.hold_journal();
    let share = miner.find(&pool, false);
    assert_eq!(miner.submit(&mut pool, &share), None, "nothing is answered before the journal has it");
    assert!(pool.shares().is_empty());
    pool.bench.release();
    miner.exchange(&mut pool);
    assert_eq!(miner.answer(), Some(Ok(())));
    let weight = miner.job.clone().unwrap().terms().share_target.weight();
    assert_eq!(pool.shares(), [(Account::new(ALICE), weight)]);
}

#[test]
fn a_journal_that_fails_accepts_nothing_and_the_share_may_come_again() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, false);
    pool.journal.inject(Failure::Refused);
    assert_eq!(miner.submit(&mut pool, &share), Some(Err(20)));
    assert!(pool.shares().is_empty());
    assert!(pool.bench.take_events().iter().any(|event| matches!(event, PoolEvent::JournalFailed(_))));
    pool.bench.advance(Duration::from_secs(2));
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())), "it was never counted, so it is no duplicate");
    assert!(pool.bench.take_events().contains(&PoolEvent::JournalRecovered));
    assert_eq!(pool.shares().len(), 1);
}

#[test]
fn a_share_that_could_not_be_recorded_leaves_the_window() {
    let mut pool = Pool::new(pplns());
    let mut alice = Miner::join(&mut pool, ALICE);
    let mut other = Miner::join(&mut pool, POOL);
    let lost = alice.find(&pool, false);
    pool.journal.inject(Failure::Refused);
    assert_eq!(alice.submit(&mut pool, &lost), Some(Err(20)));
    pool.bench.advance(Duration::from_secs(2));
    let block = other.find(&pool, true);
    assert_eq!(other.submit(&mut pool, &block), Some(Ok(())));
    assert_eq!(pool.blocks()[0].candidate.credits, [(Account::new(POOL), Amount::from_atomic(REST))]);
}

#[test]
fn the_same_header_counts_once() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, false);
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    assert_eq!(miner.submit(&mut pool, &share), Some(Err(22)));
    assert_eq!(pool.shares().len(), 1);
}

#[test]
fn a_block_is_written_down_then_submitted_then_followed_to_maturity() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    pool.bench.hold_journal();
    assert_eq!(miner.submit(&mut pool, &share), None);
    assert!(pool.node.submitted().is_empty(), "not before it is durable");
    pool.bench.release();
    assert_eq!(pool.node.submitted().len(), 1);
    let candidate = pool.blocks()[0].candidate.clone();
    assert_eq!(candidate.block.as_ref(), pool.node.submitted()[0]);
    let immature = LedgerAccount::Immature(Account::new(ALICE));
    assert_eq!(pool.balance(&immature), 0, "not before it is confirmed");

    pool.node.place(candidate.hash, Some(BlockStatus { height: 100, confirmations: Some(1) }));
    pool.bench.advance(Duration::from_secs(1));
    assert_eq!(pool.balance(&immature), REST);
    assert_eq!(pool.balance(&LedgerAccount::ImmatureFee), 50_000_000);

    pool.node.place(candidate.hash, Some(BlockStatus { height: 100, confirmations: Some(3) }));
    pool.offer(7, 103);
    pool.bench.advance(Duration::from_secs(1));
    assert_eq!(pool.balance(&LedgerAccount::Balance(Account::new(ALICE))), REST);
    assert_eq!(pool.balance(&LedgerAccount::Fee), 50_000_000);
    assert_eq!(pool.balance(&immature), 0);
    assert_eq!(pool.balance(&LedgerAccount::Chain), 5_000_000_000);
    assert_eq!(pool.blocks()[0].state, BlockState::Matured);
}

#[test]
fn an_orphan_is_taken_back_and_may_return() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    miner.submit(&mut pool, &share);
    let hash = pool.blocks()[0].candidate.hash;
    let immature = LedgerAccount::Immature(Account::new(ALICE));
    for (confirmations, credited) in [(Some(1), REST), (None, 0), (Some(2), REST), (None, 0)] {
        pool.node.place(hash, Some(BlockStatus { height: 100, confirmations }));
        pool.bench.advance(Duration::from_secs(40));
        assert_eq!(pool.balance(&immature), credited, "{confirmations:?}");
    }
}

#[test]
fn a_stale_block_goes_out_all_the_same() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    pool.offer(2, 101);
    assert_eq!(miner.submit(&mut pool, &share), Some(Err(21)));
    assert_eq!(pool.node.submitted().len(), 1);
    assert!(pool.shares().is_empty(), "it is no share");
}

#[test]
fn a_job_is_good_again_when_the_chain_turns_back() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let mut other = Miner::join(&mut pool, ALICE);
    let (first, second) = (miner.find(&pool, false), other.find(&pool, false));
    pool.offer(2, 100);
    assert_eq!(miner.submit(&mut pool, &first), Some(Err(21)));
    pool.offer(1, 100);
    assert_eq!(other.submit(&mut pool, &second), Some(Ok(())));
}

#[test]
fn a_block_leaves_although_the_journal_fails() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    pool.journal.inject(Failure::Refused);
    assert_eq!(miner.submit(&mut pool, &share), Some(Err(20)));
    assert_eq!(pool.node.submitted().len(), 1);
    assert!(pool.blocks().is_empty());
    pool.bench.advance(Duration::from_secs(2));
    assert_eq!(pool.blocks().len(), 1, "it is written down as soon as that works");
}

#[test]
fn a_block_of_an_earlier_life_is_submitted_again_and_credited() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    miner.submit(&mut pool, &share);
    let mut pool = pool.restart(pplns());
    assert_eq!(pool.node.submitted().len(), 2);
    let hash = pool.blocks()[0].candidate.hash;
    pool.node.place(hash, Some(BlockStatus { height: 100, confirmations: Some(1) }));
    pool.bench.advance(Duration::from_secs(5));
    assert_eq!(pool.balance(&LedgerAccount::Immature(Account::new(ALICE))), REST);
}

#[test]
fn shares_of_an_earlier_life_count_in_the_window() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    for _ in 0..3 {
        let share = miner.find(&pool, false);
        assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    }
    let mut pool = pool.restart(pplns());
    let mut other = Miner::join(&mut pool, POOL);
    let share = other.find(&pool, true);
    assert_eq!(other.submit(&mut pool, &share), Some(Ok(())));
    let candidate = pool.blocks()[0].candidate.clone();
    let of = |name: &str| {
        let found = candidate.credits.iter().find(|(account, _)| account.as_str() == name);
        found.map(|(_, amount)| amount.atomic())
    };
    assert_eq!((of(ALICE), of(POOL)), (Some(REST * 3 / 4), Some(REST / 4)));
}

#[test]
fn no_header_of_one_life_is_possible_in_another() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, false);
    let before = miner.job.clone().unwrap().header(&share).unwrap();
    let mut pool = pool.restart(pplns());
    let after = Miner::join(&mut pool, ALICE).job.unwrap();
    let replayed = Share::new(share.channel, after.id(), share.extranonce2, share.ntime, share.nonce);
    assert_ne!(after.header(&replayed).unwrap(), before);
}

#[test]
fn solo_pays_the_finder_from_the_coinbase() {
    let mut pool = Pool::new(config(Solo));
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    let block = pool.node.submitted().remove(0);
    let script = coin().address(Chain::Regtest, ALICE).unwrap().script().to_vec();
    let value = u64::try_from(REST).unwrap().to_le_bytes();
    let output = [&value[..], &[u8::try_from(script.len()).unwrap()], &script].concat();
    assert!(block.windows(output.len()).any(|window| window == output), "{}", hex::encode(&block));
    let hash = pool.blocks()[0].candidate.hash;
    pool.node.place(hash, Some(BlockStatus { height: 100, confirmations: Some(1) }));
    pool.bench.advance(Duration::from_secs(1));
    assert_eq!(pool.balance(&LedgerAccount::PaidByCoinbase(Account::new(ALICE))), REST);
}

#[test]
fn a_changed_difficulty_opens_new_search_space() {
    let mut pool = Pool::new(pplns());
    let connection = pool.bench.connect();
    let greet = format!(
        "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}}\n\
         {{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"{ALICE}.rig\",\"x\"]}}\n"
    );
    pool.bench.send(connection, greet.as_bytes());
    pool.bench.take_output(connection);
    let mut halves = Vec::new();
    for difficulty in [1e-6, 1e-7, 1e-8] {
        let line =
            format!("{{\"id\":3,\"method\":\"mining.suggest_difficulty\",\"params\":[{difficulty}]}}\n");
        pool.bench.send(connection, line.as_bytes());
        let output = String::from_utf8(pool.bench.take_output(connection)).unwrap();
        let notify = output.lines().find(|line| line.contains("mining.notify")).unwrap().to_owned();
        assert!(notify.ends_with(",false]}"), "older jobs are still good: {notify}");
        halves.push(notify.split('"').nth(13).unwrap().to_owned());
    }
    halves.sort();
    halves.dedup();
    assert_eq!(halves.len(), 3, "each has a coinbase of its own: {halves:?}");
}

#[test]
fn an_unknown_address_is_not_authorised() {
    let mut pool = Pool::new(pplns());
    let connection = pool.bench.connect();
    let lines = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n\
        {\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"nobody.rig\",\"x\"]}\n";
    pool.bench.send(connection, lines);
    let output = String::from_utf8(pool.bench.take_output(connection)).unwrap();
    assert!(output.contains("[24,"), "{output}");
    assert!(!output.contains("mining.notify\",\"params"), "{output}");
}

#[test]
fn miners_keep_their_job_while_no_node_answers() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, false);
    pool.node.offer(Err(NodeError::Unreachable("gone".into())));
    pool.bench.fetch_template();
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    assert!(Miner::join(&mut pool, ALICE).job.is_some());
}

#[test]
fn every_live_connection_has_a_prefix_of_its_own() {
    let mut pool = Pool::new(pplns());
    let miners: Vec<_> = (0..50).map(|_| Miner::join(&mut pool, ALICE)).collect();
    let mut prefixes: Vec<_> =
        miners.iter().map(|miner| miner.job.as_ref().unwrap().terms().extranonce_prefix).collect();
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(prefixes.len(), 50);
}

#[test]
fn the_first_block_of_a_layout_is_proposed() {
    let mut pool = Pool::new(pplns());
    Miner::join(&mut pool, ALICE);
    Miner::join(&mut pool, ALICE);
    let events = pool.bench.take_events();
    let proposed = events.iter().filter(|event| matches!(event, PoolEvent::LayoutChecked { .. })).count();
    assert_eq!(proposed, 1);
}

#[test]
fn a_refused_block_is_given_up_once_another_is_buried() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    miner.submit(&mut pool, &share);
    pool.offer(5, 110);
    pool.bench.advance(Duration::from_secs(60));
    assert_eq!(pool.blocks()[0].state, BlockState::Lost);
    assert!(pool.node.submitted().len() > 1, "it was handed in again first");
    assert_eq!(pool.balance(&LedgerAccount::Chain), 0);
}

#[test]
fn a_fee_of_everything_leaves_nothing() {
    let whole: Percent = "100".parse().unwrap();
    let mut all = config(Solo);
    all.layout.fee = whole;
    let mut pool = Pool::new(all);
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    let candidate = pool.blocks()[0].candidate.clone();
    assert_eq!(candidate.fee, candidate.reward);
}
