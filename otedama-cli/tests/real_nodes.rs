//! The whole stack on three real nodes: SOLO pays the finder, PPLNS books the split, MWEB begins, a node dies.

#![cfg(all(feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "../../otedama-pool/tests/support/litecoind.rs"]
mod litecoind;
#[path = "support/serving.rs"]
mod serving;
mod support;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use books::Books;
use litecoind::{Litecoind, Network, PASSWORD, USER, wait_until};
use otedama_core::{Algorithm, Amount, CompactTarget, Factor, Header};
use otedama_hash::Verifier;
use otedama_pool::Account;
use otedama_pool::journal::BlockRecord;
use serde_json::Value;
use serving::{PATIENCE, Process};

const POOL: &str = "rltc1q2xdrrzuprt24h4x94qcdfcqwnucj0yh0d7uwla";
const MINERS: [&str; 2] =
    ["rltc1q4lj9pvmc35unyjuw0r5asp25pyh7jskgxp7uag", "rltc1qnjunv75cvazh2aq72yhrnyx3pzzftu0qqk65ut"];

/// The block at which MWEB begins on a private chain.
const FIRST_MWEB: u32 = 432;
/// Network difficulties of the PPLNS window: 50 shares at the lowest difficulty there is.
const WINDOW: u32 = 50;

#[test]
fn blocks_are_mined_on_three_nodes_and_the_money_is_right() {
    let mut network = Network::start(3);
    network.nodes[0].cli(&["createwallet", "test"]);
    let own = network.nodes[0].cli(&["getnewaddress"]);
    network.generate(110, &own);
    let folder = tempfile::tempdir().unwrap();

    solo_pays_the_finder(&network, &folder.path().join("solo.db"));

    let height = network.nodes[0].height();
    network.generate(usize::try_from(FIRST_MWEB - 1 - height).unwrap(), &own);
    pplns_books_the_split(&mut network, &folder.path().join("pplns.db"));
}

fn config(network: &Network, store: &Path, scheme: &str) -> String {
    let [one, two, three] = &network.nodes[..] else { panic!("three nodes") };
    format!(
        "coin: litecoin\n\
         nodes:\n  \
           - {{ kind: bitcoind, url: \"{}\", user: {USER}, password: {PASSWORD} }}\n  \
           - {{ kind: bitcoind, url: \"{}\", cookie: {} }}\n  \
           - {{ kind: bitcoind, url: \"{}\", user: {USER}, password: {PASSWORD} }}\n\
         pool: {{ name: p, address: {POOL}, fee_percent: \"1.5\", {scheme} }}\n\
         stratum: {{ listen: [\"127.0.0.1:0\"] }}\n\
         store: {{ path: {} }}\n",
        one.url(),
        two.url(),
        two.cookie().display(),
        three.url(),
        store.display()
    )
}

/// Between two moments in which a miner may work.
const REST: Duration = Duration::from_millis(50);

/// A pool and two miners with different addresses on it.
///
/// On this chain every other hash is a block, and nodes need milliseconds for each: at full speed, miners would only
/// show how nodes behave that are given thousands of rivals. So they get a moment in turn.
struct Running {
    pool: Process,
    miners: Arc<Vec<Process>>,
    over: Arc<AtomicBool>,
    throttle: JoinHandle<()>,
}

impl Running {
    fn start(config: &str) -> Self {
        let pool = Process::serve(config, 1);
        let url = pool.addresses()[0].clone();
        let mine = |address: &&str| {
            let user = format!("{address}.rig");
            let args = ["mine", "--url", &url, "--user", &user, "--algorithm", "scrypt", "--threads", "1"];
            Process::start(&args)
        };
        let miners: Arc<Vec<_>> = Arc::new(MINERS.iter().map(mine).collect());
        let over = Arc::new(AtomicBool::new(false));
        let (slow, ended) = (miners.clone(), over.clone());
        let throttle = thread::spawn(move || {
            slow.iter().for_each(|miner| miner.signal("STOP"));
            for miner in slow.iter().cycle().take_while(|_| !ended.load(Ordering::SeqCst)) {
                miner.signal("CONT");
                miner.signal("STOP");
                thread::sleep(REST);
            }
        });
        Self { pool, miners, over, throttle }
    }

    /// Ends the miners, lets the nodes agree on a chain and the pool follow, and ends the pool. All blocks from `first`
    /// on are the pool's.
    fn stop(self, first: u32, node: &Litecoind, peers: &[Litecoind]) {
        self.over.store(true, Ordering::SeqCst);
        self.throttle.join().unwrap();
        for miner in Arc::into_inner(self.miners).unwrap() {
            miner.signal("INT");
            miner.signal("CONT");
            assert_eq!(miner.ended().code, Some(130));
        }
        // Rivals at one height may have left the nodes of two minds; one more block decides.
        node.cli(&["generatetoaddress", "1", POOL]);
        wait_until("the nodes agree", || peers.iter().all(|peer| peer.tip() == node.tip()));
        let hash = |height: u32| (height, node.cli(&["getblockhash", &height.to_string()]));
        let chain: HashSet<_> = (first..node.height()).map(hash).collect();
        let follows = || confirmed(&self.pool).into_iter().collect::<HashSet<_>>() == chain;
        wait_until("the pool follows", follows);
        self.pool.signal("TERM");
        let pool = self.pool.ended();
        assert_eq!(pool.code, Some(130), "{}", pool.stderr);
    }

    fn wait_for(&self, what: &str, enough: impl Fn(&[(u32, String)]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(&confirmed(&self.pool)) {
            let said = || self.pool.log_with("").join("\n");
            assert!(Instant::now() < deadline, "not in time: {what}; the pool said:\n{}", said());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Height and hash of the blocks that the pool has booked and not taken back, as its log tells.
fn confirmed(pool: &Process) -> Vec<(u32, String)> {
    let mut states = HashMap::new();
    for line in pool.log_with("block turned") {
        let block = (field(&line, "height").parse().unwrap(), field(&line, "hash"));
        states.insert(block, field(&line, "state"));
    }
    states.into_iter().filter(|(_, state)| state == "Confirmed").map(|(block, _)| block).collect()
}

/// Accounts that have found one of these blocks.
fn finders(pool: &Process, blocks: &[(u32, String)]) -> HashSet<String> {
    let found = pool.log_with("block found");
    let of = |line: &&String| blocks.iter().any(|(_, hash)| *hash == field(line, "hash"));
    found.iter().filter(of).map(|line| field(line, "account")).collect()
}

/// A field of a line of the log.
fn field(line: &str, name: &str) -> String {
    let (_, value) = line.split_once(&format!(" {name}=")).unwrap();
    value.split(' ').next().unwrap().to_owned()
}

/// What a node says of a block on its best chain, with its transactions.
fn block_of(node: &Litecoind, record: &BlockRecord) -> Value {
    let hash = record.candidate.hash.to_string();
    assert_eq!(node.cli(&["getblockhash", &record.candidate.height.to_string()]), hash, "on the best chain");
    serde_json::from_str(&node.cli(&["getblock", &hash, "2"])).unwrap()
}

/// Whom the coinbase of a block pays how much.
fn paid_by(block: &Value) -> HashMap<String, Amount> {
    let outputs = block["tx"][0]["vout"].as_array().unwrap();
    let paid = outputs.iter().filter_map(|output| {
        let address = output["scriptPubKey"]["addresses"][0].as_str()?.to_owned();
        Some((address, Amount::from_coins(&output["value"].to_string(), 8).unwrap()))
    });
    paid.collect()
}

fn solo_pays_the_finder(network: &Network, store: &Path) {
    let first = network.nodes[0].height() + 1;
    let running = Running::start(&config(network, store, "scheme: solo"));
    let both = |blocks: &[(u32, String)]| finders(&running.pool, blocks).len() == MINERS.len();
    running.wait_for("both miners have found blocks", both);
    running.stop(first, &network.nodes[0], &network.nodes[1..]);
    let books = Books::read(store, "p");
    let blocks = books.confirmed();
    assert!(blocks.len() >= 2);
    for record in blocks {
        let candidate = &record.candidate;
        let node = &network.nodes[2];
        let finder = candidate.finder.to_string();
        let net = candidate.reward.checked_sub(candidate.fee).unwrap();
        assert!(MINERS.contains(&finder.as_str()) && candidate.fee > Amount::ZERO);
        let expected = HashMap::from([(finder, net), (POOL.to_owned(), candidate.fee)]);
        assert_eq!(paid_by(&block_of(node, record)), expected, "at height {}", candidate.height);
        assert_eq!(candidate.credits, [(candidate.finder.clone(), net)]);
    }
}

fn pplns_books_the_split(network: &mut Network, store: &Path) {
    let wallet = &network.nodes[0];
    let (other, hidden) = (wallet.cli(&["getnewaddress"]), wallet.cli(&["getnewaddress", "", "mweb"]));
    let ordinary = wallet.cli(&["sendtoaddress", &other, "1.5"]);
    let peg_in = wallet.cli(&["sendtoaddress", &hidden, "10"]);
    let scheme = format!("scheme: pplns, window: \"{WINDOW}.0\"");
    let running = Running::start(&config(network, store, &scheme));
    running.wait_for("two blocks are confirmed", |blocks| blocks.len() >= 2);
    network.nodes[0].kill();
    let last = |blocks: &[(u32, String)]| blocks.iter().map(|(height, _)| *height).max();
    let before = last(&confirmed(&running.pool)).unwrap();
    running.wait_for("mining goes on without the first node", |blocks| last(blocks) >= Some(before + 5));
    let node = &network.nodes[1];
    running.stop(FIRST_MWEB, node, &network.nodes[2..]);

    let books = Books::read(store, "p");
    let blocks = books.confirmed();
    assert!(blocks.len() >= 7, "{} blocks", blocks.len());
    let shown: Vec<Value> = blocks.iter().map(|record| block_of(node, record)).collect();
    let first = shown.iter().find(|block| block["height"] == FIRST_MWEB).unwrap();
    assert!(first["mweb"].is_object() && holds(first, &peg_in), "the first MWEB block, with its peg-in");
    assert!(shown.iter().any(|block| holds(block, &ordinary)), "an ordinary transaction");
    for (record, block) in blocks.iter().zip(&shown) {
        let reward = HashMap::from([(POOL.to_owned(), record.candidate.reward)]);
        assert_eq!(paid_by(block), reward, "the coinbase pays the pool, and the books the miners");
        check_split(&books, record);
    }
}

fn holds(block: &Value, txid: &str) -> bool {
    block["tx"].as_array().unwrap().iter().any(|transaction| transaction["txid"] == txid)
}

/// Splits the reward once more, straight from the shares in the journal.
fn check_split(books: &Books, record: &BlockRecord) {
    let candidate = &record.candidate;
    let header = Header::new(&candidate.block[..80]).unwrap();
    let digest = Verifier::new(Algorithm::SCRYPT).unwrap().digest(&header);
    let bits = u32::from_le_bytes(candidate.block[72..76].try_into().unwrap());
    let weight = CompactTarget::from_bits(bits).target().unwrap().weight();
    let mut left = Factor::whole(WINDOW).of(weight).get();
    let mut parts: HashMap<&Account, u128> = HashMap::new();
    for share in books.shares.iter().skip_while(|share| share.digest != digest) {
        let part = share.weight.get().min(left);
        left -= part;
        *parts.entry(&share.account).or_default() += part;
        if left == 0 {
            break;
        }
    }
    let total: u128 = parts.values().sum();
    let net = candidate.reward.checked_sub(candidate.fee).unwrap();
    let credited = Amount::checked_sum(candidate.credits.iter().map(|(_, amount)| *amount));
    assert_eq!(credited, Some(net), "at height {}", candidate.height);
    assert!(total > 0, "the share of the block is in the journal");
    assert_eq!(candidate.credits.len(), parts.len());
    for (account, amount) in &candidate.credits {
        let floor = net.atomic() * parts[account] / total;
        assert!([floor, floor + 1].contains(&amount.atomic()), "{account} at height {}", candidate.height);
    }
}
