//! Messages: the struct, the bytes, and which is which.

#[macro_use]
mod listing;
pub mod common;
pub mod declaration;
pub mod extension;
pub mod mining;
pub mod template;

use alloc::vec::Vec;

use super::error::{DecodeError, EncodeError};
use super::frame::{Frame, Header};
use super::tlv::{Tlv, Tlvs, WithTlvs};
use super::wire::Writer;

/// What can be written as a frame.
pub trait Encode {
    /// The header of the frame.
    ///
    /// # Errors
    /// [`EncodeError`] if the payload is too long for a frame, or the extension is none.
    fn header(&self) -> Result<Header, EncodeError>;

    /// Appends everything behind the header: as many bytes as the header says.
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`] if it does not fit.
    fn write_payload(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;

    /// The bytes of the whole frame. For values that fit no frame it is a number that fits none, either.
    fn encoded_len(&self) -> usize;

    /// Writes the frame to the beginning of the buffer, and says how many bytes it has. Allocates nothing.
    ///
    /// # Errors
    /// [`EncodeError`] if the buffer is too small or the message fits no frame; the buffer may be partly written.
    #[inline]
    fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let header = self.header()?;
        let (needed, room) = (self.encoded_len(), out.len());
        let out = out.get_mut(..needed).ok_or(EncodeError::NoRoom { needed, room })?;
        let mut writer = Writer::new(out);
        writer.array(&header.encode())?;
        self.write_payload(&mut writer)?;
        match writer.room() {
            0 => Ok(needed),
            missing => Err(EncodeError::Incomplete { missing }),
        }
    }

    /// Appends the frame to a vector.
    ///
    /// # Errors
    /// [`EncodeError`] if the message fits no frame; the vector is then as it was.
    fn append(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // Too long a message must not make the vector grow.
        self.header()?;
        let start = out.len();
        out.resize(start.saturating_add(self.encoded_len()), 0);
        let place = out.get_mut(start..).unwrap_or_default();
        self.encode(place).map(|_| ()).inspect_err(|_| out.truncate(start))
    }

    /// The message with these TLVs behind it, which must be in the order of their extensions.
    fn with<'t>(self, tlvs: &'t [Tlv<'t>]) -> WithTlvs<'t, Self>
    where
        Self: Sized,
    {
        WithTlvs::new(self, tlvs)
    }
}

/// A message as a struct with a place in the protocol. `'a` is the buffer that it borrows from.
pub trait Payload<'a>: Encode + Sized {
    /// Its name in the specification, without the dots.
    const NAME: &'static str;
    /// The extension that defines it; 0 for the protocol itself.
    const EXTENSION: u16;
    /// Its message type.
    const KIND: u8;
    /// Whether the channel bit is set when it is written. Nobody looks at it when it is read.
    const CHANNEL: bool;

    /// Reads a payload, and gives what is behind the message.
    ///
    /// # Errors
    /// [`DecodeError`] if the payload is no such message.
    fn decode(payload: &'a [u8]) -> Result<(Self, Tlvs<'a>), DecodeError>;
}

messages! {
    SetupConnection: common::SetupConnection<'a>,
    SetupConnectionSuccess: common::SetupConnectionSuccess,
    SetupConnectionError: common::SetupConnectionError<'a>,
    ChannelEndpointChanged: common::ChannelEndpointChanged,
    Reconnect: common::Reconnect<'a>,
    OpenStandardMiningChannel: mining::OpenStandardMiningChannel<'a>,
    OpenStandardMiningChannelSuccess: mining::OpenStandardMiningChannelSuccess<'a>,
    OpenMiningChannelError: mining::OpenMiningChannelError<'a>,
    OpenExtendedMiningChannel: mining::OpenExtendedMiningChannel<'a>,
    OpenExtendedMiningChannelSuccess: mining::OpenExtendedMiningChannelSuccess<'a>,
    NewMiningJob: mining::NewMiningJob,
    UpdateChannel: mining::UpdateChannel,
    UpdateChannelError: mining::UpdateChannelError<'a>,
    CloseChannel: mining::CloseChannel<'a>,
    SetExtranoncePrefix: mining::SetExtranoncePrefix<'a>,
    SubmitSharesStandard: mining::SubmitSharesStandard,
    SubmitSharesExtended: mining::SubmitSharesExtended<'a>,
    SubmitSharesSuccess: mining::SubmitSharesSuccess,
    SubmitSharesError: mining::SubmitSharesError<'a>,
    NewExtendedMiningJob: mining::NewExtendedMiningJob<'a>,
    SetNewPrevHash: mining::SetNewPrevHash,
    SetTarget: mining::SetTarget,
    SetCustomMiningJob: mining::SetCustomMiningJob<'a>,
    SetCustomMiningJobSuccess: mining::SetCustomMiningJobSuccess,
    SetCustomMiningJobError: mining::SetCustomMiningJobError<'a>,
    SetGroupChannel: mining::SetGroupChannel<'a>,
    AllocateMiningJobToken: declaration::AllocateMiningJobToken<'a>,
    AllocateMiningJobTokenSuccess: declaration::AllocateMiningJobTokenSuccess<'a>,
    ProvideMissingTransactions: declaration::ProvideMissingTransactions<'a>,
    ProvideMissingTransactionsSuccess: declaration::ProvideMissingTransactionsSuccess<'a>,
    DeclareMiningJob: declaration::DeclareMiningJob<'a>,
    DeclareMiningJobSuccess: declaration::DeclareMiningJobSuccess<'a>,
    DeclareMiningJobError: declaration::DeclareMiningJobError<'a>,
    PushSolution: declaration::PushSolution<'a>,
    CoinbaseOutputConstraints: template::CoinbaseOutputConstraints,
    NewTemplate: template::NewTemplate<'a>,
    TemplateSetNewPrevHash: template::SetNewPrevHash,
    RequestTransactionData: template::RequestTransactionData,
    RequestTransactionDataSuccess: template::RequestTransactionDataSuccess<'a>,
    RequestTransactionDataError: template::RequestTransactionDataError<'a>,
    SubmitSolution: template::SubmitSolution<'a>,
    RequestExtensions: extension::RequestExtensions<'a>,
    RequestExtensionsSuccess: extension::RequestExtensionsSuccess<'a>,
    RequestExtensionsError: extension::RequestExtensionsError<'a>,
}
