//! A Stratum V2 server session with a wire in the hand.

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{
    Algorithm, ChannelId, Extranonce, Hash256, HeaderSource, Job, JobBody, JobId, Now, Reject, Share, Target,
    Terms, WorkerId,
};
use otedama_stratum::v2::common::{Protocol, SetupConnection};
use otedama_stratum::v2::mining::{
    OpenExtendedMiningChannel, OpenStandardMiningChannel, SubmitSharesExtended, SubmitSharesStandard,
};
use otedama_stratum::v2::{B0_32, Encode, Frame, Message, Str0_255, U256};
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession, SessionError, Ticket};

pub const TARGET: Target = Target::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0xffff_ffff]);

/// A client that says what it is.
pub fn setup() -> SetupConnection<'static> {
    SetupConnection {
        protocol: Protocol::MINING,
        min_version: 2,
        max_version: 2,
        flags: 0,
        endpoint_host: Str0_255::new("pool.example").unwrap(),
        endpoint_port: 34255,
        vendor: Str0_255::new("acme").unwrap(),
        hardware_version: Str0_255::new("rig").unwrap(),
        firmware: Str0_255::new("1.0").unwrap(),
        device_id: Str0_255::EMPTY,
    }
}

pub fn standard(request_id: u32, user: &str) -> OpenStandardMiningChannel<'_> {
    OpenStandardMiningChannel {
        request_id,
        user_identity: Str0_255::new(user).unwrap(),
        nominal_hash_rate: 1e12,
        max_target: U256([0xff; 32]),
    }
}

pub fn extended(request_id: u32, user: &str) -> OpenExtendedMiningChannel<'_> {
    OpenExtendedMiningChannel {
        request_id,
        user_identity: Str0_255::new(user).unwrap(),
        nominal_hash_rate: 1e12,
        max_target: U256([0xff; 32]),
        min_extranonce_size: 4,
    }
}

/// A share of the job 1 that rolls nothing.
pub const fn standard_share(channel_id: u32, sequence_number: u32) -> SubmitSharesStandard {
    let (job_id, nonce, ntime, version) = (1, sequence_number, 0x4966_bc61, 1);
    SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version }
}

/// The same for an extended channel.
pub fn extended_share(channel_id: u32, sequence_number: u32) -> SubmitSharesExtended<'static> {
    let SubmitSharesStandard { job_id, nonce, ntime, version, .. } =
        standard_share(channel_id, sequence_number);
    let extranonce = B0_32::new(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce }
}

pub fn frame(message: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.append(&mut bytes).unwrap();
    bytes
}

/// The messages of a stream of whole frames.
pub fn messages(mut bytes: &[u8]) -> Vec<Message<'_>> {
    let mut messages = Vec::new();
    while let Some((frame, used)) = Frame::split(bytes, 1 << 20).unwrap() {
        messages.push(Message::parse(frame).unwrap().0);
        bytes = &bytes[used..];
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    messages
}

/// A server session and the test's end of its wire.
pub struct Wire {
    pub session: ServerSession,
    pub now: Now,
}

impl Wire {
    pub fn new(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new(Algorithm::SHA256D);
        configure(&mut config);
        let now = Now::default().plus(Duration::from_secs(1_000));
        Self { session: ServerSession::new(Arc::new(config), now), now }
    }

    /// A connection whose client has set it up.
    pub fn set_up(flags: u32) -> Self {
        Self::configured(flags, |_| {})
    }

    pub fn configured(flags: u32, configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut wire = Self::new(configure);
        wire.say(&SetupConnection { flags, ..setup() });
        let sent = wire.sent();
        assert!(matches!(messages(&sent)[..], [Message::SetupConnectionSuccess(_)]));
        wire
    }

    pub fn say(&mut self, message: &impl Encode) {
        self.try_say(message).unwrap();
    }

    pub fn try_say(&mut self, message: &impl Encode) -> Result<(), SessionError> {
        self.session.handle_input(&frame(message), self.now)
    }

    /// The bytes that the session sends.
    pub fn sent(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.session.poll_transmit()).flatten().collect()
    }

    pub fn events(&mut self) -> Vec<ServerEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    pub fn wait(&mut self, seconds: u64) -> Result<(), SessionError> {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.session.handle_timeout(self.now)
    }

    /// Allows every worker and opens every channel that is asked for, under prefixes that end with their numbers: four
    /// bytes, for standard channels twelve.
    pub fn serve(&mut self) -> Vec<ServerEvent> {
        let mut others = Vec::new();
        while let Some(event) = self.session.poll_event() {
            match event {
                ServerEvent::Authorize { worker, .. } => self.session.authorize(worker, true),
                ServerEvent::Subscribe { channel, wish, .. } => {
                    let prefix = prefix(
                        channel.0,
                        if wish.kind == otedama_stratum::ChannelKind::Standard { 12 } else { 4 },
                    );
                    self.session.open_channel(channel, prefix, TARGET);
                }
                other => others.push(other),
            }
        }
        others
    }

    /// A connection with these channels, from number 2 on.
    pub fn with(flags: u32, kinds: &[&dyn Fn(u32) -> Vec<u8>]) -> Self {
        let mut wire = Self::set_up(flags);
        for (request, open) in (0..).zip(kinds) {
            wire.session.handle_input(&open(request), wire.now).unwrap();
            assert_eq!(wire.serve(), []);
        }
        wire.sent();
        wire
    }

    pub fn submitted(&mut self) -> (Ticket, Share) {
        match self.session.poll_event() {
            Some(ServerEvent::Submit { ticket, share }) => (ticket, share),
            other => panic!("{other:?}"),
        }
    }

    /// Says a share and refuses it, and gives the code that the client is told.
    pub fn refusal(&mut self, message: &impl Encode, reject: Reject) -> String {
        self.say(message);
        let (ticket, _) = self.submitted();
        self.session.answer(ticket, Err(reject));
        self.code()
    }

    /// The code of the one error that was sent.
    pub fn code(&mut self) -> String {
        let sent = self.sent();
        match messages(&sent)[..] {
            [Message::SubmitSharesError(error)] => error.error_code.to_string(),
            [Message::OpenMiningChannelError(error)] => error.error_code.to_string(),
            [Message::UpdateChannelError(error)] => error.error_code.to_string(),
            [Message::SetupConnectionError(error)] => error.error_code.to_string(),
            [Message::SetCustomMiningJobError(error)] => error.error_code.to_string(),
            ref other => panic!("{other:?}"),
        }
    }
}

pub fn open_standard(request: u32) -> Vec<u8> {
    frame(&standard(request, "w"))
}

pub fn open_extended(request: u32) -> Vec<u8> {
    frame(&extended(request, "w"))
}

pub fn prefix(channel: u32, len: usize) -> Extranonce {
    Extranonce::from_counter(channel.into(), len).unwrap()
}

/// Terms of a channel that was opened by [`Wire::serve`].
pub fn terms(channel: u32, id: u32, standard: bool) -> Terms {
    Terms {
        channel: ChannelId(channel),
        id: JobId(id),
        share_target: TARGET,
        extranonce_prefix: prefix(channel, if standard { 12 } else { 4 }),
        extranonce2_len: if standard { 0 } else { 8 },
        version_mask: 0x1fff_ffe0,
    }
}

/// The body of Bitcoin's block 1, clean or not, with two hashes of merkle path.
pub fn body(clean: bool) -> JobBody {
    let mut body = super::block_one();
    let HeaderSource::Bitcoin(source) = &mut body.source else { panic!("made with a coinbase") };
    source.merkle_path = [Hash256::sha256d(b"a"), Hash256::sha256d(b"b")].into();
    body.clean = clean;
    body
}

pub fn encoded(clean: bool) -> EncodedJob {
    EncodedJob::new(&body(clean)).unwrap()
}

pub fn job(clean: bool, terms: Terms) -> Job {
    Job::new(Arc::new(body(clean)), terms)
}

pub const FIRST: WorkerId = WorkerId(0);
