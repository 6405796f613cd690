//! The tokio shell with a chain in the process and real miners on loopback.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otedama_core::{
    Algorithm, Amount, CompactTarget, Extranonce, Factor, Generation, Job, Share, Solution, UnixTime,
};
use otedama_hash::Verifier;
use otedama_pool::core::PoolEvent;
use otedama_pool::journal::{BlockState, Memory};
use otedama_pool::ledger::LedgerAccount;
use otedama_pool::node::{Devnet, DevnetConfig};
use otedama_pool::scheme::{Pplns, Solo};
use otedama_pool::{Coin, Pool};
use otedama_stratum::Login;
use otedama_stratum::net::{Client, Event};

const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
/// A network difficulty of 2^12 hashes a block.
const NBITS: u32 = 0x1f0f_ffff;

fn devnet() -> Devnet {
    let clock = || UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let bits = CompactTarget::from_bits(NBITS);
    let subsidy = Amount::from_atomic(5_000_000_000);
    Devnet::new(DevnetConfig::new(Algorithm::SHA256D, bits, subsidy, Arc::new(clock))).unwrap()
}

/// Mines until the pool hangs up.
fn mine(url: String) -> std::thread::JoinHandle<()> {
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
    })
}

/// The first block on a job.
fn find(verifier: &Verifier, job: &Job, rolled: u64) -> Share {
    let extranonce2 = Extranonce::from_counter(rolled, job.terms().extranonce2_len).unwrap();
    let work = job.work(&extranonce2, Generation(0)).unwrap();
    let network = job.body().network_target();
    let nonce = (0..u64::from(u32::MAX))
        .find(|nonce| {
            work.algorithm.meets(&verifier.digest(&work.header.with_nonce(work.algorithm, *nonce)), network)
        })
        .unwrap();
    Share::from_solution(job, extranonce2, Solution::new(Generation(0), nonce))
}

async fn until<T>(pool: &mut Pool, mut pick: impl FnMut(PoolEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = pick(pool.next_event().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_found_confirmed_matured_and_booked() {
    let mut pool = Pool::builder(devnet(), POOL, Pplns::new(Factor::whole(2)).unwrap())
        .coin(Coin::devnet(Algorithm::SHA256D))
        .journal(Memory::new())
        .fee("2.5".parse().unwrap())
        .maturity(2)
        .listen("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let miner = mine(format!("stratum+tcp://{}", pool.addresses()[0]));
    let mut matured = 0;
    until(&mut pool, |event| {
        if let PoolEvent::BlockTurned { state: BlockState::Matured, .. } = event {
            matured += 1;
        }
        (matured == 2).then_some(())
    })
    .await;
    let balances = pool.balances().await.unwrap();
    let of = |wanted: &dyn Fn(&LedgerAccount) -> bool| {
        balances.iter().filter(|b| wanted(&b.account)).map(|b| b.amount.atomic()).sum::<u128>()
    };
    let credited = of(&|a| matches!(a, LedgerAccount::Balance(_) | LedgerAccount::Immature(_)));
    let fee = of(&|a| matches!(a, LedgerAccount::Fee | LedgerAccount::ImmatureFee));
    let rewards = of(&|a| *a == LedgerAccount::Chain);
    assert!(rewards >= 10_000_000_000);
    assert_eq!(credited + fee, rewards);
    assert_eq!(fee * 40, rewards);
    pool.stop().await;
    drop(miner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_solo_pool_needs_no_journal_and_dropping_it_stops_it() {
    let mut pool = Pool::builder(devnet(), POOL, Solo)
        .coin(Coin::devnet(Algorithm::SHA256D))
        .listen("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let address = pool.addresses()[0];
    let _miner = mine(format!("stratum+tcp://{address}"));
    until(&mut pool, |event| matches!(event, PoolEvent::BlockFound { .. }).then_some(())).await;
    drop(pool);
    let gone = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn a_wrong_description_is_refused() {
    let start = |address: &str, tag: &str| {
        Pool::builder(devnet(), address, Solo).coin(Coin::devnet(Algorithm::SHA256D)).tag(tag).start()
    };
    assert!(start("nonsense", "").await.is_err());
    assert!(start(POOL, &"x".repeat(100)).await.is_err());
    assert!(start(POOL, "").await.is_ok());
}
