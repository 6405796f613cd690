//! Real nodes, one store and miners with a memory: what a life of the pool does to them, and what must hold after it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use otedama_core::{Algorithm, Amount, Digest};
use otedama_pool::PoolName;
use otedama_pool::journal::{Applied, BlockRecord, BlockState, Entry, Journal as _, Snapshot, Sqlite};
use tempfile::TempDir;

use crate::books::Books;
use crate::chain::{Block, Chain};
use crate::litecoind::{ADDRESS, Network, PASSWORD, USER, WITHOUT_MWEB};
use crate::replay;
use crate::serving::Process;
use crate::v1::{self, Accepted, Pace, Sent};

const POOL: &str = "rltc1q2xdrrzuprt24h4x94qcdfcqwnucj0yh0d7uwla";
const MINERS: [&str; 2] =
    ["rltc1q4lj9pvmc35unyjuw0r5asp25pyh7jskgxp7uag", "rltc1qnjunv75cvazh2aq72yhrnyx3pzzftu0qqk65ut"];
/// Machines of each miner.
const RIGS: usize = 2;

/// One hash is a share, and every other one a block: this chain knows no higher difficulty.
const SHARE_DIFFICULTY: &str = "152587890625e-16";
/// Nodes need milliseconds for each block. At full speed they would only be given thousands of rivals.
const PACE: Pace =
    Pace { algorithm: Algorithm::SCRYPT, in_flight: 4, rest: Duration::from_millis(150), keeps_lines: true };
/// Network difficulties of two hashes each. The shares of two windows stay; so no share is rolled up in the life in
/// which it was sent without an answer.
const WINDOW: &str = "10.0";
/// Confirmations of a coinbase that can be spent.
pub const MATURITY: u32 = 100;
/// Lines of the last life that are sent again in the next.
const SENT_AGAIN: usize = 8;

/// Two nodes, a store and all that miners remember.
pub struct Stage {
    pub network: Network,
    pub accepted: Accepted,
    /// Every share that is known to have reached the journal in any life.
    pub journalled: HashMap<Digest, Sent>,
    pub chain: Chain,
    /// Shares that were sent again in a later life.
    pub sent_again: usize,
    store: PathBuf,
    /// Holds the store, unless that is elsewhere.
    _folder: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            network: Network::start_with(2, &[WITHOUT_MWEB]),
            accepted: Accepted::default(),
            journalled: HashMap::new(),
            chain: Chain::default(),
            sent_again: 0,
            store: folder.path().join("pool.db"),
            _folder: folder,
        }
    }

    /// The same with the store in this file.
    pub fn with_store(store: PathBuf) -> Self {
        Self { store, ..Self::new() }
    }

    pub fn config(&self) -> String {
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
            self.store.display()
        )
    }

    /// Starts the miners; they work until the pool is gone.
    pub fn mine(&self, address: &str) -> Vec<JoinHandle<()>> {
        let users = MINERS.iter().flat_map(|miner| (0..RIGS).map(move |rig| (miner, rig)));
        let start = |(miner, rig)| {
            v1::start(address, &format!("{miner}+{SHARE_DIFFICULTY}.{rig}"), PACE, &self.accepted)
        };
        users.map(start).collect()
    }

    pub fn on_all_nodes(&self, command: &[&str]) {
        for node in &self.network.nodes {
            node.cli(command);
        }
    }

    /// A quiet life: miners send again what they sent last, some blocks follow, and the pool catches up with the chain.
    /// Then it is killed as well.
    pub fn live(&mut self, blocks: u32) {
        let books = self.check();
        let mut pool = Process::serve(&self.config(), 1);
        self.send_again(&pool);
        // Rivals at one height may have left the nodes of two minds; one more block decides.
        self.network.generate(usize::try_from(blocks).unwrap() + 1, ADDRESS);
        let best = self.chain.best(&self.network.nodes[0], POOL);
        for block in &books.blocks {
            let (hash, height, state) = (block.candidate.hash, block.candidate.height, due(block, &best));
            if state != block.state {
                pool.wait_for_log(&format!("hash={hash} height={height} state={state:?}"), 1);
            }
        }
        pool.kill();
        for block in self.check().blocks {
            assert_eq!(block.state, due(&block, &best), "{}", block.candidate.hash);
        }
    }

    /// No share of an earlier life counts again, whoever sends it in whatever session.
    fn send_again(&mut self, pool: &Process) {
        let mut sessions: HashMap<String, Vec<String>> = HashMap::new();
        for (extranonce1, line) in self.accepted.take_lines().into_iter().rev().take(SENT_AGAIN) {
            sessions.entry(extranonce1).or_default().push(line);
        }
        for (extranonce1, lines) in sessions {
            let user = serde_json::from_str::<serde_json::Value>(&lines[0]).unwrap()["params"][0].clone();
            let user = user.as_str().unwrap();
            for answer in replay::answers(&pool.addresses()[0], user, &extranonce1, &lines) {
                assert_eq!(answer["error"][0], 21, "{answer}");
                self.sent_again += 1;
            }
        }
    }

    /// What must hold after any death.
    pub fn check(&mut self) -> Books {
        let books = Books::read(&self.store, "p");
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

    /// Appends everything that stands one by one in the journal once more, and sees that nothing changes.
    pub fn append_again(&mut self) {
        let before = self.check();
        let shares = before.shares.iter().cloned().map(Entry::Share);
        let open = before.blocks.iter().filter(|block| !block.state.is_final());
        let blocks = open.map(|block| Entry::Candidate(block.candidate.clone()));
        let entries: Vec<_> = shares.chain(blocks).collect();
        let applied = Sqlite::open(&self.store).unwrap().append(&entries).unwrap();
        assert!(!entries.is_empty() && applied.iter().all(|applied| *applied == Applied::AlreadyThere));
        let after = self.check();
        assert_eq!((after.shares, after.blocks), (before.shares, before.blocks));
        assert_eq!((after.totals, after.balances), (before.totals, before.balances));
    }

    /// Whether a block on the best chain has paid the pool and is not in the journal, while that is in use.
    pub fn has_unwritten_block(&mut self) -> bool {
        let snapshot = Snapshot::open(&self.store).unwrap();
        let written = snapshot.blocks(&PoolName::new("p"), false).unwrap();
        let written: HashSet<_> = written.iter().map(|block| block.candidate.hash.to_string()).collect();
        let best = self.chain.best(&self.network.nodes[0], POOL);
        best.iter().any(|block| block.paid > Amount::ZERO && !written.contains(&block.hash))
    }

    /// What coinbases on the best chain have paid the pool.
    pub fn paid(&mut self) -> Amount {
        let best = self.chain.best(&self.network.nodes[0], POOL);
        Amount::checked_sum(best.iter().map(|block| block.paid)).unwrap()
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
