//! Secured connections against the reference implementation, `stratum-core` 0.6 (`noise_sv2` 2 and `codec_sv2` 7), each
//! side with each.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Moment, Now, UnixTime};
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::noise::{AuthorityKey, AuthoritySecret, Identity, NoiseError, Stream};
use rand_chacha_03::ChaCha12Rng;
use rand_chacha_03::rand_core::SeedableRng as _;
use stratum_core::bitcoin::base58;
use stratum_core::codec_sv2::{
    Decrypted, Handshake, InitiatorSent, NoiseDecoder, NoiseEncoder, Transport, TransportDecryptState,
    TransportEncryptState,
};
use stratum_core::framing_sv2::framing::SerializedFrame;
use stratum_core::noise_sv2::{Initiator, Responder};

const START: u32 = 1_700_000_000;
const DAY: Duration = Duration::from_secs(86_400);
/// Both sides of every boundary: nothing, one message, two, three.
const PAYLOADS: [usize; 9] = [0, 1, 32, 1000, 65_519, 65_520, 131_038, 131_039, 200_000];

fn now() -> Now {
    Now::new(Moment::ORIGIN, UnixTime::from_secs(START.into()))
}

/// The pair of keys that the reference implementation's examples use.
fn authority() -> AuthoritySecret {
    "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n".parse().unwrap()
}

fn random(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn frame(len: usize) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(len).unwrap().to_le_bytes();
    let payload = (0..len).map(|index| u8::try_from(index % 249).unwrap());
    [0, 0x80, 0x1f, low, middle, high].into_iter().chain(payload).collect()
}

/// The reference implementation after its handshake.
struct Theirs {
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    seal: TransportEncryptState,
    open: Option<TransportDecryptState>,
}

impl Theirs {
    fn new(transport: Transport) -> Self {
        let (seal, open) = transport.split();
        Self { encoder: NoiseEncoder::new(), decoder: NoiseDecoder::new(), seal, open: Some(open) }
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let frame = SerializedFrame::from_bytes(plain.to_vec()).unwrap();
        self.encoder.encode_transport(frame, &mut self.seal).unwrap().to_vec()
    }

    /// The first frame of these bytes, of which nothing may be left.
    fn open(&mut self, mut sealed: &[u8]) -> Vec<u8> {
        let mut state = self.open.take().unwrap();
        loop {
            let room = self.decoder.writable();
            let (now, later) = sealed.split_at(room.len());
            room.copy_from_slice(now);
            sealed = later;
            match self.decoder.next_transport_frame(state).unwrap() {
                Decrypted::Frame(frame, state) => {
                    assert!(sealed.is_empty());
                    self.open = Some(state);
                    return frame.as_bytes().to_vec();
                }
                Decrypted::Incomplete(_, next) => state = next,
            }
        }
    }
}

fn transmitted(stream: &mut Stream) -> Vec<u8> {
    std::iter::from_fn(|| stream.poll_transmit()).flatten().collect()
}

/// Frames of all lengths, in both directions and with the same keys.
fn converse(mut ours: Stream, mut theirs: Theirs) {
    assert!(ours.is_established());
    for len in PAYLOADS {
        let plain = frame(len);
        ours.send(&plain).unwrap();
        assert_eq!(theirs.open(&transmitted(&mut ours)), plain, "ours, {len} bytes");
        for piece in theirs.seal(&plain).chunks(50_000) {
            assert_eq!(ours.poll_frame(), Ok(None));
            ours.handle_input(piece, now()).unwrap();
        }
        assert_eq!(ours.poll_frame(), Ok(Some(&plain[..])), "theirs, {len} bytes");
        assert_eq!(ours.buffered_bytes(), 0);
    }
}

/// Our pool with a certificate from then on, and their miner.
fn our_pool(
    seed: u8,
    valid_from: u32,
    authority_of_the_url: Option<AuthorityKey>,
) -> (Stream, Handshake<InitiatorSent>, Vec<u8>) {
    let valid_from = UnixTime::from_secs(valid_from.into());
    let identity = Arc::new(Identity::issue(&authority(), valid_from, DAY, &[seed; 32]));
    let mut ours = Stream::responder(identity, [seed ^ 0xff; 32], NoiseLimits::default(), now());
    let mut random = random(seed.into());
    let theirs = match authority_of_the_url {
        Some(key) => Initiator::from_raw_k_with_rng(key.to_bytes(), &mut random),
        None => Initiator::without_pk_with_rng(&mut random),
    };
    let (hello, theirs) = Handshake::initiator(theirs.unwrap()).step_0().unwrap();
    ours.handle_input(hello.payload(), now()).unwrap();
    let answer = transmitted(&mut ours);
    (ours, theirs, answer)
}

/// Their pool's answer to our miner.
fn their_pool(seed: u8, authority_of_the_url: Option<AuthorityKey>) -> (Stream, Transport, Vec<u8>) {
    let mut ours = Stream::initiator(authority_of_the_url, [seed; 32], NoiseLimits::default(), now());
    let (public, secret) = (authority().public().to_bytes(), authority().reveal());
    let secret = base58::decode_check(&secret).unwrap().try_into().unwrap();
    let mut random = random(seed.into());
    let theirs = Responder::from_authority_kp_with_rng(&public, &secret, DAY, &mut random).unwrap();
    let hello = transmitted(&mut ours).try_into().unwrap();
    let (answer, theirs) =
        Handshake::responder(theirs).step_1_with_now_rng(hello, START, &mut random).unwrap();
    (ours, theirs, answer.payload().to_vec())
}

#[test]
fn our_pool_serves_their_miner() {
    for seed in 0..8 {
        let (ours, theirs, answer) = our_pool(seed, START, Some(authority().public()));
        let theirs = theirs.step_2_with_now(answer.try_into().unwrap(), START).unwrap();
        converse(ours, Theirs::new(theirs));
    }
}

#[test]
fn our_miner_mines_on_their_pool() {
    for seed in 0..8 {
        let (mut ours, theirs, answer) = their_pool(seed, Some(authority().public()));
        ours.handle_input(&answer, now()).unwrap();
        converse(ours, Theirs::new(theirs));
    }
}

/// What a certificate is worth is judged alike.
#[test]
fn their_miner_judges_our_certificate_as_ours_does() {
    let stranger = AuthoritySecret::from_seed(&[7; 32]).public();
    let day = 86_400;
    for (valid_from, key, good) in [
        (START, Some(authority().public()), true),
        (START, Some(stranger), false),
        (START, None, true),
        (START + 10, Some(authority().public()), true),
        (START + 11, Some(authority().public()), false),
        (START - day - 10, Some(authority().public()), true),
        (START - day - 11, Some(authority().public()), false),
        (START - day - 11, None, true),
    ] {
        let (_, theirs, answer) = our_pool(1, valid_from, key);
        let theirs = theirs.step_2_with_now(answer.try_into().unwrap(), START);
        assert_eq!(theirs.is_ok(), good, "theirs: valid from {valid_from}, {key:?}");

        let identity = Identity::issue(&authority(), UnixTime::from_secs(valid_from.into()), DAY, &[1; 32]);
        let mut pool = Stream::responder(Arc::new(identity), [2; 32], NoiseLimits::default(), now());
        let mut miner = Stream::initiator(key, [3; 32], NoiseLimits::default(), now());
        pool.handle_input(&transmitted(&mut miner), now()).unwrap();
        let judged = miner.handle_input(&transmitted(&mut pool), now());
        assert_eq!(judged.is_ok(), good, "ours: valid from {valid_from}, {key:?}");
    }
}

#[test]
fn our_miner_refuses_their_pool_under_another_key() {
    let (mut ours, _, answer) = their_pool(1, Some(AuthoritySecret::from_seed(&[7; 32]).public()));
    assert_eq!(ours.handle_input(&answer, now()), Err(NoiseError::WrongAuthority));
}
