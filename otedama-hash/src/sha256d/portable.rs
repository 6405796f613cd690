//! SHA256d in plain Rust: the first 64 bytes once per work, and 61 of 64 last rounds for all but the best nonces.

use super::Prepared;

/// The state that SHA-256 starts from (FIPS 180-4, 5.3.3).
pub(crate) const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The round constants (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
pub(crate) const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The kernel: see [`super::Search`].
pub(super) fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    let [w0, w1, w2] = prepared.tail;
    for offset in 0..count {
        let nonce = first.wrapping_add(offset);
        let block = [w0, w1, w2, nonce.swap_bytes(), PAD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 640];
        let once = compress(&prepared.midstate, block);
        let [a, b, c, d, e, f, g, h] = once;
        let top = last_word([a, b, c, d, e, f, g, h, PAD, 0, 0, 0, 0, 0, 0, 256]).swap_bytes();
        if top <= prepared.top && prepared.is_solution(nonce) {
            found.push(nonce);
        }
    }
}

/// The bit that ends a message, as the first bit of a word.
const PAD: u32 = 0x8000_0000;

/// The state after one more block (FIPS 180-4, 6.2.2).
pub(super) fn compress(state: &[u32; 8], mut block: [u32; 16]) -> [u32; 8] {
    let mut working = *state;
    sixteen(&mut working, &block, 0);
    extend(&mut block);
    sixteen(&mut working, &block, 16);
    extend(&mut block);
    sixteen(&mut working, &block, 32);
    extend(&mut block);
    sixteen(&mut working, &block, 48);
    for (word, before) in working.iter_mut().zip(state) {
        *word = word.wrapping_add(*before);
    }
    working
}

/// The last word of the digest of one block, which is the top of the number that counts.
///
/// The last three rounds only move it along (`e` becomes `f`, `g`, `h`), so they are left out.
fn last_word(mut block: [u32; 16]) -> u32 {
    let mut working = INITIAL;
    sixteen(&mut working, &block, 0);
    extend(&mut block);
    sixteen(&mut working, &block, 16);
    extend(&mut block);
    sixteen(&mut working, &block, 32);
    extend(&mut block);
    eight(&mut working, &block, 48);
    round::<0>(&mut working, K[56].wrapping_add(block[8]));
    round::<1>(&mut working, K[57].wrapping_add(block[9]));
    round::<2>(&mut working, K[58].wrapping_add(block[10]));
    round::<3>(&mut working, K[59].wrapping_add(block[11]));
    round::<4>(&mut working, K[60].wrapping_add(block[12]));
    // After 61 rounds `e` stands where `h` would after 64.
    working[7].wrapping_add(INITIAL[7])
}

#[inline(always)]
fn sixteen(state: &mut [u32; 8], block: &[u32; 16], from: usize) {
    eight(state, block, from);
    eight(state, block, from + 8);
}

/// Eight rounds from the round `from`, a multiple of eight, whose words `block` holds.
#[inline(always)]
fn eight(state: &mut [u32; 8], block: &[u32; 16], from: usize) {
    let input = |at: usize| K[from + at].wrapping_add(block[(from + at) % 16]);
    round::<0>(state, input(0));
    round::<1>(state, input(1));
    round::<2>(state, input(2));
    round::<3>(state, input(3));
    round::<4>(state, input(4));
    round::<5>(state, input(5));
    round::<6>(state, input(6));
    round::<7>(state, input(7));
}

/// One round. Instead of moving eight variables, the `AT`-th round of eight finds them `AT` places further down.
#[inline(always)]
fn round<const AT: usize>(state: &mut [u32; 8], input: u32) {
    let at = |variable: usize| (variable + 8 - AT) % 8;
    let [a, b, c] = [state[at(0)], state[at(1)], state[at(2)]];
    let [e, f, g, h] = [state[at(4)], state[at(5)], state[at(6)], state[at(7)]];
    let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choice = g ^ (e & (f ^ g));
    let one = h.wrapping_add(sigma1).wrapping_add(choice).wrapping_add(input);
    let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let majority = (a & b) | (c & (a | b));
    state[at(3)] = state[at(3)].wrapping_add(one);
    state[at(7)] = one.wrapping_add(sigma0).wrapping_add(majority);
}

/// Replaces sixteen words of the message schedule by the next sixteen.
#[inline(always)]
fn extend(block: &mut [u32; 16]) {
    for at in 0..16 {
        let (two, fifteen) = (block[(at + 14) % 16], block[(at + 1) % 16]);
        let sigma1 = two.rotate_right(17) ^ two.rotate_right(19) ^ (two >> 10);
        let sigma0 = fifteen.rotate_right(7) ^ fifteen.rotate_right(18) ^ (fifteen >> 3);
        block[at] = block[at].wrapping_add(sigma0).wrapping_add(block[(at + 9) % 16]).wrapping_add(sigma1);
    }
}
