//! Cuts a stream of bytes into frames.

use alloc::vec::Vec;

use otedama_core::{Moment, Now};

use super::error::DistributionError;
use crate::limits::SPARE_FRAME;
use crate::v2::Frame;

/// The part of a frame that came so far.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    partial: Vec<u8>,
    began: Option<Moment>,
}

impl FrameReader {
    /// Hands each whole frame to `each`. Stops at the first error. Whole frames within `bytes` are not copied; of a frame
    /// that is not whole, no more is kept than its limit and what came with it.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        limit: usize,
        now: Now,
        mut each: impl FnMut(Frame<'_>) -> Result<(), DistributionError>,
    ) -> Result<(), DistributionError> {
        let mut partial = core::mem::take(&mut self.partial);
        let held = !partial.is_empty();
        if held {
            partial.extend_from_slice(bytes);
        }
        let all = if held { partial.as_slice() } else { bytes };
        let mut rest = all;
        while let Some((frame, used)) = Frame::split(rest, limit)? {
            each(frame)?;
            rest = rest.get(used..).unwrap_or_default();
        }
        let used = all.len() - rest.len();
        if used > 0 || !held {
            self.began = (!rest.is_empty()).then_some(now.moment);
        }
        if held {
            partial.drain(..used);
            partial.shrink_to(SPARE_FRAME);
        } else {
            partial.extend_from_slice(bytes.get(used..).unwrap_or_default());
        }
        self.partial = partial;
        Ok(())
    }

    /// When the frame that is not yet whole began.
    pub(super) const fn began(&self) -> Option<Moment> {
        self.began
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v2::FrameError;

    /// The kinds and lengths of the frames that come of bytes in such pieces.
    fn frames(bytes: &[u8], piece: usize, limit: usize) -> Result<Vec<(u8, usize)>, DistributionError> {
        let (mut reader, mut found) = (FrameReader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.feed(piece, limit, Now::default(), |frame| {
                found.push((frame.kind, frame.payload.len()));
                Ok(())
            })?;
            assert_eq!(reader.began().is_none(), reader.partial.is_empty());
        }
        Ok(found)
    }

    #[test]
    fn any_chopping_gives_the_same_frames() {
        let one = [0, 0, 7, 3, 0, 0, 1, 2, 3];
        let empty = [0, 0, 8, 0, 0, 0];
        let all = [&one[..], &empty, &one, &one[..8]].concat();
        for piece in 1..=all.len() {
            assert_eq!(frames(&all, piece, 3), Ok(Vec::from([(7, 3), (8, 0), (7, 3)])), "pieces of {piece}");
        }
    }

    #[test]
    fn the_limit_holds_at_the_header() {
        let header = [0, 0, 7, 4, 0, 0];
        let error = FrameError::TooLong { kind: 7, len: 4, limit: 3 };
        for piece in 1..=header.len() {
            assert_eq!(frames(&header, piece, 3), Err(error.into()));
        }
    }
}
