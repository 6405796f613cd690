//! Real Litecoin nodes take the blocks that are made of their templates, and their refusals are understood.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/litecoind.rs"]
mod litecoind;
#[path = "support/mining.rs"]
mod mining;

use std::time::{Duration, Instant};

use otedama_core::{Algorithm, Amount, Hash256};
use otedama_pool::node::{Auth, Bitcoind, BlockStatus, Node, NodeError, Submission};
use otedama_pool::{Chain, Coin, Template};

use litecoind::{ADDRESS, Litecoind, Network, PASSWORD, USER};
use mining::{candidate, halves, miss_header, pay_all, solve};

const SCRYPT: Algorithm = Algorithm::SCRYPT;
/// The script that pays [`ADDRESS`].
const SCRIPT: [u8; 22] = [0, 20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

fn with_password(node: &Litecoind) -> Bitcoind {
    Bitcoind::new(&node.url(), Auth::Password { user: USER.into(), password: PASSWORD.into() }).unwrap()
}

fn checked_template(node: &Bitcoind) -> Template {
    let template = node.template().unwrap();
    template.check(&Coin::LITECOIN, Chain::Regtest).unwrap();
    template
}

/// Proposes a block for the node's template, solves it, hands it in and asks for it.
fn mine(node: &Bitcoind) -> (Template, Hash256) {
    let template = checked_template(node);
    let plan = halves(&template, &SCRIPT, &[0x51]);
    let (header, coinbase) = candidate(&template, SCRYPT, &plan);
    let unsolved = template.block(&miss_header(header, SCRYPT, template.nbits.target().unwrap()), &coinbase);
    assert_eq!(node.propose(&unsolved), Ok(Some(Submission::Known)), "at height {}", template.height);
    let block = solve(&template, SCRYPT, &plan);
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    let hash = Hash256::sha256d(&block[..80]);
    let status = BlockStatus { height: template.height, confirmations: Some(1) };
    assert_eq!(node.block(hash), Ok(Some(status)));
    (template, hash)
}

#[test]
fn blocks_are_taken_and_refusals_understood() {
    let network = Network::start(2);
    let node = with_password(&network.nodes[0]);
    assert_eq!(node.chain().as_deref(), Ok("regtest"));
    let address = Coin::LITECOIN.address(Chain::Regtest, ADDRESS).unwrap();
    assert_eq!(address.script(), SCRIPT);

    let old = checked_template(&node);
    let (_, first) = mine(&node);
    network.sync();
    assert_eq!(network.nodes[1].tip(), first.to_string(), "the other node has it too");

    let rival = solve(&old, SCRYPT, &pay_all(&old, &SCRIPT));
    assert_eq!(node.submit(&rival), Ok(Submission::Inconclusive));
    let rival = Hash256::sha256d(&rival[..80]);
    assert_eq!(node.block(rival), Ok(Some(BlockStatus { height: old.height, confirmations: None })));
    assert_eq!(node.block(Hash256::ZERO), Ok(None));

    let template = checked_template(&node);
    let plan = pay_all(&template, &SCRIPT);
    let refused = |word: &str| Ok(Submission::Refused(word.into()));
    let (header, coinbase) = candidate(&template, SCRYPT, &plan);
    let missed = miss_header(header, SCRYPT, template.nbits.target().unwrap());
    assert_eq!(node.submit(&template.block(&missed, &coinbase)), refused("high-hash"));
    let mut orphan = template.clone();
    orphan.previous = Hash256::from_internal([7; 32]);
    assert_eq!(node.submit(&solve(&orphan, SCRYPT, &plan)), refused("prev-blk-not-found"));
    let mut early = template.clone();
    early.curtime = template.mintime - 1;
    assert_eq!(node.submit(&solve(&early, SCRYPT, &plan)), refused("time-too-old"));
    let mut greedy = template.clone();
    greedy.coinbase_value = Amount::from_atomic(template.coinbase_value.atomic() + 1);
    let greedy = solve(&greedy, SCRYPT, &pay_all(&greedy, &SCRIPT));
    assert_eq!(node.propose(&greedy), Ok(Some(Submission::Refused("bad-cb-amount".into()))));
    assert_eq!(node.submit(&greedy), refused("bad-cb-amount"));
    assert_eq!(node.submit(&[0; 80]), refused("Block decode failed"));
    let block = solve(&template, SCRYPT, &plan);
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    assert_eq!(node.submit(&block), Ok(Submission::Known), "a duplicate");
}

#[test]
fn credentials_are_judged_and_a_new_cookie_is_found() {
    let mut network = Network::start(1);
    let node = &network.nodes[0];
    let wrong = Auth::Password { user: USER.into(), password: "q".into() };
    assert_eq!(Bitcoind::new(&node.url(), wrong).unwrap().tip(), Err(NodeError::Unauthorized));
    assert_eq!(Bitcoind::new(&node.url(), Auth::None).unwrap().tip(), Err(NodeError::Unauthorized));
    let lost = Bitcoind::new(&node.url(), Auth::Cookie("/nonexistent".into())).unwrap();
    assert!(matches!(lost.tip(), Err(NodeError::Unreachable(_))));

    let with_cookie = Bitcoind::new(&node.url(), Auth::Cookie(node.cookie())).unwrap();
    let before = std::fs::read(node.cookie()).unwrap();
    assert_eq!(with_cookie.tip().unwrap().to_string(), node.tip());
    network.nodes[0].restart();
    let node = &network.nodes[0];
    assert_ne!(std::fs::read(node.cookie()).unwrap(), before);
    assert_eq!(with_cookie.tip().unwrap().to_string(), node.tip());
    // Alone, older nodes give no templates; newer ones do on a private chain.
    match with_cookie.template() {
        Ok(template) => assert_eq!(template.previous.to_string(), node.tip()),
        Err(error) => assert!(matches!(error, NodeError::NotReady { code: -9 | -10, .. }), "{error}"),
    }
    network.nodes[0].kill();
    assert!(matches!(with_cookie.tip(), Err(NodeError::Unreachable(_))));
}

#[test]
fn a_new_block_is_heard_of_at_once() {
    let network = Network::start(2);
    let (here, there) = (with_password(&network.nodes[0]), with_password(&network.nodes[1]));
    let mut seen = checked_template(&here);
    for _ in 0..3 {
        let (next, heard) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let next = here.next_template(&seen, Duration::from_secs(60)).unwrap().unwrap();
                (next, Instant::now())
            });
            let (_, hash) = mine(&there);
            let mined = Instant::now();
            let (next, heard) = waiting.join().unwrap();
            assert_eq!(next.previous, hash);
            (next, heard.saturating_duration_since(mined))
        });
        assert!(heard < Duration::from_secs(1), "heard of a block after {heard:?}");
        network.sync();
        seen = next;
    }
    assert_eq!(here.next_template(&seen, Duration::from_millis(1)), Ok(None));
}

#[test]
fn mweb_activates_and_ordinary_transactions_are_mined() {
    let network = Network::start(2);
    let (peer, node) = (&network.nodes[0], with_password(&network.nodes[0]));
    peer.cli(&["createwallet", "open"]);
    peer.cli(&["createwallet", "hidden"]);
    let open = |arguments: &[&str]| peer.cli(&[&["-rpcwallet=open"], arguments].concat());
    let hidden = |arguments: &[&str]| peer.cli(&[&["-rpcwallet=hidden"], arguments].concat());
    network.generate(429, &open(&["getnewaddress"]));
    let other = open(&["getnewaddress"]);
    let paid = open(&["sendtoaddress", &other, "1.5"]);
    wait_for_transactions(&node, 0);
    let (before, _) = mine(&node);
    assert_eq!(before.height, 431);
    assert!(before.mweb.is_none() && before.transactions[0].txid.to_string() == paid);

    let nothing = node.template();
    assert!(
        matches!(nothing, Err(NodeError::Refused { code: -1, .. })),
        "432 waits for a peg-in: {nothing:?}"
    );
    let inside = hidden(&["getnewaddress", "", "mweb"]);
    open(&["sendtoaddress", &inside, "10"]);
    let (first, _) = mine(&node);
    assert_eq!(first.height, 432);
    assert!(first.mweb.is_some() && first.transactions.len() == 2, "the peg-in and the HogEx");

    let paid = open(&["sendtoaddress", &other, "1.5"]);
    wait_for_transactions(&node, 1);
    let (second, _) = mine(&node);
    assert!(second.transactions.iter().any(|transaction| transaction.txid.to_string() == paid));
    assert!(fees(&second) > 0);

    // From MWEB back out, through the HogEx, which then carries the fee.
    hidden(&["sendtoaddress", &other, "4"]);
    litecoind::wait_until("the template has the peg-out", || fees(&checked_template(&node)) > 0);
    let (third, _) = mine(&node);
    assert_eq!(third.transactions.len(), 1, "the HogEx alone");
    network.sync();
    assert_eq!(network.nodes[1].height(), 434);
}

fn fees(template: &Template) -> u128 {
    template.transactions.iter().map(|transaction| transaction.fee.unwrap().atomic()).sum()
}

/// The node puts new transactions into its template after some seconds.
fn wait_for_transactions(node: &Bitcoind, beside: usize) {
    let has_more = || checked_template(node).transactions.len() > beside;
    litecoind::wait_until("the template has the transaction", has_more);
}
