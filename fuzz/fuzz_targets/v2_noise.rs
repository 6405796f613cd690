//! A secured connection hears anything at all: no panic, no more memory than its limits, and nothing that the peer did
//! not seal. First each side of a handshake, then a connection that is established: some of the pieces are sealed by
//! the peer, and what comes out are exactly these, until the first that is not.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Moment, Now, UnixTime};
use otedama_fuzz::pieces;
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::noise::{AuthorityKey, AuthoritySecret, Identity, Stream};

/// Bytes of payload that are allowed, and what may be held: a frame sealed, and the piece that came last.
const FRAME: usize = 500;
const HELD: usize = FRAME + 6 + 2 * 16 + 1024 + 64;

static POOL: LazyLock<(AuthorityKey, Arc<Identity>)> = LazyLock::new(|| {
    let authority = AuthoritySecret::from_seed(&[1; 32]);
    let identity = Identity::issue(&authority, now().unix, Duration::from_secs(60), &[2; 32]);
    (authority.public(), Arc::new(identity))
});

fn now() -> Now {
    Now::new(Moment::ORIGIN, UnixTime::from_secs(1_700_000_000))
}

fn limits() -> NoiseLimits {
    let mut limits = NoiseLimits::default();
    limits.frame = FRAME;
    limits
}

fn pool() -> Stream {
    Stream::responder(Arc::clone(&POOL.1), [3; 32], limits(), now())
}

fn miner() -> Stream {
    Stream::initiator(Some(POOL.0), [4; 32], limits(), now())
}

/// A side alone with a peer that knows no key: it opens nothing.
fn handshake(mut stream: Stream, data: &[u8]) {
    for piece in pieces(data) {
        let ended = stream.handle_input(piece, now()).is_err() || stream.poll_frame().is_err();
        assert!(stream.poll_frame().map_or(true, |frame| frame.is_none()));
        assert!(stream.buffered_bytes() <= HELD + 234);
        if ended {
            assert!(stream.handle_input(&[], now()).is_err(), "an end is an end");
            break;
        }
    }
}

fn carry(from: &mut Stream, to: &mut Stream) {
    while let Some(bytes) = from.poll_transmit() {
        to.handle_input(&bytes, now()).expect("a good peer");
    }
}

/// A whole frame around a piece.
fn framed(piece: &[u8]) -> Vec<u8> {
    let len = u8::try_from(piece.len().min(250)).expect("at most 250");
    [&[0, 0x80, len, len, 0, 0], &piece[..len.into()]].concat()
}

fuzz_target!(|data: &[u8]| {
    handshake(pool(), data);
    handshake(miner(), data);

    let (mut pool, mut miner) = (pool(), miner());
    carry(&mut miner, &mut pool);
    carry(&mut pool, &mut miner);
    assert!(pool.is_established() && miner.is_established());
    let mut forged = false;
    for piece in pieces(data) {
        let plain = framed(piece);
        miner.send(&plain).expect("a whole frame, and room for it");
        let mut sealed: Vec<u8> = std::iter::from_fn(|| miner.poll_transmit()).flatten().collect();
        // A piece that begins with a high byte changes a byte on the way.
        if let [first @ 0x80..=0xff, .., last] = piece {
            let place = usize::from(*first) * sealed.len() / 256;
            sealed[place] ^= last;
            forged |= *last != 0;
        }
        let heard = pool
            .handle_input(&sealed, now())
            .and_then(|()| pool.poll_frame().map(|frame| frame.map(<[u8]>::to_vec)));
        if forged {
            assert!(
                heard.is_err() && pool.send(&plain).is_err(),
                "what was changed is noticed, and is the end"
            );
        } else {
            assert_eq!(heard, Ok(Some(plain)));
        }
        assert!(pool.buffered_bytes() <= HELD);
    }
    let _ = pool.handle_input(data, now());
    assert!(pool.poll_frame().map_or(true, |frame| frame.is_none()), "nobody sealed this");
});
