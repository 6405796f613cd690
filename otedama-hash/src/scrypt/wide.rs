//! SHA-256 of as many blocks at once as a vector has words, in plain Rust that the compiler turns into vectors: the
//! kernel files call it where their instructions are switched on.

use super::pbkdf2::{State, Words};
use crate::sha256d::constants::K;

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
