//! How long to wait before trying again.

use core::time::Duration;

/// Waits that double from round to round, each shortened by up to half, so that many miners do not come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The first wait; 1 s.
    pub first: Duration,
    /// The longest wait; 60 s.
    pub longest: Duration,
    /// What the shortening depends on: the same seed gives the same waits.
    pub seed: u64,
}

impl Backoff {
    /// The defaults named at the fields.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60), seed }
    }

    /// The wait after this many rounds in which no server was of use, counted from 0.
    #[must_use]
    pub fn delay(&self, rounds: u32) -> Duration {
        let whole = self.first.saturating_mul(1 << rounds.min(20)).min(self.longest);
        let share = u32::try_from(mixed(self.seed ^ u64::from(rounds)) >> 48).unwrap_or(0);
        whole - (whole / 2 / (1 << 16)).saturating_mul(share)
    }
}

/// The finaliser of SplitMix64.
const fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        for seed in 0..100 {
            let backoff = Backoff::new(seed);
            for (rounds, whole) in [(0, 1), (1, 2), (5, 32), (6, 60), (31, 60), (u32::MAX, 60)] {
                let (delay, whole) = (backoff.delay(rounds), Duration::from_secs(whole));
                assert!(delay <= whole && delay >= whole / 2, "{rounds} rounds: {delay:?}");
                assert_eq!(delay, backoff.delay(rounds));
            }
        }
        assert_ne!(Backoff::new(1).delay(3), Backoff::new(2).delay(3));
    }
}
