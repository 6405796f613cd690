//! The tables of RandomX: made once, shared by all scanners, made ahead, and given up in time.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(feature = "randomx")]

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Hash256, Header, Job,
    JobBody, JobId, Seed, Target, Terms, Work,
};
use otedama_gpu::cpu::{self, Scanners as _};
use otedama_gpu::randomx::{Event, Mode, Store};
use otedama_gpu::{Device as _, DeviceKind, Rig};
use otedama_hash::randomx::{Provider as _, Tables};
use otedama_hash::{NonceRange, Stop, Verifier};

/// Far more than anything here takes; only a defect waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn work(seed: Seed) -> Work {
    Work::new(Algorithm::RANDOMX, Header::new(&[5; 76]).unwrap(), Target::MAX).with_seed(seed)
}

fn light(store: &Store, seed: Seed) -> Arc<otedama_hash::randomx::Cache> {
    match store.tables(&seed, &Stop::new()).unwrap().unwrap() {
        Tables::Light(cache) => cache,
        Tables::Fast(_) => unreachable!("only light tables were asked for"),
    }
}

#[test]
fn a_processor_mines_with_tables_that_its_threads_share() {
    let (send, events) = mpsc::channel();
    let store =
        Store::builder().mode(Mode::Light).on_event(move |event| drop(send.send(event.clone()))).build();
    let mut cpu = cpu::Builder::new().threads(2).scanners(store.clone()).build().unwrap();
    assert!(cpu.info().algorithms.contains(&Algorithm::RANDOMX));
    assert_eq!(cpu.info().kind, DeviceKind::Cpu);
    let seed = Seed([1; 32]);
    std::thread::scope(|scope| {
        for mut scanner in cpu.scanners().unwrap() {
            scope.spawn(move || {
                scanner.prepare(&seed).unwrap();
                let mut found = Vec::new();
                let scanned = scanner.scan(&work(seed), NonceRange::new(0, 3), &Stop::new(), &mut found);
                assert_eq!((scanned.unwrap().hashes, found.len()), (3, 3));
            });
        }
    });
    let events: Vec<_> = events.try_iter().collect();
    let [Event::Ready(ready)] = &events[..] else { unreachable!("made once: {events:?}") };
    assert_eq!((ready.seed, ready.kernel, ready.backing.len()), (seed, "light", 1));
    assert_eq!(ready.backing[0].len, 256 << 20);
    assert_eq!(store.seeds(), [seed]);
}

/// A test chain's job, whose header is Bitcoin's.
fn job(id: u32, share_target: Target) -> Job {
    let source = BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::ZERO,
        coinbase: CoinbaseHalves { prefix: Box::new(id.to_le_bytes()), suffix: Box::new([2]) },
        merkle_path: Box::new([]),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 1_700_000_000,
    };
    let body = Arc::new(JobBody::bitcoin(Algorithm::RANDOMX, source, true).unwrap());
    let terms = Terms {
        channel: ChannelId(0),
        id: JobId(id),
        share_target,
        extranonce_prefix: Extranonce::EMPTY,
        extranonce2_len: 4,
        version_mask: 0,
    };
    Job::new(body, terms)
}

#[test]
fn a_rig_mines_the_jobs_of_a_test_chain() {
    let store = Store::builder().light(Seed::DEVNET).build();
    let cpu = cpu::Builder::new().threads(2).scanners(store).build().unwrap();
    let (send, shares) = mpsc::channel();
    let rig = Rig::start(vec![Box::new(cpu)], move |share| drop(send.send(share))).unwrap();
    let verifier = Verifier::new(Algorithm::RANDOMX).unwrap();
    let half = Target::from_hex_be(&format!("7f{}", "f".repeat(62))).unwrap();
    for id in 1..=2 {
        let job = job(id, half);
        rig.assign(job.clone());
        for share in shares.iter().filter(|share| share.job == JobId(id)).take(3) {
            verifier.verify(&job, &share).unwrap();
        }
    }
    rig.pause();
    let stats = rig.stats();
    assert_eq!(stats.devices[0].invalid, 0, "{:?}", stats.devices[0]);
}

#[test]
fn the_next_seed_is_made_ahead_and_the_old_one_is_given_up() {
    let store = Store::builder().mode(Mode::Light).build();
    let [old, next, other] = [1, 2, 3].map(|byte| Seed([byte; 32]));
    store.expect(&next);
    let old_cache = light(&store, old);
    while store.seeds().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    store.expect(&next);
    assert!(store.seeds().contains(&next));
    assert_eq!(Arc::strong_count(&old_cache), 2, "held here and in the store");
    let begin = Instant::now();
    light(&store, next);
    assert!(begin.elapsed() < Duration::from_millis(100), "it was there: {:?}", begin.elapsed());
    assert_eq!(store.seeds(), [next]);
    assert_eq!(Arc::strong_count(&old_cache), 1, "given up");
    light(&store, other);
    assert_eq!(store.seeds(), [other]);
}

#[test]
fn a_stop_ends_the_wait_for_tables() {
    let store = Store::builder().mode(Mode::Light).build();
    let stop = Stop::new();
    let mut scanner = store.scanner().unwrap();
    let scan = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let range = NonceRange::new(0, 1 << 32);
            let scanned = scanner.scan(&work(Seed([4; 32])), range, &stop, &mut Vec::new());
            (scanned.unwrap().hashes, Instant::now())
        })
    };
    // Tables take half a second at least.
    std::thread::sleep(Duration::from_millis(20));
    let asked = Instant::now();
    stop.request();
    let (hashes, ended) = scan.join().unwrap();
    assert_eq!(hashes, 0);
    assert!(ended.saturating_duration_since(asked) < Duration::from_millis(250));
}

/// What reports is dropped with the last thread that makes anything.
#[test]
fn nothing_is_made_for_a_store_that_is_gone() {
    let (send, events) = mpsc::channel();
    let store =
        Store::builder().mode(Mode::Fast).on_event(move |event| drop(send.send(event.clone()))).build();
    store.expect(&Seed([6; 32]));
    match events.recv_timeout(PATIENCE) {
        Ok(Event::Filling { done, total, .. }) => assert!(0 < done && done < total),
        // A machine without so much memory.
        other => assert_eq!(other, Err(RecvTimeoutError::Timeout)),
    }
    drop(store);
    let begin = Instant::now();
    while events.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Disconnected) {}
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
#[ignore = "5 GiB of memory and minutes of filling it: `make nightly`"]
fn every_memory_node_has_a_dataset() {
    let (send, events) = mpsc::channel();
    // The threads of both are bound to the same processor.
    let store = Store::builder()
        .mode(Mode::Fast)
        .nodes(vec![vec![0]; 2])
        .on_event(move |event| drop(send.send(event.clone())))
        .build();
    let seed = Seed([8; 32]);
    let tables = store.tables(&seed, &Stop::new()).unwrap().unwrap();
    assert_eq!(tables.name(), "fast");
    let slow = Store::builder().mode(Mode::Light).build().tables(&seed, &Stop::new()).unwrap().unwrap();
    for input in 0..20u8 {
        let digest = |tables: &Tables| tables.machine().unwrap().hash(&[input; 76]);
        assert_eq!(digest(&tables), digest(&slow));
    }
    let mut last = 0;
    for event in events.try_iter() {
        match event {
            Event::Filling { done, total, .. } => {
                last = last.max(done);
                assert!(done <= total);
            }
            Event::Ready(ready) => {
                assert_eq!((ready.kernel, ready.backing.len()), ("fast", 2));
                println!("{ready:?}");
            }
            _ => {}
        }
    }
    assert_eq!(last, 2 * u64::from(otedama_hash::randomx::Dataset::items()));
}
