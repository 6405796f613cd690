//! Where memory and caches are: nodes, and how many threads the caches feed.

use std::fs;
use std::path::Path;

/// Cache that one thread fills: its scratchpad, and the part of it that is used most.
const L3_PER_THREAD: u64 = 2 << 20;
const L2_PER_THREAD: u64 = 256 << 10;

/// A cache and the logical CPUs that share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SharedCache {
    /// 2 or 3.
    pub level: u8,
    /// Its size.
    pub bytes: u64,
    /// Who shares it.
    pub cpus: Vec<usize>,
}

/// How many threads of RandomX these caches feed: 2 MiB of third-level and 256 KiB of second-level cache for each, and
/// no more than there are logical CPUs. At least one; all CPUs where nothing is known of caches.
///
/// More threads than that drive each other's scratchpads out, and are slower in sum.
#[must_use]
pub fn threads(cpus: usize, caches: &[SharedCache]) -> usize {
    let fed = |level: u8, each: u64| {
        let of_level = caches.iter().filter(|cache| cache.level == level);
        let threads = |cache: &SharedCache| {
            usize::try_from(cache.bytes / each).unwrap_or(usize::MAX).min(cache.cpus.len())
        };
        of_level.map(threads).reduce(usize::saturating_add).unwrap_or(usize::MAX)
    };
    cpus.min(fed(3, L3_PER_THREAD)).min(fed(2, L2_PER_THREAD)).max(1)
}

/// The caches of the second and third level of this machine; none where the system does not say.
#[must_use]
pub fn caches() -> Vec<SharedCache> {
    let mut caches = Vec::new();
    for cpu in numbered(Path::new("/sys/devices/system/cpu"), "cpu") {
        let folder = format!("/sys/devices/system/cpu/cpu{cpu}/cache");
        for index in numbered(Path::new(&folder), "index") {
            let read = |name: &str| fs::read_to_string(format!("{folder}/index{index}/{name}"));
            let (Ok(level), Ok(size), Ok(cpus)) = (read("level"), read("size"), read("shared_cpu_list"))
            else {
                continue;
            };
            let cache = cache(&level, &size, &cpus);
            if let Some(cache) = cache.filter(|cache| !caches.contains(cache)) {
                caches.push(cache);
            }
        }
    }
    caches
}

/// The logical CPUs of each memory node that has some; one node of all that there are where the system does not say.
#[must_use]
pub fn nodes() -> Vec<Vec<usize>> {
    let folder = Path::new("/sys/devices/system/node");
    let cpus = |node: usize| fs::read_to_string(folder.join(format!("node{node}/cpulist"))).ok();
    let listed = numbered(folder, "node").into_iter().filter_map(cpus).filter_map(|list| parse_list(&list));
    let nodes: Vec<_> = listed.filter(|cpus| !cpus.is_empty()).collect();
    if nodes.is_empty() { vec![Vec::new()] } else { nodes }
}

fn cache(level: &str, size: &str, cpus: &str) -> Option<SharedCache> {
    let level = level.trim().parse().ok().filter(|level| *level == 2 || *level == 3)?;
    let bytes = size.trim().strip_suffix('K')?.parse::<u64>().ok()? << 10;
    Some(SharedCache { level, bytes, cpus: parse_list(cpus)? })
}

/// `0-3,8,10-11` as numbers; `None` if it is no such list. An empty list is one.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for piece in text.trim().split(',').filter(|piece| !piece.is_empty()) {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last.checked_sub(first)? > 1 << 16 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// The numbers behind `prefix` in the names of a folder, ascending.
fn numbered(folder: &Path, prefix: &str) -> Vec<usize> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix(prefix)?.parse().ok();
    let mut numbers: Vec<_> = entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(level: u8, kibibytes: u64, cpus: std::ops::Range<usize>) -> SharedCache {
        SharedCache { level, bytes: kibibytes << 10, cpus: cpus.collect() }
    }

    /// A machine of so many cores with two threads each.
    fn machine(cores: usize, l2: u64, l3: &[u64]) -> (usize, Vec<SharedCache>) {
        let mut caches: Vec<_> = (0..cores).map(|core| shared(2, l2, 2 * core..2 * core + 2)).collect();
        let each = 2 * cores / l3.len();
        caches.extend(
            l3.iter().enumerate().map(|(index, size)| shared(3, *size, index * each..(index + 1) * each)),
        );
        (2 * cores, caches)
    }

    #[test]
    fn threads_are_as_many_as_the_caches_feed() {
        for (name, (cpus, caches), expected) in [
            ("16 cores, 1 MiB each, two of 32 MiB", machine(16, 1024, &[32768, 32768]), 32),
            ("16 cores, 512 KiB each, one of 32 MiB", machine(16, 512, &[32768]), 16),
            ("4 cores, 256 KiB each, 8 MiB", machine(4, 256, &[8192]), 4),
            ("4 cores, 256 KiB each, 3 MiB", machine(4, 256, &[3072]), 1),
            ("8 cores, one with a large cache", machine(8, 1024, &[98304, 4096]), 8 + 2),
            ("2 cores, 1 MiB", machine(2, 512, &[1024]), 1),
        ] {
            assert_eq!(threads(cpus, &caches), expected, "{name}");
        }
        assert_eq!(threads(6, &[]), 6, "nothing is known");
        assert_eq!(threads(0, &[]), 1);
        let only_second = [shared(2, 512, 0..4)];
        assert_eq!(threads(4, &only_second), 2);
    }

    #[test]
    fn lists_are_read_as_the_system_writes_them() {
        assert_eq!(parse_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_list("\n"), Some(Vec::new()));
        for wrong in ["x", "3-1", "1-", "0-99999999"] {
            assert_eq!(parse_list(wrong), None, "{wrong}");
        }
        assert_eq!(cache("3\n", "32768K\n", "0-1\n"), Some(shared(3, 32768, 0..2)));
        assert_eq!(cache("1\n", "32K\n", "0\n"), None);
        assert_eq!(cache("2\n", "lots\n", "0\n"), None);
    }

    #[test]
    fn this_machine_has_a_node() {
        assert!(!nodes().is_empty());
        let cpus = std::thread::available_parallelism().unwrap().get();
        assert!((1..=cpus).contains(&threads(cpus, &caches())));
    }
}
