//! `mine`: what the miner connects to and as whom.

use otedama_core::Algorithm;

use super::Secret;
use super::read::{Item, Reader};

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
    /// How many seconds; without end if absent.
    pub(crate) time: Option<u64>,
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
        algorithm: section.get("algorithm").and_then(|item| reader.parsed(&item, super::pooled)),
        threads: section.get("threads").and_then(|item| threads(&item, reader)),
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
