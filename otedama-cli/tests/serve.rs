//! A pool of a configuration, from its listeners to its books.

#![cfg(all(feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/serving.rs"]
mod serving;
mod support;

use std::net::{TcpListener, TcpStream};
use std::path::Path;

use books::Books;
use serde_json::Value;
use serving::Process;
use support::{run, run_with_input};

const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const MINER: &str = "bcrt1qljqxjts7q2x48stgh8yp6cszlv7wqdqt9z799w";

/// An easy chain, so that every few shares are a block.
fn config(folder: &Path, more: &str) -> String {
    let store = folder.join("new/folder/pool.db");
    format!(
        "algorithm: sha256d\n\
         nodes: [{{ kind: devnet, nbits: \"1f00ffff\" }}]\n\
         pool: {{ name: p, address: {POOL}, fee_percent: \"2.5\" }}\n\
         stratum: {{ listen: [\"127.0.0.1:0\", \"[::1]:0\"], vardiff: {{ start: 0.000001 }} }}\n\
         store: {{ path: {} }}\n{more}",
        store.display()
    )
}

#[test]
fn it_says_where_it_listens_and_ends_with_a_summary() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let pool = Process::serve(&config(folder.path(), ""), 2);
        for address in pool.addresses() {
            assert!(!address.ends_with(":0"), "{address}");
            TcpStream::connect(address).unwrap();
        }
        pool.signal(signal);
        let pool = pool.ended();
        assert_eq!(pool.code, Some(130), "{}", pool.stderr);
        let last = pool.stdout.lines().last().unwrap();
        assert!(last.starts_with("pool p: 0 shares, 0 rejected, 0 blocks in "), "{last}");
    }
}

#[test]
fn what_miners_saw_accepted_is_in_the_books() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let store = folder.path().join("new/folder/pool.db");
    let mut accepted = 0;
    for life in 1..=2 {
        let pool = Process::serve(&config, 2);
        let user = format!("{MINER}.rig{life}");
        let url = &pool.addresses()[0];
        let args = ["mine", "--url", url, "--user", &user, "--threads", "1", "--time", "3", "--json"];
        let mine = run(&args);
        assert_eq!(mine.code, Some(0), "{}", mine.stderr);
        let line: Value = serde_json::from_str(&mine.stdout).unwrap();
        accepted += line["accepted"].as_u64().unwrap();
        pool.wait_for_log("state=Confirmed", 1);
        pool.signal("TERM");
        assert_eq!(pool.ended().code, Some(130));
        let books = Books::read(&store, "p");
        // The miner may have left before the last answers came.
        assert!(books.shares.len() as u64 >= accepted && accepted > 0);
        assert!(books.digests().values().all(|count| *count == 1));
        assert!(books.shares.iter().all(|share| share.account.as_str() == MINER));
        assert!(books.shares.iter().any(|share| *share.worker == format!("rig{life}")));
        let (credits, fees, rewards) = books.sums();
        assert!(!books.confirmed().is_empty() && credits > 0);
        assert_eq!(fees, books.confirmed().len() as u128 * 125_000_000);
        assert_eq!(rewards, books.confirmed().len() as u128 * 5_000_000_000);
    }
}

#[test]
fn a_node_that_does_not_answer_delays_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // It accepts connections and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "coin: bitcoin\n\
         nodes: [{{ kind: bitcoind, url: \"http://{}\" }}, {{ kind: bitcoind, url: \"http://127.0.0.1:1\" }}]\n\
         pool: {{ address: {POOL} }}\n\
         stratum: {{ listen: [\"127.0.0.1:0\"] }}\n\
         store: {{ path: {} }}\n",
        mute.local_addr().unwrap(),
        folder.path().join("pool.db").display()
    );
    let pool = Process::serve(&config, 1);
    pool.wait_for_log("unreachable", 1);
    TcpStream::connect(&pool.addresses()[0]).unwrap();
    pool.signal("TERM");
    assert_eq!(pool.ended().code, Some(130));
}

#[test]
fn pools_of_one_process_keep_to_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str, algorithm: &str| {
        let store = folder.path().join(format!("{name}.db"));
        format!(
            "  - algorithm: {algorithm}\n    nodes: [{{ kind: devnet }}]\n    pool: {{ name: {name}, address: {POOL} }}\n    \
             stratum: {{ listen: [\"127.0.0.1:0\"] }}\n    store: {{ path: {} }}\n",
            store.display()
        )
    };
    let config = format!("pools:\n{}{}", one("a", "sha256d"), one("b", "scrypt"));
    let pool = Process::serve(&config, 2);
    pool.signal("TERM");
    let pool = pool.ended();
    assert_eq!(pool.code, Some(130), "{}", pool.stderr);
    for name in ["a", "b"] {
        assert!(pool.stdout.contains(&format!("pool {name}: ")), "{}", pool.stdout);
        assert!(Books::read(&folder.path().join(format!("{name}.db")), name).shares.is_empty());
    }
}

/// The test chain, the pool and the miner agree on RandomX over Bitcoin's header.
#[cfg(feature = "randomx")]
#[test]
fn randomx_is_mined_on_a_test_chain() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "")
        .replace("sha256d", "randomx")
        .replace("1f00ffff", "203fffff")
        .replace("start: 0.000001", "start: 2");
    let pool = Process::serve(&config, 2);
    let url = format!("stratum+tcp://{}", pool.addresses()[0]);
    let user = format!("{MINER}.rig");
    let mine = ["mine", "--url", &url, "--user", &user, "--algorithm", "randomx", "--threads", "1", "--json"];
    let miner = Process::start(&mine);
    pool.wait_for_log("state=Confirmed", 1);
    miner.signal("INT");
    let miner = miner.ended();
    assert_eq!(miner.code, Some(130), "{}", miner.stderr);
    let line: Value = serde_json::from_str(&miner.stdout).unwrap();
    assert!(line["accepted"].as_u64().unwrap() > 0, "{line} {}", miner.stderr);
    assert_eq!(line["rejected"].as_u64(), Some(0), "{}", miner.stderr);
    pool.signal("TERM");
    let pool = pool.ended();
    assert_eq!(pool.code, Some(130), "{}", pool.stderr);
    let books = Books::read(&folder.path().join("new/folder/pool.db"), "p");
    assert!(!books.shares.is_empty() && !books.confirmed().is_empty(), "{}", pool.stderr);
}

/// `mine` on the address that `serve` prints, and not with another key.
#[cfg(feature = "noise")]
#[test]
fn stratum_v2_is_mined_with_the_key_that_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Process::serve(&config(folder.path(), ""), 2);
    let url = pool.output_with("stratum2 ", 2).remove(0).split_off("stratum2 ".len());
    assert_eq!(url.split('/').nth(2), Some(pool.addresses()[0].as_str()), "{url}");
    let user = format!("{MINER}.rig");
    let foreign = run(&["keys", "generate"]).stdout;
    let foreign = foreign.lines().find_map(|line| line.strip_prefix("public ")).unwrap();
    let stranger = format!("stratum2+tcp://{}/{foreign}", pool.addresses()[0]);
    let mine = ["mine", "--url", &stranger, "--url", &url, "--user", &user, "--threads", "1", "--json"];
    let miner = Process::start(&mine);
    pool.wait_for_log("state=Confirmed", 1);
    miner.signal("INT");
    let miner = miner.ended();
    assert_eq!(miner.code, Some(130), "{}", miner.stderr);
    let line: Value = serde_json::from_str(&miner.stdout).unwrap();
    assert!(line["accepted"].as_u64().unwrap() > 0, "{line} {}", miner.stderr);
    assert_eq!(line["rejected"].as_u64(), Some(0), "{}", miner.stderr);
    let refused = format!("not connected to {stranger}: the server's certificate is not of the authority");
    assert!(miner.stderr.contains(&refused), "{}", miner.stderr);
    pool.signal("TERM");
    let pool = pool.ended();
    let books = Books::read(&folder.path().join("new/folder/pool.db"), "p");
    assert!(!books.shares.is_empty() && !books.confirmed().is_empty(), "{}", pool.stderr);
}

#[test]
fn what_is_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::serve(&config(folder.path(), ""), 2);
    let second = run_with_input(&["serve", "--config", "-"], &config(folder.path(), ""));
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""), "{}", second.stderr);
    let holder = format!("is in use by process {} (otedama) since ", first.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);

    let other = tempfile::tempdir().unwrap();
    let taken = config(other.path(), "").replace("127.0.0.1:0", &first.addresses()[0]);
    let second = run_with_input(&["serve", "--config", "-"], &taken);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(second.stderr.contains("cannot listen on"), "{}", second.stderr);
}

#[test]
fn a_configuration_without_a_pool_is_refused() {
    let serve = run_with_input(&["serve", "--config", "-"], "mine: { user: a }");
    assert_eq!(serve.code, Some(2));
    assert!(serve.stderr.contains("configures no pool"), "{}", serve.stderr);
    assert_eq!(run(&["serve"]).code, Some(2));
}

#[test]
fn logs_may_be_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pool.yaml");
    std::fs::write(&file, config(folder.path(), "")).unwrap();
    let args = ["serve", "--config", file.to_str().unwrap(), "--log-format", "json", "--log-level", "debug"];
    let pool = Process::start(&args);
    pool.wait_for_log("new block to mine", 1);
    pool.signal("TERM");
    let pool = pool.ended();
    let lines: Vec<&str> = pool.stderr.lines().filter(|line| !line.starts_with("otedama: ")).collect();
    for line in &lines {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
    }
    let job = lines.iter().find(|line| line.contains("new block to mine")).unwrap();
    let job: Value = serde_json::from_str(job).unwrap();
    assert_eq!((&job["pool"], &job["height"]), (&"p".into(), &1.into()));
}
