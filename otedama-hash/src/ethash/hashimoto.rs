//! Ethash's own loop over the dataset: from items that are made on the way, or from those that are there.

use super::items::{CHAINS, Cache, Modulus, fnv};
use super::{Input, Node, Outcome};
use crate::keccak::{Lanes, absorb_headers, absorb_mixes, bytes_of, words};
use otedama_core::Digest;

const ACCESSES: u32 = 64;

/// Hashes that are under way together with items that are made on the way, which are two for each.
const LIGHT: usize = CHAINS / 2;
/// Hashes that are under way together where the items are there: enough to keep memory busy.
const FULL: usize = 16;

/// Hashes all inputs; `pages` is how many pages the dataset has.
#[inline(always)]
pub(super) fn light<V: Lanes>(cache: &Cache<'_>, pages: Modulus, inputs: &[Input], out: &mut [Outcome]) {
    let (groups, rest) = inputs.as_chunks::<LIGHT>();
    let (of_groups, of_rest) = out.as_chunks_mut::<LIGHT>();
    for (inputs, out) in groups.iter().zip(of_groups) {
        *out = hash::<V, LIGHT>(inputs, |mix: &mut [[Node; 2]; LIGHT], step, heads| {
            let page = page_of(mix, step, heads, pages);
            let mut index = [0; CHAINS];
            for (index, page) in index.as_chunks_mut().0.iter_mut().zip(page) {
                *index = [2 * page, 2 * page + 1];
            }
            let items = V::items(cache, index);
            for (mix, items) in mix.iter_mut().zip(items.as_chunks::<2>().0) {
                V::fnv_node(&mut mix[0], &items[0]);
                V::fnv_node(&mut mix[1], &items[1]);
            }
        });
    }
    for (input, out) in rest.iter().zip(of_rest) {
        let [one] = hash::<V, 1>(&[*input], |mix: &mut [[Node; 2]; 1], step, heads| {
            let [page] = page_of(mix, step, heads, pages);
            let items = cache.items::<V, 2>([2 * page, 2 * page + 1]);
            V::fnv_node(&mut mix[0][0], &items[0]);
            V::fnv_node(&mut mix[0][1], &items[1]);
        });
        *out = one;
    }
}

/// The same from a dataset.
#[inline(always)]
pub(super) fn full<V: Lanes>(dataset: &[Node], inputs: &[Input], out: &mut [Outcome]) {
    let pages = dataset.as_chunks::<2>().0;
    let (groups, rest) = inputs.as_chunks::<FULL>();
    let (of_groups, of_rest) = out.as_chunks_mut::<FULL>();
    for (inputs, out) in groups.iter().zip(of_groups) {
        *out = hash_full::<V, FULL>(pages, inputs);
    }
    for (input, out) in rest.iter().zip(of_rest) {
        let [one] = hash_full::<V, 1>(pages, &[*input]);
        *out = one;
    }
}

#[inline(always)]
fn hash_full<V: Lanes, const H: usize>(pages: &[[Node; 2]], inputs: &[Input; H]) -> [Outcome; H] {
    let count = Modulus::new(u32::try_from(pages.len()).unwrap_or(u32::MAX));
    let mut next = [0; H];
    hash::<V, H>(inputs, |mix, step, heads| {
        for hash in 0..H {
            if step == 0 {
                next[hash] = count.of(fnv(heads[hash], mix[hash][0].0[0]));
            }
        }
        for hash in 0..H {
            let [first, second] = &pages[next[hash]];
            V::fnv_node(&mut mix[hash][0], first);
            V::fnv_node(&mut mix[hash][1], second);
            // The last one is not read.
            next[hash] = page_after(&mix[hash], step + 1, heads[hash], count);
            let [first, second] = &pages[next[hash]];
            first.prefetch();
            second.prefetch();
        }
    })
}

#[inline(always)]
fn page_after(mix: &[Node; 2], step: u32, head: u32, pages: Modulus) -> usize {
    let word = mix[step as usize / 16 % 2].0[step as usize % 16];
    pages.of(fnv(step ^ head, word))
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "less than 2^32 pages")]
fn page_of<const H: usize>(mix: &[[Node; 2]; H], step: u32, heads: &[u32; H], pages: Modulus) -> [u32; H] {
    let mut hash = 0;
    mix.each_ref().map(|mix| {
        hash += 1;
        page_after(mix, step, heads[hash - 1], pages) as u32
    })
}

/// Hashes `H` inputs; `access` mixes one page into each.
#[inline(always)]
fn hash<V: Lanes, const H: usize>(
    inputs: &[Input; H],
    mut access: impl FnMut(&mut [[Node; 2]; H], u32, &[u32; H]),
) -> [Outcome; H] {
    let mut seeds = [Node::ZERO; H];
    for (inputs, seeds) in inputs.chunks(V::COUNT).zip(seeds.chunks_mut(V::COUNT)) {
        V::absorb_headers(inputs, seeds);
    }
    let heads = seeds.map(|seed| seed.0[0]);
    let mut mix = seeds.map(|seed| [seed; 2]);
    for step in 0..ACCESSES {
        access(&mut mix, step, &heads);
    }
    let compressed = mix.map(|mix| compress(&mix));
    let mut digests = [[0; 4]; H];
    let lanes = seeds.chunks(V::COUNT).zip(compressed.chunks(V::COUNT));
    for ((seeds, mixes), digests) in lanes.zip(digests.chunks_mut(V::COUNT)) {
        V::absorb_mixes(seeds, mixes, digests);
    }
    let mut hash = 0;
    digests.map(|digest| {
        hash += 1;
        Outcome { digest: Digest::new(bytes_of(digest)), mix: bytes_of(compressed[hash - 1]) }
    })
}

/// The mix hash: every four words become one.
#[inline(always)]
fn compress(mix: &[Node; 2]) -> [u64; 4] {
    let word = |at: usize| {
        let words = &mix[at / 4].0[at % 4 * 4..][..4];
        u64::from(fnv(fnv(fnv(words[0], words[1]), words[2]), words[3]))
    };
    [0, 1, 2, 3].map(|lane| word(2 * lane) | word(2 * lane + 1) << 32)
}

/// The digest that a header, a nonce and a mix hash give, whether or not the mix is the right one. Costs two
/// permutations and no table.
#[inline(always)]
pub(super) fn claimed(input: &Input, mix: &[u8; 32]) -> Digest {
    let mut seed = [Node::ZERO];
    absorb_headers::<u64>(&[*input], &mut seed);
    let mut digest = [[0; 4]];
    absorb_mixes::<u64>(&seed, &[words(mix)], &mut digest);
    Digest::new(bytes_of(digest[0]))
}
