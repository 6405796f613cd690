//! Sequences: a count, and as many elements back to back.

use core::fmt;

use super::error::{EncodeError, Fault, TooLong};
use super::wire::{Reader, Wire, Writer, width};

/// At most `MAX` elements behind their count; `MAX` is below 2^16. See [`Seq0_255`] and [`Seq0_64K`].
///
/// It borrows either values, to be written, or bytes that were read and are known to be sound; both look the same from
/// outside. Elements are made when they are asked for, so nothing is allocated however many there are.
pub struct Seq<'a, T, const MAX: usize> {
    source: Source<'a, T>,
}

/// At most 255 elements: merkle paths.
pub type Seq0_255<'a, T> = Seq<'a, T, 255>;
/// At most 65,535 elements: transactions and their ids.
pub type Seq0_64K<'a, T> = Seq<'a, T, 0xffff>;

enum Source<'a, T> {
    Values(&'a [T]),
    /// `count` elements and nothing else, proven by reading them once.
    Read {
        count: usize,
        bytes: &'a [u8],
    },
}

// Written out, since they need not the elements to be `Copy`, which is what `derive` would ask for.
impl<T> Copy for Source<'_, T> {}
impl<T> Clone for Source<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const MAX: usize> Copy for Seq<'_, T, MAX> {}
impl<T, const MAX: usize> Clone for Seq<'_, T, MAX> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T, const MAX: usize> Seq<'a, T, MAX> {
    /// No elements.
    pub const EMPTY: Self = Self { source: Source::Values(&[]) };

    /// These values, which are not copied.
    ///
    /// # Errors
    /// [`TooLong`] if there are more than `MAX`.
    pub const fn new(values: &'a [T]) -> Result<Self, TooLong> {
        if values.len() <= MAX {
            Ok(Self { source: Source::Values(values) })
        } else {
            Err(TooLong { len: values.len(), max: MAX })
        }
    }

    /// How many elements there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.source {
            Source::Values(values) => values.len(),
            Source::Read { count, .. } => count,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T: Wire<'a> + Clone, const MAX: usize> Seq<'a, T, MAX> {
    /// The elements from the first to the last.
    #[must_use]
    pub const fn iter(&self) -> SeqIter<'a, T> {
        SeqIter { source: self.source }
    }
}

impl<'a, T, const MAX: usize> TryFrom<&'a [T]> for Seq<'a, T, MAX> {
    type Error = TooLong;

    fn try_from(values: &'a [T]) -> Result<Self, TooLong> {
        Self::new(values)
    }
}

impl<'a, T: Wire<'a>, const MAX: usize> Wire<'a> for Seq<'a, T, MAX> {
    const SIZE: Option<usize> = None;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let count = reader.length(MAX)?;
        if count > MAX {
            return Err(TooLong { len: count, max: MAX }.into());
        }
        let all = reader.rest();
        let bytes = if let Some(size) = T::SIZE {
            reader.take(count.checked_mul(size).ok_or(Fault::Truncated)?)?
        } else {
            for _ in 0..count {
                T::read(reader)?;
            }
            all.get(..all.len() - reader.rest().len()).unwrap_or_default()
        };
        Ok(Self { source: Source::Read { count, bytes } })
    }

    #[inline]
    fn size(&self) -> usize {
        let elements = match (&self.source, T::SIZE) {
            (Source::Read { bytes, .. }, _) => bytes.len(),
            (Source::Values(values), Some(size)) => values.len().saturating_mul(size),
            (Source::Values(values), None) => {
                values.iter().fold(0, |sum: usize, value| sum.saturating_add(value.size()))
            }
        };
        width(MAX).saturating_add(elements)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.length(self.len(), MAX)?;
        match self.source {
            Source::Read { bytes, .. } => writer.put(bytes),
            Source::Values(values) => values.iter().try_for_each(|value| value.write(writer)),
        }
    }
}

impl<'a, T: Wire<'a> + Clone, const MAX: usize> IntoIterator for Seq<'a, T, MAX> {
    type Item = T;
    type IntoIter = SeqIter<'a, T>;

    fn into_iter(self) -> SeqIter<'a, T> {
        self.iter()
    }
}

/// Whether the elements are equal, wherever they are.
impl<'a, T: Wire<'a> + Clone + PartialEq, const MAX: usize> PartialEq for Seq<'a, T, MAX> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T, const MAX: usize> Default for Seq<'_, T, MAX> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a, T: Wire<'a> + Clone + fmt::Debug, const MAX: usize> fmt::Debug for Seq<'a, T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The elements of a [`Seq`].
pub struct SeqIter<'a, T> {
    source: Source<'a, T>,
}

impl<T> Clone for SeqIter<'_, T> {
    fn clone(&self) -> Self {
        Self { source: self.source }
    }
}

impl<'a, T: Wire<'a> + Clone> Iterator for SeqIter<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.source {
            Source::Values(values) => {
                let (first, rest) = values.split_first()?;
                *values = rest;
                Some(first.clone())
            }
            Source::Read { count, bytes } => {
                *count = count.checked_sub(1)?;
                let mut reader = Reader::new(bytes);
                // It was read before, so it can be read again.
                let element = T::read(&mut reader).ok()?;
                *bytes = reader.rest();
                Some(element)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match self.source {
            Source::Values(values) => values.len(),
            Source::Read { count, .. } => count,
        };
        (len, Some(len))
    }
}

impl<'a, T: Wire<'a> + Clone> ExactSizeIterator for SeqIter<'a, T> {}

impl<T> fmt::Debug for SeqIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeqIter").finish_non_exhaustive()
    }
}
