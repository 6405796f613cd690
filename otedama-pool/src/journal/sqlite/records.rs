//! What records are made of: amounts in two columns, sums of weights, and checksums.

use otedama_core::{Amount, Weight};

use super::super::JournalError;
use super::fault::{Fault, damaged};

/// The base of the two columns of an amount.
const BASE: u128 = 1_000_000_000_000_000_000;

/// An amount as its two columns.
pub(super) fn limbs(amount: Amount) -> Result<[i64; 2], Fault> {
    let limb = |limb| i64::try_from(limb).ok().filter(|_| limb < BASE);
    match (limb(amount.atomic() / BASE), limb(amount.atomic() % BASE)) {
        (Some(hi), Some(lo)) => Ok([hi, lo]),
        _ => Err(JournalError::Contradiction(format!("amount {amount} is too large")).into()),
    }
}

/// The amount of two columns.
pub(super) fn amount([hi, lo]: [i64; 2]) -> Result<Amount, Fault> {
    let limb = |limb: i64| u128::try_from(limb).ok().filter(|limb| *limb < BASE);
    match (limb(hi), limb(lo)) {
        (Some(high), Some(low)) => Ok(Amount::from_atomic(high * BASE + low)),
        _ => Err(damaged(format_args!("amount {hi}, {lo}"))),
    }
}

/// A sum of weights that holds as many as there can be: 192 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sum {
    high: u64,
    low: u128,
}

impl Sum {
    /// Both together; `None` beyond 192 bits.
    pub(super) fn plus(self, other: impl Into<Self>) -> Option<Self> {
        let other = other.into();
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.checked_add(other.high)?.checked_add(u64::from(carry))?;
        Some(Self { high, low })
    }

    /// What is left of it; `None` below zero.
    pub(super) fn minus(self, other: impl Into<Self>) -> Option<Self> {
        let other = other.into();
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.checked_sub(other.high)?.checked_sub(u64::from(borrow))?;
        Some(Self { high, low })
    }

    /// As a weight, at most [`Weight::MAX`].
    pub(super) fn weight(self) -> Weight {
        if self.high == 0 { Weight::new(self.low) } else { Weight::MAX }
    }

    /// Big endian, so that SQL compares it as the number it is.
    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (high, low) = bytes.split_at_mut(8);
        high.copy_from_slice(&self.high.to_be_bytes());
        low.copy_from_slice(&self.low.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; 24]) -> Self {
        let [high, middle, low] = [0, 8, 16]
            .map(|at| bytes.iter().skip(at).take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte)));
        Self { high, low: u128::from(middle) << 64 | u128::from(low) }
    }
}

impl From<Weight> for Sum {
    fn from(weight: Weight) -> Self {
        Self { high: 0, low: weight.get() }
    }
}

/// A CRC-32 over the contents of a record, each part of it delimited.
#[derive(Debug)]
pub(super) struct Checksum(crc32fast::Hasher);

impl Checksum {
    /// Of a record of this kind: the same contents in another table have another checksum.
    pub(super) fn of(kind: u8) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[kind]);
        Self(hasher)
    }

    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(super) fn numbers(self, numbers: &[i64]) -> Self {
        numbers.iter().fold(self, |checksum, number| checksum.number(*number))
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&bytes.len().to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// As it stands in its column.
    pub(super) fn finish(self) -> i64 {
        i64::from(self.0.finalize())
    }
}

/// The kinds of records that have a checksum.
pub(super) mod kind {
    pub(in super::super) const LIFE: u8 = 1;
    pub(in super::super) const POOL: u8 = 2;
    pub(in super::super) const ACCOUNT: u8 = 3;
    pub(in super::super) const WORKER: u8 = 4;
    pub(in super::super) const SEGMENT: u8 = 5;
    pub(in super::super) const DIGESTS: u8 = 6;
    pub(in super::super) const ROLLED: u8 = 7;
    pub(in super::super) const TOTALS: u8 = 8;
    pub(in super::super) const BLOCK: u8 = 9;
    pub(in super::super) const RAW: u8 = 10;
    pub(in super::super) const EVENT: u8 = 11;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_columns() {
        for units in [0, 1, BASE - 1, BASE, BASE * BASE - 1] {
            let both = limbs(Amount::from_atomic(units)).unwrap();
            assert_eq!(amount(both).unwrap().atomic(), units);
        }
        assert!(limbs(Amount::from_atomic(BASE * BASE)).is_err());
        for wrong in [[-1, 0], [0, -1], [0, 1_000_000_000_000_000_000], [i64::MAX, 0]] {
            assert!(amount(wrong).is_err());
        }
    }

    #[test]
    fn sums_carry_and_borrow() {
        let max = Sum::from(Weight::MAX);
        let two = max.plus(max).unwrap();
        assert_eq!((two.high, two.low, two.weight()), (1, u128::MAX - 1, Weight::MAX));
        assert_eq!(two.minus(max), Some(max));
        assert_eq!(max.minus(two), None);
        assert_eq!(Sum::from_bytes(two.to_bytes()), two);
        assert!(two.to_bytes() > max.to_bytes());
        let most = Sum { high: u64::MAX, low: u128::MAX };
        assert_eq!(most.plus(Weight::new(1)), None);
    }
}
