//! SHA-256 of as many blocks at once as a vector has words, in plain Rust that the compiler turns into vectors: the
//! kernel files call it where their instructions are switched on.

use super::pbkdf2::{State, Words};

/// The round constants (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
pub(super) const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// Takes a block into each state, `WIDTH` at a time.
#[inline(always)]
pub(super) fn compress<const WIDTH: usize>(states: &mut [State], blocks: &[Words]) {
    for (states, blocks) in states.chunks_mut(WIDTH).zip(blocks.chunks(WIDTH)) {
        let mut lanes = [[0; WIDTH]; 8];
        for (lane, state) in states.iter().enumerate() {
            for (word, row) in state.iter().zip(&mut lanes) {
                row[lane] = *word;
            }
        }
        let mut schedule = [[0; WIDTH]; 16];
        for (lane, block) in blocks.iter().enumerate() {
            for (word, row) in block.iter().zip(&mut schedule) {
                row[lane] = *word;
            }
        }
        rounds(&mut lanes, &mut schedule);
        for (lane, state) in states.iter_mut().enumerate() {
            for (word, row) in state.iter_mut().zip(&lanes) {
                *word = word.wrapping_add(row[lane]);
            }
        }
    }
}

/// The 64 rounds (FIPS 180-4, 6.2.2), without the addition of the state before them.
#[inline(always)]
fn rounds<const WIDTH: usize>(state: &mut [[u32; WIDTH]; 8], w: &mut [[u32; WIDTH]; 16]) {
    for from in (0..64).step_by(16) {
        for at in 0..16 {
            if from > 0 {
                extend(w, at);
            }
            round(state, &w[at], K[from + at], at);
        }
    }
}

/// The next word of the message schedule in place of the one of sixteen rounds before.
#[inline(always)]
fn extend<const WIDTH: usize>(w: &mut [[u32; WIDTH]; 16], at: usize) {
    let (two, seven, fifteen) = (w[(at + 14) % 16], w[(at + 9) % 16], w[(at + 1) % 16]);
    for lane in 0..WIDTH {
        let (two, fifteen) = (two[lane], fifteen[lane]);
        let sigma1 = two.rotate_right(17) ^ two.rotate_right(19) ^ (two >> 10);
        let sigma0 = fifteen.rotate_right(7) ^ fifteen.rotate_right(18) ^ (fifteen >> 3);
        w[at][lane] = w[at][lane].wrapping_add(sigma0).wrapping_add(seven[lane]).wrapping_add(sigma1);
    }
}

/// One round. Instead of moving eight variables, the `at`-th round of eight finds them `at` places further down.
#[inline(always)]
fn round<const WIDTH: usize>(state: &mut [[u32; WIDTH]; 8], input: &[u32; WIDTH], k: u32, at: usize) {
    let place = |variable: usize| (variable + 16 - at) % 8;
    for lane in 0..WIDTH {
        let [a, b, c] = [0, 1, 2].map(|variable| state[place(variable)][lane]);
        let [e, f, g, h] = [4, 5, 6, 7].map(|variable| state[place(variable)][lane]);
        let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = g ^ (e & (f ^ g));
        let one = h.wrapping_add(sigma1).wrapping_add(choice).wrapping_add(k.wrapping_add(input[lane]));
        let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) | (c & (a | b));
        state[place(3)][lane] = state[place(3)][lane].wrapping_add(one);
        state[place(7)][lane] = one.wrapping_add(sigma0).wrapping_add(majority);
    }
}
