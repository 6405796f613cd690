//! The miner against a pool that judges for itself.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used)]

#[path = "support/pool.rs"]
mod pool;
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use otedama_core::Algorithm;
use pool::TinyPool;
use serde_json::Value;
use support::{ended, otedama, run, run_with_input};

#[test]
fn it_mines_for_a_time_and_sums_up() {
    let pool = TinyPool::start(Algorithm::SHA256D, 1 << 18);
    let url = format!("stratum+tcp://{}", pool.address);
    let mine =
        run(&["mine", "--url", &url, "--user", "someone.rig", "--threads", "1", "--time", "4", "--json"]);
    assert_eq!(mine.code, Some(0), "{}", mine.stderr);
    let line: Value = serde_json::from_str(&mine.stdout).unwrap();
    let number = |key: &str| line[key].as_u64().unwrap();
    assert!(number("accepted") > 0 && number("accepted") <= pool.accepted(), "{line}");
    assert!(number("rejected") > 0 && number("rejected") <= pool.rejected(), "{line}");
    assert!(number("hashes") > 1 << 18 && line["rate"].as_f64().unwrap() > 0.0, "{line}");
    assert!((4.0..20.0).contains(&line["seconds"].as_f64().unwrap()), "{line}");
    assert_eq!(pool.users(), ["someone.rig"]);
    for part in ["connected to", "rejected: "] {
        assert!(mine.stderr.contains(part), "{part}: {}", mine.stderr);
    }
}

#[test]
fn it_goes_to_the_next_pool_if_one_is_dead() {
    let pool = TinyPool::start(Algorithm::SCRYPT, 64);
    let live = pool.address.to_string();
    // Nobody listens on a port that was just given back.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = format!(
        "mine: {{ urls: [\"{dead}\", \"{live}\"], user: a.b, algorithm: scrypt, threads: 1, time: 3 }}"
    );
    let mine = run_with_input(&["mine", "--config", "-"], &config);
    assert_eq!(mine.code, Some(0), "{}", mine.stderr);
    assert!(pool.accepted() > 0);
    assert!(mine.stdout.ends_with(" s\n") && mine.stdout.contains(" accepted, "), "{}", mine.stdout);
    assert!(mine.stderr.contains("not connected to"), "{}", mine.stderr);
}

#[test]
fn flags_win_over_the_configuration() {
    let pool = TinyPool::start(Algorithm::SHA256D, 1 << 18);
    let config = "mine: { urls: [\"127.0.0.1:1\"], user: a.b, time: 1000 }";
    let url = pool.address.to_string();
    let flags = ["--url", &url, "--user", "c.d", "--time", "2", "--threads", "1"];
    let mine = run_with_input(&[&["mine", "--config", "-"], &flags[..]].concat(), config);
    assert_eq!((mine.code, pool.users()), (Some(0), vec!["c.d".to_owned()]), "{}", mine.stderr);
}

#[test]
fn an_interrupt_ends_it_with_a_summary() {
    let pool = TinyPool::start(Algorithm::SHA256D, 1 << 18);
    let url = pool.address.to_string();
    let args = ["mine", "--url", &url, "--user", "a.b", "--threads", "1"];
    let mut child = otedama(&args).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(stderr.any(|line| line.unwrap().contains("connected to")));
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let begin = Instant::now();
    let rest: Vec<_> = stderr.map(Result::unwrap).collect();
    let mine = ended(child.wait_with_output().unwrap());
    assert_eq!(mine.code, Some(130), "{rest:?}");
    assert!(mine.stdout.contains(" accepted, "), "{}", mine.stdout);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn threads_run_where_and_how_they_are_told_to() {
    let pool = TinyPool::start(Algorithm::SHA256D, 1 << 18);
    let url = pool.address.to_string();
    let config = "mine: { affinity: [100000], priority: high, time: 1000 }";
    let flags = [
        "--url",
        &url,
        "--user",
        "a.b",
        "--affinity",
        "auto",
        "--priority",
        "idle",
        "--threads",
        "1",
        "--json",
    ];
    let args = [&["mine", "--config", "-"], &flags[..]].concat();
    let refused = run_with_input(&args, config);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let wrong = "`100000` is not a whole number from 0 to 65535";
    assert!(refused.stderr.contains(wrong), "a wrong file is refused, flags or not: {}", refused.stderr);

    let mine = run_with_input(&[&args[..], &["--time", "3"]].concat(), &config.replace("100000", "7"));
    // Threads that yield to everything may find nothing on a busy machine.
    assert_eq!(mine.code, Some(0), "flags win: {}", mine.stderr);
    let line: Value = serde_json::from_str(&mine.stdout).unwrap();
    assert!(!cfg!(target_os = "linux") || line["peak_memory"].as_u64() > Some(1 << 20), "{line}");
    assert!(mine.stderr.contains("kernel sha256d/"), "{}", mine.stderr);
}

#[test]
fn it_says_what_it_works_in() {
    let pool = TinyPool::start(Algorithm::SCRYPT, 64);
    let url = pool.address.to_string();
    let flags = ["--user", "a.b", "--algorithm", "scrypt", "--threads", "1", "--time", "3"];
    let mine = run(&[&["mine", "--url", &url], &flags[..]].concat());
    assert_eq!(mine.code, Some(0), "{}", mine.stderr);
    for part in ["kernel scrypt/", "scrypt works in ", " on 1 thread: ", " pages, peak memory so far "] {
        assert!(mine.stderr.contains(part), "{part}: {}", mine.stderr);
    }
}

#[test]
fn what_cannot_work_is_refused() {
    for (args, code, part) in [
        (
            &["mine", "--url", "127.0.0.1:1", "--user", "a", "--affinity", "0,x"][..],
            2,
            "neither auto nor a list",
        ),
        (&["mine", "--url", "127.0.0.1:1", "--user", "a", "--affinity", "65000"], 2, "no logical CPU 65000"),
        (
            &["mine", "--url", "127.0.0.1:1", "--user", "a", "--priority", "urgent"],
            2,
            "idle, low, normal, high",
        ),
        (&["mine"], 2, "say --url"),
        (&["mine", "--url", "127.0.0.1:1"], 2, "say --user"),
        (&["mine", "--url", "stratum+ssl://a:1", "--user", "a"], 2, "not supported"),
        (&["mine", "--url", "nowhere", "--user", "a"], 2, "stratum+tcp://host:port"),
        (&["mine", "--url", "127.0.0.1:1", "--user", "a", "--time", "1"], 1, "no pool gave anything to do"),
    ] {
        let mine = run(args);
        assert_eq!(mine.code, Some(code), "{args:?}: {}", mine.stderr);
        assert!(mine.stderr.contains(part), "{part}: {}", mine.stderr);
    }
}

#[test]
fn a_refused_login_ends_it() {
    let pool = TinyPool::start(Algorithm::SHA256D, 1 << 18);
    let mine = run(&["mine", "--url", &pool.address.to_string(), "--user", "nobody", "--time", "60"]);
    assert_eq!(mine.code, Some(1), "{}", mine.stderr);
    assert!(mine.stderr.contains("login refused"), "{}", mine.stderr);
}
