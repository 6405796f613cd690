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
    /// Bytes of the header that is hashed; the most that there can be, where headers differ in length.
    pub header_len: usize,
    /// The fewest bytes of a header; the same as [`header_len`](Self::header_len) where all have one length.
    pub shortest_header: usize,
    /// Where in the header the nonce stands.
    pub nonce_offset: usize,
    /// Bytes of the nonce, at most 8. Of a longer one, these are the bytes that a scan counts up.
    pub nonce_len: usize,
    /// How the nonce is written into the header.
    pub nonce_order: ByteOrder,
    /// The target of difficulty 1 as pools and miners of this algorithm use it.
    pub difficulty_one: Target,
    /// How the 32 bytes of a digest read as a number.
    pub order: DigestOrder,
}

/// How a number is written in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByteOrder {
    /// Least significant byte first: Bitcoin and most others.
    Little,
    /// Most significant byte first: Alephium.
    Big,
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
            shortest_header: 80,
            nonce_offset: 76,
            nonce_len: 4,
            nonce_order: ByteOrder::Little,
            difficulty_one,
            order: DigestOrder::Little,
        }
    }

    /// The same with another reading of the digest.
    #[must_use]
    pub const fn with_order(self, order: DigestOrder) -> Self {
        Self { order, ..self }
    }

    /// The same with headers of `shortest` to `longest` bytes; at most [`Header::MAX`](crate::Header::MAX).
    #[must_use]
    pub const fn with_header(self, shortest: usize, longest: usize) -> Self {
        Self { shortest_header: shortest, header_len: longest, ..self }
    }

    /// The same with a nonce of so many bytes, at most 8, at another place.
    #[must_use]
    pub const fn with_nonce(self, nonce_offset: usize, nonce_len: usize, nonce_order: ByteOrder) -> Self {
        Self { nonce_offset, nonce_len, nonce_order, ..self }
    }
}

static SHA256D: AlgorithmSpec =
    AlgorithmSpec::bitcoin_like("sha256d", Target::from_limbs([0, 0, 0, 0x0000_0000_ffff_0000]));
static SCRYPT: AlgorithmSpec =
    AlgorithmSpec::bitcoin_like("scrypt", Target::from_limbs([0, 0, 0, 0x0000_ffff_0000_0000]));
/// Decred's proof-of-work limit 0x1d00ffff is also the difficulty 1 of its pools (dcrd, `chaincfg/mainnetparams.go`).
static BLAKE3_DECRED: AlgorithmSpec =
    AlgorithmSpec::bitcoin_like("blake3-decred", Target::from_limbs([0, 0, 0, 0x0000_0000_ffff_0000]))
        .with_header(180, 180)
        .with_nonce(140, 4, ByteOrder::Little);
/// 30 leading zero bits is what Alephium's own pool software calls difficulty 1. A header has 102 bytes and 32 for
/// each dependency, of which there are one less than twice the groups: 134 with one group, 326 with four.
static BLAKE3_ALEPHIUM: AlgorithmSpec = AlgorithmSpec::bitcoin_like(
    "blake3-alephium",
    Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0x0000_0003_ffff_ffff]),
)
.with_header(134, 326)
.with_nonce(16, 8, ByteOrder::Big)
.with_order(DigestOrder::Big);
/// The hashing blob of Monero: major and minor version and a timestamp of five bytes, the id of the block before, the
/// nonce, the root of the transactions, and their number in one to nine bytes.
static RANDOMX: AlgorithmSpec = AlgorithmSpec::bitcoin_like("randomx", Target::MAX)
    .with_header(43, 128)
    .with_nonce(39, 4, ByteOrder::Little);

static RANDOMX_BITCOIN: AlgorithmSpec = AlgorithmSpec::bitcoin_like("randomx", Target::MAX);

/// The hash of a block's header without nonce and mix, and the nonce, as Keccak takes them in.
const fn sealed(name: &'static str, difficulty_one: Target) -> AlgorithmSpec {
    AlgorithmSpec::bitcoin_like(name, difficulty_one)
        .with_header(40, 40)
        .with_nonce(32, 8, ByteOrder::Little)
        .with_order(DigestOrder::Big)
}

/// The same function over Bitcoin's header.
const fn sealed_bitcoin(name: &'static str, difficulty_one: Target) -> AlgorithmSpec {
    AlgorithmSpec::bitcoin_like(name, difficulty_one).with_order(DigestOrder::Big)
}

/// What EthereumStratum/1.0.0 calls difficulty 1.
const ETHEREUM_ONE: Target = Target::from_limbs([0, 0, 0, 0x0000_0000_ffff_0000]);
/// What the pools of Ravencoin call difficulty 1.
const RAVENCOIN_ONE: Target = Target::from_limbs([0, 0, 0, 0x0000_0000_ff00_0000]);

static ETHASH: AlgorithmSpec = sealed("ethash", ETHEREUM_ONE);
static ETCHASH: AlgorithmSpec = sealed("etchash", ETHEREUM_ONE);
static KAWPOW: AlgorithmSpec = sealed("kawpow", RAVENCOIN_ONE);
static ETHASH_BITCOIN: AlgorithmSpec = sealed_bitcoin("ethash", ETHEREUM_ONE);
static ETCHASH_BITCOIN: AlgorithmSpec = sealed_bitcoin("etchash", ETHEREUM_ONE);
static KAWPOW_BITCOIN: AlgorithmSpec = sealed_bitcoin("kawpow", RAVENCOIN_ONE);

impl Algorithm {
    /// SHA-256 applied twice to an 80-byte header (Bitcoin). Difficulty 1 is `00000000ffff` and zeros.
    pub const SHA256D: Self = Self(&SHA256D);
    /// scrypt with N=1024, r=1, p=1 on an 80-byte header (Litecoin). Difficulty 1 is `0000ffff` and zeros.
    pub const SCRYPT: Self = Self(&SCRYPT);
    /// BLAKE3 of the 180-byte header (Decred since DCP0011). Difficulty 1 is `00000000ffff` and zeros.
    pub const BLAKE3_DECRED: Self = Self(&BLAKE3_DECRED);
    /// BLAKE3 of BLAKE3 of a header that begins with its nonce (Alephium). Difficulty 1 is 30 zero bits and ones.
    ///
    /// The nonce is a big-endian number of 24 bytes. The last 8 are what a scan counts up; the 16 before them stay as
    /// they are in the header, and are where pools put their extranonce. A digest also has to name the job's chain:
    /// see [`ChainIndex`].
    pub const BLAKE3_ALEPHIUM: Self = Self(&BLAKE3_ALEPHIUM);
    /// RandomX, the variant rx/0, on Monero's hashing blob of 43 (where the nonce ends) to 128 bytes. Its tables are
    /// keyed by a seed. Difficulty 1 is any digest at all.
    pub const RANDOMX: Self = Self(&RANDOMX);
    /// Ethash (Ethereum until 2022, and its forks). What is hashed is the 32-byte hash of the block's header without its
    /// nonce and mix, and the nonce, little-endian. Its tables belong to an epoch of 30,000 blocks. Difficulty 1 is
    /// `00000000ffff` and zeros.
    pub const ETHASH: Self = Self(&ETHASH);
    /// Ethash with the epochs of ECIP-1099: 60,000 blocks from block 11,700,000 on (Ethereum Classic).
    pub const ETCHASH: Self = Self(&ETCHASH);
    /// `KawPow`, Ravencoin's ProgPoW 0.9.3: header and nonce as for Ethash, epochs of 7,500 blocks, another programme every
    /// 3 blocks. Difficulty 1 is `00000000ff` and zeros.
    pub const KAWPOW: Self = Self(&KAWPOW);

    /// An algorithm of one's own. Its name must differ from the built-in ones, since names decide equality.
    #[must_use]
    pub const fn new(spec: &'static AlgorithmSpec) -> Self {
        Self(spec)
    }

    /// The same function over Bitcoin's header of 80 bytes, whose nonce comes last: what test chains mine. Most
    /// functions have no other; those that are tied to the header of their coin stay as they are.
    #[must_use]
    pub fn over_bitcoin_header(self) -> Self {
        let others = [
            (Self::RANDOMX, &RANDOMX_BITCOIN),
            (Self::ETHASH, &ETHASH_BITCOIN),
            (Self::ETCHASH, &ETCHASH_BITCOIN),
            (Self::KAWPOW, &KAWPOW_BITCOIN),
        ];
        others.into_iter().find(|(known, _)| *known == self).map_or(self, |(_, spec)| Self(spec))
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

    /// Whether a header of this algorithm can have so many bytes.
    #[must_use]
    pub const fn takes(self, header_len: usize) -> bool {
        self.0.shortest_header <= header_len && header_len <= self.0.header_len
    }

    /// Whether its headers are laid out as Bitcoin's: 80 bytes, of which the last four are the nonce.
    #[must_use]
    pub const fn is_bitcoin_like(self) -> bool {
        self.0.shortest_header == 80
            && self.0.header_len == 80
            && self.0.nonce_offset == 76
            && self.0.nonce_len == 4
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
        Self(alloc::vec![
            Algorithm::SHA256D,
            Algorithm::SCRYPT,
            Algorithm::BLAKE3_DECRED,
            Algorithm::BLAKE3_ALEPHIUM,
            Algorithm::RANDOMX,
            Algorithm::ETHASH,
            Algorithm::ETCHASH,
            Algorithm::KAWPOW,
        ])
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

/// Which of Alephium's chains a block belongs to. Every pair of groups, from and to, has a chain of its own.
///
/// The last two bytes of a block's digest, as a big-endian number modulo the number of chains, must be the index of
/// its chain; a digest that names another chain is worth nothing, however low it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainIndex {
    index: u16,
    chains: u16,
}

impl ChainIndex {
    /// Groups of the main net.
    pub const GROUPS: u8 = 4;

    /// The chain from one group to another, of so many groups; `None` if there is no such group.
    #[must_use]
    pub fn new(from: u8, to: u8, groups: u8) -> Option<Self> {
        let [from, to, groups] = [from, to, groups].map(u16::from);
        (from < groups && to < groups).then_some(Self { index: from * groups + to, chains: groups * groups })
    }

    /// Whether the digest names this chain.
    #[must_use]
    pub fn is_named_by(self, digest: &Digest) -> bool {
        let [.., high, low] = digest.0;
        u16::from_be_bytes([high, low]) % self.chains == self.index
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
        assert_eq!(shown(Algorithm::BLAKE3_DECRED), shown(Algorithm::SHA256D));
        assert!(shown(Algorithm::BLAKE3_ALEPHIUM).starts_with("00000003ffffffffffff"));
    }

    #[test]
    fn headers_have_room_for_their_nonce() {
        for algorithm in AlgorithmSet::builtin().iter() {
            let spec = algorithm.spec();
            assert!(spec.nonce_offset + spec.nonce_len <= spec.shortest_header, "{algorithm}");
            assert!(
                spec.shortest_header <= spec.header_len && spec.header_len <= crate::Header::MAX,
                "{algorithm}"
            );
        }
    }

    #[test]
    fn functions_that_are_tied_to_no_header_take_that_of_bitcoin() {
        let tied = [Algorithm::BLAKE3_DECRED, Algorithm::BLAKE3_ALEPHIUM];
        for algorithm in AlgorithmSet::builtin().iter() {
            let over = algorithm.over_bitcoin_header();
            assert_eq!(over, algorithm, "the same function");
            assert_eq!(over.is_bitcoin_like(), !tied.contains(&algorithm), "{algorithm}");
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
    fn headers_have_the_length_of_their_algorithm() {
        for (algorithm, shortest, longest) in [
            (Algorithm::SHA256D, 80, 80),
            (Algorithm::BLAKE3_DECRED, 180, 180),
            (Algorithm::BLAKE3_ALEPHIUM, 134, 326),
        ] {
            assert!(algorithm.takes(shortest) && algorithm.takes(longest));
            assert!(!algorithm.takes(shortest - 1) && !algorithm.takes(longest + 1));
        }
        assert!(AlgorithmSet::builtin().iter().all(|a| a.spec().header_len <= crate::Header::MAX));
    }

    /// Alephium's `ChainIndex.scala` by hand: 0x0e03 is 3587, 3 modulo 16 and 5 modulo 9.
    #[test]
    fn a_digest_names_one_chain() {
        let mut bytes = [0; 32];
        (bytes[30], bytes[31]) = (0x0e, 0x03);
        for groups in [4, 3] {
            let pairs = || (0..groups).flat_map(|from| (0..groups).map(move |to| (from, to)));
            let named: alloc::vec::Vec<_> = pairs()
                .filter(|(from, to)| {
                    ChainIndex::new(*from, *to, groups).unwrap().is_named_by(&Digest::new(bytes))
                })
                .collect();
            assert_eq!(named, if groups == 4 { [(0, 3)] } else { [(1, 2)] });
        }
        for (from, to, groups) in [(4, 0, 4), (0, 4, 4), (0, 0, 0)] {
            assert_eq!(ChainIndex::new(from, to, groups), None);
        }
        assert!(ChainIndex::new(254, 254, 255).is_some());
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
