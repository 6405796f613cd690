//! The pool core with miners over Stratum V2, on a workbench; and what an embedder may decide.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/workbench.rs"]
mod workbench;

use std::sync::{Arc, Mutex};

use otedama_core::{ChannelId, Difficulty, HeaderSource};
use otedama_pool::Account;
use otedama_pool::core::{Authorization, Input, PoolEvent};
use otedama_pool::scheme::Solo;
use otedama_stratum::ChannelKind::{Extended, Standard};
use otedama_stratum::{ClientEvent, Protocol};
use workbench::{ALICE, Miner, POOL, Pool, SHARE_DIFFICULTY, config, pplns};

/// What became of the oldest share that has an answer: the words if it was refused.
fn answer(miner: &mut Miner) -> Option<Result<(), String>> {
    while let Some(event) = miner.events.pop_front() {
        match event {
            ClientEvent::Accepted(_) => return Some(Ok(())),
            ClientEvent::Rejected(_, why) => return Some(Err(why.message)),
            _ => {}
        }
    }
    None
}

fn submit(miner: &mut Miner, pool: &mut Pool, block: bool) -> Option<Result<(), String>> {
    let share = miner.find(pool, block);
    miner.session.submit(&share, pool.bench.clock().now()).unwrap();
    miner.exchange(pool);
    answer(miner)
}

#[test]
fn both_kinds_of_channels_mine_shares_and_blocks_into_the_same_books() {
    let mut pool = Pool::new(pplns());
    let mut old = Miner::join(&mut pool, ALICE);
    let mut extended = Miner::join_v2(&mut pool, &format!("{ALICE}.one"), Extended);
    let mut standard = Miner::join_v2(&mut pool, &format!("{ALICE}.two"), Standard);
    let root = |miner: &Miner| matches!(miner.job.as_ref().unwrap().body().source, HeaderSource::Standard(_));
    assert!(root(&standard) || standard.job.as_ref().unwrap().terms().extranonce2_len == 0);
    assert!(!root(&extended));
    for miner in [&mut old, &mut extended, &mut standard] {
        assert_eq!(submit(miner, &mut pool, false), Some(Ok(())));
    }
    let claimed = [&standard, &extended, &old].map(|miner| {
        let weight = miner.job.as_ref().unwrap().terms().share_target.weight();
        (Account::new(ALICE), weight)
    });
    assert_eq!(pool.shares(), claimed);
    assert_eq!(submit(&mut standard, &mut pool, true), Some(Ok(())));
    assert_eq!(submit(&mut extended, &mut pool, true), Some(Ok(())));
    assert_eq!(pool.blocks().len(), 2);
}

#[test]
fn a_share_counts_once_and_a_stale_one_not_at_all() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join_v2(&mut pool, ALICE, Extended);
    let share = miner.find(&pool, false);
    for expected in [Ok(()), Err("duplicate-share".to_owned())] {
        miner.session.submit(&share, pool.bench.clock().now()).unwrap();
        miner.exchange(&mut pool);
        assert_eq!(answer(&mut miner), Some(expected));
    }
    let late = miner.find(&pool, false);
    miner.session.submit(&late, pool.bench.clock().now()).unwrap();
    pool.offer(2, 101);
    miner.exchange(&mut pool);
    assert_eq!(answer(&mut miner), Some(Err("stale-share".into())));
    assert_eq!(submit(&mut miner, &mut pool, false), Some(Ok(())), "the new job is there");
    assert_eq!(pool.shares().len(), 2);
}

#[test]
fn accepted_means_durable() {
    let mut pool = Pool::new(pplns());
    let mut miner = Miner::join_v2(&mut pool, ALICE, Extended);
    pool.bench.hold_journal();
    assert_eq!(submit(&mut miner, &mut pool, false), None, "nothing is answered before the journal has it");
    pool.bench.release();
    miner.exchange(&mut pool);
    assert_eq!(answer(&mut miner), Some(Ok(())));
}

#[test]
fn solo_pays_each_channel_its_own_finder() {
    let mut pool = Pool::new(config(Solo));
    let mut alice = Miner::join_v2(&mut pool, ALICE, Extended);
    let mut other = Miner::join_v2(&mut pool, POOL, Standard);
    assert_eq!(submit(&mut alice, &mut pool, true), Some(Ok(())));
    assert_eq!(submit(&mut other, &mut pool, true), Some(Ok(())));
    let blocks = pool.blocks();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0].candidate.finder, Account::new(ALICE));
    assert_eq!(blocks[1].candidate.finder, Account::new(POOL));
}

#[test]
fn nobody_mines_for_an_address_that_is_none() {
    let mut pool = Pool::new(pplns());
    let connection = pool.bench.connect();
    let login = otedama_stratum::Login::new(otedama_core::Algorithm::SHA256D, "nobody");
    let now = pool.bench.clock().now();
    let mut session = otedama_stratum::ClientSession::v2(otedama_stratum::ClientConfig::new(login), now);
    let error = loop {
        while let Some(bytes) = session.poll_transmit() {
            pool.bench.send(connection, &bytes);
        }
        let output = pool.bench.take_output(connection);
        assert!(!output.is_empty(), "the miner waits for ever");
        if let Err(error) = session.handle_input(&output, now) {
            break error;
        }
    };
    assert!(error.to_string().contains("unknown-user"), "{error}");
}

#[test]
fn whoever_embeds_the_pool_may_take_its_time_to_decide_who_mines() {
    let mut config = pplns();
    config.authorization = Authorization::Asked;
    let payouts = Arc::clone(&config.payouts);
    let mut pool = Pool::new(config);
    let mut old = Miner::join(&mut pool, "alice");
    let mut new = Miner::join_v2(&mut pool, "alice", Extended);
    assert!(old.job.is_none() && new.job.is_none());
    let asked = pool.bench.asked();
    assert_eq!(asked.len(), 2);
    for (connection, worker, login) in asked {
        assert!(login.user.starts_with("alice"));
        pool.bench.tell(Input::Authorized { connection, worker, payout: payouts(ALICE) });
    }
    for miner in [&mut old, &mut new] {
        miner.exchange(&mut pool);
        assert_eq!(submit(miner, &mut pool, false), Some(Ok(())));
    }
    assert_eq!(pool.shares().iter().filter(|(account, _)| *account == Account::new(ALICE)).count(), 2);
}

#[test]
fn whoever_embeds_the_pool_chooses_difficulties() {
    let hard = Difficulty::from_f64(otedama_core::Algorithm::SHA256D, 0.000_000_5).unwrap().target();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut config = pplns();
    let notes = Arc::clone(&seen);
    config.start = Some(Arc::new(move |newcomer| {
        notes.lock().unwrap().push(newcomer.account.cloned());
        Some(hard)
    }));
    let mut pool = Pool::new(config);
    let mut miner = Miner::join_v2(&mut pool, ALICE, Extended);
    let target = |miner: &Miner| miner.job.as_ref().unwrap().terms().share_target;
    assert_eq!(target(&miner), hard);
    assert_eq!(*seen.lock().unwrap(), [Some(Account::new(ALICE))]);
    let channel = pool.bench.take_events().into_iter().find_map(|event| match event {
        PoolEvent::Ready { channel, .. } => Some(channel),
        _ => None,
    });
    let channel = channel.unwrap();
    assert_ne!(channel, ChannelId(0));
    let easy = Difficulty::from_f64(otedama_core::Algorithm::SHA256D, SHARE_DIFFICULTY.parse().unwrap());
    let easy = easy.unwrap().target();
    pool.bench.tell(Input::Retarget { connection: miner.connection, channel, target: easy });
    miner.exchange(&mut pool);
    assert_eq!(target(&miner), easy);
    assert_eq!(submit(&mut miner, &mut pool, false), Some(Ok(())));
}

#[test]
fn a_channel_that_ends_gives_its_search_space_back() {
    let mut pool = Pool::new(pplns());
    let miner = Miner::join_v2(&mut pool, ALICE, Standard);
    assert_eq!(miner.session.protocol(), Protocol::V2);
    let prefix = miner.job.as_ref().unwrap().terms().extranonce_prefix;
    pool.bench.disconnect(miner.connection);
    let prefix_of = |miner: &Miner| miner.job.as_ref().unwrap().terms().extranonce_prefix;
    let next = Miner::join_v2(&mut pool, ALICE, Standard);
    assert_ne!(prefix_of(&next), prefix, "it rests first");
}
