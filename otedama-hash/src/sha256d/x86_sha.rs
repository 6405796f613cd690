//! SHA256d with the SHA instructions of x86: four nonces in turns, since a single one would wait for each instruction.
//!
//! A state is two vectors, named after their words from the highest lane to the lowest: `abef` and `cdgh`. Two rounds
//! make of them a new `abef`, and the old one is the new `cdgh`.
#![expect(unsafe_code, reason = "vector instructions")]

use core::arch::x86_64::*;

use super::Prepared;
use super::constants::{DIGEST_BITS, HEADER_BITS, INITIAL, K, PAD};
use crate::kernel::Entry;

/// Runs where the CPU has the SHA instructions, and AVX for the form of the others that spares copies.
pub(super) static ENTRY: Entry = entry!("sha-ni", available, search);

fn available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx")
}

/// The kernel: see [`super::Search`].
fn search(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    #[target_feature(enable = "sha,avx")]
    fn enabled(prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
        search_with(Sha(()), prepared, first, count, found);
    }
    // SAFETY: this kernel is reached only through `ENTRY`, where the CPU has both.
    unsafe { enabled(prepared, first, count, found) }
}

/// Proves that the CPU has SHA and AVX.
#[derive(Clone, Copy)]
pub(super) struct Sha(());

impl Sha {
    /// # Safety
    /// The CPU must have SHA and AVX.
    pub(super) const unsafe fn new() -> Self {
        Self(())
    }
}

/// An expression on intrinsics of SHA and AVX, where a [`Sha`] or a [`Quad`] is at hand.
macro_rules! sha {
    ($expression:expr) => {
        // SAFETY: a `Sha` proves that the CPU has the instructions, and so does a `Quad`, which only comes from one.
        unsafe { $expression }
    };
}

/// Nonces that take turns.
const STREAMS: usize = 4;

/// Four consecutive words of a block, or half a state.
#[derive(Clone, Copy)]
struct Quad(__m128i);

/// One vector of each stream.
type Quads = [Quad; STREAMS];

/// The state of each stream.
struct States {
    abef: Quads,
    cdgh: Quads,
}

/// The body of the kernel, for whatever encoding the caller enables.
#[inline(always)]
pub(super) fn search_with(sha: Sha, prepared: &Prepared, first: u32, count: u32, found: &mut Vec<u32>) {
    let job = Job::new(sha, prepared);
    let mut offset = 0;
    while offset < count {
        let (front, back) = job.first_hash(sha, first.wrapping_add(offset));
        let words = last_words(sha, front, back);
        let mut lanes = 0;
        for (lane, word) in words.into_iter().enumerate() {
            lanes |= u32::from(word.swap_bytes() <= prepared.top) << lane;
        }
        if lanes != 0 {
            prepared.check(lanes, first, offset, count, found);
        }
        offset += 4;
    }
}

/// What a work has in common for all nonces, as vectors.
struct Job {
    abef: Quad,
    cdgh: Quad,
    /// Words 16 and 17 of the schedule, twice.
    w16_w17: Quad,
    w18: Quad,
    w19: Quad,
    /// Words 20 to 23 but for σ1.
    w20: Quad,
    /// Words 28 to 31 but for words 21 to 24 and σ1.
    w28: Quad,
    midstate_abef: Quad,
    midstate_cdgh: Quad,
}

impl Job {
    #[inline(always)]
    fn new(sha: Sha, prepared: &Prepared) -> Self {
        use super::lanes::Word;
        let [a, b, c, d, e, f, g, h] = prepared.after_nonce;
        let [ma, mb, mc, md, me, mf, mg, mh] = prepared.midstate;
        let [w16, w17, w18, w19] = prepared.schedule;
        let w31 = HEADER_BITS.wrapping_add(w16.small_sigma0());
        Self {
            abef: sha.quad([f, e, b, a]),
            cdgh: sha.quad([h, g, d, c]),
            w16_w17: sha.quad([w16, w17, w16, w17]),
            w18: sha.quad([w18; 4]),
            w19: sha.quad([w19; 4]),
            w20: sha.quad([PAD, 0, HEADER_BITS, w16]),
            w28: sha.quad([0, 0, HEADER_BITS.small_sigma0(), w31]),
            midstate_abef: sha.quad([mf, me, mb, ma]),
            midstate_cdgh: sha.quad([mh, mg, md, mc]),
        }
    }

    /// The digests of the headers with the nonces from `first`: their first four words, and their last four.
    #[inline(always)]
    fn first_hash(&self, sha: Sha, first: u32) -> (Quads, Quads) {
        let nonce = |lane: u32| first.wrapping_add(lane).swap_bytes();
        let nonces = sha.quad([nonce(0), nonce(1), nonce(2), nonce(3)]);
        let mut states = States { abef: self.with_nonces(sha, nonces), cdgh: [self.cdgh; STREAMS] };
        states.same(sha, 4, [PAD, 0, 0, 0]);
        states.same(sha, 8, [0; 4]);
        states.same(sha, 12, [0, 0, 0, HEADER_BITS]);

        let mut w0 = self.first_words(nonces);
        states.rounds(sha, 16, w0);
        let mut w1 = each(|at| self.w20.second(w0[at]));
        states.rounds(sha, 20, w1);
        let mut w2 = each(|at| w1[at].shifted(w0[at]).second(w1[at]));
        states.rounds(sha, 24, w2);
        let mut w3 = each(|at| w2[at].shifted(w1[at]).add(self.w28).second(w2[at]));
        states.rounds_to_59(sha, [&mut w0, &mut w1, &mut w2, &mut w3]);
        states.rounds(sha, 60, w3);

        let abef = each(|at| states.abef[at].add(self.midstate_abef));
        let cdgh = each(|at| states.cdgh[at].add(self.midstate_cdgh));
        (each(|at| abef[at].highs(cdgh[at])), each(|at| abef[at].lows(cdgh[at])))
    }

    /// `abef` after the first four rounds: the word of the nonce is added to `a` and `e`.
    #[inline(always)]
    fn with_nonces(&self, sha: Sha, nonces: Quad) -> Quads {
        let zero = sha.quad([0; 4]);
        sha!({
            let (low, high) = (_mm_unpacklo_epi32(zero.0, nonces.0), _mm_unpackhi_epi32(zero.0, nonces.0));
            let added = [
                _mm_unpacklo_epi64(low, low),
                _mm_unpackhi_epi64(low, low),
                _mm_unpacklo_epi64(high, high),
                _mm_unpackhi_epi64(high, high),
            ];
            each(|at| self.abef.add(Quad(added[at])))
        })
    }

    /// The words 16 to 19.
    #[inline(always)]
    fn first_words(&self, nonces: Quad) -> Quads {
        let (w18, w19) = (self.w18.add(nonces.small_sigma0()), self.w19.add(nonces));
        sha!({
            let (low, high) = (_mm_unpacklo_epi32(w18.0, w19.0), _mm_unpackhi_epi32(w18.0, w19.0));
            let front = self.w16_w17.0;
            [
                Quad(_mm_unpacklo_epi64(front, low)),
                Quad(_mm_unpackhi_epi64(front, low)),
                Quad(_mm_unpacklo_epi64(front, high)),
                Quad(_mm_unpackhi_epi64(front, high)),
            ]
        })
    }
}

/// The last words of the digests of the digests: the top of the numbers that count.
#[inline(always)]
fn last_words(sha: Sha, front: Quads, back: Quads) -> [u32; STREAMS] {
    let [a, b, c, d, e, f, g, h] = INITIAL;
    let mut states =
        States { abef: [sha.quad([f, e, b, a]); STREAMS], cdgh: [sha.quad([h, g, d, c]); STREAMS] };
    let (mut w0, mut w1) = (front, back);
    let (end, bits) = (sha.quad([PAD, 0, 0, 0]), sha.quad([0, 0, 0, DIGEST_BITS]));
    states.rounds(sha, 0, w0);
    states.rounds(sha, 4, w1);
    states.same(sha, 8, [PAD, 0, 0, 0]);
    states.same(sha, 12, [0, 0, 0, DIGEST_BITS]);

    w0 = each(|at| w0[at].first(w1[at]).second(bits));
    states.rounds(sha, 16, w0);
    w1 = each(|at| w1[at].first(end).add(w0[at].shifted(bits)).second(w0[at]));
    states.rounds(sha, 20, w1);
    let mut w2 = each(|at| end.add(w1[at].shifted(w0[at])).second(w1[at]));
    states.rounds(sha, 24, w2);
    let mut w3 = each(|at| bits.first(w0[at]).add(w2[at].shifted(w1[at])).second(w2[at]));
    states.rounds_to_59(sha, [&mut w0, &mut w1, &mut w2, &mut w3]);
    // After 61 rounds `e` stands where `h` would after 64; one round more makes it `f`, the lowest.
    let constant = sha.quad([K[60], 0, 0, 0]);
    let abef = states.two_rounds(each(|at| w3[at].add(constant))).abef;
    let word = |at: usize| abef[at].lowest().wrapping_add(h);
    [word(0), word(1), word(2), word(3)]
}

impl States {
    /// Four rounds from the round `from`, with its four words.
    #[inline(always)]
    fn rounds(&mut self, sha: Sha, from: usize, words: Quads) {
        let constants = sha.quad([K[from], K[from + 1], K[from + 2], K[from + 3]]);
        self.stream(0, words[0].add(constants));
        self.stream(1, words[1].add(constants));
        self.stream(2, words[2].add(constants));
        self.stream(3, words[3].add(constants));
    }

    /// Four rounds of one stream, with the constants added to the words.
    #[inline(always)]
    fn stream(&mut self, at: usize, input: Quad) {
        let middle = self.abef[at].two_rounds(self.cdgh[at], input);
        let end = middle.two_rounds(self.abef[at], input.upper());
        (self.abef[at], self.cdgh[at]) = (end, middle);
    }

    /// Two rounds, with the constants added to the words.
    #[inline(always)]
    fn two_rounds(self, inputs: Quads) -> Self {
        Self { abef: each(|at| self.abef[at].two_rounds(self.cdgh[at], inputs[at])), cdgh: self.abef }
    }

    /// Four rounds on words that are the same for all streams.
    #[inline(always)]
    fn same(&mut self, sha: Sha, from: usize, words: [u32; 4]) {
        let sum = |at: usize| K[from + at].wrapping_add(words[at]);
        let (lower, upper) = (sha.quad([sum(0), sum(1), 0, 0]), sha.quad([sum(2), sum(3), 0, 0]));
        let middle = each(|at| self.abef[at].two_rounds(self.cdgh[at], lower));
        let end = each(|at| middle[at].two_rounds(self.abef[at], upper));
        (self.abef, self.cdgh) = (end, middle);
    }

    /// The rounds 28 to 59, from the words 16 to 31 on; leaves the words 48 to 63.
    #[inline(always)]
    fn rounds_to_59(&mut self, sha: Sha, [w0, w1, w2, w3]: [&mut Quads; 4]) {
        self.rounds_and_next(sha, 28, w0, w1, w2, w3);
        self.rounds_and_next(sha, 32, w1, w2, w3, w0);
        self.rounds_and_next(sha, 36, w2, w3, w0, w1);
        self.rounds_and_next(sha, 40, w3, w0, w1, w2);
        self.rounds_and_next(sha, 44, w0, w1, w2, w3);
        self.rounds_and_next(sha, 48, w1, w2, w3, w0);
        self.rounds_and_next(sha, 52, w2, w3, w0, w1);
        self.rounds_and_next(sha, 56, w3, w0, w1, w2);
    }

    /// Four rounds with the newest words, `w3`; then the oldest, `w0`, give way to the next.
    #[inline(always)]
    fn rounds_and_next(&mut self, sha: Sha, from: usize, w0: &mut Quads, w1: &Quads, w2: &Quads, w3: &Quads) {
        let constants = sha.quad([K[from], K[from + 1], K[from + 2], K[from + 3]]);
        let mut stream = |at: usize| {
            w0[at] = w0[at].first(w1[at]).add(w3[at].shifted(w2[at])).second(w3[at]);
            self.stream(at, w3[at].add(constants));
        };
        stream(0);
        stream(1);
        stream(2);
        stream(3);
    }
}

/// A vector for each stream.
#[inline(always)]
fn each(vector: impl Fn(usize) -> Quad) -> Quads {
    [vector(0), vector(1), vector(2), vector(3)]
}

impl Sha {
    /// Four words, the lowest lane first.
    #[inline(always)]
    fn quad(self, words: [u32; 4]) -> Quad {
        let [a, b, c, d] = words;
        let [a, b, c, d] = [a.cast_signed(), b.cast_signed(), c.cast_signed(), d.cast_signed()];
        sha!(Quad(_mm_setr_epi32(a, b, c, d)))
    }
}

impl Quad {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        sha!(Self(_mm_add_epi32(self.0, other.0)))
    }

    /// `abef` after two rounds; the lower half of `input` is words and constants.
    #[inline(always)]
    fn two_rounds(self, cdgh: Self, input: Self) -> Self {
        sha!(Self(_mm_sha256rnds2_epu32(cdgh.0, self.0, input.0)))
    }

    /// The upper half, below.
    #[inline(always)]
    fn upper(self) -> Self {
        sha!(Self(_mm_shuffle_epi32::<0b00_00_11_10>(self.0)))
    }

    /// Four words of the schedule so far, with σ0 of their followers added.
    #[inline(always)]
    fn first(self, followers: Self) -> Self {
        sha!(Self(_mm_sha256msg1_epu32(self.0, followers.0)))
    }

    /// Four words of the schedule, from all but σ1 and the four words before them.
    #[inline(always)]
    fn second(self, before: Self) -> Self {
        sha!(Self(_mm_sha256msg2_epu32(self.0, before.0)))
    }

    /// The four words from the second of `before` on.
    #[inline(always)]
    fn shifted(self, before: Self) -> Self {
        sha!(Self(_mm_alignr_epi8::<4>(self.0, before.0)))
    }

    /// `a`, `b`, `c` and `d` of a state, in this order.
    #[inline(always)]
    fn highs(self, cdgh: Self) -> Self {
        sha!(Self(_mm_shuffle_epi32::<0b10_11_00_01>(_mm_unpackhi_epi64(self.0, cdgh.0))))
    }

    /// `e`, `f`, `g` and `h`.
    #[inline(always)]
    fn lows(self, cdgh: Self) -> Self {
        sha!(Self(_mm_shuffle_epi32::<0b10_11_00_01>(_mm_unpacklo_epi64(self.0, cdgh.0))))
    }

    /// σ0 of each word.
    #[inline(always)]
    fn small_sigma0(self) -> Self {
        sha!({
            let seven = _mm_or_si128(_mm_srli_epi32::<7>(self.0), _mm_slli_epi32::<25>(self.0));
            let eighteen = _mm_or_si128(_mm_srli_epi32::<18>(self.0), _mm_slli_epi32::<14>(self.0));
            Self(_mm_xor_si128(_mm_xor_si128(seven, eighteen), _mm_srli_epi32::<3>(self.0)))
        })
    }

    #[inline(always)]
    fn lowest(self) -> u32 {
        sha!(_mm_cvtsi128_si32(self.0)).cast_unsigned()
    }
}
