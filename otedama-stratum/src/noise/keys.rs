//! The keys of a pool's authority, and how they are written.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use secp256k1::{Keypair, Secp256k1, SecretKey, XOnlyPublicKey};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::secret::secret_key;

/// The version that stands before a public key, little-endian (Stratum V2 specification, 4.7.1).
const VERSION: u16 = 1;

/// The public key of a pool's authority: a point of secp256k1 by its x coordinate, as BIP 340 writes it.
///
/// As text it is base58check over two bytes of version, `01 00`, and the 32 bytes of the key: what stands in a URL
/// `stratum2+tcp://host:port/KEY`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityKey(XOnlyPublicKey);

impl AuthorityKey {
    /// From the 32 bytes of the x coordinate, big-endian.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] if the curve has no such point.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        XOnlyPublicKey::from_slice(&bytes).map(Self).map_err(|_| KeyError::NotAKey)
    }

    /// The x coordinate, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.serialize()
    }

    pub(super) const fn point(&self) -> &XOnlyPublicKey {
        &self.0
    }
}

impl FromStr for AuthorityKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = checked::<34>(text)?;
        let [low, high, ..] = *bytes;
        match u16::from_le_bytes([low, high]) {
            VERSION => bytes.last_chunk().ok_or(KeyError::NotAKey).and_then(|key| Self::from_bytes(*key)),
            other => Err(KeyError::Version(other)),
        }
    }
}

impl fmt::Display for AuthorityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 34];
        let key = self.to_bytes();
        let parts = VERSION.to_le_bytes().into_iter().chain(key);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        f.write_str(&bs58::encode(bytes).with_check().into_string())
    }
}

impl fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorityKey({self})")
    }
}

/// The secret key of a pool's authority, which signs certificates. Whoever has it can pass for the pool.
///
/// As text it is base58check over the bare 32 bytes, without a version, as other Stratum V2 software writes it.
/// `Debug` does not show it, and its memory is overwritten at the end.
#[derive(Clone)]
pub struct AuthoritySecret(Keypair);

impl AuthoritySecret {
    /// A new key. The same seed gives the same key: the seed must be random, secret, and not used for anything else.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(secret_key(seed, "authority"))
    }

    /// From the 32 bytes of the number, big-endian.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] if it is zero or not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        SecretKey::from_slice(bytes).map(Self::of).map_err(|_| KeyError::NotAKey)
    }

    /// The public key that miners are told.
    #[must_use]
    pub fn public(&self) -> AuthorityKey {
        AuthorityKey(self.0.x_only_public_key().0)
    }

    /// The secret as text, to be kept in a safe place. The text is not overwritten at its end.
    #[must_use]
    pub fn reveal(&self) -> String {
        let bytes = Zeroizing::new(self.0.secret_bytes());
        bs58::encode(&*bytes).with_check().into_string()
    }

    pub(super) const fn pair(&self) -> &Keypair {
        &self.0
    }

    fn of(mut key: SecretKey) -> Self {
        let pair = Keypair::from_secret_key(&Secp256k1::signing_only(), &key);
        key.non_secure_erase();
        Self(pair)
    }
}

impl FromStr for AuthoritySecret {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&*checked::<32>(text)?)
    }
}

impl fmt::Debug for AuthoritySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthoritySecret(of {})", self.public())
    }
}

impl Drop for AuthoritySecret {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

/// The bytes of a base58check text, without its checksum.
fn checked<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, KeyError> {
    // Base58 takes time that grows with the square of the length.
    if text.len() > 2 * (N + 4) {
        return Err(KeyError::Length { expected: N });
    }
    let decoded: Result<Vec<u8>, _> = bs58::decode(text).with_check(None).into_vec();
    let decoded = Zeroizing::new(decoded.map_err(|_| KeyError::Base58)?);
    let mut bytes = Zeroizing::new([0; N]);
    if decoded.len() != N {
        return Err(KeyError::Length { expected: N });
    }
    bytes.iter_mut().zip(decoded.iter()).for_each(|(to, from)| *to = *from);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    /// Stratum V2 specification, 4.7.1.
    const SPECIFIED: (&str, &str) = (
        "76637000979c1c11af0c300bcd8c7fe48610fce9b9c11e3daee35ae0b08a7455",
        "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh",
    );
    /// The pair that the reference implementation's examples use.
    const PUBLIC: &str = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
    const SECRET: &str = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";

    #[test]
    fn a_public_key_is_written_as_specified() {
        let bytes = otedama_core::hex::decode_array(SPECIFIED.0.as_bytes());
        let key: AuthorityKey = SPECIFIED.1.parse().unwrap();
        assert_eq!(Ok(key.to_bytes()), bytes);
        assert_eq!(AuthorityKey::from_bytes(key.to_bytes()), Ok(key));
        assert_eq!(key.to_string(), SPECIFIED.1);
        assert_eq!(format!("{key:?}"), format!("AuthorityKey({})", SPECIFIED.1));
    }

    #[test]
    fn a_secret_key_has_its_public_key() {
        let secret: AuthoritySecret = SECRET.parse().unwrap();
        assert_eq!(secret.public().to_string(), PUBLIC);
        assert_eq!(secret.reveal(), SECRET);
        let shown = format!("{secret:?}");
        assert!(shown.contains(PUBLIC) && !shown.contains(SECRET), "{shown}");
    }

    #[test]
    fn seeds_give_different_keys() {
        let one = AuthoritySecret::from_seed(&[1; 32]);
        assert_eq!(one.reveal(), AuthoritySecret::from_seed(&[1; 32]).reveal());
        assert_ne!(one.public(), AuthoritySecret::from_seed(&[2; 32]).public());
        assert_eq!(one.reveal().parse::<AuthoritySecret>().unwrap().public(), one.public());
    }

    #[test]
    fn other_texts_are_no_keys() {
        let check = |bytes: &[u8]| bs58::encode(bytes).with_check().into_string();
        let public = |text: &str| text.parse::<AuthorityKey>();
        assert_eq!(public(""), Err(KeyError::Base58));
        assert_eq!(public("0OIl"), Err(KeyError::Base58));
        assert_eq!(public(&PUBLIC.replace('9', "8")), Err(KeyError::Base58));
        assert_eq!(public(SECRET), Err(KeyError::Length { expected: 34 }));
        assert_eq!(public(&"1".repeat(100_000)), Err(KeyError::Length { expected: 34 }));
        assert_eq!(public(&check(&[&[2, 0], &[1; 32][..]].concat())), Err(KeyError::Version(2)));
        assert_eq!(public(&check(&[&[1, 0], &[0xff; 32][..]].concat())), Err(KeyError::NotAKey));
        let secret = |text: &str| text.parse::<AuthoritySecret>().map(|secret| secret.public());
        assert_eq!(secret(PUBLIC), Err(KeyError::Length { expected: 32 }));
        assert_eq!(secret(&check(&[0; 32])), Err(KeyError::NotAKey));
        assert_eq!(secret(&check(&[0xff; 32])), Err(KeyError::NotAKey));
    }
}
