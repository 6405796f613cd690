//! What a digest must not exceed, and its compact form nBits.

use core::fmt;

use crate::hex::{self, HexError};
use crate::uint::{U256, U512, narrow};
use crate::weight::Weight;

/// A 256-bit number that a digest must not exceed: *equal is enough*.
///
/// It has no byte order of its own; each constructor and accessor names one. How a digest reads as a number
/// is the algorithm's affair ([`Algorithm::meets`](crate::Algorithm::meets)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub(crate) U256);

impl Target {
    /// The easiest target, 2^256 - 1: every digest meets it.
    pub const MAX: Self = Self(U256::MAX);
    /// The hardest target: only the digest of all zeros meets it.
    pub const ZERO: Self = Self(U256::ZERO);

    /// From four 64-bit limbs, least significant first; for constants.
    #[must_use]
    pub const fn from_limbs(limbs: [u64; 4]) -> Self {
        Self(U256::from_limbs(limbs))
    }

    /// From 32 bytes, most significant first, as people write targets.
    #[must_use]
    pub fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }

    /// From 32 bytes, least significant first, as Stratum V2 sends them.
    #[must_use]
    pub fn from_le_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_le_bytes(bytes))
    }

    /// 32 bytes, most significant first.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// 32 bytes, least significant first.
    #[must_use]
    pub fn to_le_bytes(self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// From exactly 64 strict hex digits, most significant first.
    ///
    /// # Errors
    /// [`HexError`] if the text is anything else.
    pub fn from_hex_be(text: &str) -> Result<Self, HexError> {
        hex::decode_array(text.as_bytes()).map(Self::from_be_bytes)
    }

    /// Expected hashes behind one digest that meets this target: `floor(2^256 / (target + 1))`.
    ///
    /// Saturates at [`Weight::MAX`] for targets below 2^128, which no network and no share has.
    #[must_use]
    pub fn weight(self) -> Weight {
        let hashes = (U512::ONE << 256usize) / (U512::from(self.0) + U512::ONE);
        Weight::new(u128::try_from(hashes).unwrap_or(u128::MAX))
    }

    /// The hardest target whose weight is at least `weight`, or `None` for a weight of zero.
    #[must_use]
    pub fn from_weight(weight: Weight) -> Option<Self> {
        if weight.get() == 0 {
            return None;
        }
        let quotient = (U512::ONE << 256usize) / U512::from(weight.get()) - U512::ONE;
        Some(Self(narrow(quotient)))
    }

    /// The number rounded down to nBits, in the normal form that nodes compute.
    #[must_use]
    pub fn to_compact(self) -> CompactTarget {
        let bits = 256 - self.0.leading_zeros();
        let mut size = bits.div_ceil(8);
        let mantissa = if size <= 3 { self.0 << (8 * (3 - size)) } else { self.0 >> (8 * (size - 3)) };
        let mut mantissa = u32::try_from(mantissa).unwrap_or(u32::MAX);
        if mantissa & 0x0080_0000 != 0 {
            mantissa >>= 8;
            size += 1;
        }
        // A 256-bit number has at most 33 significant bytes in this form.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        CompactTarget(size << 24 | mantissa)
    }

    /// The easier (larger) of two targets.
    #[must_use]
    pub fn easier(self, other: Self) -> Self {
        self.max(other)
    }

    pub(crate) const fn number(self) -> U256 {
        self.0
    }
}

impl fmt::Display for Target {
    /// 64 lower-case hex digits, most significant first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::Hex(&self.to_be_bytes()).fmt(f)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// nBits: a floating-point form of a target with a 24-bit signed mantissa, as it stands in block headers.
///
/// Any 32 bits can be held; only [`target`](Self::target) says whether they mean a target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompactTarget(u32);

/// Why nBits mean no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The sign bit of the mantissa is set.
    #[error("nBits {0:#010x} is negative")]
    Negative(u32),
    /// The number does not fit into 256 bits.
    #[error("nBits {0:#010x} overflows 256 bits")]
    Overflow(u32),
    /// The target would be zero, which no chain allows.
    #[error("nBits {0:#010x} is zero")]
    Zero(u32),
}

impl CompactTarget {
    /// From the number as written in a template or read from a header.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The 32 bits.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The target that these bits stand for, by the rules of Bitcoin's `SetCompact`.
    ///
    /// # Errors
    /// [`CompactError`] for a negative, overflowing or zero number.
    pub fn target(self) -> Result<Target, CompactError> {
        let size = self.0 >> 24;
        let mantissa = self.0 & 0x007f_ffff;
        if mantissa != 0 && self.0 & 0x0080_0000 != 0 {
            return Err(CompactError::Negative(self.0));
        }
        let overflows = mantissa != 0
            && (size > 34 || (mantissa > 0xff && size > 33) || (mantissa > 0xffff && size > 32));
        if overflows {
            return Err(CompactError::Overflow(self.0));
        }
        let number = if size <= 3 {
            U256::from(mantissa >> (8 * (3 - size)))
        } else {
            U256::from(mantissa) << (8 * (size - 3) as usize)
        };
        if number.is_zero() { Err(CompactError::Zero(self.0)) } else { Ok(Target(number)) }
    }
}

impl fmt::Display for CompactTarget {
    /// Eight hex digits, most significant first, as nodes print `bits`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompactTarget({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn compact_matches_known_values() {
        for (bits, target) in [
            (0x1d00_ffff, "00000000ffff0000000000000000000000000000000000000000000000000000"),
            (0x1b04_864c, "000000000004864c000000000000000000000000000000000000000000000000"),
            (0x1e0f_fff0, "00000ffff0000000000000000000000000000000000000000000000000000000"),
            (0x207f_ffff, "7fffff0000000000000000000000000000000000000000000000000000000000"),
            (0x0312_3456, "0000000000000000000000000000000000000000000000000000000000123456"),
        ] {
            let compact = CompactTarget::from_bits(bits);
            assert_eq!(compact.target().map(|t| t.to_string()), Ok(target.to_string()));
            assert_eq!(Target::from_hex_be(target).map(Target::to_compact), Ok(compact));
        }
    }

    #[test]
    fn compact_refuses_what_is_no_target() {
        for (bits, error) in [
            (0x0492_3456, CompactError::Negative(0x0492_3456)),
            (0xff12_3456, CompactError::Overflow(0xff12_3456)),
            (0x2101_0000, CompactError::Overflow(0x2101_0000)),
            (0x0000_0000, CompactError::Zero(0)),
            (0x0100_3456, CompactError::Zero(0x0100_3456)),
            (0x0080_0000, CompactError::Zero(0x0080_0000)),
        ] {
            assert_eq!(CompactTarget::from_bits(bits).target(), Err(error));
        }
    }

    #[test]
    fn weights_at_the_edges() {
        assert_eq!(Target::MAX.weight().get(), 1);
        assert_eq!(Target::ZERO.weight(), Weight::MAX);
        let one = CompactTarget::from_bits(0x1d00_ffff).target().unwrap();
        assert_eq!(one.weight().get(), 0x1_0001_0001);
        assert_eq!(Target::from_weight(Weight::new(1)), Some(Target::MAX));
        assert_eq!(Target::from_weight(Weight::ZERO), None);
    }

    proptest! {
        #[test]
        fn compact_rounds_down_and_is_stable(bytes: [u8; 32], zeros in 0usize..32) {
            let mut bytes = bytes;
            bytes[..zeros].fill(0);
            let target = Target::from_be_bytes(bytes);
            prop_assume!(target != Target::ZERO);
            let compact = target.to_compact();
            if let Ok(rounded) = compact.target() {
                prop_assert!(rounded <= target);
                prop_assert_eq!(rounded.to_compact(), compact);
            } else {
                prop_assert!(target.0 < U256::from(1u64 << 24), "only small numbers vanish");
            }
        }

        #[test]
        fn weight_is_the_floor_of_the_quotient(bytes: [u8; 32], zeros in 0usize..16) {
            let mut bytes = bytes;
            bytes[..zeros].fill(0);
            bytes[zeros] |= 1;
            let target = Target::from_be_bytes(bytes);
            let (weight, next) = (U512::from(target.weight().get()), U512::from(target.0) + U512::ONE);
            prop_assert!(weight * next <= U512::ONE << 256usize);
            prop_assert!((weight + U512::ONE) * next > U512::ONE << 256usize);
        }

        #[test]
        fn from_weight_is_the_easiest_with_that_weight(weight in 1u128..) {
            let target = Target::from_weight(Weight::new(weight)).unwrap();
            prop_assert!(target.weight().get() >= weight);
            if target != Target::MAX {
                let easier = Target(target.0 + U256::ONE);
                prop_assert!(easier.weight().get() < weight);
            }
        }

        #[test]
        fn bytes_round_trip(bytes: [u8; 32]) {
            prop_assert_eq!(Target::from_be_bytes(bytes).to_be_bytes(), bytes);
            prop_assert_eq!(Target::from_le_bytes(bytes).to_le_bytes(), bytes);
            let target = Target::from_be_bytes(bytes);
            prop_assert_eq!(Target::from_hex_be(&target.to_string()), Ok(target));
        }
    }
}
