//! The one place where the pool reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use otedama_core::{Moment, Now, UnixTime};

use crate::points;

/// A clock that counts from its making, beside the calendar of the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let unix = unix.saturating_sub(points::number("clock-behind").unwrap_or(0));
        Now::new(Moment::after_origin(self.origin.elapsed()), UnixTime::from_secs(unix))
    }

    /// The instant of a moment.
    pub(crate) fn instant(&self, moment: Moment) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + moment.since(Moment::ORIGIN))
    }
}
