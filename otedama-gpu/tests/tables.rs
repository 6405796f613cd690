//! Tables in files and in memory: made once, checked when opened, made again when wrong, shared with other processes.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use otedama_core::{Algorithm, Header, Proof, Target, Work};
use otedama_gpu::cpu::Scanners as _;
use otedama_gpu::tables::{Event, Fault, Kind, Mode, Store, TableFile};
use otedama_hash::ethash::{Epoch, Input, Node, Nodes as _, Provider as _, Tables};
use otedama_hash::{NonceRange, Stop, oracle};
use tempfile::TempDir;

fn test_chains(algorithm: Algorithm) -> Epoch {
    Epoch::of_test_chains(algorithm).unwrap()
}

fn store(folder: Option<&Path>, algorithm: Algorithm, mode: Mode) -> (Store, Receiver<Event>) {
    let (send, events) = mpsc::channel();
    let send = Mutex::new(send);
    let report = move |event: &Event| drop(send.lock().unwrap().send(event.clone()));
    let builder = Store::builder(algorithm).unwrap().mode(mode).threads(2).on_event(report);
    let builder = match folder {
        Some(folder) => builder.folder(folder),
        None => builder,
    };
    (builder.build(), events)
}

fn tables(store: &Store, epoch: Epoch) -> Arc<Tables> {
    store.tables(epoch, &Stop::new()).unwrap().unwrap()
}

/// Whether these tables compute what the oracle does.
fn check(tables: &Tables) {
    let epoch = tables.epoch();
    let dag = oracle::Dag::of_test_chains(epoch.parents());
    let input = Input { header_hash: [7; 32], nonce: 5, height: 9 };
    let outcome = tables.hash(&input);
    let (mix, digest) = if epoch.is_kawpow() {
        dag.kawpow_hash(&input.header_hash, input.nonce, input.height)
    } else {
        dag.hashimoto(&input.header_hash, input.nonce)
    };
    assert_eq!((outcome.mix, *outcome.digest.as_bytes()), (mix, digest), "{tables:?}");
}

/// What was said about opening: whether the file was found, and what was wrong with it.
fn said(events: &Receiver<Event>) -> (bool, Vec<Fault>) {
    let (mut found_it, mut faults) = (None, Vec::new());
    for event in events.try_iter() {
        match event {
            Event::Ready { found, .. } => found_it = Some(found),
            Event::Wrong { fault, .. } => faults.push(fault),
            _ => {}
        }
    }
    (found_it.unwrap(), faults)
}

#[test]
fn tables_are_made_in_memory_and_in_files() {
    for algorithm in [Algorithm::ETHASH, Algorithm::KAWPOW] {
        let folder = TempDir::new().unwrap();
        for mode in [Mode::Light, Mode::Full] {
            for folder in [None, Some(folder.path())] {
                let (store, events) = store(folder, algorithm, mode);
                let made = tables(&store, test_chains(algorithm));
                check(&made);
                assert!(Arc::ptr_eq(&made, &tables(&store, test_chains(algorithm))), "made once");
                assert_eq!(said(&events), (false, vec![]));
                assert_eq!(store.epochs(), [test_chains(algorithm)]);
            }
            let (again, events) = store(Some(folder.path()), algorithm, mode);
            check(&tables(&again, test_chains(algorithm)));
            assert_eq!(said(&events), (true, vec![]), "found in its file");
        }
    }
    assert!(Store::builder(Algorithm::SCRYPT).is_err());
}

#[test]
fn a_wrong_file_is_found_and_made_again() {
    let (algorithm, epoch) = (Algorithm::KAWPOW, test_chains(Algorithm::KAWPOW));
    let folder = TempDir::new().unwrap();
    let open = || {
        let (store, events) = store(Some(folder.path()), algorithm, Mode::Full);
        check(&tables(&store, epoch));
        said(&events)
    };
    assert_eq!(open(), (false, vec![]));
    let path = TableFile::path(folder.path(), epoch, Kind::Dataset);
    let good = fs::read(&path).unwrap();
    let (expected, len) = (good.len() as u64, good.len());
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        // Another file, as whoever has the old one mapped keeps it.
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let (found, faults) = open();
        assert!(!found, "made again");
        assert_eq!(fs::read(&path).unwrap(), good, "as it was");
        faults
    };
    assert_eq!(with(&|bytes| bytes.truncate(len - 1)), [Fault::Length { expected, found: expected - 1 }]);
    assert_eq!(with(&Vec::clear), [Fault::Length { expected, found: 0 }]);
    assert_eq!(with(&|bytes| bytes.push(0)), [Fault::Length { expected, found: expected + 1 }]);
    for bit in [4096 * 8, 4096 * 8 + 12_345, (len - 5) * 8] {
        assert_eq!(with(&|bytes| bytes[bit / 8] ^= 1 << (bit % 8)), [Fault::Part(0)]);
    }
    assert_eq!(with(&|bytes| bytes[len - 1] ^= 1), [Fault::Sums]);
    for at in [0, 16, 20, 32, 80] {
        let faults = with(&|bytes| bytes[at] ^= 1);
        assert!(matches!(faults[..], [Fault::Head | Fault::Sums]), "{at} {faults:?}");
    }
    assert_eq!(open(), (true, vec![]));
}

/// A table of several parts, of which the last one is short.
#[test]
fn every_part_is_checked() {
    let (epoch, folder) = (Epoch::new(Algorithm::ETHASH, 0).unwrap(), TempDir::new().unwrap());
    let path = TableFile::path(folder.path(), epoch, Kind::Cache);
    let fill = |first: u32, out: &mut [Node]| {
        for (number, node) in (first..).zip(out) {
            *node = Node([number; 16]);
        }
    };
    let cancel = AtomicBool::new(true);
    let cancelled = TableFile::write(&path, epoch, Kind::Cache, 2, &cancel, fill);
    assert!(matches!(cancelled, Err(Fault::System(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");

    TableFile::write(&path, epoch, Kind::Cache, 2, &AtomicBool::new(false), fill).unwrap();
    let file = TableFile::open(&path, epoch, Kind::Cache, 2).unwrap();
    assert_eq!(file.nodes().len(), epoch.cache_nodes() as usize);
    assert!((0u32..).zip(file.nodes()).all(|(number, node)| *node == Node([number; 16])));
    let other = Epoch::new(Algorithm::KAWPOW, 0).unwrap();
    assert_eq!(TableFile::open(&path, other, Kind::Cache, 2).err(), Some(Fault::Head));
    assert!(TableFile::open(&path, other, Kind::Dataset, 2).is_err());

    let good = fs::read(&path).unwrap();
    for part in [0, 9, 15] {
        let mut bytes = good.clone();
        bytes[4096 + (part << 20) + 77] ^= 0x40;
        let damaged = folder.path().join(format!("damaged {part}"));
        fs::write(&damaged, bytes).unwrap();
        assert_eq!(TableFile::open(&damaged, epoch, Kind::Cache, 2).err(), Some(Fault::Part(part)));
    }
    assert_eq!(
        TableFile::open(&folder.path().join("none"), epoch, Kind::Cache, 1).err(),
        Some(Fault::Missing)
    );
}

const CHILD: &str = "OTEDAMA_TEST_TABLES";

/// What another process does in the test below; nothing in the test run itself.
#[test]
fn another_process() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    for algorithm in [Algorithm::ETHASH, Algorithm::KAWPOW] {
        let (store, _events) = store(Some(Path::new(&folder)), algorithm, Mode::Full);
        check(&tables(&store, test_chains(algorithm)));
    }
}

#[test]
fn processes_that_make_the_same_file_at_once_do_no_harm() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("test-chains-of-ethash.dataset.999999999-3"), "left by a dead one").unwrap();
    let program = std::env::current_exe().unwrap();
    let start = || {
        let mut command = Command::new(&program);
        command.args(["--exact", "another_process"]).env(CHILD, folder.path()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let of = |name: &str| [format!("{name}.dataset"), format!("{name}.dataset.lock")];
    assert_eq!(names, [of("test-chains-of-ethash"), of("test-chains-of-kawpow")].concat());
}

#[test]
fn a_processor_mines_with_the_tables_of_a_store() {
    let (store, _events) = store(None, Algorithm::ETHASH, Mode::Light);
    let mut scanner = store.scanner().unwrap();
    let header = Header::new(&[7; 40]).unwrap();
    let mut work = Work::new(Algorithm::ETHASH, header, Target::MAX);
    work.height = Some(29_999);
    let mut found = Vec::new();
    let scanned = scanner.scan(&work, NonceRange::new(u64::MAX - 1, 5), &Stop::new(), &mut found).unwrap();
    assert_eq!(scanned.hashes, 5);
    let [now, next] = [0, 1].map(|number| Epoch::new(Algorithm::ETHASH, number).unwrap());
    let light = tables(&store, now);
    for (solution, nonce) in found.iter().zip([u64::MAX - 1, u64::MAX, 0, 1, 2]) {
        let input = Input { header_hash: [7; 32], nonce, height: 29_999 };
        assert_eq!((solution.nonce, &solution.proof), (nonce, &Proof::Mix(light.hash(&input).mix)));
    }
    // The next epoch is near, so its tables are made without having been asked for.
    assert_eq!(tables(&store, next).epoch(), next);
    let stop = Stop::new();
    stop.request();
    let later = Epoch::new(Algorithm::ETHASH, 7).unwrap();
    assert!(store.tables(later, &stop).unwrap().is_none());
}
