//! Bytes that wait to be sent.

use alloc::collections::VecDeque;
use alloc::string::String;

use bytes::Bytes;

/// Small messages gather in one piece; shared encodings go out as pieces of their own, without a copy.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    queued: usize,
    tail: String,
}

/// Bytes that a piece has room for without being moved: a few answers to shares.
const ROOM: usize = 192;

impl Outbox {
    /// Where to write the next message.
    pub(crate) fn tail(&mut self) -> &mut String {
        if self.tail.capacity() == 0 {
            self.tail.reserve(ROOM);
        }
        &mut self.tail
    }

    /// Sends bytes that others share.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        self.seal();
        self.queued += bytes.len();
        self.pieces.push_back(bytes);
    }

    /// The next piece to send.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.seal();
        }
        let piece = self.pieces.pop_front()?;
        self.queued -= piece.len();
        Some(piece)
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.queued + self.tail.len()
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let tail = Bytes::from(core::mem::take(&mut self.tail).into_bytes());
            self.queued += tail.len();
            self.pieces.push_back(tail);
        }
    }
}
