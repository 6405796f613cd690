//! Money: integers only, checked operations only, splits that are exact by construction.

#![deny(clippy::arithmetic_side_effects)]

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::uint::{mul_div, mul_rem};
use crate::weight::Weight;

/// A sum of money in the smallest unit of its chain (satoshi, litoshi, piconero, wei).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Amount(u128);

/// Why a decimal text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not digits with at most one point between them.
    #[error("not a plain decimal number")]
    Malformed,
    /// More decimal places than the type holds exactly.
    #[error("more than {0} decimal places")]
    TooPrecise(u32),
    /// Larger than the type, or than what makes sense for it.
    #[error("number too large")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many of the smallest unit.
    #[must_use]
    pub const fn from_atomic(units: u128) -> Self {
        Self(units)
    }

    /// How many of the smallest unit.
    #[must_use]
    pub const fn atomic(self) -> u128 {
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

    /// The difference, or `None` if `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The sum of many, or `None` on overflow.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// `floor(self * percent / 100)`: what a fee takes. Never more than `self`.
    #[must_use]
    pub fn percent(self, percent: Percent) -> Self {
        Self(mul_div(self.0, u128::from(percent.0), u128::from(Percent::WHOLE)).unwrap_or(self.0))
    }

    /// Splits the whole amount in proportion to `weights`, to the last unit.
    ///
    /// Every part is `floor` or `floor + 1` of its exact share; the units that rounding leaves go to the largest
    /// remainders, ties to the earlier index. The parts have the order of `weights` and always add up to `self`.
    /// `None` if the weights add up to zero or overflow.
    #[must_use]
    pub fn split(self, weights: &[Weight]) -> Option<Vec<Self>> {
        let total = weights.iter().try_fold(Weight::ZERO, |sum, weight| sum.checked_add(*weight))?.get();
        let mut parts = Vec::with_capacity(weights.len());
        let mut remainders = Vec::with_capacity(weights.len());
        let mut left = self.0;
        for (index, weight) in weights.iter().enumerate() {
            let part = mul_div(self.0, weight.get(), total)?;
            left = left.checked_sub(part)?;
            parts.push(Self(part));
            remainders.push((mul_rem(self.0, weight.get(), total)?, index));
        }
        remainders.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, index) in remainders {
            if left == 0 {
                break;
            }
            let part = parts.get_mut(index)?;
            *part = part.checked_add(Self(1))?;
            left = left.checked_sub(1)?;
        }
        (left == 0).then_some(parts)
    }

    /// Reads a decimal number of whole coins with at most `decimals` places, exactly.
    ///
    /// # Errors
    /// [`DecimalError`] for signs, exponents, spaces, too many places or too large a number.
    pub fn from_coins(text: &str, decimals: u32) -> Result<Self, DecimalError> {
        parse_decimal(text, decimals).map(Self)
    }
}

impl fmt::Display for Amount {
    /// Atomic units, decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A percentage from 0 to 100 with at most six decimal places, exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Percent(u64);

impl Percent {
    const PLACES: u32 = 6;
    const WHOLE: u64 = 100_000_000;

    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whether it is all of it.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.0 == Self::WHOLE
    }
}

impl FromStr for Percent {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let parts = u64::try_from(parse_decimal(text, Self::PLACES)?).map_err(|_| DecimalError::TooLarge)?;
        if parts > Self::WHOLE { Err(DecimalError::TooLarge) } else { Ok(Self(parts)) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, u128::from(self.0), Self::PLACES)
    }
}

/// A factor with at most six decimal places, exact: how many network difficulties a PPLNS window spans.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Factor(u64);

impl Factor {
    const PLACES: u32 = 6;
    const ONE: u64 = 1_000_000;

    /// The factor of exactly this many wholes.
    #[must_use]
    pub const fn whole(count: u32) -> Self {
        // At most 2^32 * 10^6, which fits.
        Self((count as u64).saturating_mul(Self::ONE))
    }

    /// `floor(weight * factor)`, saturating.
    #[must_use]
    pub fn of(self, weight: Weight) -> Weight {
        weight.scale(u128::from(self.0), u128::from(Self::ONE)).unwrap_or(Weight::MAX)
    }

    /// Whether it is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Factor {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        u64::try_from(parse_decimal(text, Self::PLACES)?).map(Self).map_err(|_| DecimalError::TooLarge)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, u128::from(self.0), Self::PLACES)
    }
}

fn parse_decimal(text: &str, places: u32) -> Result<u128, DecimalError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(DecimalError::Malformed);
    }
    let fraction = fraction.trim_end_matches('0');
    let used = u32::try_from(fraction.len()).map_err(|_| DecimalError::TooPrecise(places))?;
    let missing = places.checked_sub(used).ok_or(DecimalError::TooPrecise(places))?;
    let scale = |number: &str, by: u32| {
        let number = if number.is_empty() { Ok(0) } else { number.parse::<u128>() };
        let factor = 10u128.checked_pow(by);
        number.ok().zip(factor).and_then(|(n, f)| n.checked_mul(f)).ok_or(DecimalError::TooLarge)
    };
    scale(whole, places)?.checked_add(scale(fraction, missing)?).ok_or(DecimalError::TooLarge)
}

fn write_decimal(f: &mut fmt::Formatter<'_>, number: u128, places: u32) -> fmt::Result {
    let unit = 10u128.checked_pow(places).ok_or(fmt::Error)?;
    let (whole, fraction) = number.checked_div(unit).zip(number.checked_rem(unit)).ok_or(fmt::Error)?;
    let width = usize::try_from(places).map_err(|_| fmt::Error)?;
    let fraction = alloc::format!("{fraction:0width$}");
    let fraction = fraction.trim_end_matches('0');
    write!(f, "{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow loudly")]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn weights(list: &[u128]) -> Vec<Weight> {
        list.iter().copied().map(Weight::new).collect()
    }

    #[test]
    fn splits_to_the_last_unit() {
        let parts = |amount, list: &[u128]| {
            Amount(amount)
                .split(&weights(list))
                .map(|p| p.into_iter().map(Amount::atomic).collect::<Vec<_>>())
        };
        assert_eq!(parts(10, &[1, 1, 1]), Some(alloc::vec![4, 3, 3]));
        assert_eq!(parts(1, &[1, 2]), Some(alloc::vec![0, 1]));
        assert_eq!(parts(5, &[7]), Some(alloc::vec![5]));
        assert_eq!(parts(0, &[1, 2]), Some(alloc::vec![0, 0]));
        assert_eq!(parts(5, &[]), None);
        assert_eq!(parts(5, &[0, 0]), None);
        assert_eq!(parts(5, &[u128::MAX, 1]), None);
        assert_eq!(parts(u128::MAX, &[u128::MAX]), Some(alloc::vec![u128::MAX]));
    }

    #[test]
    fn decimals_are_read_exactly() {
        for (text, shown) in [("1.0", "1.0"), ("0.000001", "0.000001"), ("100", "100.0"), ("2.500000", "2.5")]
        {
            assert_eq!(text.parse::<Percent>().map(|p| p.to_string()), Ok(shown.to_string()));
        }
        for (text, error) in [
            ("100.000001", DecimalError::TooLarge),
            ("0.0000001", DecimalError::TooPrecise(6)),
            ("-1", DecimalError::Malformed),
            ("1e2", DecimalError::Malformed),
            ("", DecimalError::Malformed),
            (".5", DecimalError::Malformed),
            ("1.", DecimalError::Malformed),
            (" 1", DecimalError::Malformed),
            ("1.2.3", DecimalError::Malformed),
        ] {
            assert_eq!(text.parse::<Percent>(), Err(error), "{text}");
        }
        assert_eq!(Amount::from_coins("6.25", 8), Ok(Amount(625_000_000)));
        assert_eq!(Factor::whole(2).of(Weight::new(21)), Weight::new(42));
        assert_eq!("0.5".parse::<Factor>().map(|f| f.of(Weight::new(21))), Ok(Weight::new(10)));
    }

    #[test]
    fn a_fee_rounds_down() {
        let one = "1.0".parse::<Percent>().unwrap();
        assert_eq!(Amount(199).percent(one), Amount(1));
        assert_eq!(Amount(99).percent(one), Amount::ZERO);
        assert_eq!(Amount(u128::MAX).percent("100".parse().unwrap()), Amount(u128::MAX));
    }

    proptest! {
        #[test]
        fn a_split_is_exact_and_fair(amount: u128, list in prop::collection::vec(0u128..1 << 100, 1..60)) {
            let weights = weights(&list);
            prop_assume!(list.iter().any(|w| *w > 0));
            let total: u128 = list.iter().sum();
            let parts = Amount(amount).split(&weights).unwrap();
            prop_assert_eq!(Amount::checked_sum(parts.iter().copied()), Some(Amount(amount)));
            for (part, weight) in parts.iter().zip(&list) {
                let floor = mul_div(amount, *weight, total).unwrap();
                prop_assert!(part.0 == floor || part.0 == floor + 1);
                prop_assert!(*weight > 0 || part.0 == 0);
            }
        }

        #[test]
        fn what_is_shown_is_read(parts in 0u64..=Percent::WHOLE) {
            prop_assert_eq!(Percent(parts).to_string().parse(), Ok(Percent(parts)));
        }
    }
}
