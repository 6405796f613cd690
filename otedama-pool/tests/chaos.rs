//! A whole pool in simulation: many seeds keep every promise, and every deliberate bug is found.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::Duration;

use otedama_pool::sim::{Options, run};

#[test]
fn some_seeds() {
    let count: u64 = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let from: u64 = std::env::var("FROM").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let options = Options::new(Duration::from_secs(600));
    let mut bad = 0;
    let mut tally = otedama_pool::sim::Tally::default();
    for seed in from..from + count {
        let run = run(seed, &options);
        tally = tally.and(&run.tally);
        if let Some(broken) = &run.broken {
            bad += 1;
            println!("{seed}: {broken:?} after {} actions, {:?}", run.trace.len(), run.trace.last());
        }
    }
    println!("{tally:?}");
    assert_eq!(bad, 0);
}
