//! The only unit of credit.

use core::fmt;
use core::iter::Sum;

/// Expected hashes behind a share or a block; the only unit in which work is credited.
///
/// An integer: sums and splits are exact. Made from a target by [`Target::weight`](crate::Target::weight).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Weight(u128);

impl Weight {
    /// No work.
    pub const ZERO: Self = Self(0);
    /// The largest weight; also what sums saturate at (a hash rate of 10^20 H/s reaches it in 10^11 years).
    pub const MAX: Self = Self(u128::MAX);

    /// A weight of this many expected hashes.
    #[must_use]
    pub const fn new(hashes: u128) -> Self {
        Self(hashes)
    }

    /// Expected hashes.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The sum, or `None` on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The sum, at most [`Weight::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least [`Weight::ZERO`].
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `floor(self * numerator / denominator)`, saturating; `None` if the denominator is zero.
    #[must_use]
    pub fn scale(self, numerator: u128, denominator: u128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        Some(crate::uint::mul_div(self.0, numerator, denominator).map_or(Self::MAX, Self))
    }
}

impl Sum for Weight {
    /// Saturates at [`Weight::MAX`].
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
