//! The data types of the protocol that Rust has no name for.

use core::fmt;

use otedama_core::{Hash256, Target};

use super::error::{EncodeError, Fault, TooLong};
use super::wire::{Reader, Wire, Writer, width};

/// U24: a number below 2^24, in three bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct U24(u32);

impl U24 {
    /// The largest: 16,777,215.
    pub const MAX: Self = Self(0xff_ffff);

    /// The number, if it is small enough.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// From its three bytes on the wire.
    #[must_use]
    #[inline]
    pub const fn from_le_bytes([low, middle, high]: [u8; 3]) -> Self {
        Self(u32::from_le_bytes([low, middle, high, 0]))
    }

    /// As the three bytes of the wire.
    #[must_use]
    #[inline]
    pub const fn to_le_bytes(self) -> [u8; 3] {
        let [low, middle, high, _] = self.0.to_le_bytes();
        [low, middle, high]
    }
}

impl<'a> Wire<'a> for U24 {
    const SIZE: Option<usize> = Some(3);

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        reader.array().map(|bytes| Self::from_le_bytes(*bytes))
    }

    #[inline]
    fn size(&self) -> usize {
        3
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.array(&self.to_le_bytes())
    }
}

/// U256: a target or a hash as its 32 bytes on the wire, the least significant first.
///
/// A hash is in the order in which SHA-256d writes it, which is [`Hash256`]'s internal order. Shown as hex in the order of
/// the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct U256(pub [u8; 32]);

impl<'a> Wire<'a> for U256 {
    const SIZE: Option<usize> = Some(32);

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        reader.array().map(|bytes| Self(*bytes))
    }

    #[inline]
    fn size(&self) -> usize {
        32
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.array(&self.0)
    }
}

impl fmt::Debug for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl From<Hash256> for U256 {
    fn from(hash: Hash256) -> Self {
        Self(*hash.as_internal())
    }
}

impl From<U256> for Hash256 {
    fn from(bytes: U256) -> Self {
        Self::from_internal(bytes.0)
    }
}

impl From<Target> for U256 {
    fn from(target: Target) -> Self {
        Self(target.to_le_bytes())
    }
}

impl From<U256> for Target {
    fn from(bytes: U256) -> Self {
        Self::from_le_bytes(bytes.0)
    }
}

/// At most `MAX` bytes behind their length; `MAX` is below 2^24. See [`B0_32`], [`B0_255`], [`B0_64K`], [`B0_16M`].
///
/// The length takes one, two or three bytes on the wire, as few as suffice for `MAX`. Shown as hex, cut behind 64 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets<'a, const MAX: usize>(&'a [u8]);

/// At most 32 bytes: extranonces.
pub type B0_32<'a> = Octets<'a, 32>;
/// At most 255 bytes: tokens.
pub type B0_255<'a> = Octets<'a, 255>;
/// At most 65,535 bytes: parts of a coinbase.
pub type B0_64K<'a> = Octets<'a, 0xffff>;
/// At most 16,777,215 bytes: transactions.
pub type B0_16M<'a> = Octets<'a, 0xff_ffff>;

impl<'a, const MAX: usize> Octets<'a, MAX> {
    /// No bytes.
    pub const EMPTY: Self = Self(&[]);

    /// These bytes, which are not copied.
    ///
    /// # Errors
    /// [`TooLong`] if there are more than `MAX`.
    pub const fn new(bytes: &'a [u8]) -> Result<Self, TooLong> {
        if bytes.len() <= MAX { Ok(Self(bytes)) } else { Err(TooLong { len: bytes.len(), max: MAX }) }
    }

    /// The bytes, without their length.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a, const MAX: usize> TryFrom<&'a [u8]> for Octets<'a, MAX> {
    type Error = TooLong;

    fn try_from(bytes: &'a [u8]) -> Result<Self, TooLong> {
        Self::new(bytes)
    }
}

impl<'a, const MAX: usize> Wire<'a> for Octets<'a, MAX> {
    const SIZE: Option<usize> = None;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let len = reader.length(MAX)?;
        if len > MAX {
            return Err(TooLong { len, max: MAX }.into());
        }
        reader.take(len).map(Self)
    }

    #[inline]
    fn size(&self) -> usize {
        width(MAX) + self.0.len()
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.length(self.0.len(), MAX)?;
        writer.put(self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Octets<'_, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        match self.0.get(..SHOWN) {
            Some(start) if self.0.len() > SHOWN => {
                hex(start, f)?;
                write!(f, "… ({} bytes)", self.0.len())
            }
            _ => hex(self.0, f),
        }
    }
}

/// STR0_255: a text of at most 255 bytes. The peer may have sent any bytes; UTF-8 is only recommended.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str0_255<'a>(B0_255<'a>);

impl<'a> Str0_255<'a> {
    /// No text.
    pub const EMPTY: Self = Self(Octets::EMPTY);

    /// This text, which is not copied.
    ///
    /// # Errors
    /// [`TooLong`] if it has more than 255 bytes.
    pub const fn new(text: &'a str) -> Result<Self, TooLong> {
        match Octets::new(text.as_bytes()) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) => Err(error),
        }
    }

    /// As much of the text as fits without cutting a character.
    #[must_use]
    pub fn truncated(text: &'a str) -> Self {
        let cut = (0..=text.len().min(255)).rev().find_map(|len| text.get(..len));
        Self(Octets(cut.unwrap_or_default().as_bytes()))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub const fn to_str(&self) -> Option<&'a str> {
        match str::from_utf8(self.as_bytes()) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    }
}

impl<'a> TryFrom<&'a str> for Str0_255<'a> {
    type Error = TooLong;

    fn try_from(text: &'a str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

/// Any bytes that are no longer than the text may be.
impl<'a> From<B0_255<'a>> for Str0_255<'a> {
    fn from(bytes: B0_255<'a>) -> Self {
        Self(bytes)
    }
}

impl<'a> Wire<'a> for Str0_255<'a> {
    const SIZE: Option<usize> = None;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Octets::read(reader).map(Self)
    }

    #[inline]
    fn size(&self) -> usize {
        self.0.size()
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.0.write(writer)
    }
}

/// The text; replacement characters where it is not UTF-8. Control characters are shown as they are.
impl fmt::Display for Str0_255<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

/// The text between quotation marks; what is not printable ASCII is escaped.
impl fmt::Debug for Str0_255<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
