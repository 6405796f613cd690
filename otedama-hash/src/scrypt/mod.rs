//! scrypt(1024, 1, 1) of an 80-byte header: the scanner, and what all its kernels share.
//!
//! A kernel file holds one function of the type [`Search`] that mixes as many headers side by side as its lanes; the
//! PBKDF2 around the mixing is here.

mod pbkdf2;
mod portable;

use otedama_core::{Algorithm, Digest, Header, Seed, Solution, Work};

use crate::error::ScanError;
use crate::kernel::{Entry, Known};
use crate::scan::{NonceRange, Scan, Scanned, Stop, drive, header80};

/// Blocks that the memory of one hash holds: the N of scrypt.
const N: usize = 1024;

/// The 128 bytes that are mixed, as little-endian words.
type Block = [u32; 32];

pub(crate) static PORTABLE: Entry = Entry {
    name: "portable",
    algorithm: Algorithm::SCRYPT,
    available: || true,
    scanner: || Box::new(Scanner::new(portable::search, 1)),
    stop_interval: 1,
    known: Known { header: &GENESIS, bits: 0x1e0f_fff0, nonce: 0x7c3f_51cd, before: 3, count: 8 },
};

/// The header of Litecoin's first block with a nonce of 0.
#[rustfmt::skip]
const GENESIS: [u8; 80] = [
    1, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0xd9, 0xce, 0xd4, 0xed, 0x11, 0x30, 0xf7, 0xb7, 0xfa, 0xad, 0x9b, 0xe2, 0x53, 0x23, 0xff, 0xaf,
    0xa3, 0x32, 0x32, 0xa1, 0x7c, 0x3e, 0xdf, 0x6c, 0xfd, 0x97, 0xbe, 0xe6, 0xba, 0xfb, 0xdd, 0x97,
    0xb9, 0xaa, 0x8e, 0x4e, 0xf0, 0xff, 0x0f, 0x1e, 0, 0, 0, 0,
];

/// Appends every solution among `count` nonces from `first` to `found`, ascending. The piece never wraps and is at
/// most as long as the kernel's lanes; the scratchpad holds that many lanes.
type Search = fn(&Work, scratchpad: &mut Scratchpad, first: u32, count: u32, found: &mut Vec<u32>);

/// The memory of scrypt, 128 KiB for each lane; used again for every hash.
struct Scratchpad(Box<[Block]>);

impl Scratchpad {
    fn new(lanes: usize) -> Self {
        Self(vec![[0; 32]; N * lanes].into_boxed_slice())
    }
}

/// The digest of one header. Allocates 128 KiB for it.
pub(crate) fn digest(header: &Header) -> Digest {
    portable::digest(header, &mut Scratchpad::new(1))
}

struct Scanner {
    search: Search,
    lanes: u32,
    scratchpad: Scratchpad,
    found: Vec<u32>,
}

impl Scanner {
    fn new(search: Search, lanes: u8) -> Self {
        let scratchpad = Scratchpad::new(usize::from(lanes));
        Self { search, lanes: u32::from(lanes), scratchpad, found: Vec::new() }
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
        header80(Algorithm::SCRYPT, work)?;
        Ok(drive(range, self.lanes, stop, |first, count| {
            (self.search)(work, &mut self.scratchpad, first, count, &mut self.found);
            out.extend(self.found.drain(..).map(|nonce| Solution::new(work.generation, u64::from(nonce))));
        }))
    }
}
