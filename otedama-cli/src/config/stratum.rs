//! `stratum`: where miners connect, and how difficulty follows them.

use std::net::SocketAddr;

use otedama_core::{Algorithm, Difficulty, Target};

use super::read::{Item, Reader};

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

const MAX_SHARES_PER_MINUTE: f64 = 6000.0;
const MAX_DIFFICULTY: f64 = 1e15;

/// The section `stratum`.
pub(super) struct Stratum {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) vardiff: VardiffConfig,
}

impl Default for Stratum {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([127, 0, 0, 1], 3333))], vardiff: VardiffConfig::default() }
    }
}

impl Stratum {
    pub(super) fn read(item: &Item<'_>, algorithm: Option<Algorithm>, reader: &mut Reader) -> Option<Self> {
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
