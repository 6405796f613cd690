//! Serialised transactions, read as far as their ids and their weight need it.

use otedama_core::Hash256;

/// One transaction within bytes, cut into the parts that its ids are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serialised<'a> {
    version: &'a [u8; 4],
    /// Inputs and outputs.
    body: &'a [u8],
    lock_time: &'a [u8; 4],
    whole: &'a [u8],
    has_witness: bool,
    /// The script of the first input.
    script: &'a [u8],
}

/// What the bytes of a witness weigh less than others.
const BASE_FACTOR: usize = 3;

impl<'a> Serialised<'a> {
    /// Exactly one transaction; `None` if the bytes are anything else.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (transaction, rest) = Self::split(bytes)?;
        rest.is_empty().then_some(transaction)
    }

    /// The transaction that the bytes begin with, and what is behind it. Every element of a counted list must take bytes
    /// that are there, so a count is never believed. A flag other than that of BIP 141 is not understood.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut rest = bytes;
        let version = take_array(&mut rest)?;
        let has_witness = rest.first() == Some(&0);
        if has_witness && *take(&mut rest, 2)? != [0, 1] {
            return None;
        }
        let from = rest;
        let (inputs, script) = inputs(&mut rest)?;
        for _ in 0..length(&mut rest)? {
            take(&mut rest, 8)?;
            blob(&mut rest)?;
        }
        let body = from.get(..from.len() - rest.len())?;
        for _ in 0..if has_witness { inputs } else { 0 } {
            for _ in 0..length(&mut rest)? {
                blob(&mut rest)?;
            }
        }
        let lock_time = take_array(&mut rest)?;
        let whole = bytes.get(..bytes.len() - rest.len())?;
        Some((Self { version, body, lock_time, whole, has_witness, script }, rest))
    }

    /// The id that goes into the merkle tree.
    pub(crate) fn txid(&self) -> Hash256 {
        Hash256::sha256d_of(&[self.version, self.body, self.lock_time])
    }

    /// The id over everything.
    pub(crate) fn wtxid(&self) -> Hash256 {
        if self.has_witness { Hash256::sha256d(self.whole) } else { self.txid() }
    }

    /// The transaction without its witness.
    pub(crate) fn stripped(&self) -> Vec<u8> {
        [self.version, self.body, self.lock_time].concat()
    }

    /// Its weight (BIP 141).
    pub(crate) fn weight(&self) -> u64 {
        let stripped = self.version.len() + self.body.len() + self.lock_time.len();
        u64::try_from(BASE_FACTOR * stripped + self.whole.len()).unwrap_or(u64::MAX)
    }

    /// All of its bytes.
    pub(crate) const fn as_bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// The script of its first input, which in a coinbase begins with the height.
    pub(crate) const fn script(&self) -> &'a [u8] {
        self.script
    }
}

/// The height that a coinbase's script begins with (BIP 34), in its shortest form, and what is behind it.
pub(crate) fn pushed_height(script: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = script.split_first()?;
    let (height, rest) = match first {
        0 => (0, rest),
        0x51..=0x60 => (u32::from(first - 0x50), rest),
        1..=5 => {
            let (number, rest) = rest.split_at_checked(first.into())?;
            let bytes =
                number.iter().rev().try_fold(0u64, |sum, byte| (sum << 8).checked_add(u64::from(*byte)));
            (u32::try_from(bytes?).ok()?, rest)
        }
        _ => return None,
    };
    script.starts_with(&otedama_core::coinbase::height_push(height)).then_some((height, rest))
}

/// A variable-length number in its shortest form.
pub(crate) fn length(rest: &mut &[u8]) -> Option<u64> {
    let [first] = *take_array::<1>(rest)?;
    let (value, least) = match first {
        0xfd => (u64::from(u16::from_le_bytes(*take_array(rest)?)), 0xfd),
        0xfe => (u64::from(u32::from_le_bytes(*take_array(rest)?)), 0x1_0000),
        0xff => (u64::from_le_bytes(*take_array(rest)?), 0x1_0000_0000),
        small => (u64::from(small), 0),
    };
    (value >= least).then_some(value)
}

/// That many bytes off the front.
pub(crate) fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// Bytes behind their length.
pub(crate) fn blob<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let count = usize::try_from(length(rest)?).ok()?;
    take(rest, count)
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(taken)
}

/// How many inputs there are, at least one, and the script of the first.
fn inputs<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let count = length(rest)?;
    let mut first = None;
    for _ in 0..count {
        take(rest, 36)?;
        let script = blob(rest)?;
        take(rest, 4)?;
        first.get_or_insert(script);
    }
    Some((count, first?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::consensus::encode::{deserialize, serialize};
    use bitcoin::hashes::Hash as _;
    use otedama_core::coinbase::height_push;

    use crate::node::devnet::opaque_transaction;

    #[test]
    fn ids_and_weight_are_those_of_another_implementation() {
        for seed in 0..20 {
            let with = opaque_transaction(seed);
            let read: bitcoin::Transaction = deserialize(&with).unwrap();
            let mut without = read.clone();
            without.input[0].witness.clear();
            for (bytes, read) in [(with, read), (serialize(&without), without)] {
                let ours = Serialised::read(&bytes).unwrap();
                assert_eq!(*ours.txid().as_internal(), read.compute_txid().to_byte_array());
                assert_eq!(*ours.wtxid().as_internal(), read.compute_wtxid().to_byte_array());
                assert_eq!(ours.weight(), read.weight().to_wu());
                assert_eq!(ours.script(), read.input[0].script_sig.as_bytes());
                assert_eq!(Serialised::read(&ours.stripped()).unwrap().wtxid(), ours.txid());
                let more = [&bytes[..], &[1, 2]].concat();
                let (first, rest) = Serialised::split(&more).unwrap();
                assert_eq!((first.as_bytes(), rest), (&bytes[..], &[1, 2][..]));
                assert!(Serialised::read(&more).is_none());
                for end in 0..bytes.len() {
                    assert!(Serialised::split(&bytes[..end]).is_none(), "cut at {end}");
                }
            }
        }
    }

    #[test]
    fn counts_without_bytes_cost_nothing() {
        for count in [&[0xfd, 0xff, 0xff][..], &[0xfe, 0xff, 0xff, 0xff, 0xff], &[0xff; 9], &[0]] {
            let bytes = [&[2, 0, 0, 0], count, &[0; 30]].concat();
            assert!(Serialised::split(&bytes).is_none());
        }
        // The flag of a transaction that ties MWEB to the chain.
        let mut hogex = opaque_transaction(1);
        hogex[5] = 8;
        assert!(Serialised::read(&hogex).is_none());
    }

    #[test]
    fn heights_are_read_in_their_shortest_form() {
        for height in [0, 1, 16, 17, 127, 128, 300, 32_768, 900_000, 8_388_608, u32::MAX] {
            let script = [height_push(height), vec![9, 9]].concat();
            assert_eq!(pushed_height(&script), Some((height, &[9, 9][..])), "{height}");
        }
        let wrong: [&[u8]; 8] = [
            &[],
            &[1, 5],
            &[1, 200],
            &[3, 1, 1],
            &[4, 1, 0, 0, 0],
            &[0x61],
            &[6],
            &[5, 255, 255, 255, 255, 1],
        ];
        for wrong in wrong {
            assert_eq!(pushed_height(wrong), None, "{wrong:?}");
        }
    }
}
