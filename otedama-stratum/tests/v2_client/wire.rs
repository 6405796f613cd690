//! A client session with a wire in the hand, and what a pool would say.
#![allow(unreachable_pub)]

use std::time::Duration;

use otedama_core::{Algorithm, Extranonce, Job, Now, Share, Target};
use otedama_stratum::v2::common::SetupConnectionSuccess;
use otedama_stratum::v2::mining::{
    NewExtendedMiningJob, OpenExtendedMiningChannelSuccess, SetNewPrevHash, SubmitSharesError,
    SubmitSharesExtended, SubmitSharesSuccess,
};
use otedama_stratum::v2::{B0_32, B0_64K, Encode, Frame, Message, Seq, Str0_255, Tlvs, U256};
use otedama_stratum::{ClientConfig, ClientEvent, ClientSession, Login, SessionError, ShareId};

pub const CHANNEL: u32 = 2;
pub const GROUP: u32 = 1;
pub const NTIME: u32 = 1_700_000_000;
pub const BITS: u32 = 0x1d00_ffff;

/// A client session and the test's end of its wire.
pub struct Wire {
    pub session: ClientSession,
    pub now: Now,
}

impl Wire {
    pub fn new(configure: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::new(Login::new(Algorithm::SHA256D, "wallet.rig1"));
        config.agent = "test/1.2".into();
        configure(&mut config);
        let now = Now::default().plus(Duration::from_secs(50));
        Self { session: ClientSession::v2(config, now), now }
    }

    /// Through the handshake, as a pool of the reference implementation leads through it.
    pub fn ready(configure: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut wire = Self::new(configure);
        wire.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
        wire.hear(&opened());
        assert!(matches!(wire.events()[..], [ClientEvent::Ready]));
        assert!(wire.session.is_ready());
        wire.sent();
        wire
    }

    /// With a first job, too: a future one, and the tip that names it.
    pub fn mining(configure: impl FnOnce(&mut ClientConfig)) -> (Self, Job) {
        let mut wire = Self::ready(configure);
        wire.hear(&job(CHANNEL, 1, None));
        assert!(wire.events().is_empty(), "it waits for its tip");
        wire.hear(&tip(CHANNEL, 1));
        let job = wire.job();
        (wire, job)
    }

    pub fn hear(&mut self, message: &impl Encode) {
        self.try_hear(message).unwrap();
    }

    pub fn try_hear(&mut self, message: &impl Encode) -> Result<(), SessionError> {
        self.session.handle_input(&bytes(message), self.now)
    }

    pub fn sent(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.session.poll_transmit() {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    pub fn events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    pub fn job(&mut self) -> Job {
        match &self.events()[..] {
            [ClientEvent::Job(job)] => job.clone(),
            events => panic!("{events:?}"),
        }
    }

    pub fn submit(&mut self, share: &Share) -> ShareId {
        self.session.submit(share, self.now).unwrap()
    }

    pub fn wait(&mut self, seconds: u64) -> Result<(), SessionError> {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.session.handle_timeout(self.now)
    }
}

/// A message as a frame.
pub fn bytes(message: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.append(&mut bytes).unwrap();
    bytes
}

/// The messages that these bytes are, and what is behind each.
pub fn messages(mut bytes: &[u8]) -> Vec<(Message<'_>, Tlvs<'_>)> {
    let mut out = Vec::new();
    while let Some((frame, used)) = Frame::split(bytes, 1 << 16).unwrap() {
        out.push(Message::parse(frame).unwrap());
        bytes = &bytes[used..];
    }
    assert!(bytes.is_empty());
    out
}

/// The one message that these bytes are.
pub fn message(bytes: &[u8]) -> Message<'_> {
    match messages(bytes)[..] {
        [(message, _)] => message,
        ref messages => panic!("{messages:?}"),
    }
}

/// Shares of an extended channel.
pub fn shares(bytes: &[u8]) -> Vec<SubmitSharesExtended<'_>> {
    let share = |(message, _)| match message {
        Message::SubmitSharesExtended(share) => share,
        other => panic!("{other:?}"),
    };
    messages(bytes).into_iter().map(share).collect()
}

pub fn text(text: &str) -> Str0_255<'_> {
    Str0_255::new(text).unwrap()
}

pub fn target(zeros: u32) -> Target {
    Target::from_be_bytes(std::array::from_fn(|at| if at * 8 < zeros as usize { 0 } else { 0xff }))
}

pub fn opened() -> OpenExtendedMiningChannelSuccess<'static> {
    OpenExtendedMiningChannelSuccess {
        request_id: 1,
        channel_id: CHANNEL,
        target: target(16).into(),
        extranonce_size: 16,
        extranonce_prefix: B0_32::new(&[1, 0, 0, 7]).unwrap(),
        group_channel_id: GROUP,
    }
}

pub fn job(channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob<'static> {
    NewExtendedMiningJob {
        channel_id,
        job_id,
        min_ntime,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq::new(&[U256([3; 32])]).unwrap(),
        coinbase_tx_prefix: B0_64K::new(&[1; 42]).unwrap(),
        coinbase_tx_suffix: B0_64K::new(&[2; 60]).unwrap(),
    }
}

pub fn tip(channel_id: u32, job_id: u32) -> SetNewPrevHash {
    SetNewPrevHash { channel_id, job_id, prev_hash: U256([7; 32]), min_ntime: NTIME, nbits: BITS }
}

pub fn share(job: &Job) -> Share {
    let extranonce2 = Extranonce::new(&vec![9; job.terms().extranonce2_len]).unwrap();
    Share::new(job.terms().channel, job.id(), extranonce2, NTIME, 0xb295_7c02)
}

pub fn accepted(last_sequence_number: u32, count: u32) -> SubmitSharesSuccess {
    SubmitSharesSuccess {
        channel_id: CHANNEL,
        last_sequence_number,
        new_submits_accepted_count: count,
        new_shares_sum: 10,
    }
}

pub fn refused(sequence_number: u32, code: &str) -> SubmitSharesError<'_> {
    SubmitSharesError { channel_id: CHANNEL, sequence_number, error_code: text(code) }
}
