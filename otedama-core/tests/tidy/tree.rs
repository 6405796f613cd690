//! The files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the workspace.
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Folders that hold nothing written by hand.
const SKIPPED: [&str; 5] = ["target", "artifacts", "corpus", "coverage", "data"];

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is in a file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file with one of these endings, sorted; all text files if there are none.
pub(crate) fn files(endings: &[&str]) -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.retain(|file| endings.is_empty() || endings.iter().any(|ending| file.path.ends_with(ending)));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The Rust sources that are neither tests, benches nor fuzz targets.
pub(crate) fn sources() -> Vec<File> {
    let mut files = files(&[".rs"]);
    files.retain(|file| file.path.split('/').nth(1) == Some("src"));
    files
}

fn collect(folder: &Path, prefix: &str, out: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().unwrap();
        if name.starts_with('.') && name != ".ci" {
            continue;
        }
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(&entry.path(), &path, out);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            out.push(File { path, text });
        }
    }
}
