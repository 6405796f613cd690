//! The demonstration, from the command line to the books.

#![cfg(all(feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/serving.rs"]
mod serving;
mod support;

use books::Books;
use serde_json::Value;
use serving::Process;
use support::{Run, run};

/// The last line of standard output: integers, of which the money adds up.
fn summary(run: &Run) -> [u64; 7] {
    let line: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(line.as_object().unwrap().len(), 7, "{line}");
    let keys = ["blocks", "shares", "rejected", "hashrate", "credited", "fee", "rewards"];
    let [blocks, shares, rejected, hash_rate, credited, fee, rewards] =
        keys.map(|key| line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}")));
    assert_eq!(credited + fee, rewards, "{line}");
    assert_eq!(rewards, blocks * 5_000_000_000, "{line}");
    assert_eq!(fee, blocks * 50_000_000, "{line}");
    assert!(shares >= blocks && hash_rate > 0, "{line}");
    [blocks, shares, rejected, hash_rate, credited, fee, rewards]
}

fn three_blocks(algorithm: &str) {
    let demo = run(&["demo", "--algorithm", algorithm, "--blocks", "3", "--timeout", "120"]);
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    assert!(summary(&demo)[0] >= 3, "{}", demo.stdout);
    assert!(demo.stderr.contains("block found"), "{}", demo.stderr);
}

#[test]
fn three_blocks_of_sha256d() {
    three_blocks("sha256d");
}

#[test]
fn three_blocks_of_scrypt() {
    three_blocks("scrypt");
}

#[test]
fn time_may_run_out() {
    let demo = run(&["demo", "--blocks", "100000", "--timeout", "3"]);
    assert_eq!(demo.code, Some(3), "{}", demo.stderr);
    summary(&demo);
    let demo = run(&["demo", "--timeout", "1"]);
    assert_eq!(demo.code, Some(0), "without --blocks nothing is missing: {}", demo.stderr);
}

#[test]
fn it_ends_cleanly_when_interrupted() {
    let demo = Process::start(&["demo", "--log-level", "debug"]);
    demo.wait_for_log("share accepted", 1);
    demo.signal("INT");
    let demo = demo.ended();
    assert_eq!(demo.code, Some(130), "{}", demo.stderr);
    summary(&demo);
}

#[test]
fn a_folder_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let again = || run(&["demo", "--data", data.to_str().unwrap(), "--blocks", "1", "--timeout", "120"]);
    let runs = [again(), again()];
    let [one, two] = runs.each_ref().map(|run| {
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        summary(run)
    });
    let books = Books::read(&data.join("otedama.db"), "demo");
    assert_eq!(books.confirmed().len() as u64, one[0] + two[0], "each run tells its own blocks");
    assert_eq!(books.shares.len() as u64, one[1] + two[1]);
    assert_eq!(books.sums().2, u128::from(one[6] + two[6]));
    let heights = books.blocks.iter().map(|block| block.candidate.height);
    assert!(heights.eq(1..=books.blocks.last().unwrap().candidate.height), "one chain");

    let other = run(&["demo", "--data", data.to_str().unwrap(), "--algorithm", "scrypt"]);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("has a demo of sha256d"), "{}", other.stderr);
}
