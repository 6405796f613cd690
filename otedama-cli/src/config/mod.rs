//! The configuration: YAML, with the environment over the file, read strictly.
//!
//! An unknown key is an error that names the nearest known one. Amounts and percentages are exact. All problems are
//! reported at once, each with its line or its variable.

mod env;
mod identity;
mod mine;
mod node;
mod pool;
mod problem;
mod read;
mod stratum;
mod yaml;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use otedama_core::{Algorithm, AlgorithmSet};

pub(crate) use self::identity::SchemeConfig;
pub(crate) use self::mine::{Affinity, MAX_THREADS, MineConfig};
pub(crate) use self::node::{Credentials, NodeConfig};
pub(crate) use self::pool::{DEFAULT_STORE, PoolConfig, ProviderConfig};
pub(crate) use self::problem::ConfigError;
#[cfg(all(feature = "noise", feature = "server"))]
pub(crate) use self::stratum::Secret as AuthorityText;

use self::pool::Found;
use self::problem::{Fault, Problem};
use self::read::{Item, Reader};
use self::yaml::{MAX_BYTES, Node, Place};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// The pools of one process; none if the configuration is only about mining.
    pub(crate) pools: Vec<PoolConfig>,
    /// Whose templates can be given to others: those of every pool, and of what is configured to be nothing else.
    pub(crate) providers: Vec<ProviderConfig>,
    /// The miner.
    pub(crate) mine: MineConfig,
    source: String,
}

/// What a configuration is read for. Pools are of no concern to a miner, and may be configured half in its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    All,
    /// Only what concerns the miner.
    Mine,
}

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Config {
    /// Reads `path`, or standard input for `-`, or nothing, and puts the environment over it.
    pub(crate) fn load(path: Option<&str>, part: Part) -> Result<Self, ConfigError> {
        let source = match path {
            None => "environment",
            Some("-") => "standard input",
            Some(path) => path,
        };
        let text = path.map_or_else(|| Ok(String::new()), read);
        let text =
            text.map_err(|fault| ConfigError::new(source, vec![Problem::new(Place::Absent, "", fault)]))?;
        Self::parse(source, &text, std::env::vars_os(), part)
    }

    /// Reads `text`; `source` is its name in messages.
    pub(crate) fn parse(
        source: &str,
        text: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        part: Part,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::default();
        let mut root = Node::parse(text, None).map_err(|(place, error)| {
            ConfigError::new(source, vec![Problem::new(place, "", Fault::Yaml(error))])
        })?;
        env::overlay(&mut root, variables, &mut reader.problems);
        let (found, mine) = read_root(&root, part, &mut reader);
        if reader.problems.is_empty() {
            let (mut pools, mut providers) = (Vec::new(), Vec::new());
            for Found { pool, provider } in found {
                pools.extend(pool);
                providers.extend(provider);
            }
            Ok(Self { pools, providers, mine, source: source.to_owned() })
        } else {
            Err(ConfigError::new(source, reader.problems))
        }
    }

    /// An error about the configuration as a whole.
    pub(crate) fn refuse(&self, rule: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.source, vec![Problem::new(Place::Absent, "", Fault::Rule(rule.into()))])
    }
}

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn read(path: &str) -> Result<String, Fault> {
    let unreadable = |error: io::Error| Fault::Unreadable(error.to_string());
    let source: Box<dyn io::Read> =
        if path == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(unreadable)?) };
    let limit = u64::try_from(MAX_BYTES).map_or(u64::MAX, |bytes| bytes.saturating_add(1));
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Fault::NotText)
}

fn read_root(root: &Node, part: Part, reader: &mut Reader) -> (Vec<Found>, MineConfig) {
    let Some(mut section) = reader.section(&Item::new(root, "")) else {
        return Default::default();
    };
    let mine = section.get("mine").and_then(|item| mine::read(&item, reader)).unwrap_or_default();
    let list = section.get("pools");
    let flat = pool::flat_keys(&mut section);
    let pools = match (list, flat.first()) {
        _ if part == Part::Mine => Vec::new(),
        (Some(_), Some(item)) => {
            reader.rule(item, "this belongs to one pool: put it into the list `pools`, or leave that out");
            Vec::new()
        }
        (Some(list), None) => reader.list(&list).iter().map(|item| pool::read(item, reader)).collect(),
        (None, Some(_)) => vec![pool::read_section(&mut section, reader)],
        (None, None) => Vec::new(),
    };
    section.finish(reader);
    pool::check_together(&pools, root, reader);
    (pools, mine)
}

/// The algorithm of this name.
pub(crate) fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = AlgorithmSet::builtin();
    known.find(name).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(Algorithm::name).collect();
        format!("is no algorithm of this program; known: {}", names.join(", "))
    })
}

/// The algorithm of this name, if its jobs are such as pools and miners here exchange.
pub(crate) fn pooled(name: &str) -> Result<Algorithm, String> {
    let over = |known: &Algorithm| known.over_bitcoin_header().is_bitcoin_like();
    let found = algorithm(name);
    if found.as_ref().is_ok_and(over) {
        return found;
    }
    let known: Vec<_> = AlgorithmSet::builtin().iter().filter(over).map(Algorithm::name).collect();
    let why = if found.is_ok() {
        "is hashed, scanned and measured here, but neither served nor mined on a pool"
    } else {
        "is no algorithm of this program"
    };
    Err(format!("{why}; known: {}", known.join(", ")))
}

#[cfg(test)]
mod tests;
