//! Our programs: the pool on the embedded chain, the miner, the template provider.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use otedama_conformance::Failure;
use otedama_core::{Target, Weight};
use serde_json::Value;

use crate::stage::{Actor, Reading, Stage};
use crate::verdict::What;

/// The pair of keys that the reference implementation's examples use.
pub(crate) const AUTHORITY: &str = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
pub(crate) const AUTHORITY_SECRET: &str = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";

/// Where the pools' part goes, and the miners'; nobody has the keys.
pub(crate) const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
pub(crate) const MINER: &str = "bcrt1qljqxjts7q2x48stgh8yp6cszlv7wqdqt9z799w";

/// Shares of each miner in a minute, here and at the programs of others. On a busy machine it is several times less: what
/// a miner announces is what it could do alone.
pub(crate) const SHARES_PER_MINUTE: u32 = 300;

/// Seconds from block to block if the miners get all of their processors.
const BLOCK_TIME: u64 = 6;

/// The binary `otedama`: the variable OTEDAMA, or beside this program, where cargo puts both.
fn otedama() -> Result<PathBuf, Failure> {
    let beside = || {
        Ok::<_, Failure>(env::current_exe()?.with_file_name(format!("otedama{}", env::consts::EXE_SUFFIX)))
    };
    let path = env::var_os("OTEDAMA").map_or_else(beside, |path| Ok(path.into()))?;
    if path.is_file() {
        Ok(path.canonicalize()?)
    } else {
        Err(format!("{} is not built: cargo build -p otedama-cli", path.display()).into())
    }
}

/// The standard output of a command that ends by itself, without what surrounds this process.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        let program = command.get_program().display();
        Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}

/// Hashes per second of one thread of our miner.
pub(crate) fn hash_rate() -> Result<f64, Failure> {
    let text = output(Command::new(otedama()?).args([
        "bench",
        "sha256d",
        "--threads",
        "1",
        "--seconds",
        "1",
        "--json",
    ]))?;
    let mut best = 0.0_f64;
    for line in text.lines() {
        let rate = serde_json::from_str::<Value>(line)?.get("rate").and_then(Value::as_f64);
        best = best.max(rate.ok_or("otedama bench names no rate")?);
    }
    Ok(best)
}

/// The difficulty at which miners of this rate find blocks often enough.
fn nbits(rate: f64) -> Result<String, Failure> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive rate, far below 2^60"
    )]
    let hashes = (rate as u64).saturating_mul(BLOCK_TIME);
    let target = Target::from_weight(Weight::new(hashes.into())).ok_or("the miners do not hash")?;
    Ok(target.to_compact().to_string())
}

/// Our pool, running.
#[derive(Debug)]
pub(crate) struct Pool {
    actor: Actor,
    config: PathBuf,
    /// `IP:PORT`
    pub(crate) address: String,
}

impl Pool {
    /// Starts it for miners of this rate together.
    pub(crate) fn start(stage: &mut Stage, rate: f64) -> Result<Self, Failure> {
        let config = configure(stage.folder(), rate)?;
        let mut command = Command::new(otedama()?);
        command.args(["--log-level", "debug", "serve", "--config"]).arg(&config);
        let actor = stage.start("pool", &mut command, read_pool)?;
        let address = stage.wait_for(actor, "listening stratum ")?;
        Ok(Self { actor, config, address })
    }

    /// Its URL for Stratum V2.
    pub(crate) fn url(&self) -> String {
        format!("stratum2+tcp://{}/{AUTHORITY}", self.address)
    }

    /// Ends it, verifies its books and gives the workers whose shares are in them.
    pub(crate) fn workers(&self, stage: &mut Stage) -> Result<BTreeSet<String>, Failure> {
        stage.terminate(self.actor)?;
        output(Command::new(otedama()?).args(["ledger", "verify", "--config"]).arg(&self.config))?;
        let export = ["ledger", "export", "--what", "shares", "--format", "json", "--config"];
        let text = output(Command::new(otedama()?).args(export).arg(&self.config))?;
        let mut workers = BTreeSet::new();
        for line in text.lines() {
            let share: Value = serde_json::from_str(line)?;
            workers.insert(share.get("worker").and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        Ok(workers)
    }
}

/// Writes the configuration of a pool or of a template provider on a chain of its own.
fn configure(folder: &Path, rate: f64) -> Result<PathBuf, Failure> {
    let path = folder.join("otedama.yaml");
    let nbits = nbits(rate)?;
    // A window of so many blocks that no share leaves it while the scenario runs.
    let text = format!(
        "algorithm: sha256d\n\
         nodes: [{{ kind: devnet, nbits: \"{nbits}\", maturity: 1 }}]\n\
         pool: {{ name: interop, address: {POOL}, fee_percent: \"1.0\", scheme: pplns, window: \"1000\" }}\n\
         stratum:\n  \
           listen: [\"127.0.0.1:0\"]\n  \
           vardiff: {{ shares_per_minute: {SHARES_PER_MINUTE} }}\n  \
           authority_secret: {AUTHORITY_SECRET}\n\
         store: {{ path: {:?} }}\n",
        folder.join("otedama.db")
    );
    fs::write(&path, text)?;
    Ok(path)
}

fn read_pool(line: &str) -> Option<What> {
    if line.contains("share accepted") {
        Some(What::Accepted)
    } else if line.contains("new block to mine") {
        Some(What::Tip)
    } else {
        after(line, "share refused: ").map(What::Rejected)
    }
}

/// What follows this in a line, without fields of the log.
fn after(line: &str, part: &str) -> Option<String> {
    let (_, rest) = line.split_once(part)?;
    let end = [" pool=", " connection="].iter().filter_map(|field| rest.find(field)).min();
    Some(rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest).to_owned())
}

/// Starts our miner with one thread. It measures its hash rate anew, so that it announces what this machine does now.
pub(crate) fn mine(
    stage: &mut Stage,
    name: &str,
    url: &str,
    user: &str,
    reading: Reading,
) -> Result<Actor, Failure> {
    let mut command = Command::new(otedama()?);
    command.args(["--log-level", "debug", "mine", "--algorithm", "sha256d", "--threads", "1"]);
    command.args(["--url", url, "--user", user]).env("XDG_CACHE_HOME", stage.folder().join(name));
    Ok(stage.start(name, &mut command, reading)?)
}

/// What our miner says of its shares where nobody else says what was accepted.
pub(crate) fn read_miner(line: &str) -> Option<What> {
    match read_answers(line) {
        Some(What::Told(_)) => Some(What::Accepted),
        other => other,
    }
}

/// The same where the pool's log says what was accepted.
pub(crate) fn read_answers(line: &str) -> Option<What> {
    let (_, share) = line.split_once(" share ")?;
    if share.ends_with(" accepted") {
        return Some(What::Told(1));
    }
    share.split_once(" rejected: ").map(|(_, why)| What::Rejected(why.to_owned()))
}

/// Our template provider, running.
#[derive(Debug)]
pub(crate) struct Provider {
    /// `IP:PORT`
    pub(crate) address: String,
    /// Of its authority.
    pub(crate) key: String,
}

impl Provider {
    /// Starts it on a chain for miners of this rate together.
    pub(crate) fn start(stage: &mut Stage, rate: f64) -> Result<Self, Failure> {
        let config = configure(stage.folder(), rate)?;
        let mut command = Command::new(otedama()?);
        command.args(["--log-level", "debug", "template-provider", "--listen", "127.0.0.1:0", "--config"]);
        let actor = stage.start("provider", command.arg(&config), read_provider)?;
        let url = stage.wait_for(actor, "template-provider stratum2+tcp://")?;
        let (address, key) = url.split_once('/').ok_or("the provider has no key")?;
        Ok(Self { address: address.to_owned(), key: key.to_owned() })
    }
}

fn read_provider(line: &str) -> Option<What> {
    let (_, why) = line.split_once("what a client has found is no block: ")?;
    Some(What::Rejected(format!("as a block: {why}")))
}
