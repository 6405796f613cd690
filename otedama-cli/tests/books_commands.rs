//! What an operator does with the books: verify, export, back up, restore.

#![cfg(all(feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/running.rs"]
mod running;
#[path = "support/serving.rs"]
mod serving;
mod support;
#[path = "support/v1.rs"]
mod v1;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use otedama_pool::PoolName;
use otedama_pool::journal::Snapshot;
use running::{MINERS, Place, end, pool};
use serde_json::Value;
use support::{Run, ended, otedama, run, run_with_input};

const TABLES: [&str; 5] = ["bookings", "balances", "blocks", "shares", "totals"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn done(run: &Run) -> &str {
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    &run.stdout
}

fn refused(run: &Run, code: i32, parts: &[&str]) {
    assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

/// Rows of an exported table, by column.
fn rows(exported: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(exported.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

fn export(store: &Path, what: &str) -> Vec<HashMap<String, String>> {
    rows(done(&run(&["ledger", "export", "--store", text(store), "--what", what])))
}

fn number(row: &HashMap<String, String>, column: &str) -> u128 {
    row[column].parse().unwrap()
}

/// Checks a line `pool p: ...` of `ledger verify`, and that all adds up; returns its numbers.
fn verified(output: &str) -> Vec<u128> {
    let mut lines = output.lines();
    let line = lines.next().unwrap();
    assert!(line.starts_with("pool p: "), "{output}");
    let numbers: Vec<u128> = line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [shares, rolled, blocks, bookings, accounts, rewards, credits, fees] = numbers[..] else {
        panic!("{line}")
    };
    assert!(shares + rolled > 0 && blocks > 0 && bookings > 0 && accounts > 0, "{line}");
    assert_eq!(credits + fees, rewards, "{line}");
    assert_eq!(lines.collect::<Vec<_>>(), ["clean"], "{output}");
    numbers
}

/// The process that the message says holds the journal must be this one's child, and serve.
fn names_the_holder(message: &str) {
    let number = message.split("in use by process ").nth(1).unwrap_or_else(|| panic!("{message}"));
    let number: u32 = number.split(' ').next().unwrap().parse().unwrap();
    let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap();
    assert!(status.lines().any(|line| line == format!("PPid:\t{}", std::process::id())), "{status}");
    let command = fs::read_to_string(format!("/proc/{number}/cmdline")).unwrap();
    assert!(command.contains("serve"), "{command}");
}

#[test]
fn everything_but_writing_works_while_the_pool_runs() {
    let place = Place::new();
    let pool = place.serve(200);
    let (store, config) = (text(&place.store), text(&place.config));
    for _ in 0..3 {
        verified(done(&run(&["ledger", "verify", "--store", store])));
    }
    verified(done(&run(&["ledger", "verify", "--config", config, "--pool", "p"])));
    verified(done(&run_with_input(&["ledger", "verify", "--config", "-"], &place.text)));
    for what in TABLES {
        for format in ["csv", "json"] {
            done(&run(&["ledger", "export", "--config", config, "--what", what, "--format", format]));
        }
    }
    let status = run(&["migrate", "status", "--config", config]);
    assert_eq!(done(&status), format!("{store}: version 2, nothing to do\n"));

    let copy = place.path("copy.db");
    let backup = run(&["backup", text(&copy), "--config", config]);
    assert!(done(&backup).ends_with("bytes, clean\n"), "{}", backup.stdout);
    let bytes = fs::read(&copy).unwrap();
    let again = run(&["backup", text(&copy), "--config", config]);
    refused(&again, 1, &["copy.db is there already", "another name"]);
    assert_eq!(fs::read(&copy).unwrap(), bytes, "what is there stays");

    for args in [&["migrate", "up", "--store", store][..], &["serve", "--config", config]] {
        let second = run(args);
        refused(&second, 1, &["in use by process"]);
        names_the_holder(&second.stderr);
    }
    refused(&run(&["restore", text(&copy), "--store", store]), 1, &["there is a journal", "away"]);
    end(pool);

    // The backup is of an earlier moment, and complete.
    let numbers = verified(done(&run(&["ledger", "verify", "--store", text(&copy)])));
    let later = verified(done(&run(&["ledger", "verify", "--store", store])));
    assert!(numbers[0] >= 200 && numbers[0] <= later[0] && numbers[2] <= later[2]);
}

#[test]
fn a_backup_comes_back() {
    let place = Place::after_a_run();
    let copy = place.path("copy.db");
    done(&run(&["backup", text(&copy), "--store", text(&place.store)]));
    let before: Vec<_> = TABLES.iter().map(|what| export(&place.store, what)).collect();
    let names = fs::read_dir(copy.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let beside: Vec<_> = names.filter(|name| text(name.as_ref()).starts_with("copy.db")).collect();
    assert_eq!(beside, ["copy.db"], "a backup is one file");

    // Not over the log that a lost journal left behind.
    let log = place.path("old.db-wal");
    fs::write(&log, "old").unwrap();
    let old = place.path("old.db");
    refused(&run(&["restore", text(&copy), "--store", text(&old)]), 1, &["old.db-wal away"]);
    assert!(!old.exists());

    // Into a folder that is not there yet.
    let other = place.path("new/folder/pool.db");
    let restored = run(&["restore", text(&copy), "--store", text(&other)]);
    assert!(done(&restored).ends_with("pools: p\n"), "{}", restored.stdout);
    let after: Vec<_> = TABLES.iter().map(|what| export(&other, what)).collect();
    assert_eq!(after, before);
    refused(&run(&["restore", text(&copy), "--store", text(&other)]), 1, &["there is a journal", "away"]);

    // A pool goes on with it, in a life that the lost journal cannot have had.
    let boots = |rows: &[HashMap<String, String>]| rows.iter().map(|row| number(row, "boot")).max().unwrap();
    let old = boots(&before[3]);
    let config = format!("pools:\n{}", pool("p", &other));
    let mut place = place;
    place.text = config;
    end(place.serve(50));
    verified(done(&run(&["ledger", "verify", "--store", text(&other)])));
    assert!(boots(&export(&other, "shares")) > old + 60_000);
}

#[test]
fn the_exported_books_add_up() {
    let place = Place::after_a_run();
    let store = &place.store;
    let snapshot = Snapshot::open(store).unwrap();
    let pool = PoolName::new("p");

    let mut fold = BTreeMap::<(String, String), i128>::new();
    let bookings = export(store, "bookings");
    for row in &bookings {
        let amount = i128::try_from(number(row, "amount")).unwrap();
        *fold.entry((row["from"].clone(), row["from_address"].clone())).or_default() -= amount;
        *fold.entry((row["to"].clone(), row["to_address"].clone())).or_default() += amount;
        assert_eq!(row["pool"], "p");
    }
    let mut balances = BTreeMap::new();
    for row in export(store, "balances") {
        // What is in the chain's account is what went out of it.
        let sign = if row["account"] == "chain" { -1 } else { 1 };
        let amount = sign * i128::try_from(number(&row, "amount")).unwrap();
        balances.insert((row["account"].clone(), row["address"].clone()), amount);
    }
    fold.retain(|_, amount| *amount != 0);
    balances.retain(|_, amount| *amount != 0);
    assert_eq!(fold, balances);
    let spendable = |miner: &&str| balances.contains_key(&("balance".into(), (**miner).to_owned()));
    assert!(MINERS.iter().any(spendable), "{balances:?}");

    let blocks = export(store, "blocks");
    assert!(blocks.iter().any(|row| row["state"] == "matured"));
    assert!(blocks.iter().all(|row| number(row, "fee") + number(row, "miners") == number(row, "reward")));
    assert!(blocks.iter().all(|row| row["worker"] == "'=rig"), "no formula for a spreadsheet");

    let mut expected = Vec::new();
    let mut visit = |share: &otedama_pool::journal::ShareRecord| {
        expected.push((share.digest.to_string(), share.weight.to_string(), share.account.to_string()));
        ControlFlow::Continue(())
    };
    snapshot.shares(&pool, &mut visit).unwrap();
    let shares = export(store, "shares");
    let found: Vec<_> = shares
        .iter()
        .map(|row| (row["digest"].clone(), row["weight"].clone(), row["address"].clone()))
        .collect();
    assert_eq!(found, expected);
    assert!(expected.len() >= 200);

    // JSON says the same, amounts as texts.
    let json = run(&["ledger", "export", "--store", text(store), "--format", "json"]);
    let lines: Vec<Value> = done(&json).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), bookings.len());
    for (line, row) in lines.iter().zip(&bookings) {
        assert_eq!(line["amount"], row["amount"].as_str());
        assert_eq!(line["time"].as_u64().unwrap().to_string(), row["time"]);
        assert_eq!(line["to_address"].as_str().unwrap_or_default(), row["to_address"]);
    }
    let json = run(&["ledger", "verify", "--store", text(store), "--json"]);
    let lines: Vec<Value> = done(&json).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["type"], &lines[0]["pool"]), (&"pool".into(), &"p".into()));
    assert_eq!(lines[0]["live_shares"], expected.len());
    let reward: u128 = blocks
        .iter()
        .filter(|row| ["confirmed", "matured"].contains(&row["state"].as_str()))
        .map(|row| number(row, "reward"))
        .sum();
    assert_eq!(lines[0]["rewards"], reward.to_string());
    assert_eq!((&lines[1]["type"], &lines[1]["clean"]), (&"result".into(), &true.into()));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let place = Place::after_a_run();
    let args = ["ledger", "export", "--store", text(&place.store), "--what", "shares"];
    let mut child = otedama(&args).spawn().unwrap();
    drop(child.stdout.take());
    let left = ended(child.wait_with_output().unwrap());
    assert_eq!((left.code, left.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_flipped_bit_is_found_and_named() {
    let place = Place::after_a_run();
    let snapshot = Snapshot::open(&place.store).unwrap();
    let mut digest = None;
    let mut first = |share: &otedama_pool::journal::ShareRecord| {
        digest = Some(*share.digest.as_bytes());
        ControlFlow::Break(())
    };
    snapshot.shares(&PoolName::new("p"), &mut first).unwrap();
    drop(snapshot);
    let mut bytes = fs::read(&place.store).unwrap();
    let position = bytes.windows(32).position(|window| window == digest.unwrap()).unwrap();
    bytes[position + 7] ^= 0x10;
    fs::write(&place.store, bytes).unwrap();

    let verify = run(&["ledger", "verify", "--store", text(&place.store)]);
    refused(&verify, 1, &["finding"]);
    let found = verify.stdout.lines().find(|line| line.starts_with("segment ")).unwrap();
    assert!(found.contains("life") && found.contains(": "), "{found}");
    assert!(!verify.stdout.contains("clean"), "{}", verify.stdout);
    let json = run(&["ledger", "verify", "--store", text(&place.store), "--json"]);
    let lines: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let finding = lines.iter().find(|line| line["type"] == "finding").unwrap();
    assert!(finding["record"].as_str().unwrap().starts_with("segment "), "{finding}");
    assert_eq!(lines.last().unwrap()["clean"], false);

    // No backup of it passes for a good one, and none comes back.
    let copy = place.path("copy.db");
    refused(&run(&["backup", text(&copy), "--store", text(&place.store)]), 1, &["finding"]);
    let other = place.path("other.db");
    refused(&run(&["restore", text(&copy), "--store", text(&other)]), 1, &[]);
    assert!(!other.exists());
}

#[test]
fn what_is_no_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    fs::write(
        &file,
        "Dear reader, this is no database at all, but it is long enough to look like one.".repeat(99),
    )
    .unwrap();
    for args in [
        &["ledger", "verify", "--store", text(&file)][..],
        &["ledger", "export", "--store", text(&file)],
        &["migrate", "status", "--store", text(&file)],
        &["migrate", "up", "--store", text(&file)],
        &["backup", "copy.db", "--store", text(&file)],
        &["restore", text(&file), "--store", text(&folder.path().join("new.db"))],
    ] {
        let refused = ended(otedama(args).current_dir(folder.path()).output().unwrap());
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("letter.txt"), "{args:?}: {}", refused.stderr);
    }
    assert!(!folder.path().join("new.db").exists() && !folder.path().join("copy.db").exists());
}

#[test]
fn where_there_is_no_journal_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run_there = |args: &[&str]| ended(otedama(args).current_dir(folder.path()).output().unwrap());
    let config = folder.path().join("pool.yaml");
    fs::write(&config, format!("pools:\n{}", pool("p", &folder.path().join("not/yet.db")))).unwrap();
    for command in [
        &["ledger", "verify"][..],
        &["ledger", "export"],
        &["migrate", "status"],
        &["migrate", "up"],
        &["backup", "copy.db"],
    ] {
        refused(&run_there(command), 2, &["no journal data/otedama.db", "--store PATH or --config FILE"]);
        let there = [command, &["--store", "elsewhere.db"]].concat();
        refused(&run_there(&there), 2, &["no journal elsewhere.db"]);
        let both = [command, &["--store", "elsewhere.db", "--config", "pool.yaml"]].concat();
        refused(&run_there(&both), 2, &["cannot be used with"]);
        let pool = [command, &["--config", text(&config), "--pool", "q"]].concat();
        refused(&run_there(&pool), 2, &["pool.yaml", "no pool q", "it has p"]);
        if command[0] != "migrate" {
            let config = [command, &["--config", text(&config)]].concat();
            refused(&run_there(&config), 2, &["yet.db", "`otedama serve` makes it"]);
        }
    }
    // Where several pools are configured, one that never ran does not keep the others from being migrated.
    let up = run_there(&["migrate", "up", "--config", text(&config)]);
    assert!(done(&up).ends_with("not/yet.db: not there yet, nothing to do\n"), "{}", up.stdout);
    refused(&run_there(&["restore", "copy.db"]), 2, &["no backup copy.db"]);
    assert!(fs::read_dir(folder.path()).unwrap().count() == 1, "nothing was made");
}

#[test]
fn of_several_pools_one_is_picked() {
    let place = Place::after_a_run();
    let other = place.path("q.db");
    fs::copy(&place.store, &other).unwrap();
    let config = format!("pools:\n{}{}", pool("p", &place.store), pool("q", &other));
    fs::write(&place.config, config).unwrap();
    let config = text(&place.config);
    let copy = place.path("copy.db");
    refused(&run(&["backup", text(&copy), "--config", config]), 2, &["2 pools", "--pool NAME"]);
    done(&run(&["backup", text(&copy), "--config", config, "--pool", "p"]));
    let status = run(&["migrate", "status", "--config", config, "--json"]);
    let lines: Vec<Value> = done(&status).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = lines.iter().map(|line| (line["store"].clone(), line["found"].clone())).collect();
    let expected = [&place.store, &other].map(|path| (text(path).into(), 2.into()));
    assert_eq!(found, expected);
    refused(
        &run(&["ledger", "export", "--store", text(&place.store), "--pool", "q"]),
        2,
        &["no pool q", "it has p"],
    );
    // The pool q has not done anything in its journal yet.
    assert!(export_of(config, "q").is_empty() && !export_of(config, "p").is_empty());
}

fn export_of(config: &str, name: &str) -> Vec<HashMap<String, String>> {
    rows(done(&run(&["ledger", "export", "--config", config, "--pool", name, "--what", "shares"])))
}

#[test]
fn help_suffices() {
    for (args, parts) in [
        (
            &["ledger", "verify", "--help"][..],
            &["RECORD: PROBLEM", "--json", "--store", "--config", "--pool"][..],
        ),
        (
            &["ledger", "export", "--help"],
            &["atomic units", "seconds since 1970", "bookings", "totals", "--format"],
        ),
        (&["backup", "--help"], &["while the pool runs", "--store", "data/otedama.db"]),
        (&["restore", "--help"], &["otedama backup", "--store"]),
        (&["migrate", "--help"], &["up", "status"]),
    ] {
        let help = run(args);
        for part in parts {
            assert!(done(&help).contains(part), "{args:?}: {part}: {}", help.stdout);
        }
    }
}
