//! Rules for documents: links lead somewhere, what is named exists, vectors have sources.

use crate::tree::{self, File};
use crate::{CRATES, assert_none};

/// The targets of the inline links of a Markdown text, code blocks apart.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let ends = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links.extend(ends.map(str::to_owned));
    }
    links
}

/// The anchors that GitHub gives to the headings of a text.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

/// Whether rustdoc, not the file system, resolves the link: an item, a method, a module.
fn is_item(link: &str) -> bool {
    let name = link.trim_end_matches("()").trim_end_matches('!');
    let item = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_:@".contains(c));
    item && !name.contains('.')
}

/// What is wrong with a link in this file, if anything.
fn broken(file: &File, link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let crate_readme = CRATES.contains(&folder) && name == "README.md";
    if crate_readme && is_item(link) {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    if crate_readme && !path.is_empty() {
        return Some("leads out of the published crate: give an address".to_owned());
    }
    let target = if path.is_empty() { file.path.clone() } else { format!("{folder}/{path}") };
    let target = target.trim_start_matches('/');
    if !tree::root().join(target).exists() {
        return Some("leads nowhere".to_owned());
    }
    let known = anchor.is_empty() || anchors(&tree::read(target)).iter().any(|known| known == anchor);
    (!known).then(|| "names no heading".to_owned())
}

/// Paths of the workspace that a text names in backquotes: they have a slash and end like a file or a folder.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|name| {
        let first = name.split('/').next().unwrap_or_default();
        let ours = CRATES.contains(&first) || ["examples", "benches", "fuzz", ".ci", "docs"].contains(&first);
        ours && name.contains('/') && !name.contains(['*', '<', ' ', '{'])
    })
}

#[test]
fn links_lead_somewhere() {
    let mut complaints = Vec::new();
    for file in tree::files(&[".md"]) {
        for link in links(&file.text) {
            if let Some(why) = broken(&file, &link) {
                complaints.push(format!("{}: {link} {why}", file.path));
            }
        }
    }
    assert_none("every link of a document leads somewhere", &complaints);
}

#[test]
fn documents_name_what_exists() {
    let mut complaints = Vec::new();
    for file in tree::files(&[".md"]) {
        for path in named_paths(&file.text) {
            if !tree::root().join(path).exists() {
                complaints.push(format!("{} names {path}", file.path));
            }
        }
    }
    assert_none("a file or folder that a document names exists", &complaints);
}

#[test]
fn vectors_say_where_they_come_from() {
    let mut complaints = Vec::new();
    for file in tree::files(&[".json"]) {
        if !file.path.split('/').any(|folder| folder == "vectors") {
            continue;
        }
        let value: serde_json::Value = serde_json::from_str(&file.text).unwrap();
        let stated = ["source", "sources"].iter().any(|key| match &value[key] {
            serde_json::Value::String(text) => !text.is_empty(),
            serde_json::Value::Array(list) => !list.is_empty(),
            _ => false,
        });
        if !stated {
            complaints.push(file.path);
        }
    }
    assert_none("every file of vectors names its source", &complaints);
}

#[test]
fn nothing_speaks_of_the_machine_it_was_written_on() {
    let words =
        [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("C:", "\\Users")];
    let mut complaints = Vec::new();
    for file in tree::files(&[]) {
        for (index, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                complaints.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    assert_none("no path of anybody's machine", &complaints);
}

#[test]
fn the_rules_see_what_they_are_for() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(links("[a](b.md) and [c](#d)\n```\n[e](f)\n```\n"), ["b.md", "#d"]);
    assert_eq!(anchors("# One Two\n## `a/b`, c\n"), ["one-two", "ab-c"]);
    assert!(broken(&file("README.md", ""), "no-such-file.md").is_some());
    assert!(broken(&file("README.md", ""), "CHANGELOG.md#no-such-heading").is_some());
    assert!(broken(&file("README.md", ""), "LICENSE").is_none());
    assert!(broken(&file("otedama-core/README.md", ""), "../LICENSE").is_some());
    assert!(broken(&file("otedama-core/README.md", ""), "Amount::split").is_none());
    assert_eq!(
        named_paths("`otedama-core/src/no.rs`, `cargo test`, `a/b`").collect::<Vec<_>>(),
        ["otedama-core/src/no.rs"]
    );
}
