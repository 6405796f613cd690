//! SHA256d on words of any number of lanes, one nonce in each lane; written once for `u32` and for all vectors.
//!
//! Per nonce it does the rounds 4 to 63 of the first hash and 0 to 60 of the second: what comes before is the same for
//! all nonces of a work ([`Prepared`]), and what comes after only moves along the word that decides. The constant
//! words of both message schedules are written as constants, so that the compiler folds them.

use super::Prepared;
use super::constants::{DIGEST_BITS, HEADER_BITS, INITIAL, K, PAD};

/// A 32-bit word in each of some lanes.
///
/// Everything is inlined into the function that has the instructions enabled; a value exists only where the CPU has
/// them, since the first values are made from a `Cpu`.
pub(super) trait Word: Copy {
    /// Proves that the CPU has the instructions.
    type Cpu: Copy;
    /// How many lanes; at most 16.
    const LANES: u32;

    /// The same value in each lane.
    fn splat(cpu: Self::Cpu, value: u32) -> Self;
    /// `first`, `first + 1`, ... as words of a header: with their bytes swapped.
    fn nonces(cpu: Self::Cpu, first: u32) -> Self;
    /// The sum, modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Σ0 of FIPS 180-4, 4.1.2.
    fn big_sigma0(self) -> Self;
    /// Σ1.
    fn big_sigma1(self) -> Self;
    /// σ0.
    fn small_sigma0(self) -> Self;
    /// σ1.
    fn small_sigma1(self) -> Self;
    /// The bits of `f` where those of `self` are set, else those of `g`.
    fn choice(self, f: Self, g: Self) -> Self;
    /// The bits that most of the three have. `b_xor_c` saves an operation where that takes more than one.
    fn majority(self, b: Self, c: Self, b_xor_c: Self) -> Self;
    /// The lanes, lowest bit first, in which the word with its bytes swapped is at most `limit`.
    fn at_most(self, limit: Self) -> u32;
}

/// Appends every solution among `count` nonces from `first`: see [`super::Search`].
#[inline(always)]
pub(super) fn search<W: Word>(
    cpu: W::Cpu,
    prepared: &Prepared,
    first: u32,
    count: u32,
    found: &mut Vec<u32>,
) {
    let limit = W::splat(cpu, prepared.top);
    let mut offset = 0;
    while offset < count {
        let nonces = W::nonces(cpu, first.wrapping_add(offset));
        let lanes = last_word(cpu, first_hash(cpu, prepared, nonces)).at_most(limit);
        if lanes != 0 {
            prepared.check(lanes, first, offset, count, found);
        }
        offset += W::LANES;
    }
}

/// The working variables; they stay where they are, and the rounds take turns with them.
struct State<W> {
    words: [W; 8],
    /// The exclusive or of what the next round calls `b` and `c`.
    b_xor_c: W,
}

impl<W: Word> State<W> {
    #[inline(always)]
    fn new(words: [W; 8]) -> Self {
        Self { words, b_xor_c: words[1].xor(words[2]) }
    }

    /// One round, the `AT`-th of eight: it finds the variables `AT` places further down.
    #[inline(always)]
    fn round<const AT: usize>(&mut self, input: W) {
        let at = |variable: usize| (variable + 8 - AT) % 8;
        let [a, b, c] = [0, 1, 2].map(|variable| self.words[at(variable)]);
        let [e, f, g, h] = [4, 5, 6, 7].map(|variable| self.words[at(variable)]);
        let one = h.add(input).add(e.choice(f, g)).add(e.big_sigma1());
        self.words[at(3)] = self.words[at(3)].add(one);
        let two = a.big_sigma0().add(a.majority(b, c, self.b_xor_c));
        self.b_xor_c = a.xor(b);
        self.words[at(7)] = one.add(two);
    }

    /// Four rounds from the round `from`, whose words `block` holds; `from` is a multiple of eight for the first
    /// half of eight rounds.
    #[inline(always)]
    fn half<const SECOND: bool>(&mut self, cpu: W::Cpu, block: &[W; 16], from: usize) {
        let input = |at: usize| W::splat(cpu, K[from + at]).add(block[(from + at) % 16]);
        if SECOND {
            self.round::<4>(input(0));
            self.round::<5>(input(1));
            self.round::<6>(input(2));
            self.round::<7>(input(3));
        } else {
            self.round::<0>(input(0));
            self.round::<1>(input(1));
            self.round::<2>(input(2));
            self.round::<3>(input(3));
        }
    }

    #[inline(always)]
    fn sixteen(&mut self, cpu: W::Cpu, block: &[W; 16], from: usize) {
        self.half::<false>(cpu, block, from);
        self.half::<true>(cpu, block, from + 4);
        self.half::<false>(cpu, block, from + 8);
        self.half::<true>(cpu, block, from + 12);
    }
}

/// The digest of the header, word by word: the block that follows the midstate.
#[inline(always)]
fn first_hash<W: Word>(cpu: W::Cpu, prepared: &Prepared, nonces: W) -> [W; 8] {
    let splat = |value| W::splat(cpu, value);
    let mut words = prepared.after_nonce.map(splat);
    words[0] = words[0].add(nonces);
    words[4] = words[4].add(nonces);
    // Four rounds are done: the variables stand as if turned by four places.
    words.rotate_left(4);
    let mut state = State { words, b_xor_c: words[5].xor(words[6]) };

    let zero = splat(0);
    let mut block = [zero; 16];
    block[4] = splat(PAD);
    block[15] = splat(HEADER_BITS);
    state.half::<true>(cpu, &block, 4);
    state.half::<false>(cpu, &block, 8);
    state.half::<true>(cpu, &block, 12);

    let [w16, w17, w18, w19] = prepared.schedule;
    block[0] = splat(w16);
    block[1] = splat(w17);
    block[2] = splat(w18).add(nonces.small_sigma0());
    block[3] = splat(w19).add(nonces);
    extend_from_four(&mut block);
    state.sixteen(cpu, &block, 16);
    extend(&mut block);
    state.sixteen(cpu, &block, 32);
    extend(&mut block);
    state.sixteen(cpu, &block, 48);

    let mut digest = state.words;
    for (word, before) in digest.iter_mut().zip(prepared.midstate) {
        *word = word.add(splat(before));
    }
    digest
}

/// The last word of the digest of a digest, which is the top of the number that counts.
#[inline(always)]
fn last_word<W: Word>(cpu: W::Cpu, digest: [W; 8]) -> W {
    let splat = |value| W::splat(cpu, value);
    let mut state = State::new(INITIAL.map(splat));
    let zero = splat(0);
    let [a, b, c, d, e, f, g, h] = digest;
    let (end, bits) = (splat(PAD), splat(DIGEST_BITS));
    let mut block = [a, b, c, d, e, f, g, h, end, zero, zero, zero, zero, zero, zero, bits];
    state.sixteen(cpu, &block, 0);
    extend(&mut block);
    state.sixteen(cpu, &block, 16);
    extend(&mut block);
    state.sixteen(cpu, &block, 32);
    extend(&mut block);
    state.half::<false>(cpu, &block, 48);
    state.half::<true>(cpu, &block, 52);
    state.half::<false>(cpu, &block, 56);
    state.round::<4>(splat(K[60]).add(block[12]));
    // After 61 rounds `e` stands where `h` would after 64.
    state.words[7].add(splat(INITIAL[7]))
}

/// The state after one more block (FIPS 180-4, 6.2.2).
pub(super) fn compress(before: &[u32; 8], mut block: [u32; 16]) -> [u32; 8] {
    let mut state = State::new(*before);
    state.sixteen((), &block, 0);
    for from in [16, 32, 48] {
        extend(&mut block);
        state.sixteen((), &block, from);
    }
    core::array::from_fn(|at| before[at].wrapping_add(state.words[at]))
}

/// The working variables after the first four rounds of a block.
pub(super) fn after_four(before: [u32; 8], [w0, w1, w2, w3]: [u32; 4]) -> [u32; 8] {
    let mut state = State::new(before);
    state.half::<false>((), &[w0, w1, w2, w3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0);
    state.words.rotate_left(4);
    state.words
}

/// Replaces sixteen words of the message schedule by the next sixteen.
#[inline(always)]
fn extend<W: Word>(block: &mut [W; 16]) {
    extend_word::<0, W>(block);
    extend_word::<1, W>(block);
    extend_word::<2, W>(block);
    extend_word::<3, W>(block);
    extend_from_four(block);
}

/// The same where the first four of the next sixteen are there already.
#[inline(always)]
fn extend_from_four<W: Word>(block: &mut [W; 16]) {
    extend_word::<4, W>(block);
    extend_word::<5, W>(block);
    extend_word::<6, W>(block);
    extend_word::<7, W>(block);
    extend_word::<8, W>(block);
    extend_word::<9, W>(block);
    extend_word::<10, W>(block);
    extend_word::<11, W>(block);
    extend_word::<12, W>(block);
    extend_word::<13, W>(block);
    extend_word::<14, W>(block);
    extend_word::<15, W>(block);
}

#[inline(always)]
fn extend_word<const AT: usize, W: Word>(block: &mut [W; 16]) {
    let (two, fifteen) = (block[(AT + 14) % 16], block[(AT + 1) % 16]);
    let nearer = block[(AT + 9) % 16].add(two.small_sigma1());
    block[AT] = block[AT].add(fifteen.small_sigma0()).add(nearer);
}
