//! The command line.

#[cfg(feature = "sqlite")]
mod books;

#[cfg(all(feature = "server", feature = "sqlite"))]
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use otedama_core::{Algorithm, ChainIndex, Target};
use otedama_gpu::cpu::Priority;
use otedama_pool::sim::Bug;

#[cfg(feature = "sqlite")]
pub(crate) use self::books::{
    BackupArgs, ExportArgs, Format, LedgerCommand, MigrateArgs, MigrateCommand, RestoreArgs, StoreArgs,
    VerifyArgs, What,
};
use crate::config::{self, Affinity};

/// Mine, run a pool, or try both on one machine.
#[derive(Debug, Parser)]
#[command(name = "otedama", version, about, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Results go to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 time-out, 130 interrupted.

Examples:
  otedama demo --blocks 3 --timeout 120
  otedama serve --config pool.yaml
  otedama template-provider --config pool.yaml --listen 0.0.0.0:8442
  otedama ledger verify --config pool.yaml
  otedama ledger export --config pool.yaml --what balances --format json
  otedama backup pool.backup --config pool.yaml
  otedama mine --url stratum+tcp://pool.example:3333 --user ADDRESS.rig1 --algorithm scrypt
  otedama mine --url stratum2+tcp://pool.example:34254/KEY --user ADDRESS.rig1
  otedama hash sha256d 0100000000000000...  (80 bytes of header as hex)
  otedama scan scrypt HEADER --target 00ffff... --start 0 --count 65536
  otedama bench sha256d --threads 2 --seconds 5 --json
  otedama config validate pool.yaml
  otedama keys generate";

/// What is logged, and how.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What to log: a level, or levels by module such as info,otedama_pool=debug
    #[arg(long, global = true, env = "OTEDAMA_LOG", default_value = "info", value_name = "LEVELS")]
    pub(crate) log_level: String,
    /// How to log to standard error
    #[arg(long, global = true, env = "OTEDAMA_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try it all on this machine: an embedded chain, a pool on it, and a miner on the pool
    #[cfg(all(feature = "server", feature = "sqlite"))]
    Demo(DemoArgs),
    /// Run the pools of a configuration
    #[cfg(all(feature = "server", feature = "sqlite"))]
    Serve(ServeArgs),
    /// Give the templates of our nodes to the pools of others, over Stratum V2
    #[cfg(all(feature = "server", feature = "sqlite"))]
    TemplateProvider(TemplateProviderArgs),
    /// Verify and export the books
    #[cfg(feature = "sqlite")]
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Copy a journal to a new file, also while the pool runs, and verify the copy
    #[cfg(feature = "sqlite")]
    Backup(BackupArgs),
    /// Put a verified backup where a journal was
    #[cfg(feature = "sqlite")]
    Restore(RestoreArgs),
    /// Bring journals of an older version up to this one
    #[cfg(feature = "sqlite")]
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Mine on a pool with the processors of this machine
    Mine(MineArgs),
    /// Print the proof-of-work hash of a header, bytes as the function wrote them
    Hash(HashArgs),
    /// Print every nonce of a range that meets a target
    Scan(ScanArgs),
    /// Measure how fast each implementation hashes on this machine, after checking that it does so rightly
    Bench(BenchArgs),
    /// Look at a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make the keys of a pool's authority, for Stratum V2
    #[cfg(feature = "noise")]
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Simulate a whole pool with faults in everything, and check what Otedama promises after every step
    Chaos(ChaosArgs),
    /// Print the version
    Version,
}

/// What to demonstrate, and how long.
#[cfg(all(feature = "server", feature = "sqlite"))]
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The function: sha256d or scrypt
    #[arg(long, default_value = "sha256d", value_name = "NAME", value_parser = config::pooled)]
    pub(crate) algorithm: Algorithm,
    /// Where to keep chain, books and configuration; a folder that is removed at the end if absent
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// End after so many blocks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) blocks: Option<u64>,
    /// End after so many seconds, with exit code 3 if blocks are still missing
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub(crate) timeout: Option<u64>,
}

/// What to serve.
#[cfg(all(feature = "server", feature = "sqlite"))]
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) config: String,
}

/// Whose templates to give, and where.
#[cfg(all(feature = "server", feature = "sqlite"))]
#[derive(Debug, Args)]
pub(crate) struct TemplateProviderArgs {
    /// The configuration of a pool or a provider, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) config: String,
    /// Where to listen, IP:PORT, over the configuration; can be given several times
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<std::net::SocketAddr>,
}

/// Where to mine, as whom, with what and how long.
#[derive(Debug, Args)]
pub(crate) struct MineArgs {
    /// A pool, stratum+tcp://HOST:PORT or, for Stratum V2, stratum2+tcp://HOST:PORT/KEY with the key of the pool's
    /// authority; further ones are tried in turn while the ones before them fail
    #[arg(long = "url", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// The user name, for most pools ADDRESS.WORKER
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The password; x if absent
    #[arg(long, value_name = "P")]
    pub(crate) pass: Option<String>,
    /// The function: sha256d (if absent) or scrypt
    #[arg(long, value_name = "A", value_parser = config::pooled)]
    pub(crate) algorithm: Option<Algorithm>,
    /// Threads; one for each processor, or each of --affinity, if absent
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Processors to bind the threads to, one after the other: numbers such as 0,2, or auto for all of them, the first
    /// of each core before the others; no binding if absent
    #[arg(long, value_name = "CPUS", value_parser = str::parse::<Affinity>)]
    pub(crate) affinity: Option<Affinity>,
    /// How much the threads yield to everything else: idle, low, normal (if absent) or high
    #[arg(long, value_name = "P", value_parser = str::parse::<Priority>)]
    pub(crate) priority: Option<Priority>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub(crate) time: Option<u64>,
    /// A configuration with a section `mine`, over which flags win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A header to hash.
#[derive(Debug, Args)]
pub(crate) struct HashArgs {
    /// The function: sha256d, scrypt, blake3-decred, blake3-alephium, randomx, ethash, etchash or kawpow; or blake3, which
    /// takes bytes of any length
    #[arg(value_name = "ALGORITHM", value_parser = function)]
    pub(crate) function: Function,
    /// The header as strict hex, or - to read it from standard input; for ethash, etchash and kawpow its hash without
    /// nonce and mix
    pub(crate) hex: String,
    /// The key of the tables as strict hex, for randomx; at most 60 bytes
    #[arg(long, value_name = "HEX")]
    pub(crate) seed: Option<String>,
    /// The nonce as strict hex, most significant byte first, for ethash, etchash and kawpow
    #[arg(long, value_name = "HEX")]
    pub(crate) nonce: Option<String>,
    /// The height of the block, for ethash, etchash and kawpow
    #[arg(long, value_name = "N")]
    pub(crate) height: Option<u64>,
}

/// What can be computed of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    /// A proof-of-work hash, of a whole header.
    Work(Algorithm),
    /// BLAKE3, of anything.
    Blake3,
}

/// A range of nonces to search.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// The function: sha256d, scrypt, blake3-decred, blake3-alephium, randomx, ethash, etchash or kawpow
    #[arg(value_parser = algorithm)]
    pub(crate) algorithm: Algorithm,
    /// The whole header as strict hex, with any nonce; for ethash, etchash and kawpow its hash and 8 bytes of nonce
    pub(crate) header: String,
    /// What a digest must not exceed: 64 hex digits, most significant first
    #[arg(long, value_name = "HEX", value_parser = Target::from_hex_be)]
    pub(crate) target: Target,
    /// The first nonce
    #[arg(long, value_name = "N")]
    pub(crate) start: u64,
    /// How many nonces; after the largest comes 0
    #[arg(long, value_name = "M")]
    pub(crate) count: u64,
    /// The implementation; the fastest for this CPU if absent
    #[arg(long, value_name = "NAME")]
    pub(crate) kernel: Option<String>,
    /// The seed of the tables as strict hex, for randomx: 32 bytes
    #[arg(long, value_name = "HEX")]
    pub(crate) seed: Option<String>,
    /// The height of the block, for ethash, etchash and kawpow; without it the tables are those of test chains
    #[arg(long, value_name = "N")]
    pub(crate) height: Option<u64>,
    /// The chain that a digest must name, for blake3-alephium: the group that it comes from, the one that it goes to,
    /// and how many there are if not 4; any chain if absent
    #[arg(long, value_name = "FROM,TO[,GROUPS]", value_parser = chain)]
    pub(crate) chain: Option<ChainIndex>,
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The function; all of them if absent
    #[arg(value_parser = algorithm)]
    pub(crate) algorithm: Option<Algorithm>,
    /// The implementation; all that this processor runs if absent
    #[arg(long, value_name = "NAME", requires = "algorithm")]
    pub(crate) kernel: Option<String>,
    /// Threads; one for each processor if absent
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Seconds for each implementation
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to simulate.
#[derive(Debug, Args)]
#[command(after_help = CHAOS)]
pub(crate) struct ChaosArgs {
    /// The first seed; the same seed always gives the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seeds, from the first on
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// How long each pool is troubled, in hours of its own time; at most 1000
    #[arg(long, value_name = "H", default_value = "1", value_parser = hours)]
    pub(crate) hours: Duration,
    /// Threads; one for each processor if absent
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Put a bug into the pool on purpose, to see that it is found
    #[arg(long, value_name = "NAME")]
    pub(crate) bug: Option<Bug>,
    /// Print one JSON object per line: each broken seed, and the sum
    #[arg(long)]
    pub(crate) json: bool,
}

const CHAOS: &str = "\
Miners, nodes, network, clock and disk are simulated; the pool is the real one. Its process dies between any two of its
effects; disks fill up, stall and lose what was not synced; nodes hang, lie, fork and meet again; connections break;
shares are sent twice. A broken promise is shrunk to the few actions that it takes, and makes the exit code 1.

  otedama chaos --seed 1 --seeds 1000 --hours 0.05
  otedama chaos --seed 15 --hours 0.05 --bug coinbase-without-boot";

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file, with the environment over it, and say all that is wrong
    Validate {
        /// The file, or - for standard input
        file: String,
    },
}

/// What to do about keys.
#[cfg(feature = "noise")]
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a new pair of keys of an authority, and print both
    #[command(after_help = KEYS)]
    Generate {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[cfg(feature = "noise")]
const KEYS: &str = "\
The public key goes to the miners, who know the pool by it: stratum2+tcp://HOST:PORT/KEY. The secret key signs the pool's
certificates; whoever has it can pass for the pool. Nothing is kept: write both down, the secret one in a safe place.

  otedama keys generate --json";

fn algorithm(name: &str) -> Result<Algorithm, String> {
    config::algorithm(name)
}

fn function(name: &str) -> Result<Function, String> {
    if name == "blake3" {
        return Ok(Function::Blake3);
    }
    let work = config::algorithm(name).map(Function::Work);
    work.map_err(|error| format!("{error}, and blake3"))
}

fn chain(text: &str) -> Result<ChainIndex, String> {
    let numbers: Option<Vec<u8>> = text.split(',').map(|number| number.parse().ok()).collect();
    let chain = match numbers.as_deref() {
        Some(&[from, to]) => ChainIndex::new(from, to, ChainIndex::GROUPS),
        Some(&[from, to, groups]) => ChainIndex::new(from, to, groups),
        _ => None,
    };
    chain.ok_or_else(|| {
        "is not two groups of 4, such as 0,3, nor two of another number, such as 0,2,3".to_owned()
    })
}

/// Hours with at most three decimal places.
fn hours(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a number of hours, such as 0.05 or 24".to_owned();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return Err(wrong());
    }
    let thousandths: u64 = format!("{whole}{fraction:0<3}").parse().map_err(|_| wrong())?;
    let duration = Duration::from_millis(thousandths.checked_mul(3600).ok_or_else(wrong)?);
    if (1..=1_000_000).contains(&thousandths) { Ok(duration) } else { Err(wrong()) }
}

fn threads(text: &str) -> Result<usize, String> {
    let allowed = |threads: &usize| (1..=config::MAX_THREADS).contains(threads);
    text.parse()
        .ok()
        .filter(allowed)
        .ok_or_else(|| format!("is not a number from 1 to {}", config::MAX_THREADS))
}
