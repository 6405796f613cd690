//! Miners with Poisson-distributed shares, in simulated time, from fixed seeds.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: f64) -> Now {
    Now::default().plus(Duration::from_secs_f64(seconds))
}

/// A target of this many expected hashes.
fn target(hashes: f64) -> Target {
    HashRate::from_hashes_per_second(hashes).target_for_shares(60.0).unwrap()
}

/// A network that nobody reaches.
fn far() -> Target {
    target(1e30)
}

/// Splitmix64: a fixed stream of numbers from a seed.
struct Random(u64);

impl Random {
    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX) + f64::EPSILON
    }

    /// Time to the next of events that come at this rate.
    fn exponential(&mut self, rate: f64) -> f64 {
        -self.unit().min(1.0).ln() / rate
    }
}

/// A miner on a channel; a new target reaches it some time after it was set.
struct Miner {
    vardiff: Vardiff,
    random: Random,
    rate: f64,
    delay: f64,
    time: f64,
    /// The weight of its shares, and the same as a number.
    working_at: (Weight, f64),
    coming: Option<(f64, Target)>,
    shares: u32,
    changes: u32,
}

impl Miner {
    fn new(config: VardiffConfig, rate: f64, delay: f64, seed: u64) -> Self {
        let vardiff = Vardiff::new(config, far(), at(0.0));
        let working_at = weights(vardiff.target());
        let random = Random(seed);
        Self { vardiff, random, rate, delay, time: 0.0, working_at, coming: None, shares: 0, changes: 0 }
    }

    /// Mines until then, with a poll every second.
    fn until(&mut self, end: f64) {
        let mut tick = self.time.floor() + 1.0;
        let mut share = self.next_share();
        while self.time < end {
            let arrives = self.coming.map_or(f64::INFINITY, |(when, _)| when);
            self.time = share.min(tick).min(arrives);
            if self.time >= end {
                break;
            }
            if arrives <= share && arrives <= tick {
                self.working_at = self.coming.take().map_or(self.working_at, |(_, target)| weights(target));
                share = self.next_share();
            } else if share <= tick {
                self.shares += 1;
                self.vardiff.on_share(self.working_at.0);
                share = self.next_share();
            } else {
                tick += 1.0;
                if let Some(target) = self.vardiff.poll(at(self.time)) {
                    self.coming = Some((self.time + self.delay, target));
                    self.changes += 1;
                }
            }
        }
        self.time = end;
    }

    fn next_share(&mut self) -> f64 {
        if self.rate == 0.0 {
            return f64::INFINITY;
        }
        self.time + self.random.exponential(self.rate / self.working_at.1)
    }

    /// Shares per minute that its target means for its hash rate, over the wanted ones.
    fn off_by(&self) -> f64 {
        let per_minute = 60.0 * self.rate / approximate(self.vardiff.target().weight());
        per_minute / self.vardiff.config.shares_per_minute
    }
}

fn weights(target: Target) -> (Weight, f64) {
    (target.weight(), approximate(target.weight()))
}

#[test]
fn slow_and_fast_miners_settle_within_a_minute_from_the_same_start() {
    for rate in [40e6, 1e9, 1e12, 100e12] {
        let (mut near, mut settled) = (0, 0);
        for seed in 0..100 {
            let mut miner = Miner::new(VardiffConfig::new(Algorithm::SHA256D), rate, 2.0, seed);
            miner.until(60.0);
            near += u32::from((0.3..3.3).contains(&miner.off_by()));
            miner.until(150.0);
            settled += u32::from((0.5..=2.0).contains(&miner.off_by()));
        }
        // A dozen shares tell a rate no better than this.
        assert!(near >= 95, "{near} of 100 miners with {rate} H/s are near after a minute");
        assert!(settled >= 90, "{settled} of 100 miners with {rate} H/s have settled");
    }
}

#[test]
fn a_settled_miner_stays_near_the_wanted_rate_without_flapping() {
    // The second lies in the middle between two powers of two.
    for rate in [1e6, 1.19e6, 1.37e6] {
        let mut changes = 0;
        for seed in 0..20 {
            let mut miner = Miner::new(VardiffConfig::new(Algorithm::SCRYPT), rate, 1.0, seed);
            miner.until(120.0);
            (miner.shares, miner.changes) = (0, 0);
            miner.until(3720.0);
            let per_minute = f64::from(miner.shares) / 60.0;
            assert!((6.0..24.0).contains(&per_minute), "{per_minute} shares per minute with seed {seed}");
            changes += miner.changes;
        }
        assert!(changes <= 60, "{changes} changes in 20 hours at {rate} H/s");
    }
}

#[test]
fn a_miner_that_changes_its_rate_is_followed() {
    for (before, after) in [(1e9, 64e9), (64e9, 1e9)] {
        let mut miner = Miner::new(VardiffConfig::new(Algorithm::SHA256D), before, 1.0, 7);
        miner.until(600.0);
        miner.rate = after;
        miner.until(900.0);
        assert!((0.4..2.5).contains(&miner.off_by()), "off by {}", miner.off_by());
    }
}

#[test]
fn silence_lowers_quickly_at_first_and_slowly_later() {
    let mut unheard = Miner::new(VardiffConfig::new(Algorithm::SHA256D), 0.0, 0.0, 1);
    unheard.until(60.0);
    let lowered = approximate(Algorithm::SHA256D.spec().difficulty_one.weight())
        / approximate(unheard.vardiff.target().weight());
    assert!((2f64.powi(14)..2f64.powi(19)).contains(&lowered), "{lowered}");

    let mut asleep = Miner::new(VardiffConfig::new(Algorithm::SHA256D), 1e12, 0.0, 1);
    asleep.until(300.0);
    let awake = approximate(asleep.vardiff.target().weight());
    asleep.rate = 0.0;
    asleep.until(300.0 + 12.0 * 3600.0);
    let lowered = awake / approximate(asleep.vardiff.target().weight());
    assert!((2f64.powi(10)..2f64.powi(26)).contains(&lowered), "{lowered} after twelve hours");
}

#[test]
fn targets_are_powers_of_two_within_the_bounds() {
    let one = Algorithm::SHA256D.spec().difficulty_one;
    let mut config = VardiffConfig::new(Algorithm::SHA256D);
    (config.easiest, config.hardest) = (target(1e9), target(1e13));
    for rate in [1.0, 1e18] {
        let mut miner = Miner::new(config, rate, 0.0, 3);
        miner.until(120.0);
        let number = Difficulty::from_target(Algorithm::SHA256D, miner.vardiff.target()).as_f64();
        assert!((number.log2() - number.log2().round()).abs() < 1e-9, "{number}");
        let weight = approximate(miner.vardiff.target().weight());
        assert!((0.5e9..=1e13).contains(&weight), "{weight}");
    }
    assert_eq!(Vardiff::new(VardiffConfig::new(Algorithm::SHA256D), far(), at(0.0)).target(), one);
}

#[test]
fn no_target_is_harder_than_the_network() {
    let network = target(1e6);
    let mut vardiff = Vardiff::new(VardiffConfig::new(Algorithm::SHA256D), network, at(0.0));
    assert!(vardiff.target() >= network);
    assert!(approximate(vardiff.target().weight()) > 0.5e6);
    assert_eq!(vardiff.suggest(target(1e12), at(0.1)), None, "already as hard as the network allows");
    vardiff.set_network(target(1e5));
    let lower = vardiff.poll(at(0.2)).unwrap();
    assert!(lower >= target(1e5) && approximate(lower.weight()) > 0.5e5);
    let regtest = otedama_core::CompactTarget::from_bits(0x207f_ffff).target().unwrap();
    vardiff.set_network(regtest);
    assert!(vardiff.poll(at(0.3)).unwrap() >= regtest);
}

#[test]
fn a_suggestion_is_a_start_and_no_more() {
    let config = VardiffConfig::new(Algorithm::SHA256D);
    let mut vardiff = Vardiff::new(config, far(), at(0.0));
    let easier = Difficulty::from_f64(Algorithm::SHA256D, 0.3).unwrap();
    assert_eq!(vardiff.suggest(easier.target(), at(1.0)), Some(easier.round_to_power_of_two().target()));
    let lowered = vardiff.poll(at(30.0)).unwrap();
    assert_eq!(vardiff.suggest(easier.target(), at(30.0)), None, "it was tried");
    vardiff.on_share(vardiff.target().weight());
    assert_eq!(vardiff.suggest(far(), at(31.0)), None);
    assert_eq!(vardiff.target(), lowered);
}

#[test]
fn a_fixed_difficulty_stays() {
    let mut config = VardiffConfig::new(Algorithm::SHA256D);
    config.hardest = target(1e15);
    let mut vardiff = Vardiff::new(config, far(), at(0.0));
    let odd = Difficulty::from_f64(Algorithm::SHA256D, 1000.5).unwrap().target();
    assert_eq!(vardiff.fix(odd, at(0.0)), Some(odd));
    assert_eq!(vardiff.suggest(target(1e6), at(0.0)), None);
    for _ in 0..1000 {
        vardiff.on_share(odd.weight());
    }
    assert_eq!(vardiff.poll(at(10.0)), None);
    assert_eq!(vardiff.poll(at(10_000.0)), None);
    assert_eq!(vardiff.fix(Target::ZERO, at(10_001.0)), Some(config.hardest));
    vardiff.set_network(target(1e6));
    assert_eq!(vardiff.poll(at(10_002.0)), Some(target(1e6)));
}

#[test]
fn a_burst_is_no_rate() {
    let mut vardiff = Vardiff::new(VardiffConfig::new(Algorithm::SHA256D), far(), at(0.0));
    for _ in 0..100 {
        vardiff.on_share(vardiff.target().weight());
    }
    assert_eq!(vardiff.poll(at(0.9)), None);
    let harder = vardiff.poll(at(1.0)).unwrap();
    let factor = approximate(harder.weight()) / 2f64.powi(32);
    assert!((350.0..=710.0).contains(&factor), "100 shares a second are 500 times too many, not {factor}");
}

#[test]
fn a_configuration_out_of_range_is_named() {
    let good = VardiffConfig::new(Algorithm::SHA256D);
    assert_eq!(good.check(), Ok(()));
    let with = |change: fn(&mut VardiffConfig)| {
        let mut config = good;
        change(&mut config);
        config.check()
    };
    for number in [0.0, f64::NAN, -1.0, 601.0, f64::INFINITY] {
        let config = VardiffConfig { shares_per_minute: number, ..good };
        assert_eq!(config.check(), Err(VardiffError::SharesPerMinute), "{number}");
    }
    assert_eq!(with(|config| config.interval = SECOND / 2), Err(VardiffError::Interval));
    assert_eq!(with(|config| config.variance = 1.0), Err(VardiffError::Variance));
    assert_eq!(
        with(|config| (config.hardest, config.easiest) = (Target::MAX, Target::ZERO)),
        Err(VardiffError::Bounds)
    );
}
