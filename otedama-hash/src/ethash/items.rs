//! Items of the dataset from the cache: many chains at a time, so that waiting for memory overlaps.

use super::Node;
use crate::keccak::Lanes;

/// Items that are made together where there are enough to make: about as many lines as a core can wait for at once.
pub(crate) const CHAINS: usize = 16;

/// What the hash multiplies with.
pub(crate) const PRIME: u32 = 0x0100_0193;

/// The hash of Fowler, Noll and Vo, multiplication first.
#[inline(always)]
pub(crate) const fn fnv(a: u32, b: u32) -> u32 {
    a.wrapping_mul(PRIME) ^ b
}

/// A divisor of which only remainders are wanted, as multiplications (Lemire, Kaser, Kurz: "Faster remainder by direct
/// computation", 2019).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modulus {
    divisor: u32,
    /// 2^64 / divisor, rounded up.
    inverse: u64,
}

impl Modulus {
    /// Not of zero, which counts as one.
    pub(crate) const fn new(divisor: u32) -> Self {
        let divisor = if divisor == 0 { 1 } else { divisor };
        Self { divisor, inverse: (u64::MAX / divisor as u64).wrapping_add(1) }
    }

    /// `number` modulo the divisor.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "less than the divisor, which has 32 bits")]
    pub(crate) const fn of(self, number: u32) -> usize {
        let fraction = self.inverse.wrapping_mul(number as u64);
        ((fraction as u128 * self.divisor as u128) >> 64) as usize
    }
}

/// A cache, with what is needed to make items from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cache<'a> {
    nodes: &'a [Node],
    count: Modulus,
    parents: u32,
}

impl<'a> Cache<'a> {
    /// Of at least one node and less than 2^32.
    pub(crate) fn new(nodes: &'a [Node], parents: u32) -> Self {
        let count = Modulus::new(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
        Self { nodes, count, parents }
    }

    /// The items of these numbers.
    #[inline(always)]
    pub(crate) fn items<V: Lanes, const N: usize>(&self, index: [u32; N]) -> [Node; N] {
        let mut mix = index.map(|index| self.nodes[self.count.of(index)]);
        for (mix, index) in mix.iter_mut().zip(index) {
            mix.0[0] ^= index;
        }
        hash_all::<V>(&mut mix);
        let mut next = [0; N];
        for chain in 0..N {
            next[chain] = self.count.of(fnv(index[chain], mix[chain].0[0]));
            self.nodes[next[chain]].prefetch();
        }
        for parent in 1..=self.parents {
            for chain in 0..N {
                let (mix, node) = (&mut mix[chain], &self.nodes[next[chain]]);
                // What decides the next one is computed beside the rest, which is not waited for. The last one is not
                // read.
                let at = parent as usize % 16;
                let word = fnv(mix.0[at], node.0[at]);
                next[chain] = self.count.of(fnv(index[chain] ^ parent, word));
                self.nodes[next[chain]].prefetch();
                V::fnv_node(mix, node);
            }
        }
        hash_all::<V>(&mut mix);
        mix
    }

    /// The items from `first` on.
    #[inline(always)]
    pub(crate) fn fill<V: Lanes>(&self, first: u32, out: &mut [Node]) {
        let mut first = first;
        for group in out.chunks_mut(CHAINS) {
            let mut next = first;
            let index = [(); CHAINS].map(|()| {
                next = next.wrapping_add(1);
                next.wrapping_sub(1)
            });
            let items = V::items(self, index);
            group.copy_from_slice(&items[..group.len()]);
            first = next;
        }
    }
}

/// Hashes any number of nodes.
#[inline(always)]
fn hash_all<V: Lanes>(nodes: &mut [Node]) {
    for group in nodes.chunks_mut(V::COUNT) {
        V::hash_nodes(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_are_those_of_a_division() {
        for divisor in [1, 2, 3, 16, 262_139, 1_073_147, 34_340_861, (1 << 31) - 1, u32::MAX] {
            let modulus = Modulus::new(divisor);
            for number in
                [0, 1, divisor - 1, divisor, divisor.wrapping_add(1), 0x9e37_79b9, u32::MAX - 1, u32::MAX]
            {
                assert_eq!(modulus.of(number), (number % divisor) as usize, "{number} {divisor}");
            }
        }
    }
}
