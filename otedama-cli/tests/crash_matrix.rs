//! `kill -9` at every step of a share and of a block, on real nodes: one chain and one store for all deaths.

#![cfg(all(unix, feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/chain.rs"]
mod chain;
#[path = "../../otedama-pool/tests/support/litecoind.rs"]
mod litecoind;
#[path = "support/serving.rs"]
mod serving;
mod support;
#[path = "support/v1.rs"]
mod v1;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use books::Books;
use chain::{Block, Chain};
use litecoind::{ADDRESS, Network, PASSWORD, USER, WITHOUT_MWEB};
use otedama_core::{Algorithm, Amount, Digest};
use otedama_pool::journal::{BlockRecord, BlockState};
use serving::Process;
use tempfile::TempDir;
use v1::{Accepted, Pace, Sent};

const POOL: &str = "rltc1q2xdrrzuprt24h4x94qcdfcqwnucj0yh0d7uwla";
const MINERS: [&str; 2] =
    ["rltc1q4lj9pvmc35unyjuw0r5asp25pyh7jskgxp7uag", "rltc1qnjunv75cvazh2aq72yhrnyx3pzzftu0qqk65ut"];
/// Machines of each miner.
const RIGS: usize = 2;

/// One hash is a share, and every other one a block: this chain knows no higher difficulty.
const SHARE_DIFFICULTY: &str = "0.0000152587890625";
/// Nodes need milliseconds for each block. At full speed they would only be given thousands of rivals.
const PACE: Pace = Pace { algorithm: Algorithm::SCRYPT, in_flight: 4, rest: Duration::from_millis(150) };
/// Network difficulties of two hashes each. The shares of two windows stay; so no share is rolled up in the life in
/// which it was sent without an answer.
const WINDOW: &str = "10.0";
/// Shares between two roll-ups.
const ROLL_UP: u32 = 4;
/// Confirmations of a coinbase that can be spent.
const MATURITY: u32 = 100;
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

/// Before and after each step, in the order of the steps. What `within` stands for is written and not committed: a share
/// is journalled before that point and committed after it; a block is confirmed and credited by one transaction.
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

struct Matrix {
    network: Network,
    folder: TempDir,
    accepted: Accepted,
    /// Every share that is known to have reached the journal in any life.
    journalled: HashMap<Digest, Sent>,
    chain: Chain,
}

#[test]
fn whatever_dies_when_a_share_counts_once_and_no_block_is_lost() {
    let mut matrix = Matrix {
        network: Network::start_with(2, &[WITHOUT_MWEB]),
        folder: tempfile::tempdir().unwrap(),
        accepted: Accepted::default(),
        journalled: HashMap::new(),
        chain: Chain::default(),
    };
    for death in &DEATHS {
        matrix.die(death);
        matrix.live(0);
    }
    // Until all is final.
    matrix.live(MATURITY);
    let books = matrix.check();
    assert!(books.blocks.iter().all(|block| block.state.is_final()));
    let best = matrix.chain.best(&matrix.network.nodes[0], POOL);
    let paid = Amount::checked_sum(best.iter().map(|block| block.paid)).unwrap();
    let (_, _, rewards) = books.sums();
    assert_eq!(rewards, paid.atomic(), "what the books have is what the chain paid");
    // The test would prove nothing without any of these.
    let heights: HashSet<_> = books.blocks.iter().map(|block| block.candidate.height).collect();
    assert!(heights.len() < books.blocks.len(), "two blocks at one height");
    assert!(books.blocks.iter().any(|block| block.ordinal >= 4), "a block came back, and matured");
    assert!(books.blocks.iter().any(|block| block.state == BlockState::Lost), "a rival was given up");
    let rolled: u64 = books.totals.iter().map(|total| total.shares).sum();
    assert!(rolled > 100, "{rolled} shares rolled up");
    println!(
        "{} deaths; {} shares accepted, {} journalled, {} of them rolled up; {} blocks found, {} matured",
        2 * DEATHS.len(),
        matrix.accepted.count(),
        matrix.journalled.len(),
        rolled,
        books.blocks.len(),
        books.confirmed().len()
    );
}

impl Matrix {
    fn store(&self) -> PathBuf {
        self.folder.path().join("pool.db")
    }

    fn config(&self) -> String {
        let url = |index: usize| self.network.nodes[index].url();
        format!(
            "coin: litecoin\n\
             nodes:\n  \
               - {{ kind: bitcoind, url: \"{}\", user: {USER}, password: {PASSWORD} }}\n  \
               - {{ kind: bitcoind, url: \"{}\", user: {USER}, password: {PASSWORD} }}\n\
             pool: {{ name: p, address: {POOL}, fee_percent: \"1.5\", window: \"{WINDOW}\" }}\n\
             stratum: {{ listen: [\"127.0.0.1:0\"] }}\n\
             store: {{ path: {} }}\n",
            url(0),
            url(1),
            self.store().display()
        )
    }

    /// A life under load that ends at a point.
    fn die(&self, death: &Death) {
        let Death { point, passes, scene } = death;
        let points = format!("roll-up=return({ROLL_UP});{point}={passes}*off->return");
        let mut pool = Process::doomed(&self.config(), &points);
        let miners = pool.address().map_or(Vec::new(), |address| self.mine(&address));
        let gone = match scene {
            Scene::Mining => None,
            Scene::Maturing => {
                self.network.nodes[0].cli(&["generatetoaddress", &MATURITY.to_string(), ADDRESS]);
                None
            }
            Scene::Reorganised => self.reorganise(&mut pool),
        };
        assert_eq!(pool.killed(), Some(SIGKILL), "at {point}");
        for miner in miners {
            miner.join().unwrap();
        }
        if let Some(hash) = gone {
            self.on_all_nodes(&["reconsiderblock", &hash]);
        }
    }

    fn mine(&self, address: &str) -> Vec<JoinHandle<()>> {
        let users = MINERS.iter().flat_map(|miner| (0..RIGS).map(move |rig| (miner, rig)));
        let start = |(miner, rig)| {
            v1::start(address, &format!("{miner}+{SHARE_DIFFICULTY}.{rig}"), PACE, &self.accepted)
        };
        users.map(start).collect()
    }

    /// Takes a block that was credited in this life off the best chain, unless rivals have done that to another.
    fn reorganise(&self, pool: &mut Process) -> Option<String> {
        let line = pool.log_line("state=Confirmed")?;
        let (_, rest) = line.split_once(" hash=").unwrap();
        let hash = rest.split(' ').next().unwrap().to_owned();
        self.on_all_nodes(&["invalidateblock", &hash]);
        Some(hash)
    }

    fn on_all_nodes(&self, command: &[&str]) {
        for node in &self.network.nodes {
            node.cli(command);
        }
    }

    /// A quiet life: some blocks follow, and the pool catches up with the chain. Then it is killed as well.
    fn live(&mut self, blocks: u32) {
        let books = self.check();
        let mut pool = Process::serve(&self.config(), 1);
        // Rivals at one height may have left the nodes of two minds; one more block decides.
        self.network.generate(usize::try_from(blocks).unwrap() + 1, ADDRESS);
        let best = self.chain.best(&self.network.nodes[0], POOL);
        for block in &books.blocks {
            let state = due(block, &best);
            if state != block.state {
                pool.wait_for_log(&format!("block turned pool=\"p\" hash={} ", block.candidate.hash), 1);
                let height = block.candidate.height;
                let line = format!("hash={} height={height} state={state:?}", block.candidate.hash);
                pool.wait_for_log(&line, 1);
            }
        }
        pool.kill();
        for block in self.check().blocks {
            assert_eq!(block.state, due(&block, &best), "{}", block.candidate.hash);
        }
    }

    /// What must hold after any death.
    fn check(&mut self) -> Books {
        let books = Books::read(&self.store(), "p");
        let live = books.digests();
        assert!(live.values().all(|count| *count == 1), "no share stands there twice");
        // Whether a share without an answer was journalled, only the journal can tell.
        let unanswered = self.accepted.take_unanswered();
        let there = unanswered.into_iter().filter(|sent| live.contains_key(&sent.digest));
        let journalled = self.accepted.sent().into_iter().chain(there).map(|sent| (sent.digest, sent));
        self.journalled.extend(journalled);
        assert!(live.keys().all(|digest| self.journalled.contains_key(digest)), "no share is made up");
        for miner in MINERS {
            let sent = self.journalled.values().filter(|sent| sent.account == miner);
            let sent = sent.fold((0, 0), |(count, sum), sent| (count + 1, sum + sent.weight.get()));
            let live = books.shares.iter().filter(|share| share.account.as_str() == miner);
            let live = live.fold((0, 0), |(count, sum), share| (count + 1, sum + share.weight.get()));
            let rolled = books.totals.iter().filter(|total| total.account.as_str() == miner);
            let all =
                rolled.fold(live, |(count, sum), total| (count + total.shares, sum + total.weight.get()));
            assert_eq!(all, sent, "shares and weight of {miner}: each is live or in the totals");
        }
        let hashes: HashSet<_> = books.blocks.iter().map(|block| block.candidate.hash.to_string()).collect();
        assert_eq!(hashes.len(), books.blocks.len(), "no block stands there twice");
        for node in &self.network.nodes {
            for block in self.chain.best(node, POOL).iter().filter(|block| block.paid > Amount::ZERO) {
                assert!(hashes.contains(&block.hash), "a block that paid us is missing: {}", block.hash);
            }
        }
        books
    }
}

/// The state of a block that follows from the best chain, which begins with the tip.
fn due(block: &BlockRecord, best: &[Block]) -> BlockState {
    let (hash, height) = (block.candidate.hash.to_string(), block.candidate.height);
    let burial = (best[0].height + 1).saturating_sub(height);
    match (block.state.is_final(), best.iter().any(|on_chain| on_chain.hash == hash)) {
        (true, _) => block.state,
        (false, true) if burial >= MATURITY => BlockState::Matured,
        (false, true) => BlockState::Confirmed,
        (false, false) if burial >= MATURITY => BlockState::Lost,
        (false, false) => BlockState::Orphaned,
    }
}
