//! Keccak as its authors define it (The Keccak reference, version 3.0), with the padding that it had before SHA-3.

/// Keccak-256 with the original padding.
#[must_use]
pub fn keccak256(message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(&sponge(message, 136)[..32]);
    out
}

/// Keccak-512 with the original padding.
#[must_use]
pub fn keccak512(message: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    out.copy_from_slice(&sponge(message, 72)[..64]);
    out
}

/// The sponge over Keccak-f[1600] with a rate of so many bytes (section 1.1), and one block of output.
fn sponge(message: &[u8], rate: usize) -> Vec<u8> {
    let mut padded = message.to_vec();
    padded.push(0x01);
    while !padded.len().is_multiple_of(rate) {
        padded.push(0);
    }
    let last = padded.len() - 1;
    padded[last] |= 0x80;

    let mut state = [[0; 5]; 5];
    for block in padded.chunks(rate) {
        for (at, byte) in block.iter().enumerate() {
            let lane = at / 8;
            state[lane % 5][lane / 5] ^= u64::from(*byte) << (8 * (at % 8));
        }
        permute::<64>(&mut state);
    }
    let mut out = Vec::new();
    for lane in 0..rate / 8 {
        out.extend(state[lane % 5][lane / 5].to_le_bytes());
    }
    out
}

/// Keccak-f[800] on 25 words, the first of which is lane (0, 0), the second lane (1, 0).
#[expect(clippy::cast_possible_truncation, reason = "a lane of Keccak-f[800] has 32 bits")]
pub(super) fn f800(words: [u32; 25]) -> [u32; 25] {
    let mut state = [[0; 5]; 5];
    for (lane, word) in words.into_iter().enumerate() {
        state[lane % 5][lane / 5] = u64::from(word);
    }
    permute::<32>(&mut state);
    let mut out = [0; 25];
    for (lane, word) in out.iter_mut().enumerate() {
        *word = state[lane % 5][lane / 5] as u32;
    }
    out
}

/// Keccak-f with lanes of `WIDTH` bits (section 1.2); the state is indexed by x, then y.
#[inline(always)]
fn permute<const WIDTH: u32>(a: &mut [[u64; 5]; 5]) {
    let rounds = 12 + 2 * WIDTH.ilog2();
    for round in 0..rounds {
        theta::<WIDTH>(a);
        let b = rho_and_pi::<WIDTH>(a);
        for x in 0..5 {
            for y in 0..5 {
                a[x][y] = b[x][y] ^ (!b[(x + 1) % 5][y] & b[(x + 2) % 5][y]);
            }
        }
        a[0][0] ^= CONSTANTS[round as usize];
        for lane in a.iter_mut().flatten() {
            *lane &= u64::MAX >> (64 - WIDTH);
        }
    }
}

#[inline(always)]
fn rotate<const WIDTH: u32>(lane: u64, by: u32) -> u64 {
    let by = by % WIDTH;
    if by == 0 { lane } else { lane << by | lane >> (WIDTH - by) }
}

#[inline(always)]
fn theta<const WIDTH: u32>(a: &mut [[u64; 5]; 5]) {
    let mask = u64::MAX >> (64 - WIDTH);
    let mut parity = [0; 5];
    for x in 0..5 {
        parity[x] = a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4];
    }
    for x in 0..5 {
        let d = parity[(x + 4) % 5] ^ rotate::<WIDTH>(parity[(x + 1) % 5], 1);
        for lane in &mut a[x] {
            *lane = (*lane ^ d) & mask;
        }
    }
}

#[inline(always)]
fn rho_and_pi<const WIDTH: u32>(a: &[[u64; 5]; 5]) -> [[u64; 5]; 5] {
    let mask = u64::MAX >> (64 - WIDTH);
    let mut b = [[0; 5]; 5];
    b[0][0] = a[0][0];
    let (mut x, mut y) = (1, 0);
    for t in 0..24 {
        let offset = (t + 1) * (t + 2) / 2;
        b[y][(2 * x + 3 * y) % 5] = rotate::<WIDTH>(a[x][y], offset) & mask;
        (x, y) = (y, (2 * x + 3 * y) % 5);
    }
    b
}

/// Bits 2^j - 1 of the constants come from a shift register with the polynomial x^8 + x^6 + x^5 + x^4 + 1.
const CONSTANTS: [u64; 24] = {
    let mut constants = [0; 24];
    let mut register = 1u32;
    let mut t = 0;
    while t < 7 * 24 {
        constants[t / 7] |= ((register & 1) as u64) << ((1 << (t % 7)) - 1);
        register <<= 1;
        if register & 0x100 != 0 {
            register ^= 0x171;
        }
        t += 1;
    }
    constants
};
