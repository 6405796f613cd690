//! What a device scans, and what it found.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use crate::algorithm::{Algorithm, ByteOrder, ChainIndex, Digest};
use crate::coinbase::Extranonce;
use crate::job::JobBody;
use crate::target::Target;

/// The bytes that a proof-of-work function hashes, at most [`Header::MAX`], held inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    len: u16,
    bytes: [u8; Header::MAX],
}

impl Header {
    /// The longest header of any algorithm here.
    pub const MAX: usize = 384;

    /// From the bytes as they are hashed; `None` if there are more than [`Header::MAX`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut out = Self { len: u16::try_from(bytes.len()).ok()?, bytes: [0; Self::MAX] };
        out.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(out)
    }

    /// The bytes as they are hashed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The nonce that stands in it now; zero if it is shorter than the algorithm's header.
    #[must_use]
    pub fn nonce(&self, algorithm: Algorithm) -> u64 {
        let spec = algorithm.spec();
        let mut number = [0; 8];
        let hole = self.as_bytes().get(spec.nonce_offset..spec.nonce_offset + spec.nonce_len);
        if let Some((hole, out)) = hole.zip(number.get_mut(..spec.nonce_len)) {
            out.copy_from_slice(hole);
            if spec.nonce_order == ByteOrder::Big {
                out.reverse();
            }
        }
        u64::from_le_bytes(number)
    }

    /// The same header with another nonce, of which the algorithm's nonce width is used.
    #[must_use]
    pub fn with_nonce(mut self, algorithm: Algorithm, nonce: u64) -> Self {
        let spec = algorithm.spec();
        let end = usize::from(self.len).min(Self::MAX);
        let hole = self.bytes[..end].get_mut(spec.nonce_offset..spec.nonce_offset + spec.nonce_len);
        if let Some((hole, number)) = hole.zip(nonce.to_le_bytes().get(..spec.nonce_len)) {
            hole.copy_from_slice(number);
            if spec.nonce_order == ByteOrder::Big {
                hole.reverse();
            }
        }
        self
    }
}

impl From<[u8; 80]> for Header {
    /// The header of Bitcoin and its relatives.
    fn from(header: [u8; 80]) -> Self {
        let mut bytes = [0; Self::MAX];
        bytes[..80].copy_from_slice(&header);
        Self { len: 80, bytes }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({})", crate::hex::Hex(self.as_bytes()))
    }
}

/// Which assignment of work a solution belongs to; grows with every new job, so that late finds are recognised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Generation(pub u64);

/// What an algorithm with tables is keyed by: RandomX's seed hash, Ethash's epoch seed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// That of test chains with Bitcoin's header, which never change it.
    pub const DEVNET: Self = Self(*b"otedama devnet: one seed for all");
}

/// A stretch of search space as a device sees it: bytes with a hole for the nonce, and what to look for.
///
/// A device never sees a [`Job`](crate::Job). The whole nonce range of this header belongs to the receiver, as does
/// everything that [`rolls`](Self::rolls) allows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Work {
    /// The function to hash with.
    pub algorithm: Algorithm,
    /// Whose work this is; comes back in every [`Solution`].
    pub generation: Generation,
    /// The header; the nonce in it does not matter.
    pub header: Header,
    /// Digests that meet it are wanted.
    pub target: Target,
    /// The key of the tables, for algorithms that have them.
    pub seed: Option<Seed>,
    /// The height of the block, for algorithms that need it.
    pub height: Option<u64>,
    /// The chain that a digest must name, for Alephium; only the target counts without it.
    pub chain: Option<ChainIndex>,
    /// What else the device may change.
    pub rolls: Rolls,
}

impl Work {
    /// Work without anything to roll but the nonce.
    #[must_use]
    pub const fn new(algorithm: Algorithm, header: Header, target: Target) -> Self {
        let rolls = Rolls { version_mask: 0, ntime_span: 0, extranonce2: None };
        Self {
            algorithm,
            generation: Generation(0),
            header,
            target,
            seed: None,
            height: None,
            chain: None,
            rolls,
        }
    }

    /// The same work for the tables of a seed.
    #[must_use]
    pub fn with_seed(self, seed: Seed) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// The same work under another generation.
    #[must_use]
    pub fn with_generation(self, generation: Generation) -> Self {
        Self { generation, ..self }
    }

    /// The same work for one of Alephium's chains.
    #[must_use]
    pub fn with_chain(self, chain: ChainIndex) -> Self {
        Self { chain: Some(chain), ..self }
    }

    /// Whether a digest of this header is a solution: it meets the target, and names the chain if there is one.
    #[must_use]
    pub fn accepts(&self, digest: &Digest) -> bool {
        self.algorithm.meets(digest, self.target) && self.chain.is_none_or(|chain| chain.is_named_by(digest))
    }
}

/// What a device may change besides the nonce. An ASIC is through 2^32 nonces in microseconds.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rolls {
    /// Bits of the header's version that are free.
    pub version_mask: u32,
    /// How many seconds the header's time may be moved forward.
    pub ntime_span: u32,
    /// A stock of coinbases for devices that build merkle roots themselves.
    pub extranonce2: Option<Extranonce2Stock>,
}

/// A range of extranonce2 values and what is needed to turn one into a merkle root.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Extranonce2Stock {
    /// Coinbase halves and merkle path.
    pub body: Arc<JobBody>,
    /// The channel's part of the extranonce.
    pub prefix: Extranonce,
    /// Bytes of extranonce2.
    pub len: usize,
    /// The first counter value of the range.
    pub start: u64,
    /// How many counter values.
    pub count: u64,
}

/// What a device found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Solution {
    /// The generation of the work that was scanned.
    pub generation: Generation,
    /// The nonce.
    pub nonce: u64,
    /// The version bits that were rolled in, if any were.
    pub version_bits: Option<u32>,
    /// The time that was rolled to, if it was.
    pub ntime: Option<u32>,
    /// The extranonce2 that was rolled to, if it was.
    pub extranonce2: Option<Extranonce>,
    /// What the algorithm wants to see besides the nonce.
    pub proof: Proof,
}

impl Solution {
    /// A nonce and nothing rolled.
    #[must_use]
    pub const fn new(generation: Generation, nonce: u64) -> Self {
        Self { generation, nonce, version_bits: None, ntime: None, extranonce2: None, proof: Proof::None }
    }
}

/// What an algorithm wants to see besides the nonce.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Proof {
    /// Nothing.
    #[default]
    None,
    /// The mix hash of Ethash and KawPow, as the function wrote it.
    Mix([u8; 32]),
    /// An Equihash solution in its minimal encoding.
    Indices(Box<[u8]>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_goes_into_its_hole() {
        let header = Header::new(&[0xaa; 80]).unwrap();
        assert_eq!(header, Header::from([0xaa; 80]));
        let with = header.with_nonce(Algorithm::SHA256D, 0x0102_0304);
        assert_eq!(with.as_bytes()[76..], [4, 3, 2, 1]);
        assert_eq!(with.as_bytes()[..76], [0xaa; 76]);
        assert_eq!(with.nonce(Algorithm::SHA256D), 0x0102_0304);
        assert_eq!(header.with_nonce(Algorithm::SHA256D, 1 << 32).nonce(Algorithm::SHA256D), 0);
        assert!(Header::new(&[0; Header::MAX + 1]).is_none());
        let short = Header::new(&[0; 10]).unwrap();
        assert_eq!(short.with_nonce(Algorithm::SHA256D, 5), short);
    }

    #[test]
    fn a_nonce_may_be_the_end_of_a_longer_big_endian_number() {
        let header = Header::new(&[0xaa; 326]).unwrap();
        let with = header.with_nonce(Algorithm::BLAKE3_ALEPHIUM, 0x0102);
        assert_eq!(with.as_bytes()[14..26], [0xaa, 0xaa, 0, 0, 0, 0, 0, 0, 1, 2, 0xaa, 0xaa]);
        assert_eq!(with.nonce(Algorithm::BLAKE3_ALEPHIUM), 0x0102);
        let last = header.with_nonce(Algorithm::BLAKE3_ALEPHIUM, u64::MAX);
        assert_eq!(last.nonce(Algorithm::BLAKE3_ALEPHIUM), u64::MAX);
    }

    #[test]
    fn a_chain_is_a_condition_besides_the_target() {
        let mut bytes = [0; 32];
        bytes[31] = 5;
        let (digest, header) = (Digest::new(bytes), Header::new(&[0; 326]).unwrap());
        let work = Work::new(Algorithm::BLAKE3_ALEPHIUM, header, Target::from_limbs([5, 0, 0, 0]));
        assert!(work.accepts(&digest));
        assert!(work.clone().with_chain(ChainIndex::new(1, 1, 4).unwrap()).accepts(&digest));
        assert!(!work.clone().with_chain(ChainIndex::new(1, 2, 4).unwrap()).accepts(&digest));
        let harder = Work { target: Target::from_limbs([4, 0, 0, 0]), ..work };
        assert!(!harder.with_chain(ChainIndex::new(1, 1, 4).unwrap()).accepts(&digest));
    }
}
