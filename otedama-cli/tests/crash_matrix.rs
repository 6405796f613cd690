//! `kill -9` at every step of a share and of a block, on real nodes: one chain and one store for all deaths.

#![cfg(all(unix, feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/chain.rs"]
mod chain;
#[path = "../../otedama-pool/tests/support/litecoind.rs"]
mod litecoind;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/serving.rs"]
mod serving;
#[path = "support/stage.rs"]
mod stage;
mod support;
#[path = "support/v1.rs"]
mod v1;

use std::collections::HashSet;

use litecoind::ADDRESS;
use otedama_pool::journal::BlockState;
use serving::Process;
use stage::{MATURITY, Stage};

/// Shares between two roll-ups.
const ROLL_UP: u32 = 4;
/// How far the clock is behind in every other life under load, in seconds: more than a day.
const CLOCK_BEHIND: u32 = 100_000;
/// How long the rest of the process goes on when one thread stands before a step, or within it: who tells of the step
/// without waiting for it is found out.
const LINGER: &str = "linger=sleep(20)";
const SIGKILL: i32 = 9;

/// How the process dies.
struct Death {
    /// Where.
    point: &'static str,
    /// How often it passes there alive.
    passes: u32,
    /// What happens on the chain meanwhile.
    scene: Scene,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// Nothing but what the pool and its miners do.
    Mining,
    /// Many blocks follow.
    Maturing,
    /// A block is taken off the best chain, and put back after the death.
    Reorganised,
}

const fn mining(point: &'static str, passes: u32) -> Death {
    Death { point, passes, scene: Scene::Mining }
}

const fn maturing(point: &'static str, passes: u32) -> Death {
    Death { point, passes, scene: Scene::Maturing }
}

const fn reorganised(point: &'static str) -> Death {
    Death { point, passes: 0, scene: Scene::Reorganised }
}

/// Before and after each step, in the order of the steps. At a point `within` a step everything is written and nothing
/// committed. So a share is journalled before `within-journalled` and committed after it; and a block is confirmed and
/// credited by one transaction, or neither.
const DEATHS: [Death; 25] = [
    mining("before-verified", 9),
    mining("after-verified", 7),
    mining("before-journalled", 5),
    mining("within-journalled", 6),
    mining("after-journalled", 4),
    mining("before-answered", 8),
    mining("after-answered", 9),
    mining("before-closed", 2),
    mining("within-closed", 1),
    mining("after-closed", 2),
    mining("before-persisted", 3),
    mining("within-persisted", 4),
    mining("after-persisted", 3),
    mining("before-submitted", 5),
    mining("after-submitted", 6),
    mining("before-confirmed", 5),
    mining("before-credited", 3),
    mining("within-credited", 4),
    mining("after-credited", 3),
    maturing("before-matured", 2),
    maturing("within-matured", 1),
    maturing("after-matured", 3),
    reorganised("before-reversed"),
    reorganised("within-reversed"),
    reorganised("after-reversed"),
];

#[test]
fn whatever_dies_when_a_share_counts_once_and_no_block_is_lost() {
    let mut stage = Stage::new();
    for (number, death) in DEATHS.iter().enumerate() {
        die(&stage, death, if number % 2 == 0 { 0 } else { CLOCK_BEHIND });
        stage.live(0);
    }
    stage.append_again();
    // Until all is final.
    stage.live(MATURITY);
    let books = stage.check();
    assert!(books.blocks.iter().all(|block| block.state.is_final()));
    assert_eq!(books.sums().2, stage.paid().atomic(), "what the books have is what the chain paid");

    // The test would prove nothing without any of these.
    let heights: HashSet<_> = books.blocks.iter().map(|block| block.candidate.height).collect();
    assert!(heights.len() < books.blocks.len(), "two blocks at one height");
    assert!(books.blocks.iter().any(|block| block.ordinal >= 4), "a block came back, and matured");
    assert!(books.blocks.iter().any(|block| block.state == BlockState::Lost), "a rival was given up");
    assert!(stage.sent_again > 100, "{} shares sent again", stage.sent_again);
    let times: Vec<_> = books.blocks.iter().map(|block| block.candidate.time).collect();
    assert!(!times.is_sorted(), "the clock was set back");
    let days: HashSet<_> = books.totals.iter().map(|total| total.day).collect();
    let rolled: u64 = books.totals.iter().map(|total| total.shares).sum();
    assert!(rolled > 100 && days.len() > 1, "{rolled} shares of {} days rolled up", days.len());
    println!(
        "{} lives; {} shares accepted, {} journalled, {rolled} of them rolled up; {} blocks found, {} matured",
        2 * DEATHS.len() + 1,
        stage.accepted.count(),
        stage.journalled.len(),
        books.blocks.len(),
        books.confirmed().len()
    );
}

/// A life under load that ends at a point.
fn die(stage: &Stage, death: &Death, behind: u32) {
    let Death { point, passes, scene } = death;
    let points =
        format!("roll-up=return({ROLL_UP});clock-behind=return({behind});{point}={passes}*off->return");
    let linger = if point.starts_with("after") { "" } else { LINGER };
    let mut pool = Process::doomed(&stage.config(), &format!("{points};{linger}"));
    let miners = pool.address().map_or(Vec::new(), |address| stage.mine(&address));
    let gone = match scene {
        Scene::Mining => None,
        Scene::Maturing => {
            stage.network.nodes[0].cli(&["generatetoaddress", &MATURITY.to_string(), ADDRESS]);
            None
        }
        Scene::Reorganised => reorganise(stage, &mut pool),
    };
    assert_eq!(pool.killed(), Some(SIGKILL), "at {point}");
    for miner in miners {
        miner.join().unwrap();
    }
    if let Some(hash) = gone {
        stage.on_all_nodes(&["reconsiderblock", &hash]);
    }
}

/// Takes a block that was credited in this life off the best chain, unless rivals have done that to another.
fn reorganise(stage: &Stage, pool: &mut Process) -> Option<String> {
    let line = pool.log_line("state=Confirmed")?;
    let (_, rest) = line.split_once(" hash=").unwrap();
    let hash = rest.split(' ').next().unwrap().to_owned();
    stage.on_all_nodes(&["invalidateblock", &hash]);
    Some(hash)
}
