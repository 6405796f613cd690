//! SHA256d with the SHA instructions of x86 in code for AVX-512VL, whose sixteen further registers hold the message
//! schedules of the four nonces that take turns.
#![expect(unsafe_code, reason = "vector instructions")]

use super::Prepared;
use super::x86_sha::{Sha, search_with};
use crate::kernel::Entry;

/// Runs where the CPU has the SHA instructions and AVX-512VL.
pub(super) static ENTRY: Entry = entry!("sha-ni-vl", available, search);

fn available() -> bool {
    is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

/// The kernel: see [`super::Search`].
fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    #[target_feature(enable = "sha,avx512f,avx512bw,avx512vl")]
    fn enabled(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
        // SAFETY: this function is called only where the CPU has SHA and AVX-512VL, and with it AVX.
        let sha = unsafe { Sha::new() };
        search_with(sha, prepared, first, count, found);
    }
    // SAFETY: this kernel is reached only through `ENTRY`, where the CPU has all of them.
    unsafe { enabled(prepared, first, count, found) }
}
