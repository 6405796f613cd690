//! Mappings of memory on Linux.
#![expect(unsafe_code, reason = "pages of a chosen size can only be had by system calls about raw memory")]

use std::ffi::{c_int, c_void};
use std::io;
use std::ptr::{self, NonNull};
use std::slice;

use super::state;
use super::{Backing, GIB1, MIB2, PageKind};

/// Anonymous memory of this process, with an address of its own until it is dropped.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// What is given back in the end: the memory, and what keeps it apart from its neighbours.
    whole: NonNull<c_void>,
    whole_len: usize,
}

// SAFETY: the mapping belongs to the value alone, like a box of bytes; nothing about it is tied to a thread.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference gives nothing but shared references to the bytes.
unsafe impl Sync for Mapping {}

/// So many bytes, all zero and all there, in the largest pages to be had; `None` if the system gives none at all.
pub(super) fn map(len: usize, gib: bool) -> Option<(Mapping, Backing)> {
    let sizes =
        [(GIB1, libc::MAP_HUGE_1GB, PageKind::Huge1GiB), (MIB2, libc::MAP_HUGE_2MB, PageKind::Huge2MiB)];
    for (size, flag, kind) in sizes {
        if size == GIB1 && (!gib || len < GIB1) {
            continue;
        }
        if let Some(mapping) = explicit(len, size, flag) {
            return Some((mapping, Backing { kind, len, covered: len }));
        }
    }
    let mapping = apart(len)?;
    // The whole of its last page, so that this can be a large one, too.
    let whole = len.checked_next_multiple_of(MIB2)?;
    // SAFETY: so much was mapped for writing, and nobody else knows of it.
    let Backing { kind, covered, .. } = unsafe { make_transparent(mapping.start.as_ptr(), whole) };
    let covered = if covered == whole { len } else { covered.min(len) };
    Some((mapping, Backing { kind, len, covered }))
}

/// Makes memory transparent huge as far as it can be, and says what it is then.
///
/// # Safety
/// `start` and `len` are memory that is allocated, may be written, and stays so during the call.
unsafe fn make_transparent(start: *mut u8, len: usize) -> Backing {
    let (from, to) = (start.addr(), start.addr().saturating_add(len));
    // Advice is about whole pages; the last one may belong to others, too.
    let (first, end) = (from.next_multiple_of(MIB2), to & !(MIB2 - 1));
    if first < end {
        let inner = start.with_addr(first).cast();
        for advice in [libc::MADV_HUGEPAGE, libc::MADV_POPULATE_WRITE, libc::MADV_COLLAPSE] {
            // An older kernel does not know all of them; what is left is looked up below.
            // SAFETY: the range lies within the caller's memory, and none of the three changes what it holds.
            let _ = unsafe { advise(inner, end - first, advice) };
        }
    }
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    state::backing(&smaps, from, len)
}

fn explicit(len: usize, size: usize, flag: c_int) -> Option<Mapping> {
    let len_of_pages = len.checked_next_multiple_of(size)?;
    let whole = reserve(len_of_pages, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_HUGETLB | flag)?;
    let mapping = Mapping { start: whole.cast(), len, whole, whole_len: len_of_pages };
    // The pages were promised, but a limit of a container on them would show at the first touch only, and kill.
    // SAFETY: the range is the mapping that was just made; touching it changes nothing.
    let touched = unsafe { advise(whole.as_ptr(), len_of_pages, libc::MADV_POPULATE_WRITE) };
    // An older kernel does not know the question.
    let refused = touched.err().filter(|error| error.raw_os_error() != Some(libc::EINVAL));
    refused.is_none().then_some(mapping)
}

/// Memory that begins at a multiple of 2 MiB, and has no neighbour that the kernel could count together with it.
fn apart(len: usize) -> Option<Mapping> {
    let inner = len.checked_next_multiple_of(MIB2)?;
    let whole_len = inner.checked_add(2 * MIB2)?;
    let whole = reserve(whole_len, libc::PROT_NONE, libc::MAP_NORESERVE)?;
    let padding = whole.addr().get().wrapping_neg() % MIB2;
    let padding = if padding == 0 { MIB2 } else { padding };
    // SAFETY: the padding is at most 2 MiB, and the mapping is 4 MiB longer than what is left of it at least.
    let start: NonNull<c_void> = unsafe { whole.byte_add(padding) };
    let mapping = Mapping { start: start.cast(), len, whole, whole_len };
    // SAFETY: the range lies within the mapping: padding and the rest behind it are 2 MiB together.
    let opened = unsafe { libc::mprotect(start.as_ptr(), inner, libc::PROT_READ | libc::PROT_WRITE) };
    (opened == 0).then_some(mapping)
}

fn reserve(len: usize, protection: c_int, flags: c_int) -> Option<NonNull<c_void>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    // SAFETY: new anonymous memory wherever the kernel likes; no memory that is in use is touched.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    NonNull::new(start).filter(|start| start.as_ptr() != libc::MAP_FAILED)
}

/// # Safety
/// The range is mapped, and the advice is one that leaves its bytes as they are.
unsafe fn advise(start: *mut c_void, len: usize, advice: c_int) -> io::Result<()> {
    // SAFETY: what the caller promises.
    if unsafe { libc::madvise(start, len, advice) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Mapping {
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are mapped for reading as long as the value lives, zero at first.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and for writing; the value is borrowed alone.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nothing can refer to it any more.
        unsafe { libc::munmap(self.whole.as_ptr(), self.whole_len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the machine gives, what it says agrees with what the kernel counts.
    #[test]
    fn the_kernel_agrees_with_what_is_said() {
        let (mut mapping, backing) = map(8 * MIB2 + 1, false).unwrap();
        mapping.bytes_mut().fill(1);
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let counted = state::backing(&smaps, mapping.start.addr().get(), 9 * MIB2);
        assert_eq!(backing.kind, counted.kind);
        assert_eq!(backing.covered == backing.len, counted.covered == counted.len, "{backing:?} {counted:?}");
    }

    #[test]
    fn mappings_lie_apart_and_begin_on_a_large_page() {
        let mappings: Vec<Mapping> = (0..8).map(|_| apart(MIB2).unwrap()).collect();
        for mapping in &mappings {
            let (start, whole) = (mapping.start.addr().get(), mapping.whole.addr().get());
            assert_eq!(start % MIB2, 0);
            assert!(start > whole && start + MIB2 < whole + mapping.whole_len);
        }
    }

    #[test]
    fn what_cannot_be_had_is_none() {
        assert!(map(usize::MAX, false).is_none());
        assert!(map(1 << 60, true).is_none());
        assert!(apart(usize::MAX - MIB2).is_none());
    }
}
