//! Acknowledgements: V1 lines in at a steady rate, answers out, with a real journal on a thread of its own.
//!
//! Four threads: one offers the lines when they are due, one owns the pool's core as the server's task does, one hashes,
//! and one appends to the journal. A share's latency runs from the moment at which its line was due, however late
//! the offering thread was, to the effect that sends its answer.

mod load;
mod shell;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use otedama_pool::journal::Sqlite;

use self::load::Load;
use self::shell::Shell;
use crate::program::Failure;

/// Time that does not count: tables grow, the disk wakes up.
const WARM_UP: Duration = Duration::from_secs(1);

/// What came out of a run at a steady rate.
#[derive(Clone, Copy, Debug)]
pub struct Acks {
    /// Accepted shares per second, from the first that was offered to the last answer.
    pub rate: f64,
    /// Milliseconds from offer to answer: the middle one.
    pub median: f64,
    /// The one that 99 of 100 shares stay below.
    pub p99: f64,
    /// The longest.
    pub worst: f64,
    /// Shares that were refused: the pool was overloaded.
    pub refused: u64,
    /// The part of one processor that the thread with the core used.
    pub core_load: f64,
}

/// Offers `rate` shares per second for `time` after the warm-up, and waits for all answers.
///
/// # Errors
/// If the journal cannot be made, or an answer is missing.
pub fn acknowledge(rate: u64, time: Duration) -> Result<Acks, Failure> {
    let folder = tempfile::tempdir()?;
    let journal = Sqlite::open(folder.path().join("journal.db"))?;
    let (inbox, messages) = mpsc::channel();
    let mut shell = Shell::start(journal, inbox.clone())?;
    let load = Load::new(rate, WARM_UP + time, shell.connect()?);
    let shares = load.shares();
    let begin = Instant::now();
    let offering = thread::Builder::new().name("offer".into()).spawn({
        let load = load.clone();
        move || load.offer(begin, &inbox)
    })?;
    shell.run(begin, &messages, shares)?;
    offering.join().map_err(|_| "the thread that offers shares broke down")?;
    shell.summary(&load, WARM_UP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_is_answered_once() {
        let acks = acknowledge(2_000, Duration::from_millis(100)).unwrap();
        assert_eq!(acks.refused, 0);
        assert!(acks.median > 0.0 && acks.median <= acks.p99 && acks.p99 <= acks.worst, "{acks:?}");
    }
}
