//! `otedama mine`: the processors of this machine on a pool.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use otedama_core::Algorithm;
use otedama_gpu::pages;
use otedama_stratum::Login;
use otedama_stratum::net::{CloseHandle, Options};
use serde_json::json;
use tracing::info;

use crate::args::MineArgs;
use crate::config::{Config, MineConfig, Part};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::miner::{Miner, Processor, Summary, Watch, mib};

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &MineArgs) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    let interrupt = Interrupt::install()?;
    let miner = Miner::new(plan.options, plan.algorithm, plan.processor)?;
    let (watch, close) = (miner.watch(), miner.close_handle());
    let mined = thread::scope(|scope| {
        let companion = scope.spawn(|| accompany(&watch, &close, plan.time, &interrupt));
        let mined = miner.run();
        // Nothing is left to accompany; the companion may be waiting.
        interrupt.release();
        companion.join().map_err(|_| Failure::Failed("a thread broke down".into()))?;
        mined
    });
    print(args.json, &watch.summary())?;
    if let Some(bytes) = pages::peak_memory() {
        info!("peak memory {}", mib(bytes));
    }
    mined?;
    if interrupt.is_requested() {
        Err(Failure::Interrupted)
    } else if watch.had_job() {
        Ok(())
    } else {
        Err(Failure::Failed("no pool gave anything to do".into()))
    }
}

/// Flags over configuration over defaults.
struct Plan {
    options: Options,
    algorithm: Algorithm,
    processor: Processor,
    time: Option<Duration>,
}

impl Plan {
    fn new(args: &MineArgs) -> Result<Self, Failure> {
        let MineConfig { urls, user, pass, algorithm, threads, affinity, priority, time } =
            Config::load(args.config.as_deref(), Part::Mine)?.mine;
        let urls = if args.urls.is_empty() { urls } else { args.urls.clone() };
        if urls.is_empty() {
            return Err(Failure::Usage("no pool: say --url, or mine.urls in the configuration".into()));
        }
        let missing = || Failure::Usage("no user: say --user, or mine.user in the configuration".into());
        let user = args.user.clone().or(user).ok_or_else(missing)?;
        let algorithm = args.algorithm.or(algorithm).unwrap_or(Algorithm::SHA256D);
        let mut login = Login::new(algorithm, user);
        if let Some(pass) = args.pass.as_deref().or(pass.as_ref().map(|pass| pass.reveal())) {
            login = login.password(pass);
        }
        let options = Options::new(urls, login).map_err(|error| Failure::Usage(error.to_string()))?;
        let time = args.time.or(time).map(Duration::from_secs);
        let processor = Processor {
            threads: args.threads.or(threads),
            affinity: args.affinity.clone().or(affinity),
            priority: args.priority.or(priority).unwrap_or_default(),
        };
        Ok(Self { options, algorithm, processor, time })
    }
}

/// Reports progress, and ends the miner when it is time or the user wishes.
fn accompany(watch: &Watch, close: &CloseHandle, time: Option<Duration>, interrupt: &Interrupt) {
    let begin = Instant::now();
    loop {
        let left = time.map_or(PROGRESS, |time| time.saturating_sub(begin.elapsed()));
        if left.is_zero() || interrupt.wait(left.min(PROGRESS)) {
            break;
        }
        let Summary { accepted, rejected, .. } = watch.summary();
        info!("{}, {accepted} accepted, {rejected} rejected", watch.hash_rate());
    }
    close.close();
}

fn print(json: bool, summary: &Summary) -> io::Result<()> {
    let Summary { accepted, rejected, lost, hashes, elapsed } = summary;
    let (rate, seconds) = (summary.rate(), elapsed.as_secs_f64());
    let mut out = io::stdout();
    if json {
        let line = json!({
            "accepted": accepted,
            "rejected": rejected,
            "lost": lost,
            "hashes": hashes,
            "rate": rate.hashes_per_second(),
            "seconds": seconds,
            "peak_memory": pages::peak_memory(),
        });
        writeln!(out, "{line}")
    } else {
        writeln!(out, "{accepted} accepted, {rejected} rejected, {lost} lost, {rate} over {seconds:.0} s")
    }
}
