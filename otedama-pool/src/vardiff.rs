//! A share target per channel that keeps the number of its shares per minute near a wanted rate.

use std::time::Duration;

use otedama_core::{Algorithm, Difficulty, HashRate, Moment, Now, Target, Weight};

/// What vardiff aims at, and between which bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct VardiffConfig {
    /// Whose difficulty 1 the powers of two are counted from.
    pub algorithm: Algorithm,
    /// The first target of a channel; `None` picks difficulty 1, from which a slow CPU and a fast ASIC both settle.
    pub start: Option<Target>,
    /// Shares per minute that a channel should send, in steady state between half and twice as many.
    pub shares_per_minute: f64,
    /// No channel gets an easier target.
    pub easiest: Target,
    /// No channel gets a harder target; nor one harder than the network's.
    pub hardest: Target,
    /// How often the target of a settled channel is looked at.
    pub interval: Duration,
    /// How far the share rate may be off, as a factor above 1 either way, before the target changes.
    pub variance: f64,
}

/// Why a configuration makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VardiffError {
    /// [`VardiffConfig::shares_per_minute`] is out of range.
    #[error("shares per minute must be from 0.1 to 600")]
    SharesPerMinute,
    /// [`VardiffConfig::interval`] is out of range.
    #[error("the retarget interval must be from 1 second to 1 hour")]
    Interval,
    /// [`VardiffConfig::variance`] is out of range. Targets are powers of two, so less than a factor of 1.5 cannot
    /// be kept.
    #[error("the variance must be from 1.5 to 10")]
    Variance,
    /// The hardest target is easier than the easiest.
    #[error("the hardest target is easier than the easiest")]
    Bounds,
}

impl VardiffConfig {
    /// 12 shares per minute, a look every minute, a factor of 2, no bounds but the network's.
    #[must_use]
    pub const fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            start: None,
            shares_per_minute: 12.0,
            easiest: Target::MAX,
            hardest: Target::ZERO,
            interval: Duration::from_secs(60),
            variance: 2.0,
        }
    }

    /// Whether all of it is in range.
    ///
    /// # Errors
    /// [`VardiffError`] names the first field that is not.
    pub fn check(&self) -> Result<(), VardiffError> {
        let seconds = self.interval.as_secs_f64();
        if !(0.1..=600.0).contains(&self.shares_per_minute) {
            Err(VardiffError::SharesPerMinute)
        } else if !(1.0..=3600.0).contains(&seconds) {
            Err(VardiffError::Interval)
        } else if !(1.5..=10.0).contains(&self.variance) {
            Err(VardiffError::Variance)
        } else if self.hardest > self.easiest {
            Err(VardiffError::Bounds)
        } else {
            Ok(())
        }
    }

    /// Seconds from share to share at the wanted rate.
    fn period(&self) -> f64 {
        60.0 / self.shares_per_minute
    }
}

/// Fewer shares than this prove no rate.
const PROOF: f64 = 6.0;
/// How many standard deviations a number of shares must be off before it means anything.
const NOISE: f64 = 1.3;
/// The factor by which a settled channel must be off to be changed between two intervals.
const FAR_OFF: f64 = 5.0;
/// A burst that is shorter says nothing: the network delivers in bursts.
const SHORTEST: Duration = Duration::from_secs(1);
/// Silence of a channel that has never sent a share: after so many periods, divide by so much.
const UNHEARD: (f64, f64) = (2.0, 8.0);
/// The same for a channel that has; each further time it takes twice as long, since it may well be asleep.
const FALLEN_SILENT: (f64, f64) = (5.0, 4.0);

/// The target of one channel. It holds no clock: it is told of every share, and asked now and then.
///
/// Targets are powers of two of difficulty 1, so that every miner computes the same target from the number on the
/// wire. Work counts, not shares: those that come late at an earlier target count for what they are worth.
#[derive(Clone, Debug)]
pub struct Vardiff {
    config: VardiffConfig,
    network: Target,
    /// The bounds as powers of two.
    easiest: Target,
    hardest: Target,
    target: Target,
    /// The weight of the target.
    weight: f64,
    fixed: Option<Target>,
    /// The miner's last suggestion.
    suggested: Option<Target>,
    /// Observation carried over from before `since`.
    carried: Duration,
    since: Moment,
    checked: Moment,
    work: Weight,
    shares: u32,
    settled: bool,
    heard: bool,
    /// How many times in a row silence lowered the target.
    silences: u32,
}

impl Vardiff {
    /// A channel that opens now on a network with this target.
    ///
    /// The caller has [checked](VardiffConfig::check) the configuration; with one out of range the targets stay
    /// within the bounds, the share rate may not.
    #[must_use]
    pub fn new(config: VardiffConfig, network: Target, now: Now) -> Self {
        let start = config.start.unwrap_or(config.algorithm.spec().difficulty_one);
        let mut vardiff = Self {
            config,
            network,
            easiest: round(config.algorithm, config.easiest),
            hardest: round(config.algorithm, config.hardest.easier(network)),
            target: start,
            weight: 0.0,
            fixed: None,
            suggested: None,
            carried: Duration::ZERO,
            since: now.moment,
            checked: now.moment,
            work: Weight::ZERO,
            shares: 0,
            settled: false,
            heard: false,
            silences: 0,
        };
        vardiff.target = vardiff.rounded(start);
        vardiff.weight = approximate(vardiff.target.weight());
        vardiff
    }

    /// The target that the channel's next job should have.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// The network's target from now on: no share target is harder. Shows in the next [`poll`](Self::poll).
    pub fn set_network(&mut self, network: Target) {
        if network != self.network {
            self.network = network;
            self.hardest = round(self.config.algorithm, self.config.hardest.easier(network));
        }
    }

    /// The miner suggests a target: taken as the start, within the bounds, as long as it has sent no share. Returns
    /// the target if it changes. Suggesting the same again does nothing.
    pub fn suggest(&mut self, target: Target, now: Now) -> Option<Target> {
        if self.heard || self.fixed.is_some() || self.suggested == Some(target) {
            return None;
        }
        self.suggested = Some(target);
        self.change_to(self.rounded(target), now)
    }

    /// The miner asks for this target, and vardiff is off from now on. Within the bounds it gets exactly that, not a
    /// power of two. Returns the target if it changes.
    pub fn fix(&mut self, target: Target, now: Now) -> Option<Target> {
        self.fixed = Some(target);
        self.poll(now)
    }

    /// A share of this weight was accepted.
    pub fn on_share(&mut self, weight: Weight) {
        self.work = self.work.saturating_add(weight);
        self.shares = self.shares.saturating_add(1);
        self.heard = true;
        self.silences = 0;
    }

    /// Looks at what came since the last change, and returns the target if it changes. To be called about once a
    /// second, shares or not; it is cheap enough to be called on every share as well.
    pub fn poll(&mut self, now: Now) -> Option<Target> {
        let target = if let Some(fixed) = self.fixed {
            self.bounded(fixed)
        } else if let Some(factor) = self.judge(now.moment) {
            if factor >= 1.0 && self.target == self.hardest {
                return None;
            }
            self.rounded(scaled(self.weight, factor).unwrap_or(self.target))
        } else {
            self.target.min(self.easiest).easier(self.hardest)
        };
        self.change_to(target, now)
    }

    /// By which factor the weight of a share should change; `None` to leave it.
    fn judge(&mut self, now: Moment) -> Option<f64> {
        let elapsed = self.carried + now.since(self.since);
        let expected = elapsed.as_secs_f64() / self.config.period();
        let found = approximate(self.work) / self.weight;
        if self.shares == 0 {
            return self.judge_silence(expected);
        }
        let due = now.since(self.checked) >= self.config.interval;
        let factor = self.judge_rate(found, expected, elapsed, due);
        if due {
            self.checked = now;
            self.settled = factor.is_none();
            self.forget_half(elapsed, now);
        }
        factor
    }

    fn judge_rate(&self, found: f64, expected: f64, elapsed: Duration, due: bool) -> Option<f64> {
        let tolerance = if due || !self.settled { self.config.variance } else { FAR_OFF };
        let noise = NOISE * expected.sqrt();
        let proven = found.min(f64::from(self.shares)) >= PROOF && elapsed >= SHORTEST;
        if proven && found > expected * tolerance && found > expected + noise {
            // The share that completed the proof came by definition: it counts for nothing.
            return Some(found / expected * (1.0 - 1.0 / f64::from(self.shares)));
        }
        if found < expected / tolerance && found + noise < expected {
            return Some((found + 1.0) / (expected + 1.0));
        }
        None
    }

    fn judge_silence(&mut self, expected: f64) -> Option<f64> {
        let (patience, divisor) = if self.heard { FALLEN_SILENT } else { UNHEARD };
        let doublings = if self.heard { f64::from(self.silences) } else { 0.0 };
        if expected < patience * doublings.exp2() {
            return None;
        }
        self.silences = self.silences.saturating_add(1);
        Some(1.0 / divisor)
    }

    /// Keeps the older half of what was seen with half its weight, so that a steady channel is judged by about two
    /// intervals.
    fn forget_half(&mut self, elapsed: Duration, now: Moment) {
        self.carried = elapsed / 2;
        self.since = now;
        self.work = self.work.scale(1, 2).unwrap_or(self.work);
        self.shares = self.shares.div_ceil(2);
    }

    fn change_to(&mut self, target: Target, now: Now) -> Option<Target> {
        if target == self.target {
            return None;
        }
        self.target = target;
        self.weight = approximate(target.weight());
        (self.carried, self.since, self.checked) = (Duration::ZERO, now.moment, now.moment);
        (self.work, self.shares, self.settled) = (Weight::ZERO, 0, false);
        Some(target)
    }

    fn rounded(&self, target: Target) -> Target {
        round(self.config.algorithm, target).min(self.easiest).easier(self.hardest)
    }

    fn bounded(&self, target: Target) -> Target {
        target.min(self.config.easiest).easier(self.config.hardest).easier(self.network)
    }
}

/// The hardest power of two that is not harder than the target.
fn round(algorithm: Algorithm, target: Target) -> Target {
    Difficulty::from_target(algorithm, target).round_to_power_of_two().target()
}

/// The target at which the weight of a share changes by this factor, and a bit: rounding to a power of two takes up
/// to half of it away, so that the result is off by at most a factor of the square root of two either way.
fn scaled(weight: f64, factor: f64) -> Option<Target> {
    let wanted = weight * factor * std::f64::consts::SQRT_2;
    HashRate::from_hashes_per_second(wanted).target_for_shares(60.0)
}

fn approximate(weight: Weight) -> f64 {
    HashRate::from_work(weight, Duration::from_secs(1)).hashes_per_second()
}

#[cfg(test)]
mod tests;
