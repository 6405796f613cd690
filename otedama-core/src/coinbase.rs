//! The coinbase transaction in two halves around the extranonce, and the merkle tree above it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::hash256::Hash256;
use crate::hex::{self, HexError};

/// The longest extranonce, prefix and rolled part together.
pub const MAX_EXTRANONCE: usize = 32;

/// Up to 32 bytes of extranonce, held inline.
///
/// On a channel the whole is `prefix ‖ extranonce2`: the server hands out the prefix (V1: extranonce1), the miner
/// rolls the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Extranonce {
    len: u8,
    bytes: [u8; MAX_EXTRANONCE],
}

impl Extranonce {
    /// No bytes at all.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; MAX_EXTRANONCE] };

    /// From at most [`MAX_EXTRANONCE`] bytes; `None` if there are more.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let len = u8::try_from(bytes.len()).ok()?;
        let mut out = Self { len, ..Self::EMPTY };
        out.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(out)
    }

    /// The low `len` bytes of a counter, most significant first; `None` if the counter does not fit into them or
    /// `len` exceeds [`MAX_EXTRANONCE`].
    #[must_use]
    pub fn from_counter(counter: u64, len: usize) -> Option<Self> {
        if len < 8 && counter >> (8 * len) != 0 {
            return None;
        }
        let mut out = Self { len: u8::try_from(len).ok()?, ..Self::EMPTY };
        let bytes = out.bytes.get_mut(..len)?;
        for (byte, value) in bytes.iter_mut().rev().zip(counter.to_le_bytes()) {
            *byte = value;
        }
        Some(out)
    }

    /// From strict hex.
    ///
    /// # Errors
    /// [`HexError`] if the text is not strict hex or has more than [`MAX_EXTRANONCE`] bytes.
    pub fn from_hex(text: &str) -> Result<Self, HexError> {
        let mut out = Self::EMPTY;
        let len = hex::decode_to_slice(text.as_bytes(), &mut out.bytes)?;
        out.len = u8::try_from(len).unwrap_or(0);
        Ok(out)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// How many bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Display for Extranonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::Hex(self.as_bytes()).fmt(f)
    }
}

impl fmt::Debug for Extranonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extranonce({self})")
    }
}

/// A serialised coinbase transaction without witness, cut where the extranonce goes.
///
/// The transaction is `prefix ‖ extranonce ‖ suffix`; its length and the push opcode before the extranonce are
/// already right for the whole extranonce.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CoinbaseHalves {
    /// Up to the extranonce.
    pub prefix: Box<[u8]>,
    /// Behind the extranonce.
    pub suffix: Box<[u8]>,
}

impl CoinbaseHalves {
    /// The transaction id with this extranonce, in its two parts.
    #[must_use]
    pub fn txid(&self, prefix: &Extranonce, extranonce2: &Extranonce) -> Hash256 {
        Hash256::sha256d_of(&[&self.prefix, prefix.as_bytes(), extranonce2.as_bytes(), &self.suffix])
    }

    /// The whole transaction without witness.
    #[must_use]
    pub fn transaction(&self, prefix: &Extranonce, extranonce2: &Extranonce) -> Vec<u8> {
        [&self.prefix, prefix.as_bytes(), extranonce2.as_bytes(), &self.suffix].concat()
    }
}

/// The `scriptSig` bytes that BIP 34 wants first: the height as a minimal script number push.
///
/// Heights 0 to 16 are one opcode (`OP_0`, `OP_1` .. `OP_16`).
#[must_use]
pub fn height_push(height: u32) -> Vec<u8> {
    match height {
        0 => alloc::vec![0],
        1..=16 => alloc::vec![u8::try_from(0x50 + height).unwrap_or(0)],
        _ => {
            let mut number: Vec<u8> = height.to_le_bytes().to_vec();
            while number.last() == Some(&0) {
                number.pop();
            }
            if number.last().is_some_and(|top| top & 0x80 != 0) {
                number.push(0);
            }
            number.insert(0, u8::try_from(number.len()).unwrap_or(0));
            number
        }
    }
}

/// Folds a leaf at index 0 with the path of its siblings into the merkle root.
#[must_use]
pub fn merkle_root(leaf: Hash256, path: &[Hash256]) -> Hash256 {
    path.iter().fold(leaf, |node, sibling| parent(&node, sibling))
}

/// The siblings that the leaf at index 0 needs, given all the other leaves in order.
///
/// Empty for a block of one transaction. `merkle_root(coinbase, &merkle_path(others))` is the root of the tree.
#[must_use]
pub fn merkle_path(others: &[Hash256]) -> Vec<Hash256> {
    let mut path = Vec::new();
    let mut level: Vec<Hash256> = others.to_vec();
    while let Some((first, rest)) = level.split_first() {
        path.push(*first);
        let next = rest.chunks(2).map(|pair| parent(&pair[0], pair.last().unwrap_or(&pair[0]))).collect();
        level = next;
    }
    path
}

fn parent(left: &Hash256, right: &Hash256) -> Hash256 {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left.as_internal());
    both[32..].copy_from_slice(right.as_internal());
    Hash256::sha256d(&both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heights_are_minimal_pushes() {
        for (height, push) in [
            (0, "00"),
            (1, "51"),
            (16, "60"),
            (17, "0111"),
            (127, "017f"),
            (128, "028000"),
            (255, "02ff00"),
            (256, "020001"),
            (65535, "03ffff00"),
            (840_000, "0340d10c"),
            (1 << 23, "0400008000"),
        ] {
            assert_eq!(hex::encode(&height_push(height)), push, "{height}");
        }
    }

    #[test]
    fn counters_fill_exactly() {
        assert_eq!(
            Extranonce::from_counter(0x0102, 4).map(|e| e.as_bytes().to_vec()),
            Some(alloc::vec![0, 0, 1, 2])
        );
        assert_eq!(Extranonce::from_counter(0x1_0000, 2), None);
        assert_eq!(Extranonce::from_counter(u64::MAX, 8).map(|e| e.len()), Some(8));
        assert_eq!(Extranonce::from_counter(7, 12).map(|e| e.as_bytes()[11]), Some(7));
        assert_eq!(Extranonce::from_counter(0, 33), None);
        assert_eq!(Extranonce::from_counter(0, 0), Some(Extranonce::EMPTY));
    }

    /// The tree computed level by level over all leaves, the slow and obvious way.
    fn whole_tree(mut level: Vec<Hash256>) -> Hash256 {
        while level.len() > 1 {
            if level.len() % 2 == 1 {
                level.push(level[level.len() - 1]);
            }
            level = level.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect();
        }
        level[0]
    }

    proptest! {
        #[test]
        fn folding_the_path_gives_the_root_of_the_tree(leaves in prop::collection::vec(any::<[u8; 32]>(), 1..70)) {
            let leaves: Vec<_> = leaves.into_iter().map(Hash256::from_internal).collect();
            let root = merkle_root(leaves[0], &merkle_path(&leaves[1..]));
            prop_assert_eq!(root, whole_tree(leaves));
        }

        #[test]
        fn a_txid_is_that_of_the_whole(prefix: Vec<u8>, one: [u8; 4], two: [u8; 8], suffix: Vec<u8>) {
            let halves = CoinbaseHalves { prefix: prefix.into(), suffix: suffix.into() };
            let (one, two) = (Extranonce::new(&one).unwrap(), Extranonce::new(&two).unwrap());
            prop_assert_eq!(halves.txid(&one, &two), Hash256::sha256d(&halves.transaction(&one, &two)));
        }
    }
}
