//! The one place of this crate that reads clocks.
#![expect(clippy::disallowed_methods, reason = "a shell reads the clocks for the sessions")]

use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use otedama_core::{Moment, Now, UnixTime};

/// Both clocks of the host, the steady one counted from the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now::new(Moment::after_origin(self.origin.elapsed()), UnixTime::from_secs(unix.as_secs()))
    }

    /// How long until then; zero if it is past.
    pub(super) fn until(&self, moment: Moment) -> Duration {
        moment.since(self.now().moment)
    }
}
