//! The miners: which share comes when, on which connection, and its line.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use otedama_core::hex;

use super::shell::{Message, NTIME};

/// Connections that take turns.
pub(super) const CONNECTIONS: u64 = 64;
/// Between two arrivals of bytes on a connection.
const TICK: Duration = Duration::from_millis(1);
const TICKS_PER_SECOND: u64 = 1_000;

/// Share number `s` comes on connection `s mod CONNECTIONS` with the id `s / CONNECTIONS`.
#[derive(Clone, Debug)]
pub(super) struct Load {
    per_tick: u64,
    ticks: u64,
    /// The job that each connection was given.
    jobs: Arc<[String]>,
}

impl Load {
    /// Shares at this rate, for so long, for the jobs that the connections were told.
    pub(super) fn new(rate: u64, time: Duration, jobs: Arc<[String]>) -> Self {
        let per_tick = (rate / TICKS_PER_SECOND).max(1);
        let ticks = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { per_tick, ticks, jobs }
    }

    /// How many there will be.
    pub(super) fn shares(&self) -> u64 {
        self.per_tick * self.ticks
    }

    /// When a share is due, counted from the beginning.
    pub(super) fn due(&self, connection: u64, id: u64) -> Duration {
        let share = id * CONNECTIONS + connection;
        TICK * u32::try_from(share / self.per_tick).unwrap_or(u32::MAX)
    }

    /// Hands in the lines when they are due.
    pub(super) fn offer(&self, begin: Instant, inbox: &Sender<Message>) {
        for tick in 0..self.ticks {
            let chunks = self.chunks(tick);
            let due = begin + TICK * u32::try_from(tick).unwrap_or(u32::MAX);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            for (connection, lines) in chunks {
                if inbox.send(Message::Received(connection, lines)).is_err() {
                    return;
                }
            }
        }
    }

    /// The bytes of one tick, connection by connection.
    fn chunks(&self, tick: u64) -> Vec<(u64, String)> {
        let shares = tick * self.per_tick..(tick + 1) * self.per_tick;
        let first = shares.start;
        (first..first + CONNECTIONS.min(self.per_tick))
            .map(|share| {
                let mut lines = String::with_capacity(1024);
                for share in (share..shares.end).step_by(usize::try_from(CONNECTIONS).unwrap_or(usize::MAX)) {
                    self.write(share, &mut lines);
                }
                (share % CONNECTIONS, lines)
            })
            .collect()
    }

    /// One line, as a miner sends it that rolls both extranonce2 and nonce.
    fn write(&self, share: u64, lines: &mut String) {
        let (connection, id) = (share % CONNECTIONS, share / CONNECTIONS);
        let job = usize::try_from(connection).ok().and_then(|index| self.jobs.get(index));
        let job = job.map_or("", String::as_str);
        // Pieces, and digits of its own: formatting with widths would take a tenth of a processor from the pool.
        let _ = write!(
            lines,
            r#"{{"id":{id},"method":"mining.submit","params":["miner{connection}.rig","{job}",""#
        );
        hex::encode_into(&id.to_be_bytes(), lines);
        lines.push_str("\",\"");
        hex::encode_into(&NTIME.to_be_bytes(), lines);
        lines.push_str("\",\"");
        let [.., a, b, c, d] = id.to_be_bytes();
        hex::encode_into(&[a, b, c, d], lines);
        lines.push_str("\"]}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbered_as_they_are_due() {
        for rate in [1_000, 64_000, 250_000] {
            let load = Load::new(rate, Duration::from_millis(5), Arc::new([]));
            let mut next = vec![0; 64];
            let mut count = 0;
            for tick in 0..5 {
                for (connection, lines) in load.chunks(tick) {
                    for line in lines.lines() {
                        let id = &mut next[usize::try_from(connection).unwrap()];
                        assert!(line.starts_with(&format!(r#"{{"id":{id},"#)), "{line}");
                        assert_eq!(load.due(connection, *id), TICK * u32::try_from(tick).unwrap());
                        *id += 1;
                        count += 1;
                    }
                }
            }
            assert_eq!(count, load.shares());
        }
    }
}
