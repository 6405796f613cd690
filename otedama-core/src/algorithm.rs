//! Proof-of-work functions as values: what a digest means as a number and what a difficulty of one is.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::target::Target;
use crate::uint::U256;

/// A proof-of-work function: a copyable id that carries its [`AlgorithmSpec`].
///
/// Two are equal when their names are. Further ones are made from a spec of one's own ([`Algorithm::new`]) and found
/// by name through an [`AlgorithmSet`]; there is no global registry.
#[derive(Clone, Copy)]
pub struct Algorithm(&'static AlgorithmSpec);

/// What is fixed about an algorithm. All constants, so that a spec can be a `static`.
#[derive(Debug)]
#[non_exhaustive]
pub struct AlgorithmSpec {
    /// Lower-case name, as in configuration and on the command line.
    pub name: &'static str,
    /// Bytes of the longest header that is hashed.
    pub header_len: usize,
    /// Bytes of the shortest; for most algorithms the same.
    pub header_min: usize,
    /// Where in the header the nonce stands.
    pub nonce_offset: usize,
    /// Bytes of the nonce, at most 8, little-endian in the header.
    pub nonce_len: usize,
    /// The target of difficulty 1 as pools and miners of this algorithm use it.
    pub difficulty_one: Target,
    /// How the 32 bytes of a digest read as a number.
    pub order: DigestOrder,
}

/// How the bytes of a digest, as the function wrote them, read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestOrder {
    /// Least significant byte first: Bitcoin and its relatives.
    Little,
    /// Most significant byte first.
    Big,
}

impl AlgorithmSpec {
    /// A function over an 80-byte Bitcoin-like header: 4-byte nonce at offset 76, little-endian digest.
    #[must_use]
    pub const fn bitcoin_like(name: &'static str, difficulty_one: Target) -> Self {
        Self {
            name,
            header_len: 80,
            header_min: 80,
            nonce_offset: 76,
            nonce_len: 4,
            difficulty_one,
            order: DigestOrder::Little,
        }
    }

    /// The same with another reading of the digest.
    #[must_use]
    pub const fn with_order(self, order: DigestOrder) -> Self {
        Self { order, ..self }
    }
}

static SHA256D: AlgorithmSpec =
    AlgorithmSpec::bitcoin_like("sha256d", Target::from_limbs([0, 0, 0, 0x0000_0000_ffff_0000]));
static SCRYPT: AlgorithmSpec =
    AlgorithmSpec::bitcoin_like("scrypt", Target::from_limbs([0, 0, 0, 0x0000_ffff_0000_0000]));
/// The hashing blob of Monero: major and minor version and a timestamp of five bytes, the id of the block before, the
/// nonce, the root of the transactions, and their number in one to nine bytes.
static RANDOMX: AlgorithmSpec = AlgorithmSpec {
    name: "randomx",
    header_len: 128,
    header_min: 43,
    nonce_offset: 39,
    nonce_len: 4,
    difficulty_one: Target::MAX,
    order: DigestOrder::Little,
};

static RANDOMX_BITCOIN: AlgorithmSpec = AlgorithmSpec::bitcoin_like("randomx", Target::MAX);

impl Algorithm {
    /// SHA-256 applied twice to an 80-byte header (Bitcoin). Difficulty 1 is `00000000ffff` and zeros.
    pub const SHA256D: Self = Self(&SHA256D);
    /// scrypt with N=1024, r=1, p=1 on an 80-byte header (Litecoin). Difficulty 1 is `0000ffff` and zeros.
    pub const SCRYPT: Self = Self(&SCRYPT);
    /// RandomX, the variant rx/0, on Monero's hashing blob of 43 (where the nonce ends) to 128 bytes. Its tables are
    /// keyed by a seed. Difficulty 1 is any digest at all.
    pub const RANDOMX: Self = Self(&RANDOMX);

    /// An algorithm of one's own. Its name must differ from the built-in ones, since names decide equality.
    #[must_use]
    pub const fn new(spec: &'static AlgorithmSpec) -> Self {
        Self(spec)
    }

    /// The same function over Bitcoin's header of 80 bytes, whose nonce comes last: what test chains mine. Most
    /// functions have no other.
    #[must_use]
    pub fn over_bitcoin_header(self) -> Self {
        if self == Self::RANDOMX { Self(&RANDOMX_BITCOIN) } else { self }
    }

    /// All that is fixed about it.
    #[must_use]
    pub const fn spec(self) -> &'static AlgorithmSpec {
        self.0
    }

    /// Its name, lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The largest nonce; a scan wraps after it.
    #[must_use]
    pub const fn max_nonce(self) -> u64 {
        if self.0.nonce_len >= 8 { u64::MAX } else { (1 << (8 * self.0.nonce_len)) - 1 }
    }

    /// Whether the digest, read as this algorithm reads it, does not exceed the target. Equal is enough.
    #[must_use]
    pub fn meets(self, digest: &Digest, target: Target) -> bool {
        self.number(digest) <= target.0
    }

    /// The digest as the number that is compared: the hardest target that it meets.
    #[must_use]
    pub fn reached(self, digest: &Digest) -> Target {
        Target(self.number(digest))
    }

    fn number(self, digest: &Digest) -> U256 {
        match self.0.order {
            DigestOrder::Little => U256::from_le_bytes(digest.0),
            DigestOrder::Big => U256::from_be_bytes(digest.0),
        }
    }
}

impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Algorithm {}

impl Hash for Algorithm {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Algorithm({})", self.0.name)
    }
}

/// The algorithms that a program knows, found by name.
#[derive(Debug, Clone)]
pub struct AlgorithmSet(Vec<Algorithm>);

impl AlgorithmSet {
    /// The ones that this crate defines.
    #[must_use]
    pub fn builtin() -> Self {
        Self(alloc::vec![Algorithm::SHA256D, Algorithm::SCRYPT, Algorithm::RANDOMX])
    }

    /// The set with one more; it replaces an algorithm of the same name.
    #[must_use]
    pub fn with(mut self, algorithm: Algorithm) -> Self {
        self.0.retain(|known| *known != algorithm);
        self.0.push(algorithm);
        self
    }

    /// The algorithm of exactly this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Algorithm> {
        self.iter().find(|algorithm| algorithm.name() == name)
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.0.iter().copied()
    }
}

/// The 32 bytes that a proof-of-work function wrote, in the order in which it wrote them.
///
/// What they mean as a number is the algorithm's affair ([`Algorithm::meets`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// From the bytes as written by the function.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as written by the function.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    /// 64 lower-case hex digits, in the order of the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex::Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_to_the_target_is_enough() {
        let mut bytes = [0; 32];
        bytes[26] = 0xff;
        bytes[27] = 0xff;
        let one = Algorithm::SHA256D.spec().difficulty_one;
        assert!(Algorithm::SHA256D.meets(&Digest::new(bytes), one));
        bytes[0] = 1;
        assert!(!Algorithm::SHA256D.meets(&Digest::new(bytes), one));
    }

    #[test]
    fn difficulty_one_is_what_pools_use() {
        let shown = |a: Algorithm| alloc::format!("{}", a.spec().difficulty_one);
        assert!(shown(Algorithm::SHA256D).starts_with("00000000ffff0000"));
        assert!(shown(Algorithm::SCRYPT).starts_with("0000ffff00000000"));
    }

    #[test]
    fn headers_have_room_for_their_nonce() {
        for algorithm in AlgorithmSet::builtin().iter() {
            let spec = algorithm.spec();
            assert!(spec.nonce_offset + spec.nonce_len <= spec.header_min, "{algorithm}");
            assert!(
                spec.header_min <= spec.header_len && spec.header_len <= crate::Header::MAX,
                "{algorithm}"
            );
        }
    }

    #[test]
    fn every_function_takes_the_header_of_bitcoin() {
        for algorithm in AlgorithmSet::builtin().iter() {
            let over = algorithm.over_bitcoin_header();
            assert_eq!(over, algorithm, "the same function");
            let spec = over.spec();
            assert_eq!(
                (spec.header_min, spec.header_len, spec.nonce_offset, spec.nonce_len),
                (80, 80, 76, 4)
            );
        }
    }

    #[test]
    fn byte_order_belongs_to_the_algorithm() {
        static BIG: AlgorithmSpec =
            AlgorithmSpec::bitcoin_like("big", Target::MAX).with_order(DigestOrder::Big);
        let mut bytes = [0; 32];
        bytes[31] = 1;
        let digest = Digest::new(bytes);
        let one = Target::from_limbs([1, 0, 0, 0]);
        assert!(Algorithm::new(&BIG).meets(&digest, one));
        assert!(!Algorithm::SHA256D.meets(&digest, one));
    }

    #[test]
    fn a_set_finds_plugged_in_algorithms() {
        static MINE: AlgorithmSpec = AlgorithmSpec::bitcoin_like("mine", Target::MAX);
        let set = AlgorithmSet::builtin().with(Algorithm::new(&MINE));
        assert_eq!(set.find("mine"), Some(Algorithm::new(&MINE)));
        assert_eq!(set.find("sha256d"), Some(Algorithm::SHA256D));
        assert_eq!(set.find("SHA256d"), None);
        assert_eq!(set.iter().count(), AlgorithmSet::builtin().iter().count() + 1);
    }
}
