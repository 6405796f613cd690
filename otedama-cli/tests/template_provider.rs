//! Templates of one process for the pool of another, over Noise.

#![cfg(all(feature = "server", feature = "sqlite", feature = "noise"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/serving.rs"]
mod serving;
mod support;

use std::path::Path;

use books::Books;
use serving::Process;
use support::{otedama, run, run_with_input};

const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const MINER: &str = "bcrt1qljqxjts7q2x48stgh8yp6cszlv7wqdqt9z799w";

/// A chain in the process, and nothing of a pool.
fn provider(folder: &Path) -> String {
    format!(
        "algorithm: sha256d\n\
         nodes: [{{ kind: devnet, nbits: \"1e0fffff\" }}]\n\
         template_provider: {{ listen: [\"127.0.0.1:0\", \"[::1]:0\"] }}\n\
         store: {{ path: {} }}\n",
        folder.join("theirs").join("templates.db").display()
    )
}

/// A pool whose templates come from there.
fn pool(folder: &Path, url: &str) -> String {
    format!(
        "coin: bitcoin\n\
         nodes: [{{ kind: sv2-template, url: \"{url}\", chain: regtest }}]\n\
         pool: {{ name: p, address: {POOL}, fee_percent: \"2.5\" }}\n\
         stratum: {{ listen: [\"127.0.0.1:0\"], vardiff: {{ start: 0.001 }} }}\n\
         store: {{ path: {} }}\n",
        folder.join("pool.db").display()
    )
}

#[test]
fn a_pool_mines_on_the_templates_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let command = otedama(&["template-provider", "--config", "-"]);
    let provider = Process::serve_after(command, &provider(folder.path()), 0);
    let urls = provider.output_with("template-provider stratum2+tcp://", 2);
    let listening = provider.output_with("listening template-provider ", 2);
    for (url, listening) in urls.iter().zip(&listening) {
        let address = listening.strip_prefix("listening template-provider ").unwrap();
        assert!(url.starts_with(&format!("template-provider stratum2+tcp://{address}/")), "{url}");
        assert!(!address.ends_with(":0"), "{address}");
    }
    let url = urls[0].strip_prefix("template-provider ").unwrap();
    let pool = Process::serve(&pool(folder.path(), url), 1);
    pool.wait_for_log("no node of this pool can tell", 1);
    let (stratum, user) = (&pool.addresses()[0], format!("{MINER}.rig"));
    let mine = run(&["mine", "--url", stratum, "--user", &user, "--threads", "1", "--time", "5", "--json"]);
    assert_eq!(mine.code, Some(0), "{}", mine.stderr);
    pool.wait_for_log("state=Confirmed", 1);
    provider.wait_for_log("block handed in", 1);
    pool.signal("TERM");
    assert_eq!(pool.ended().code, Some(130));
    provider.wait_for_log("a client has left", 1);
    provider.signal("TERM");
    assert_eq!(provider.ended().code, Some(130));
    let books = Books::read(&folder.path().join("pool.db"), "p");
    assert!(!books.shares.is_empty() && !books.confirmed().is_empty());
}

#[test]
fn the_key_stays_the_same_and_flags_win() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let command = otedama(&["template-provider", "--config", "-", "--listen", "127.0.0.1:0"]);
        let provider = Process::serve_after(command, &provider(folder.path()), 0);
        let line = provider.output_with("template-provider stratum2+tcp://", 1).remove(0);
        keys.push(line.rsplit_once('/').unwrap().1.to_owned());
        provider.signal("INT");
        let provider = provider.ended();
        assert_eq!((provider.code, provider.stdout.lines().count()), (Some(130), 2), "{}", provider.stderr);
    }
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn what_is_no_provider_is_a_wrong_configuration() {
    for (config, why) in [
        ("mine: { threads: 1 }", "must have one set of nodes"),
        ("template_provider: { listne: [] }", "listne: unknown key; the nearest known one is `listen`"),
        ("coin: bitcoin\nnodes: []\ntemplate_provider: {}", "a pool needs at least one node"),
        (
            "coin: bitcoin\nnodes: [{ kind: sv2-template, url: \"stratum2+tcp://h:1/abc\" }]\ntemplate_provider: {}",
            "does not do: the key in the provider's URL is wrong",
        ),
        (
            "coin: bitcoin\nnodes: [{ kind: sv2-template, url: \"http://h:1\" }]\ntemplate_provider: {}",
            "does not do: a provider's URL is stratum2+tcp://HOST:PORT/KEY",
        ),
        (
            "coin: bitcoin\nnodes: [{ kind: sv2-template, url: \"stratum2+tcp://h:1\", chain: mian }]\ntemplate_provider: {}",
            "is no known chain; known: main, test",
        ),
    ] {
        let refused = run_with_input(&["template-provider", "--config", "-"], config);
        assert_eq!(refused.code, Some(2), "{config}: {}", refused.stderr);
        assert!(refused.stderr.contains(why), "{config}: {}", refused.stderr);
    }
}

#[test]
fn a_provider_alone_is_a_valid_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let valid = run_with_input(&["config", "validate", "-"], &provider(folder.path()));
    assert_eq!(valid.code, Some(0), "{}", valid.stderr);
    assert!(valid.stdout.starts_with("valid: template provider on "), "{}", valid.stdout);
    let served = run_with_input(&["serve", "--config", "-"], &provider(folder.path()));
    assert_eq!(served.code, Some(2));
    assert!(served.stderr.contains("configures no pool"), "{}", served.stderr);
}
