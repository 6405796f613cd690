//! A pool as configured, and what it says while it runs.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use otedama_core::{Hash256, HashRate, Weight};
use otedama_pool::Pool;
use otedama_pool::core::PoolEvent;
use otedama_pool::journal::{BlockState, Sqlite};
use otedama_pool::node::Submission;
use otedama_pool::scheme::{Pplns, Scheme, Solo};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::config::{NodeConfig, PoolConfig, SchemeConfig};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::nodes;

/// Starts a pool. It listens on return; jobs come when a node answers.
pub(crate) async fn start(config: &PoolConfig) -> Result<Pool, Failure> {
    let journal = open_journal(&config.store)?;
    match config.scheme {
        SchemeConfig::Solo => start_with(config, Solo, journal).await,
        SchemeConfig::Pplns(window) => {
            let scheme = Pplns::new(window).map_err(|error| Failure::Failed(error.to_string()))?;
            start_with(config, scheme, journal).await
        }
    }
}

/// How long questions to nodes that are under way at the end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs `work` with a runtime, and does not wait long for what is left when it is done.
pub(crate) fn with_runtime<T>(work: impl FnOnce(&Runtime) -> Result<T, Failure>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start a runtime: {error}")))?;
    let done = work(&runtime);
    runtime.shutdown_timeout(FAREWELL);
    done
}

/// Turns true once the end is asked for.
pub(crate) fn ended(interrupt: &Interrupt) -> watch::Receiver<bool> {
    let (end, ended) = watch::channel(false);
    interrupt.on_request(move || {
        let _ = end.send(true);
    });
    ended
}

/// Opens a journal, after making its folder.
pub(crate) fn open_journal(path: &Path) -> Result<Sqlite, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::Failed(format!("cannot make {}: {error}", folder.display())))?;
    }
    Sqlite::open(path).map_err(|error| Failure::Failed(error.to_string()))
}

async fn start_with<S: Scheme + 'static>(
    config: &PoolConfig,
    scheme: S,
    journal: Sqlite,
) -> Result<Pool, Failure> {
    let nodes = nodes::open(&config.nodes, config.coin, &config.store)?;
    if !nodes.iter().any(|node| node.sees_all_blocks()) {
        warn!(
            pool = config.name,
            "no node of this pool can tell what becomes of its blocks, so they may stay immature for ever; add one of \
             kind bitcoind"
        );
    }
    let mut nodes = nodes.into_iter();
    let first = nodes.next().ok_or_else(|| Failure::Failed("the pool has no node".into()))?;
    let mut builder = Pool::builder(first, config.address.as_str(), scheme)
        .journal(journal)
        .coin(config.coin)
        .name(config.name.as_str())
        .fee(config.fee)
        .tag(config.tag.as_bytes())
        .vardiff(config.vardiff);
    for node in nodes {
        builder = builder.boxed_node(node);
    }
    for address in &config.listen {
        builder = builder.listen(address.to_string());
    }
    if let Some(NodeConfig::Devnet { maturity, .. }) = config.nodes.first() {
        builder = builder.maturity(*maturity);
    }
    #[cfg(feature = "noise")]
    {
        builder = builder.authority(crate::authority::of(config)?);
    }
    builder.start().await.map_err(|error| Failure::Failed(format!("pool {}: {error}", config.name)))
}

/// What a pool has done in this run, as far as its news say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Shares that were accepted.
    pub(crate) shares: u64,
    /// Shares that were refused.
    pub(crate) rejected: u64,
    /// What the accepted shares count for.
    pub(crate) weight: Weight,
    /// Blocks that were booked in this run and are still on a node's best chain.
    booked: HashSet<Hash256>,
}

impl Tally {
    /// Counts an event, and logs it.
    pub(crate) fn take(&mut self, pool: &str, event: &PoolEvent) {
        match event {
            PoolEvent::Share { weight, .. } => {
                self.shares = self.shares.saturating_add(1);
                self.weight = self.weight.saturating_add(*weight);
            }
            PoolEvent::Rejected { .. } => self.rejected = self.rejected.saturating_add(1),
            PoolEvent::BlockTurned { hash, state: BlockState::Confirmed, .. } => {
                self.booked.insert(*hash);
            }
            PoolEvent::BlockTurned { hash, state: BlockState::Orphaned, .. } => {
                self.booked.remove(hash);
            }
            _ => {}
        }
        log(pool, event);
    }

    /// Blocks that were booked in this run and are still on a node's best chain.
    pub(crate) fn blocks(&self) -> u64 {
        u64::try_from(self.booked.len()).unwrap_or(u64::MAX)
    }

    /// The hash rate behind the shares of this much time, in which the weight grew from `earlier`.
    pub(crate) fn rate(&self, earlier: Weight, elapsed: Duration) -> HashRate {
        HashRate::from_work(self.weight.saturating_sub(earlier), elapsed)
    }
}

fn log(pool: &str, event: &PoolEvent) {
    match event {
        PoolEvent::Ready { connection, account, agent, .. } => {
            debug!(pool, %connection, %account, agent, "a miner is ready");
        }
        PoolEvent::Left { connection } => debug!(pool, %connection, "a miner left"),
        PoolEvent::Job { height } => info!(pool, height, "new block to mine"),
        PoolEvent::Share { account, worker, weight, .. } => {
            debug!(pool, %account, %worker, %weight, "share accepted");
        }
        PoolEvent::Rejected { connection, reject } => debug!(pool, %connection, "share refused: {reject}"),
        PoolEvent::BlockFound { hash, height, account, reward } => {
            info!(pool, %hash, height, %account, %reward, "block found");
        }
        PoolEvent::BlockAnswered { hash, node, answer } => match answer {
            Ok(Submission::Known) => info!(pool, %hash, ?node, "block taken"),
            Ok(Submission::Inconclusive) => debug!(pool, %hash, ?node, "block taken, but not as the best"),
            Ok(answer) => warn!(pool, %hash, ?node, ?answer, "block refused"),
            Err(error) => warn!(pool, %hash, ?node, "block not handed in: {error}"),
        },
        PoolEvent::BlockTurned { hash, height, state, reward, fee } => {
            info!(pool, %hash, height, ?state, %reward, %fee, "block turned");
        }
        PoolEvent::RolledUp { shares } => debug!(pool, shares, "shares rolled up"),
        PoolEvent::RollUpFailed(error) => warn!(pool, "shares cannot be rolled up: {error}"),
        PoolEvent::JournalFailed(error) => warn!(pool, "shares are refused: {error}"),
        PoolEvent::JournalRecovered => info!(pool, "the journal works again"),
        PoolEvent::NodeFailed { node, error } => warn!(pool, ?node, "{error}"),
        PoolEvent::TemplateRefused(error) => warn!(pool, "no job from this template: {error}"),
        PoolEvent::LayoutChecked { node, answer } => {
            info!(pool, ?node, ?answer, "coinbase checked by the node")
        }
        _ => {}
    }
}
