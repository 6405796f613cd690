//! The server's certificate, and the identity that it belongs to.

use core::fmt;
use core::time::Duration;

use otedama_core::UnixTime;
use ring::digest;
use secp256k1::ellswift::ElligatorSwift;
use secp256k1::schnorr::Signature;
use secp256k1::{All, Keypair, Message, Secp256k1, SecretKey, XOnlyPublicKey};

use super::error::NoiseError;
use super::keys::{AuthorityKey, AuthoritySecret};
use super::secret::{derived, secret_key};
use crate::limits::CLOCK_SKEW;

/// The authority's word that a static key is the pool's, for a time (`SIGNATURE_NOISE_MESSAGE` of the Stratum V2
/// specification, 4.5.2): version, first and last second of its validity, and a signature after BIP 340.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    version: u16,
    valid_from: u32,
    not_valid_after: u32,
    signature: [u8; 64],
}

impl Certificate {
    /// Bytes on the wire.
    pub const LEN: usize = 74;

    /// The first second of its validity.
    #[must_use]
    pub fn valid_from(&self) -> UnixTime {
        UnixTime::from_secs(self.valid_from.into())
    }

    /// The last second of its validity.
    #[must_use]
    pub fn valid_until(&self) -> UnixTime {
        UnixTime::from_secs(self.not_valid_after.into())
    }

    /// As it is sent: integers little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let parts = self.terms().into_iter().chain(self.signature);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    /// As it was sent. Nothing is verified.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [v0, v1, f0, f1, f2, f3, u0, u1, u2, u3, signature @ ..] = *bytes;
        Self {
            version: u16::from_le_bytes([v0, v1]),
            valid_from: u32::from_le_bytes([f0, f1, f2, f3]),
            not_valid_after: u32::from_le_bytes([u0, u1, u2, u3]),
            signature,
        }
    }

    /// Whether the authority vouches for this static key now. Without an authority only the version is looked at.
    pub(super) fn verify(
        &self,
        key: &XOnlyPublicKey,
        authority: Option<&AuthorityKey>,
        now: UnixTime,
    ) -> Result<(), NoiseError> {
        if self.version != 0 {
            return Err(NoiseError::CertificateVersion(self.version));
        }
        let Some(authority) = authority else { return Ok(()) };
        let (from, until) = (self.valid_from(), self.valid_until());
        if from.as_secs() > now.as_secs().saturating_add(CLOCK_SKEW) {
            return Err(NoiseError::NotYetValid { from, now });
        }
        if until.as_secs().saturating_add(CLOCK_SKEW) < now.as_secs() {
            return Err(NoiseError::Expired { until, now });
        }
        let signature = Signature::from_slice(&self.signature).map_err(|_| NoiseError::WrongAuthority)?;
        let verified =
            Secp256k1::verification_only().verify_schnorr(&signature, &self.digest(key), authority.point());
        verified.map_err(|_| NoiseError::WrongAuthority)
    }

    /// What is signed of it, before the key.
    fn terms(&self) -> [u8; 10] {
        let [v0, v1] = self.version.to_le_bytes();
        let [f0, f1, f2, f3] = self.valid_from.to_le_bytes();
        let [u0, u1, u2, u3] = self.not_valid_after.to_le_bytes();
        [v0, v1, f0, f1, f2, f3, u0, u1, u2, u3]
    }

    fn digest(&self, key: &XOnlyPublicKey) -> Message {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.terms());
        context.update(&key.serialize());
        let mut digest = [0; 32];
        digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Message::from_digest(digest)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("version", &self.version)
            .field("valid_from", &self.valid_from)
            .field("not_valid_after", &self.not_valid_after)
            .finish_non_exhaustive()
    }
}

/// A server's static key with its certificate: made once, then shared by all connections until it expires.
///
/// `Debug` does not show the secret, and its memory is overwritten at the end.
pub struct Identity {
    secret: SecretKey,
    encoded: ElligatorSwift,
    certificate: Certificate,
    /// Blinded with a part of the seed, so that timing tells nothing about ephemeral keys.
    curve: Secp256k1<All>,
}

impl Identity {
    /// A new static key, and the authority's certificate for it: from `valid_from` on, for so many whole seconds.
    ///
    /// Both ends stop in 2106, the last second of the format. The same seed gives the same key: the seed must be
    /// random, secret, and not used for anything else.
    #[must_use]
    pub fn issue(
        authority: &AuthoritySecret,
        valid_from: UnixTime,
        validity: Duration,
        seed: &[u8; 32],
    ) -> Self {
        let mut curve = Secp256k1::new();
        curve.seeded_randomize(&derived(seed, "blinding", 0));
        let secret = secret_key(seed, "static key");
        let mut pair = Keypair::from_secret_key(&curve, &secret);
        let (key, _) = pair.x_only_public_key();
        pair.non_secure_erase();
        let until = UnixTime::from_secs(valid_from.as_secs().saturating_add(validity.as_secs()));
        let mut certificate = Certificate {
            version: 0,
            valid_from: valid_from.to_header_time(),
            not_valid_after: until.to_header_time(),
            signature: [0; 64],
        };
        let signature = curve.sign_schnorr_with_aux_rand(
            &certificate.digest(&key),
            authority.pair(),
            &derived(seed, "signature", 0),
        );
        certificate.signature = signature.serialize();
        let encoded = ElligatorSwift::from_seckey(&curve, secret, Some(*derived(seed, "encoding", 0)));
        Self { secret, encoded, certificate, curve }
    }

    /// What miners are shown.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The last second in which miners accept it. New connections need a new identity before that.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.certificate.valid_until()
    }

    pub(super) const fn secret(&self) -> SecretKey {
        self.secret
    }

    pub(super) const fn encoded(&self) -> ElligatorSwift {
        self.encoded
    }

    pub(super) const fn curve(&self) -> &Secp256k1<All> {
        &self.curve
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}
