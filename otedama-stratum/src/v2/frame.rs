//! Frames: six bytes of header, and the payload.

use super::error::{EncodeError, FrameError};
use super::message::Encode;
use super::types::U24;
use super::wire::Writer;

/// The first six bytes of a frame: extension number with the channel bit, message type, length of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    extension: u16,
    kind: u8,
    len: U24,
}

/// Bit 15 of the extension's field.
const CHANNEL: u16 = 0x8000;

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 6;

    /// A header for a payload of this many bytes.
    ///
    /// # Errors
    /// [`EncodeError`] if the extension has more than 15 bits or the payload more than 2^24 - 1 bytes.
    #[inline]
    pub fn new(extension: u16, channel: bool, kind: u8, payload_len: usize) -> Result<Self, EncodeError> {
        if extension & CHANNEL != 0 {
            return Err(EncodeError::Extension(extension));
        }
        let len = u32::try_from(payload_len).ok().and_then(U24::new);
        let len = len.ok_or(EncodeError::Payload(payload_len))?;
        let extension = if channel { extension | CHANNEL } else { extension };
        Ok(Self { extension, kind, len })
    }

    /// Reads a header. Every six bytes are one.
    #[must_use]
    #[inline]
    pub const fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [low, high, kind, len @ ..] = *bytes;
        Self { extension: u16::from_le_bytes([low, high]), kind, len: U24::from_le_bytes(len) }
    }

    /// The header as bytes.
    #[must_use]
    #[inline]
    pub const fn encode(self) -> [u8; Self::LEN] {
        let [low, high] = self.extension.to_le_bytes();
        let [first, second, third] = self.len.to_le_bytes();
        [low, high, self.kind, first, second, third]
    }

    /// The extension that the message type belongs to, without the channel bit; 0 for the protocol itself.
    #[must_use]
    #[inline]
    pub const fn extension(self) -> u16 {
        self.extension & !CHANNEL
    }

    /// The channel bit: the payload begins with a channel id. Peers are known to leave it off.
    #[must_use]
    #[inline]
    pub const fn is_channel(self) -> bool {
        self.extension & CHANNEL != 0
    }

    /// The message type.
    #[must_use]
    #[inline]
    pub const fn kind(self) -> u8 {
        self.kind
    }

    /// Bytes of payload behind the header, before encryption.
    #[must_use]
    #[inline]
    pub const fn payload_len(self) -> U24 {
        self.len
    }
}

/// A frame in a buffer: what any message is before it is known which.
///
/// To forward a frame that is not understood, [`encode`](Encode::encode) it; all that it says is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The extension that `kind` belongs to, 15 bits; 0 for the protocol itself.
    pub extension: u16,
    /// Whether the payload begins with a channel id, by the word of the sender.
    pub channel: bool,
    /// The message type.
    pub kind: u8,
    /// Everything behind the header, at most 2^24 - 1 bytes.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Cuts the first frame off the bytes of a stream, and says how many bytes it took; `None` if more must come.
    ///
    /// Memory is the caller's: with bytes kept until a frame is whole, they never exceed `limit` + [`Header::LEN`].
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as the header announces more than `limit` bytes of payload.
    #[inline]
    pub fn split(bytes: &'a [u8], limit: usize) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((header, rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let header = Header::decode(header);
        let len = usize::try_from(header.len.get()).unwrap_or(usize::MAX);
        if len > limit {
            return Err(FrameError::TooLong { kind: header.kind, len, limit });
        }
        Ok(rest.get(..len).map(|payload| (Self::new(header, payload), Header::LEN + len)))
    }

    #[inline]
    const fn new(header: Header, payload: &'a [u8]) -> Self {
        Self { extension: header.extension(), channel: header.is_channel(), kind: header.kind, payload }
    }
}

impl Encode for Frame<'_> {
    #[inline]
    fn header(&self) -> Result<Header, EncodeError> {
        Header::new(self.extension, self.channel, self.kind, self.payload.len())
    }

    #[inline]
    fn write_payload(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.put(self.payload)
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        Header::LEN.saturating_add(self.payload.len())
    }
}
