//! The rows of secured Stratum V2 connections, against the reference implementation used as its own applications do.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use otedama_core::UnixTime;
use otedama_stratum::noise::{AuthoritySecret, BytesMut, Identity, Initiator, Responder, Transport};
use stratum_core::binary_sv2;
use stratum_core::codec_sv2::{
    Decrypted, Handshake, NoiseDecoder, NoiseEncoder, SerializedFrame, TransportDecryptState,
    TransportEncryptState,
};
use stratum_core::framing_sv2::framing::MessageFrame;
use stratum_core::mining_sv2::SubmitSharesExtended;
use stratum_core::noise_sv2;

use crate::measure::{Comparison, Task, compare};
use crate::program::{Failure, Measured};
use crate::results::{Row, quantity};

/// A row by name, and what measures it.
pub type Named = (&'static str, fn() -> Measured);

/// The rows.
pub const ROWS: [Named; 2] = [("sv2-handshake", handshake), ("sv2-noise-share", share)];

const BASELINE: &str = "stratum-core 0.6";
const NOW: u32 = 1_700_000_000;
/// The authority's secret key: any number will do.
const SECRET: [u8; 32] = [1; 32];
const DAY: Duration = Duration::from_secs(86_400);
/// The type of `SubmitSharesExtended`, and bytes of its extranonce here.
const SUBMIT: u8 = 0x1b;
const EXTRANONCE: [u8; 8] = [7; 8];
/// Bytes of the message: six numbers, the extranonce and its length.
const PAYLOAD: usize = 6 * 4 + 1 + EXTRANONCE.len();

/// A pool answers a hello: key, certificate, and the keys for what follows.
fn handshake() -> Measured {
    let authority = AuthoritySecret::from_bytes(&SECRET)?;
    let identity = identity(&authority);
    let hello = Initiator::new(None, &[3; 32]).hello();
    let mut out = BytesMut::new();
    let ours: Task<'_> = Box::new(move |count| {
        for index in 0..count {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&index.to_le_bytes());
            out.clear();
            let mut responder = Responder::new(Arc::clone(&identity), seed);
            let transport = responder.handle_input(&mut &hello[..], &mut out);
            assert!(matches!(black_box(transport), Ok(Some(_))));
        }
    });
    let public = authority.public().to_bytes();
    let theirs: Task<'_> = Box::new(move |count| {
        for _ in 0..count {
            let responder = noise_sv2::Responder::from_authority_kp(&public, &SECRET, DAY);
            let answer = responder.map(Handshake::responder).map(|responder| responder.step_1(hello));
            assert!(matches!(black_box(answer), Ok(Ok(_))));
        }
    });
    row("sv2-handshake", &compare(ours, theirs), "handshakes/s", "a responder's handshake")
}

/// A share is written and sealed by a miner, opened and read by a pool.
fn share() -> Measured {
    let (mut miner, mut pool) = our_pair()?;
    let mut out = BytesMut::new();
    let ours: Task<'_> = Box::new(move |count| {
        for index in 0..count {
            out.clear();
            let sealed = miner.seal(&black_box(written(number(index))), &mut out);
            pool.receive(&out);
            let sequence = pool.open(PAYLOAD).ok().flatten().and_then(sequence);
            assert!(sealed.is_ok() && sequence == Some(number(index)), "a share comes through");
        }
    });
    let (mut seal, open) = their_pair()?;
    let (mut encoder, mut decoder, mut open) = (NoiseEncoder::new(), NoiseDecoder::new(), Some(open));
    let theirs: Task<'_> = Box::new(move |count| {
        for index in 0..count {
            let sealed = their_share(number(index), &mut encoder, &mut seal);
            let opened = sealed.and_then(|sealed| their_frame(&mut decoder, open.take()?, &sealed));
            let sequence = opened.and_then(|(mut frame, state)| {
                open = Some(state);
                let share = binary_sv2::from_bytes::<SubmitSharesExtended<'_>>(frame.payload());
                share.ok().map(|share| black_box(share).sequence_number)
            });
            assert!(sequence == Some(number(index)), "a share comes through");
        }
    });
    row("sv2-noise-share", &compare(ours, theirs), "shares/s", "a share sealed and opened")
}

fn row(name: &'static str, found: &Comparison, unit: &str, what: &str) -> Measured {
    let text = format!("{:.3}", found.ratio);
    let row = Row {
        name,
        result: text.clone(),
        beside: format!("{what}: {}", quantity(found.ours, unit)),
        baseline: format!("{BASELINE}: {}", quantity(found.theirs, unit)),
        limit: None,
        reached: None,
    };
    Ok(Some((text, row)))
}

fn identity(authority: &AuthoritySecret) -> Arc<Identity> {
    Arc::new(Identity::issue(authority, UnixTime::from_secs(NOW.into()), DAY, &[2; 32]))
}

fn number(index: u64) -> u32 {
    u32::try_from(index % (1 << 31)).unwrap_or(0)
}

/// The message of a share as a frame.
fn written(sequence: u32) -> [u8; 6 + PAYLOAD] {
    let numbers = [2, sequence, 5, 0x1234_5678, NOW, 0x2000_0000].map(u32::to_le_bytes);
    let mut frame = [0; 6 + PAYLOAD];
    let header = [0, 0x80, SUBMIT, u8::try_from(PAYLOAD).unwrap_or(0), 0, 0];
    let length = [u8::try_from(EXTRANONCE.len()).unwrap_or(0)];
    let bytes = header.into_iter().chain(numbers.into_iter().flatten()).chain(length).chain(EXTRANONCE);
    frame.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    frame
}

/// The sequence number of such a frame, all of which is looked at.
fn sequence(frame: &[u8]) -> Option<u32> {
    let frame: &[u8; 6 + PAYLOAD] = frame.try_into().ok()?;
    let sequence = u32::from_le_bytes(*frame[10..].first_chunk()?);
    (written(sequence) == *black_box(frame)).then_some(sequence)
}

pub(crate) fn our_pair() -> Result<(Transport, Transport), Failure> {
    let authority = AuthoritySecret::from_bytes(&SECRET)?;
    let mut initiator = Initiator::new(Some(authority.public()), &[3; 32]);
    let mut out = BytesMut::new();
    let mut responder = Responder::new(identity(&authority), [4; 32]);
    let pool = responder.handle_input(&mut &initiator.hello()[..], &mut out)?;
    let miner = initiator.handle_input(&mut &out[..], UnixTime::from_secs(NOW.into()))?;
    miner.zip(pool).ok_or_else(|| "the handshake is not done".into())
}

pub(crate) fn their_pair() -> Result<(TransportEncryptState, TransportDecryptState), Failure> {
    let public = AuthoritySecret::from_bytes(&SECRET)?.public().to_bytes();
    let responder = noise_sv2::Responder::from_authority_kp(&public, &SECRET, DAY);
    let initiator = noise_sv2::Initiator::from_raw_k(public);
    let (responder, initiator) = responder
        .ok()
        .zip(initiator.ok())
        .map(|(responder, initiator)| (Handshake::responder(responder), Handshake::initiator(initiator)))
        .ok_or("the reference implementation takes no keys")?;
    let failed = |_| Failure::from("the reference implementation does no handshake");
    let (hello, initiator) = initiator.step_0().map_err(failed)?;
    let (answer, pool) = responder.step_1(hello.payload().try_into()?).map_err(failed)?;
    let miner = initiator.step_2(answer.payload().try_into()?).map_err(failed)?;
    Ok((miner.split().0, pool.split().1))
}

fn their_share(
    sequence: u32,
    encoder: &mut NoiseEncoder,
    state: &mut TransportEncryptState,
) -> Option<Vec<u8>> {
    let mut extranonce = EXTRANONCE;
    let share = SubmitSharesExtended {
        channel_id: 2,
        sequence_number: sequence,
        job_id: 5,
        nonce: 0x1234_5678,
        ntime: NOW,
        version: 0x2000_0000,
        extranonce: (&mut extranonce[..]).try_into().ok()?,
    };
    let frame = MessageFrame::from_message(share, SUBMIT, 0, true).ok()?;
    encoder.encode_transport(frame, state).ok()
}

/// The frame of these bytes, read as a connection would give them.
pub(crate) fn their_frame(
    decoder: &mut NoiseDecoder,
    mut state: TransportDecryptState,
    mut sealed: &[u8],
) -> Option<(SerializedFrame, TransportDecryptState)> {
    loop {
        let room = decoder.writable();
        let (now, later) = sealed.split_at_checked(room.len())?;
        room.copy_from_slice(now);
        sealed = later;
        match decoder.next_transport_frame(state).ok()? {
            Decrypted::Frame(frame, state) => return Some((frame, state)),
            Decrypted::Incomplete(_, next) => state = next,
        }
    }
}
