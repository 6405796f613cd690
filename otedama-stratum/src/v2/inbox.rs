//! Cuts a stream of bytes into frames.

use alloc::vec::Vec;

use otedama_core::{Moment, Now};

use crate::v2::{Frame, FrameError, Header};

/// The part of a frame that came so far, never more than the limit and a header.
#[derive(Debug, Default)]
pub(in crate::v2) struct Inbox {
    partial: Vec<u8>,
    began: Option<Moment>,
}

/// A buffer that is larger than this is given back after its frame.
const KEEP: usize = 1024;

impl Inbox {
    /// Hands each whole frame to `each`. Whole frames within `bytes` are not copied.
    ///
    /// Stops at the first error.
    pub(in crate::v2) fn feed<E: From<FrameError>>(
        &mut self,
        mut bytes: &[u8],
        limit: usize,
        now: Now,
        mut each: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.partial.is_empty() {
            let missing = match self.partial.split_first_chunk() {
                None => Header::LEN - self.partial.len(),
                Some((header, rest)) => payload_len(header, limit)?.saturating_sub(rest.len()),
            };
            let (more, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(more);
            bytes = rest;
            match Frame::split(&self.partial, limit)? {
                Some((frame, _)) => each(frame)?,
                // A header without the rest of its frame.
                None if !bytes.is_empty() => continue,
                None => return Ok(()),
            }
            self.partial.clear();
            self.partial.shrink_to(KEEP);
            self.began = None;
        }
        while let Some((frame, used)) = Frame::split(bytes, limit)? {
            each(frame)?;
            bytes = bytes.get(used..).unwrap_or_default();
        }
        if !bytes.is_empty() {
            self.partial.extend_from_slice(bytes);
            self.began = Some(now.moment);
        }
        Ok(())
    }

    /// When the frame that is not yet whole began.
    pub(in crate::v2) const fn began(&self) -> Option<Moment> {
        self.began
    }
}

fn payload_len(header: &[u8; Header::LEN], limit: usize) -> Result<usize, FrameError> {
    let header = Header::decode(header);
    let len = usize::try_from(header.payload_len().get()).unwrap_or(usize::MAX);
    if len > limit { Err(FrameError::TooLong { kind: header.kind(), len, limit }) } else { Ok(len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const STREAM: &[u8] = b"\0\0\x01\0\0\0\0\x80\x1b\x02\0\0ab\x01\0\0\x01\0\0c\0\0";

    fn frames(chunks: &[&[u8]], limit: usize) -> Result<Vec<(u16, u8, Vec<u8>)>, FrameError> {
        let (mut inbox, mut out) = (Inbox::default(), Vec::new());
        for chunk in chunks {
            inbox.feed(chunk, limit, Now::default(), |frame| {
                out.push((frame.extension, frame.kind, frame.payload.to_vec()));
                Ok(())
            })?;
            assert!(inbox.partial.len() <= limit + Header::LEN);
            assert_eq!(inbox.began().is_none(), inbox.partial.is_empty());
        }
        Ok(out)
    }

    #[test]
    fn any_chopping_gives_the_same_frames() {
        let expected = vec![(0, 1, vec![]), (0, 0x1b, b"ab".to_vec()), (1, 0, b"c".to_vec())];
        for size in 1..=STREAM.len() {
            let chunks: Vec<_> = STREAM.chunks(size).collect();
            assert_eq!(frames(&chunks, 2), Ok(expected.clone()), "chunks of {size}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let error = Err(FrameError::TooLong { kind: 0x1b, len: 2, limit: 1 });
        for size in 1..=STREAM.len() {
            let chunks: Vec<_> = STREAM.chunks(size).collect();
            assert_eq!(frames(&chunks, 1), error, "chunks of {size}");
        }
    }
}
