//! Fast hashes for keys that nobody outside can choose.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use otedama_core::Digest;

/// A map by numbers that the pool itself gives out. It has the same order in every process.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Parts of a [`DigestSet`].
const PARTS: usize = 64;

/// Where the parts of a [`DigestSet`] begin, in 65536ths of all digests: the `n`-th at `2^(n/64) - 1`, the root of 2
/// times as large as the one before. Equal parts would all be full at the same time; these fill one after the other, at
/// even distances until the set has doubled.
const BEGINNINGS: [u16; PARTS] = beginnings();

const fn beginnings() -> [u16; PARTS] {
    /// 2^(1/64) times 2^62.
    const ROOT: u128 = 4_661_903_986_662_671_289;
    let mut out = [0; PARTS];
    let (mut power, mut at) = (1_u128 << 62, 0);
    while at < PARTS {
        let part = (power - (1 << 62)) >> 46;
        #[expect(clippy::cast_possible_truncation, reason = "below 65536, as the power is below 2")]
        let part = part as u16;
        out[at] = part;
        power = (power * ROOT) >> 62;
        at += 1;
    }
    out
}

/// A set of digests, in parts: a part that grows is a small one, and nobody waits for the whole to be moved.
///
/// Whoever would like two of them in one place has to find two shares whose first eight bytes agree in many bits, on top
/// of the work that makes them shares.
#[derive(Debug, Default)]
pub(crate) struct DigestSet {
    parts: Vec<HashSet<Digest, BuildHasherDefault<Front>>>,
}

impl DigestSet {
    /// Adds a digest; `false` if it was there.
    pub(crate) fn insert(&mut self, digest: Digest) -> bool {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, HashSet::default);
        }
        self.part(&digest).is_some_and(|part| part.insert(digest))
    }

    /// Takes a digest out.
    pub(crate) fn remove(&mut self, digest: &Digest) {
        if let Some(part) = self.part(digest) {
            part.remove(digest);
        }
    }

    /// The ninth and tenth byte are as random as those that the parts look at.
    fn part(&mut self, digest: &Digest) -> Option<&mut HashSet<Digest, BuildHasherDefault<Front>>> {
        let [.., low, high] = digest.as_bytes().first_chunk::<10>()?;
        let place = u16::from_le_bytes([*low, *high]);
        self.parts.get_mut(BEGINNINGS.partition_point(|beginning| *beginning <= place).checked_sub(1)?)
    }
}

/// Spreads a number over all bits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Takes the first eight bytes as they are: those of a digest are random, its last ones are zeros by proof of work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Front(u64);

impl Hasher for Front {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(front) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*front).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    /// The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_lie_apart() {
        let hash = |number: u64| {
            let mut hasher = Spread::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        let tops: HashSet<_> = (0..128).map(|number| hash(number) >> 57).collect();
        assert!(tops.len() > 64, "{}", tops.len());
    }

    #[test]
    fn parts_are_full_one_after_the_other() {
        let widths: Vec<u32> = (0..PARTS)
            .map(|at| {
                BEGINNINGS.get(at + 1).map_or(1 << 16, |next| u32::from(*next)) - u32::from(BEGINNINGS[at])
            })
            .collect();
        assert_eq!((BEGINNINGS[0], widths.iter().sum::<u32>()), (0, 1 << 16));
        assert!(widths.is_sorted(), "{widths:?}");
        let doubled = f64::from(widths[PARTS - 1]) / f64::from(widths[0]);
        assert!((1.9..2.1).contains(&doubled), "{doubled}");
    }

    #[test]
    fn digests_are_found_again() {
        let digest = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            bytes[9] = u8::try_from(number % 251).unwrap();
            Digest::new(bytes)
        };
        let mut seen = DigestSet::default();
        assert!((0..10_000).all(|number| seen.insert(digest(number))));
        assert!((0..10_000).all(|number| !seen.insert(digest(number))));
        seen.remove(&digest(77));
        seen.remove(&digest(1 << 40));
        assert!(seen.insert(digest(77)) && !seen.insert(digest(78)));
    }
}
