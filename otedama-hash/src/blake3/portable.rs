//! One message at a time, in plain Rust.

use super::lanes::Lanes;
use super::{alephium, decred};

/// Decred's kernel: see [`super::Search`].
pub(super) fn decred(prepared: &decred::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    decred::search::<u32>(prepared, first, count, found);
}

/// Alephium's kernel.
pub(super) fn alephium(prepared: &alephium::Prepared, first: u64, count: u32, found: &mut Vec<u64>) {
    alephium::search::<u32>(prepared, first, count, found);
}

impl Lanes for u32 {
    const COUNT: u32 = 1;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        word
    }

    #[inline(always)]
    fn count_from(first: u32) -> Self {
        first
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
    fn rotate_16(self) -> Self {
        self.rotate_right(16)
    }

    #[inline(always)]
    fn rotate_12(self) -> Self {
        self.rotate_right(12)
    }

    #[inline(always)]
    fn rotate_8(self) -> Self {
        self.rotate_right(8)
    }

    #[inline(always)]
    fn rotate_7(self) -> Self {
        self.rotate_right(7)
    }

    #[inline(always)]
    fn swap_bytes(self) -> Self {
        Self::swap_bytes(self)
    }

    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        u32::from(self <= limit)
    }
}
