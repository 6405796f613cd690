//! Choices among contenders whose speed is given, and the file that keeps them.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;

/// Takes so long for a hash; counts how often it was run and proved.
struct Fake {
    name: &'static str,
    nanos: u64,
    sound: bool,
    proofs: Cell<u32>,
    runs: u32,
}

fn fake(name: &'static str, nanos: u64) -> Fake {
    Fake { name, nanos, sound: true, proofs: Cell::new(0), runs: 0 }
}

fn broken(name: &'static str, nanos: u64) -> Fake {
    Fake { sound: false, ..fake(name, nanos) }
}

impl Contender for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prove(&self) -> Result<(), KernelError> {
        self.proofs.set(self.proofs.get() + 1);
        let failed = || KernelError::SelfTest { kernel: self.name, expected: 1, found: Vec::new() };
        self.sound.then_some(()).ok_or_else(failed)
    }

    fn unit(&self) -> u64 {
        8
    }

    fn run(&mut self, hashes: u64, stop: &Stop) -> Option<Duration> {
        self.runs += 1;
        (!stop.is_requested()).then(|| Duration::from_nanos(hashes * self.nanos))
    }
}

fn among(contenders: &mut [Fake], record: &Record) -> Result<Decision, KernelError> {
    decide(contenders, Algorithm::SHA256D, record, &Stop::new()).map(Option::unwrap)
}

fn record(file: &Path) -> Record {
    Record::for_cpu(file.into(), Some("Some 1 2 3"), "1.2.3")
}

fn three() -> [Fake; 3] {
    [fake("wide", 50), fake("special", 40), fake("portable", 200)]
}

#[test]
fn the_fastest_wins_and_the_reason_is_given() {
    let decision = among(&mut three(), &Record::nowhere()).unwrap();
    assert_eq!((decision.winner, decision.basis), ("special", Basis::Measured));
    let portable = Kernel::find(Algorithm::SHA256D, "portable").unwrap();
    let Decision { basis, rates, failed, unkept, .. } = decision;
    let mut choice = Choice { kernel: portable, basis, rates, failed, unkept };
    assert_eq!(choice.reason(), "special 25.0 MH/s, wide 20.0 MH/s, portable 5.00 MH/s");
    choice.basis = Basis::Kept;
    choice.failed = vec!["odd"];
    let kept =
        "special 25.0 MH/s, wide 20.0 MH/s, portable 5.00 MH/s, measured before; odd failed its self-test";
    assert_eq!(choice.to_string(), format!("sha256d/portable ({kept})"));
}

#[test]
fn whoever_miscalculates_is_out_however_fast() {
    let mut contenders = [broken("wide", 1), fake("special", 40), fake("portable", 200)];
    let decision = among(&mut contenders, &Record::nowhere()).unwrap();
    assert_eq!((decision.winner, &decision.failed[..]), ("special", &["wide"][..]));
    assert_eq!(contenders[0].runs, 0);

    let all = among(&mut [broken("a", 1), broken("b", 2)], &Record::nowhere());
    assert_eq!(all, Err(KernelError::SelfTest { kernel: "b", expected: 1, found: Vec::new() }));
    let none = among(&mut [], &Record::nowhere());
    assert_eq!(none, Err(Unsupported(Algorithm::SHA256D).into()));
}

#[test]
fn one_alone_is_proved_but_not_measured() {
    let mut contenders = [fake("portable", 200)];
    assert_eq!(among(&mut contenders, &Record::nowhere()).unwrap().basis, Basis::Only);
    assert_eq!((contenders[0].runs, contenders[0].proofs.get()), (0, 1));
    assert!(among(&mut [broken("portable", 200)], &Record::nowhere()).is_err());
}

#[test]
fn what_was_measured_is_not_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/folder/calibration");
    let first = among(&mut three(), &record(&file)).unwrap();
    assert_eq!((first.basis, &first.unkept), (Basis::Measured, &None));
    let mut contenders = three();
    let second = among(&mut contenders, &record(&file)).unwrap();
    assert_eq!(second, Decision { basis: Basis::Kept, ..first });
    assert_eq!(contenders.each_ref().map(|fake| (fake.runs, fake.proofs.get())), [(0, 0), (0, 1), (0, 0)]);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_kept_winner_that_fails_now_is_measured_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration");
    among(&mut three(), &record(&file)).unwrap();
    let mut contenders = [fake("wide", 50), broken("special", 40), fake("portable", 200)];
    let decision = among(&mut contenders, &record(&file)).unwrap();
    assert_eq!((decision.winner, decision.basis), ("wide", Basis::Measured));
    let again = among(&mut contenders, &record(&file)).unwrap();
    assert_eq!((again.winner, again.basis, &again.failed[..]), ("wide", Basis::Kept, &["special"][..]));
}

#[test]
fn algorithms_are_kept_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(&folder.path().join("calibration"));
    let fastest = |algorithm, contenders: &mut [Fake]| {
        decide(contenders, algorithm, &record, &Stop::new()).unwrap().unwrap()
    };
    fastest(Algorithm::SHA256D, &mut three());
    fastest(Algorithm::SCRYPT, &mut [fake("portable", 9000), fake("wide", 3000)]);
    assert_eq!(fastest(Algorithm::SHA256D, &mut three()).basis, Basis::Kept);
    let scrypt = fastest(Algorithm::SCRYPT, &mut [fake("portable", 1), fake("wide", 2)]);
    assert_eq!((scrypt.winner, scrypt.basis), ("wide", Basis::Kept));
}

#[test]
fn other_processors_versions_and_kernels_are_measured_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration");
    among(&mut three(), &record(&file)).unwrap();
    let basis = |contenders: &mut [Fake], record: &Record| among(contenders, record).unwrap().basis;
    let text = fs::read_to_string(&file).unwrap();
    for other in [("Some 1 2 4", "1.2.3"), ("Some 1 2 3", "1.2.4"), ("Some 1 2 3 ", "1.2.3")] {
        let record = Record::for_cpu(file.clone(), Some(other.0), other.1);
        assert_eq!(basis(&mut three(), &record), Basis::Measured);
        fs::write(&file, &text).unwrap();
    }
    let mut more = Vec::from(three());
    more.push(fake("newer", 30));
    assert_eq!(basis(&mut more, &record(&file)), Basis::Measured);
    assert_eq!(basis(&mut three(), &record(&file)), Basis::Measured, "one of those kept is gone");
    assert_eq!(basis(&mut three(), &record(&file)), Basis::Kept);
}

#[test]
fn a_file_that_makes_no_sense_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration");
    among(&mut three(), &record(&file)).unwrap();
    let good = fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("25000000", "NaN"),
        ("25000000", "inf"),
        ("25000000", "-1"),
        ("25000000", "fast"),
        ("25000000", ""),
        ("special ", "special"),
        ("sha256d wide", "sha256d special"),
        ("sha256d portable 5000000\n", ""),
        ("otedama calibration 1", "otedama calibration 2"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        fs::write(&file, bad).unwrap();
        assert_eq!(among(&mut three(), &record(&file)).unwrap().basis, Basis::Measured, "{from} -> {to}");
        assert_eq!(fs::read_to_string(&file).unwrap(), good);
    }
    for bytes in [&b""[..], b"\xff\xfe", &[b'x'; 1 << 20]] {
        fs::write(&file, bytes).unwrap();
        assert_eq!(among(&mut three(), &record(&file)).unwrap().basis, Basis::Measured);
    }
    for cut in 0..good.len() {
        fs::write(&file, &good[..cut]).unwrap();
        assert_eq!(among(&mut three(), &record(&file)).unwrap().basis, Basis::Measured, "cut at {cut}");
    }
}

#[test]
fn what_cannot_be_kept_is_used_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let in_a_file = folder.path().join("calibration");
    fs::write(&in_a_file, "").unwrap();
    let decision = among(&mut three(), &record(&in_a_file.join("below"))).unwrap();
    assert!(decision.winner == "special" && decision.unkept.is_some(), "{decision:?}");
    let nameless = Record::for_cpu(in_a_file.clone(), None, "1.2.3");
    let decision = among(&mut three(), &nameless).unwrap();
    assert_eq!(decision.unkept.as_deref(), Some("this system does not say which processor it has"));
    assert_eq!(fs::read_to_string(in_a_file).unwrap(), "");
}

#[test]
fn a_stop_leaves_no_decision() {
    let stop = Stop::new();
    stop.request();
    let decided = decide(&mut three(), Algorithm::SHA256D, &Record::nowhere(), &stop);
    assert_eq!(decided, Ok(None));
}

#[test]
fn real_kernels_are_chosen_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration");
    for algorithm in otedama_core::AlgorithmSet::builtin().iter() {
        let kernels = Kernel::available(algorithm);
        if kernels.is_empty() {
            continue;
        }
        let calibration = Calibration::kept_in(&file);
        let choice = calibration.fastest(algorithm).unwrap();
        assert!(kernels.contains(&choice.kernel), "{choice}");
        assert_eq!(calibration.fastest(algorithm).unwrap(), choice);
        let again = Calibration::kept_in(&file).fastest(algorithm).unwrap();
        assert_eq!(again.kernel, choice.kernel);
        if kernels.len() > 1 && choice.unkept.is_none() {
            assert_eq!((choice.basis, again.basis), (Basis::Measured, Basis::Kept));
        }
        assert_eq!(Calibration::in_process().fastest(algorithm), Calibration::default().fastest(algorithm));
    }
}
