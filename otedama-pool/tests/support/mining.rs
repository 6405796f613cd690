//! From a template to a solved block, through the same job and share that a miner would see.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use otedama_core::{
    Algorithm, Amount, BitcoinSource, ChannelId, Extranonce, Header, Job, JobBody, JobId, Share, Target,
    Terms,
};
use otedama_hash::Verifier;
use otedama_pool::{CoinbaseOutput, CoinbasePlan, Marker, Template};

pub(crate) const EXTRANONCE_LEN: usize = 8;

/// Pays everything to one script.
pub(crate) fn pay_all(template: &Template, script: &[u8]) -> CoinbasePlan {
    plan(vec![CoinbaseOutput { script: script.into(), amount: template.coinbase_value }])
}

pub(crate) fn plan(outputs: Vec<CoinbaseOutput>) -> CoinbasePlan {
    let marker = Marker { node: 1, boot: 2, job: 3 };
    CoinbasePlan::new(b"/otedama/", EXTRANONCE_LEN, marker, outputs).unwrap()
}

/// A solved block.
pub(crate) fn solve(template: &Template, algorithm: Algorithm, plan: &CoinbasePlan) -> Vec<u8> {
    let (header, coinbase) = candidate(template, algorithm, plan);
    let header = solve_header(header, algorithm, template.nbits.target().unwrap());
    template.block(&header, &coinbase)
}

/// A header without proof of work, and the coinbase that it is made of.
pub(crate) fn candidate(template: &Template, algorithm: Algorithm, plan: &CoinbasePlan) -> (Header, Vec<u8>) {
    let coinbase = template.coinbase(plan).unwrap();
    let source = BitcoinSource {
        version: template.version,
        previous: template.previous,
        coinbase: coinbase.clone(),
        merkle_path: template.merkle_path(),
        nbits: template.nbits,
        ntime: template.curtime,
    };
    let terms = Terms {
        channel: ChannelId(0),
        id: JobId(1),
        share_target: Target::MAX,
        extranonce_prefix: Extranonce::new(&[0xe1; 4]).unwrap(),
        extranonce2_len: 4,
        version_mask: 0,
    };
    let job = Job::new(Arc::new(JobBody::bitcoin(algorithm, source, true).unwrap()), terms);
    let rolled = Extranonce::new(&[0xe2; 4]).unwrap();
    let header = job.header(&Share::new(ChannelId(0), JobId(1), rolled, template.curtime, 0)).unwrap();
    (header, coinbase.transaction(&terms.extranonce_prefix, &rolled))
}

/// The header with the first nonce that meets the target.
pub(crate) fn solve_header(header: Header, algorithm: Algorithm, target: Target) -> Header {
    search(header, algorithm, |digest| algorithm.meets(digest, target))
}

/// The header with the first nonce that does not meet the target.
pub(crate) fn miss_header(header: Header, algorithm: Algorithm, target: Target) -> Header {
    search(header, algorithm, |digest| !algorithm.meets(digest, target))
}

fn search(header: Header, algorithm: Algorithm, wanted: impl Fn(&otedama_core::Digest) -> bool) -> Header {
    let verifier = Verifier::new(algorithm).unwrap();
    (0..)
        .map(|nonce| header.with_nonce(algorithm, nonce))
        .find(|header| wanted(&verifier.digest(header)))
        .unwrap()
}

/// Half of the value to each of two scripts.
pub(crate) fn halves(template: &Template, one: &[u8], other: &[u8]) -> CoinbasePlan {
    let value = template.coinbase_value.atomic();
    let part =
        |script: &[u8], units| CoinbaseOutput { script: script.into(), amount: Amount::from_atomic(units) };
    plan(vec![part(one, value / 2), part(other, value - value / 2)])
}
