//! The 64 bytes that caches and datasets are made of.
#![expect(unsafe_code, reason = "tables lie in files, as bytes, and are read in place")]

/// A node of a cache, or an item of a dataset: 16 words, each of which is little-endian as bytes. It fills one line of
/// the processor's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Node(pub [u32; 16]);

// SAFETY: all zeros are sixteen words.
unsafe impl bytemuck::Zeroable for Node {}
// SAFETY: 64 bytes of words, as many as the alignment: nothing between or behind them, and any bytes are words.
unsafe impl bytemuck::Pod for Node {}

impl Node {
    /// All words zero.
    pub const ZERO: Self = Self([0; 16]);

    /// Two neighbouring words, the first one the low half.
    #[inline(always)]
    pub(crate) const fn lane(&self, at: usize) -> u64 {
        (self.0[2 * at] as u64) | (self.0[2 * at + 1] as u64) << 32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the lane")]
    pub(crate) const fn set_lane(&mut self, at: usize, lane: u64) {
        self.0[2 * at] = lane as u32;
        self.0[2 * at + 1] = (lane >> 32) as u32;
    }

    /// Asks for this line of memory to be fetched, for it will be needed soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: every CPU of this kind has the instruction, and it changes nothing that a program can see.
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(self).cast());
        }
    }
}
