//! Cuts a stream of bytes into frames.

use alloc::vec::Vec;

use crate::error::SessionError;
use crate::v2::{Frame, FrameError, Header};

/// The part of a frame that came so far: never more than the limit and a header.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    partial: Vec<u8>,
}

/// A buffer that is larger than this is given back after its frame.
const KEEP: usize = 1024;

impl FrameReader {
    /// Hands each whole frame to `each`. Whole frames within `bytes` are not copied.
    ///
    /// Stops at the first error.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        limit: usize,
        mut each: impl FnMut(Frame<'_>) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            if self.partial.is_empty() {
                let Some((frame, used)) = split(bytes, limit)? else {
                    self.partial.extend_from_slice(bytes);
                    return Ok(());
                };
                bytes = bytes.get(used..).unwrap_or_default();
                each(frame)?;
            } else {
                let wanted = self.missing().min(bytes.len());
                let (head, rest) = bytes.split_at(wanted);
                bytes = rest;
                self.partial.extend_from_slice(head);
                if let Some((frame, _)) = split(&self.partial, limit)? {
                    each(frame)?;
                    self.partial.clear();
                    self.partial.shrink_to(KEEP);
                }
            }
        }
        Ok(())
    }

    /// Bytes up to the end of the header, or of the frame if the header is there. Above 0: a whole frame never stays.
    fn missing(&self) -> usize {
        let Some(header) = self.partial.first_chunk() else { return Header::LEN - self.partial.len() };
        let payload = usize::try_from(Header::decode(header).payload_len().get()).unwrap_or(usize::MAX);
        Header::LEN.saturating_add(payload) - self.partial.len()
    }
}

fn split(bytes: &[u8], limit: usize) -> Result<Option<(Frame<'_>, usize)>, SessionError> {
    Frame::split(bytes, limit).map_err(|error| match error {
        FrameError::TooLong { limit, .. } => SessionError::FrameTooLong { limit },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn frames(chunks: &[&[u8]], limit: usize) -> Result<Vec<(u8, usize)>, SessionError> {
        let (mut reader, mut out) = (FrameReader::default(), Vec::new());
        for chunk in chunks {
            reader.feed(chunk, limit, |frame| {
                out.push((frame.kind, frame.payload.len()));
                Ok(())
            })?;
            assert!(reader.partial.len() < limit + Header::LEN);
        }
        Ok(out)
    }

    #[test]
    fn any_chopping_gives_the_same_frames() {
        let stream = b"\0\0\x07\x03\0\0abc\0\0\x08\0\0\0\0\x80\x09\x01\0\0x\0\0\x0a";
        let expected = vec![(7, 3), (8, 0), (9, 1)];
        assert_eq!(frames(&[stream], 3), Ok(expected.clone()));
        for size in 1..stream.len() {
            let chunks: Vec<_> = stream.chunks(size).collect();
            assert_eq!(frames(&chunks, 3), Ok(expected.clone()), "chunks of {size}");
        }
    }

    #[test]
    fn too_long_a_frame_is_refused_with_its_header() {
        let stream = b"\0\0\x07\x03\0\0\0\0\x08\x04\0\0";
        let error = Err(SessionError::FrameTooLong { limit: 2 });
        for size in 1..stream.len() {
            let chunks: Vec<_> = stream.chunks(size).collect();
            assert_eq!(frames(&chunks, 2), error, "chunks of {size}");
        }
    }
}
