//! Templates over Stratum V2: our provider for our node, each also against a peer that is written out here.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "provider/hostile.rs"]
mod hostile;
#[path = "support/mining.rs"]
mod mining;
#[path = "provider/peer.rs"]
mod peer;
#[path = "provider/pool.rs"]
mod pool;
#[path = "provider/stage.rs"]
mod stage;

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Algorithm, Amount, Hash256};
use otedama_pool::node::devnet::opaque_transaction;
use otedama_pool::node::{
    BlockStatus, Node, NodeError, Submission, TemplateProvider, TemplateProviderConfig,
};
use otedama_pool::{Chain, Coin, Template};

use mining::{pay_all, solve};
use stage::{PATIENCE, SCRIPT, Stage};

fn mined(template: &Template) -> (Hash256, Vec<u8>) {
    let block = solve(template, Algorithm::SHA256D, &pay_all(template, &SCRIPT));
    (Hash256::sha256d(&block[..80]), block)
}

/// The next template that differs from this one.
fn next(node: &TemplateProvider, seen: &Template) -> Template {
    node.next_template(seen, PATIENCE).unwrap().unwrap()
}

#[test]
fn a_template_comes_whole_and_a_block_goes_back() {
    let stage = Stage::new();
    stage.give(0..5);
    let provider = stage.provider();
    let node = provider.node();
    let template = node.template().unwrap();
    let theirs = stage.devnet.template().unwrap();
    assert_eq!((template.height, template.previous, template.nbits), (1, theirs.previous, theirs.nbits));
    assert_eq!((template.coinbase_value, template.version), (theirs.coinbase_value, theirs.version));
    assert_eq!(template.witness_commitment, theirs.witness_commitment);
    assert_eq!(template.merkle_path(), theirs.merkle_path());
    assert_eq!(template.check(&Coin::devnet(Algorithm::SHA256D), Chain::Regtest), Ok(()));
    assert_eq!((node.chain().as_deref(), node.tip()), (Ok("regtest"), Ok(theirs.previous)));
    assert!(!node.sees_all_blocks() && node.name().starts_with("stratum2+tcp://127.0.0.1:"));

    let (hash, block) = mined(&template);
    assert_eq!(node.propose(&block), Ok(None));
    assert_eq!(node.block(hash), Err(NodeError::Unable("tell where this block is")));
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    assert_eq!(stage.devnet.blocks(), [Arc::from(block.as_slice())]);
    assert_eq!(node.block(hash), Ok(Some(BlockStatus { height: 1, confirmations: Some(1) })));
    assert_eq!(node.submit(&block), Ok(Submission::Known), "it is the tip already");

    let second = next(&node, &template);
    assert_eq!((second.height, second.previous, second.transactions.len()), (2, hash, 0));
    let (other, block) = mined(&second);
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    assert_eq!(node.block(hash), Ok(Some(BlockStatus { height: 1, confirmations: Some(2) })));
    assert_eq!(node.block(other), Ok(Some(BlockStatus { height: 2, confirmations: Some(1) })));
    assert_eq!(node.submit(&[0; 200]), Ok(Submission::Refused("not a block with a coinbase".into())));
}

#[test]
fn a_better_template_on_the_same_tip_comes_too() {
    let stage = Stage::new();
    let provider = stage.provider();
    let node = provider.node();
    let mut template = node.template().unwrap();
    for count in 1..=3 {
        stage.give(count..count + 1);
        let better = next(&node, &template);
        assert_eq!(better.previous, template.previous);
        assert_eq!(better.coinbase_value, Amount::from_atomic(5_000_000_000 + 1000 * u128::from(count)));
        template = better;
    }
    let nothing = node.next_template(&template, Duration::ZERO).unwrap();
    assert_eq!(nothing.map(|template| template.transactions.len()), None);
    assert_eq!(node.submit(&mined(&template).1), Ok(Submission::Known));
}

#[test]
fn a_tip_of_others_is_told_and_a_block_on_the_last_one_is_only_handed_on() {
    let stage = Stage::new();
    let provider = stage.provider();
    let node = provider.node();
    let template = node.template().unwrap();
    let (late, late_block) = mined(&template);
    let theirs = stage.mine_another();
    let second = next(&node, &template);
    assert_eq!((second.previous, node.tip()), (theirs, Ok(theirs)));
    assert_eq!(node.submit(&late_block), Ok(Submission::Inconclusive));
    assert_eq!(node.block(late), Ok(Some(BlockStatus { height: 1, confirmations: None })));
    stage.wait_for_block(late);
    // Whether the next tip builds on theirs or on ours, nobody says.
    assert_eq!(node.block(theirs), Ok(Some(BlockStatus { height: 1, confirmations: Some(1) })));
    stage.mine_another();
    let third = next(&node, &second);
    assert_eq!(third.height, 3);
    for hash in [late, theirs] {
        assert_eq!(node.block(hash), Err(NodeError::Unable("tell where this block is")));
    }
}

#[test]
fn a_provider_that_comes_back_is_found_again() {
    let stage = Stage::new();
    let provider = stage.provider();
    let node = provider.node();
    let first = node.template().unwrap();
    let (hash, block) = mined(&first);
    let address = provider.address;
    drop(provider);
    let lost = loop {
        if let Err(error) = node.next_template(&first, PATIENCE) {
            break error;
        }
    };
    assert!(matches!(lost, NodeError::Unreachable(_)), "{lost:?}");
    assert!(matches!(node.submit(&block), Err(NodeError::Unreachable(_))));
    assert!(matches!(node.block(hash), Err(NodeError::Unreachable(_))));
    let _provider = stage.provider_at(&address.to_string());
    let again = stage::until(|| node.template().ok());
    assert_ne!(again.long_poll_id, first.long_poll_id);
    // The same block fits the template of the new connection.
    assert_eq!(node.submit(&block), Ok(Submission::Known));
    assert_eq!(node.block(hash), Ok(Some(BlockStatus { height: 1, confirmations: Some(1) })));
}

#[test]
fn nobody_there_is_an_error_and_dropping_the_node_ends_it() {
    let config = TemplateProviderConfig::new("127.0.0.1", 1).patience(PATIENCE);
    let node = TemplateProvider::connect(config).unwrap();
    assert!(matches!(node.template(), Err(NodeError::Unreachable(_))));
    assert!(matches!(node.tip(), Err(NodeError::Unreachable(_))));
    drop(node);
}

#[test]
fn two_clients_get_the_same_and_the_room_that_each_wants() {
    let stage = Stage::new();
    stage.give(0..3);
    let provider = stage.provider();
    let small = provider.node();
    let large = provider.node_with(|config| config.constraints(100_000, 400));
    let (a, b) = (small.template().unwrap(), large.template().unwrap());
    assert_eq!((a.sigop_limit, b.sigop_limit), (16, 400));
    assert_eq!(a.transactions, b.transactions);
    // A block is 4,000,000 units of weight; nothing is left of it.
    let absurd = provider.node_with(|config| config.constraints(1_000_000, 4));
    assert!(matches!(absurd.template(), Err(NodeError::Unreachable(_))));
}

#[test]
fn transactions_are_left_out_for_outputs() {
    let stage = Stage::new();
    let script = vec![0x51; 100_000];
    for seed in 0..9 {
        let mut fat = opaque_transaction(seed);
        // Its only output, behind version, marker, one input and the count: a script that is long.
        let at = 6 + 1 + 36 + 1 + 4 + 1 + 8;
        fat.splice(at..at + 23, [&[0xfe][..], &100_000u32.to_le_bytes(), &script].concat());
        stage.devnet.add_transaction(&fat, Amount::from_atomic(500)).unwrap();
    }
    let provider = stage.provider();
    let (all, some) = (provider.node(), provider.node_with(|config| config.constraints(200_000, 4)));
    let (all, whole) = (all.template().unwrap(), stage.devnet.template().unwrap());
    let template = some.template().unwrap();
    assert_eq!((whole.transactions.len(), all.transactions.len(), template.transactions.len()), (9, 9, 7));
    assert_eq!(template.coinbase_value.atomic(), 5_000_000_000 + 7 * 500);
    assert_eq!(template.check(&Coin::devnet(Algorithm::SHA256D), Chain::Regtest), Ok(()));
    assert_eq!(some.submit(&mined(&template).1), Ok(Submission::Known));
}

#[cfg(feature = "noise")]
#[test]
fn a_secured_provider_must_have_the_right_key() {
    use otedama_stratum::noise::AuthoritySecret;
    let stage = Stage::new();
    stage.give(0..3);
    let secret = |seed| AuthoritySecret::from_seed(&[seed; 32]);
    let provider = stage.secured_provider(secret(1));
    let url = |key| format!("stratum2+tcp://{}/{key}", provider.address);
    let connect = |url: &str| {
        let config = TemplateProviderConfig::from_url(url).unwrap();
        TemplateProvider::connect(config.chain(Chain::Regtest).patience(PATIENCE)).unwrap()
    };
    for url in [url(secret(1).public().to_string()), url(String::new())] {
        let node = connect(&url);
        let template = node.template().unwrap();
        assert_eq!(node.submit(&mined(&template).1), Ok(Submission::Known));
    }
    let wrong = connect(&url(secret(2).public().to_string())).template().unwrap_err();
    let expected =
        "no secured connection: the server's certificate is not of the authority that was asked for";
    assert_eq!(wrong, NodeError::Unreachable(expected.into()));
}
