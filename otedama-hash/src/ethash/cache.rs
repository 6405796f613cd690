//! Making the cache of an epoch: one hash after the other, each of the one before.

use super::Node;
use super::items::Modulus;
use crate::keccak::{hash_nodes, keccak512_of_32};

/// How many nodes before its turn a node is fetched.
const AHEAD: usize = 8;
/// How often every node is mixed with another one (`RandMemoHash`).
const ROUNDS: usize = 3;

/// Makes a whole cache of any length from a seed.
///
/// A node is the hash of its predecessor and of another node that is known before: the chain is what takes the time, and
/// nothing can be done side by side.
#[inline(always)]
pub(super) fn fill(seed: &[u8; 32], nodes: &mut [Node]) {
    let mut last = keccak512_of_32(seed);
    for node in nodes.iter_mut() {
        *node = last;
        hash_nodes::<u64>(std::slice::from_mut(&mut last));
    }
    let count = Modulus::new(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
    let Some(mut last) = nodes.last().copied() else { return };
    for _ in 0..ROUNDS {
        for at in 0..nodes.len() {
            if let Some(soon) = nodes.get(at + AHEAD) {
                nodes[count.of(soon.0[0])].prefetch();
            }
            let other = nodes[count.of(nodes[at].0[0])];
            for (word, other) in last.0.iter_mut().zip(other.0) {
                *word ^= other;
            }
            hash_nodes::<u64>(std::slice::from_mut(&mut last));
            nodes[at] = last;
        }
    }
}
