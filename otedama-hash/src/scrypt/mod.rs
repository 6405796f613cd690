//! scrypt(1024, 1, 1) of an 80-byte header: the scanner, and what all its kernels share.
//!
//! A kernel file holds one function of the type [`Search`] that mixes as many headers side by side as its lanes; the
//! PBKDF2 around the mixing is here.

mod pbkdf2;
mod portable;

use otedama_core::{Algorithm, CompactTarget, Digest, Header, Seed, Solution, Target, Work};

use crate::error::ScanError;
use crate::kernel::{Entry, Known, Memory};
use crate::scan::{NonceRange, Scan, Scanned, Stop, drive, header80};

/// Blocks that the memory of one hash holds: the N of scrypt.
const N: usize = 1024;

/// What the memory of a scanner may lose to being aligned.
const ALIGNMENT: usize = 64;

/// The 128 bytes that are mixed, as little-endian words.
type Block = [u32; 32];

/// The likely fastest first.
pub(crate) static KERNELS: [&Entry; 1] = [&PORTABLE];

static PORTABLE: Entry =
    entry("portable", || true, 1, |memory| Box::new(Scanner::new(portable::search, 1, memory)));

const fn entry(
    name: &'static str,
    available: fn() -> bool,
    lanes: usize,
    scanner: fn(Memory) -> Box<dyn Scan>,
) -> Entry {
    let known = Known { work: known, nonce: 0x7c3f_51cd, before: 3, count: 8 };
    let memory = lanes * N * size_of::<Block>() + ALIGNMENT;
    Entry { name, algorithm: Algorithm::SCRYPT, available, scanner, memory, stop_interval: 1, known }
}

/// Litecoin's first block, for its own target.
fn known() -> Work {
    let target = CompactTarget::from_bits(0x1e0f_fff0).target().unwrap_or(Target::ZERO);
    Work::new(Algorithm::SCRYPT, Header::from(GENESIS), target)
}

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
struct Scratchpad(Memory);

impl Scratchpad {
    /// As blocks.
    fn blocks(&mut self) -> &mut [Block] {
        bytemuck::pod_align_to_mut(self.0.as_mut().as_mut()).1
    }
}

/// The digest of one header. Allocates 128 KiB for it.
pub(crate) fn digest(header: &Header) -> Digest {
    portable::digest(header, &mut vec![[0; 32]; N])
}

struct Scanner {
    search: Search,
    lanes: u32,
    scratchpad: Scratchpad,
    found: Vec<u32>,
}

impl Scanner {
    fn new(search: Search, lanes: u8, memory: Memory) -> Self {
        Self { search, lanes: u32::from(lanes), scratchpad: Scratchpad(memory), found: Vec::new() }
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
