//! Rules for Rust sources.

use crate::assert_none;
use crate::tree::{self, File};

/// Lines that a file may have, its tests apart.
const LONGEST: usize = 600;
/// Lines that three files in four keep to.
const USUAL: usize = 300;

/// The parts of the pool that are not pure: they own sockets, threads, clocks and files.
const SHELLS: [&str; 7] =
    ["node/bitcoind", "node/devnet", "node/sv2", "node/waiting", "journal/sqlite", "provider", "server"];

/// What no pure module may touch: clocks, threads, sockets (an address is a value), files, environment, a runtime.
const IMPURE: [&str; 13] = [
    "Instant::now",
    "SystemTime",
    "std::thread",
    "thread::",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::fs",
    "std::env",
    "std::process",
    "tokio",
    "ureq",
];

/// The text before the tests at the end of a file.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod tests {").map_or(text, |end| &text[..end])
}

fn lines(file: &File) -> usize {
    without_tests(&file.text).lines().count()
}

/// Whether a file begins by saying what it is for.
fn is_introduced(text: &str) -> bool {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .is_some_and(|line| line.starts_with("//!") || line.starts_with("#![doc = include_str!("))
}

/// The lines that use what a pure module may not; comments and tests may speak of it.
fn impurities(text: &str) -> Vec<(usize, &str)> {
    let code = without_tests(text).lines().enumerate();
    code.filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| IMPURE.iter().any(|word| line.contains(word)))
        .map(|(index, line)| (index + 1, line.trim()))
        .collect()
}

#[test]
fn no_file_is_long_and_three_in_four_are_short() {
    let files = tree::sources();
    let long: Vec<_> = files
        .iter()
        .filter(|file| lines(file) > LONGEST)
        .map(|file| format!("{} has {} lines", file.path, lines(file)))
        .collect();
    assert_none("no source has more than 600 lines without its tests", &long);
    let short = files.iter().filter(|file| lines(file) <= USUAL).count();
    assert!(short * 4 >= files.len() * 3, "only {short} of {} sources have at most 300 lines", files.len());
}

#[test]
fn every_file_says_what_it_is_for() {
    let mute: Vec<_> =
        tree::files(&[".rs"]).into_iter().filter(|f| !is_introduced(&f.text)).map(|f| f.path).collect();
    assert_none("every Rust file begins with a module doc", &mute);
}

#[test]
fn pure_modules_of_the_pool_touch_nothing_outside() {
    let inside = |file: &File| file.path.strip_prefix("otedama-pool/src/").map(str::to_owned);
    let mut complaints = Vec::new();
    let mut pure = 0;
    for file in tree::sources() {
        let Some(name) = inside(&file) else { continue };
        if SHELLS.iter().any(|shell| name.starts_with(shell)) {
            continue;
        }
        pure += 1;
        for (line, code) in impurities(&file.text) {
            complaints.push(format!("{}:{line}: {code}", file.path));
        }
    }
    assert!(pure > 5, "the pure modules are found");
    assert_none("clocks, threads, sockets, files and the environment belong into the shells", &complaints);
}

#[test]
fn the_first_programs_of_an_embedder_stay_short() {
    for name in ["cpu_miner", "v2_miner", "pool", "verify_share", "frame_inspector"] {
        let lines = tree::read(&format!("examples/src/bin/{name}.rs")).lines().count();
        assert!(lines <= 25, "{name} has {lines} lines, and 25 are enough");
    }
}

#[test]
fn nothing_is_left_open() {
    // Spelled in two halves so that this file does not complain of itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("#[ig", "nore]")];
    let mut complaints = Vec::new();
    for file in tree::files(&[".rs", ".md", ".toml"]) {
        for (index, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                complaints.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    assert_none(
        "what is not done is absent, not announced, and no test is switched off without a reason",
        &complaints,
    );
}

#[test]
fn the_rules_see_what_they_are_for() {
    let text = "//! Doc.\n\nfn a() { let now = Instant::now(); }\n// tokio\n#[cfg(test)]\nmod tests {\n    use tokio;\n}\n";
    assert_eq!(impurities(text), [(3, "fn a() { let now = Instant::now(); }")]);
    assert_eq!(without_tests(text).lines().count(), 4);
    assert!(is_introduced("\n//! Doc.\n") && !is_introduced("// No doc.\n") && !is_introduced(""));
}
