//! Nodes as configured.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otedama_core::{Algorithm, Amount, CompactTarget, Target, UnixTime, Weight};
use otedama_hash::Kernel;
use otedama_pool::Coin;
use otedama_pool::node::{
    Auth, Bitcoind, Devnet, DevnetConfig, Node, TemplateProvider, TemplateProviderConfig,
};

use crate::config::{Credentials, NodeConfig};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::measure::measure;

/// What each block of a devnet creates: 50 coins.
const SUBSIDY: Amount = Amount::from_atomic(5_000_000_000);

/// Blocks that one thread should find on a devnet in a minute.
const BLOCKS_PER_MINUTE: f64 = 12.0;

/// Opens every node of a pool; the chain of a devnet is kept beside the store. None is asked anything yet.
pub(crate) fn open(nodes: &[NodeConfig], coin: Coin, store: &Path) -> Result<Vec<Box<dyn Node>>, Failure> {
    nodes.iter().map(|node| open_one(node, coin, store)).collect()
}

fn open_one(node: &NodeConfig, coin: Coin, store: &Path) -> Result<Box<dyn Node>, Failure> {
    match node {
        NodeConfig::Devnet { nbits, .. } => {
            let algorithm = coin.algorithm;
            let nbits = nbits.unwrap_or_else(|| default_nbits(algorithm));
            Ok(Box::new(devnet(algorithm, nbits, &store.with_extension("chain"))?))
        }
        NodeConfig::Sv2Template { url, chain } => {
            let config = TemplateProviderConfig::from_url(url);
            let config = config.map_err(|error| Failure::Usage(format!("{url}: {error}")))?;
            let node = TemplateProvider::connect(config.chain(*chain));
            Ok(Box::new(node.map_err(|error| Failure::Failed(format!("{url}: {error}")))?))
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
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Failed(format!("cannot make {}: {error}", folder.display())))?;
    }
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
