//! `otedama demo`: an embedded chain, a pool on it, and a miner on the pool, over Stratum on loopback.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use otedama_core::{Algorithm, Amount, CompactTarget, Difficulty, Target};
use otedama_hash::ethash::Epoch;
use otedama_pool::{Coin, Pool, PoolName};
use otedama_stratum::Login;
use otedama_stratum::net::{CloseHandle, Options};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tracing::info;

use crate::args::DemoArgs;
use crate::books::Totals;
use crate::cache;
use crate::config::{Config, Part, PoolConfig};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::miner::{Miner, Processor, Summary, Watch};
use crate::nodes::measured_nbits;
use crate::server::{self, Tally};

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// The configuration that the demo leaves in its folder; `otedama serve` takes it too.
const CONFIG: &str = "otedama.yaml";

/// Shares that the miner begins with for each block; vardiff takes over from there.
const SHARES_PER_BLOCK: u128 = 8;

/// Where the pool's fee goes; nobody has the key.
const POOL_ADDRESS: &str = "bcrt1qfdnjpzuq9mtdn9crdm9y63dkdfu06g44adpxut";

/// Who mines; nobody has the key.
const MINER: &str = "bcrt1qf4vfn6jvw7jd9vu264axewes6uthkmt59cnl4k.demo";

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    if let Ok(epoch) = Epoch::of_test_chains(args.algorithm) {
        let (cache, dataset) = (epoch.cache_bytes() >> 10, epoch.dataset_bytes() >> 10);
        info!(
            "this is the small dataset of {epoch}, which no other chain has: {dataset} KiB, from a cache of {cache} KiB"
        );
    }
    let folder = Folder::new(args.data.as_deref())?;
    let config = configure(&folder.path, args.algorithm, &interrupt)?;
    let name = PoolName::new(config.name.as_str());
    let before = Totals::of(&mut server::open_journal(&config.store)?, &name)?;
    let (outcome, tally, miner) =
        server::with_runtime(|runtime| demonstrate(runtime, &config, args, &interrupt))?;
    let totals = Totals::of(&mut server::open_journal(&config.store)?, &name)?.since(before)?;
    print(&totals, tally.rejected, &miner)?;
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Interrupted => Err(Failure::Interrupted),
        Outcome::TimedOut => Err(Failure::TimedOut(format!("only {} blocks in time", totals.blocks))),
    }
}

/// How the demonstration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    TimedOut,
    Interrupted,
}

/// Where the demo keeps everything.
struct Folder {
    path: PathBuf,
    /// Removed when it is dropped.
    _temporary: Option<TempDir>,
}

impl Folder {
    fn new(given: Option<&Path>) -> Result<Self, Failure> {
        let failed =
            |error: io::Error| Failure::Failed(format!("cannot make a folder for the demo: {error}"));
        let Some(path) = given else {
            let temporary = tempfile::Builder::new().prefix("otedama-demo-").tempdir().map_err(failed)?;
            return Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        fs::create_dir_all(path).map_err(failed)?;
        Ok(Self { path: path.canonicalize().map_err(failed)?, _temporary: None })
    }
}

/// The configuration of an earlier demo in this folder, or a new one for the speed of this machine.
fn configure(folder: &Path, algorithm: Algorithm, interrupt: &Interrupt) -> Result<PoolConfig, Failure> {
    let path = folder.join(CONFIG);
    let source = path.display().to_string();
    let unusable = |error: io::Error| Failure::Failed(format!("{source}: {error}"));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The one that the miner will use.
            let fastest = cache::calibration().fastest(algorithm);
            let kernel = fastest.map_err(|error| Failure::Failed(error.to_string()))?.kernel;
            let nbits = measured_nbits(kernel, interrupt)?;
            let text = yaml(folder, algorithm, nbits)?;
            fs::write(&path, &text).map_err(unusable)?;
            text
        }
        Err(error) => return Err(unusable(error)),
    };
    let pools = Config::parse(&source, &text, [], Part::All)?.pools;
    let [pool] = <[PoolConfig; 1]>::try_from(pools)
        .map_err(|_| Failure::Usage(format!("{source} configures something else than a demo")))?;
    if pool.coin != Coin::devnet(algorithm) {
        let there = pool.coin.algorithm;
        return Err(Failure::Usage(format!(
            "{} has a demo of {there}; say --algorithm {there}, or another --data",
            folder.display()
        )));
    }
    Ok(pool)
}

fn yaml(folder: &Path, algorithm: Algorithm, nbits: CompactTarget) -> Result<String, Failure> {
    let unusable = || Failure::Usage(format!("{}: the name of the folder is not UTF-8", folder.display()));
    let store = folder.join("otedama.db");
    // A JSON text is a YAML text.
    let store = json!(store.to_str().ok_or_else(unusable)?);
    let network = nbits.target().unwrap_or(Target::MAX).weight();
    let share = network.scale(1, SHARES_PER_BLOCK).and_then(Target::from_weight).unwrap_or(Target::MAX);
    let start = Difficulty::from_target(algorithm, share);
    Ok(format!(
        "# A chain inside the process, at a difficulty for one thread of this machine.\n\
         algorithm: {algorithm}\n\
         nodes: [{{ kind: devnet, nbits: \"{nbits}\", maturity: 1 }}]\n\
         pool: {{ name: demo, address: {POOL_ADDRESS}, fee_percent: \"1.0\", scheme: pplns, window: \"2.0\" }}\n\
         stratum: {{ listen: [\"127.0.0.1:0\"], vardiff: {{ start: {start}, shares_per_minute: 120 }} }}\n\
         store: {{ path: {store} }}\n"
    ))
}

/// Runs pool and miner until there are enough blocks, or time is up, or the user wishes.
fn demonstrate(
    runtime: &Runtime,
    config: &PoolConfig,
    args: &DemoArgs,
    interrupt: &Interrupt,
) -> Result<(Outcome, Tally, Summary), Failure> {
    let pool = runtime.block_on(server::start(config))?;
    let address = pool.addresses().first().map(ToString::to_string).unwrap_or_default();
    info!("the pool listens on {address}, its books are in {}", config.store.display());
    let login = Login::new(config.coin.algorithm, MINER);
    let options = Options::new([address], login).map_err(|error| Failure::Failed(error.to_string()))?;
    let processor = Processor { threads: Some(1), ..Processor::default() };
    let miner = Miner::new(options, config.coin.algorithm, processor)?;
    let (watch, close) = (miner.watch(), miner.close_handle());
    let (gone, miner_gone) = oneshot::channel();
    thread::scope(|scope| {
        let mining = scope.spawn(move || {
            let mined = miner.run();
            let _ = gone.send(());
            mined
        });
        let attended =
            runtime.block_on(attend(pool, args, &watch, &close, server::ended(interrupt), miner_gone));
        close.close();
        let mined = mining.join().map_err(|_| Failure::Failed("the miner broke down".into()));
        let (outcome, tally) = attended?;
        mined??;
        Ok((outcome, tally, watch.summary()))
    })
}

/// Reads the pool's news until the end, and stops the pool.
async fn attend(
    mut pool: Pool,
    args: &DemoArgs,
    miner: &Watch,
    close: &CloseHandle,
    mut ended: watch::Receiver<bool>,
    mut miner_gone: oneshot::Receiver<()>,
) -> Result<(Outcome, Tally), Failure> {
    let mut tally = Tally::default();
    let deadline = args.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut progress = tokio::time::interval(PROGRESS);
    progress.reset();
    let outcome = loop {
        if args.blocks.is_some_and(|wanted| tally.blocks() >= wanted) {
            break Outcome::Done;
        }
        tokio::select! {
            event = pool.next_event() => match event {
                Some(event) => tally.take("demo", &event),
                None => return Err(Failure::Failed("the pool stopped by itself".into())),
            },
            _ = progress.tick() => report(&pool, &tally, miner).await?,
            () = sleep_until(deadline) => {
                break if args.blocks.is_some() { Outcome::TimedOut } else { Outcome::Done };
            }
            _ = ended.wait_for(|ended| *ended) => break Outcome::Interrupted,
            _ = &mut miner_gone => return Err(Failure::Failed("the miner stopped by itself".into())),
        }
    };
    close.close();
    pool.stop().await;
    Ok((outcome, tally))
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn report(pool: &Pool, tally: &Tally, miner: &Watch) -> Result<(), Failure> {
    let balances = pool.balances().await.map_err(|error| Failure::Failed(error.to_string()))?;
    let Totals { credited, fee, .. } = Totals::of_balances(&balances)?;
    let (Tally { shares, rejected, .. }, blocks) = (tally, tally.blocks());
    info!(
        "{}, {shares} shares, {rejected} rejected, {blocks} blocks, {credited} credited, {fee} fee",
        miner.hash_rate()
    );
    Ok(())
}

fn print(totals: &Totals, rejected: u64, miner: &Summary) -> Result<(), Failure> {
    let Totals { blocks, shares, .. } = totals;
    let hash_rate = miner.whole_rate();
    let (credited, fee, rewards) = (units(totals.credited)?, units(totals.fee)?, units(totals.rewards)?);
    writeln!(
        io::stdout(),
        r#"{{"blocks":{blocks},"shares":{shares},"rejected":{rejected},"hashrate":{hash_rate},"credited":{credited},"fee":{fee},"rewards":{rewards}}}"#
    )?;
    Ok(())
}

/// An amount as a JSON integer.
fn units(amount: Amount) -> Result<u64, Failure> {
    u64::try_from(amount.atomic())
        .map_err(|_| Failure::Failed(format!("{amount} is too large for the summary")))
}
