//! The permutation Keccak-f[800], of which `KawPow` needs two for a hash.

use super::rounds::CONSTANTS;

/// All 22 rounds on 25 words: the first is lane (0, 0), the second lane (1, 0).
#[inline(always)]
pub(crate) fn permute(mut state: [u32; 25]) -> [u32; 25] {
    for constant in &CONSTANTS[..22] {
        state = round(state, *constant);
    }
    state
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half of the constant is that of the narrow lanes"
)]
fn round(a: [u32; 25], constant: u64) -> [u32; 25] {
    let c = |x: usize| a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    let c = [c(0), c(1), c(2), c(3), c(4)];
    let d = |before: usize, after: usize| c[before] ^ c[after].rotate_left(1);
    let d = [d(4, 1), d(0, 2), d(1, 3), d(2, 4), d(3, 0)];
    // A lane and the rotation of the wide lanes, modulo 32.
    let at = |lane: usize, by: u32| (a[lane] ^ d[lane % 5]).rotate_left(by);

    let [a, b, c, d, e] = row([at(0, 0), at(6, 12), at(12, 11), at(18, 21), at(24, 14)]);
    let [f, g, h, i, j] = row([at(3, 28), at(9, 20), at(10, 3), at(16, 13), at(22, 29)]);
    let [k, l, m, n, o] = row([at(1, 1), at(7, 6), at(13, 25), at(19, 8), at(20, 18)]);
    let [p, q, r, s, t] = row([at(4, 27), at(5, 4), at(11, 10), at(17, 15), at(23, 24)]);
    let [u, v, w, x, y] = row([at(2, 30), at(8, 23), at(14, 7), at(15, 9), at(21, 2)]);
    let a = a ^ constant as u32;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y]
}

/// The step chi on a row.
#[inline(always)]
fn row([a, b, c, d, e]: [u32; 5]) -> [u32; 5] {
    [a ^ (!b & c), b ^ (!c & d), c ^ (!d & e), d ^ (!e & a), e ^ (!a & b)]
}
