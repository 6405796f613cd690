//! Hashes per second, and the arithmetic between it, weight and share rate.

use core::fmt;
use core::time::Duration;

use crate::target::Target;
use crate::weight::Weight;

/// Hashes per second: an estimate for people and for choosing difficulties, never for credit.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct HashRate(f64);

impl HashRate {
    /// No hashing at all.
    pub const ZERO: Self = Self(0.0);

    /// From hashes per second; anything that is not a positive finite number is zero.
    #[must_use]
    pub fn from_hashes_per_second(rate: f64) -> Self {
        if rate.is_finite() && rate > 0.0 { Self(rate) } else { Self::ZERO }
    }

    /// Hashes per second.
    #[must_use]
    pub const fn hashes_per_second(self) -> f64 {
        self.0
    }

    /// The rate that did this work in this time; zero for no time.
    #[must_use]
    pub fn from_work(work: Weight, elapsed: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let hashes = work.get() as f64;
        Self::from_hashes_per_second(hashes / elapsed.as_secs_f64())
    }

    /// How long this rate takes for this work on average; `None` for a rate of zero.
    #[must_use]
    pub fn time_for(self, work: Weight) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = work.get() as f64 / self.0;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The target at which this rate finds `per_minute` shares a minute; `None` if either is zero.
    #[must_use]
    pub fn target_for_shares(self, per_minute: f64) -> Option<Target> {
        let hashes = self.0 * 60.0 / per_minute;
        if !(hashes.is_finite() && hashes > 0.0) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive; the cast saturates"
        )]
        let weight = hashes.max(1.0) as u128;
        Target::from_weight(Weight::new(weight))
    }
}

impl core::iter::Sum for HashRate {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self(iter.map(|rate| rate.0).sum())
    }
}

impl fmt::Display for HashRate {
    /// Three or more significant digits with a decimal prefix: `12.3 MH/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PREFIXES: [&str; 8] = ["", "k", "M", "G", "T", "P", "E", "Z"];
        let mut rate = self.0;
        let mut prefix = 0;
        while rate >= 1000.0 && prefix + 1 < PREFIXES.len() {
            rate /= 1000.0;
            prefix += 1;
        }
        let digits = if rate >= 100.0 {
            0
        } else if rate >= 10.0 {
            1
        } else {
            2
        };
        write!(f, "{rate:.digits$} {}H/s", PREFIXES[prefix])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn work_time_and_rate_agree() {
        let rate = HashRate::from_work(Weight::new(6_000_000), Duration::from_secs(2));
        assert_eq!(rate.time_for(Weight::new(9_000_000)), Some(Duration::from_secs(3)));
        assert_eq!(HashRate::ZERO.time_for(Weight::new(1)), None);
        assert_eq!(HashRate::from_work(Weight::new(1), Duration::ZERO), HashRate::ZERO);
        let target = rate.target_for_shares(12.0).unwrap();
        assert_eq!(target.weight(), Weight::new(15_000_000));
        assert_eq!(HashRate::ZERO.target_for_shares(12.0), None);
    }

    #[test]
    fn display_uses_prefixes() {
        for (rate, text) in
            [(0.0, "0.00 H/s"), (12_345_678.0, "12.3 MH/s"), (999.0, "999 H/s"), (1000.0, "1.00 kH/s")]
        {
            assert_eq!(HashRate::from_hashes_per_second(rate).to_string(), text);
        }
    }
}
