//! `otedama serve`: the pools of a configuration.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use otedama_core::Weight;
use otedama_pool::Pool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use crate::args::ServeArgs;
use crate::config::{Config, Part, PoolConfig};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::server::{self, Tally};

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = Config::load(Some(&args.config), Part::All)?;
    if config.pools.is_empty() {
        return Err(config.refuse("configures no pool").into());
    }
    let interrupt = Interrupt::install()?;
    let ended = server::ended(&interrupt);
    server::with_runtime(|runtime| runtime.block_on(serve(&config, &ended)))?;
    Err(Failure::Interrupted)
}

async fn serve(config: &Config, ended: &watch::Receiver<bool>) -> Result<(), Failure> {
    let mut pools = JoinSet::new();
    for pool in &config.pools {
        let running = server::start(pool).await?;
        announce(pool, &running)?;
        pools.spawn(attend(pool.name.clone(), running, ended.clone()));
    }
    while let Some(attended) = pools.join_next().await {
        attended.map_err(|_| Failure::Failed("a pool broke down".into()))??;
    }
    Ok(())
}

/// A pool goes on, whether or not anybody reads what it says.
fn announce(config: &PoolConfig, pool: &Pool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for address in pool.addresses() {
        let _ = writeln!(out, "listening stratum {address}");
    }
    #[cfg(feature = "noise")]
    {
        let key = crate::authority::of(config)?.public();
        for address in pool.addresses() {
            let _ = writeln!(out, "stratum2 stratum2+tcp://{address}/{key}");
        }
    }
    #[cfg(not(feature = "noise"))]
    let _ = config;
    let _ = out.flush();
    Ok(())
}

/// Reads a pool's news until the end is asked for, then stops it and sums up.
async fn attend(name: String, mut pool: Pool, mut ended: watch::Receiver<bool>) -> Result<(), Failure> {
    let begin = Instant::now();
    let (mut tally, mut reported) = (Tally::default(), Weight::ZERO);
    let mut progress = tokio::time::interval(PROGRESS);
    progress.reset();
    loop {
        tokio::select! {
            event = pool.next_event() => match event {
                Some(event) => tally.take(&name, &event),
                None => return Err(Failure::Failed(format!("the pool {name} stopped by itself"))),
            },
            _ = progress.tick() => {
                let (rate, blocks) = (tally.rate(reported, PROGRESS), tally.blocks());
                info!(pool = name, %rate, shares = tally.shares, rejected = tally.rejected, blocks, "progress");
                reported = tally.weight;
            }
            _ = ended.wait_for(|ended| *ended) => break,
        }
    }
    pool.stop().await;
    let (blocks, seconds) = (tally.blocks(), begin.elapsed().as_secs());
    let Tally { shares, rejected, .. } = tally;
    let summary =
        format!("pool {name}: {shares} shares, {rejected} rejected, {blocks} blocks in {seconds} s");
    let _ = writeln!(io::stdout(), "{summary}");
    Ok(())
}
