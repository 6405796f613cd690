//! The rig with scripted devices, which do what they should not, and with the processor.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Generation, Hash256, Job,
    JobBody, JobId, Share, Target, Terms,
};
use otedama_gpu::scripted::{Call, Log, Scripted, Step};
use otedama_gpu::{Device, DeviceState, Failure, Rig, RigError, RigState, cpu};
use otedama_hash::{ScanError, Verifier};

/// Far more than anything here takes; only a defect waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job whose headers differ from those of every job with another `id`.
fn job(algorithm: Algorithm, id: u32, share_target: Target) -> Job {
    let source = BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::ZERO,
        coinbase: CoinbaseHalves { prefix: Box::new(id.to_le_bytes()), suffix: Box::new([2]) },
        merkle_path: Box::new([Hash256::from_internal([9; 32])]),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 1_700_000_000,
    };
    let body = Arc::new(JobBody::bitcoin(algorithm, source, true).unwrap());
    Job::new(body, terms(id, share_target))
}

fn terms(id: u32, share_target: Target) -> Terms {
    Terms {
        channel: ChannelId(0),
        id: JobId(id),
        share_target,
        extranonce_prefix: Extranonce::new(&[7; 4]).unwrap(),
        extranonce2_len: 4,
        version_mask: 0,
    }
}

/// A job of which every header is a share.
fn easiest(id: u32) -> Job {
    job(Algorithm::SHA256D, id, Target::MAX)
}

fn start(devices: Vec<Box<dyn Device>>) -> (Rig, Receiver<Share>) {
    let (send, shares) = mpsc::channel();
    let rig = Rig::start(devices, move |share| drop(send.send(share))).unwrap();
    (rig, shares)
}

fn one(device: Scripted) -> (Rig, Receiver<Share>, Log) {
    let log = device.log();
    let (rig, shares) = start(vec![Box::new(device)]);
    (rig, shares, log)
}

fn called(log: &Log, count: usize) -> Vec<Call> {
    let calls = log.wait_for(count, PATIENCE);
    assert!(calls.len() >= count, "{} of {count} calls", calls.len());
    calls
}

#[test]
fn two_threads_find_only_valid_and_distinct_shares() {
    for (algorithm, zeros, wanted) in [(Algorithm::SHA256D, 1, 500), (Algorithm::SCRYPT, 0, 200)] {
        let mut target = [0xff; 32];
        target[..zeros].fill(0);
        let job = job(algorithm, 1, Target::from_be_bytes(target));
        let cpu = cpu::Builder::new().threads(2).build().unwrap();
        let (rig, shares) = start(vec![Box::new(cpu)]);
        rig.assign(job.clone());
        let verifier = Verifier::new(algorithm).unwrap();
        let mut seen = HashSet::new();
        for _ in 0..wanted {
            let share = shares.recv_timeout(PATIENCE).unwrap();
            assert!(verifier.verify(&job, &share).is_ok(), "{share:?}");
            assert!(seen.insert((share.extranonce2, share.nonce)), "{share:?}");
        }
        let stats = rig.stats();
        assert_eq!((stats.state, stats.generation), (RigState::Mining, Generation(1)));
        let device = &stats.devices[0];
        assert_eq!((device.invalid, &device.state), (0, &DeviceState::Mining));
        assert!(device.shares >= wanted && device.hashes > 0);
    }
}

#[test]
fn after_a_new_job_no_share_of_the_old_one_is_given() {
    let device = Scripted::new("late").scanner([Step::Late(vec![3]), Step::Find(vec![4])]);
    let (rig, shares, log) = one(device);
    rig.assign(easiest(1));
    called(&log, 1);
    rig.assign(easiest(2));
    let share = shares.recv_timeout(PATIENCE).unwrap();
    assert_eq!((share.job, share.nonce), (JobId(2), 4));
    assert_eq!(rig.stats().devices[0].stale, 1);
    drop(rig);
    assert_eq!(shares.iter().count(), 0);
}

#[test]
fn a_pause_drops_finds_and_the_same_headers_go_on_where_they_were() {
    let late = || Step::Late(vec![3]);
    let (rig, shares, log) = one(Scripted::new("late").scanner([late(), late(), late()]));
    let first = easiest(1);
    rig.assign(first.clone());
    called(&log, 1);
    rig.pause();
    assert_eq!(rig.stats().state, RigState::Idle);
    rig.assign(first.clone());
    called(&log, 2);
    // Another target, the same headers.
    rig.assign(Job::new(Arc::clone(first.body()), terms(2, first.body().network_target())));
    let calls = called(&log, 3);
    drop(rig);
    let ends: Vec<_> = calls.iter().map(|call| call.range.start + call.range.count).collect();
    let starts: Vec<_> = calls.iter().map(|call| call.range.start).collect();
    assert_eq!(starts, [0, ends[0], ends[1]]);
    assert_eq!(shares.iter().count(), 0);
}

#[test]
fn every_scanner_turns_to_the_new_job_and_never_back() {
    let mut device = Scripted::new("many");
    for _ in 0..4 {
        device = device.scanner(std::iter::repeat_n(Step::Advance(u64::MAX), 50));
    }
    let (rig, _shares, log) = one(device);
    for id in 1..=5 {
        rig.assign(easiest(id));
        called(&log, 30 * id as usize);
    }
    rig.assign(easiest(6));
    let mut calls = log.calls();
    let generations = |calls: &[Call], scanner| -> Vec<Generation> {
        calls.iter().filter(|call| call.scanner == scanner).map(|call| call.work.generation).collect()
    };
    while !(0..4).all(|scanner| generations(&calls, scanner).contains(&Generation(6))) {
        calls = called(&log, calls.len() + 1);
    }
    for scanner in 0..4 {
        assert!(generations(&calls, scanner).is_sorted(), "{:?}", generations(&calls, scanner));
    }
}

#[test]
fn scanners_never_get_the_same_nonce_of_a_header() {
    let mut device = Scripted::new("many");
    for part in [3, 7, 1000, u64::MAX] {
        device = device.scanner(std::iter::repeat_n(Step::Advance(part), 60));
    }
    let (rig, _shares, log) = one(device);
    rig.assign(easiest(1));
    let calls = called(&log, 244);
    drop(rig);
    let mut tried: HashMap<_, Vec<(u64, u64)>> = HashMap::new();
    for (index, call) in calls.iter().enumerate() {
        let step = [3, 7, 1000, u64::MAX][call.scanner];
        // The last call of each scanner is beyond its script and is never finished.
        let last = !calls[index + 1..].iter().any(|later| later.scanner == call.scanner);
        let count = if last { call.range.count } else { call.range.count.min(step) };
        tried.entry(call.work.header).or_default().push((call.range.start, count));
    }
    for ranges in tried.values_mut() {
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?}");
        }
    }
}

#[test]
fn a_part_of_a_slice_is_followed_by_the_rest_of_it() {
    let (rig, _shares, log) = one(Scripted::new("slow").scanner([Step::Advance(5), Step::Advance(4)]));
    rig.assign(easiest(1));
    let calls = called(&log, 3);
    let ranges: Vec<_> = calls.iter().map(|call| (call.range.start, call.range.count)).collect();
    assert_eq!(ranges, [(0, 16), (5, 11), (9, 7)]);
    assert_eq!(rig.stats().devices[0].hashes, 9);
}

#[test]
fn a_broken_device_stops_no_other() {
    let why = || ScanError::Device("lost".into());
    let broken = [
        (vec![Step::Fail(why())], Failure::Scan(why())),
        (vec![Step::Panic], Failure::Panicked),
        (vec![Step::Advance(0)], Failure::Stuck),
    ];
    for (script, failure) in broken {
        let bad = Scripted::new("bad").scanner(script).scanner([]);
        let good = Scripted::new("good").scanner(std::iter::repeat_n(Step::Hash, 3));
        let log = good.log();
        let (report, reports) = mpsc::channel();
        let (send, shares) = mpsc::channel();
        let devices: Vec<Box<dyn Device>> = vec![Box::new(bad), Box::new(good)];
        let rig = Rig::builder(devices)
            .on_failure(move |info, failure| drop(report.send((info.name.clone(), failure.clone()))))
            .start(move |share: Share| drop(send.send(share)))
            .unwrap();
        rig.assign(easiest(1));
        assert_eq!(reports.recv_timeout(PATIENCE), Ok(("bad".into(), failure.clone())));
        called(&log, 4);
        assert!(shares.recv_timeout(PATIENCE).is_ok());
        let stats = rig.stats();
        assert_eq!(stats.devices[0].state, DeviceState::Quarantined(failure));
        assert_eq!(stats.devices[1].state, DeviceState::Mining);
        assert_eq!(stats.state, RigState::Mining);
        drop(rig);
        assert_eq!(reports.iter().count(), 0, "reported once");
    }
}

#[test]
fn what_a_device_found_before_it_failed_is_given() {
    let script = [Step::Find(vec![2]), Step::Fail(ScanError::Device("gone".into()))];
    let (rig, shares, log) = one(Scripted::new("dying").scanner(script));
    rig.assign(easiest(1));
    assert_eq!(shares.recv_timeout(PATIENCE).unwrap().nonce, 2);
    called(&log, 2);
    drop(rig);
    assert_eq!(shares.iter().count(), 0);
}

#[test]
fn wrong_finds_are_counted_and_not_given() {
    let hard = Target::from_weight(otedama_core::Weight::new(1 << 30)).unwrap();
    let (rig, shares, log) = one(Scripted::new("liar").scanner([Step::Find(vec![1, 2, 3])]));
    rig.assign(job(Algorithm::SHA256D, 1, hard));
    called(&log, 2);
    assert_eq!(rig.stats().devices[0].invalid, 3);
    drop(rig);
    assert_eq!(shares.iter().count(), 0);

    // Digests that are good enough, but in nonces of which others may have been given.
    let (rig, shares, log) = one(Scripted::new("liar").scanner([Step::Find(vec![16, 15, 1 << 40])]));
    rig.assign(easiest(1));
    called(&log, 2);
    let device = rig.stats().devices.remove(0);
    assert_eq!((device.invalid, device.shares), (2, 1));
    assert_eq!(shares.recv_timeout(PATIENCE).unwrap().nonce, 15);
}

#[test]
fn dropping_the_rig_joins_its_threads() {
    let token = Arc::new(Mutex::new(0));
    let held = Arc::clone(&token);
    let device = Scripted::new("busy").scanner([]).scanner([Step::Late(vec![1])]);
    let log = device.log();
    let rig = Rig::start(vec![Box::new(device)], move |_| *held.lock().unwrap() += 1).unwrap();
    rig.assign(easiest(1));
    called(&log, 2);
    assert_eq!(Arc::strong_count(&token), 2);
    drop(rig);
    assert_eq!(Arc::strong_count(&token), 1);
    assert_eq!(*token.lock().unwrap(), 0);
}

#[test]
fn a_rig_without_a_usable_device_does_not_start() {
    let start = |devices| Rig::start(devices, |_| ()).map(|_| ());
    assert_eq!(start(vec![]), Err(RigError::NoDevices));
    let none = RigError::NoneUsable { device: "empty".into(), failure: Failure::NoScanner };
    assert_eq!(start(vec![Box::new(Scripted::new("empty"))]), Err(none));

    let good = Scripted::new("good").scanner([]);
    let (rig, _shares) = self::start(vec![Box::new(Scripted::new("empty")), Box::new(good)]);
    assert_eq!(rig.stats().devices[0].state, DeviceState::Quarantined(Failure::NoScanner));
    assert_eq!(rig.stats().state, RigState::Idle);
}

#[test]
fn a_device_without_the_algorithm_waits_for_work_that_suits_it() {
    let device = Scripted::new("scrypt only").algorithms([Algorithm::SCRYPT]).scanner([]);
    let (rig, _shares, log) = one(device);
    rig.assign(easiest(1));
    let stats = rig.stats();
    assert_eq!((stats.state, &stats.devices[0].state), (RigState::Unable, &DeviceState::Unsuited));
    rig.assign(job(Algorithm::SCRYPT, 2, Target::MAX));
    assert_eq!(called(&log, 1)[0].work.generation, Generation(2));
    assert_eq!(rig.stats().state, RigState::Mining);
}

#[test]
fn when_all_is_tried_the_rig_says_so_and_takes_the_next_job() {
    let (rig, _shares, log) =
        one(Scripted::new("fast").scanner(std::iter::repeat_n(Step::Advance(u64::MAX), 100_000)));
    let small = easiest(1);
    let terms = Terms { extranonce2_len: 0, ..*small.terms() };
    rig.assign(Job::new(Arc::clone(small.body()), terms));
    let mut stats = rig.stats();
    while stats.state != RigState::Exhausted {
        assert_eq!((stats.state, &stats.devices[0].state), (RigState::Mining, &DeviceState::Mining));
        std::thread::yield_now();
        stats = rig.stats();
    }
    assert_eq!(stats.devices[0].state, DeviceState::Idle);
    let before = log.calls().len();
    rig.assign(easiest(2));
    assert_eq!(called(&log, before + 1)[before].work.generation, Generation(2));
}

/// Prints how long the slowest scanner took to turn to a new job; what bounds it is the kernels' stop interval.
#[test]
fn every_change_of_job_leads_to_shares_of_the_new_one() {
    for algorithm in [Algorithm::SHA256D, Algorithm::SCRYPT] {
        let cpu = cpu::Builder::new().threads(2).build().unwrap();
        let (rig, shares) = start(vec![Box::new(cpu)]);
        let mut slowest = Duration::ZERO;
        for id in 1..=20 {
            rig.assign(job(algorithm, id, Target::MAX));
            let share = shares.iter().find(|share| share.job == JobId(id)).unwrap();
            assert!(share.nonce < 1 << 32);
            // The first job waits for the self-test of the kernel.
            if id > 1 {
                slowest = slowest.max(rig.stats().switch_time);
            }
        }
        println!("{algorithm}: {slowest:?} from a new job to the slowest scanner's first scan of it");
    }
}

/// A change of the job, in which the slowest thread counts. What a busy machine does besides can only make it longer, so
/// one of many decides.
#[test]
fn a_job_is_changed_within_10_ms() {
    for algorithm in [Algorithm::SHA256D, Algorithm::SCRYPT] {
        let cpu = cpu::Builder::new().threads(2).build().unwrap();
        cpu.choose(algorithm).unwrap();
        let (rig, _shares) = start(vec![Box::new(cpu)]);
        let switch = |id| {
            rig.assign(job(algorithm, id, Target::ZERO));
            std::thread::sleep(Duration::from_millis(60));
            rig.stats().switch_time
        };
        switch(1);
        let quickest = (2..22).map(switch).min().unwrap();
        assert!(
            quickest > Duration::ZERO && quickest <= Duration::from_millis(10),
            "{algorithm}: {quickest:?}"
        );
    }
}

#[test]
fn devices_show_their_sensors() {
    let mut telemetry = otedama_gpu::Telemetry::default();
    telemetry.fan_percent = Some(40);
    let (rig, _shares, _) = one(Scripted::new("warm").telemetry(telemetry).scanner([]));
    assert_eq!(rig.stats().devices[0].telemetry.fan_percent, Some(40));
    assert_eq!(rig.hash_rate(), otedama_core::HashRate::ZERO);
}
