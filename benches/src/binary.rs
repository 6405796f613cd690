//! The binary `otedama` as released: how large it is, and how soon it listens.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use crate::measure::{ROUNDS, median};
use crate::program::Failure;

/// A pool on the embedded chain, on a free port, with its journal in the folder named.
const CONFIG: &str = r#"algorithm: sha256d
nodes: [{ kind: devnet }]
pool: { address: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", scheme: pplns, window: "2.0" }
stratum: { listen: ["127.0.0.1:0"] }
"#;

/// The release binary, in the folder of this program, where cargo puts both.
///
/// # Errors
/// If it is not there; `make figures` builds it first.
pub fn otedama() -> Result<PathBuf, Failure> {
    let path = env::current_exe()?.with_file_name(format!("otedama{}", env::consts::EXE_SUFFIX));
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is not built: cargo build --release -p otedama-cli", path.display()).into())
    }
}

/// Its size in millions of bytes.
///
/// # Errors
/// If it is not there.
pub fn megabytes() -> Result<f64, Failure> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = fs::metadata(otedama()?)?.len() as f64;
    Ok(bytes / 1e6)
}

/// Milliseconds from the start of `otedama serve` to its line "listening", and those of a process that only prints its
/// version; medians, by the clock on the wall.
///
/// # Errors
/// If the pool does not come up.
pub fn start_times() -> Result<(f64, f64), Failure> {
    let binary = otedama()?;
    let (mut serving, mut starting) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        serving.push(serve(&binary)?);
        starting.push(version(&binary)?);
    }
    Ok((median(serving.into_iter()), median(starting.into_iter())))
}

/// One start on an empty data directory.
fn serve(binary: &Path) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("otedama.yaml");
    let store = format!("store: {{ path: {:?} }}\n", folder.path().join("otedama.db"));
    fs::write(&config, CONFIG.to_owned() + &store)?;
    let start = Instant::now();
    let mut child = Command::new(binary)
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    let read = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
    let elapsed = start.elapsed();
    child.kill()?;
    child.wait()?;
    read.transpose()?;
    if line.starts_with("listening stratum ") {
        Ok(elapsed.as_secs_f64() * 1e3)
    } else {
        Err(format!("otedama serve said {line:?} instead of where it listens").into())
    }
}

fn version(binary: &Path) -> Result<f64, Failure> {
    let start = Instant::now();
    let output = Command::new(binary).arg("version").output()?;
    let elapsed = start.elapsed();
    if output.status.success() {
        Ok(elapsed.as_secs_f64() * 1e3)
    } else {
        Err("otedama version failed".into())
    }
}
