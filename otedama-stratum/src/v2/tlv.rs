//! What extensions append to messages: type, length, value.

use super::error::EncodeError;
use super::frame::Header;
use super::message::Encode;
use super::types::{B0_64K, Octets};
use super::wire::{Wire, Writer};
use crate::limits::MAX_WORKER_NAME;

/// Bytes before the value: extension, field and length.
const HEAD: usize = 5;
/// Extension 0x0002, and its only field.
const WORKER_NAME: (u16, u8) = (2, 1);
/// The same the other way round, up to the high byte of the length.
const WORKER_NAME_BE: [u8; 4] = [0, 2, 1, 0];

/// A value that an extension appends to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The extension that defines it.
    pub extension: u16,
    /// Which of the values of that extension it is.
    pub field: u8,
    /// The value; what it means is the extension's affair.
    pub value: B0_64K<'a>,
}

/// Why bytes are no TLV, or a value cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlvError {
    /// The bytes behind a message end within a TLV. The peer is at fault.
    #[error("{0} bytes behind a message are no TLV")]
    Malformed(usize),
    /// A worker name that is empty or has more than 32 bytes. The caller is at fault.
    #[error("a worker name of {0} bytes, 1 to 32 are allowed")]
    WorkerName(usize),
}

impl<'a> Tlv<'a> {
    /// The name of the worker that found a share: extension 0x0002, field 1, 1 to 32 bytes.
    ///
    /// To be appended to every `SubmitSharesExtended` where that extension was negotiated, and nowhere else.
    ///
    /// # Errors
    /// [`TlvError::WorkerName`] if the name is empty or too long.
    pub const fn worker_name(name: &'a str) -> Result<Self, TlvError> {
        match Octets::new(name.as_bytes()) {
            Ok(value) if !name.is_empty() && name.len() <= MAX_WORKER_NAME => {
                Ok(Self { extension: WORKER_NAME.0, field: WORKER_NAME.1, value })
            }
            _ => Err(TlvError::WorkerName(name.len())),
        }
    }

    fn size(&self) -> usize {
        // Extension and field; the length belongs to the value.
        3 + self.value.size()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.extension.write(writer)?;
        self.field.write(writer)?;
        self.value.write(writer)
    }
}

/// The bytes behind a message, and an iterator over the TLVs that they are.
///
/// Numbers are little-endian, as deployed peers write them. The specification's own examples of extension 0x0002 are
/// big-endian, so a worker name in that form is taken, too, where the bytes cannot be a little-endian TLV. Bytes that are
/// no TLV give one error, and then the iterator ends; who did not negotiate an extension need not look at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    #[inline]
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that were not iterated over yet.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The first value of this extension and field, if there is one before the first error.
    #[must_use]
    pub fn find(self, extension: u16, field: u8) -> Option<B0_64K<'a>> {
        let mut sound = self.map_while(Result::ok);
        sound.find(|tlv| (tlv.extension, tlv.field) == (extension, field)).map(|tlv| tlv.value)
    }

    /// The worker name of extension 0x0002, if there is one of 1 to 32 bytes of UTF-8.
    #[must_use]
    pub fn worker_name(self) -> Option<&'a str> {
        let name = self.find(WORKER_NAME.0, WORKER_NAME.1)?.as_bytes();
        let name = str::from_utf8(name).ok()?;
        (1..=MAX_WORKER_NAME).contains(&name.len()).then_some(name)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = first(self.rest);
        self.rest = found.map_or(&[], |(_, rest)| rest);
        Some(found.map(|(tlv, _)| tlv))
    }
}

/// The first TLV, and what is behind it.
fn first(bytes: &[u8]) -> Result<(Tlv<'_>, &[u8]), TlvError> {
    let malformed = TlvError::Malformed(bytes.len());
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(malformed)?;
    let [low, high, field, len @ ..] = *head;
    let little = Tlv::cut(u16::from_le_bytes([low, high]), field, u16::from_le_bytes(len), rest);
    let big = || {
        let worker = head.starts_with(&WORKER_NAME_BE) && usize::from(len[1]) <= MAX_WORKER_NAME;
        worker.then(|| Tlv::cut(WORKER_NAME.0, WORKER_NAME.1, len[1].into(), rest))?
    };
    little.or_else(big).ok_or(malformed)
}

impl<'a> Tlv<'a> {
    fn cut(extension: u16, field: u8, len: u16, rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (value, rest) = rest.split_at_checked(len.into())?;
        Some((Self { extension, field, value: Octets::new(value).ok()? }, rest))
    }
}

/// A message with TLVs behind it, made by [`Encode::with`].
#[derive(Clone, Copy, Debug)]
pub struct WithTlvs<'t, M> {
    message: M,
    tlvs: &'t [Tlv<'t>],
}

impl<'t, M> WithTlvs<'t, M> {
    #[inline]
    pub(super) const fn new(message: M, tlvs: &'t [Tlv<'t>]) -> Self {
        Self { message, tlvs }
    }
}

impl<M: Encode> Encode for WithTlvs<'_, M> {
    fn header(&self) -> Result<Header, EncodeError> {
        let header = self.message.header()?;
        let len = self.encoded_len() - Header::LEN;
        Header::new(header.extension(), header.is_channel(), header.kind(), len)
    }

    fn write_payload(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.message.write_payload(writer)?;
        self.tlvs.iter().try_for_each(|tlv| tlv.write(writer))
    }

    fn encoded_len(&self) -> usize {
        let tlvs = self.tlvs.iter().map(Tlv::size);
        tlvs.fold(self.message.encoded_len(), usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn all(bytes: &[u8]) -> Vec<Result<Tlv<'_>, TlvError>> {
        Tlvs::new(bytes).collect()
    }

    fn tlv(extension: u16, field: u8, value: &[u8]) -> Result<Tlv<'_>, TlvError> {
        Ok(Tlv { extension, field, value: Octets::new(value).unwrap() })
    }

    #[test]
    fn both_byte_orders_of_a_worker_name_are_read() {
        let little = b"\x02\x00\x01\x0a\x00Worker_001";
        let big = b"\x00\x02\x01\x00\x0aWorker_001";
        assert_eq!(all(little), [tlv(2, 1, b"Worker_001")]);
        assert_eq!(all(big), all(little));
        assert_eq!(Tlvs::new(big).worker_name(), Some("Worker_001"));
        let twice = [&big[..], little].concat();
        assert_eq!(all(&twice).len(), 2);
    }

    #[test]
    fn other_extensions_are_little_endian_only() {
        let two = b"\x03\x40\x07\x01\x00z\x02\x00\x01\x01\x00w";
        assert_eq!(all(two), [tlv(0x4003, 7, b"z"), tlv(2, 1, b"w")]);
        assert_eq!(all(b"\x00\x03\x01\x00\x01z"), [Err(TlvError::Malformed(6))]);
        // Long enough to be what it says in little-endian.
        let mut long = b"\x00\x02\x01\x00\x01".to_vec();
        long.resize(HEAD + 256, 0);
        assert_eq!(all(&long), [tlv(0x200, 1, &[0; 256])]);
    }

    #[test]
    fn what_is_no_tlv_is_one_error() {
        assert_eq!(all(b""), []);
        for end in 1..HEAD + 3 {
            let expected = [Err(TlvError::Malformed(end))];
            assert_eq!(all(&b"\x02\x00\x01\x03\x00abc"[..end]), expected);
        }
        assert_eq!(Tlvs::new(b"\x02\x00\x01\x00\x00").worker_name(), None);
        assert_eq!(Tlvs::new(b"\x02\x00\x01\x01\x00\xff").worker_name(), None);
    }

    #[test]
    fn worker_names_have_1_to_32_bytes() {
        let name = "0123456789abcdef0123456789abcdef";
        assert_eq!(Tlv::worker_name(name).map(|tlv| tlv.value.as_bytes()), Ok(name.as_bytes()));
        assert_eq!(Tlv::worker_name(""), Err(TlvError::WorkerName(0)));
        assert_eq!(Tlv::worker_name("0123456789abcdef0123456789abcdefg"), Err(TlvError::WorkerName(33)));
    }
}
