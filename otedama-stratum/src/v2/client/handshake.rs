//! From the first word to the open channel.

use core::time::Duration;

use otedama_core::coinbase::MAX_EXTRANONCE;
use otedama_core::{Extranonce, HashRate, Moment, Target};

use super::{Channel, Client, Phase, write};
use crate::error::SessionError;
use crate::event::{ChannelKind, ClientEvent, Rejection};
use crate::limits::MAX_WORKER_NAME;
use crate::v2::common::{self, Protocol, SetupConnection, SetupConnectionSuccess};
use crate::v2::extension::{self, RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess};
use crate::v2::mining::{
    OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess, OpenMiningChannelError,
    OpenStandardMiningChannel, OpenStandardMiningChannelSuccess, UpdateChannel,
};
use crate::v2::{Code, Payload, Seq, Str0_255, U256};

/// The only request of a session.
const REQUEST: u32 = 1;
/// The request for extensions, whose numbers have 16 bits.
const EXTENSIONS: u16 = 1;
/// Version bits that Stratum V2 lets a miner roll (BIP 323).
const ROLLABLE: u32 = 0x1fff_ffe0;
/// What a client claims that says nothing about itself; what one thread of a processor does, about.
const HASH_RATE: f64 = 1e6;

impl Client {
    pub(super) fn greet(&mut self) {
        let config = &self.config;
        if config.login.user.len() > 255 {
            let message = "a user name has at most 255 bytes".into();
            return self.fail(SessionError::LoginRefused(Rejection { code: None, message }));
        }
        let (vendor, firmware) = config.agent.split_once('/').unwrap_or((&config.agent, ""));
        let (host, port) = config.endpoint.as_ref().map_or(("", 0), |(host, port)| (host.as_str(), *port));
        let message = SetupConnection {
            protocol: Protocol::MINING,
            min_version: common::VERSION,
            max_version: common::VERSION,
            // It takes jobs of both kinds, and where it may not roll the version it does without: it requires nothing.
            flags: 0,
            endpoint_host: Str0_255::truncated(host),
            endpoint_port: port,
            vendor: Str0_255::truncated(vendor),
            hardware_version: Str0_255::EMPTY,
            firmware: Str0_255::truncated(firmware),
            device_id: Str0_255::EMPTY,
        };
        write(&mut self.out, &message);
        self.check_output();
    }

    pub(super) fn set_up(&mut self, message: SetupConnectionSuccess, now: Moment) {
        if self.phase != Phase::Setup {
            return;
        }
        if message.used_version != common::VERSION {
            return self.bad(SetupConnectionSuccess::NAME);
        }
        if message.flags & common::REQUIRES_EXTENDED_CHANNELS != 0
            && self.config.channel == ChannelKind::Standard
        {
            let message = "the server opens no standard channels".into();
            return self.fail(SessionError::SetupRefused(Rejection { code: None, message }));
        }
        if message.flags & common::REQUIRES_FIXED_VERSION == 0 {
            self.mask = self.config.version_mask & ROLLABLE;
        }
        let name = self.config.worker_name.as_ref();
        if name.is_some_and(|name| (1..=MAX_WORKER_NAME).contains(&name.len())) {
            self.phase = Phase::Extensions(now.plus(self.config.limits.extensions));
            let Ok(requested_extensions) = Seq::new(&[extension::WORKER_NAMES]) else { return };
            self.send(&RequestExtensions { request_id: EXTENSIONS, requested_extensions });
        } else {
            self.open();
        }
    }

    /// Whenever it comes: a server that says so late will take names from then on.
    pub(super) fn extended(&mut self, message: &RequestExtensionsSuccess<'_>) {
        if message.request_id != EXTENSIONS || self.phase == Phase::Setup {
            return;
        }
        self.names = message.supported_extensions.iter().any(|number| number == extension::WORKER_NAMES);
        self.open_once();
    }

    pub(super) fn not_extended(&mut self, message: &RequestExtensionsError<'_>) {
        if message.request_id != EXTENSIONS || !matches!(self.phase, Phase::Extensions(_)) {
            return;
        }
        // What was asked for cannot be what was not.
        if let Some(number) = message.required_extensions.iter().next() {
            let message = alloc::format!("the server requires extension {number:#06x}");
            return self.fail(SessionError::SetupRefused(Rejection { code: None, message }));
        }
        self.open_once();
    }

    fn open_once(&mut self) {
        if matches!(self.phase, Phase::Extensions(_)) {
            self.open();
        }
    }

    /// Asks for the channel.
    pub(super) fn open(&mut self) {
        self.phase = Phase::Opening;
        let user_identity = Str0_255::truncated(&self.config.login.user);
        let (nominal_hash_rate, max_target) = (self.nominal_hash_rate(), self.max_target());
        match self.config.channel {
            ChannelKind::Standard => {
                let message = OpenStandardMiningChannel {
                    request_id: REQUEST,
                    user_identity,
                    nominal_hash_rate,
                    max_target,
                };
                write(&mut self.out, &message);
            }
            ChannelKind::Extended => {
                let message = OpenExtendedMiningChannel {
                    request_id: REQUEST,
                    user_identity,
                    nominal_hash_rate,
                    max_target,
                    min_extranonce_size: u16::try_from(self.config.extranonce2_len).unwrap_or(u16::MAX),
                };
                write(&mut self.out, &message);
            }
        }
        self.check_output();
    }

    /// Says the present hash rate, if there is a channel to say it of.
    pub(super) fn update(&mut self) {
        let Some(channel) = self.channel else { return };
        let (nominal_hash_rate, maximum_target) = (self.nominal_hash_rate(), self.max_target());
        self.send(&UpdateChannel { channel_id: channel.id, nominal_hash_rate, maximum_target });
    }

    /// What was configured, or what finds a share of the suggested target each second: servers refuse a channel whose
    /// largest target is harder than what they would give to its hash rate.
    fn nominal_hash_rate(&self) -> f32 {
        let suggested = self.config.suggested;
        let suggested = suggested.map(|target| HashRate::from_work(target.weight(), Duration::from_secs(1)));
        let rate = self.config.hash_rate.or(suggested).map_or(HASH_RATE, HashRate::hashes_per_second);
        #[expect(clippy::cast_possible_truncation, reason = "the wire has no more digits")]
        let rate = rate.min(f64::from(f32::MAX)) as f32;
        rate
    }

    fn max_target(&self) -> U256 {
        self.config.suggested.unwrap_or(Target::MAX).into()
    }

    pub(super) fn opened_standard(&mut self, message: &OpenStandardMiningChannelSuccess<'_>) {
        if message.request_id != REQUEST || self.config.channel != ChannelKind::Standard {
            return;
        }
        let Some(prefix) = Extranonce::new(message.extranonce_prefix.as_bytes()) else {
            return self.bad(OpenStandardMiningChannelSuccess::NAME);
        };
        let (id, group, target) = (message.channel_id, message.group_channel_id, message.target.into());
        self.opened(Channel { id, group, target, prefix, extranonce2_len: 0 });
    }

    pub(super) fn opened_extended(&mut self, message: &OpenExtendedMiningChannelSuccess<'_>) {
        if message.request_id != REQUEST || self.config.channel != ChannelKind::Extended {
            return;
        }
        let len = usize::from(message.extranonce_size);
        let prefix = Extranonce::new(message.extranonce_prefix.as_bytes());
        let prefix = prefix.filter(|prefix| len <= MAX_EXTRANONCE - prefix.len());
        let Some(prefix) = prefix.filter(|_| len >= self.config.extranonce2_len) else {
            return self.bad(OpenExtendedMiningChannelSuccess::NAME);
        };
        let (id, group, target) = (message.channel_id, message.group_channel_id, message.target.into());
        self.opened(Channel { id, group, target, prefix, extranonce2_len: len });
    }

    fn opened(&mut self, channel: Channel) {
        if self.phase == Phase::Opening {
            self.phase = Phase::Open;
            self.channel = Some(channel);
            self.event(ClientEvent::Ready);
        }
    }

    pub(super) fn not_opened(&mut self, message: &OpenMiningChannelError<'_>) {
        if message.request_id != REQUEST || self.phase != Phase::Opening {
            return;
        }
        let why = self.rejection(message.error_code);
        // No more than advice: the channel is refused in any case.
        let login =
            matches!(Code::parse(message.error_code), Some(Code::UnknownUser | Code::InvalidUserIdentity));
        self.fail(if login { SessionError::LoginRefused(why) } else { SessionError::SubscribeRefused(why) });
    }
}
