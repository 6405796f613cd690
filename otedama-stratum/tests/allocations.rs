//! What costs no memory while a connection runs.
#![cfg(feature = "noise")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Moment, Now, UnixTime};
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::noise::{AuthoritySecret, Identity, Stream};

/// Once the buffers have their size, sealing, sending, receiving and opening frames allocates nothing.
#[test]
fn a_secured_connection_allocates_nothing_for_a_frame() {
    let now = Now::new(Moment::ORIGIN, UnixTime::from_secs(1_700_000_000));
    let authority = AuthoritySecret::from_seed(&[1; 32]);
    let identity = Arc::new(Identity::issue(&authority, now.unix, Duration::from_secs(60), &[2; 32]));
    let mut pool = Stream::responder(identity, [3; 32], NoiseLimits::default(), now);
    let mut miner = Stream::initiator(Some(authority.public()), [4; 32], NoiseLimits::default(), now);
    let carry = |from: &mut Stream, to: &mut Stream| {
        while let Some(bytes) = from.poll_transmit() {
            to.handle_input(&bytes, now).unwrap();
        }
    };
    carry(&mut miner, &mut pool);
    carry(&mut pool, &mut miner);
    let frame = [&[0, 0x80, 0x1b, 33, 0, 0][..], &[7; 33]].concat();
    let mut exchange = |times: u32| {
        for _ in 0..times {
            miner.send(&frame).unwrap();
            carry(&mut miner, &mut pool);
            assert_eq!(pool.poll_frame(), Ok(Some(&frame[..])));
            pool.send(&frame).unwrap();
            carry(&mut pool, &mut miner);
            assert_eq!(miner.poll_frame(), Ok(Some(&frame[..])));
        }
    };
    exchange(10);
    let counted = allocation_counter::measure(|| exchange(1000));
    assert_eq!(counted.count_total, 0);
}
