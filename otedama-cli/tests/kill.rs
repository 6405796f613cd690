//! `kill -9` at any moment: what was answered "accepted" is in the books once, and the books are right.

#![cfg(all(feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/serving.rs"]
mod serving;
mod support;
#[path = "support/v1.rs"]
mod v1;

use std::path::Path;

use books::Books;
use otedama_pool::journal::BlockState;
use serving::{PATIENCE, Process};
use v1::{Accepted, Pace};

const KILLS: usize = 20;
const MINERS: [&str; 4] = [
    "bcrt1qljqxjts7q2x48stgh8yp6cszlv7wqdqt9z799w",
    "bcrt1q6uxqxrejy0wrs9vhat9gv264xahprp2raeckfs",
    "bcrt1qgsxpsfgqwssvcktx99ceq8ruu06hlzw34ehj48",
    "bcrt1q72xy2wpmxe65lfrm69ccj7u4dhz7yqe6s7w0s2",
];

/// One share takes four hashes, one block 2,048.
/// Without a point, which would end the address.
const SHARE_DIFFICULTY: &str = "931322574615478515625e-30";
const BLOCK_BITS: &str = "1f1fffff";
/// Network difficulties; so many that no share of this test is ever rolled up, and each can be looked for.
const WINDOW: &str = "1000000.0";

fn config(store: &Path) -> String {
    format!(
        "algorithm: sha256d\n\
         nodes: [{{ kind: devnet, nbits: \"{BLOCK_BITS}\", maturity: 3 }}]\n\
         pool: {{ name: p, address: bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080, fee_percent: \"1.3\", window: \"{WINDOW}\" }}\n\
         stratum: {{ listen: [\"127.0.0.1:0\"] }}\n\
         store: {{ path: {} }}\n",
        store.display()
    )
}

/// A well-known generator (SplitMix64), for moments that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit).unwrap()
    }
}

/// One life of the pool under load, until this many more shares were accepted; ended by `end`.
fn live(config: &str, accepted: &Accepted, shares: usize, end: impl FnOnce(Process)) {
    let pool = Process::serve(config, 1);
    let before = accepted.count();
    let address = &pool.addresses()[0];
    let user = |address: &str| format!("{address}+{SHARE_DIFFICULTY}.rig");
    let miners: Vec<_> =
        MINERS.iter().map(|miner| v1::start(address, &user(miner), Pace::FAST, accepted)).collect();
    accepted.wait_for(before + shares, PATIENCE);
    end(pool);
    for miner in miners {
        miner.join().unwrap();
    }
}

/// What must hold after any death.
fn check(store: &Path, accepted: &Accepted) -> Books {
    let books = Books::read(store, "p");
    let digests = books.digests();
    assert!(digests.values().all(|count| *count == 1), "no share stands there twice");
    for digest in accepted.all() {
        assert!(digests.contains_key(&digest), "an accepted share is missing: {digest}");
    }
    books
}

#[test]
fn nothing_accepted_is_lost_and_nothing_is_credited_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("pool.db");
    let config = config(&store);
    let accepted = Accepted::default();
    let mut random = Random(2026);
    let mut open = Vec::new();
    for _ in 0..KILLS {
        let shares = 1 + random.below(4_000);
        live(&config, &accepted, shares, |mut pool| pool.kill());
        let found =
            check(&store, &accepted).blocks.into_iter().filter(|block| block.state == BlockState::Found);
        open = found.map(|block| block.candidate.hash).collect();
    }
    live(&config, &accepted, 1, |pool| {
        for hash in open {
            // A block that was found before a death is followed to its end by a later life.
            pool.wait_for_log(&format!("block turned pool=\"p\" hash={hash}"), 1);
        }
        pool.signal("TERM");
        assert_eq!(pool.ended().code, Some(130));
    });
    let books = check(&store, &accepted);

    // The test would prove nothing if there had been no money.
    let blocks = books.confirmed();
    assert!(blocks.len() > KILLS, "{} blocks", blocks.len());
    assert!(MINERS.iter().all(|miner| books.shares.iter().any(|share| share.account.as_str() == *miner)));
    assert_eq!(books.sums().2, blocks.len() as u128 * 5_000_000_000, "each block pays once");
}
