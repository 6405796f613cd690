//! Hash rates over the last 10 seconds, minute and quarter of an hour.

use std::time::Duration;

use otedama_core::{HashRate, Moment, Weight};

/// Seconds that are remembered: a quarter of an hour, and the second that runs.
const SECONDS: u64 = 901;

/// Counts hashes by the second and averages over windows. Pure: it is told the time.
#[derive(Debug, Clone)]
pub struct Meter {
    started: Moment,
    /// The second that was last written to.
    newest: u64,
    /// Hashes of each second, at its number modulo the length.
    seconds: Box<[u64]>,
    total: u64,
}

/// A hash rate over three windows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Rates {
    /// Over the last 10 seconds.
    pub ten_seconds: HashRate,
    /// Over the last 60 seconds.
    pub minute: HashRate,
    /// Over the last 15 minutes.
    pub quarter_hour: HashRate,
}

impl Meter {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        let seconds = std::iter::repeat_n(0, SECONDS.try_into().unwrap_or(0)).collect();
        Self { started: now, newest: second(now), seconds, total: 0 }
    }

    /// So many hashes were done just now. A time before the last one counts as the last one.
    pub fn record(&mut self, hashes: u64, now: Moment) {
        let current = second(now).max(self.newest);
        for skipped in (self.newest + 1..=current).rev().take(self.seconds.len()) {
            if let Some(slot) = self.slot(skipped) {
                *slot = 0;
            }
        }
        self.newest = current;
        self.total = self.total.saturating_add(hashes);
        if let Some(slot) = self.slot(current) {
            *slot = slot.saturating_add(hashes);
        }
    }

    /// All hashes ever recorded.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The rates as of now. Before a window is full, the rate is that since the start.
    #[must_use]
    pub fn rates(&self, now: Moment) -> Rates {
        Rates {
            ten_seconds: self.rate(10, now),
            minute: self.rate(60, now),
            quarter_hour: self.rate(900, now),
        }
    }

    /// The average over the last `window` whole seconds and the part of the current one.
    fn rate(&self, window: u64, now: Moment) -> HashRate {
        let current = second(now);
        let first = current.saturating_sub(window);
        let oldest = self.newest.saturating_sub(SECONDS - 1);
        let hashes: u128 = (first.max(oldest)..=current.min(self.newest))
            .filter_map(|at| self.seconds.get(index(at)))
            .map(|hashes| u128::from(*hashes))
            .sum();
        let from = Moment::ORIGIN.plus(Duration::from_secs(first)).max(self.started);
        HashRate::from_work(Weight::new(hashes), now.since(from))
    }

    fn slot(&mut self, at: u64) -> Option<&mut u64> {
        self.seconds.get_mut(index(at))
    }
}

impl std::iter::Sum for Rates {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::default(), |sum, rates| Self {
            ten_seconds: [sum.ten_seconds, rates.ten_seconds].into_iter().sum(),
            minute: [sum.minute, rates.minute].into_iter().sum(),
            quarter_hour: [sum.quarter_hour, rates.quarter_hour].into_iter().sum(),
        })
    }
}

fn second(now: Moment) -> u64 {
    now.as_micros() / 1_000_000
}

fn index(second: u64) -> usize {
    usize::try_from(second % SECONDS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1000)
    }

    #[track_caller]
    fn close(rate: HashRate, expected: f64) {
        let found = rate.hashes_per_second();
        assert!((found - expected).abs() <= expected * 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn a_steady_rate_is_the_same_in_all_windows() {
        let mut meter = Meter::new(at(500));
        for tick in 1..=20_000 {
            meter.record(50, at(500 + 100 * tick));
        }
        let rates = meter.rates(at(500 + 2_000_000));
        for rate in [rates.ten_seconds, rates.minute, rates.quarter_hour] {
            assert!((rate.hashes_per_second() - 500.0).abs() < 10.0, "{rates:?}");
        }
        assert_eq!(meter.total(), 1_000_000);
    }

    #[test]
    fn a_young_meter_averages_since_its_start() {
        let mut meter = Meter::new(at(10_250));
        meter.record(1000, at(12_250));
        let rates = meter.rates(at(12_250));
        close(rates.ten_seconds, 500.0);
        close(rates.quarter_hour, 500.0);
        assert_eq!(Meter::new(at(5)).rates(at(5)), Rates::default());
    }

    #[test]
    fn what_is_old_is_forgotten_window_by_window() {
        let mut meter = Meter::new(at(0));
        meter.record(9000, at(0));
        close(meter.rates(at(10_000)).ten_seconds, 900.0);
        close(meter.rates(at(11_000)).ten_seconds, 0.0);
        close(meter.rates(at(60_000)).minute, 150.0);
        close(meter.rates(at(61_000)).minute, 0.0);
        close(meter.rates(at(900_000)).quarter_hour, 10.0);
        close(meter.rates(at(901_000)).quarter_hour, 0.0);
    }

    #[test]
    fn long_silence_leaves_nothing_behind() {
        let mut meter = Meter::new(at(0));
        for second in 0..901 {
            meter.record(1, at(second * 1000));
        }
        meter.record(5, at(5_000_000));
        close(meter.rates(at(5_000_000)).quarter_hour, 5.0 / 900.0);
        meter.record(1, at(0));
        assert_eq!(meter.total(), 907);
    }

    proptest! {
        /// The same as adding up all records that lie in the window.
        #[test]
        fn windows_hold_exactly_their_records(
            records in prop::collection::vec((0u64..40_000, 0u64..1000), 0..60),
            later in 0u64..2_000_000,
        ) {
            let mut meter = Meter::new(at(0));
            let mut now = 0;
            let mut log = Vec::new();
            for (gap, hashes) in records {
                now += gap;
                meter.record(hashes, at(now));
                log.push((now / 1000, hashes));
            }
            now += later;
            let rates = meter.rates(at(now));
            for (window, rate) in [(10, rates.ten_seconds), (60, rates.minute), (900, rates.quarter_hour)] {
                let first = (now / 1000).saturating_sub(window);
                let hashes: u64 = log.iter().filter(|(second, _)| *second >= first).map(|(_, h)| h).sum();
                let elapsed = at(now).since(at(first * 1000));
                prop_assert_eq!(rate, HashRate::from_work(Weight::new(hashes.into()), elapsed));
            }
        }
    }
}
