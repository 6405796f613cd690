//! How values go over the wire: little-endian, back to back, without padding.

use super::error::{EncodeError, Fault};

/// A data type of the protocol. `'a` is the buffer that it is read from and may point into.
///
/// Implement it for types of your own to use them in [`Seq`](super::Seq) and in messages of your own extensions. A value
/// that was read and written again need not give the same bytes (of a boolean only one bit counts), but has the same
/// size and means the same.
pub trait Wire<'a>: Sized {
    /// The bytes of every value, for types where all values have as many.
    const SIZE: Option<usize>;

    /// Takes a value off the front of the reader, which stands behind it afterwards.
    ///
    /// # Errors
    /// [`Fault`] if what is there is no such value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault>;

    /// The bytes that [`write`](Self::write) will write.
    fn size(&self) -> usize;

    /// Appends the value.
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`] if it does not fit.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;
}

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if there are fewer.
    #[inline]
    pub const fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Fault::Truncated),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if there are fewer.
    #[inline]
    pub const fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Fault::Truncated),
        }
    }

    /// A length or count, in the one, two or three bytes that suffice for `max`.
    #[inline]
    pub(super) fn length(&mut self, max: usize) -> Result<usize, Fault> {
        Ok(match width(max) {
            1 => usize::from(self.array::<1>()?[0]),
            2 => usize::from(u16::from_le_bytes(*self.array()?)),
            _ => {
                let [low, middle, high] = *self.array()?;
                usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16
            }
        })
    }
}

/// A buffer that is written from the front.
#[derive(Debug)]
pub struct Writer<'a> {
    room: &'a mut [u8],
}

impl<'a> Writer<'a> {
    /// Writes over these bytes.
    #[inline]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { room: out }
    }

    /// Bytes that still fit.
    #[must_use]
    #[inline]
    pub const fn room(&self) -> usize {
        self.room.len()
    }

    /// Appends these bytes.
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`] if they do not fit; then nothing is written, now or later.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let room = core::mem::take(&mut self.room);
        let error = EncodeError::NoRoom { needed: bytes.len(), room: room.len() };
        let (place, rest) = room.split_at_mut_checked(bytes.len()).ok_or(error)?;
        place.copy_from_slice(bytes);
        self.room = rest;
        Ok(())
    }

    /// Appends an array. The same as [`put`](Self::put), but the compiler sees how long it is.
    ///
    /// # Errors
    /// [`EncodeError::NoRoom`] if it does not fit; then nothing is written, now or later.
    #[inline]
    pub fn array<const N: usize>(&mut self, bytes: &[u8; N]) -> Result<(), EncodeError> {
        let room = core::mem::take(&mut self.room);
        let error = EncodeError::NoRoom { needed: N, room: room.len() };
        let (place, rest) = room.split_first_chunk_mut().ok_or(error)?;
        *place = *bytes;
        self.room = rest;
        Ok(())
    }

    /// Appends a length or count, in the bytes that suffice for `max`.
    #[inline]
    pub(super) fn length(&mut self, len: usize, max: usize) -> Result<(), EncodeError> {
        let bytes = len.to_le_bytes();
        match width(max) {
            1 => self.array(&[bytes[0]]),
            2 => self.array(&[bytes[0], bytes[1]]),
            _ => self.array(&[bytes[0], bytes[1], bytes[2]]),
        }
    }
}

/// The bytes of a length that is at most `max`.
#[inline]
pub(super) const fn width(max: usize) -> usize {
    match max {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 3,
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'a> Wire<'a> for $number {
            const SIZE: Option<usize> = Some(size_of::<Self>());

            #[inline]
            fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
                reader.array().map(|bytes| Self::from_le_bytes(*bytes))
            }

            #[inline]
            fn size(&self) -> usize {
                size_of::<Self>()
            }

            #[inline]
            fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                writer.array(&self.to_le_bytes())
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, f32);

/// BOOL: only bit 0 of the byte counts.
impl<'a> Wire<'a> for bool {
    const SIZE: Option<usize> = Some(1);

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        u8::read(reader).map(|byte| byte & 1 == 1)
    }

    #[inline]
    fn size(&self) -> usize {
        1
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.array(&[u8::from(*self)])
    }
}

/// Fixed bytes, such as MAC, PUBKEY and SIGNATURE.
impl<'a, const N: usize> Wire<'a> for [u8; N] {
    const SIZE: Option<usize> = Some(N);

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        reader.array().copied()
    }

    #[inline]
    fn size(&self) -> usize {
        N
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.array(self)
    }
}

/// OPTION: a count of 0 or 1, and as many values.
impl<'a, T: Wire<'a>> Wire<'a> for Option<T> {
    const SIZE: Option<usize> = None;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        match u8::read(reader)? {
            0 => Ok(None),
            1 => T::read(reader).map(Some),
            count => Err(Fault::Option(count)),
        }
    }

    #[inline]
    fn size(&self) -> usize {
        1 + self.as_ref().map_or(0, T::size)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            None => writer.array(&[0]),
            Some(value) => writer.array(&[1]).and_then(|()| value.write(writer)),
        }
    }
}
