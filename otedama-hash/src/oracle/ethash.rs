//! Ethash (yellow paper, appendix J; ethereum/ethash) and the tables that `KawPow` shares with it.

use super::keccak::{keccak256, keccak512};

/// A node of the cache, and an item of the dataset: 64 bytes as little-endian words.
pub type Node = [u32; 16];

/// The tables of one epoch: the cache is there, the dataset is computed item by item.
#[derive(Debug, Clone)]
pub struct Dag {
    cache: Vec<Node>,
    /// Items of 64 bytes that the dataset has.
    items: u32,
    /// Nodes of the cache that go into each item.
    parents: u32,
}

impl Dag {
    /// Those of Ethash: `size_epoch` decides the sizes, `seed_epoch` how often zeros were hashed to make the seed.
    /// They differ with ECIP-1099.
    #[must_use]
    pub fn ethash(size_epoch: u32, seed_epoch: u32) -> Self {
        Self::new(&seed(seed_epoch), cache_bytes(size_epoch), dataset_bytes(size_epoch), 256)
    }

    /// Those of `KawPow`.
    #[must_use]
    pub fn kawpow(epoch: u32) -> Self {
        Self::new(&seed(epoch), cache_bytes(epoch), dataset_bytes(epoch), 512)
    }

    /// Those that test chains use: 1 KiB of cache and 32 KiB of dataset from a seed of zeros.
    #[must_use]
    pub fn of_test_chains(parents: u32) -> Self {
        Self::new(&[0; 32], 1 << 10, 32 << 10, parents)
    }

    /// Tables of any size, of which there should be at least one node and two items.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "less than 2^32 items")]
    pub fn new(seed: &[u8; 32], cache_bytes: u64, dataset_bytes: u64, parents: u32) -> Self {
        let n = (cache_bytes / 64) as usize;
        let mut cache = vec![words(&keccak512(seed))];
        while cache.len() < n {
            let last = cache[cache.len() - 1];
            cache.push(words(&keccak512(&bytes(&last))));
        }
        for _ in 0..3 {
            for i in 0..n {
                let v = cache[i][0] as usize % n;
                let mut mixed = cache[(i + n - 1) % n];
                for (word, other) in mixed.iter_mut().zip(cache[v]) {
                    *word ^= other;
                }
                cache[i] = words(&keccak512(&bytes(&mixed)));
            }
        }
        Self { cache, items: (dataset_bytes / 64) as u32, parents }
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &[Node] {
        &self.cache
    }

    /// Items of 64 bytes that the dataset has.
    #[must_use]
    pub const fn items(&self) -> u32 {
        self.items
    }

    /// One item of 64 bytes of the dataset.
    #[must_use]
    pub fn item(&self, index: u32) -> Node {
        let n = self.cache.len();
        let mut mix = self.cache[index as usize % n];
        mix[0] ^= index;
        mix = words(&keccak512(&bytes(&mix)));
        for j in 0..self.parents {
            let parent = fnv(index ^ j, mix[j as usize % 16]) as usize % n;
            for (word, other) in mix.iter_mut().zip(self.cache[parent]) {
                *word = fnv(*word, other);
            }
        }
        words(&keccak512(&bytes(&mix)))
    }

    /// Mix hash and digest of a header's hash and a nonce.
    #[must_use]
    pub fn hashimoto(&self, header_hash: &[u8; 32], nonce: u64) -> ([u8; 32], [u8; 32]) {
        let seed = keccak512(&[header_hash.as_slice(), &nonce.to_le_bytes()].concat());
        let head = words(&seed)[0];
        let mut mix = [words(&seed), words(&seed)].concat();
        for i in 0..64 {
            let page = fnv(i ^ head, mix[i as usize % 32]) % (self.items / 2);
            let new = [self.item(2 * page), self.item(2 * page + 1)].concat();
            for (word, other) in mix.iter_mut().zip(new) {
                *word = fnv(*word, other);
            }
        }
        let mut compressed = Vec::new();
        for four in mix.chunks(4) {
            compressed.extend(fnv(fnv(fnv(four[0], four[1]), four[2]), four[3]).to_le_bytes());
        }
        let digest = keccak256(&[seed.as_slice(), &compressed].concat());
        let mut mix_hash = [0; 32];
        mix_hash.copy_from_slice(&compressed);
        (mix_hash, digest)
    }
}

/// What the cache of an epoch is made from: zeros, hashed so often.
#[must_use]
pub fn seed(epoch: u32) -> [u8; 32] {
    let mut seed = [0; 32];
    for _ in 0..epoch {
        seed = keccak256(&seed);
    }
    seed
}

/// Bytes of the cache.
#[must_use]
pub fn cache_bytes(epoch: u32) -> u64 {
    size((1 << 24) + (1 << 17) * u64::from(epoch), 64)
}

/// Bytes of the dataset.
#[must_use]
pub fn dataset_bytes(epoch: u32) -> u64 {
    size((1 << 30) + (1 << 23) * u64::from(epoch), 128)
}

/// The largest size below `bound` that is a prime number of units.
fn size(bound: u64, unit: u64) -> u64 {
    let mut size = bound - unit;
    while !is_prime(size / unit) {
        size -= 2 * unit;
    }
    size
}

fn is_prime(number: u64) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= number {
        if number.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    true
}

fn fnv(a: u32, b: u32) -> u32 {
    a.wrapping_mul(0x0100_0193) ^ b
}

fn words(bytes: &[u8; 64]) -> Node {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words
}

fn bytes(node: &Node) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (bytes, word) in bytes.chunks_mut(4).zip(node) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
