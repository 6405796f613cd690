//! The handshake: sixty-four bytes there, two hundred and thirty-four back, without any framing.

use alloc::sync::Arc;
use core::fmt;

use bytes::BytesMut;
use otedama_core::UnixTime;
use secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use secp256k1::{All, PublicKey, Secp256k1, SecretKey};
use zeroize::Zeroizing;

use super::certificate::{Certificate, Identity};
use super::cipher::TAG;
use super::error::NoiseError;
use super::keys::AuthorityKey;
use super::secret::{derived, secret_key};
use super::symmetric::Symmetric;
use super::transport::Transport;

/// Bytes of a public key on the wire: `ElligatorSwift` of BIP 324, which looks like noise.
const KEY: usize = 64;
/// Where the parts of the answer end.
const STATIC_END: usize = KEY + KEY + TAG;
const ANSWER: usize = STATIC_END + Certificate::LEN + TAG;

/// A key for one connection, which makes what was sent safe from whoever learns the static key later.
struct Ephemeral {
    secret: SecretKey,
    encoded: ElligatorSwift,
}

impl Ephemeral {
    fn new(curve: &Secp256k1<All>, seed: &[u8; 32]) -> Self {
        let secret = secret_key(seed, "ephemeral key");
        let encoded = ElligatorSwift::from_seckey(curve, secret, Some(*derived(seed, "encoding", 0)));
        Self { secret, encoded }
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ephemeral").finish_non_exhaustive()
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

/// Bytes of a message of known length, as they come in.
#[derive(Debug)]
struct Gathered<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Gathered<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Takes what is missing off the front of `input`. True if nothing is missing any more.
    fn take(&mut self, input: &mut &[u8]) -> bool {
        let free = self.bytes.get_mut(self.len..).unwrap_or_default();
        let (taken, rest) = input.split_at(free.len().min(input.len()));
        free.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
        self.len += taken.len();
        *input = rest;
        self.len == N
    }
}

/// The server's side of the handshake.
///
/// Any sixty-four bytes are a key, so this side learns only from the first sealed message whether the peer speaks Noise.
#[derive(Debug)]
pub struct Responder {
    identity: Arc<Identity>,
    /// Gone once it has served: two transports with the same keys would give both away.
    seed: Option<Zeroizing<[u8; 32]>>,
    hello: Gathered<KEY>,
}

impl Responder {
    /// Waits for a client. The seed gives the key of this one connection: random, secret, and used once.
    #[must_use]
    pub fn new(identity: Arc<Identity>, seed: [u8; 32]) -> Self {
        Self { identity, seed: Some(Zeroizing::new(seed)), hello: Gathered::new() }
    }

    /// Takes the client's bytes off the front of `input`, as many as belong to the handshake. Once they are all there,
    /// appends the answer to `out` and gives the transport, and is of no use any more.
    ///
    /// # Errors
    /// None that a peer can cause; [`NoiseError::Exhausted`] once the transport was given.
    pub fn handle_input(
        &mut self,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<Transport>, NoiseError> {
        if !self.hello.take(input) {
            return Ok(None);
        }
        let seed = self.seed.take().ok_or(NoiseError::Exhausted)?;
        let identity = &*self.identity;
        let theirs = ElligatorSwift::from_array(self.hello.bytes);
        let own = Ephemeral::new(identity.curve(), &seed);
        let party = ElligatorSwiftParty::B;
        let mut state = Symmetric::new();
        state.mix_hash(&self.hello.bytes);
        state.mix_hash(&[]);
        let encoded = own.encoded.to_array();
        out.extend_from_slice(&encoded);
        state.mix_hash(&encoded);
        state.mix_shared(theirs, own.encoded, own.secret, party)?;
        state.append(&identity.encoded().to_array(), out)?;
        state.mix_shared(theirs, identity.encoded(), identity.secret(), party)?;
        state.append(&identity.certificate().to_bytes(), out)?;
        let (there, back) = state.split()?;
        Ok(Some(Transport::new(back, there)))
    }
}

/// The client's side of the handshake.
#[derive(Debug)]
pub struct Initiator {
    authority: Option<AuthorityKey>,
    hello: [u8; KEY],
    /// Gone once it has served.
    own: Option<Ephemeral>,
    answer: Gathered<ANSWER>,
}

impl Initiator {
    /// Speaks first: send [`hello`](Self::hello). The seed gives the key of this one connection: random, secret, and
    /// used once.
    ///
    /// With an authority's key the server must show a certificate of that authority. Without one, whoever answers is
    /// believed: the connection is sealed, but perhaps with somebody on the way.
    #[must_use]
    pub fn new(authority: Option<AuthorityKey>, seed: &[u8; 32]) -> Self {
        let mut curve = Secp256k1::new();
        curve.seeded_randomize(&derived(seed, "blinding", 0));
        let own = Ephemeral::new(&curve, seed);
        Self { authority, hello: own.encoded.to_array(), own: Some(own), answer: Gathered::new() }
    }

    /// The bytes that open the handshake.
    #[must_use]
    pub const fn hello(&self) -> [u8; KEY] {
        self.hello
    }

    /// Takes the server's bytes off the front of `input`, as many as belong to the handshake. Once they are all there,
    /// verifies the server and gives the transport, and is of no use any more. Clocks may differ by ten seconds.
    ///
    /// # Errors
    /// [`NoiseError`] if the answer is not sealed for this client, or the certificate does not hold;
    /// [`NoiseError::Exhausted`] after that, or once the transport was given.
    pub fn handle_input(
        &mut self,
        input: &mut &[u8],
        now: UnixTime,
    ) -> Result<Option<Transport>, NoiseError> {
        if !self.answer.take(input) {
            return Ok(None);
        }
        let own = self.own.take().ok_or(NoiseError::Exhausted)?;
        let (encoded, sealed) = self.answer.bytes.split_at_mut(KEY);
        let (key, certificate) = sealed.split_at_mut(STATIC_END - KEY);
        let party = ElligatorSwiftParty::A;
        let mut state = Symmetric::new();
        state.mix_hash(&self.hello);
        state.mix_hash(&[]);
        state.mix_hash(encoded);
        state.mix_shared(own.encoded, encoded_key(encoded)?, own.secret, party)?;
        state.open(key)?;
        let key = encoded_key(key)?;
        state.mix_shared(own.encoded, key, own.secret, party)?;
        state.open(certificate)?;
        let certificate = certificate.first_chunk().ok_or(NoiseError::Forged)?;
        let (key, _) = PublicKey::from_ellswift(key).x_only_public_key();
        Certificate::from_bytes(certificate).verify(&key, self.authority.as_ref(), now)?;
        let (there, back) = state.split()?;
        Ok(Some(Transport::new(there, back)))
    }
}

/// The key that a part of the answer begins with.
fn encoded_key(part: &[u8]) -> Result<ElligatorSwift, NoiseError> {
    part.first_chunk().map(|key| ElligatorSwift::from_array(*key)).ok_or(NoiseError::Forged)
}
