//! Rules for packages and for the files around them.

use crate::tree;
use crate::{CRATES, assert_none};

/// The value of `key = "value"` in a manifest.
fn value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    let line = manifest.lines().find(|line| line.split('=').next().map(str::trim) == Some(key))?;
    Some(line.split_once('=')?.1.trim().trim_matches('"'))
}

/// The lines of a `clippy.toml` that are settings, in order.
fn settings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with(['#', ' ', ']']) && !line.is_empty()).collect()
}

#[test]
fn the_files_of_the_house_are_there() {
    for path in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "deny.toml", "rustfmt.toml"]
    {
        assert!(tree::read(path).lines().count() > 2, "{path} says something");
    }
    let readme = tree::read("README.md");
    assert!(readme.contains("make demo") && readme.contains("make test"), "README.md says how to begin");
    assert!(tree::read(".ci/run").contains("make test"), "CI runs what a contributor runs");
    let version = value(&tree::read("Cargo.toml"), "version").map(str::to_owned).unwrap();
    let changelog = tree::read("CHANGELOG.md");
    assert!(changelog.contains(&format!("## [{version}]")), "CHANGELOG.md has a section {version}");
}

#[test]
fn every_crate_is_fit_to_be_published() {
    let mut complaints = Vec::new();
    for name in CRATES {
        let manifest = tree::read(&format!("{name}/Cargo.toml"));
        let readme = tree::read(&format!("{name}/README.md"));
        let root = tree::read(&format!("{name}/src/lib.rs"));
        let described = value(&manifest, "description").is_some_and(|text| text.len() > 30);
        let keywords = value(&manifest, "keywords").map_or(0, |list| list.split(',').count());
        for (holds, rule) in [
            (described, "has no description"),
            ((1..=5).contains(&keywords), "has no keywords, or more than five"),
            (manifest.contains("[lints]\nworkspace = true"), "does not keep the lints of the workspace"),
            (manifest.contains("rust-version.workspace = true"), "does not declare the oldest compiler"),
            (
                root.starts_with("#![doc = include_str!(\"../README.md\")]"),
                "does not show its README as crate doc",
            ),
            (readme.starts_with(&format!("# {name}\n")), "has a README with another title"),
        ] {
            if !holds {
                complaints.push(format!("{name} {rule}"));
            }
        }
    }
    assert_none("every crate is fit to be published", &complaints);
}

#[test]
fn unsafe_code_is_forbidden_where_nothing_needs_it() {
    for name in ["core", "stratum", "pool", "cli"] {
        let text = tree::read(&format!("otedama-{name}/src/lib.rs"));
        assert!(
            text.lines().any(|line| line == "#![forbid(unsafe_code)]"),
            "otedama-{name} forbids unsafe code"
        );
    }
}

#[test]
fn pure_crates_ban_the_clock_and_keep_the_shared_keys() {
    let shared = tree::read("clippy.toml");
    for name in ["core", "hash", "stratum"] {
        let text = tree::read(&format!("otedama-{name}/clippy.toml"));
        for key in settings(&shared) {
            assert!(text.contains(key), "otedama-{name}/clippy.toml repeats {key}");
        }
        for banned in ["Instant::now", "SystemTime::now", "thread::sleep", "env::var"] {
            assert!(text.contains(&format!("::{banned}\"")), "otedama-{name}/clippy.toml bans {banned}");
        }
    }
}
