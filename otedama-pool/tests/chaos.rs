//! A whole pool in simulation: a thousand seeds keep every promise, and every deliberate bug is found.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use otedama_pool::sim::{Bug, Options, Run, Tally, replay, run, shrink};

const SEEDS: u64 = 1000;
/// What a pool goes through in each of them, before it is left to come to rest.
const SPAN: Duration = Duration::from_secs(180);
/// Threads that share the seeds.
const THREADS: usize = 2;

/// Every run of seeds below the limit, in no particular order.
fn runs(options: Options, seen: impl Fn(Run) + Sync) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    seen(run(seed, &options));
                }
            });
        }
    });
}

/// What somebody needs who has to mend it.
fn story(run: &Run, options: &Options) -> String {
    let short = shrink(run, options, &mut |_| {});
    let actions: Vec<_> = short.trace.iter().map(ToString::to_string).collect();
    format!("seed {}: {:?}\nshrunk to:\n{}", run.seed, short.broken, actions.join("\n"))
}

#[test]
fn a_thousand_seeds_keep_every_promise() {
    let options = Options::new(SPAN);
    let total = std::sync::Mutex::new(Tally::default());
    runs(options, |run| {
        assert!(run.broken.is_none(), "{}", story(&run, &options));
        let mut total = total.lock().unwrap();
        *total = total.and(&run.tally);
    });
    let total = total.into_inner().unwrap();
    println!("{total:?}");
    // It would prove nothing if nothing had happened.
    assert!(total.crashes > SEEDS && total.faults > SEEDS && total.reorganisations > SEEDS, "{total:?}");
    assert!(total.accepted > 50 * SEEDS && total.matured > 2 * SEEDS && total.orphaned > SEEDS, "{total:?}");
    assert!(total.rolled_up > 5 * SEEDS, "{total:?}");
}

/// Which promise a bug breaks first, as far as that is sure.
fn expected(bug: Bug) -> Option<&'static str> {
    Some(match bug {
        Bug::CoinbaseWithoutBoot => "a share counts once",
        Bug::NeverSyncs => "accepted means durable",
        Bug::ForgetsWindow | Bug::RollsUpTooMuch | Bug::RoundsUp | Bug::RemainderToTheLast => {
            "a reward is split exactly"
        }
        Bug::CreditsWhenFound | Bug::TrustsSubmission => "only a block on the chain is credited",
        Bug::MaturesAtOnce | Bug::MaturesOneEarly => "only a mature block is credited for good",
        Bug::ForgetsBlocks | Bug::FirstNodeOnly | Bug::DropsStaleBlocks => "a block is never lost",
        Bug::SubmitsBeforePersist => "a block is written down before it leaves",
        _ => return None,
    })
}

#[test]
fn every_deliberate_bug_is_found() {
    assert!(Bug::ALL.len() >= 12);
    for bug in Bug::ALL {
        let options = Options::new(SPAN).with_bug(*bug);
        let found = (0..SEEDS).map(|seed| run(seed, &options)).find(|run| run.broken.is_some());
        let found = found.unwrap_or_else(|| panic!("{bug} was not found within {SEEDS} seeds"));
        let broken = found.broken.as_ref().unwrap();
        println!("{bug}: seed {}, {} actions: {}", found.seed, found.trace.len(), broken.rule);
        assert!(expected(*bug).is_none_or(|rule| rule == broken.rule), "{bug}: {broken:?}");
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let options = Options::new(SPAN);
    for seed in 0..10 {
        let first = run(seed, &options);
        assert_eq!(first, run(seed, &options));
        assert_eq!(first, replay(seed, &first.trace, &options), "a trace is all that it takes");
    }
    assert_ne!(run(1, &options).tally, run(2, &options).tally);
}

#[test]
fn a_broken_run_shrinks_to_a_short_one_that_breaks_the_same_promise() {
    for bug in [Bug::CoinbaseWithoutBoot, Bug::NeverSyncs, Bug::RollsUpTooMuch, Bug::MaturesOneEarly] {
        let options = Options::new(SPAN).with_bug(bug);
        let long = (0..SEEDS).map(|seed| run(seed, &options)).find(|run| run.broken.is_some()).unwrap();
        let short = shrink(&long, &options, &mut |_| {});
        let deeds = short.trace.iter().filter(|action| !action.is_idle()).count();
        println!("{bug}: {} actions, shrunk to {deeds}", long.trace.len());
        assert_eq!(long.broken.as_ref().map(|b| b.rule), short.broken.as_ref().map(|b| b.rule));
        assert!(deeds <= 10 || 2 * deeds <= long.trace.len(), "{short:?}");
        assert_eq!(replay(short.seed, &short.trace, &options), short, "it replays exactly");
        let healthy = replay(short.seed, &short.trace, &Options::new(SPAN));
        assert_eq!(healthy.broken, None, "the pool as it is survives the same");
    }
    let whole = run(3, &Options::new(SPAN));
    assert_eq!(shrink(&whole, &Options::new(SPAN), &mut |_| {}), whole, "nothing to shrink");
}
