//! Caches, datasets and machines of the reference library as values that cannot be used wrongly.

#![expect(unsafe_code, reason = "the library is written in C++")]

use core::ffi::{c_int, c_ulong, c_void};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};

use otedama_core::Digest;
// Links the library.
use randomx_rs as _;

use super::float::Environment;
use super::{MAX_KEY, Pages, RandomXError, Tables};

/// Opaque types of the library.
#[repr(C)]
struct RawCache(*const u8);
#[repr(C)]
struct RawDataset([u8; 0]);
#[repr(C)]
struct RawMachine([u8; 0]);

// SAFETY: the signatures are those of the library's `randomx.h`, where flags are an `int`.
unsafe extern "C" {
    safe fn randomx_get_flags() -> c_int;
    safe fn randomx_dataset_item_count() -> c_ulong;
    safe fn randomx_alloc_cache(flags: c_int) -> *mut RawCache;
    fn randomx_init_cache(cache: *mut RawCache, key: *const c_void, size: usize);
    fn randomx_release_cache(cache: *mut RawCache);
    safe fn randomx_alloc_dataset(flags: c_int) -> *mut RawDataset;
    fn randomx_init_dataset(dataset: *mut RawDataset, cache: *mut RawCache, start: c_ulong, count: c_ulong);
    fn randomx_get_dataset_memory(dataset: *mut RawDataset) -> *mut c_void;
    fn randomx_release_dataset(dataset: *mut RawDataset);
    fn randomx_create_vm(flags: c_int, cache: *mut RawCache, dataset: *mut RawDataset) -> *mut RawMachine;
    fn randomx_destroy_vm(machine: *mut RawMachine);
    fn randomx_calculate_hash(
        machine: *mut RawMachine,
        input: *const c_void,
        size: usize,
        output: *mut c_void,
    );
    fn randomx_calculate_hash_first(machine: *mut RawMachine, input: *const c_void, size: usize);
    fn randomx_calculate_hash_next(
        machine: *mut RawMachine,
        next: *const c_void,
        size: usize,
        output: *mut c_void,
    );
    fn randomx_calculate_hash_last(machine: *mut RawMachine, output: *mut c_void);
}

const LARGE_PAGES: c_int = 1;
const FULL_MEMORY: c_int = 4;

/// Bytes of a cache.
const CACHE_SIZE: usize = 256 << 20;
/// Bytes of an item of the dataset.
const ITEM: usize = 64;

/// The flags of this CPU, and for these pages.
fn flags(pages: Pages) -> c_int {
    randomx_get_flags() | if pages == Pages::Explicit { LARGE_PAGES } else { 0 }
}

/// Where tables lie in the memory of this process, to ask the system what pages they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    /// The address of the first byte.
    pub address: usize,
    /// Bytes.
    pub len: usize,
}

impl Region {
    /// Asks the system for the pages, before the memory is used. That it does not give them is no error.
    fn advise(self, pages: Pages) {
        #[cfg(target_os = "linux")]
        match pages {
            Pages::Small => self.tell(libc::MADV_NOHUGEPAGE),
            Pages::Transparent => self.tell(libc::MADV_HUGEPAGE),
            Pages::Explicit => {}
        }
        #[cfg(not(target_os = "linux"))]
        let _ = pages;
    }

    /// Asks the system to put large pages together where there are none yet, after the memory was used.
    fn collapse(self, pages: Pages) {
        #[cfg(target_os = "linux")]
        if pages == Pages::Transparent {
            // MADV_COLLAPSE, of Linux 6.1; not in every C library.
            self.tell(25);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = pages;
    }

    #[cfg(target_os = "linux")]
    fn tell(self, advice: c_int) {
        const PAGE: usize = 4096;
        let start = self.address.next_multiple_of(PAGE);
        let end = (self.address + self.len) / PAGE * PAGE;
        // SAFETY: these three kinds of advice change no byte of the memory, whosever it is.
        unsafe { libc::madvise(ptr::with_exposed_provenance_mut(start), end.saturating_sub(start), advice) };
    }
}

/// The small tables of one key: what a dataset is made from, and enough to compute digests slowly.
pub struct Cache {
    raw: NonNull<RawCache>,
    pages: Pages,
}

// SAFETY: nothing changes a cache once `new` has returned it.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

impl Cache {
    /// The cache of a key, in such pages. Takes half a second and 256 MiB.
    ///
    /// # Errors
    /// [`RandomXError`] if the key is too long or there is no memory.
    pub fn new(key: &[u8], pages: Pages) -> Result<Self, RandomXError> {
        if key.len() > MAX_KEY {
            return Err(RandomXError::Key(key.len()));
        }
        let raw = NonNull::new(randomx_alloc_cache(flags(pages)));
        let cache = Self { raw: raw.ok_or(RandomXError::Memory { what: "a cache", pages })?, pages };
        cache.region().advise(pages);
        // SAFETY: the cache is ours alone, and the key is as long as it says.
        unsafe { randomx_init_cache(cache.raw.as_ptr(), key.as_ptr().cast(), key.len()) };
        cache.region().collapse(pages);
        Ok(cache)
    }

    /// Where it lies.
    #[must_use]
    pub fn region(&self) -> Region {
        // SAFETY: the memory is the first member of the library's structure, of which the library asserts that a
        // pointer to it points to its first member, since its own compiled code relies on that.
        let memory = unsafe { (*self.raw.as_ptr()).0 };
        Region { address: memory.expose_provenance(), len: CACHE_SIZE }
    }

    /// The pages that were asked for.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.pages
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: it came from the library, and every machine on it holds it.
        unsafe { randomx_release_cache(self.raw.as_ptr()) };
    }
}

/// Memory of a dataset, whichever state it is in.
struct Block {
    raw: NonNull<RawDataset>,
    pages: Pages,
}

// SAFETY: only `Part::fill` writes to it, of which no two have an item in common, and nothing reads it before all are
// filled.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    fn region(&self) -> Region {
        // SAFETY: it came from the library.
        let memory = unsafe { randomx_get_dataset_memory(self.raw.as_ptr()) };
        Region { address: memory.expose_provenance(), len: Dataset::items() as usize * ITEM }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it came from the library, and every machine on it holds it.
        unsafe { randomx_release_dataset(self.raw.as_ptr()) };
    }
}

/// A dataset that is not filled yet.
pub struct Blank {
    block: Block,
    filled: AtomicU32,
}

impl Blank {
    /// Memory for a dataset, in such pages.
    ///
    /// # Errors
    /// [`RandomXError::Memory`] if there is none.
    pub fn new(pages: Pages) -> Result<Self, RandomXError> {
        let raw = NonNull::new(randomx_alloc_dataset(flags(pages)));
        let block = Block { raw: raw.ok_or(RandomXError::Memory { what: "a dataset", pages })?, pages };
        block.region().advise(pages);
        Ok(Self { block, filled: AtomicU32::new(0) })
    }

    /// All of it in parts of so many items, of which the last may have fewer. To be filled in any order by any threads.
    /// What was filled before has to be filled again.
    pub fn parts(&mut self, items: u32) -> Vec<Part<'_>> {
        *self.filled.get_mut() = 0;
        let (blank, count, items) = (&*self, Dataset::items(), items.max(1));
        let part = |start| Part { blank, items: start..count.min(start.saturating_add(items)) };
        (0..count).step_by(items as usize).map(part).collect()
    }

    /// The finished dataset.
    ///
    /// # Errors
    /// [`RandomXError::Incomplete`] if not every part was filled.
    pub fn finish(self) -> Result<Dataset, RandomXError> {
        let missing = Dataset::items().saturating_sub(self.filled.into_inner());
        if missing > 0 {
            return Err(RandomXError::Incomplete { missing });
        }
        self.block.region().collapse(self.block.pages);
        Ok(Dataset(self.block))
    }

    /// Where it lies.
    #[must_use]
    pub fn region(&self) -> Region {
        self.block.region()
    }
}

/// Consecutive items of a dataset, for one thread to fill.
pub struct Part<'a> {
    blank: &'a Blank,
    items: Range<u32>,
}

impl Part<'_> {
    /// How many items.
    #[must_use]
    pub fn items(&self) -> u32 {
        self.items.end - self.items.start
    }

    /// Computes them from the cache; for one dataset always the same one. Takes some microseconds an item.
    pub fn fill(self, cache: &Cache) {
        let (start, count) = (self.items.start, self.items());
        // SAFETY: the range is within the dataset and nobody else's, and the cache is complete.
        unsafe {
            randomx_init_dataset(
                self.blank.block.raw.as_ptr(),
                cache.raw.as_ptr(),
                start.into(),
                count.into(),
            );
        }
        self.blank.filled.fetch_add(count, Ordering::Release);
    }
}

/// The large tables of one key, with which digests are computed fast.
pub struct Dataset(Block);

impl Dataset {
    /// Items of a dataset.
    #[must_use]
    pub fn items() -> u32 {
        u32::try_from(randomx_dataset_item_count()).unwrap_or(u32::MAX)
    }

    /// Bytes of a dataset.
    #[must_use]
    pub fn bytes() -> u64 {
        u64::from(Self::items()) * ITEM as u64
    }

    /// One item; `None` if there are not so many.
    #[must_use]
    pub fn item(&self, index: u32) -> Option<[u8; 64]> {
        if index >= Self::items() {
            return None;
        }
        let start: *const [u8; ITEM] = ptr::with_exposed_provenance(self.region().address);
        // SAFETY: the item is within the dataset, all of which is filled and never changes.
        Some(unsafe { start.add(index as usize).read_unaligned() })
    }

    /// Where it lies.
    #[must_use]
    pub fn region(&self) -> Region {
        self.0.region()
    }

    /// The pages that were asked for.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.0.pages
    }
}

/// What computes digests, on one thread: 2 MiB of memory, and code that it writes for every input.
pub struct Machine {
    raw: NonNull<RawMachine>,
    /// What it reads.
    _tables: Tables,
}

// SAFETY: a machine is not bound to the thread that made it.
unsafe impl Send for Machine {}

impl Machine {
    /// A machine over these tables, with a scratchpad in such pages.
    ///
    /// # Errors
    /// [`RandomXError::Memory`] if there is none, or none that code can be written into.
    pub fn new(tables: Tables, pages: Pages) -> Result<Self, RandomXError> {
        let flags = flags(pages);
        // SAFETY: the tables are complete, and the machine holds them as long as it lives.
        let raw = unsafe {
            match &tables {
                Tables::Light(cache) => randomx_create_vm(flags, cache.raw.as_ptr(), ptr::null_mut()),
                Tables::Fast(dataset) => {
                    randomx_create_vm(flags | FULL_MEMORY, ptr::null_mut(), dataset.0.raw.as_ptr())
                }
            }
        };
        let raw = NonNull::new(raw).ok_or(RandomXError::Memory { what: "a machine", pages })?;
        Ok(Self { raw, _tables: tables })
    }

    /// The digest of any bytes.
    pub fn hash(&mut self, input: &[u8]) -> Digest {
        let mut digest = [0; 32];
        // SAFETY: the input is as long as it says, and the digest has 32 bytes.
        unsafe {
            randomx_calculate_hash(
                self.raw.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                digest.as_mut_ptr().cast(),
            );
        }
        Digest::new(digest)
    }

    /// Begins a run of digests with the first input. While it lasts, floating-point code of this thread may round
    /// in any way.
    pub(super) fn begin(&mut self, input: &[u8]) -> Run<'_> {
        let environment = Environment::save();
        // SAFETY: the input is as long as it says.
        unsafe { randomx_calculate_hash_first(self.raw.as_ptr(), input.as_ptr().cast(), input.len()) };
        Run { machine: self.raw, _environment: environment, _borrowed: PhantomData }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: it came from the library.
        unsafe { randomx_destroy_vm(self.raw.as_ptr()) };
    }
}

/// Digests one after the other: while one is finished, the scratchpad is filled for the next. It may be dropped at any
/// time.
pub(super) struct Run<'a> {
    machine: NonNull<RawMachine>,
    _environment: Environment,
    _borrowed: PhantomData<&'a mut Machine>,
}

impl Run<'_> {
    /// The digest of the input before, and the beginning of the next one's.
    pub(super) fn next(&mut self, input: &[u8]) -> Digest {
        let mut digest = [0; 32];
        // SAFETY: there was an input before; this one is as long as it says, and the digest has 32 bytes.
        unsafe {
            randomx_calculate_hash_next(
                self.machine.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                digest.as_mut_ptr().cast(),
            );
        }
        Digest::new(digest)
    }

    /// The digest of the last input.
    pub(super) fn last(self) -> Digest {
        let mut digest = [0; 32];
        // SAFETY: there was an input before, and the digest has 32 bytes.
        unsafe { randomx_calculate_hash_last(self.machine.as_ptr(), digest.as_mut_ptr().cast()) };
        Digest::new(digest)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl fmt::Debug for Blank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blank").field("pages", &self.block.pages).finish_non_exhaustive()
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("items", &self.items).finish_non_exhaustive()
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset").field("pages", &self.0.pages).finish_non_exhaustive()
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const KEY: &[u8] = b"test key 000";

    /// The first number of a 64-byte item, or any number of a cache.
    fn number(region: Region, offset: usize) -> u64 {
        assert!(offset + 8 <= region.len);
        let address: *const u64 = ptr::with_exposed_provenance(region.address + offset);
        // SAFETY: within memory that was filled, and aligned.
        unsafe { address.read() }
    }

    /// Published numbers show that the region is the cache, and that advice about it goes where it should.
    #[test]
    fn a_cache_holds_what_is_published() {
        for pages in [Pages::Small, Pages::Transparent] {
            let region = Cache::new(KEY, pages).map(|cache| (cache.region(), cache));
            let (region, _cache) = region.unwrap();
            for (index, expected) in [
                (0, 0x191e_0e1d_23c0_2186),
                (1_568_413, 0xf1b6_2fe6_210b_f8b1),
                (33_554_431, 0x1f47_f056_d05c_d99b),
            ] {
                assert_eq!(number(region, 8 * index), expected, "{pages:?} {index}");
            }
        }
    }

    /// Some items of a dataset, whose other memory is never touched.
    #[test]
    fn dataset_items_are_what_is_published() {
        let cache = Cache::new(KEY, Pages::Small).unwrap();
        let mut blank = Blank::new(Pages::Small).unwrap();
        let region = blank.region();
        assert_eq!((Dataset::items(), region.len as u64), (34_078_719, Dataset::bytes()));
        let wanted = [
            (0, 0x6805_88a8_5ae2_22db),
            (10_000_000, 0x7943_a1f6_186f_fb72),
            (20_000_000, 0x9035_244d_7180_95e1),
            (30_000_000, 0x145a_5091_f785_3099),
        ];
        let mut filled = 0;
        for part in blank.parts(1000) {
            if let Some((index, expected)) = wanted.iter().find(|(index, _)| part.items.contains(index)) {
                filled += part.items();
                part.fill(&cache);
                assert_eq!(number(region, *index as usize * ITEM), *expected, "{index}");
            }
        }
        let missing = Dataset::items() - filled;
        assert_eq!(blank.finish().map(|_| ()), Err(RandomXError::Incomplete { missing }));
    }

    #[test]
    fn parts_cover_every_item_once() {
        let mut blank = Blank::new(Pages::Small).unwrap();
        for items in [0, 1 << 20, u32::MAX] {
            let mut next = 0;
            for part in blank.parts(items.max(100)) {
                assert_eq!(part.items.start, next);
                next = part.items.end;
            }
            assert_eq!(next, Dataset::items());
        }
    }

    /// The library rounds as the input says; nobody else may notice.
    #[test]
    fn the_rounding_mode_stays_what_it_was() {
        let cache = Arc::new(Cache::new(KEY, Pages::Transparent).unwrap());
        let mut machine = Machine::new(Tables::Light(cache), Pages::Small).unwrap();
        let sums = || {
            let (tenth, tiny) = core::hint::black_box((0.1f64, f64::MIN_POSITIVE));
            [tenth + 0.2, tenth - 0.3, -tenth - 0.2, tiny / 4.0].map(f64::to_bits)
        };
        let before = sums();
        assert_ne!(before[3], 0, "small numbers are not flushed to zero");
        for input in 0..8u8 {
            let mut run = machine.begin(&[input]);
            run.next(&[input, 1]);
            run.last();
            assert_eq!(sums(), before);
            drop(machine.begin(&[input]));
            assert_eq!(sums(), before);
        }
    }
}
