//! The pool core in trouble: a journal in doubt, too many shares, a clock that jumps, rivals at one height.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/workbench.rs"]
mod workbench;

use std::time::Duration;

use otedama_core::{Amount, Weight};
use otedama_pool::core::{CoreConfig, PoolEvent};
use otedama_pool::journal::{BlockState, Failure, Journal as _};
use otedama_pool::ledger::LedgerAccount;
use otedama_pool::node::BlockStatus;
use otedama_pool::{Account, PoolName};
use workbench::{ALICE, Miner, NOON, POOL, Pool, REST, pplns};

/// A pool whose connections may have this many shares under way.
fn narrow(checks: usize) -> CoreConfig {
    let mut config = pplns();
    config.limits.shares_per_connection = checks;
    config
}

fn parts(pool: &mut Pool, block: usize) -> Vec<(Account, Amount)> {
    pool.blocks()[block].candidate.credits.clone()
}

#[test]
fn a_share_in_doubt_is_answered_once_that_is_cleared() {
    for failure in [Failure::UnknownWritten, Failure::UnknownLost] {
        let mut pool = Pool::new(pplns());
        let mut miner = Miner::join(&mut pool, ALICE);
        let share = miner.find(&pool, false);
        pool.journal.inject(failure);
        assert_eq!(miner.submit(&mut pool, &share), None, "neither accepted nor refused");
        pool.journal.inject(Failure::Refused);
        pool.bench.advance(Duration::from_millis(1500));
        miner.exchange(&mut pool);
        assert_eq!(miner.answer(), None, "the journal refused, but it may have taken it before");
        pool.bench.advance(Duration::from_millis(1500));
        miner.exchange(&mut pool);
        assert_eq!(miner.answer(), Some(Ok(())));
        assert_eq!(pool.shares().len(), 1, "once");
        assert_eq!(miner.submit(&mut pool, &share), Some(Err(22)));
    }
}

#[test]
fn a_block_in_doubt_leaves_at_once_and_is_written_once() {
    for failure in [Failure::UnknownWritten, Failure::UnknownLost] {
        let mut pool = Pool::new(pplns());
        let mut miner = Miner::join(&mut pool, ALICE);
        let share = miner.find(&pool, true);
        pool.journal.inject(failure);
        assert_eq!(miner.submit(&mut pool, &share), None);
        assert_eq!(pool.node.submitted().len(), 1);
        let hash = otedama_core::Hash256::sha256d(&pool.node.submitted()[0][..80]);
        pool.node.place(hash, Some(BlockStatus { height: 100, confirmations: Some(1) }));
        pool.bench.advance(Duration::from_secs(3));
        miner.exchange(&mut pool);
        assert_eq!(miner.answer(), Some(Ok(())));
        assert_eq!(pool.blocks().len(), 1);
        assert_eq!(pool.balance(&LedgerAccount::Immature(Account::new(ALICE))), REST);
    }
}

#[test]
fn a_block_waits_half_a_second_for_a_journal_that_hangs() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    pool.bench.hold_journal();
    assert_eq!(miner.submit(&mut pool, &share), None);
    pool.bench.advance(Duration::from_millis(499));
    assert!(pool.node.submitted().is_empty());
    pool.bench.advance(Duration::from_millis(2));
    assert_eq!(pool.node.submitted().len(), 1);
    pool.bench.release();
    miner.exchange(&mut pool);
    assert_eq!(miner.answer(), Some(Ok(())), "the share itself waited");
    assert_eq!((pool.node.submitted().len(), pool.blocks().len()), (1, 1));
}

#[test]
fn a_journal_that_is_down_for_long_does_not_wear_the_window_out() {
    let mut pool = Pool::new(pplns());
    let mut alice = Miner::join(&mut pool, ALICE);
    let mut other = Miner::join(&mut pool, POOL);
    for _ in 0..2 {
        let share = alice.find(&pool, false);
        assert_eq!(alice.submit(&mut pool, &share), Some(Ok(())));
    }
    // Far more than the window and its reserve, all of it refused.
    for _ in 0..1200 {
        let lost = other.find(&pool, false);
        pool.journal.inject(Failure::Refused);
        assert_eq!(other.submit(&mut pool, &lost), Some(Err(20)));
        pool.bench.advance(Duration::from_millis(1001));
    }
    let block = other.find(&pool, true);
    assert_eq!(other.submit(&mut pool, &block), Some(Ok(())));
    let of_alice = parts(&mut pool, 0).into_iter().find(|(account, _)| account.as_str() == ALICE);
    assert_eq!(of_alice.map(|(_, part)| part.atomic()), Some(REST * 2 / 3));
}

#[test]
fn a_block_refused_with_its_share_is_split_over_what_was_written() {
    let mut pool = Pool::new(pplns());
    let mut alice = Miner::join(&mut pool, ALICE);
    let mut other = Miner::join(&mut pool, POOL);
    let (share, block) = (alice.find(&pool, false), other.find(&pool, true));
    assert_eq!(alice.submit(&mut pool, &share), Some(Ok(())));
    pool.journal.inject(Failure::Refused);
    assert_eq!(other.submit(&mut pool, &block), Some(Err(20)));
    assert_eq!(pool.node.submitted().len(), 1, "the block has left");
    pool.bench.advance(Duration::from_secs(2));
    assert_eq!(parts(&mut pool, 0), [(Account::new(ALICE), Amount::from_atomic(REST))]);
}

#[test]
fn an_overloaded_pool_hashes_all_the_same_and_stops_reading() {
    let mut pool = Pool::new(narrow(2));
    let mut miner = Miner::join(&mut pool, ALICE);
    pool.bench.hold_hashing();
    for _ in 0..2 {
        let share = miner.find(&pool, false);
        assert_eq!(miner.submit(&mut pool, &share), None);
    }
    assert!(pool.bench.paused(miner.connection));
    // It was on its way already.
    let block = miner.find(&pool, true);
    assert_eq!(miner.submit(&mut pool, &block), None);
    pool.bench.release();
    miner.exchange(&mut pool);
    assert!(!pool.bench.paused(miner.connection));
    assert_eq!([miner.answer(), miner.answer(), miner.answer()], [Some(Ok(())), Some(Ok(())), Some(Err(20))]);
    assert_eq!(pool.node.submitted().len(), 1, "refused as a share, a block all the same");
    assert_eq!((pool.shares().len(), pool.blocks().len()), (2, 1));
}

#[test]
fn whoever_waits_for_a_journal_that_hangs_is_not_read_from() {
    let mut pool = Pool::new(narrow(2));
    let (mut miner, mut other) = (Miner::join(&mut pool, ALICE), Miner::join(&mut pool, POOL));
    pool.bench.hold_journal();
    for _ in 0..2 {
        let share = miner.find(&pool, false);
        assert_eq!(miner.submit(&mut pool, &share), None);
    }
    assert!(pool.bench.paused(miner.connection) && !pool.bench.paused(other.connection));
    let share = other.find(&pool, false);
    assert_eq!(other.submit(&mut pool, &share), None);
    pool.bench.release();
    miner.exchange(&mut pool);
    assert_eq!([miner.answer(), miner.answer()], [Some(Ok(())); 2]);
    assert!(!pool.bench.paused(miner.connection));
    pool.journal.inject(Failure::Refused);
    let shares = [miner.find(&pool, false), miner.find(&pool, false)];
    assert_eq!(miner.submit(&mut pool, &shares[0]), Some(Err(20)));
    pool.bench.advance(Duration::from_secs(2));
    assert_eq!(miner.submit(&mut pool, &shares[1]), Some(Ok(())), "a refused share is done with");
    assert!(!pool.bench.paused(miner.connection));
}

#[test]
fn a_share_whose_hash_is_lost_is_refused_and_may_come_again() {
    let mut pool = Pool::new(narrow(2));
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, false);
    pool.bench.hold_hashing();
    assert_eq!(miner.submit(&mut pool, &share), None);
    assert!(pool.bench.paused(miner.connection));
    pool.bench.lose_hashes();
    miner.exchange(&mut pool);
    assert_eq!(miner.answer(), Some(Err(20)));
    assert!(!pool.bench.paused(miner.connection));
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    assert_eq!(pool.shares().len(), 1);
}

#[test]
fn whoever_was_paused_for_the_sake_of_all_is_read_from_when_all_is_well() {
    let mut config = pplns();
    config.limits.backlog = 2;
    let mut pool = Pool::new(config);
    let mut miners = [ALICE, POOL, ALICE].map(|user| Miner::join(&mut pool, user));
    pool.bench.hold_journal();
    for miner in &mut miners {
        let share = miner.find(&pool, false);
        miner.submit(&mut pool, &share);
    }
    let late = miners[2].find(&pool, false);
    miners[2].submit(&mut pool, &late);
    assert!(pool.bench.paused(miners[2].connection), "the journal's queue is full");
    pool.bench.release();
    assert!(miners.iter().all(|miner| !pool.bench.paused(miner.connection)));
    let share = miners[0].find(&pool, false);
    miners[0].exchange(&mut pool);
    while miners[0].answer().is_some() {}
    assert_eq!(miners[0].submit(&mut pool, &share), Some(Ok(())));
}

#[test]
fn a_block_of_a_worker_that_nobody_knows_goes_out() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, true);
    miner.session.submit(&share, pool.bench.clock().now()).unwrap();
    let line = String::from_utf8(miner.session.poll_transmit().unwrap().to_vec()).unwrap();
    let line = line.replace(&format!("{ALICE}.rig"), "stranger");
    pool.bench.send(miner.connection, line.as_bytes());
    let answer = String::from_utf8(pool.bench.take_output(miner.connection)).unwrap();
    assert!(answer.contains("[24,"), "{answer}");
    assert_eq!(pool.node.submitted().len(), 1);
    assert_eq!((pool.shares().len(), pool.blocks().len()), (0, 1));
}

#[test]
fn shares_are_rolled_up_once_their_window_is_closed() {
    let mut config = pplns();
    config.limits.roll_up = 100;
    let mut pool = Pool::new(config);
    let mut miner = Miner::join(&mut pool, ALICE);
    let mut sent = Weight::ZERO;
    for _ in 0..1500 {
        let share = miner.find(&pool, false);
        assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
        sent = sent.saturating_add(miner.job.clone().unwrap().terms().share_target.weight());
    }
    let live = pool.shares();
    let events = pool.bench.take_events();
    let rolled: u64 =
        events.iter().map(|event| if let PoolEvent::RolledUp { shares } = event { *shares } else { 0 }).sum();
    let (mut shares, mut weight) = (0, Weight::ZERO);
    let mut see = |total: &otedama_pool::journal::ShareTotal| {
        assert_eq!((total.account.as_str(), total.day), (ALICE, NOON / 86_400));
        shares += total.shares;
        weight = weight.saturating_add(total.weight);
    };
    pool.journal.share_totals(&PoolName::new("test"), &mut see).unwrap();
    assert!(rolled > 0 && rolled == shares, "{rolled} told, {shares} there");
    assert_eq!(live.len() as u64 + shares, 1500);
    let kept = live.iter().map(|(_, weight)| *weight).sum::<Weight>();
    assert_eq!(kept.saturating_add(weight), sent, "to the last hash");
    // Two windows of two network difficulties stay.
    assert!(kept >= Weight::new(4 << 16) && live.len() < 1400, "{} live", live.len());
}

#[test]
fn a_calendar_that_jumps_moves_no_share() {
    let splits: Vec<_> = [0i64, -100_000, 7_000]
        .into_iter()
        .map(|jump| {
            let mut pool = Pool::new(pplns());
            let (mut alice, mut other) = (Miner::join(&mut pool, ALICE), Miner::join(&mut pool, POOL));
            for round in 0..3 {
                let share = alice.find(&pool, false);
                assert_eq!(alice.submit(&mut pool, &share), Some(Ok(())), "round {round}, jump {jump}");
                pool.bench.clock().set_calendar(NOON.saturating_add_signed(jump * round));
            }
            // The next life begins in the past, or in the future.
            let mut pool = pool.restart(pplns());
            let mut later = Miner::join(&mut pool, POOL);
            let block = later.find(&pool, true);
            assert_eq!(later.submit(&mut pool, &block), Some(Ok(())));
            drop(other.job.take());
            parts(&mut pool, 0)
        })
        .collect();
    assert_eq!(splits[0].len(), 2);
    assert!(splits.iter().all(|split| *split == splits[0]), "{splits:?}");
}

#[test]
fn of_two_blocks_at_one_height_the_one_on_the_chain_is_credited() {
    let mut pool = Pool::new(pplns());
    let mut alice = Miner::join(&mut pool, ALICE);
    let mut other = Miner::join(&mut pool, POOL);
    let (first, second) = (alice.find(&pool, true), other.find(&pool, true));
    assert_eq!(alice.submit(&mut pool, &first), Some(Ok(())));
    assert_eq!(other.submit(&mut pool, &second), Some(Ok(())));
    // The same block again, as often as anybody likes: it is one.
    assert_eq!(alice.submit(&mut pool, &first), Some(Err(22)));
    assert_eq!(pool.blocks().len(), 2);
    let hashes: Vec<_> = pool.blocks().iter().map(|block| block.candidate.hash).collect();
    let depth = |confirmations| Some(BlockStatus { height: 100, confirmations });
    for (on, off, confirmations) in [(0, 1, 1), (1, 0, 2), (0, 1, 3)] {
        pool.node.place(hashes[on], depth(Some(confirmations)));
        pool.node.place(hashes[off], depth(None));
        pool.offer(u8::try_from(10 + confirmations).unwrap(), 100 + confirmations);
        pool.bench.advance(Duration::from_secs(60));
        assert_eq!(pool.balance(&LedgerAccount::Chain), 5_000_000_000, "one of them, round {confirmations}");
    }
    let states: Vec<_> = pool.blocks().iter().map(|block| block.state).collect();
    assert_eq!(states[0], BlockState::Matured);
    assert!(matches!(states[1], BlockState::Orphaned | BlockState::Lost), "{states:?}");
}

#[test]
fn a_template_that_means_no_difficulty_loads_no_part_of_the_window() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join(&mut pool, ALICE);
    let share = miner.find(&pool, false);
    assert_eq!(miner.submit(&mut pool, &share), Some(Ok(())));
    let mut senseless = workbench::template(1, 100);
    senseless.nbits = otedama_core::CompactTarget::from_bits(0xff12_3456);
    pool.node.offer(Ok(senseless));
    let mut pool = pool.restart(pplns());
    assert!(pool.bench.take_events().iter().any(|event| matches!(event, PoolEvent::TemplateRefused(_))));
    pool.offer(1, 100);
    let mut other = Miner::join(&mut pool, POOL);
    let block = other.find(&pool, true);
    assert_eq!(other.submit(&mut pool, &block), Some(Ok(())));
    assert_eq!(parts(&mut pool, 0).len(), 2, "the share of the life before is in the window");
}
