//! Messages full of arbitrary values, for tests.

use super::{B0_16M, Octets, Seq, Str0_255, U256, common::Protocol};

/// What the values are taken from: numbers follow from the seed, the rest is cut out of what is here.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) seed: u64,
    pub(super) bytes: &'a [u8],
    pub(super) hashes: &'a [U256],
    pub(super) numbers: &'a [u32],
    pub(super) short_numbers: &'a [u16],
    pub(super) transactions: &'a [B0_16M<'a>],
}

/// What can be taken from a source.
pub(super) trait Sample<'a>: Sized {
    fn sample(source: &mut Source<'a>) -> Self;
}

impl Source<'_> {
    /// Steele, Lea and Flood's `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// A part of a slice, often all that is allowed.
fn part<'a, T>(source: &mut Source<'_>, all: &'a [T], max: usize) -> &'a [T] {
    let most = all.len().min(max);
    let len = match source.next() % 4 {
        0 => most,
        _ => usize::try_from(source.next()).unwrap() % (most + 1),
    };
    &all[..len]
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'a> Sample<'a> for $number {
            fn sample(source: &mut Source<'a>) -> Self {
                Self::from_le_bytes(*source.next().to_le_bytes().first_chunk().unwrap())
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

impl<'a> Sample<'a> for f32 {
    fn sample(source: &mut Source<'a>) -> Self {
        let number = Self::from_bits(u32::sample(source));
        if number.is_nan() { 1e15 } else { number }
    }
}

impl<'a> Sample<'a> for bool {
    fn sample(source: &mut Source<'a>) -> Self {
        source.next().is_multiple_of(2)
    }
}

impl<'a> Sample<'a> for Protocol {
    fn sample(source: &mut Source<'a>) -> Self {
        Self(u8::sample(source) % 3)
    }
}

impl<'a, T: Sample<'a>> Sample<'a> for Option<T> {
    fn sample(source: &mut Source<'a>) -> Self {
        bool::sample(source).then(|| T::sample(source))
    }
}

impl<'a> Sample<'a> for U256 {
    fn sample(source: &mut Source<'a>) -> Self {
        let words = [(); 4].map(|()| source.next().to_le_bytes());
        Self(words.as_flattened().try_into().unwrap())
    }
}

impl<'a, const MAX: usize> Sample<'a> for Octets<'a, MAX> {
    fn sample(source: &mut Source<'a>) -> Self {
        Self::new(part(source, source.bytes, MAX)).unwrap()
    }
}

impl<'a> Sample<'a> for Str0_255<'a> {
    fn sample(source: &mut Source<'a>) -> Self {
        Octets::sample(source).into()
    }
}

macro_rules! sequences {
    ($($element:ty, $from:ident);*) => {$(
        impl<'a, const MAX: usize> Sample<'a> for Seq<'a, $element, MAX> {
            fn sample(source: &mut Source<'a>) -> Self {
                Self::new(part(source, source.$from, MAX)).unwrap()
            }
        }
    )*};
}

sequences!(U256, hashes; u32, numbers; u16, short_numbers; B0_16M<'a>, transactions);
