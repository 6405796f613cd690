//! Every limit of this crate.

use std::time::Duration;

/// How long one call of a scanner is meant to last. What is found is handed over after the call, and what was found
/// for an older job by then is lost, so this is short; but long enough that a call costs nothing.
pub const SLICE_TIME: Duration = Duration::from_millis(50);

/// Nonces of the first call, before a scanner's speed is known.
pub const FIRST_SLICE: u64 = 16;

/// Most nonces of one call.
pub const MAX_SLICE: u64 = 1 << 40;

/// Most seconds that the time of a job is moved forward when its other search space is used up.
pub const MAX_TIME_ROLL: u32 = 600;

/// Most threads of a CPU device.
pub const MAX_THREADS: usize = 1024;

/// Between two looks at whether another process still makes a table, or at a stop flag while one is made.
pub const LOCK_LOOK: Duration = Duration::from_millis(5);

/// Blocks before the next epoch at which its tables are begun: some hours of Ethereum Classic or Ravencoin, far more than
/// making them takes.
pub const TABLES_AHEAD: u64 = 300;
