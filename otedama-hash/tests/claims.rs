//! Many shares at once have the digests that they have one by one.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, Claim, CoinbaseHalves, CompactTarget, Extranonce, Hash256, Job,
    JobBody, JobId, Share, Target, Terms,
};
use otedama_hash::{Verifier, oracle};
use proptest::prelude::*;

const NTIME: u32 = 0x6000_0000;

/// A claim on a job with so many bytes around the extranonce and so many levels.
fn claim(algorithm: Algorithm, bytes: (usize, usize), levels: u8, number: u64) -> Claim {
    let source = BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::sha256d(&number.to_le_bytes()),
        coinbase: CoinbaseHalves {
            prefix: vec![0x11; bytes.0].into_boxed_slice(),
            suffix: vec![0x22; bytes.1].into_boxed_slice(),
        },
        merkle_path: (0..levels).map(|level| Hash256::sha256d(&[level, 7])).collect(),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: NTIME,
    };
    let terms = Terms {
        channel: ChannelId(0),
        id: JobId(1),
        share_target: Target::MAX,
        extranonce_prefix: Extranonce::from_counter(number, 8).unwrap(),
        extranonce2_len: 4,
        version_mask: 0,
    };
    let job = Job::new(Arc::new(JobBody::bitcoin(algorithm, source, true).unwrap()), terms);
    let rolled = Extranonce::from_counter(number & 0xffff, 4).unwrap();
    let share = Share::new(ChannelId(0), JobId(1), rolled, NTIME + 1, number & 0xffff_ffff);
    job.claim(&share).unwrap()
}

fn check(algorithm: Algorithm, claims: &[Claim]) {
    let digests = Verifier::new(algorithm).unwrap().digests(claims);
    let expected: Vec<_> = claims
        .iter()
        .map(|claim| {
            let mut node = oracle::sha256d(&claim.coinbase().unwrap().concat());
            for sibling in claim.merkle_path() {
                node = oracle::sha256d(&[node, *sibling.as_internal()].concat());
            }
            let header = claim.header_over(&Hash256::from_internal(node));
            oracle::digest(algorithm, header.as_bytes()).unwrap()
        })
        .collect();
    assert_eq!(digests, expected);
}

/// Lengths at which the padding of SHA-256 goes into another block, and groups of every size.
#[test]
fn groups_of_every_size_and_coinbases_around_a_block() {
    let most = if cfg!(miri) { 3 } else { 9 };
    for count in 0..most {
        let claims: Vec<_> = (0..count).map(|n| claim(Algorithm::SHA256D, (50, 60), 3, n)).collect();
        check(Algorithm::SHA256D, &claims);
    }
    for suffix in if cfg!(miri) { 0..0 } else { 30..64 } {
        let claims: Vec<_> = (0..4).map(|n| claim(Algorithm::SHA256D, (13, suffix), 1, n)).collect();
        check(Algorithm::SHA256D, &claims);
    }
}

#[test]
#[cfg_attr(miri, ignore = "one hash of scrypt takes minutes")]
fn other_algorithms_have_the_same_way_in() {
    let claims: Vec<_> = (0..3).map(|n| claim(Algorithm::SCRYPT, (50, 60), 2, n)).collect();
    check(Algorithm::SCRYPT, &claims);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 64 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn mixed_shapes_keep_their_order(
        shapes in proptest::collection::vec((1usize..3, 1usize..3, 0u8..3, any::<u64>()), 0..24),
    ) {
        let claims: Vec<_> = shapes
            .into_iter()
            .map(|(prefix, suffix, levels, number)| {
                claim(Algorithm::SHA256D, (prefix * 30, suffix * 40), levels, number)
            })
            .collect();
        check(Algorithm::SHA256D, &claims);
    }
}
