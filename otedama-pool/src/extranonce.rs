//! Who searches where: extranonce prefixes from a counter, never drawn, with quarantine before reuse.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use otedama_core::{Extranonce, Moment};

/// How long a prefix rests after its channel closed. The same miner may claim it back in the meantime.
pub const QUARANTINE: Duration = Duration::from_secs(600);

/// Hands out extranonce prefixes of a fixed length; no two live channels ever share one.
#[derive(Debug)]
pub struct Prefixes {
    len: usize,
    last: u64,
    next: u64,
    live: HashSet<u64>,
    resting: VecDeque<(Moment, u64)>,
}

impl Prefixes {
    /// Prefixes of `len` bytes, 1 to 8; other lengths are brought into that range.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let len = len.clamp(1, 8);
        let last = if len == 8 { u64::MAX } else { (1 << (8 * len)) - 1 };
        Self { len, last, next: 1, live: HashSet::new(), resting: VecDeque::new() }
    }

    /// A prefix that no live channel has and that rested long enough; `None` if there is none.
    ///
    /// The counter goes on where it stands, so that a prefix comes round again as late as possible.
    pub fn allocate(&mut self, now: Moment) -> Option<Extranonce> {
        let number = if self.next <= self.last {
            let number = self.next;
            self.next = self.next.checked_add(1)?;
            number
        } else {
            self.rested(now)?
        };
        self.live.insert(number);
        Extranonce::from_counter(number, self.len)
    }

    /// Gives a miner back the prefix that it had earlier in this life; `None` if it is in use or was never given.
    pub fn resume(&mut self, prefix: &Extranonce) -> Option<Extranonce> {
        let number = self.number(prefix).filter(|number| (1..self.next).contains(number))?;
        if !self.live.insert(number) {
            return None;
        }
        self.resting.retain(|(_, resting)| *resting != number);
        Some(*prefix)
    }

    /// Puts the prefix of a closed channel to rest.
    pub fn release(&mut self, prefix: &Extranonce, now: Moment) {
        if let Some(number) = self.number(prefix)
            && self.live.remove(&number)
        {
            self.resting.push_back((now, number));
        }
    }

    /// Channels that have a prefix now.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.len()
    }

    fn rested(&mut self, now: Moment) -> Option<u64> {
        let (since, number) = *self.resting.front()?;
        if now.since(since) < QUARANTINE {
            return None;
        }
        self.resting.pop_front();
        Some(number)
    }

    fn number(&self, prefix: &Extranonce) -> Option<u64> {
        if prefix.len() != self.len {
            return None;
        }
        Some(prefix.as_bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::ORIGIN.plus(Duration::from_secs(secs))
    }

    #[test]
    fn all_are_different_until_they_run_out() {
        let mut prefixes = Prefixes::new(1);
        let all: HashSet<_> = (0..255).filter_map(|_| prefixes.allocate(at(0))).collect();
        assert_eq!(all.len(), 255);
        assert_eq!(prefixes.allocate(at(0)), None);
    }

    #[test]
    fn a_released_prefix_rests_first() {
        let mut prefixes = Prefixes::new(1);
        let first = prefixes.allocate(at(0)).unwrap();
        while prefixes.allocate(at(0)).is_some() {}
        prefixes.release(&first, at(10));
        assert_eq!(prefixes.allocate(at(10 + QUARANTINE.as_secs() - 1)), None);
        assert_eq!(prefixes.allocate(at(10 + QUARANTINE.as_secs())), Some(first));
    }

    #[test]
    fn only_ones_own_idle_prefix_is_resumed() {
        let mut prefixes = Prefixes::new(4);
        let first = prefixes.allocate(at(0)).unwrap();
        assert_eq!(prefixes.resume(&first), None, "in use");
        prefixes.release(&first, at(1));
        assert_eq!(prefixes.resume(&first), Some(first));
        prefixes.release(&first, at(1));
        assert_eq!(prefixes.resume(&Extranonce::from_counter(77, 4).unwrap()), None, "never given");
        assert_eq!(prefixes.resume(&Extranonce::from_counter(1, 5).unwrap()), None, "another length");
        let second = prefixes.allocate(at(2)).unwrap();
        assert_ne!(second, first);
        assert_eq!(prefixes.live(), 1);
    }
}
