//! A whole pool whose only node is a provider of templates.

use std::time::Duration;

use otedama_core::{Algorithm, Extranonce, Factor, Generation, Job, Share, Solution};
use otedama_hash::Verifier;
use otedama_pool::core::PoolEvent;
use otedama_pool::journal::{BlockState, Memory};
use otedama_pool::scheme::Pplns;
use otedama_pool::{Coin, Pool};
use otedama_stratum::Login;
use otedama_stratum::net::{Client, Event};

use crate::stage::Stage;

const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// The first block on a job.
fn find(verifier: &Verifier, job: &Job, rolled: u64) -> Share {
    let extranonce2 = Extranonce::from_counter(rolled, job.terms().extranonce2_len).unwrap();
    let work = job.work(&extranonce2, Generation(0)).unwrap();
    let network = job.body().network_target();
    let meets = |nonce: &u64| {
        work.algorithm.meets(&verifier.digest(&work.header.with_nonce(work.algorithm, *nonce)), network)
    };
    let nonce = (0..u64::from(u32::MAX)).find(meets).unwrap();
    Share::from_solution(job, extranonce2, Solution::new(Generation(0), nonce))
}

/// Mines until the pool hangs up.
fn mine(url: String) {
    std::thread::spawn(move || {
        let login = Login::new(Algorithm::SHA256D, format!("{POOL}.rig")).password("d=0.0000001");
        let client = Client::connect(&url, login).unwrap();
        let (shares, close) = (client.submitter(), client.close_handle());
        let verifier = Verifier::new(Algorithm::SHA256D).unwrap();
        let mut rolled = 0;
        for event in client {
            match event {
                Ok(Event::Job(job)) => {
                    rolled += 1;
                    shares.submit(find(&verifier, &job, rolled));
                }
                Ok(_) => {}
                Err(_) => close.close(),
            }
        }
    });
}

#[test]
fn a_pool_mines_through_a_provider_until_its_blocks_mature() {
    let stage = Stage::new();
    stage.give(0..3);
    let provider = stage.provider();
    let matured = stage.runtime.block_on(async {
        let mut pool = Pool::builder(provider.node(), POOL, Pplns::new(Factor::whole(2)).unwrap())
            .coin(Coin::devnet(Algorithm::SHA256D))
            .journal(Memory::new())
            .maturity(3)
            .listen("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        mine(format!("stratum+tcp://{}", pool.addresses()[0]));
        let mut matured = Vec::new();
        let news = async {
            while matured.len() < 2 {
                match pool.next_event().await.unwrap() {
                    PoolEvent::BlockTurned { hash, state: BlockState::Matured, .. } => matured.push(hash),
                    PoolEvent::BlockTurned { state: BlockState::Lost, hash, .. } => panic!("{hash} is lost"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), news).await.unwrap();
        pool.stop().await;
        matured
    });
    for hash in matured {
        let status = stage.wait_for_block(hash);
        assert!(status.confirmations.is_some_and(|confirmations| confirmations >= 3), "{status:?}");
    }
}
