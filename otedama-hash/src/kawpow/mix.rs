//! Running a programme: all lanes of a register side by side, several hashes in turns.

use std::sync::Arc;

use otedama_core::Digest;

use super::program::{
    CACHE_WORDS, How, Kiss99, LANES, Merge, OFFSET, Operation, Program, REGISTERS, ROUNDS, Step, fnv1a,
    halves,
};
use crate::ethash::items::{CHAINS, Cache, Modulus};
use crate::ethash::{Input, Node, Outcome};
use crate::keccak::{Lanes, f800};

/// Hashes that are under way together where items are made on the way, of which each takes four.
const LIGHT: usize = CHAINS / 4;
/// Hashes that are under way together where the items are there.
const FULL: usize = 4;

/// The words that programmes read as a cache.
pub(crate) type First = [u32; CACHE_WORDS];

/// A register of all lanes.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Register([u32; LANES]);

/// All registers of a hash.
pub(crate) type Mix = [Register; REGISTERS];

/// The 256 bytes that a round takes in.
type Page = [Node; 4];

/// Hashes all inputs, each with its programme; `pages` is how many pages of 256 bytes the dataset has.
#[inline(always)]
pub(crate) fn light<V: Lanes>(
    cache: &Cache<'_>,
    pages: Modulus,
    first: &First,
    inputs: &[(Input, Arc<Program>)],
    out: &mut [Outcome],
) {
    let (groups, rest) = inputs.as_chunks::<LIGHT>();
    let (of_groups, of_rest) = out.as_chunks_mut::<LIGHT>();
    for (inputs, out) in groups.iter().zip(of_groups) {
        *out = hash::<V, LIGHT>(first, inputs, |addresses| {
            let mut index = [0; CHAINS];
            for (index, address) in index.as_chunks_mut().0.iter_mut().zip(addresses) {
                let a = number(pages.of(address));
                *index = [a, a + 1, a + 2, a + 3];
            }
            let mut out = [[Node::ZERO; 4]; LIGHT];
            for (page, items) in out.iter_mut().zip(V::items(cache, index).as_chunks().0) {
                *page = *items;
            }
            out
        });
    }
    for (input, out) in rest.iter().zip(of_rest) {
        [*out] = hash::<V, 1>(first, std::array::from_ref(input), |[address]| {
            let a = number(pages.of(address));
            [cache.items::<V, 4>([a, a + 1, a + 2, a + 3])]
        });
    }
}

/// The number of a page's first item.
#[inline(always)]
fn number(page: usize) -> u32 {
    // Less than 2^32 items.
    4 * u32::try_from(page).unwrap_or(0)
}

/// The same from a dataset.
#[inline(always)]
pub(crate) fn full<V: Lanes>(
    dataset: &[Node],
    first: &First,
    inputs: &[(Input, Arc<Program>)],
    out: &mut [Outcome],
) {
    let pages = dataset.as_chunks::<4>().0;
    let (groups, rest) = inputs.as_chunks::<FULL>();
    let (of_groups, of_rest) = out.as_chunks_mut::<FULL>();
    for (inputs, out) in groups.iter().zip(of_groups) {
        *out = from_dataset::<V, FULL>(pages, first, inputs);
    }
    for (input, out) in rest.iter().zip(of_rest) {
        [*out] = from_dataset::<V, 1>(pages, first, std::array::from_ref(input));
    }
}

#[inline(always)]
fn from_dataset<V: Lanes, const H: usize>(
    pages: &[Page],
    first: &First,
    inputs: &[(Input, Arc<Program>); H],
) -> [Outcome; H] {
    let count = Modulus::new(u32::try_from(pages.len()).unwrap_or(u32::MAX));
    let (seeds, mut mixes) = begin(inputs);
    let mut next = [0; H];
    for (next, mix) in next.iter_mut().zip(&mixes) {
        *next = count.of(mix[0].0[0]);
        pages[*next].iter().for_each(Node::prefetch);
    }
    for round in 0..ROUNDS {
        for (hash, (_, program)) in inputs.iter().enumerate() {
            V::run(program, round, &mut mixes[hash], first, &pages[next[hash]]);
            // The last one is not read.
            next[hash] = count.of(mixes[hash][0].0[(round + 1) % LANES]);
            pages[next[hash]].iter().for_each(Node::prefetch);
        }
    }
    end(&seeds, &mixes)
}

/// Hashes `H` inputs; `load` gives the pages of these addresses.
#[inline(always)]
fn hash<V: Lanes, const H: usize>(
    first: &First,
    inputs: &[(Input, Arc<Program>); H],
    load: impl Fn([u32; H]) -> [Page; H],
) -> [Outcome; H] {
    let (seeds, mut mixes) = begin(inputs);
    for round in 0..ROUNDS {
        let pages = load(mixes.each_ref().map(|mix| mix[0].0[round % LANES]));
        for (hash, (_, program)) in inputs.iter().enumerate() {
            V::run(program, round, &mut mixes[hash], first, &pages[hash]);
        }
    }
    end(&seeds, &mixes)
}

#[inline(always)]
fn begin<const H: usize>(inputs: &[(Input, Arc<Program>); H]) -> ([[u32; 8]; H], [Mix; H]) {
    let seeds = inputs.each_ref().map(|(input, _)| absorb_header(input));
    (seeds, seeds.map(|seed| fill(seed[0], seed[1])))
}

#[inline(always)]
fn end<const H: usize>(seeds: &[[u32; 8]; H], mixes: &[Mix; H]) -> [Outcome; H] {
    let mut hash = 0;
    seeds.map(|seed| {
        let mix = compress(&mixes[hash]);
        hash += 1;
        Outcome { digest: Digest::new(bytes(&absorb_mix(&seed, &mix))), mix: bytes(&mix) }
    })
}

/// What the registers hold at first.
#[inline(always)]
fn fill(low: u32, high: u32) -> Mix {
    let mut mix = [Register([0; LANES]); REGISTERS];
    let z = fnv1a(OFFSET, low);
    let w = fnv1a(z, high);
    for lane in 0..LANES {
        let number = u32::try_from(lane).unwrap_or(0);
        let jsr = fnv1a(w, number);
        let mut random = Kiss99 { z, w, jsr, jcong: fnv1a(jsr, number) };
        for register in &mut mix {
            register.0[lane] = random.draw();
        }
    }
    mix
}

/// One round: the programme, then what was loaded.
#[inline(always)]
pub(crate) fn run(program: &Program, round: usize, mix: &mut Mix, first: &First, page: &Page) {
    for step in &program.steps {
        let (values, into) = match *step {
            Step::Cache { source, into } => {
                let at = mix[usize::from(source) % REGISTERS];
                (Register(at.0.map(|at| first[at as usize % CACHE_WORDS])), into)
            }
            Step::Math { operation, first, second, into } => {
                let [first, second] = [first, second].map(|register| &mix[usize::from(register) % REGISTERS]);
                (calculate(operation, first, second), into)
            }
        };
        merge(mix, into, &values);
    }
    for (word, into) in program.loads.into_iter().enumerate() {
        let mut values = Register([0; LANES]);
        for (lane, value) in values.0.iter_mut().enumerate() {
            let at = (lane ^ round) % LANES * 4 + word;
            *value = page[at / 16].0[at % 16];
        }
        merge(mix, into, &values);
    }
}

#[inline(always)]
fn zip(a: &Register, b: &Register, f: impl Fn(u32, u32) -> u32) -> Register {
    let mut out = *a;
    for (a, b) in out.0.iter_mut().zip(b.0) {
        *a = f(*a, b);
    }
    out
}

#[inline(always)]
fn calculate(operation: Operation, a: &Register, b: &Register) -> Register {
    match operation {
        Operation::Add => zip(a, b, u32::wrapping_add),
        Operation::Multiply => zip(a, b, u32::wrapping_mul),
        Operation::MultiplyHigh => zip(a, b, |a, b| ((u64::from(a) * u64::from(b)) >> 32) as u32),
        Operation::Minimum => zip(a, b, u32::min),
        Operation::RotateLeft => zip(a, b, |a, b| a.rotate_left(b % 32)),
        Operation::RotateRight => zip(a, b, |a, b| a.rotate_right(b % 32)),
        Operation::And => zip(a, b, |a, b| a & b),
        Operation::Or => zip(a, b, |a, b| a | b),
        Operation::Xor => zip(a, b, |a, b| a ^ b),
        Operation::LeadingZeros => zip(a, b, |a, b| a.leading_zeros() + b.leading_zeros()),
        Operation::CountOnes => zip(a, b, |a, b| a.count_ones() + b.count_ones()),
    }
}

#[inline(always)]
fn merge(mix: &mut Mix, into: Merge, values: &Register) {
    let register = &mut mix[usize::from(into.register) % REGISTERS];
    *register = match into.how {
        How::MultiplyAdd => zip(register, values, |a, b| a.wrapping_mul(33).wrapping_add(b)),
        How::XorMultiply => zip(register, values, |a, b| (a ^ b).wrapping_mul(33)),
        How::RotateLeft(by) => zip(register, values, |a, b| a.rotate_left(by.into()) ^ b),
        How::RotateRight(by) => zip(register, values, |a, b| a.rotate_right(by.into()) ^ b),
    };
}

/// The mix hash.
#[inline(always)]
fn compress(mix: &Mix) -> [u32; 8] {
    let mut lanes = Register([OFFSET; LANES]);
    for register in mix {
        lanes = zip(&lanes, register, fnv1a);
    }
    let mut hash = [OFFSET; 8];
    for (lane, word) in lanes.0.into_iter().enumerate() {
        hash[lane % 8] = fnv1a(hash[lane % 8], word);
    }
    hash
}

/// `rAVENCOINKAWPOW`, with a small letter at the start.
const PADDING: [u8; 15] = *b"rAVENCOINKAWPOW";

/// The first pass: header, nonce, padding.
#[inline(always)]
fn absorb_header(input: &Input) -> [u32; 8] {
    let mut state = [0; 25];
    for (word, bytes) in state.iter_mut().zip(input.header_hash.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    [state[8], state[9]] = halves(input.nonce);
    for (word, byte) in state[10..].iter_mut().zip(PADDING) {
        *word = byte.into();
    }
    first_eight(f800::permute(state))
}

/// The last pass: what the first one gave, the mix hash, padding.
#[inline(always)]
fn absorb_mix(seed: &[u32; 8], mix: &[u32; 8]) -> [u32; 8] {
    let mut state = [0; 25];
    state[..8].copy_from_slice(seed);
    state[8..16].copy_from_slice(mix);
    for (word, byte) in state[16..].iter_mut().zip(PADDING) {
        *word = byte.into();
    }
    first_eight(f800::permute(state))
}

#[inline(always)]
fn first_eight(state: [u32; 25]) -> [u32; 8] {
    let [a, b, c, d, e, f, g, h, ..] = state;
    [a, b, c, d, e, f, g, h]
}

fn bytes(words: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

/// The digest that a header, a nonce and a mix hash give, whether or not the mix is the right one.
#[inline(always)]
pub(crate) fn claimed(input: &Input, mix: &[u8; 32]) -> Digest {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(mix.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    Digest::new(bytes(&absorb_mix(&absorb_header(input), &words)))
}
