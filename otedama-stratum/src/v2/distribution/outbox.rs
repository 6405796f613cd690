//! Frames that wait to be sent.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::v2::Encode;

/// Small frames are pieces of their own; large ones are shared, not copied.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Bytes>,
    queued: usize,
}

impl Outbox {
    /// Queues a message that fits a frame; none of this protocol that can be made does not, but for transactions, which
    /// are encoded before.
    pub(super) fn message(&mut self, message: &impl Encode) {
        let mut frame = Vec::new();
        if message.append(&mut frame).is_ok() {
            self.share(frame.into());
        }
    }

    pub(super) fn share(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        self.pieces.push_back(bytes);
    }

    pub(super) fn take(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.queued -= piece.len();
        Some(piece)
    }

    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.queued
    }
}
