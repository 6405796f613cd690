//! Nodes as configured.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otedama_core::{Algorithm, Amount, CompactTarget, Target, UnixTime, Weight};
use otedama_hash::Kernel;
use otedama_pool::node::{Auth, Bitcoind, Devnet, DevnetConfig, Node};

use crate::config::{Credentials, NodeConfig, PoolConfig};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::measure::measure;

/// What each block of a devnet creates: 50 coins.
const SUBSIDY: Amount = Amount::from_atomic(5_000_000_000);

/// Blocks that one thread should find on a devnet in a minute.
const BLOCKS_PER_MINUTE: f64 = 12.0;

/// Opens every node of a pool. None is asked anything yet.
pub(crate) fn open(config: &PoolConfig) -> Result<Vec<Box<dyn Node>>, Failure> {
    config.nodes.iter().map(|node| open_one(node, config)).collect()
}

fn open_one(node: &NodeConfig, config: &PoolConfig) -> Result<Box<dyn Node>, Failure> {
    match node {
        NodeConfig::Devnet { nbits, .. } => {
            let algorithm = config.coin.algorithm;
            let nbits = nbits.unwrap_or_else(|| default_nbits(algorithm));
            Ok(Box::new(devnet(algorithm, nbits, &config.store.with_extension("chain"))?))
        }
        NodeConfig::Bitcoind { url, credentials } => {
            let node = Bitcoind::new(url, auth(credentials));
            Ok(Box::new(node.map_err(|error| Failure::Usage(format!("{url}: {error}")))?))
        }
    }
}

fn auth(credentials: &Credentials) -> Auth {
    match credentials {
        Credentials::None => Auth::None,
        Credentials::Password { user, password } => {
            Auth::Password { user: user.clone(), password: password.reveal().to_owned() }
        }
        Credentials::Cookie(file) => Auth::Cookie(file.clone()),
    }
}

fn devnet(algorithm: Algorithm, nbits: CompactTarget, file: &Path) -> Result<Devnet, Failure> {
    let clock = Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixTime::from_secs(since.map_or(0, |since| since.as_secs()))
    });
    let config = DevnetConfig::new(algorithm, nbits, SUBSIDY, clock).with_file(file);
    Devnet::new(config).map_err(|error| Failure::Failed(format!("devnet {}: {error}", file.display())))
}

/// A difficulty of the right order for one thread of a usual machine.
fn default_nbits(algorithm: Algorithm) -> CompactTarget {
    let hashes = match algorithm.name() {
        "randomx" => 1 << 7,
        "scrypt" => 1 << 15,
        _ => 1 << 23,
    };
    Target::from_weight(Weight::new(hashes)).unwrap_or(Target::MAX).to_compact()
}

/// The difficulty at which one thread of this machine finds a block in about 5 seconds.
pub(crate) fn measured_nbits(kernel: Kernel, interrupt: &Interrupt) -> Result<CompactTarget, Failure> {
    let measured = measure(kernel, 1, Duration::from_millis(400), interrupt)?;
    let target = measured.rate().target_for_shares(BLOCKS_PER_MINUTE);
    Ok(target.map_or_else(|| default_nbits(kernel.algorithm()), Target::to_compact))
}
