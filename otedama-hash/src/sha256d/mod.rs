//! SHA-256 applied twice to an 80-byte header: the scanner, and what all its kernels share.
//!
//! A kernel file holds one function of the type [`Search`]. A kernel only has to discard nonces cheaply; what is left
//! is checked in full by [`Prepared::check`], which is the same for all kernels.

/// The entry of a kernel: its name, whether this CPU has the instructions, and its [`Search`].
macro_rules! entry {
    ($name:literal, $available:expr, $search:path) => {
        super::entry_of($name, $available, |_| Box::new(super::Scanner::new($search)))
    };
}

#[cfg(target_arch = "aarch64")]
mod aarch64_sha2;
pub(crate) mod constants;
mod lanes;
mod portable;
mod prepared;
#[cfg(target_arch = "x86_64")]
mod x86_avx2;
#[cfg(target_arch = "x86_64")]
mod x86_avx512;
#[cfg(target_arch = "x86_64")]
mod x86_sha;
#[cfg(target_arch = "x86_64")]
mod x86_sha_vl;

use otedama_core::{Algorithm, CompactTarget, Digest, Hash256, Header, Seed, Solution, Target, Work};
use prepared::Prepared;

use crate::error::ScanError;
use crate::kernel::{Entry, Known, Memory};
use crate::scan::{NonceRange, Scan, Scanned, Stop, drive};

/// Nonces between two looks at the stop flag: 0.5 ms at 4 MH/s, under 10 ms down to 0.2 MH/s.
const CHUNK: u32 = 2048;

/// The likely fastest first.
#[cfg(target_arch = "x86_64")]
pub(crate) static KERNELS: [&Entry; 5] =
    [&x86_sha_vl::ENTRY, &x86_avx512::ENTRY, &x86_sha::ENTRY, &x86_avx2::ENTRY, &portable::ENTRY];

/// The likely fastest first.
#[cfg(target_arch = "aarch64")]
pub(crate) static KERNELS: [&Entry; 2] = [&aarch64_sha2::ENTRY, &portable::ENTRY];

/// There is nothing but plain Rust.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) static KERNELS: [&Entry; 1] = [&portable::ENTRY];

const fn entry_of(
    name: &'static str,
    available: fn() -> bool,
    scanner: fn(Memory) -> Box<dyn Scan>,
) -> Entry {
    let known = Known { work: known, nonce: 0x7c2b_ac1d, before: 1234, count: 4096 };
    Entry { name, algorithm: Algorithm::SHA256D, available, scanner, memory: 0, stop_interval: CHUNK, known }
}

/// Bitcoin's first block, for its own target.
fn known() -> Work {
    let target = CompactTarget::from_bits(0x1d00_ffff).target().unwrap_or(Target::ZERO);
    Work::new(Algorithm::SHA256D, Header::from(GENESIS), target)
}

/// The header of Bitcoin's first block with a nonce of 0.
#[rustfmt::skip]
const GENESIS: [u8; 80] = [
    1, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x3b, 0xa3, 0xed, 0xfd, 0x7a, 0x7b, 0x12, 0xb2, 0x7a, 0xc7, 0x2c, 0x3e, 0x67, 0x76, 0x8f, 0x61,
    0x7f, 0xc8, 0x1b, 0xc3, 0x88, 0x8a, 0x51, 0x32, 0x3a, 0x9f, 0xb8, 0xaa, 0x4b, 0x1e, 0x5e, 0x4a,
    0x29, 0xab, 0x5f, 0x49, 0xff, 0xff, 0x00, 0x1d, 0, 0, 0, 0,
];

/// Appends every solution among `count` nonces from `first` to `found`, ascending. The piece never wraps; it is at most
/// [`CHUNK`] long.
pub(crate) type Search = fn(&Prepared, first: u32, count: u32, found: &mut Vec<u32>);

/// The digest of one header, by the fastest code for a single one.
pub(crate) fn digest(header: &Header) -> Digest {
    Digest::new(*Hash256::sha256d(header.as_bytes()).as_internal())
}

struct Scanner {
    search: Search,
    found: Vec<u32>,
}

impl Scanner {
    fn new(search: Search) -> Self {
        Self { search, found: Vec::new() }
    }
}

impl Scan for Scanner {
    fn prepare(&mut self, _: &Seed) -> Result<(), ScanError> {
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        let prepared = Prepared::new(work)?;
        Ok(drive(range, CHUNK, stop, |first, count| {
            (self.search)(&prepared, first, count, &mut self.found);
            out.extend(self.found.drain(..).map(|nonce| Solution::new(work.generation, u64::from(nonce))));
        }))
    }
}
