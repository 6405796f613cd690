//! Taking turns, and medians.

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::clock::timed;

/// Rounds of which the median counts.
pub const ROUNDS: usize = 7;
/// CPU time that one side of one round takes at least.
const ROUND: Duration = Duration::from_millis(150);

/// Something that can be done any number of times.
pub type Task<'a> = Box<dyn FnMut(u64) + 'a>;

/// Two tasks measured in turns.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Repetitions per second of CPU time of ours.
    pub ours: f64,
    /// The same of the baseline.
    pub theirs: f64,
    /// Ours over theirs, the median over the rounds.
    pub ratio: f64,
}

/// Compares two tasks, which take turns.
pub fn compare(mut ours: Task<'_>, mut theirs: Task<'_>) -> Comparison {
    let (our_count, their_count) = (calibrate(&mut ours), calibrate(&mut theirs));
    let round = |_| (one_rate(&mut ours, our_count), one_rate(&mut theirs, their_count));
    let rounds: Vec<_> = (0..ROUNDS).map(round).collect();
    Comparison {
        ours: median(rounds.iter().map(|(ours, _)| *ours)),
        theirs: median(rounds.iter().map(|(_, theirs)| *theirs)),
        ratio: median(rounds.iter().map(|(ours, theirs)| ours / theirs)),
    }
}

/// Repetitions per second of CPU time of one task, the median over the rounds.
pub fn rate(mut task: Task<'_>) -> f64 {
    let count = calibrate(&mut task);
    median((0..ROUNDS).map(|_| one_rate(&mut task, count)))
}

/// Compares one thread with several at once: repetitions per second of wall-clock time, of all threads together
/// (`ours`) over one alone (`theirs`), which take turns. Each thread makes its own task.
pub fn scale(threads: usize, task: impl Fn() -> Task<'static> + Sync) -> Comparison {
    let count = calibrate(&mut task());
    let round = |_| (together(threads, count, &task), together(1, count, &task));
    let rounds: Vec<_> = (0..ROUNDS).map(round).collect();
    Comparison {
        ours: median(rounds.iter().map(|(ours, _)| *ours)),
        theirs: median(rounds.iter().map(|(_, theirs)| *theirs)),
        ratio: median(rounds.iter().map(|(ours, theirs)| ours / theirs)),
    }
}

/// Repetitions per second of wall-clock time of so many threads that do `count` each, from the common start until the
/// last is done.
fn together(threads: usize, count: u64, task: &(impl Fn() -> Task<'static> + Sync)) -> f64 {
    let ready = Barrier::new(threads);
    let one = || {
        let mut task = task();
        // Touches the memory, so that pages are there when it counts.
        task(count.div_ceil(8));
        ready.wait();
        let start = Instant::now();
        task(count);
        (start, Instant::now())
    };
    let times: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let start = times.iter().map(|(start, _)| *start).min();
    let end = times.iter().map(|(_, end)| *end).max();
    let (Some(start), Some(end)) = (start, end) else { return f64::NAN };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let done = (count * times.len() as u64) as f64;
    done / (end - start).as_secs_f64()
}

/// The middle value; of an even number of values the lower middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get((values.len().saturating_sub(1)) / 2).copied().unwrap_or(f64::NAN)
}

/// How many threads can work at once here.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// How many repetitions fill a round. Warms the task up on the way.
fn calibrate(task: &mut Task<'_>) -> u64 {
    let mut count = 1;
    loop {
        let ((), spent) = timed(|| task(count));
        if spent >= ROUND {
            return count;
        }
        count *= if spent * 8 < ROUND { 8 } else { 2 };
    }
}

fn one_rate(task: &mut Task<'_>, count: u64) -> f64 {
    let ((), spent) = timed(|| task(count));
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let count = count as f64;
    count / spent.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
        assert!(median(std::iter::empty()).is_nan());
    }

    fn spin(rounds: u64) -> Task<'static> {
        Box::new(move |count| {
            for _ in 0..count * rounds {
                std::hint::black_box(std::hint::black_box(3u64).wrapping_mul(5));
            }
        })
    }

    /// More threads than processors share them: together they do no more than one on each.
    #[test]
    fn threads_are_counted_together() {
        let crowd = 2 * threads();
        let found = scale(crowd, || spin(1_000));
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let most = 0.8 * crowd as f64;
        assert!(found.ratio > 0.1 && found.ratio < most, "{found:?}");
    }

    #[test]
    fn half_the_work_is_twice_as_fast() {
        let found = compare(spin(1_000), spin(2_000));
        assert!((1.5..2.7).contains(&found.ratio), "{found:?}");
    }
}
