//! SHA256d in plain Rust: one nonce after the other, on words of one lane.

use super::Prepared;
use super::lanes::{self, Word};
use crate::kernel::Entry;

/// Runs everywhere.
pub(super) static ENTRY: Entry = entry!("portable", || true, search);

/// The kernel: see [`super::Search`].
fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    lanes::search::<u32>((), prepared, first, count, found);
}

impl Word for u32 {
    type Cpu = ();
    const LANES: u32 = 1;

    #[inline(always)]
    fn splat((): (), value: u32) -> Self {
        value
    }

    #[inline(always)]
    fn nonces((): (), first: u32) -> Self {
        first.swap_bytes()
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn big_sigma0(self) -> Self {
        self.rotate_right(2) ^ self.rotate_right(13) ^ self.rotate_right(22)
    }

    #[inline(always)]
    fn big_sigma1(self) -> Self {
        self.rotate_right(6) ^ self.rotate_right(11) ^ self.rotate_right(25)
    }

    #[inline(always)]
    fn small_sigma0(self) -> Self {
        self.rotate_right(7) ^ self.rotate_right(18) ^ (self >> 3)
    }

    #[inline(always)]
    fn small_sigma1(self) -> Self {
        self.rotate_right(17) ^ self.rotate_right(19) ^ (self >> 10)
    }

    #[inline(always)]
    fn choice(self, f: Self, g: Self) -> Self {
        g ^ (self & (f ^ g))
    }

    #[inline(always)]
    fn majority(self, b: Self, _: Self, b_xor_c: Self) -> Self {
        b ^ ((self ^ b) & b_xor_c)
    }

    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        u32::from(self.swap_bytes() <= limit)
    }
}
