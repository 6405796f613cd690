//! Messages that every Stratum V2 connection begins with, whatever it is for (chapter 3.6 of the specification).

use crate::v2::{Str0_255, Wire};

/// The protocol that a connection is for: one byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Mining: channels, jobs and shares.
    pub const MINING: Self = Self(0);
    /// Job declaration: miners that choose transactions.
    pub const JOB_DECLARATION: Self = Self(1);
    /// Template distribution: templates of a node.
    pub const TEMPLATE_DISTRIBUTION: Self = Self(2);
}

/// The version of the protocol that there is.
pub const VERSION: u16 = 2;

/// Flags of a mining client in [`SetupConnection`]: it only takes standard jobs, so it cannot be in a group.
pub const REQUIRES_STANDARD_JOBS: u32 = 1;
/// Flags of a mining client in [`SetupConnection`]: it will send jobs of its own.
pub const REQUIRES_WORK_SELECTION: u32 = 1 << 1;
/// Flags of a mining client in [`SetupConnection`]: it rolls version bits.
pub const REQUIRES_VERSION_ROLLING: u32 = 1 << 2;
/// Flags of a mining server in [`SetupConnectionSuccess`]: it takes no other version than that of the job.
pub const REQUIRES_FIXED_VERSION: u32 = 1;
/// Flags of a mining server in [`SetupConnectionSuccess`]: it opens no standard channels.
pub const REQUIRES_EXTENDED_CHANNELS: u32 = 1 << 1;
/// Flags of a job declaration client in [`SetupConnection`]: it will declare whole templates.
pub const DECLARE_TX_DATA: u32 = 1;

message! {
    /// The first message of a client. Nothing else may be said before the answer.
    SetupConnection<'a>, 0 0x00, {
        /// What the connection is for.
        protocol: Protocol,
        /// The oldest version that the client speaks; 2.
        min_version: u16,
        /// The newest version that the client speaks; 2.
        max_version: u16,
        /// What the client needs, by the protocol.
        flags: u32,
        /// The host that the client believes to speak to.
        endpoint_host: Str0_255<'a>,
        /// The port that the client believes to speak to.
        endpoint_port: u16,
        /// Who made the device.
        vendor: Str0_255<'a>,
        /// The device's model.
        hardware_version: Str0_255<'a>,
        /// Name and version of the software.
        firmware: Str0_255<'a>,
        /// What the vendor tells devices apart by.
        device_id: Str0_255<'a>,
    }

    /// The server takes the connection. Its extension number must be exactly 0 on the wire, which it is.
    SetupConnectionSuccess, 0 0x01, {
        /// The version that both speak from now on.
        used_version: u16,
        /// What the server needs, by the protocol.
        flags: u32,
    }

    /// The server refuses the connection.
    SetupConnectionError<'a>, 0 0x02, {
        /// The client's flags that the server does not support; 0 if it is something else.
        flags: u32,
        /// Why.
        error_code: Str0_255<'a>,
    }

    /// The server of a channel behind a proxy has changed, and with it everything that was negotiated about the channel.
    ChannelEndpointChanged, 0 0x03 channel, {
        /// The channel.
        channel_id: u32,
    }

    /// The server asks the client to connect elsewhere, where the same authority must vouch for the server.
    Reconnect<'a>, 0 0x04, {
        /// The host; empty for the same.
        new_host: Str0_255<'a>,
        /// The port; 0 for the same.
        new_port: u16,
    }
}

impl<'a> Wire<'a> for Protocol {
    const SIZE: Option<usize> = Some(1);

    #[inline]
    fn read(reader: &mut crate::v2::Reader<'a>) -> Result<Self, crate::v2::Fault> {
        u8::read(reader).map(Self)
    }

    #[inline]
    fn size(&self) -> usize {
        1
    }

    #[inline]
    fn write(&self, writer: &mut crate::v2::Writer<'_>) -> Result<(), crate::v2::EncodeError> {
        self.0.write(writer)
    }
}

impl core::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::MINING => f.write_str("MINING"),
            Self::JOB_DECLARATION => f.write_str("JOB_DECLARATION"),
            Self::TEMPLATE_DISTRIBUTION => f.write_str("TEMPLATE_DISTRIBUTION"),
            Self(other) => write!(f, "Protocol({other})"),
        }
    }
}
