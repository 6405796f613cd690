//! Time as a value: the shell reads the clocks, everything else is told.

use core::fmt;
use core::time::Duration;

/// A point on a clock that never goes back, in microseconds since an origin of the shell's choosing.
///
/// For time-outs, rates and meters. It says nothing about the calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(u64);

impl Moment {
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);

    /// This many microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This long after the origin, at most about 584,000 years.
    #[must_use]
    pub fn after_origin(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This much later, stopping at the end of the clock.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Seconds since 1970-01-01T00:00:00Z, as the host believes at the time; it may jump either way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// As the 32-bit time of a block header; stops at its end in 2106.
    #[must_use]
    pub fn to_header_time(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Both clocks, read at once: the argument `now` of everything that depends on time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For time-outs and rates.
    pub moment: Moment,
    /// For block headers and the books.
    pub unix: UnixTime,
}

impl Now {
    /// Both readings.
    #[must_use]
    pub const fn new(moment: Moment, unix: UnixTime) -> Self {
        Self { moment, unix }
    }

    /// Both clocks this much later; for simulations.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        let moment = self.moment.plus(delay);
        let whole = moment.as_micros() / 1_000_000 - self.moment.as_micros() / 1_000_000;
        Self { moment, unix: UnixTime(self.unix.0.saturating_add(whole)) }
    }
}
