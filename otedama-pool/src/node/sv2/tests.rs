//! What a template is made of, what becomes of one that is wrong, and in which order things may come.

use std::sync::Arc;

use otedama_core::coinbase::height_push;
use otedama_core::{Algorithm, Amount, CompactTarget, Hash256, Target, UnixTime};
use otedama_stratum::v2::U256;
use otedama_stratum::v2::distribution::{TemplateOffer, TemplateTransactions};
use otedama_stratum::v2::template::{CoinbaseOutputConstraints, SetNewPrevHash};

use super::assemble::assemble;
use super::book::{Book, Next};
use crate::coin::{Chain, Coin};
use crate::limits::sv2::MAX_TEMPLATES;
use crate::node::devnet::opaque_transaction;
use crate::node::{Devnet, DevnetConfig, Node as _, NodeError};
use crate::template::Template;

const ROOM: CoinbaseOutputConstraints = CoinbaseOutputConstraints {
    coinbase_output_max_additional_size: 512,
    coinbase_output_max_additional_sigops: 16,
};

/// A template of a chain in the process, and the same as a provider tells it.
fn told(transactions: u64) -> (Template, TemplateOffer, SetNewPrevHash, TemplateTransactions) {
    let (bits, clock) =
        (CompactTarget::from_bits(0x207f_ffff), Arc::new(|| UnixTime::from_secs(1_800_000_000)));
    let subsidy = Amount::from_atomic(5_000_000_000);
    let node = Devnet::new(DevnetConfig::new(Algorithm::SHA256D, bits, subsidy, clock)).unwrap();
    for seed in 0..transactions {
        node.add_transaction(&opaque_transaction(seed), Amount::from_atomic(1000)).unwrap();
    }
    let template = node.template().unwrap();
    let script = template.witness_commitment.as_deref().unwrap();
    let outputs = [&[0; 8], &[38][..], script].concat();
    let offer = TemplateOffer {
        template_id: 7,
        future: true,
        version: template.version,
        coinbase_version: 2,
        coinbase_prefix: height_push(template.height).into(),
        coinbase_sequence: u32::MAX,
        coinbase_value: u64::try_from(template.coinbase_value.atomic()).unwrap(),
        output_count: 1,
        outputs: outputs.into(),
        lock_time: 0,
        merkle_path: template.merkle_path(),
    };
    let previous = SetNewPrevHash {
        template_id: 7,
        prev_hash: template.previous.into(),
        header_timestamp: template.curtime,
        nbits: bits.to_bits(),
        target: bits.target().unwrap().into(),
    };
    let list = template.transactions.iter().map(|transaction| transaction.data.clone()).collect();
    (template, offer, previous, TemplateTransactions { template_id: 7, excess: Box::new([]), list })
}

#[test]
fn a_template_is_what_the_node_behind_the_provider_has() {
    for count in [0, 1, 2, 5] {
        let (mut expected, mut offer, previous, transactions) = told(count);
        expected.mintime = expected.curtime;
        expected.sigop_limit = 16;
        expected.long_poll_id = None;
        for transaction in &mut expected.transactions {
            (transaction.fee, transaction.sigops) = (None, 0);
        }
        assert_eq!(assemble(&offer, &previous, &transactions, &ROOM), Ok(expected.clone()));
        // Nodes lengthen the scripts of the first heights.
        offer.coinbase_prefix = [&offer.coinbase_prefix, &[0][..]].concat().into();
        assert_eq!(assemble(&offer, &previous, &transactions, &ROOM), Ok(expected.clone()));
        assert_eq!(expected.check(&Coin::devnet(Algorithm::SHA256D), Chain::Regtest), Ok(()));
        assert_eq!(
            expected.check(&Coin::BITCOIN, Chain::Regtest),
            Ok(()),
            "fees are not known to be missing"
        );
    }
}

type Parts = (TemplateOffer, SetNewPrevHash, TemplateTransactions);
type Change = fn(&mut Parts);

#[test]
fn what_a_provider_may_not_say_is_refused() {
    let refused = |change: Change| {
        let (_, offer, previous, transactions) = told(3);
        let mut parts = (offer, previous, transactions);
        change(&mut parts);
        assemble(&parts.0, &parts.1, &parts.2, &ROOM).unwrap_err()
    };
    let malformed: [(Change, &str); 11] = [
        (|parts| parts.0.merkle_path = Box::new([]), "another merkle path than that of its transactions"),
        (|parts| parts.0.merkle_path[1] = Hash256::ZERO, "another merkle path than that of its transactions"),
        (|parts| parts.2.list.swap(0, 1), "another merkle path than that of its transactions"),
        (|parts| parts.2.list[2] = Box::new([1, 2, 3]), "bytes that are no transaction"),
        (|parts| parts.2.list = vec![Box::new([]); 25_001], "too many transactions"),
        (|parts| parts.0.coinbase_prefix = Box::new([]), "a coinbase that does not begin with a height"),
        (|parts| parts.0.coinbase_prefix = Box::new([4, 1]), "a coinbase that does not begin with a height"),
        (|parts| parts.0.output_count = u32::MAX, "fewer outputs than it says"),
        (|parts| parts.0.output_count = 0, "more bytes of outputs than it says"),
        (|parts| parts.1.target = Target::MAX.into(), "a target easier than its nBits"),
        (|parts| parts.0.outputs = Box::new([0; 8]), "fewer outputs than it says"),
    ];
    for (change, why) in malformed {
        assert_eq!(refused(change), NodeError::Malformed(format!("template with {why}")));
    }
    assert!(matches!(refused(|parts| parts.1.nbits = 0x0180_0001), NodeError::Malformed(_)));
    let unsupported: [(Change, &str); 5] = [
        (|parts| parts.2.excess = Box::new([1]), "excess data beside transactions"),
        (
            |parts| parts.0.coinbase_prefix = Box::new([0x51, 0, 0]),
            "more than the height at the beginning of the coinbase",
        ),
        (|parts| parts.0.outputs[0] = 1, "outputs beside the witness commitment"),
        (|parts| parts.0.outputs[9] = 0x51, "outputs beside the witness commitment"),
        (
            |parts| {
                parts.0.outputs = parts.0.outputs.repeat(2).into();
                parts.0.output_count = 2;
            },
            "outputs beside the witness commitment",
        ),
    ];
    for (change, what) in unsupported {
        assert_eq!(refused(change), NodeError::Unsupported(what.into()));
    }
}

#[test]
fn another_commitment_does_not_pass_the_check() {
    let (_, mut offer, previous, transactions) = told(3);
    offer.outputs[20] ^= 1;
    let template = assemble(&offer, &previous, &transactions, &ROOM).unwrap();
    assert!(template.check(&Coin::devnet(Algorithm::SHA256D), Chain::Regtest).is_err());
}

fn offer(template_id: u64, future: bool) -> TemplateOffer {
    TemplateOffer { template_id, future, ..told(0).1 }
}

fn tip(template_id: u64, tip: u8) -> SetNewPrevHash {
    SetNewPrevHash { template_id, prev_hash: U256([tip; 32]), ..told(0).2 }
}

fn data(template_id: u64) -> TemplateTransactions {
    TemplateTransactions { template_id, ..told(0).3 }
}

/// What is to be done next, in short.
fn short(next: &Next) -> (&'static str, u64) {
    match next {
        Next::Wait => ("wait", 0),
        Next::Ask(id) => ("ask", *id),
        Next::Assemble(parts) => ("assemble", parts.offer.template_id),
    }
}

fn offered(book: &mut Book, id: u64, future: bool) -> (&'static str, u64) {
    short(&book.offered(offer(id, future)).unwrap())
}

fn begun(book: &mut Book, id: u64, byte: u8) -> (&'static str, u64) {
    let (hash, height, next) = book.begun(tip(id, byte)).unwrap();
    assert_eq!((hash, height), (Hash256::from_internal([byte; 32]), 0));
    short(&next)
}

fn given(book: &mut Book, id: u64) -> (&'static str, u64) {
    short(&book.given(data(id)))
}

#[test]
fn transactions_may_come_before_the_tip_or_behind_it() {
    let mut book = Book::default();
    assert_eq!(offered(&mut book, 1, true), ("ask", 1));
    assert_eq!(given(&mut book, 1), ("wait", 0));
    assert_eq!(given(&mut book, 1), ("wait", 0), "once is enough");
    assert_eq!(begun(&mut book, 1, 9), ("assemble", 1));
    assert_eq!(offered(&mut book, 2, false), ("ask", 2));
    assert_eq!(given(&mut book, 2), ("assemble", 2));
    assert_eq!(given(&mut book, 77), ("wait", 0));

    assert_eq!(offered(&mut book, 3, true), ("ask", 3));
    assert_eq!(begun(&mut book, 3, 10), ("wait", 0));
    assert_eq!(given(&mut book, 3), ("assemble", 3));

    // Of several that wait, the transactions of the newest are kept; the others are asked for again.
    assert_eq!(offered(&mut book, 4, true), ("ask", 4));
    assert_eq!(given(&mut book, 4), ("wait", 0));
    assert_eq!(offered(&mut book, 5, true), ("ask", 5));
    assert_eq!(given(&mut book, 5), ("wait", 0));
    assert_eq!(begun(&mut book, 4, 11), ("ask", 4));
    assert_eq!(given(&mut book, 4), ("assemble", 4));
    assert_eq!(begun(&mut book, 5, 12), ("assemble", 5));
}

#[test]
fn only_what_is_newer_and_on_the_tip_is_adopted() {
    let mut book = Book::default();
    offered(&mut book, 1, true);
    begun(&mut book, 1, 9);
    offered(&mut book, 2, false);
    offered(&mut book, 3, false);
    assert!(book.adopt(2, &tip(1, 9)));
    assert!(!book.adopt(1, &tip(1, 9)), "it came late");
    assert!(book.adopt(3, &tip(1, 9)));
    offered(&mut book, 4, true);
    begun(&mut book, 4, 10);
    assert!(!book.adopt(5, &tip(1, 9)), "it is for the last tip");
    assert!(book.adopt(4, &tip(4, 10)));
    book.refused(4);
    assert_eq!(given(&mut book, 4), ("wait", 0));
}

#[test]
fn a_provider_that_contradicts_itself_is_found_out() {
    let mut book = Book::default();
    assert!(book.offered(offer(1, false)).is_err(), "before any tip");
    assert!(book.begun(tip(1, 9)).is_err(), "a template that there is not");
    offered(&mut book, 1, true);
    assert!(book.offered(offer(1, true)).is_err(), "a number twice");
    begun(&mut book, 1, 9);
    assert!(book.begun(tip(1, 9)).is_err(), "a tip twice");
    offered(&mut book, 2, false);
    assert!(book.begun(tip(2, 9)).is_err(), "no future template");
    let wrong = TemplateOffer { coinbase_prefix: Box::new([9]), ..offer(3, true) };
    assert!(book.offered(wrong).is_err());
}

#[test]
fn a_block_finds_its_template_and_old_templates_are_forgotten() {
    let mut book = Book::default();
    offered(&mut book, 1, true);
    begun(&mut book, 1, 9);
    let (previous, coinbase) = (Hash256::from_internal([9; 32]), Hash256::sha256d(b"coinbase"));
    assert_eq!(book.find(previous, coinbase, coinbase), Some(1));
    assert_eq!(book.find(Hash256::ZERO, coinbase, coinbase), None);
    assert_eq!(book.find(previous, Hash256::ZERO, coinbase), None);
    let last = u64::try_from(MAX_TEMPLATES).unwrap();
    for id in 2..=last + 1 {
        offered(&mut book, id, false);
    }
    assert_eq!(book.find(previous, coinbase, coinbase), Some(last + 1));
    assert!(book.begun(tip(1, 10)).is_err(), "the first is forgotten");
}
