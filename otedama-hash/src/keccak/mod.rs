//! Keccak with its first padding, for messages of the few lengths that Ethash has: one at a time, or as many as a
//! vector has lanes.
//!
//! The generic functions are inlined into those of [`Lanes`], which are compiled once for a CPU's instructions. Lanes of
//! the first state that are zero and lanes of the last that nobody asks for cost nothing then.

pub(crate) mod f800;
mod rounds;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_avx512;

pub(crate) use rounds::Lanes;
use rounds::permute;

use crate::ethash::{Input, Node};

/// The bits of the padding: one behind the message, one at the end of the block.
const FIRST: u64 = 1;
const LAST: u64 = 1 << 63;

/// Replaces every node by its Keccak-512. There are as many nodes as lanes, or fewer.
#[inline(always)]
pub(crate) fn hash_nodes<V: Lanes>(nodes: &mut [Node]) {
    let Some(last) = nodes.len().checked_sub(1) else { return };
    let mut state = [V::splat(0); 25];
    for (at, lane) in state[..8].iter_mut().enumerate() {
        *lane = V::gather(|of| nodes[of.min(last)].lane(at));
    }
    state[8] = V::splat(FIRST | LAST);
    scatter(&permute(state), nodes);
}

/// Keccak-512 of the inputs' hashes and nonces. There are as many as lanes, or fewer.
#[inline(always)]
pub(crate) fn absorb_headers<V: Lanes>(inputs: &[Input], out: &mut [Node]) {
    let Some(last) = inputs.len().checked_sub(1) else { return };
    let mut state = [V::splat(0); 25];
    for (at, lane) in state[..4].iter_mut().enumerate() {
        *lane = V::gather(|of| words(&inputs[of.min(last)].header_hash)[at]);
    }
    state[4] = V::gather(|of| inputs[of.min(last)].nonce);
    state[5] = V::splat(FIRST);
    state[8] = V::splat(LAST);
    scatter(&permute(state), out);
}

/// Keccak-256 of nodes and the four lanes of each mix hash. There are as many as lanes, or fewer.
#[inline(always)]
pub(crate) fn absorb_mixes<V: Lanes>(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]) {
    let Some(last) = nodes.len().min(mixes.len()).checked_sub(1) else { return };
    let mut state = [V::splat(0); 25];
    for (at, lane) in state[..8].iter_mut().enumerate() {
        *lane = V::gather(|of| nodes[of.min(last)].lane(at));
    }
    for (at, lane) in state[8..12].iter_mut().enumerate() {
        *lane = V::gather(|of| mixes[of.min(last)][at]);
    }
    state[12] = V::splat(FIRST);
    state[16] = V::splat(LAST);
    let state = permute(state);
    for (at, lane) in state[..4].iter().enumerate() {
        lane.scatter(|of, word| {
            if let Some(out) = out.get_mut(of) {
                out[at] = word;
            }
        });
    }
}

/// The first eight lanes of each state into a node of its own.
#[inline(always)]
fn scatter<V: Lanes>(state: &[V; 25], out: &mut [Node]) {
    for (at, lane) in state[..8].iter().enumerate() {
        lane.scatter(|of, word| {
            if let Some(out) = out.get_mut(of) {
                out.set_lane(at, word);
            }
        });
    }
}

/// Keccak-256 of 32 bytes.
pub(crate) fn keccak256_of_32(bytes: &[u8; 32]) -> [u8; 32] {
    let mut state = [0; 25];
    state[..4].copy_from_slice(&words(bytes));
    state[4] = FIRST;
    state[16] = LAST;
    let state: [u64; 25] = permute(state);
    bytes_of([state[0], state[1], state[2], state[3]])
}

/// Keccak-512 of 32 bytes.
pub(crate) fn keccak512_of_32(bytes: &[u8; 32]) -> Node {
    let mut state = [0; 25];
    state[..4].copy_from_slice(&words(bytes));
    state[4] = FIRST;
    state[8] = LAST;
    let state: [u64; 25] = permute(state);
    let mut node = Node::ZERO;
    for (at, lane) in state[..8].iter().enumerate() {
        node.set_lane(at, *lane);
    }
    node
}

/// 32 bytes as little-endian words.
pub(crate) fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// And back.
pub(crate) fn bytes_of(words: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    fn node(seed: u32) -> Node {
        Node(std::array::from_fn(|at| seed.wrapping_mul(0x9e37_79b9).rotate_left(u32::try_from(at).unwrap())))
    }

    fn node_bytes(node: &Node) -> Vec<u8> {
        node.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What every set of lanes has to pass.
    fn equals_the_oracle<V: Lanes>() {
        let nodes: Vec<Node> = (1u32..).take(V::COUNT).map(node).collect();
        let mut hashed = nodes.clone();
        V::hash_nodes(&mut hashed);
        for (before, after) in nodes.iter().zip(&hashed) {
            assert_eq!(node_bytes(after), oracle::keccak512(&node_bytes(before)));
        }

        let inputs: Vec<Input> = (1u8..)
            .take(V::COUNT)
            .map(|of| Input { header_hash: [of; 32], nonce: u64::MAX / 3 + u64::from(of), height: 0 })
            .collect();
        V::absorb_headers(&inputs, &mut hashed);
        for (input, out) in inputs.iter().zip(&hashed) {
            let message = [input.header_hash.as_slice(), &input.nonce.to_le_bytes()].concat();
            assert_eq!(node_bytes(out), oracle::keccak512(&message));
        }

        let mixes: Vec<[u64; 4]> = (1..).take(V::COUNT).map(|of| [of, u64::MAX / of, 7, !of]).collect();
        let mut digests = vec![[0; 4]; V::COUNT];
        V::absorb_mixes(&nodes, &mixes, &mut digests);
        for ((node, mix), out) in nodes.iter().zip(&mixes).zip(digests) {
            let message = [node_bytes(node), bytes_of(*mix).to_vec()].concat();
            assert_eq!(bytes_of(out), oracle::keccak256(&message));
        }

        // Fewer than there are lanes.
        let mut one = [nodes[0]];
        V::hash_nodes(&mut one);
        assert_eq!(node_bytes(&one[0]), oracle::keccak512(&node_bytes(&nodes[0])));
        V::hash_nodes(&mut []);
        V::absorb_headers(&[], &mut []);
        V::absorb_mixes(&[], &[], &mut []);
    }

    #[test]
    fn one_message_at_a_time() {
        equals_the_oracle::<u64>();
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(3 * at).unwrap());
        assert_eq!(keccak256_of_32(&bytes), oracle::keccak256(&bytes));
        assert_eq!(node_bytes(&keccak512_of_32(&bytes)), oracle::keccak512(&bytes));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn as_many_as_vectors_have_lanes() {
        if x86_avx2::available() {
            equals_the_oracle::<x86_avx2::Words>();
        }
        if x86_avx512::available() {
            equals_the_oracle::<x86_avx512::Words>();
        }
    }
}
