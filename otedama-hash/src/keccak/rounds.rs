//! The permutation Keccak-f[1600], on one state or on as many as a vector has lanes.

use crate::ethash::items::{self, CHAINS, Cache};
use crate::ethash::{Input, Node};
use crate::kawpow::Program;
use crate::kawpow::mix::{self, First, Mix};

/// 64-bit words of independent computations, side by side.
pub(crate) trait Lanes: Copy {
    /// How many.
    const COUNT: usize;

    /// The same word in all lanes.
    fn splat(word: u64) -> Self;
    /// The word of each lane.
    fn gather(word: impl Fn(usize) -> u64) -> Self;
    /// Hands over lane and word, for every lane.
    fn scatter(self, take: impl FnMut(usize, u64));
    fn xor(self, other: Self) -> Self;
    /// The exclusive-or of three.
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        self.xor(second).xor(third)
    }
    /// `self ^ (!second & third)`.
    fn chi(self, second: Self, third: Self) -> Self;
    /// A rotation to the left; the two add up to 64.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;

    /// Mixes a node into another one: for each word, [`items::fnv`].
    fn fnv_node(mix: &mut Node, other: &Node);
    /// [`super::hash_nodes`], not inlined.
    fn hash_nodes(nodes: &mut [Node]);
    /// [`super::absorb_headers`], not inlined.
    fn absorb_headers(inputs: &[Input], out: &mut [Node]);
    /// [`super::absorb_mixes`], not inlined.
    fn absorb_mixes(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]);
    /// [`Cache::items`] of [`CHAINS`] chains, not inlined.
    fn items(cache: &Cache<'_>, index: [u32; CHAINS]) -> [Node; CHAINS];
    /// [`mix::run`], not inlined.
    fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &[Node; 4]);
}

impl Lanes for u64 {
    const COUNT: usize = 1;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        word
    }

    #[inline(always)]
    fn gather(word: impl Fn(usize) -> u64) -> Self {
        word(0)
    }

    #[inline(always)]
    fn scatter(self, mut take: impl FnMut(usize, u64)) {
        take(0, self);
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn chi(self, second: Self, third: Self) -> Self {
        self ^ (!second & third)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        self.rotate_left(LEFT.unsigned_abs())
    }

    #[inline(always)]
    fn fnv_node(mix: &mut Node, other: &Node) {
        for (word, other) in mix.0.iter_mut().zip(&other.0) {
            *word = items::fnv(*word, *other);
        }
    }

    #[inline(never)]
    fn hash_nodes(nodes: &mut [Node]) {
        super::hash_nodes::<Self>(nodes);
    }

    #[inline(never)]
    fn absorb_headers(inputs: &[Input], out: &mut [Node]) {
        super::absorb_headers::<Self>(inputs, out);
    }

    #[inline(never)]
    fn absorb_mixes(nodes: &[Node], mixes: &[[u64; 4]], out: &mut [[u64; 4]]) {
        super::absorb_mixes::<Self>(nodes, mixes, out);
    }

    #[inline(never)]
    fn items(cache: &Cache<'_>, index: [u32; CHAINS]) -> [Node; CHAINS] {
        cache.items::<Self, CHAINS>(index)
    }

    #[inline(never)]
    fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &[Node; 4]) {
        mix::run(program, round, mix, first, page);
    }
}

/// What round constants are (Keccak reference, section 1.2).
pub(super) const CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// All 24 rounds. The first and the last stand alone, so that what is zero in the first and what is not needed of the
/// last is left out.
#[inline(always)]
pub(super) fn permute<V: Lanes>(state: [V; 25]) -> [V; 25] {
    let mut state = round(state, CONSTANTS[0]);
    for constants in CONSTANTS[1..23].as_chunks::<2>().0 {
        state = round(state, constants[0]);
        state = round(state, constants[1]);
    }
    round(state, CONSTANTS[23])
}

#[inline(always)]
fn round<V: Lanes>(a: [V; 25], constant: u64) -> [V; 25] {
    let c = |x: usize| a[x].xor3(a[x + 5], a[x + 10]).xor3(a[x + 15], a[x + 20]);
    let c = [c(0), c(1), c(2), c(3), c(4)];
    let d = |before: usize, after: usize| c[before].xor(c[after].rotate::<1, 63>());
    let d = [d(4, 1), d(0, 2), d(1, 3), d(2, 4), d(3, 0)];
    let at = |lane: usize| a[lane].xor(d[lane % 5]);

    let mut out = [
        row([
            at(0),
            at(6).rotate::<44, 20>(),
            at(12).rotate::<43, 21>(),
            at(18).rotate::<21, 43>(),
            at(24).rotate::<14, 50>(),
        ]),
        row([
            at(3).rotate::<28, 36>(),
            at(9).rotate::<20, 44>(),
            at(10).rotate::<3, 61>(),
            at(16).rotate::<45, 19>(),
            at(22).rotate::<61, 3>(),
        ]),
        row([
            at(1).rotate::<1, 63>(),
            at(7).rotate::<6, 58>(),
            at(13).rotate::<25, 39>(),
            at(19).rotate::<8, 56>(),
            at(20).rotate::<18, 46>(),
        ]),
        row([
            at(4).rotate::<27, 37>(),
            at(5).rotate::<36, 28>(),
            at(11).rotate::<10, 54>(),
            at(17).rotate::<15, 49>(),
            at(23).rotate::<56, 8>(),
        ]),
        row([
            at(2).rotate::<62, 2>(),
            at(8).rotate::<55, 9>(),
            at(14).rotate::<39, 25>(),
            at(15).rotate::<41, 23>(),
            at(21).rotate::<2, 62>(),
        ]),
    ];
    out[0][0] = out[0][0].xor(V::splat(constant));
    let [[a, b, c, d, e], [f, g, h, i, j], [k, l, m, n, o], [p, q, r, s, t], [u, v, w, x, y]] = out;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y]
}

/// The step chi on a row.
#[inline(always)]
fn row<V: Lanes>([a, b, c, d, e]: [V; 5]) -> [V; 5] {
    [a.chi(b, c), b.chi(c, d), c.chi(d, e), d.chi(e, a), e.chi(a, b)]
}
