//! One pool: its coin, nodes, address, scheme, listeners and store.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use otedama_core::{Algorithm, Percent};
use otedama_pool::Coin;
use otedama_pool::vardiff::VardiffConfig;

use super::identity::{Identity, SchemeConfig};
use super::node::{self, NodeConfig};
use super::read::{Item, Reader, Section};
use super::stratum::{Secret, Stratum, read_listeners};
use super::yaml::Node;

/// A pool as configured; everything in it has been checked as far as that goes without its node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PoolConfig {
    /// The name that every entry of its books carries.
    pub(crate) name: String,
    /// What is mined; a devnet's play money has no public coin.
    pub(crate) coin: Coin,
    /// At least one.
    pub(crate) nodes: Vec<NodeConfig>,
    /// Where rewards and fees go.
    pub(crate) address: String,
    /// The pool's part of every reward.
    pub(crate) fee: Percent,
    /// How the rest is split.
    pub(crate) scheme: SchemeConfig,
    /// What the coinbase says besides what it must.
    pub(crate) tag: String,
    /// Where miners connect; at least one.
    pub(crate) listen: Vec<SocketAddr>,
    /// How difficulty follows the miner.
    pub(crate) vardiff: VardiffConfig,
    /// What signs the pool's certificates; if it is not configured, a file beside the store has it.
    #[cfg_attr(
        not(all(feature = "noise", feature = "server")),
        allow(dead_code, reason = "nothing is signed")
    )]
    pub(crate) authority: Option<Secret>,
    /// The journal's file.
    pub(crate) store: PathBuf,
}

/// Whose templates are given to other pools, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProviderConfig {
    /// The pool's name, or `default`.
    pub(crate) name: String,
    /// What the templates are for.
    pub(crate) coin: Coin,
    /// At least one.
    pub(crate) nodes: Vec<NodeConfig>,
    /// Where clients connect; at least one.
    pub(crate) listen: Vec<SocketAddr>,
    /// As for the pool.
    #[cfg_attr(
        not(all(feature = "noise", feature = "server")),
        allow(dead_code, reason = "nothing is signed")
    )]
    pub(crate) authority: Option<Secret>,
    /// Beside it are the keys and the chain of a devnet.
    pub(crate) store: PathBuf,
}

/// What stands under one item of `pools`, or at the root.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pool: Option<PoolConfig>,
    pub(super) provider: Option<ProviderConfig>,
}

const FLAT: [&str; 7] = ["coin", "algorithm", "nodes", "pool", "stratum", "store", "template_provider"];
/// Where templates are given if nothing is said.
const PROVIDER: ([u8; 4], u16) = ([127, 0, 0, 1], 8442);
/// The journal of a pool that names none.
pub(crate) const DEFAULT_STORE: &str = "data/otedama.db";

/// Coins that the configuration knows by name but that are not in this program.
const ABSENT_COINS: [&str; 9] = [
    "monero",
    "ethereum",
    "ethereum-classic",
    "ravencoin",
    "decred",
    "alephium",
    "verus",
    "flux",
    "vertcoin",
];

/// The keys of the flat form that are there, all of which are known from now on.
pub(super) fn flat_keys<'n>(section: &mut Section<'n>) -> Vec<Item<'n>> {
    FLAT.iter().filter_map(|key| section.get(key)).collect()
}

pub(super) fn read(item: &Item<'_>, reader: &mut Reader) -> Found {
    let Some(mut section) = reader.section(item) else { return Found::default() };
    let found = read_section(&mut section, reader);
    section.finish(reader);
    found
}

/// Reads a pool, or a provider of templates without one, out of a mapping that may hold other keys too.
pub(super) fn read_section(section: &mut Section<'_>, reader: &mut Reader) -> Found {
    let nodes = read_nodes(section, reader);
    let coin = read_coin(section, &nodes, reader);
    let provider = section.get("template_provider");
    let alone = provider.is_some() && section.get("pool").is_none();
    let identity = if alone {
        None
    } else {
        let item = section.need("pool", "at least `pool: { address: ... }`", reader);
        item.and_then(|item| Identity::read(&item, coin, reader))
    };
    // Which algorithm matters only once there is a coin.
    let algorithm = coin.map_or(Algorithm::SHA256D, |coin| coin.algorithm);
    let stratum = section.get("stratum").and_then(|item| Stratum::read(&item, algorithm, reader));
    let store = section.get("store").and_then(|item| read_store(&item, reader));
    let listen = provider.map(|item| read_provider(&item, reader));
    let Some(coin) = coin else { return Found::default() };
    let stratum = stratum.unwrap_or_else(|| Stratum::default(algorithm));
    let store = store.unwrap_or_else(|| DEFAULT_STORE.into());
    let provider = ProviderConfig {
        name: identity.as_ref().map_or_else(|| "default".into(), |identity| identity.name.clone()),
        coin,
        nodes: nodes.clone(),
        listen: listen.unwrap_or_else(|| vec![SocketAddr::from(PROVIDER)]),
        authority: stratum.authority.clone(),
        store: store.clone(),
    };
    let pool = identity.map(|identity| PoolConfig {
        name: identity.name,
        coin,
        nodes,
        address: identity.address,
        fee: identity.fee,
        scheme: identity.scheme,
        tag: identity.tag,
        listen: stratum.listen,
        vardiff: stratum.vardiff,
        authority: stratum.authority,
        store,
    });
    Found { pool, provider: Some(provider) }
}

/// Where templates are given.
fn read_provider(item: &Item<'_>, reader: &mut Reader) -> Vec<SocketAddr> {
    let Some(mut section) = reader.section(item) else { return Vec::new() };
    let listen = section.get("listen").map(|item| read_listeners(&item, reader));
    section.finish(reader);
    listen.unwrap_or_else(|| vec![SocketAddr::from(PROVIDER)])
}

/// What must not be shared between pools of one process.
pub(super) fn check_together(found: &[Found], root: &Node, reader: &mut Reader) {
    let (mut names, mut stores, mut listeners) = (HashSet::new(), HashSet::new(), HashSet::new());
    let pools = found.iter().enumerate().filter_map(|(index, found)| Some((index, found.pool.as_ref()?)));
    for (index, pool) in pools {
        let item = Item::new(root, format!("pools[{index}]"));
        if !names.insert(&pool.name) {
            reader.rule(&item, format!("another pool has the name {} too", pool.name));
        }
        if !stores.insert(&pool.store) {
            reader.rule(
                &item,
                format!("another pool keeps {} too; give each its own `store`", pool.store.display()),
            );
        }
        for address in pool.listen.iter().filter(|address| address.port() != 0) {
            if !listeners.insert(address) {
                reader.rule(&item, format!("{address} is listened on twice"));
            }
        }
    }
}

fn read_nodes(section: &mut Section<'_>, reader: &mut Reader) -> Vec<NodeConfig> {
    let Some(list) = section.need(
        "nodes",
        "a list such as `[{ kind: bitcoind, url: \"http://127.0.0.1:8332\" }]`",
        reader,
    ) else {
        return Vec::new();
    };
    let items = reader.list(&list);
    if items.is_empty() && matches!(list.node.value, super::yaml::Value::List(_)) {
        reader.rule(&list, "a pool needs at least one node");
    }
    let nodes: Vec<_> = items.iter().filter_map(|item| node::read(item, reader)).collect();
    if nodes.len() > 1 && nodes.iter().any(|node| matches!(node, NodeConfig::Devnet { .. })) {
        reader.rule(&list, "a devnet is the only node of its pool");
    }
    nodes
}

fn read_coin(section: &mut Section<'_>, nodes: &[NodeConfig], reader: &mut Reader) -> Option<Coin> {
    let devnet = nodes.iter().any(|node| matches!(node, NodeConfig::Devnet { .. }));
    let (coin, algorithm) = (section.get("coin"), section.get("algorithm"));
    let named = algorithm.as_ref().and_then(|item| reader.parsed(item, super::pooled));
    match (coin, algorithm) {
        (Some(item), _) if devnet => {
            reader.rule(&item, "a devnet has no coin; write `algorithm: sha256d` or `algorithm: scrypt`");
            None
        }
        (Some(item), algorithm) => {
            let coin = reader.parsed(&item, find_coin)?;
            if let Some((item, _)) = algorithm.zip(named).filter(|(_, named)| *named != coin.algorithm) {
                reader.rule(&item, format!("{coin} is mined with {}; leave this out", coin.algorithm));
            }
            Some(coin)
        }
        (None, Some(item)) if !devnet && !nodes.is_empty() => {
            reader.rule(&item, "an algorithm alone goes only with a node of kind devnet; write `coin: ...`");
            None
        }
        (None, Some(_)) => named.map(Coin::devnet),
        (None, None) if devnet => {
            section.need("algorithm", "`algorithm: sha256d` or `algorithm: scrypt`", reader);
            None
        }
        (None, None) => {
            section.need("coin", "such as `coin: bitcoin`", reader);
            None
        }
    }
}

fn find_coin(name: &str) -> Result<Coin, String> {
    Coin::find(name).ok_or_else(|| {
        let why = if ABSENT_COINS.contains(&name) { "is not in this version" } else { "is no known coin" };
        format!("{why}; known coins: {}", Coin::ALL.map(|coin| coin.name).join(", "))
    })
}

fn read_store(item: &Item<'_>, reader: &mut Reader) -> Option<PathBuf> {
    let mut section = reader.section(item)?;
    let path = section.need("path", "the journal's file, such as data/otedama.db", reader);
    let path = path.and_then(|item| reader.text(&item).map(PathBuf::from));
    section.finish(reader);
    path
}
