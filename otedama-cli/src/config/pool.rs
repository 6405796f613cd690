//! One pool: its coin, nodes, address, scheme, listeners and store.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use otedama_core::{Algorithm, Difficulty, Factor, Percent, Target};

use super::node::{self, NodeConfig};
use super::read::{Item, Reader, Section};
use super::yaml::Node;

/// A pool as configured; everything in it has been checked as far as that goes without its node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PoolConfig {
    /// The name that every entry of its books carries.
    pub(crate) name: String,
    /// The coin; `None` on a devnet.
    pub(crate) coin: Option<&'static str>,
    /// What is hashed.
    pub(crate) algorithm: Algorithm,
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
    /// The journal's file.
    pub(crate) store: PathBuf,
}

/// How a reward is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemeConfig {
    /// The finder gets all.
    Solo,
    /// By the shares of a window of so many network difficulties.
    Pplns(Factor),
}

/// How difficulty follows the miner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct VardiffConfig {
    /// Where it begins; chosen by the pool if absent.
    pub(crate) start: Option<Target>,
    /// What it aims at.
    pub(crate) shares_per_minute: f64,
}

impl Default for VardiffConfig {
    fn default() -> Self {
        Self { start: None, shares_per_minute: 12.0 }
    }
}

const FLAT: [&str; 6] = ["coin", "algorithm", "nodes", "pool", "stratum", "store"];
const DEFAULT_STORE: &str = "data/otedama.db";
const MAX_SHARES_PER_MINUTE: f64 = 6000.0;
const MAX_DIFFICULTY: f64 = 1e15;

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

pub(super) fn read(item: &Item<'_>, reader: &mut Reader) -> Option<PoolConfig> {
    let mut section = reader.section(item)?;
    let pool = read_section(&mut section, reader);
    section.finish(reader);
    pool
}

/// Reads a pool out of a mapping that may hold other keys too.
pub(super) fn read_section(section: &mut Section<'_>, reader: &mut Reader) -> Option<PoolConfig> {
    let nodes = read_nodes(section, reader);
    let chain = read_chain(section, &nodes, reader);
    let identity = section
        .need("pool", "at least `pool: { address: ... }`", reader)
        .and_then(|item| Identity::read(&item, chain.and_then(|chain| chain.coin), reader));
    let algorithm = chain.map(|chain| chain.algorithm);
    let stratum = section.get("stratum").and_then(|item| Stratum::read(&item, algorithm, reader));
    let store = section.get("store").and_then(|item| read_store(&item, reader));
    let (chain, identity, stratum) = (chain?, identity?, stratum.unwrap_or_default());
    Some(PoolConfig {
        name: identity.name,
        coin: chain.coin,
        algorithm: chain.algorithm,
        nodes,
        address: identity.address,
        fee: identity.fee,
        scheme: identity.scheme,
        tag: identity.tag,
        listen: stratum.listen,
        vardiff: stratum.vardiff,
        store: store.unwrap_or_else(|| DEFAULT_STORE.into()),
    })
}

/// What must not be shared between pools of one process.
pub(super) fn check_together(pools: &[PoolConfig], root: &Node, reader: &mut Reader) {
    let (mut names, mut stores, mut listeners) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, pool) in pools.iter().enumerate() {
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

/// Coin and algorithm.
#[derive(Clone, Copy)]
struct Chain {
    coin: Option<&'static str>,
    algorithm: Algorithm,
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

fn read_chain(section: &mut Section<'_>, nodes: &[NodeConfig], reader: &mut Reader) -> Option<Chain> {
    let devnet = nodes.iter().any(|node| matches!(node, NodeConfig::Devnet { .. }));
    let (coin, algorithm) = (section.get("coin"), section.get("algorithm"));
    let known = coin.as_ref().map(|item| reader.parsed(item, find_coin));
    let named = algorithm.as_ref().map(|item| reader.parsed(item, super::algorithm));
    match (coin, known, algorithm, named) {
        (Some(item), ..) if devnet => {
            reader.rule(&item, "a devnet has no coin; write `algorithm: sha256d` or `algorithm: scrypt`");
            None
        }
        (Some(_), Some(Some((coin, gives))), Some(item), Some(Some(named))) if gives != named => {
            reader.rule(&item, format!("{coin} is mined with {gives}; leave `algorithm` out"));
            None
        }
        (Some(_), known, ..) => {
            known.flatten().map(|(coin, algorithm)| Chain { coin: Some(coin), algorithm })
        }
        (None, _, Some(item), _) if !devnet && !nodes.is_empty() => {
            reader.rule(&item, "an algorithm alone goes only with a node of kind devnet; write `coin: ...`");
            None
        }
        (None, _, Some(_), named) => named.flatten().map(|algorithm| Chain { coin: None, algorithm }),
        (None, _, None, _) => {
            let hint = if devnet {
                "`algorithm: sha256d` or `algorithm: scrypt`"
            } else {
                "such as `coin: bitcoin`"
            };
            section.need(if devnet { "algorithm" } else { "coin" }, hint, reader);
            None
        }
    }
}

fn find_coin(name: &str) -> Result<(&'static str, Algorithm), String> {
    match name {
        "bitcoin" => Ok(("bitcoin", Algorithm::SHA256D)),
        "litecoin" => Ok(("litecoin", Algorithm::SCRYPT)),
        absent if ABSENT_COINS.contains(&absent) => {
            Err("is not in this version; known coins: bitcoin, litecoin".into())
        }
        _ => Err("is no known coin; known: bitcoin, litecoin".into()),
    }
}

/// The section `pool`.
struct Identity {
    name: String,
    address: String,
    fee: Percent,
    scheme: SchemeConfig,
    tag: String,
}

impl Identity {
    fn read(item: &Item<'_>, coin: Option<&'static str>, reader: &mut Reader) -> Option<Self> {
        let mut section = reader.section(item)?;
        let name = section.get("name").and_then(|item| reader.parsed(&item, pool_name));
        let address = section
            .need("address", "the address that rewards and fees are paid to", reader)
            .and_then(|item| reader.parsed(&item, |text| check_address(coin, text)));
        let fee = read_fee(&mut section, reader);
        let scheme = read_scheme(&mut section, reader);
        let tag = section.get("tag").and_then(|item| reader.parsed(&item, coinbase_tag));
        section.finish(reader);
        Some(Self {
            name: name.unwrap_or_else(|| "default".into()),
            address: address?,
            fee,
            scheme,
            tag: tag.unwrap_or_else(|| "/otedama/".into()),
        })
    }
}

fn check_address(_coin: Option<&'static str>, text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn pool_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is no name: 1 to 32 of a-z, 0-9, - and _".into())
    }
}

fn read_fee(section: &mut Section<'_>, reader: &mut Reader) -> Percent {
    let item = section.get("fee_percent");
    let fee = item.as_ref().and_then(|item| reader.decimal::<Percent>(item)).unwrap_or(Percent::ZERO);
    let allowed = section.get("allow_whole_fee").and_then(|item| reader.flag(&item)).unwrap_or(false);
    if let Some(item) = item.filter(|_| fee.is_whole() && !allowed) {
        reader.rule(&item, "the pool would keep everything; if that is meant, add `allow_whole_fee: true`");
    }
    fee
}

fn read_scheme(section: &mut Section<'_>, reader: &mut Reader) -> SchemeConfig {
    let (name, item) = (section.get("scheme"), section.get("window"));
    let window = item.as_ref().and_then(|item| reader.decimal::<Factor>(item));
    if let Some(item) = item.as_ref().filter(|_| window.is_some_and(Factor::is_zero)) {
        reader.rule(item, "a window of nothing pays nobody");
    }
    let pplns = SchemeConfig::Pplns(window.unwrap_or_else(|| Factor::whole(2)));
    let Some(name) = name else { return pplns };
    match (reader.text(&name), item) {
        (Some("pplns") | None, _) => pplns,
        (Some("solo"), None) => SchemeConfig::Solo,
        (Some("solo"), Some(item)) => {
            reader.rule(&item, "a window goes with `scheme: pplns` only");
            SchemeConfig::Solo
        }
        (Some(_), _) => {
            reader.rule(&name, "unknown scheme; known: pplns, solo");
            pplns
        }
    }
}

fn coinbase_tag(text: &str) -> Result<String, String> {
    if text.len() <= MAX_TAG && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        Ok(text.to_owned())
    } else {
        Err(format!("is no tag: at most {MAX_TAG} printable ASCII characters"))
    }
}

/// What a coinbase has room for beside the height and the extranonce.
const MAX_TAG: usize = 40;

/// The section `stratum`.
struct Stratum {
    listen: Vec<SocketAddr>,
    vardiff: VardiffConfig,
}

impl Default for Stratum {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([127, 0, 0, 1], 3333))], vardiff: VardiffConfig::default() }
    }
}

impl Stratum {
    fn read(item: &Item<'_>, algorithm: Option<Algorithm>, reader: &mut Reader) -> Option<Self> {
        let mut section = reader.section(item)?;
        let default = Self::default();
        let listen = section.get("listen").map(|item| read_listeners(&item, reader));
        let vardiff = section.get("vardiff").and_then(|item| read_vardiff(&item, algorithm, reader));
        section.finish(reader);
        Some(Self { listen: listen.unwrap_or(default.listen), vardiff: vardiff.unwrap_or(default.vardiff) })
    }
}

fn read_listeners(item: &Item<'_>, reader: &mut Reader) -> Vec<SocketAddr> {
    let items = reader.list(item);
    if items.is_empty() && matches!(item.node.value, super::yaml::Value::List(_)) {
        reader.rule(item, "a pool needs at least one listener");
    }
    let address = |text: &str| {
        text.parse::<SocketAddr>()
            .map_err(|_| "is not IP:PORT, such as 0.0.0.0:3333 for all interfaces".to_owned())
    };
    items.iter().filter_map(|item| reader.parsed(item, address)).collect()
}

fn read_vardiff(item: &Item<'_>, algorithm: Option<Algorithm>, reader: &mut Reader) -> Option<VardiffConfig> {
    let mut section = reader.section(item)?;
    let start = section.get("start").and_then(|item| read_start(&item, algorithm, reader));
    let rate = section.get("shares_per_minute").and_then(|item| reader.measure(&item, MAX_SHARES_PER_MINUTE));
    section.finish(reader);
    let default = VardiffConfig::default();
    Some(VardiffConfig { start, shares_per_minute: rate.unwrap_or(default.shares_per_minute) })
}

fn read_start(item: &Item<'_>, algorithm: Option<Algorithm>, reader: &mut Reader) -> Option<Target> {
    if reader.text(item)? == "auto" {
        return None;
    }
    let number = reader.measure(item, MAX_DIFFICULTY)?;
    match Difficulty::from_f64(algorithm?, number) {
        Ok(difficulty) => Some(difficulty.target()),
        Err(error) => {
            reader.rule(item, error.to_string());
            None
        }
    }
}

fn read_store(item: &Item<'_>, reader: &mut Reader) -> Option<PathBuf> {
    let mut section = reader.section(item)?;
    let path = section.need("path", "the journal's file, such as data/otedama.db", reader);
    let path = path.and_then(|item| reader.text(&item).map(PathBuf::from));
    section.finish(reader);
    path
}
