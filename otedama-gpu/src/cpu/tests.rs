//! Processors of every configuration, on this one.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use otedama_core::{AlgorithmSpec, Header, Seed, Solution, Target, Work};
use otedama_hash::{NonceRange, Scanned, Stop, Unsupported};

use super::*;
use crate::calibrate::Basis;
use crate::pages::PageKind;

fn work(algorithm: Algorithm) -> Work {
    Work::new(algorithm, Header::new(&vec![1; algorithm.spec().header_len]).unwrap(), Target::MAX)
}

fn unsolvable(algorithm: Algorithm) -> Work {
    let mut work = work(algorithm);
    work.target = Target::ZERO;
    work
}

fn scan_one(cpu: &mut Cpu, algorithm: Algorithm) -> Result<u64, ScanError> {
    let work = work(algorithm);
    let mut scanner = cpu.scanners()?.remove(0);
    let scan = move || scanner.scan(&work, NonceRange::new(0, 3), &Stop::new(), &mut Vec::new());
    // On a thread of its own, which may get bound.
    Ok(thread::spawn(scan).join().unwrap()?.hashes)
}

#[test]
fn threads_are_as_many_as_asked_for() {
    let build = |threads| Builder::new().threads(threads).build();
    assert_eq!(build(3).unwrap().scanners().unwrap().len(), 3);
    assert_eq!(build(0).map(|_| ()), Err(CpuError::Threads(0)));
    assert_eq!(build(MAX_THREADS + 1).map(|_| ()), Err(CpuError::Threads(MAX_THREADS + 1)));
    let machine = thread::available_parallelism().unwrap().get();
    assert_eq!(Builder::new().build().unwrap().scanners().unwrap().len(), machine);
    assert_eq!(devices().remove(0).scanners().unwrap().len(), machine);
}

#[test]
fn a_scanner_takes_any_algorithm_of_the_list() {
    let mut cpu = Builder::new().threads(1).build().unwrap();
    let algorithms = cpu.info().algorithms;
    assert!(algorithms.contains(&Algorithm::SHA256D) && algorithms.contains(&Algorithm::SCRYPT));
    for algorithm in algorithms {
        assert_eq!(scan_one(&mut cpu, algorithm), Ok(3));
    }
}

#[test]
fn a_chosen_kernel_is_used() {
    let portable = Kernel::find(Algorithm::SCRYPT, "portable").unwrap();
    let mut cpu = Builder::new().threads(1).kernel(portable).build().unwrap();
    assert_eq!(scan_one(&mut cpu, Algorithm::SCRYPT), Ok(3));
    let choice = cpu.choose(Algorithm::SCRYPT).unwrap().unwrap();
    assert_eq!(
        (choice.kernel, choice.basis, choice.reason().as_str()),
        (portable, Basis::Asked, "asked for")
    );
}

#[test]
#[cfg(target_os = "linux")]
fn threads_are_bound_to_the_cpus_of_the_list() {
    let there = core_affinity::get_core_ids().unwrap();
    let last = there.last().unwrap().id;
    let mut cpu = Builder::new().affinity([last]).build().unwrap();
    assert_eq!(cpu.threads, 1);
    let mut scanner = cpu.scanners().unwrap().remove(0);
    let bound = thread::spawn(move || {
        let work = Work::new(Algorithm::SHA256D, Header::from([1; 80]), Target::MAX);
        scanner.scan(&work, NonceRange::new(0, 1), &Stop::new(), &mut Vec::new()).unwrap();
        // What a thread may run on is what it is bound to.
        core_affinity::get_core_ids().unwrap()
    });
    assert_eq!(bound.join().unwrap().iter().map(|core| core.id).collect::<Vec<_>>(), [last]);

    let known: Vec<_> = there.iter().map(|core| core.id).collect();
    let missing = Builder::new().affinity([100_000]).build().map(|_| ());
    assert_eq!(missing, Err(CpuError::NoSuchCpu { cpu: 100_000, known }));
}

#[test]
fn without_a_wish_it_is_the_fastest() {
    let calibration = Calibration::in_process();
    let cpu = Builder::new().calibration(calibration.clone()).build().unwrap();
    for algorithm in cpu.info().algorithms {
        assert_eq!(cpu.choose(algorithm).map(Option::unwrap), calibration.fastest(algorithm));
    }
    static OTHER: AlgorithmSpec = AlgorithmSpec::bitcoin_like("other", Target::MAX);
    let other = Algorithm::new(&OTHER);
    assert_eq!(cpu.choose(other), Err(Unsupported(other).into()));
}

#[test]
fn it_says_how_it_is_going_to_work_once() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&said);
    let report = move |report: &Report| listener.lock().unwrap().push(report.clone());
    let portable = Kernel::find(Algorithm::SCRYPT, "portable").unwrap();
    let mut cpu = Builder::new().threads(2).kernel(portable).on_report(report).build().unwrap();
    for mut scanner in cpu.scanners().unwrap() {
        scanner.scan(&work(Algorithm::SCRYPT), NonceRange::new(0, 1), &Stop::new(), &mut Vec::new()).unwrap();
    }
    let said = said.lock().unwrap();
    let [Report::Kernel(choice), Report::Memory { algorithm, backing, threads: 2 }] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((choice.kernel, *algorithm), (portable, Algorithm::SCRYPT));
    assert_eq!(
        (backing.kind, backing.len),
        (PageKind::Small, portable.memory()),
        "too little for large pages"
    );
}

/// Scanners from elsewhere, which say what they are asked to do.
#[derive(Debug)]
struct Elsewhere(Algorithm, mpsc::Sender<String>);

struct Asked(mpsc::Sender<String>);

impl Scanners for Elsewhere {
    fn algorithm(&self) -> Algorithm {
        self.0
    }

    fn scanner(&self) -> Result<Box<dyn Scan>, ScanError> {
        self.1.send("made".into()).unwrap();
        Ok(Box::new(Asked(self.1.clone())))
    }
}

impl Scan for Asked {
    fn prepare(&mut self, seed: &Seed) -> Result<(), ScanError> {
        self.0.send(format!("seed {}", seed.0[0])).unwrap();
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        _: &Stop,
        _: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        self.0.send(format!("scan {}", work.seed.unwrap().0[0])).unwrap();
        Ok(Scanned::new(range.count))
    }
}

#[test]
fn scanners_can_come_from_elsewhere() {
    static OTHER: AlgorithmSpec = AlgorithmSpec::bitcoin_like("other", Target::MAX);
    for algorithm in [Algorithm::new(&OTHER), Algorithm::SHA256D] {
        let (send, asked) = mpsc::channel();
        let mut cpu = Builder::new().threads(1).scanners(Elsewhere(algorithm, send)).build().unwrap();
        assert_eq!(cpu.info().algorithms.iter().filter(|known| **known == algorithm).count(), 1);
        assert_eq!(cpu.choose(algorithm), Ok(None));
        let mut scanner = cpu.scanners().unwrap().remove(0);
        let mut scan = |algorithm, seed: Option<u8>| {
            let mut work = work(algorithm);
            work.seed = seed.map(|byte| Seed([byte; 32]));
            scanner.scan(&work, NonceRange::new(0, 1), &Stop::new(), &mut Vec::new()).unwrap();
        };
        scan(algorithm, Some(1));
        scan(algorithm, Some(1));
        scan(algorithm, Some(2));
        scan(Algorithm::SCRYPT, None);
        scan(algorithm, Some(2));
        let asked: Vec<_> = asked.try_iter().collect();
        assert_eq!(
            asked,
            ["made", "seed 1", "scan 1", "scan 1", "seed 2", "scan 2", "made", "seed 2", "scan 2"]
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn threads_yield_as_asked() {
    let nice = || rustix::process::getpriority_process(None).unwrap();
    let before = nice();
    let mut cpu = Builder::new().threads(1).priority(Priority::Idle).build().unwrap();
    let mut scanner = cpu.scanners().unwrap().remove(0);
    let mined = thread::spawn(move || {
        let range = NonceRange::new(0, 1);
        scanner.scan(&work(Algorithm::SHA256D), range, &Stop::new(), &mut Vec::new()).unwrap();
        nice()
    });
    assert_eq!(mined.join().unwrap(), 19);
    assert_eq!(nice(), before);
}

#[test]
fn automatic_binding_has_a_thread_for_each_logical_cpu() {
    let cpu = Builder::new().auto_affinity().build();
    assert_eq!(cpu.map(|cpu| (cpu.threads(), cpu.cores.len())), Ok((machine(), machine())));
    let fewer = Builder::new().auto_affinity().threads(1).build().unwrap();
    assert_eq!(fewer.threads(), 1);
}

/// A stop that comes before or while the kernels are measured ends that, too, as quickly as it ends a scan.
#[test]
fn a_stop_is_heeded_before_the_first_scan() {
    for algorithm in Builder::new().build().unwrap().info().algorithms {
        let stopped_after = |pause| {
            // Nothing is known, and nothing can be kept.
            let calibration = Calibration::kept_in("\0");
            let mut cpu = Builder::new().threads(1).calibration(calibration).build().unwrap();
            let (mut scanner, work, stop) =
                (cpu.scanners().unwrap().remove(0), unsolvable(algorithm), Stop::new());
            thread::scope(|scope| {
                let scan = || scanner.scan(&work, NonceRange::all(algorithm), &stop, &mut Vec::new());
                let scanning = scope.spawn(scan);
                thread::sleep(pause);
                let begin = Instant::now();
                stop.request();
                scanning.join().unwrap().unwrap();
                begin.elapsed()
            })
        };
        for millis in [0, 3, 30, 100] {
            let what = format!("{algorithm}, after {millis} ms");
            assert_quick_once(&what, || stopped_after(Duration::from_millis(millis)));
        }
    }
}

/// The time from a stop to the end of a scan that would take hours.
#[test]
fn a_stop_takes_effect_within_10_ms() {
    for algorithm in Builder::new().build().unwrap().info().algorithms {
        for kernel in Kernel::available(algorithm) {
            let mut cpu = Builder::new().threads(1).kernel(kernel).build().unwrap();
            let mut scanner = cpu.scanners().unwrap().remove(0);
            assert_quick_once(&kernel.to_string(), || {
                let (stop, work) = (Stop::new(), unsolvable(algorithm));
                thread::scope(|scope| {
                    let scan = || scanner.scan(&work, NonceRange::all(algorithm), &stop, &mut Vec::new());
                    let scanning = scope.spawn(scan);
                    thread::sleep(Duration::from_millis(5));
                    let begin = Instant::now();
                    stop.request();
                    let scanned = scanning.join().unwrap().unwrap();
                    assert!(scanned.hashes < NonceRange::all(algorithm).count, "{kernel}");
                    begin.elapsed()
                })
            });
        }
    }
}

/// Tries until it once takes no more than 10 ms: what a busy machine does besides can only make it longer, and what is
/// too slow by itself never makes it.
fn assert_quick_once(what: &str, mut time: impl FnMut() -> Duration) {
    let mut times = (0..200).map(|_| time());
    assert!(times.any(|time| time <= Duration::from_millis(10)), "{what}");
}
