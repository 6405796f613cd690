//! Fast maps and sets for keys that nobody outside can choose.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use otedama_core::Digest;

/// A map by numbers that the pool itself gives out. It has the same order in every process.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Parts of a large [`DigestSet`].
const PARTS: usize = 256;

/// Digests that one part is enough for.
const SMALL: usize = 8192;

/// Where the parts of a [`DigestSet`] begin, in 65536ths of all digests: the `n`-th at `2^(n/256) - 1`, the root of 2
/// times as large as the one before. Equal parts would all be full at the same time; these fill one after the other, at
/// even distances until the set has doubled.
const BEGINNINGS: [u16; PARTS] = beginnings();

const fn beginnings() -> [u16; PARTS] {
    /// 2^(1/256) times 2^62.
    const ROOT: u128 = 4_624_189_567_668_517_720;
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

/// A set of digests, in parts once it is large: a part that grows is a small one, and nobody waits for the whole to be
/// moved.
///
/// Of a digest it keeps 128 bits, which take half the room. They are its two halves on top of each other, so that it does
/// not matter at which end the proof of work has its zeros. Two shares that agree in them are not found by chance, nor
/// with fewer than 2^64 hashes; whoever finds some loses a share of his own.
///
/// Whoever would like many of them in one place has to find shares that agree in many of these bits, on top of the work
/// that makes them shares.
#[derive(Debug, Default)]
pub(crate) struct DigestSet {
    /// All of it while it is small.
    small: Part,
    /// All of it once it is large; none before.
    parts: Vec<Part>,
}

impl DigestSet {
    /// Adds a digest; `false` if it was there.
    pub(crate) fn insert(&mut self, digest: &Digest) -> bool {
        if self.small.len >= SMALL {
            self.divide();
        }
        let kept = kept(digest);
        self.parts.get_mut(place(kept)).unwrap_or(&mut self.small).insert(kept)
    }

    /// Where a digest is or would be, without looking there.
    pub(crate) fn spot(&self, digest: &Digest) -> Spot<'_> {
        let kept = kept(digest);
        let part = self.parts.get(place(kept)).unwrap_or(&self.small);
        Spot(if part.slots.is_empty() { &FREE } else { &part.slots[part.home(kept)] })
    }

    /// Takes a digest out.
    pub(crate) fn remove(&mut self, digest: &Digest) {
        let kept = kept(digest);
        self.parts.get_mut(place(kept)).unwrap_or(&mut self.small).remove(kept);
    }

    fn divide(&mut self) {
        self.parts.resize_with(PARTS, Part::default);
        for number in std::mem::take(&mut self.small).slots {
            if number != FREE
                && let Some(part) = self.parts.get_mut(place(number))
            {
                part.insert(number);
            }
        }
    }
}

/// A place in a [`DigestSet`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a>(&'a u128);

impl Spot<'_> {
    /// No place.
    pub(crate) const NONE: Self = Self(&FREE);

    /// Reads them, so that the processor has them at hand when they are needed. As nothing is done in between, it fetches
    /// all of them from memory at a time.
    pub(crate) fn fetch(spots: &[Self]) {
        black_box(spots.iter().fold(0, |all, spot| all ^ *spot.0));
    }
}

/// The bits of a digest that are kept, never none.
fn kept(digest: &Digest) -> u128 {
    let (halves, _) = digest.as_bytes().as_chunks::<16>();
    halves.iter().fold(0, |kept, half| kept ^ u128::from_le_bytes(*half)).max(1)
}

/// The part that a digest is in. The uppermost bits are as random as those that parts look at.
fn place(kept: u128) -> usize {
    let place = (kept >> 112) as u16;
    BEGINNINGS.partition_point(|beginning| *beginning <= place).saturating_sub(1)
}

/// A table of numbers that are random as they are. Each stands where its lower bits say, or behind that with no free slot
/// between: whether one is there is nearly always known from one cache line, which has room for another too.
#[derive(Debug, Default)]
struct Part {
    /// A power of two of them, or none.
    slots: Vec<u128>,
    len: usize,
}

/// Nothing is here.
const FREE: u128 = 0;

impl Part {
    fn contains(&self, number: u128) -> bool {
        !self.slots.is_empty() && self.slots[self.find(number)] == number
    }

    fn insert(&mut self, number: u128) -> bool {
        if 3 * (self.len + 1) > 2 * self.slots.len() {
            self.grow();
        }
        let at = self.find(number);
        if self.slots[at] == number {
            return false;
        }
        (self.slots[at], self.len) = (number, self.len + 1);
        true
    }

    fn remove(&mut self, number: u128) {
        if !self.contains(number) {
            return;
        }
        let mut gap = self.find(number);
        (self.slots[gap], self.len) = (FREE, self.len - 1);
        let mut at = self.after(gap);
        while self.slots[at] != FREE {
            // Whatever is looked for by way of the gap moves into it.
            let way = self.distance(self.home(self.slots[at]), at);
            if self.distance(gap, at) <= way {
                self.slots.swap(gap, at);
                gap = at;
            }
            at = self.after(at);
        }
    }

    fn grow(&mut self) {
        let larger = vec![FREE; (2 * self.slots.len()).max(4)];
        for number in std::mem::replace(&mut self.slots, larger) {
            if number != FREE {
                let at = self.find(number);
                self.slots[at] = number;
            }
        }
    }

    /// Where it is, or the free slot where it would be. There is always a free one.
    fn find(&self, number: u128) -> usize {
        let mut at = self.home(number);
        while self.slots[at] != number && self.slots[at] != FREE {
            at = self.after(at);
        }
        at
    }

    const fn home(&self, number: u128) -> usize {
        number as usize & (self.slots.len() - 1)
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use otedama_core::Hash256;
    use proptest::prelude::*;

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
        assert!(widths.windows(2).all(|pair| pair[0] <= pair[1] + 2), "sorted but for rounding: {widths:?}");
        let doubled = f64::from(widths[PARTS - 1]) / f64::from(widths[0]);
        assert!((1.9..2.1).contains(&doubled), "{doubled}");
    }

    #[test]
    fn digests_are_found_again() {
        let digest = |number: u64| Digest::new(*Hash256::sha256d(&number.to_le_bytes()).as_internal());
        let mut seen = DigestSet::default();
        assert!((0..20_000).all(|number| seen.insert(&digest(number))));
        assert!((0..20_000).all(|number| !seen.insert(&digest(number)) && seen.has(&digest(number))));
        seen.remove(&digest(77));
        seen.remove(&digest(1 << 40));
        assert!(!seen.has(&digest(77)) && !seen.has(&digest(1 << 40)));
        assert!(seen.insert(&digest(77)) && !seen.insert(&digest(78)));
    }

    #[test]
    fn zeros_at_either_end_do_no_harm() {
        for zeros in [0..20, 12..32] {
            let mut seen = DigestSet::default();
            for number in 0..30_000u64 {
                let mut bytes = *Hash256::sha256d(&number.to_le_bytes()).as_internal();
                bytes[zeros.clone()].fill(0);
                assert!(seen.insert(&Digest::new(bytes)));
            }
            let longest = seen.parts.iter().flat_map(Part::ways).max().unwrap();
            assert!(longest < 256, "{longest}");
        }
        let mut seen = DigestSet::default();
        assert!(
            seen.insert(&Digest::new([7; 32])) && !seen.insert(&Digest::new([7; 32])),
            "nothing is left of it"
        );
    }

    impl DigestSet {
        fn has(&self, digest: &Digest) -> bool {
            let kept = kept(digest);
            self.parts.get(place(kept)).unwrap_or(&self.small).contains(kept)
        }
    }

    impl Part {
        /// How far each number is from where it would be best.
        fn ways(&self) -> impl Iterator<Item = usize> {
            let numbers = self.slots.iter().enumerate().filter(|(_, number)| **number != FREE);
            numbers.map(|(at, number)| self.distance(self.home(*number), at))
        }
    }

    proptest! {
        /// Numbers that get in each other's way, in and out in any order.
        #[test]
        fn a_part_is_a_set(steps in prop::collection::vec((any::<bool>(), 1u128..40, 0u32..3), 0..400)) {
            let (mut part, mut model) = (Part::default(), HashSet::new());
            for (goes_in, low, high) in steps {
                let number = low | u128::from(high) << 64;
                if goes_in {
                    prop_assert_eq!(part.insert(number), model.insert(number));
                } else {
                    part.remove(number);
                    model.remove(&number);
                }
                prop_assert_eq!(part.len, model.len());
                prop_assert!(model.iter().all(|number| part.contains(*number)));
                prop_assert!(part.slots.iter().all(|slot| *slot == FREE || model.contains(slot)));
            }
        }
    }
}
