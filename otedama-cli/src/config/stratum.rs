//! `stratum`: where miners connect, and how difficulty follows them.

use std::fmt;
use std::net::SocketAddr;

use otedama_core::{Algorithm, Difficulty, Target};
use otedama_pool::vardiff::VardiffConfig;

use super::read::{Item, Reader};

const MAX_SHARES_PER_MINUTE: f64 = 600.0;
const MAX_DIFFICULTY: f64 = 1e15;

/// The section `stratum`.
pub(super) struct Stratum {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) vardiff: VardiffConfig,
    pub(super) authority: Option<Secret>,
}

/// What signs the pool's certificates, as text. `Debug` does not show it.
#[cfg_attr(not(feature = "noise"), allow(dead_code, reason = "there is none then"))]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, in base58.
    #[cfg(all(feature = "noise", feature = "server"))]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Stratum {
    /// What goes without saying.
    pub(super) fn default(algorithm: Algorithm) -> Self {
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 3333))];
        Self { listen, vardiff: VardiffConfig::new(algorithm), authority: None }
    }

    pub(super) fn read(item: &Item<'_>, algorithm: Algorithm, reader: &mut Reader) -> Option<Self> {
        let mut section = reader.section(item)?;
        let default = Self::default(algorithm);
        let listen = section.get("listen").map(|item| read_listeners(&item, reader));
        let vardiff = section.get("vardiff").and_then(|item| read_vardiff(&item, default.vardiff, reader));
        let authority = section.get("authority_secret").and_then(|item| reader.parsed(&item, secret));
        section.finish(reader);
        let (listen, vardiff) = (listen.unwrap_or(default.listen), vardiff.unwrap_or(default.vardiff));
        Some(Self { listen, vardiff, authority })
    }
}

/// What it says is not repeated in a complaint.
#[cfg(feature = "noise")]
fn secret(text: &str) -> Result<Secret, String> {
    let parsed = text.parse::<otedama_stratum::noise::AuthoritySecret>();
    parsed
        .map(|_| Secret(text.to_owned()))
        .map_err(|error| format!("is no secret key such as `otedama keys generate` prints: {error}"))
}

#[cfg(not(feature = "noise"))]
fn secret(_text: &str) -> Result<Secret, String> {
    Err("needs a program that was built with the feature noise".to_owned())
}

pub(super) fn read_listeners(item: &Item<'_>, reader: &mut Reader) -> Vec<SocketAddr> {
    let items = reader.list(item);
    if items.is_empty() && matches!(item.node.value, super::yaml::Value::List(_)) {
        reader.rule(item, "at least one listener is needed");
    }
    let address = |text: &str| {
        text.parse::<SocketAddr>()
            .map_err(|_| "is not IP:PORT, such as 0.0.0.0:3333 for all interfaces".to_owned())
    };
    items.iter().filter_map(|item| reader.parsed(item, address)).collect()
}

fn read_vardiff(item: &Item<'_>, default: VardiffConfig, reader: &mut Reader) -> Option<VardiffConfig> {
    let mut section = reader.section(item)?;
    let mut config = default;
    if let Some(item) = section.get("start") {
        config.start = read_start(&item, config.algorithm, reader);
    }
    if let Some(item) = section.get("shares_per_minute") {
        config.shares_per_minute = reader.measure(&item, MAX_SHARES_PER_MINUTE)?;
        if let Err(error) = config.check() {
            reader.rule(&item, error.to_string());
        }
    }
    section.finish(reader);
    Some(config)
}

fn read_start(item: &Item<'_>, algorithm: Algorithm, reader: &mut Reader) -> Option<Target> {
    if reader.text(item)? == "auto" {
        return None;
    }
    let number = reader.measure(item, MAX_DIFFICULTY)?;
    match Difficulty::from_f64(algorithm, number) {
        Ok(difficulty) => Some(difficulty.target()),
        Err(error) => {
            reader.rule(item, error.to_string());
            None
        }
    }
}
