//! `mine`: what the miner connects to and as whom.

use std::str::FromStr;

use otedama_core::Algorithm;
use otedama_gpu::cpu::Priority;

use super::Secret;
use super::read::{Item, Reader};
use super::yaml::Value;

/// The miner's settings, all of which the command line may give instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MineConfig {
    /// Pools in the order of preference.
    pub(crate) urls: Vec<String>,
    /// The user name.
    pub(crate) user: Option<String>,
    /// The password.
    pub(crate) pass: Option<Secret>,
    /// What to hash.
    pub(crate) algorithm: Option<Algorithm>,
    /// How many threads; all processors if absent.
    pub(crate) threads: Option<usize>,
    /// Where the threads run; anywhere if absent.
    pub(crate) affinity: Option<Affinity>,
    /// How much they yield to others.
    pub(crate) priority: Option<Priority>,
    /// How many seconds; without end if absent.
    pub(crate) time: Option<u64>,
}

/// The processors that threads are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// All of them, the first of each core before the others.
    Auto,
    /// These, one after the other and over again.
    Listed(Vec<usize>),
}

/// The most threads that can be asked for.
pub(crate) const MAX_THREADS: usize = 4096;

pub(super) fn read(item: &Item<'_>, reader: &mut Reader) -> Option<MineConfig> {
    let mut section = reader.section(item)?;
    let urls = section.get("urls").map(|item| reader.list(&item)).unwrap_or_default();
    let config = MineConfig {
        urls: urls.iter().filter_map(|item| reader.text(item).map(str::to_owned)).collect(),
        user: section.get("user").and_then(|item| reader.text(&item).map(str::to_owned)),
        pass: section.get("pass").and_then(|item| reader.text(&item).map(Secret::new)),
        algorithm: section.get("algorithm").and_then(|item| reader.parsed(&item, super::algorithm)),
        threads: section.get("threads").and_then(|item| threads(&item, reader)),
        affinity: section.get("affinity").and_then(|item| affinity(&item, reader)),
        priority: section.get("priority").and_then(|item| priority(&item, reader)),
        time: section.get("time").and_then(|item| reader.integer(&item, u64::from(u32::MAX))),
    };
    section.finish(reader);
    Some(config)
}

fn threads(item: &Item<'_>, reader: &mut Reader) -> Option<usize> {
    let max = u64::try_from(MAX_THREADS).unwrap_or(u64::MAX);
    let threads = reader.integer(item, max)?;
    if threads == 0 {
        reader.rule(item, "a miner needs at least one thread");
    }
    usize::try_from(threads).ok()
}

/// `auto`, a list of numbers, or such a list as a text.
fn affinity(item: &Item<'_>, reader: &mut Reader) -> Option<Affinity> {
    if !matches!(item.node.value, Value::List(_)) {
        return reader.parsed(item, str::parse);
    }
    let items = reader.list(item);
    if items.is_empty() {
        reader.rule(item, "a list of processors needs at least one; leave it out to bind nothing");
    }
    let cpus = items.iter().filter_map(|item| reader.integer(item, u64::from(u16::MAX)));
    Some(Affinity::Listed(cpus.filter_map(|cpu| usize::try_from(cpu).ok()).collect()))
}

fn priority(item: &Item<'_>, reader: &mut Reader) -> Option<Priority> {
    reader.parsed(item, |name| name.parse().map_err(|error: <Priority as FromStr>::Err| error.to_string()))
}

impl FromStr for Affinity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let wrong = || "is neither auto nor a list of processors such as 0,2".to_owned();
        let number = |part: &str| part.trim().parse::<u16>().map(usize::from).map_err(|_| wrong());
        text.split(',').map(number).collect::<Result<_, _>>().map(Self::Listed)
    }
}
