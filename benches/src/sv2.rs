//! The rows of Stratum V2's codec: a message there and back, without encryption, against `stratum-core` 0.6.
//!
//! Both sides begin with the same values and buffers, write the frame, copy the bytes once (the socket's part), cut the
//! frame out and parse it without knowing what it is. The reference implementation is used as its own programs use it:
//! `MessageFrame` and `Encoder`, `Decoder`, `parse_message_frame_with_tlvs`. It takes values only as vectors where there
//! is a sequence, and gives the buffer of each frame away.

use std::hint::black_box;

use otedama_stratum::v2::mining::{NewExtendedMiningJob, SubmitSharesExtended};
use otedama_stratum::v2::{Encode, Frame, Message, Octets, Seq, U256};
use stratum_core::binary_sv2::{Seq0255, Sv2Option, U256 as TheirU256};
use stratum_core::codec_sv2::{Decoded, Decoder, Encoder, MessageFrame};
use stratum_core::mining_sv2;
use stratum_core::parsers_sv2::{AnyMessage, Mining, parse_message_frame_with_tlvs};

use crate::limit::Limit;
use crate::measure::{self, Comparison, Task, compare};
use crate::program::{Failure, Measured};
use crate::results::{Row, quantity};

/// A row by name, and what measures it.
pub type Named = (&'static str, fn() -> Measured);

/// The rows.
pub const ROWS: [Named; 2] = [("sv2-plain-share", share), ("sv2-plain-job", job)];

/// Levels of the merkle path: a block of some 4,000 transactions.
const LEVELS: usize = 12;
/// More than any frame here has.
const ROOM: usize = 1024;
const EXTRANONCE: [u8; 8] = [0x5a; 8];
const PATH: [[u8; 32]; LEVELS] = [[0x33; 32]; LEVELS];
const PREFIX: [u8; 58] = [0x11; 58];
const SUFFIX: [u8; 130] = [0x22; 130];

fn share() -> Measured {
    let (mut ours, mut theirs) = (Ours::new(), Theirs::new());
    let our_frame = ours.write(&our_share(1)?)?.to_vec();
    same(&our_frame, &theirs.write(their_share(1)?)?)?;
    let limit = copies(our_frame);
    let ours: Task<'_> = Box::new(move |count| {
        for nonce in numbers(count) {
            let read = our_share(nonce).and_then(|share| ours.round(&share, shares_nonce));
            assert!(matches!(read, Ok(Some(read)) if read == nonce), "the share comes back");
        }
    });
    let theirs: Task<'_> = Box::new(move |count| {
        for nonce in numbers(count) {
            let read = their_share(nonce).and_then(|share| theirs.round(share, their_shares_nonce));
            assert!(matches!(read, Ok(Some(read)) if read == nonce), "the share comes back");
        }
    });
    Ok(Some(row("sv2-plain-share", &compare(ours, theirs), limit)))
}

fn job() -> Measured {
    let (mut ours, mut theirs) = (Ours::new(), Theirs::new());
    let path = PATH.map(U256);
    let our_frame = ours.write(&our_job(1, &path)?)?.to_vec();
    same(&our_frame, &theirs.write(their_job(1)?)?)?;
    let limit = copies(our_frame);
    let ours: Task<'_> = Box::new(move |count| {
        for id in numbers(count) {
            let read = our_job(id, &path).and_then(|job| ours.round(&job, jobs_id));
            assert!(matches!(read, Ok(Some(read)) if read == id), "the job comes back");
        }
    });
    let theirs: Task<'_> = Box::new(move |count| {
        for id in numbers(count) {
            let read = their_job(id).and_then(|job| theirs.round(job, their_jobs_id));
            assert!(matches!(read, Ok(Some(read)) if read == id), "the job comes back");
        }
    });
    Ok(Some(row("sv2-plain-job", &compare(ours, theirs), limit)))
}

/// The two buffers of a connection of ours: what is sent, and what arrives.
struct Ours {
    sent: [u8; ROOM],
    arrived: [u8; ROOM],
}

impl Ours {
    const fn new() -> Self {
        Self { sent: [0; ROOM], arrived: [0; ROOM] }
    }

    fn write(&mut self, message: &impl Encode) -> Result<&[u8], Failure> {
        let len = message.encode(&mut self.sent)?;
        Ok(&self.sent[..len])
    }

    fn round<T>(
        &mut self,
        message: &impl Encode,
        look: fn(&Message<'_>) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let len = message.encode(&mut self.sent)?;
        self.arrived[..len].copy_from_slice(&black_box(&self.sent)[..len]);
        let Some((frame, _)) = Frame::split(&black_box(&self.arrived)[..len], ROOM)? else { return Ok(None) };
        let (message, tlvs) = Message::parse(frame)?;
        black_box(tlvs);
        Ok(look(black_box(&message)))
    }
}

/// The two ends of a connection of theirs.
struct Theirs {
    encoder: Encoder,
    decoder: Decoder,
}

impl Theirs {
    fn new() -> Self {
        Self { encoder: Encoder::new(), decoder: Decoder::new() }
    }

    fn write(&mut self, message: AnyMessage<'_>) -> Result<Vec<u8>, Failure> {
        let frame = MessageFrame::try_from(message).map_err(debug)?;
        self.encoder.encode(frame).map_err(debug)
    }

    fn round<T>(
        &mut self,
        message: AnyMessage<'_>,
        look: fn(&AnyMessage<'_>) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let bytes = self.write(message)?;
        let mut rest = black_box(&bytes[..]);
        loop {
            let place = self.decoder.writable();
            let (piece, after) = rest.split_at(place.len());
            place.copy_from_slice(piece);
            rest = after;
            if let Decoded::Frame(mut frame) = self.decoder.next_frame().map_err(debug)? {
                let header = frame.header();
                let (message, tlvs) =
                    parse_message_frame_with_tlvs(header, frame.payload(), &[]).map_err(debug)?;
                black_box(tlvs);
                return Ok(look(black_box(&message)));
            }
        }
    }
}

fn our_share(nonce: u32) -> Result<SubmitSharesExtended<'static>, Failure> {
    Ok(SubmitSharesExtended {
        channel_id: 2,
        sequence_number: nonce,
        job_id: 7,
        nonce,
        ntime: 0x65a0_bc00,
        version: 0x2000_0000,
        extranonce: Octets::new(black_box(&EXTRANONCE))?,
    })
}

fn their_share(nonce: u32) -> Result<AnyMessage<'static>, Failure> {
    let share = mining_sv2::SubmitSharesExtended {
        channel_id: 2,
        sequence_number: nonce,
        job_id: 7,
        nonce,
        ntime: 0x65a0_bc00,
        version: 0x2000_0000,
        extranonce: black_box(&EXTRANONCE[..]).try_into().map_err(debug)?,
    };
    Ok(AnyMessage::Mining(Mining::SubmitSharesExtended(share)))
}

fn shares_nonce(message: &Message<'_>) -> Option<u32> {
    match message {
        Message::SubmitSharesExtended(share) => Some(share.nonce),
        _ => None,
    }
}

fn their_shares_nonce(message: &AnyMessage<'_>) -> Option<u32> {
    match message {
        AnyMessage::Mining(Mining::SubmitSharesExtended(share)) => Some(share.nonce),
        _ => None,
    }
}

fn our_job(job_id: u32, path: &[U256]) -> Result<NewExtendedMiningJob<'_>, Failure> {
    Ok(NewExtendedMiningJob {
        channel_id: 1,
        job_id,
        min_ntime: None,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq::new(black_box(path))?,
        coinbase_tx_prefix: Octets::new(black_box(&PREFIX))?,
        coinbase_tx_suffix: Octets::new(black_box(&SUFFIX))?,
    })
}

fn their_job(job_id: u32) -> Result<AnyMessage<'static>, Failure> {
    let path = black_box(&PATH).iter().map(TheirU256::from).collect();
    let job = mining_sv2::NewExtendedMiningJob {
        channel_id: 1,
        job_id,
        min_ntime: Sv2Option::new(None),
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq0255::new(path).map_err(debug)?,
        coinbase_tx_prefix: black_box(&PREFIX[..]).try_into().map_err(debug)?,
        coinbase_tx_suffix: black_box(&SUFFIX[..]).try_into().map_err(debug)?,
    };
    Ok(AnyMessage::Mining(Mining::NewExtendedMiningJob(job)))
}

/// The job's number, after a look at each hash of its path.
fn jobs_id(message: &Message<'_>) -> Option<u32> {
    let Message::NewExtendedMiningJob(job) = message else { return None };
    let levels = job.merkle_path.iter().map(black_box).count();
    (levels == LEVELS).then_some(job.job_id)
}

/// The same of theirs.
fn their_jobs_id(message: &AnyMessage<'_>) -> Option<u32> {
    let AnyMessage::Mining(Mining::NewExtendedMiningJob(job)) = message else { return None };
    let levels = job.merkle_path.iter().map(black_box).count();
    (levels == LEVELS).then_some(job.job_id)
}

/// Both sides must write the same bytes, or the ratio means nothing.
fn same(ours: &[u8], theirs: &[u8]) -> Result<(), Failure> {
    if ours == theirs { Ok(()) } else { Err("the two sides write different frames".into()) }
}

/// What is left if a message costs nothing but its bytes, written once and copied once.
fn copies(frame: Vec<u8>) -> Limit {
    let len = frame.len();
    let (mut sent, mut arrived) = ([0; ROOM], [0; ROOM]);
    let rate = measure::rate(Box::new(move |count| {
        for _ in 0..count {
            sent[..len].copy_from_slice(black_box(&frame));
            arrived[..len].copy_from_slice(&black_box(&sent)[..len]);
            black_box(&arrived);
        }
    }));
    Limit { rate, unit: "messages/s", why: format!("{len} bytes copied twice, measured") }
}

fn row(name: &'static str, found: &Comparison, limit: Limit) -> (String, Row) {
    let text = format!("{:.3}", found.ratio);
    let row = Row {
        name,
        result: text.clone(),
        beside: format!("written and read, no allocation: {}", quantity(found.ours, "messages/s")),
        baseline: format!(
            "stratum-core 0.6, as its own programs do: {}",
            quantity(found.theirs, "messages/s")
        ),
        reached: Some(found.ours / limit.rate),
        limit: Some(limit),
    };
    (text, row)
}

fn numbers(count: u64) -> impl Iterator<Item = u32> {
    (0..=u32::MAX).cycle().zip(0..count).map(|(number, _)| number)
}

fn debug(error: impl std::fmt::Debug) -> Failure {
    format!("stratum-core: {error:?}").into()
}
