//! Secured connections in memory: both sides, bad links, bad peers and bad certificates.
#![cfg(feature = "noise")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Moment, Now, UnixTime};
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::noise::{
    AuthorityKey, AuthoritySecret, BytesMut, Certificate, Identity, Initiator, NoiseError, Responder, Stream,
};

const START: u64 = 1_700_000_000;
const DAY: Duration = Duration::from_secs(86_400);
/// Bytes of the two messages of a handshake.
const HELLO: usize = 64;
const ANSWER: usize = 234;

fn at(unix: u64) -> Now {
    Now::new(Moment::ORIGIN, UnixTime::from_secs(unix))
}

fn authority() -> AuthoritySecret {
    AuthoritySecret::from_seed(&[1; 32])
}

fn identity() -> Arc<Identity> {
    Arc::new(Identity::issue(&authority(), at(START).unix, DAY, &[2; 32]))
}

fn pool() -> Stream {
    Stream::responder(identity(), [3; 32], NoiseLimits::default(), at(START))
}

fn miner(authority: Option<AuthorityKey>) -> Stream {
    Stream::initiator(authority, [4; 32], NoiseLimits::default(), at(START))
}

/// A plain frame with so many bytes of payload, all of them `fill`.
fn frame(len: usize, fill: u8) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(len).unwrap().to_le_bytes();
    [&[0, 0x80, 0x1a, low, middle, high], &vec![fill; len][..]].concat()
}

fn transmitted(stream: &mut Stream) -> Vec<u8> {
    std::iter::from_fn(|| stream.poll_transmit()).flatten().collect()
}

fn frames(stream: &mut Stream) -> Result<Vec<Vec<u8>>, NoiseError> {
    let mut frames = Vec::new();
    while let Some(frame) = stream.poll_frame()? {
        frames.push(frame.to_vec());
    }
    Ok(frames)
}

/// Carries what one side has to say to the other, in pieces, and gives the frames that come out.
fn carry(from: &mut Stream, to: &mut Stream, size: usize, now: Now) -> Result<Vec<Vec<u8>>, NoiseError> {
    let mut out = Vec::new();
    for piece in transmitted(from).chunks(size) {
        to.handle_input(piece, now)?;
        out.extend(frames(to)?);
    }
    Ok(out)
}

/// Both sides after the handshake.
fn connected() -> (Stream, Stream) {
    let (mut pool, mut miner) = (pool(), miner(Some(authority().public())));
    carry(&mut miner, &mut pool, usize::MAX, at(START)).unwrap();
    carry(&mut pool, &mut miner, usize::MAX, at(START)).unwrap();
    assert!(pool.is_established() && miner.is_established());
    (pool, miner)
}

#[test]
fn both_sides_speak_after_the_handshake() {
    for size in [1, 5, 64, 100, usize::MAX] {
        let (mut pool, mut miner) = (pool(), miner(Some(authority().public())));
        // Both have something to say at once.
        miner.send(&frame(3, 1)).unwrap();
        miner.send(&[frame(0, 0), frame(70_000, 2)].concat()).unwrap();
        pool.send(&frame(4, 3)).unwrap();
        assert_eq!(carry(&mut miner, &mut pool, size, at(START)), Ok(vec![]));
        assert!(pool.is_established() && !miner.is_established());
        assert_eq!(carry(&mut pool, &mut miner, size, at(START)), Ok(vec![frame(4, 3)]));
        let said = carry(&mut miner, &mut pool, size, at(START)).unwrap();
        assert_eq!(said, [frame(3, 1), frame(0, 0), frame(70_000, 2)]);
        for turn in 0..5 {
            pool.send(&frame(50, turn)).unwrap();
            miner.send(&frame(60, turn)).unwrap();
            assert_eq!(carry(&mut pool, &mut miner, size, at(START)), Ok(vec![frame(50, turn)]));
            assert_eq!(carry(&mut miner, &mut pool, size, at(START)), Ok(vec![frame(60, turn)]));
        }
        assert_eq!((pool.buffered_bytes(), miner.buffered_bytes()), (0, 0));
        assert_eq!((pool.poll_timeout(), miner.poll_timeout()), (None, None));
    }
}

#[test]
fn the_handshake_has_the_specified_lengths() {
    let (mut pool, mut miner) = (pool(), miner(None));
    let hello = transmitted(&mut miner);
    assert_eq!(hello.len(), HELLO);
    pool.handle_input(&hello, at(START)).unwrap();
    assert_eq!(transmitted(&mut pool).len(), ANSWER);
}

/// What the machines beneath a stream do alone; what follows the handshake is left where it is.
#[test]
fn a_handshake_takes_what_is_its_own() {
    let mut responder = Responder::new(identity(), [3; 32]);
    let mut initiator = Initiator::new(Some(authority().public()), &[4; 32]);
    let mut out = BytesMut::new();
    let input = [&initiator.hello()[..], b"later"].concat();
    let (first, second) = input.split_at(10);
    assert!(responder.handle_input(&mut &first[..], &mut out).unwrap().is_none());
    let mut rest = second;
    let mut theirs = responder.handle_input(&mut rest, &mut out).unwrap().unwrap();
    assert_eq!((rest, out.len()), (&b"later"[..], ANSWER));
    let again = responder.handle_input(&mut rest, &mut out).map(drop);
    assert_eq!((again, out.len()), (Err(NoiseError::Exhausted), ANSWER), "its keys have served");
    theirs.seal(&frame(1, 1), &mut out).unwrap();
    let mut rest = &out[..];
    let mut ours = initiator.handle_input(&mut rest, at(START).unix).unwrap().unwrap();
    assert_eq!(initiator.handle_input(&mut rest, at(START).unix).map(drop), Err(NoiseError::Exhausted));
    ours.receive(rest);
    assert_eq!(ours.open(1), Ok(Some(&frame(1, 1)[..])));
}

#[test]
fn nothing_repeats_between_connections() {
    let answer = |seed| {
        let mut pool = Stream::responder(identity(), seed, NoiseLimits::default(), at(START));
        pool.handle_input(&transmitted(&mut miner(None)), at(START)).unwrap();
        transmitted(&mut pool)
    };
    let (one, other) = (answer([5; 32]), answer([6; 32]));
    let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
    assert!(same < 20, "{same} bytes of {ANSWER}");
    assert_eq!(one, answer([5; 32]), "a seed is a handshake");
}

/// The pool's certificate, as a miner with that clock and that key in its URL sees it.
fn judged(identity: Identity, authority: Option<AuthorityKey>, now: u64) -> Result<(), NoiseError> {
    let mut pool = Stream::responder(Arc::new(identity), [3; 32], NoiseLimits::default(), at(now));
    let mut miner = miner(authority);
    carry(&mut miner, &mut pool, usize::MAX, at(now)).unwrap();
    let judged = carry(&mut pool, &mut miner, usize::MAX, at(now)).map(drop);
    assert_eq!(miner.is_established(), judged.is_ok());
    assert_eq!(miner.send(&frame(0, 0)), judged, "an end is an end");
    judged
}

#[test]
fn a_certificate_must_be_of_the_authority() {
    let stranger = AuthoritySecret::from_seed(&[9; 32]);
    let issue = |by: &AuthoritySecret| Identity::issue(by, at(START).unix, DAY, &[2; 32]);
    assert_eq!(judged(issue(&authority()), Some(authority().public()), START), Ok(()));
    let wrong = judged(issue(&stranger), Some(authority().public()), START);
    assert_eq!(wrong, Err(NoiseError::WrongAuthority));
    assert_eq!(judged(issue(&stranger), None, START), Ok(()), "without a key whoever answers is believed");
}

#[test]
fn a_certificate_has_its_time() {
    let key = authority().public();
    let issue = || Identity::issue(&authority(), at(START).unix, DAY, &[2; 32]);
    let end = START + 86_400;
    assert_eq!(issue().expires(), UnixTime::from_secs(end));
    for now in [START, START - 10, end, end + 10] {
        assert_eq!(judged(issue(), Some(key), now), Ok(()), "{now}");
    }
    let (from, until) = (at(START).unix, at(end).unix);
    let now = at(START - 11).unix;
    assert_eq!(judged(issue(), Some(key), START - 11), Err(NoiseError::NotYetValid { from, now }));
    let now = at(end + 11).unix;
    assert_eq!(judged(issue(), Some(key), end + 11), Err(NoiseError::Expired { until, now }));
    assert_eq!(judged(issue(), None, end + 11), Ok(()), "without a key nothing is verified");
}

#[test]
fn a_certificate_ends_with_the_format() {
    let from = UnixTime::from_secs(u64::from(u32::MAX) - 1);
    let certificate = *Identity::issue(&authority(), from, DAY, &[2; 32]).certificate();
    assert_eq!(certificate.valid_until(), UnixTime::from_secs(u32::MAX.into()));
    assert_eq!(certificate.valid_from(), from);
    assert_eq!(Certificate::from_bytes(&certificate.to_bytes()), certificate);
}

/// No flipped bit of the handshake goes unnoticed: the miner sees it at once, or, in the miner's own hello, both
/// have different keys.
#[test]
fn a_changed_handshake_leads_nowhere() {
    let original = transmitted(&mut miner(Some(authority().public())));
    for bit in (0..HELLO * 8).step_by(7) {
        let mut hello = original.clone();
        hello[bit / 8] ^= 1 << (bit % 8);
        let (mut pool, mut miner) = (pool(), miner(Some(authority().public())));
        transmitted(&mut miner);
        pool.handle_input(&hello, at(START)).unwrap();
        let answer = transmitted(&mut pool);
        assert_eq!(miner.handle_input(&answer, at(START)), Err(NoiseError::Forged), "bit {bit}");
    }
    let mut pool = pool();
    pool.handle_input(&original, at(START)).unwrap();
    let original = transmitted(&mut pool);
    for bit in (0..ANSWER * 8).step_by(5) {
        let mut answer = original.clone();
        answer[bit / 8] ^= 1 << (bit % 8);
        let mut miner = miner(Some(authority().public()));
        let early = miner.handle_input(&answer[..ANSWER - 1], at(START));
        assert_eq!((early, miner.is_established()), (Ok(()), false));
        let end = miner.handle_input(&answer[ANSWER - 1..], at(START));
        assert_eq!(end, Err(NoiseError::Forged), "bit {bit}");
        assert_eq!(miner.poll_frame(), Err(NoiseError::Forged), "an end is an end");
    }
}

/// A miner that speaks something else sends a hello like any other, and is found out at its first message.
#[test]
fn plain_text_is_not_taken_for_frames() {
    let mut pool = pool();
    let line = br#"{"id":1,"method":"mining.subscribe","params":["miner/1.0"]}"#;
    pool.handle_input(&[&line[..], b"\n", &[b' '; 80]].concat(), at(START)).unwrap();
    assert_eq!(pool.poll_frame(), Err(NoiseError::Forged));
    assert_eq!(pool.send(&frame(0, 0)), Err(NoiseError::Forged));
    assert_eq!(pool.handle_input(b"more", at(START)), Err(NoiseError::Forged));
    assert_eq!((pool.poll_timeout(), pool.is_established()), (None, false));
}

#[test]
fn the_peer_has_its_time() {
    let later = |now: Now, seconds| now.plus(Duration::from_secs(seconds));
    let start = at(START);
    for mut stream in [pool(), miner(None)] {
        assert_eq!(stream.poll_timeout(), Some(later(start, 10).moment));
        stream.handle_input(&[7], later(start, 9)).unwrap();
        assert_eq!(stream.handle_timeout(later(start, 9)), Ok(()));
        let error = NoiseError::HandshakeTimeout(Duration::from_secs(10));
        assert_eq!(stream.handle_timeout(later(start, 10)), Err(error.clone()));
        assert_eq!(stream.handle_input(&[7; 300], later(start, 11)), Err(error));
    }

    let (mut pool, mut miner) = connected();
    let now = later(start, 1000);
    assert_eq!(pool.poll_timeout(), None, "silence is the session's affair");
    miner.send(&[frame(1, 0), frame(9, 0)].concat()).unwrap();
    let sealed = transmitted(&mut miner);
    pool.handle_input(&sealed[..10], now).unwrap();
    assert_eq!(frames(&mut pool), Ok(vec![]));
    assert_eq!(pool.poll_timeout(), Some(later(now, 30).moment));
    // The end of the first frame and the beginning of the second: the time begins anew.
    pool.handle_input(&sealed[10..60], later(now, 20)).unwrap();
    assert_eq!(frames(&mut pool), Ok(vec![frame(1, 0)]));
    assert_eq!(pool.poll_timeout(), Some(later(now, 50).moment));
    pool.handle_input(&sealed[60..62], later(now, 40)).unwrap();
    assert_eq!(frames(&mut pool), Ok(vec![]));
    assert_eq!(pool.handle_timeout(later(now, 49)), Ok(()));
    let error = NoiseError::FrameTimeout(Duration::from_secs(30));
    assert_eq!(pool.handle_timeout(later(now, 50)), Err(error));
}

#[test]
fn limits_hold() {
    let mut limits = NoiseLimits::default();
    (limits.frame, limits.output) = (100, 1000);
    let mut pool = Stream::responder(identity(), [3; 32], limits.clone(), at(START));
    let mut miner = miner(None);
    assert_eq!(pool.send(&frame(500, 0)), Ok(()), "it waits");
    assert_eq!(pool.send(&frame(500, 0)), Err(NoiseError::OutputFull { limit: 1000 }));
    assert_eq!(pool.buffered_bytes(), 0);

    let mut pool = Stream::responder(identity(), [3; 32], limits, at(START));
    assert_eq!(pool.send(&frame(5, 0)[..7]), Err(NoiseError::NotFrames));
    carry(&mut miner, &mut pool, usize::MAX, at(START)).unwrap();
    carry(&mut pool, &mut miner, usize::MAX, at(START)).unwrap();
    miner.send(&[frame(100, 1), frame(101, 1)].concat()).unwrap();
    pool.handle_input(&transmitted(&mut miner), at(START)).unwrap();
    assert_eq!(pool.poll_frame(), Ok(Some(&frame(100, 1)[..])));
    assert_eq!(pool.poll_frame(), Err(NoiseError::FrameTooLong { limit: 100 }));
    assert_eq!(pool.buffered_bytes(), 0);
}
