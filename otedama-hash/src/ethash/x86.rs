//! The implementations for the vectors of x86.
#![expect(unsafe_code, reason = "instructions that not every CPU has")]

use super::engine::{Entry, Task, perform};
use crate::keccak::{x86_avx2, x86_avx512};

/// 256-bit vectors; the single chains of a cache gain from the bit instructions that came with them.
pub(super) static AVX2: Entry = Entry { name: "avx2", available: x86_avx2::available, run: avx2 };

/// 512-bit vectors: a node fills one, eight states of Keccak lie side by side.
pub(super) static AVX512: Entry = Entry { name: "avx512", available: x86_avx512::available, run: avx512 };

fn avx2(task: Task<'_>) {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn run(task: Task<'_>) {
        perform::<x86_avx2::Words>(task);
    }
    // SAFETY: an implementation runs only where it is available.
    unsafe { run(task) }
}

fn avx512(task: Task<'_>) {
    #[target_feature(enable = "avx512f,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn run(task: Task<'_>) {
        perform::<x86_avx512::Words>(task);
    }
    // SAFETY: as above.
    unsafe { run(task) }
}
