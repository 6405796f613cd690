//! Bytes that wait to be sent.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::v2::{Encode, EncodeError};

/// Small messages gather in one piece; shared encodings go out as pieces of their own, without a copy.
///
/// The piece that gathers is used again and again as long as those who take it let go of it.
#[derive(Debug, Default)]
pub(in crate::v2) struct Outbox {
    pieces: VecDeque<Bytes>,
    queued: usize,
    tail: BytesMut,
}

/// Room that is made at once, and the largest that is kept.
const ROOM: usize = 256;
const KEEP: usize = 4096;

impl Outbox {
    /// Sends a message.
    ///
    /// # Errors
    /// [`EncodeError`] if it fits no frame; nothing is sent then.
    pub(in crate::v2) fn put(&mut self, message: &impl Encode) -> Result<(), EncodeError> {
        // Too long a message must not make the buffer grow.
        message.header()?;
        let start = self.tail.len();
        let needed = message.encoded_len();
        if self.tail.capacity() - start < needed {
            self.tail.reserve(needed.max(ROOM));
        }
        self.tail.resize(start + needed, 0);
        let place = self.tail.get_mut(start..).unwrap_or_default();
        message.encode(place).map(|_| ()).inspect_err(|_| self.tail.truncate(start))
    }

    /// Sends a message that fits a frame whatever it says.
    pub(in crate::v2) fn message(&mut self, message: &impl Encode) {
        let _ = self.put(message);
    }

    /// Sends the beginning of a message whose rest is shared.
    pub(in crate::v2) fn put_head(&mut self, head: &[u8], rest: Bytes) {
        self.tail.extend_from_slice(head);
        self.share(rest);
    }

    /// Sends whole messages that are shared.
    pub(in crate::v2) fn share(&mut self, frames: Bytes) {
        self.seal();
        self.queued += frames.len();
        self.pieces.push_back(frames);
    }

    /// The next piece to send.
    pub(in crate::v2) fn take(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.seal();
        }
        let piece = self.pieces.pop_front()?;
        self.queued -= piece.len();
        Some(piece)
    }

    /// Bytes that wait.
    pub(in crate::v2) fn len(&self) -> usize {
        self.queued + self.tail.len()
    }

    fn seal(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let piece = self.tail.split().freeze();
        if piece.len() > KEEP {
            self.tail = BytesMut::new();
        }
        self.queued += piece.len();
        self.pieces.push_back(piece);
    }
}
