//! The compression function, on one message or on as many as a vector has lanes.
//!
//! All of it is inlined into the kernels' search functions, so that the compiler knows which words of a block are zero,
//! which are the same for all nonces, and which words of the result nobody asks for.

/// What the state starts from: the initial value of SHA-256 (BLAKE3 paper, table 1).
pub(super) const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The first block of a chunk (BLAKE3 paper, table 3, as are the others).
pub(super) const CHUNK_START: u32 = 1;
/// The last block of a chunk.
pub(super) const CHUNK_END: u32 = 2;
/// A node above two others.
pub(super) const PARENT: u32 = 4;
/// The node whose output is the hash.
pub(super) const ROOT: u32 = 8;

/// 32-bit words of independent computations, side by side.
pub(super) trait Lanes: Copy {
    /// How many, at most 32.
    const COUNT: u32;

    /// The same word in all lanes.
    fn splat(word: u32) -> Self;
    /// `first`, `first + 1`, ... modulo 2^32.
    fn count_from(first: u32) -> Self;
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// Rotations to the right.
    fn rotate_16(self) -> Self;
    fn rotate_12(self) -> Self;
    fn rotate_8(self) -> Self;
    fn rotate_7(self) -> Self;
    fn swap_bytes(self) -> Self;
    /// A bit for each lane, the first lane's lowest: whether the word does not exceed that of the limit.
    fn at_most(self, limit: Self) -> u32;
}

/// The words of a block. Those that the compiler sees to be zero cost nothing.
pub(super) type Block<V> = [V; 16];

/// The sixteen words that a compression works on.
pub(super) type State<V> = [V; 16];

/// Which word of the block is the `n`-th input of each round (BLAKE3 paper, table 2, applied again and again).
pub(super) const SCHEDULE: [[usize; 16]; 7] = schedule();

const fn schedule() -> [[usize; 16]; 7] {
    const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut rounds = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]; 7];
    let mut round = 1;
    while round < 7 {
        let mut at = 0;
        while at < 16 {
            rounds[round][at] = rounds[round - 1][PERMUTATION[at]];
            at += 1;
        }
        round += 1;
    }
    rounds
}

/// The state before the first round.
#[inline(always)]
pub(super) fn start<V: Lanes>(value: [V; 8], counter: [u32; 2], len: u32, flags: u32) -> State<V> {
    let [a, b, c, d, e, f, g, h] = value;
    let [i, j, k, l] = [INITIAL[0], INITIAL[1], INITIAL[2], INITIAL[3]].map(V::splat);
    let [m, n] = counter.map(V::splat);
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, V::splat(len), V::splat(flags)]
}

/// All seven rounds.
#[inline(always)]
pub(super) fn rounds<V: Lanes>(state: &mut State<V>, block: &Block<V>) {
    columns(state, block, 0);
    after_the_first_columns(state, block);
}

/// All seven rounds without the first half of the first one.
#[inline(always)]
pub(super) fn after_the_first_columns<V: Lanes>(state: &mut State<V>, block: &Block<V>) {
    diagonals(state, block, 0);
    round(state, block, 1);
    round(state, block, 2);
    round(state, block, 3);
    round(state, block, 4);
    round(state, block, 5);
    round(state, block, 6);
}

/// The chaining value after the last round, or the hash.
#[inline(always)]
pub(super) fn output<V: Lanes>(state: &State<V>) -> [V; 8] {
    let word = |at: usize| state[at].xor(state[at + 8]);
    [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)]
}

#[inline(always)]
fn round<V: Lanes>(state: &mut State<V>, block: &Block<V>, round: usize) {
    columns(state, block, round);
    diagonals(state, block, round);
}

/// The four columns of the state, by their places in it.
pub(super) const COLUMNS: [[usize; 4]; 4] = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
const DIAGONALS: [[usize; 4]; 4] = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

#[inline(always)]
fn columns<V: Lanes>(state: &mut State<V>, block: &Block<V>, round: usize) {
    let word = |at: usize| block[SCHEDULE[round][at]];
    first_half(state, COLUMNS, [word(0), word(2), word(4), word(6)]);
    second_half(state, COLUMNS, [word(1), word(3), word(5), word(7)]);
}

#[inline(always)]
fn diagonals<V: Lanes>(state: &mut State<V>, block: &Block<V>, round: usize) {
    let word = |at: usize| block[SCHEDULE[round][at]];
    first_half(state, DIAGONALS, [word(8), word(10), word(12), word(14)]);
    second_half(state, DIAGONALS, [word(9), word(11), word(13), word(15)]);
}

/// The first half of the quarter-rounds at these places. They are independent, and go forward together so that the CPU
/// always finds something to do.
#[inline(always)]
pub(super) fn first_half<V: Lanes, const N: usize>(
    state: &mut State<V>,
    places: [[usize; 4]; N],
    words: [V; N],
) {
    add_words(state, places, words);
    for [a, _, _, d] in places {
        state[d] = state[d].xor(state[a]).rotate_16();
    }
    for [_, _, c, d] in places {
        state[c] = state[c].add(state[d]);
    }
    for [_, b, c, _] in places {
        state[b] = state[b].xor(state[c]).rotate_12();
    }
}

/// The second half.
#[inline(always)]
pub(super) fn second_half<V: Lanes, const N: usize>(
    state: &mut State<V>,
    places: [[usize; 4]; N],
    words: [V; N],
) {
    add_words(state, places, words);
    for [a, _, _, d] in places {
        state[d] = state[d].xor(state[a]).rotate_8();
    }
    for [_, _, c, d] in places {
        state[c] = state[c].add(state[d]);
    }
    for [_, b, c, _] in places {
        state[b] = state[b].xor(state[c]).rotate_7();
    }
}

/// The word of the block first: `b` is what is known last.
#[inline(always)]
fn add_words<V: Lanes, const N: usize>(state: &mut State<V>, places: [[usize; 4]; N], words: [V; N]) {
    for ([a, _, _, _], word) in places.into_iter().zip(words) {
        state[a] = state[a].add(word);
    }
    for [a, b, _, _] in places {
        state[a] = state[a].add(state[b]);
    }
}

/// The chaining value after one block of one message.
pub(super) fn compress(
    value: &[u32; 8],
    block: &[u32; 16],
    counter: u64,
    len: usize,
    flags: u32,
) -> [u32; 8] {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the counter")]
    let counter = [counter as u32, (counter >> 32) as u32];
    // A block has at most 64 bytes.
    let len = u32::try_from(len).unwrap_or(64);
    let mut state = start(*value, counter, len, flags);
    rounds(&mut state, block);
    output(&state)
}
