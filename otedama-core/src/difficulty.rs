//! A target for humans.

use core::fmt;

use crate::algorithm::Algorithm;
use crate::target::Target;
use crate::uint::{U256, U512, narrow};

/// A target as people and Stratum V1 name it: `difficulty 1 / target`, with the exact target inside.
///
/// The floating-point number exists only at the V1 wire and in display; whatever judges or credits uses
/// [`target`](Self::target).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Difficulty {
    algorithm: Algorithm,
    target: Target,
}

/// Why a number is no difficulty.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DifficultyError {
    /// Zero, negative, infinite or not a number.
    #[error("difficulty {0} is not a positive number")]
    NotPositive(f64),
    /// So large that no digest could meet it.
    #[error("difficulty {0} has no target")]
    TooHard(f64),
}

impl Difficulty {
    /// The difficulty of a target.
    #[must_use]
    pub const fn from_target(algorithm: Algorithm, target: Target) -> Self {
        Self { algorithm, target }
    }

    /// From the number that travels in `mining.set_difficulty`.
    ///
    /// The target is `floor(difficulty-1 target / number)`, computed exactly from the bits of the number; numbers
    /// below the easiest target give [`Target::MAX`].
    ///
    /// # Errors
    /// [`DifficultyError`] for anything that is not a positive number with a target of at least 1.
    pub fn from_f64(algorithm: Algorithm, number: f64) -> Result<Self, DifficultyError> {
        if !(number.is_finite() && number > 0.0) {
            return Err(DifficultyError::NotPositive(number));
        }
        let (mantissa, exponent) = parts(number);
        let one = U512::from(algorithm.spec().difficulty_one.number());
        let quotient = if exponent >= 256 {
            U512::ZERO
        } else if exponent >= 0 {
            one / (U512::from(mantissa) << exponent.unsigned_abs() as usize)
        } else if exponent < -256 {
            // The mantissa is below 2^53 and difficulty 1 of every algorithm above 2^128: the quotient is beyond every target.
            U512::MAX
        } else {
            (one << exponent.unsigned_abs() as usize) / U512::from(mantissa)
        };
        if quotient.is_zero() {
            return Err(DifficultyError::TooHard(number));
        }
        let target = narrow(quotient);
        Ok(Self { algorithm, target: Target(target) })
    }

    /// The exact target.
    #[must_use]
    pub const fn target(self) -> Target {
        self.target
    }

    /// The algorithm whose unit this is.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// The number for the wire and for display, correct to about 15 digits; infinite for a target of zero.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        approximate(self.algorithm.spec().difficulty_one.number()) / approximate(self.target.number())
    }

    /// The nearest difficulty, not harder than this one, whose number is a power of two: exact in every miner.
    ///
    /// Below the smallest such difficulty the easiest target results.
    #[must_use]
    pub fn round_to_power_of_two(self) -> Self {
        let one = self.algorithm.spec().difficulty_one.number();
        let mut target = one;
        while target < self.target.number() && target.leading_zeros() > 0 {
            target <<= 1usize;
        }
        if target < self.target.number() {
            return Self { target: Target::MAX, ..self };
        }
        while !target.is_zero() && target >> 1usize >= self.target.number() {
            target >>= 1usize;
        }
        Self { target: Target(target), ..self }
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_f64().fmt(f)
    }
}

impl fmt::Debug for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Difficulty({} {})", self.as_f64(), self.algorithm)
    }
}

/// A positive finite number as `mantissa * 2^exponent`, with an odd mantissa (or the smallest there is).
fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let biased = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let zeros = mantissa.trailing_zeros();
    (mantissa >> zeros, exponent + i32::try_from(zeros).unwrap_or(0))
}

/// The nearest few bits of a wide number.
fn approximate(number: U256) -> f64 {
    number.as_limbs().iter().rev().fold(0.0, |sum, limb| {
        #[expect(clippy::cast_precision_loss, reason = "for display and the V1 wire only")]
        let limb = *limb as f64;
        sum * 18_446_744_073_709_551_616.0 + limb
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(number: f64) -> Result<Target, DifficultyError> {
        Difficulty::from_f64(Algorithm::SHA256D, number).map(Difficulty::target)
    }

    #[test]
    fn known_difficulties() {
        let one = Algorithm::SHA256D.spec().difficulty_one;
        assert_eq!(target(1.0), Ok(one));
        assert_eq!(target(65536.0).map(|t| t.0), Ok(one.0 >> 16));
        assert_eq!(target(1.0 / 65536.0).map(|t| t.0), Ok(one.0 << 16));
        assert_eq!(target(3.0).map(|t| t.0), Ok(one.0 / U256::from(3)));
        assert_eq!(target(0.5).map(|t| t.0), Ok(one.0 << 1));
        let shared = Difficulty::from_f64(Algorithm::SCRYPT, 65536.0).map(Difficulty::target);
        assert_eq!(shared, Ok(one), "a scrypt difficulty is 65536 times easier");
    }

    #[test]
    fn numbers_that_are_none() {
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            assert!(matches!(target(number), Err(DifficultyError::NotPositive(_))), "{number}");
        }
        assert_eq!(target(1e300), Err(DifficultyError::TooHard(1e300)));
        for easy in [1e-300, f64::MIN_POSITIVE, 5e-324, 1e-40, 1e-77, 1e-90] {
            assert_eq!(target(easy), Ok(Target::MAX), "{easy}");
        }
    }

    #[test]
    fn block_one_of_bitcoin_has_its_share_difficulty() {
        let digest = crate::hex::decode_array::<32>(
            b"00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
        );
        let target = Target::from_be_bytes(digest.unwrap());
        let shown = Difficulty::from_target(Algorithm::SHA256D, target).as_f64();
        assert!((shown - 1.945_203_856_255_58).abs() < 1e-13, "{shown}");
    }

    proptest! {
        #[test]
        fn the_target_is_the_exact_floor(mantissa in 1u64..1 << 53, shift in -80i32..150) {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53 it is exact")]
            let number = mantissa as f64 * f64::from_bits(u64::try_from(1023 + shift).unwrap() << 52);
            let one = U512::from(Algorithm::SHA256D.spec().difficulty_one.0);
            let expected = if shift >= 0 {
                one / (U512::from(mantissa) << shift.unsigned_abs() as usize)
            } else {
                (one << shift.unsigned_abs() as usize) / U512::from(mantissa)
            };
            match target(number) {
                Ok(found) => prop_assert_eq!(found.0, narrow(expected)),
                Err(error) => {
                    prop_assert!(expected.is_zero());
                    prop_assert_eq!(error, DifficultyError::TooHard(number));
                }
            }
        }

        #[test]
        fn powers_of_two_exist_for_every_target(bytes: [u8; 32], zeros in 0usize..=32) {
            let mut bytes = bytes;
            bytes[..zeros].fill(0);
            let exact = Difficulty::from_target(Algorithm::SCRYPT, Target::from_be_bytes(bytes));
            prop_assert!(exact.round_to_power_of_two().target() >= exact.target());
        }

        #[test]
        fn powers_of_two_are_never_harder_and_never_half_as_hard(number in 1e-9f64..1e15) {
            let exact = Difficulty::from_f64(Algorithm::SHA256D, number).unwrap();
            let rounded = exact.round_to_power_of_two();
            prop_assert!(rounded.target() >= exact.target());
            let ratio = exact.as_f64() / rounded.as_f64();
            prop_assert!((0.999..2.001).contains(&ratio) || rounded.target() == Target::MAX);
            prop_assert_eq!(target(rounded.as_f64()).is_ok(), true);
        }
    }
}
