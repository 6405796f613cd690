//! Headers of many shares at once: coinbase, merkle path and header of several of them side by side.
//!
//! A share costs its verifier some forty compressions of SHA-256, each of which has to wait for the one before. Those
//! of different shares do not, and a processor that has instructions for SHA-256 does several in the time of one.

#[cfg(target_arch = "x86_64")]
mod x86_sha;

use otedama_core::{Claim, Digest};

/// The SHA256d digests of the claims' headers, in their order.
pub(crate) fn sha256d(claims: &[&Claim]) -> Vec<Digest> {
    #[cfg(target_arch = "x86_64")]
    if let Some(engine) = x86_sha::Engine::new() {
        return side_by_side(engine, claims);
    }
    claims.iter().map(|claim| crate::sha256d::digest(&claim.header())).collect()
}

/// Groups neighbours that need the same number of compressions. What does not fill a group goes in a smaller one.
#[cfg(target_arch = "x86_64")]
fn side_by_side(engine: x86_sha::Engine, claims: &[&Claim]) -> Vec<Digest> {
    let mut digests = Vec::with_capacity(claims.len());
    for alike in claims.chunk_by(|one, other| shape(one) == shape(other)) {
        if alike.first().is_some_and(|claim| shape(claim).is_none()) {
            digests.extend(alike.iter().map(|claim| crate::sha256d::digest(&claim.header())));
            continue;
        }
        let (fours, mut rest) = alike.as_chunks::<4>();
        for group in fours {
            digests.extend(engine.digests(*group));
        }
        while let Some((group, left)) = rest.split_first_chunk::<2>() {
            digests.extend(engine.digests(*group));
            rest = left;
        }
        if let [one] = rest {
            digests.extend(engine.digests([one]));
        }
    }
    digests
}

/// What decides how many compressions a claim takes: bytes of the coinbase, levels of the path. None if it has a merkle
/// root instead, and takes two.
#[cfg(target_arch = "x86_64")]
fn shape(claim: &Claim) -> Option<(usize, usize)> {
    let bytes = claim.coinbase()?.iter().map(|part| part.len()).sum();
    Some((bytes, claim.merkle_path().len()))
}
