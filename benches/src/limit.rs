//! What a core can do at most, from counted instructions and a measured clock.

use std::hint::black_box;

use otedama_core::Algorithm;

use crate::measure::{self, Task};

/// Vector instructions that the widest cores start in one cycle.
const ISSUE: f64 = 4.0;

/// An upper bound and where it comes from.
#[derive(Clone, Debug)]
pub struct Limit {
    /// How much of it on one thread.
    pub rate: f64,
    /// Of what.
    pub unit: &'static str,
    /// In words.
    pub why: String,
}

/// The most hashes per second that one thread of this CPU can do; `None` where nobody has counted.
///
/// The count is of the additions, rotations and three-input logic operations on 32-bit words that no implementation
/// can leave out, done on the widest vectors of this CPU, four instructions in a cycle; for SHA256d, of the SHA
/// instructions where they are faster. The clock is measured.
#[must_use]
pub fn hashes(algorithm: Algorithm) -> Option<Limit> {
    let operations = match algorithm.name() {
        // A round: two sums of three rotations (8), choice and majority (2), additions (7); a word of the schedule: 11.
        // 61 + 61 rounds need be done for one nonce: three at the start are shared, three at the end only move words.
        // Without rotations and three-input logic, a round takes 35 and a word 21.
        "sha256d" if lanes().0 < 16.0 => 122.0 * 35.0 + 93.0 * 21.0,
        "sha256d" => 122.0 * 17.0 + 93.0 * 11.0,
        // 4096 times Salsa20/8: 128 steps of add, rotate and exclusive-or, 16 additions, 32 exclusive-ors.
        // Without a rotation and three-input logic a step is an addition, two shifts and two exclusive-ors.
        "scrypt" if lanes().0 < 16.0 => 4096.0 * (128.0 * 5.0 + 16.0 + 32.0),
        "scrypt" => 4096.0 * (128.0 * 3.0 + 16.0 + 32.0),
        // A quarter-round: 6 additions, 4 rotations, 4 exclusive-ors; eight make a round of 112. Of Decred's last block
        // 53 depend on the nonce in the first round, 109 in each of the next five (three words of the block are zero)
        // and 131 lead to the word that decides in the last.
        "blake3-decred" => 53.0 + 5.0 * 109.0 + 131.0 + 1.0,
        // Seven rounds for each of six blocks (326 bytes) and one of the second hash; 14 and 8 words of the last are zero.
        "blake3-alephium" => 7.0 * 56.0 * 14.0 - 7.0 * (14.0 + 8.0),
        _ => return None,
    };
    let (lanes, vectors) = lanes();
    let clock = clock();
    let rate = clock * lanes * ISSUE / operations;
    let why = format!(
        "{operations} word operations, {lanes} lanes ({vectors}), {ISSUE} a cycle, {:.2} GHz",
        clock / 1e9
    );
    let by_vectors = Limit { rate, unit: "H/s", why };
    let faster = sha_instructions(clock).filter(|limit| algorithm.name() == "sha256d" && limit.rate > rate);
    Some(faster.unwrap_or(by_vectors))
}

/// The most SHA256d hashes per second by the SHA instructions, where this CPU has them: 61 instructions of two rounds
/// each (x86), or 31 pairs of four rounds (Arm), of which no core starts more than one in a cycle.
fn sha_instructions(clock: f64) -> Option<Limit> {
    #[cfg(target_arch = "x86_64")]
    let found = is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    let found = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found = false;
    let instructions = if cfg!(target_arch = "aarch64") { 62.0 } else { 61.0 };
    let why = format!("{instructions} SHA instructions, one a cycle, {:.2} GHz", clock / 1e9);
    found.then(|| Limit { rate: clock / instructions, unit: "H/s", why })
}

/// 32-bit lanes of the widest vectors.
fn lanes() -> (f64, &'static str) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return (16.0, "AVX-512");
        }
        if is_x86_feature_detected!("avx2") {
            return (8.0, "AVX2");
        }
    }
    (4.0, "128 bits")
}

/// Cycles per second: a chain of dependent multiplications takes three cycles each on every current x86 and Arm core.
pub(crate) fn clock() -> f64 {
    const CHAIN: u64 = 1_000;
    let task: Task<'_> = Box::new(|count| {
        let mut x = black_box(3u64);
        for _ in 0..count * CHAIN {
            x = x.wrapping_mul(x);
        }
        black_box(x);
    });
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let steps = (3 * CHAIN) as f64;
    measure::rate(task) * steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_of_the_right_order() {
        let sha256d = hashes(Algorithm::SHA256D).unwrap();
        let scrypt = hashes(Algorithm::SCRYPT).unwrap();
        assert!((1e6..1e9).contains(&sha256d.rate), "{sha256d:?}");
        assert!((1e3..1e6).contains(&scrypt.rate), "{scrypt:?}");
    }
}
