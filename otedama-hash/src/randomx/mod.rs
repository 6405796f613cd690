//! RandomX, the variant rx/0, over its reference library (feature `randomx`).
//!
//! The library is the definition: there is no second implementation here to compare it with, so published vectors take
//! the oracle's place. What this module adds is what a miner and a pool need around it:
//!
//! - [`Cache`] (256 MiB) and [`Dataset`] (2080 MiB) are the tables of one key, shared by any number of threads. The
//!   library allocates them; [`Pages`] says in what pages, and [`Region`] where they lie. A dataset is filled in
//!   [`Part`]s, by as many threads as the caller has.
//! - [`Machine`] computes digests on one thread, from a cache (`light`, some 40 a second) or from a dataset (`fast`,
//!   ten times as many).
//! - [`Scanner`] is the [`Scan`](crate::Scan) over tables that somebody else makes and shares ([`Provider`]).
//! - [`Verifier`] judges shares of a few seeds at once, for all threads of a pool.
//!
//! The second version of RandomX is not in this library.

mod float;
mod library;
mod scanner;
mod verifier;

pub use library::{Blank, Cache, Dataset, Machine, Part, Region};
pub use scanner::{Provider, Scanner, Tables};
pub use verifier::Verifier;

/// Proves on this CPU that light tables give a published digest. Takes half a second and 256 MiB.
///
/// # Errors
/// [`RandomXError`] if they do not, or there is no memory.
pub fn self_test() -> Result<(), RandomXError> {
    let cache = Pages::best(|pages| Cache::new(b"test key 000", pages))?;
    let tables = Tables::Light(std::sync::Arc::new(cache));
    let digest = tables.machine()?.hash(b"This is a test");
    if *digest.as_bytes() == KNOWN { Ok(()) } else { Err(RandomXError::SelfTest { kernel: tables.name() }) }
}

/// The digest of `This is a test` under the key `test key 000`, from the library's own tests.
const KNOWN: [u8; 32] = [
    0x63, 0x91, 0x83, 0xaa, 0xe1, 0xbf, 0x4c, 0x9a, 0x35, 0x88, 0x4c, 0xb4, 0x6b, 0x09, 0xca, 0xd9, 0x17,
    0x5f, 0x04, 0xef, 0xd7, 0x68, 0x4e, 0x72, 0x62, 0xa0, 0xac, 0x1c, 0x2f, 0x0b, 0x4e, 0x3f,
];

/// Bytes of the longest key that the specification allows.
pub const MAX_KEY: usize = 60;

/// The pages to ask for. What is got is for the system to say: see the [`Region`] of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pages {
    /// The ordinary ones, 4 KiB on x86, also where the system would give better ones unasked.
    Small,
    /// Large ones that the system puts together from free memory while it can. Needs no rights; Linux alone has them.
    Transparent,
    /// Large ones from the stock that an administrator has put aside. All or nothing.
    Explicit,
}

impl Pages {
    /// All of them, the best first.
    pub const BEST_FIRST: [Self; 3] = [Self::Explicit, Self::Transparent, Self::Small];

    /// The first result of `attempt`, which is tried with the best pages first.
    ///
    /// # Errors
    /// The last error, if no pages are to be had at all.
    pub fn best<T>(attempt: impl Fn(Self) -> Result<T, RandomXError>) -> Result<T, RandomXError> {
        attempt(Self::Explicit).or_else(|_| attempt(Self::Transparent)).or_else(|_| attempt(Self::Small))
    }
}

/// Why RandomX cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RandomXError {
    /// The system has not so much memory, or not in such pages.
    #[error("no memory for {what} of RandomX in {pages:?} pages")]
    Memory {
        /// What it was for.
        what: &'static str,
        /// The pages that were asked for.
        pages: Pages,
    },
    /// The key is too long: misuse by the caller.
    #[error("a key of RandomX has at most {MAX_KEY} bytes, not {0}")]
    Key(usize),
    /// Items of the dataset were not filled: misuse by the caller.
    #[error("{missing} items of the dataset are not filled")]
    Incomplete {
        /// How many.
        missing: u32,
    },
    /// A digest is not what it must be: the machine, or the library on it, is broken. It must not mine.
    #[error("RandomX failed its self-test with {kernel} tables")]
    SelfTest {
        /// The tables that it computed from.
        kernel: &'static str,
    },
    /// The work does not say which tables it is for: misuse by the caller.
    #[error("work for RandomX without a seed")]
    NoSeed,
    /// The tables of this seed are not there: it was never prepared, or it is long ago.
    #[error("no tables for the seed {}", otedama_core::hex::Hex(&.0.0))]
    NotPrepared(otedama_core::Seed),
}
