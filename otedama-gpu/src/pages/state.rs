//! What the system says about pages: which ones memory lies in, and how there could be better ones.

use std::fs;

use super::{Backing, GIB1, MIB2, PageKind};

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const TRANSPARENT: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// How the system is set up as to pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct System {
    /// Bytes of the page that is meant where no size is named.
    default_size: usize,
    /// Pages of the default size that are set aside, and those of them that nobody uses.
    default_pool: Option<(usize, usize)>,
    /// The same for pages of 2 MiB.
    pool: Option<(usize, usize)>,
    /// Whether transparent pages are given to those who ask.
    transparent: bool,
}

impl System {
    /// Looks it up. What cannot be read counts as not there.
    pub(super) fn read() -> Self {
        let number = |name: &str| fs::read_to_string(format!("{POOL}/{name}")).ok()?.trim().parse().ok();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let modes = fs::read_to_string(TRANSPARENT).unwrap_or_default();
        Self {
            default_size: kibibytes(&meminfo, "Hugepagesize:").unwrap_or(0),
            default_pool: value(&meminfo, "HugePages_Total:").zip(value(&meminfo, "HugePages_Free:")),
            pool: number("nr_hugepages").zip(number("free_hugepages")),
            transparent: !modes.is_empty() && !modes.contains("[never]"),
        }
    }

    /// Whether pages of 1 GiB are those that are meant where no size is named.
    pub(super) const fn default_is_gib(&self) -> bool {
        self.default_size == GIB1
    }

    /// What an administrator can do, so that so many pieces of memory get better pages than this one got.
    pub(super) fn improvement(&self, backing: Backing, pieces: usize) -> Option<String> {
        if self.default_is_gib() && backing.len >= GIB1 && self.default_pool.is_some() {
            let pages = backing.len.div_ceil(GIB1).saturating_mul(pieces);
            let wanted = more(self.default_pool, pages)?;
            return (backing.kind < PageKind::Huge1GiB)
                .then(|| format!("sysctl -w vm.nr_hugepages={wanted}"));
        }
        if backing.kind >= PageKind::Huge2MiB {
            return None;
        }
        let wanted = more(self.pool, backing.len.div_ceil(MIB2).saturating_mul(pieces));
        let explicit = wanted.map(|pages| {
            if self.default_size == MIB2 {
                format!("sysctl -w vm.nr_hugepages={pages}")
            } else {
                format!("echo {pages} > {POOL}/nr_hugepages")
            }
        });
        let unasked = backing.kind == PageKind::Small && !self.transparent;
        let transparent = unasked.then(|| format!("echo madvise > {TRANSPARENT}"));
        match (explicit, transparent) {
            (Some(explicit), Some(transparent)) => Some(format!("{explicit}, or at least {transparent}")),
            (explicit, transparent) => explicit.or(transparent),
        }
    }
}

/// How many pages have to be set aside so that so many are free.
fn more(pool: Option<(usize, usize)>, pages: usize) -> Option<usize> {
    pool.map(|(all, free)| all.saturating_sub(free).saturating_add(pages))
}

/// What `/proc/self/smaps` says about this piece of memory.
pub(super) fn backing(smaps: &str, start: usize, len: usize) -> Backing {
    let (mut kind, mut covered) = (PageKind::Small, 0_usize);
    let mut overlap = 0;
    for line in smaps.lines() {
        if let Some((from, to)) = bounds(line) {
            overlap = to.min(start.saturating_add(len)).saturating_sub(from.max(start));
        }
        if overlap == 0 {
            continue;
        }
        let found = if let Some(size) = kibibytes(line, "KernelPageSize:").filter(|size| *size >= MIB2) {
            let explicit = if size >= GIB1 { PageKind::Huge1GiB } else { PageKind::Huge2MiB };
            Some((explicit, overlap))
        } else {
            let bytes = kibibytes(line, "AnonHugePages:").filter(|bytes| *bytes > 0);
            bytes.map(|bytes| (PageKind::Transparent, bytes.min(overlap)))
        };
        if let Some((found, bytes)) = found {
            (kind, covered) = if found > kind { (found, bytes) } else { (kind, covered + bytes) };
        }
    }
    if kind == PageKind::Small {
        Backing::small(len)
    } else {
        Backing { kind, len, covered: covered.min(len) }
    }
}

/// The addresses of `55d0c0000000-55d0c0200000 rw-p ...`, the first line of each mapping.
fn bounds(line: &str) -> Option<(usize, usize)> {
    let (range, _) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

/// The most memory that a process had at once, from `/proc/self/status`. Explicit pages do not count as resident there.
pub(super) fn peak(status: &str) -> Option<u64> {
    let bytes = kibibytes(status, "VmHWM:")?.saturating_add(kibibytes(status, "HugetlbPages:").unwrap_or(0));
    u64::try_from(bytes).ok()
}

/// What is free or can be freed, or lies in free explicit pages if that is more, from `/proc/meminfo`.
#[cfg(feature = "randomx")]
pub(super) fn available(meminfo: &str) -> Option<u64> {
    let explicit = value(meminfo, "HugePages_Free:").zip(kibibytes(meminfo, "Hugepagesize:"));
    let explicit = explicit.map_or(0, |(pages, size)| pages.saturating_mul(size));
    u64::try_from(kibibytes(meminfo, "MemAvailable:")?.max(explicit)).ok()
}

/// Bytes of a line such as `VmHWM:  1234 kB`.
fn kibibytes(text: &str, key: &str) -> Option<usize> {
    value(text, key)?.checked_mul(1024)
}

fn value(text: &str, key: &str) -> Option<usize> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7f0000000000-7f0000800000 rw-p 00000000 00:00 0
Size:               8192 kB
KernelPageSize:        4 kB
AnonHugePages:      6144 kB
7f0000800000-7f0000c00000 rw-p 00000000 00:0f 1234                       /anon_hugepage (deleted)
KernelPageSize:     2048 kB
AnonHugePages:         0 kB
7f0040000000-7f0080000000 rw-p 00000000 00:0f 1235                       /anon_hugepage (deleted)
KernelPageSize:  1048576 kB
7f0080000000-7f0080010000 rw-p 00000000 00:00 0 [heap]
KernelPageSize:        4 kB
AnonHugePages:         0 kB
VmFlags: rd wr mr mw me ac sd
";

    #[test]
    fn pages_are_looked_up_where_the_memory_is() {
        let at = |start, len| backing(SMAPS, start, len);
        let is = |kind, len, covered| Backing { kind, len, covered };
        assert_eq!(at(0x7f00_0000_0000, 4 * MIB2), is(PageKind::Transparent, 4 * MIB2, 3 * MIB2));
        assert_eq!(at(0x7f00_0000_0000, MIB2), is(PageKind::Transparent, MIB2, MIB2));
        assert_eq!(at(0x7f00_0080_0000, 5), is(PageKind::Huge2MiB, 5, 5));
        assert_eq!(at(0x7f00_4000_0000, GIB1), is(PageKind::Huge1GiB, GIB1, GIB1));
        assert_eq!(at(0x7f00_8000_0000, 4096), Backing::small(4096));
        assert_eq!(at(0x1000, 4096), Backing::small(4096), "nothing is there");
        assert_eq!(at(0x7f00_0060_0000, 2 * MIB2), is(PageKind::Huge2MiB, 2 * MIB2, MIB2), "both sides");
        assert_eq!(backing("nonsense", 0, 7), Backing::small(7));
    }

    #[test]
    fn the_command_sets_aside_what_is_missing_for_all() {
        let backing = |kind| Backing { kind, len: 3 * MIB2 - 1, covered: 0 };
        let usual = System {
            default_size: MIB2,
            default_pool: Some((10, 4)),
            pool: Some((10, 4)),
            transparent: true,
        };
        let small = backing(PageKind::Small);
        let says = |system: &System, backing| system.improvement(backing, 2);
        assert_eq!(says(&usual, small).unwrap(), "sysctl -w vm.nr_hugepages=12");
        assert_eq!(says(&usual, backing(PageKind::Transparent)), says(&usual, small));
        assert_eq!(says(&usual, backing(PageKind::Huge2MiB)), None);

        let never = System { transparent: false, ..usual.clone() };
        let both = "sysctl -w vm.nr_hugepages=12, or at least echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
        assert_eq!(says(&never, small).unwrap(), both);

        let gib = System { default_size: GIB1, default_pool: Some((1, 1)), ..usual };
        let other = "echo 12 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
        assert_eq!(says(&gib, small).unwrap(), other);
        let large = |kind| Backing { kind, len: GIB1 + 1, covered: 0 };
        assert_eq!(says(&gib, large(PageKind::Huge2MiB)).unwrap(), "sysctl -w vm.nr_hugepages=4");
        assert_eq!(says(&gib, large(PageKind::Huge1GiB)), None);

        assert_eq!(System::default().improvement(backing(PageKind::Transparent), 1), None);
    }

    #[test]
    fn the_peak_counts_explicit_pages() {
        let status =
            "Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t    2000 kB\nVmRSS:\t 1 kB\nHugetlbPages:\t  4096 kB\n";
        assert_eq!(peak(status), Some(6096 * 1024));
        assert_eq!(peak("VmHWM:\t7 kB\n"), Some(7 * 1024));
        assert_eq!(peak("Name:\tx\n"), None);
    }

    #[test]
    #[cfg(feature = "randomx")]
    fn free_memory_may_lie_in_explicit_pages() {
        let meminfo =
            "MemFree: 1 kB\nMemAvailable:    3000 kB\nHugePages_Free:  2\nHugepagesize:   2048 kB\n";
        assert_eq!(available(meminfo), Some(4 << 20));
        assert_eq!(available("MemAvailable: 3000 kB\n"), Some(3000 << 10));
        assert_eq!(available(""), None);
    }
}
