//! Timing contenders against each other, in turns, so that what disturbs one disturbs all.

use std::time::Duration;

use otedama_core::{HashRate, Header, Target, Weight, Work};
use otedama_hash::{Kernel, KernelError, NonceRange, Scan, Stop};

use crate::pages;

/// How long a contender works at a time. A stop waits for it, so it is short.
const TURN: Duration = Duration::from_millis(5);

/// Turns of each contender: 60 ms in all.
const ROUNDS: usize = 12;

/// After so many of them, whoever is not half as fast as the best has lost.
const QUALIFYING: usize = 3;

/// What is timed.
pub(super) trait Contender {
    fn name(&self) -> &'static str;

    /// Whether it computes rightly.
    fn prove(&self) -> Result<(), KernelError>;

    /// The fewest hashes that are worth timing.
    fn unit(&self) -> u64;

    /// Computes so many hashes, and says how much time of the processor that took; `None` if it was stopped.
    fn run(&mut self, hashes: u64, stop: &Stop) -> Option<Duration>;
}

/// A kernel, with memory and work once it has begun.
pub(super) struct Entrant {
    kernel: Kernel,
    scanner: Option<Box<dyn Scan>>,
    work: Work,
}

impl Entrant {
    pub(super) fn new(kernel: Kernel) -> Self {
        let algorithm = kernel.algorithm();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(algorithm.spec().header_len).collect();
        let header = Header::new(&bytes).unwrap_or_else(|| Header::from([0; 80]));
        // No hash meets a target of zero, as good as.
        Self { kernel, scanner: None, work: Work::new(algorithm, header, Target::ZERO) }
    }
}

impl Contender for Entrant {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }

    fn prove(&self) -> Result<(), KernelError> {
        self.kernel.self_test()
    }

    fn unit(&self) -> u64 {
        self.kernel.stop_interval().max(1)
    }

    fn run(&mut self, hashes: u64, stop: &Stop) -> Option<Duration> {
        if self.scanner.is_none() {
            self.scanner = pages::scanner(self.kernel).ok().map(|(scanner, _)| scanner);
        }
        let begin = processor_time();
        let range = NonceRange::new(0, hashes);
        let scanned = self.scanner.as_mut()?.scan(&self.work, range, stop, &mut Vec::new());
        let took = processor_time().saturating_sub(begin);
        match scanned {
            Ok(scanned) => (scanned.hashes == hashes).then_some(took),
            // What cannot do it is no faster than anything.
            Err(_) => Some(Duration::MAX),
        }
    }
}

/// The rate of each contender, in their order; `None` if it was stopped.
pub(super) fn race<C: Contender>(contenders: &mut [&mut C], stop: &Stop) -> Option<Vec<HashRate>> {
    let mut lanes = Vec::new();
    for contender in contenders {
        let hashes = warm_up(*contender, stop)?;
        lanes.push(Lane { contender, hashes, rates: Vec::new() });
    }
    for round in 0..ROUNDS {
        let best = lanes.iter().map(Lane::rate).fold(0.0, f64::max);
        for lane in &mut lanes {
            if round < QUALIFYING || lane.rate() * 2.0 >= best {
                let took = lane.contender.run(lane.hashes, stop)?;
                let rate = HashRate::from_work(Weight::new(lane.hashes.into()), took);
                lane.rates.push(rate.hashes_per_second());
            }
        }
    }
    Some(lanes.iter().map(|lane| HashRate::from_hashes_per_second(lane.rate())).collect())
}

struct Lane<'a, C> {
    contender: &'a mut C,
    /// What it does in a turn.
    hashes: u64,
    rates: Vec<f64>,
}

impl<C> Lane<'_, C> {
    /// The median: one turn in which the processor did something else does not count.
    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }
}

/// How many hashes a turn holds: a whole number of units.
fn warm_up<C: Contender>(contender: &mut C, stop: &Stop) -> Option<u64> {
    const MOST: u64 = 1 << 32;
    let unit = contender.unit();
    let mut units = 1;
    loop {
        let took = contender.run(unit.saturating_mul(units), stop)?;
        if took * 2 >= TURN || units.saturating_mul(unit) >= MOST {
            return Some(unit.saturating_mul(units));
        }
        let wanted = u128::from(units) * TURN.as_nanos() / took.as_nanos().max(1);
        units = u64::try_from(wanted).unwrap_or(MOST).clamp(units * 2, units * 8);
    }
}

/// What the processor has done for this thread so far.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The time that went by: the system has no clock for a thread that can be read safely.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use otedama_core::AlgorithmSet;

    use super::*;

    /// Takes so many nanoseconds for a hash, and ten times as many in some turns.
    struct Steady {
        nanos: u64,
        disturbed: &'static [usize],
        calls: Vec<u64>,
        stops: Option<usize>,
    }

    impl Steady {
        fn new(nanos: u64, disturbed: &'static [usize]) -> Self {
            Self { nanos, disturbed, calls: Vec::new(), stops: None }
        }
    }

    impl Contender for Steady {
        fn name(&self) -> &'static str {
            "steady"
        }

        fn prove(&self) -> Result<(), KernelError> {
            Ok(())
        }

        fn unit(&self) -> u64 {
            24
        }

        fn run(&mut self, hashes: u64, stop: &Stop) -> Option<Duration> {
            if self.stops == Some(self.calls.len()) {
                stop.request();
                return None;
            }
            let factor = if self.disturbed.contains(&self.calls.len()) { 10 } else { 1 };
            self.calls.push(hashes);
            Some(Duration::from_nanos(hashes * self.nanos * factor))
        }
    }

    fn rates(contenders: &mut [Steady]) -> Option<Vec<f64>> {
        let mut contenders: Vec<_> = contenders.iter_mut().collect();
        let rates = race(&mut contenders, &Stop::new())?;
        Some(rates.into_iter().map(|rate| rate.hashes_per_second().round()).collect())
    }

    #[test]
    fn the_rates_are_those_of_undisturbed_turns() {
        let mut contenders = [Steady::new(100, &[7, 9, 10]), Steady::new(40, &[]), Steady::new(50, &[6])];
        assert_eq!(rates(&mut contenders).unwrap(), [1e7, 2.5e7, 2e7]);
    }

    #[test]
    fn turns_are_short_and_whole_units() {
        let mut contenders = [Steady::new(100, &[]), Steady::new(1_000_000, &[])];
        rates(&mut contenders).unwrap();
        for contender in contenders {
            assert!(contender.calls.iter().all(|hashes| hashes % 24 == 0));
            let turn = Duration::from_nanos(contender.calls.last().unwrap() * contender.nanos);
            assert!(turn <= TURN.max(Duration::from_nanos(24 * contender.nanos)), "{turn:?}");
            assert!(turn * 2 >= TURN);
        }
    }

    #[test]
    fn whoever_is_far_behind_leaves_the_race() {
        let mut contenders = [Steady::new(1000, &[]), Steady::new(100, &[]), Steady::new(190, &[])];
        rates(&mut contenders).unwrap();
        let turns = contenders.each_ref().map(|steady| {
            let last = *steady.calls.last().unwrap();
            steady.calls.iter().filter(|hashes| **hashes == last).count() - 1
        });
        assert_eq!(turns, [QUALIFYING, ROUNDS, ROUNDS]);
    }

    #[test]
    fn a_stop_ends_it_at_once() {
        for stops in [0, 1, 9] {
            let mut contenders = [Steady::new(50, &[]), Steady::new(100, &[])];
            contenders[1].stops = Some(stops);
            assert_eq!(rates(&mut contenders), None);
            assert_eq!(contenders[1].calls.len(), stops);
        }
    }

    #[test]
    fn kernels_run_what_they_are_asked_to() {
        for algorithm in AlgorithmSet::builtin().iter() {
            for kernel in Kernel::available(algorithm) {
                let mut entrant = Entrant::new(kernel);
                let took = entrant.run(entrant.unit(), &Stop::new()).unwrap();
                assert!(took > Duration::ZERO && took < Duration::from_secs(10), "{kernel}: {took:?}");
                let stop = Stop::new();
                stop.request();
                assert_eq!(entrant.run(entrant.unit(), &stop), None);
            }
        }
    }
}
