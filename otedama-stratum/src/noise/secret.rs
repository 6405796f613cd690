//! Secret keys out of seeds.

use ring::hmac;
use secp256k1::SecretKey;
use zeroize::Zeroizing;

/// Thirty-two bytes for one purpose, out of a seed: HMAC-SHA256 keyed with the seed, over purpose and counter.
pub(super) fn derived(seed: &[u8; 32], purpose: &str, counter: u32) -> Zeroizing<[u8; 32]> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, seed));
    context.update(purpose.as_bytes());
    context.update(&counter.to_le_bytes());
    let mut derived = Zeroizing::new([0; 32]);
    derived.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    derived
}

/// A secret key out of a seed. All but one in 2^127 numbers are keys, so the first one is.
pub(super) fn secret_key(seed: &[u8; 32], purpose: &str) -> SecretKey {
    let mut counter = 0;
    loop {
        if let Ok(key) = SecretKey::from_slice(&*derived(seed, purpose, counter)) {
            return key;
        }
        counter = counter.wrapping_add(1);
    }
}
