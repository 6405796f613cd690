//! `KawPow`: ProgPoW 0.9.3 (EIP-1057) with the parameters of Ravencoin, one lane after the other.

use super::ethash::Dag;
use super::keccak::f800;

const REGISTERS: usize = 32;
const LANES: usize = 16;
/// Words of the part of the dataset that is read as a cache.
const CACHE_WORDS: u32 = 4096;

impl Dag {
    /// Mix hash and digest of `KawPow` for a header's hash, a nonce and the height of the block.
    #[must_use]
    pub fn kawpow_hash(&self, header_hash: &[u8; 32], nonce: u64, height: u64) -> ([u8; 32], [u8; 32]) {
        let seed = absorb_header(header_hash, nonce);
        let mut cache = Vec::new();
        for item in 0..CACHE_WORDS / 16 {
            cache.extend(self.item(item));
        }
        let mut mix = Vec::new();
        for lane in 0..LANES {
            mix.push(fill(seed[0], seed[1], lane));
        }
        for round in 0..64 {
            self.round(round, &mut mix, &cache, height / 3);
        }
        let mut hash = [OFFSET; 8];
        for (lane, registers) in mix.iter().enumerate() {
            let mut of_lane = OFFSET;
            for register in registers {
                of_lane = fnv1a(of_lane, *register);
            }
            hash[lane % 8] = fnv1a(hash[lane % 8], of_lane);
        }
        (bytes(&hash), bytes(&absorb_mix(&seed, &hash)))
    }

    /// One pass through the programme of a period, which is drawn anew each time.
    fn round(&self, round: usize, mix: &mut [[u32; REGISTERS]], cache: &[u32], period: u64) {
        let pages = self.items() / 4;
        let page = mix[round % LANES][0] % pages;
        let mut loaded = Vec::new();
        for part in 0..4 {
            loaded.extend(self.item(4 * page + part));
        }

        let mut draw = Draw::new(period);
        for step in 0..18 {
            if step < 11 {
                let from = draw.source();
                let to = draw.destination();
                let how = draw.random.next();
                for lane in mix.iter_mut() {
                    let word = cache[(lane[from] % CACHE_WORDS) as usize];
                    lane[to] = merge(lane[to], word, how);
                }
            }
            let pair = draw.random.next() as usize % (REGISTERS * (REGISTERS - 1));
            let one = pair % REGISTERS;
            let mut other = pair / REGISTERS;
            if other >= one {
                other += 1;
            }
            let which = draw.random.next();
            let to = draw.destination();
            let how = draw.random.next();
            for lane in mix.iter_mut() {
                let result = math(lane[one], lane[other], which);
                lane[to] = merge(lane[to], result, how);
            }
        }
        let mut last = Vec::new();
        for index in 0..4 {
            let to = if index == 0 { 0 } else { draw.destination() };
            last.push((to, draw.random.next()));
        }
        for (number, lane) in mix.iter_mut().enumerate() {
            let first = (number ^ round) % LANES * 4;
            for (index, (to, how)) in last.iter().enumerate() {
                lane[*to] = merge(lane[*to], loaded[first + index], *how);
            }
        }
    }
}

/// Draws the choices of a programme.
struct Draw {
    random: Kiss99,
    destinations: Vec<usize>,
    sources: Vec<usize>,
    next: [usize; 2],
}

impl Draw {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the period")]
    fn new(period: u64) -> Self {
        let (low, high) = (period as u32, (period >> 32) as u32);
        let z = fnv1a(OFFSET, low);
        let w = fnv1a(z, high);
        let jsr = fnv1a(w, low);
        let jcong = fnv1a(jsr, high);
        let mut random = Kiss99 { z, w, jsr, jcong };
        let mut destinations: Vec<usize> = (0..REGISTERS).collect();
        let mut sources = destinations.clone();
        for i in (1..REGISTERS).rev() {
            let j = random.next() as usize % (i + 1);
            destinations.swap(i, j);
            let j = random.next() as usize % (i + 1);
            sources.swap(i, j);
        }
        Self { random, destinations, sources, next: [0; 2] }
    }

    fn destination(&mut self) -> usize {
        self.next[0] += 1;
        self.destinations[(self.next[0] - 1) % REGISTERS]
    }

    fn source(&mut self) -> usize {
        self.next[1] += 1;
        self.sources[(self.next[1] - 1) % REGISTERS]
    }
}

/// The generator of Marsaglia that ProgPoW uses.
struct Kiss99 {
    z: u32,
    w: u32,
    jsr: u32,
    jcong: u32,
}

impl Kiss99 {
    fn next(&mut self) -> u32 {
        self.z = 36969u32.wrapping_mul(self.z & 0xffff).wrapping_add(self.z >> 16);
        self.w = 18000u32.wrapping_mul(self.w & 0xffff).wrapping_add(self.w >> 16);
        self.jcong = 69069u32.wrapping_mul(self.jcong).wrapping_add(1_234_567);
        self.jsr ^= self.jsr << 17;
        self.jsr ^= self.jsr >> 13;
        self.jsr ^= self.jsr << 5;
        let mwc = (self.z << 16).wrapping_add(self.w);
        (mwc ^ self.jcong).wrapping_add(self.jsr)
    }
}

/// What the registers of a lane hold at first.
#[expect(clippy::cast_possible_truncation, reason = "16 lanes")]
fn fill(low: u32, high: u32, lane: usize) -> [u32; REGISTERS] {
    let z = fnv1a(OFFSET, low);
    let w = fnv1a(z, high);
    let jsr = fnv1a(w, lane as u32);
    let jcong = fnv1a(jsr, lane as u32);
    let mut random = Kiss99 { z, w, jsr, jcong };
    let mut registers = [0; REGISTERS];
    for register in &mut registers {
        *register = random.next();
    }
    registers
}

fn math(a: u32, b: u32, which: u32) -> u32 {
    match which % 11 {
        0 => a.wrapping_add(b),
        1 => a.wrapping_mul(b),
        2 => u32::try_from((u64::from(a) * u64::from(b)) >> 32).unwrap_or(0),
        3 => a.min(b),
        4 => a.rotate_left(b % 32),
        5 => a.rotate_right(b % 32),
        6 => a & b,
        7 => a | b,
        8 => a ^ b,
        9 => a.leading_zeros() + b.leading_zeros(),
        _ => a.count_ones() + b.count_ones(),
    }
}

fn merge(a: u32, b: u32, how: u32) -> u32 {
    let by = (how >> 16) % 31 + 1;
    match how % 4 {
        0 => a.wrapping_mul(33).wrapping_add(b),
        1 => (a ^ b).wrapping_mul(33),
        2 => a.rotate_left(by) ^ b,
        _ => a.rotate_right(by) ^ b,
    }
}

const OFFSET: u32 = 0x811c_9dc5;

fn fnv1a(hash: u32, word: u32) -> u32 {
    (hash ^ word).wrapping_mul(0x0100_0193)
}

/// With a small letter at the start, whatever the comments in Ravencoin's source say.
const PADDING: [u8; 15] = *b"rAVENCOINKAWPOW";

/// The first pass of Keccak-f[800]: header, nonce, padding.
#[expect(clippy::cast_possible_truncation, reason = "the halves of the nonce")]
fn absorb_header(header_hash: &[u8; 32], nonce: u64) -> [u32; 8] {
    let mut state = [0; 25];
    for (word, bytes) in state.iter_mut().zip(header_hash.chunks(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    state[8] = nonce as u32;
    state[9] = (nonce >> 32) as u32;
    for (word, byte) in state[10..].iter_mut().zip(PADDING) {
        *word = u32::from(byte);
    }
    first_eight(f800(state))
}

/// The last pass: what came out of the first, the mix hash, padding.
fn absorb_mix(seed: &[u32; 8], mix: &[u32; 8]) -> [u32; 8] {
    let mut state = [0; 25];
    state[..8].copy_from_slice(seed);
    state[8..16].copy_from_slice(mix);
    for (word, byte) in state[16..].iter_mut().zip(PADDING) {
        *word = u32::from(byte);
    }
    first_eight(f800(state))
}

fn first_eight(state: [u32; 25]) -> [u32; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&state[..8]);
    out
}

fn bytes(words: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
