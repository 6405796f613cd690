//! Memory in large pages, for kernels that jump about in it.
//!
//! A processor remembers where a few thousand pages are. Where a kernel jumps about in more memory than that many
//! pages of 4 KiB hold, it spends its time looking pages up; pages of 2 MiB end that.

#[cfg(target_os = "linux")]
mod linux;
mod state;

use std::fmt;
use std::ops::{Deref, DerefMut};

use otedama_hash::{Kernel, KernelError, Scan};

use state::System;

/// Bytes of a large page, and of a huge one.
const MIB2: usize = 2 << 20;
const GIB1: usize = 1 << 30;

/// Less than this comes from the heap: large pages would mostly be waste.
const LEAST: usize = 1 << 20;

/// Memory in the largest pages to be had: explicit ones of 2 MiB, or of 1 GiB where the system takes that for the usual
/// size and there is enough to fill one; else transparent ones of 2 MiB; else those that the system always gives.
///
/// It is all zero at first. Below 1 MiB, and on systems other than Linux, it comes from the heap.
pub struct Pages {
    memory: Memory,
    backing: Backing,
}

enum Memory {
    Heap(Vec<u8>),
    #[cfg(target_os = "linux")]
    Mapped(linux::Mapping),
}

/// What stands behind a piece of memory: looked up, not assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Backing {
    /// The largest pages in it.
    pub kind: PageKind,
    /// Its bytes.
    pub len: usize,
    /// How many of them lie in pages of that kind, at most: where foreign memory shares a mapping with other memory,
    /// the system counts them together.
    pub covered: usize,
}

/// A kind of page, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PageKind {
    /// What the system always gives: 4 KiB on most machines.
    Small,
    /// 2 MiB, given by the system without having been set aside.
    Transparent,
    /// 2 MiB, set aside by the administrator.
    Huge2MiB,
    /// 1 GiB, set aside by the administrator.
    Huge1GiB,
}

impl Pages {
    /// So many bytes. They are there at once, and near the processor of the calling thread.
    #[must_use]
    pub fn new(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len >= LEAST
            && let Some((mapping, backing)) = linux::map(len, System::read().default_is_gib())
        {
            return Self { memory: Memory::Mapped(mapping), backing };
        }
        Self { memory: Memory::Heap(vec![0; len]), backing: Backing::small(len) }
    }

    /// What it got, as of when it was made.
    #[must_use]
    pub const fn backing(&self) -> Backing {
        self.backing
    }
}

/// A scanner for one thread over the largest pages to be had, and what those are; `None` for a kernel without memory.
///
/// Call it on the thread that will scan, so that the memory is near it.
///
/// # Errors
/// [`KernelError`] if the kernel refuses the memory, which it does not.
pub fn scanner(kernel: Kernel) -> Result<(Box<dyn Scan>, Option<Backing>), KernelError> {
    if kernel.memory() == 0 {
        return Ok((kernel.scanner(), None));
    }
    let pages = Pages::new(kernel.memory());
    let backing = pages.backing();
    Ok((kernel.scanner_in(Box::new(pages))?, Some(backing)))
}

/// The most memory that this process ever had at once, large pages included; `None` where the system does not say.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    state::peak(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// What memory lies in that somebody else allocated; small pages where the system does not say.
#[must_use]
pub fn of(address: usize, len: usize) -> Backing {
    state::backing(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default(), address, len)
}

/// Memory that programs can have without others losing theirs; `None` where the system does not say.
#[cfg(feature = "randomx")]
pub(crate) fn available_memory() -> Option<u64> {
    state::available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

impl Backing {
    const fn small(len: usize) -> Self {
        Self { kind: PageKind::Small, len, covered: len }
    }

    /// The command that gives better pages to as many pieces of memory of this length after the next start; `None` if
    /// these are the best, or there is nothing that could be done. It needs an administrator.
    #[must_use]
    pub fn improvement(&self, pieces: usize) -> Option<String> {
        if self.len < LEAST { None } else { System::read().improvement(*self, pieces) }
    }
}

impl fmt::Display for Backing {
    /// `2 MiB transparent pages`, or with how much of it: `2 MiB transparent pages (6 of 8 MiB)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages", self.kind)?;
        if self.covered < self.len {
            let mib = |bytes: usize| bytes.div_ceil(1 << 20);
            write!(f, " ({} of {} MiB)", mib(self.covered), mib(self.len))?;
        }
        Ok(())
    }
}

impl PageKind {
    /// A word for it in lower case, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Transparent => "transparent-2m",
            Self::Huge2MiB => "huge-2m",
            Self::Huge1GiB => "huge-1g",
        }
    }
}

impl fmt::Display for PageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "small",
            Self::Transparent => "2 MiB transparent",
            Self::Huge2MiB => "2 MiB",
            Self::Huge1GiB => "1 GiB",
        })
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            Memory::Heap(bytes) => bytes,
            #[cfg(target_os = "linux")]
            Memory::Mapped(mapping) => mapping.bytes(),
        }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Heap(bytes) => bytes,
            #[cfg(target_os = "linux")]
            Memory::Mapped(mapping) => mapping.bytes_mut(),
        }
    }
}

impl AsMut<[u8]> for Pages {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("backing", &self.backing).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_can_be_written_and_read() {
        for len in [0, 1, 4096, LEAST - 1, LEAST, MIB2 - 1, MIB2, 3 * MIB2 + 5, 16 * MIB2] {
            let mut pages = Pages::new(len);
            assert_eq!((pages.len(), pages.backing().len), (len, len));
            assert!(pages.iter().all(|byte| *byte == 0), "{len}");
            pages.fill(0xa5);
            let sum: u64 = pages.iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(sum, 0xa5 * u64::try_from(len).unwrap());
            assert!(pages.backing().covered <= len, "{:?}", pages.backing());
            if len < LEAST {
                assert_eq!(pages.backing(), Backing::small(len));
                assert_eq!(pages.backing().improvement(1000), None);
            }
        }
    }

    #[test]
    fn it_moves_to_another_thread_and_is_given_back_there() {
        let mut pages = Pages::new(4 * MIB2);
        pages[MIB2] = 7;
        let found = std::thread::spawn(move || pages[MIB2]).join().unwrap();
        assert_eq!(found, 7);
    }

    /// What is not given back would be more than any machine has.
    #[test]
    fn nothing_leaks() {
        for _ in 0..500 {
            let pages = Pages::new(8 * MIB2);
            assert_eq!(pages.len(), 8 * MIB2);
        }
        assert!(peak_memory().is_none_or(|bytes| bytes < 4 << 30), "{:?}", peak_memory());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_includes_what_is_there_now() {
        let pages = Pages::new(32 * MIB2);
        assert!(peak_memory().unwrap() >= u64::try_from(pages.len()).unwrap());
    }

    #[test]
    fn it_reads_well() {
        let backing = |kind, covered| Backing { kind, len: 4 * MIB2, covered }.to_string();
        assert_eq!(backing(PageKind::Huge2MiB, 4 * MIB2), "2 MiB pages");
        assert_eq!(backing(PageKind::Transparent, 3 * MIB2), "2 MiB transparent pages (6 of 8 MiB)");
        assert_eq!(backing(PageKind::Small, 4 * MIB2), "small pages");
    }
}
