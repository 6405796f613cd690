//! What can be wrong with bytes, and with values that should become bytes.

/// A value is longer than its type can say. Whoever made the value is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} where at most {max} are allowed")]
#[non_exhaustive]
pub struct TooLong {
    /// How many bytes or elements there are.
    pub len: usize,
    /// How many the type can have.
    pub max: usize,
}

/// Why bytes are no frame. The peer is at fault, and since nothing says where the next frame begins, the connection is
/// of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The header announces more payload than the limit.
    #[error("a frame of kind {kind:#04x} announces {len} bytes, {limit} allowed")]
    TooLong {
        /// The message type of the frame.
        kind: u8,
        /// Bytes of payload that are announced.
        len: usize,
        /// Bytes of payload that the caller allows.
        limit: usize,
    },
}

/// Why a payload is not the message that its header says it is. The peer is at fault; the next frame may be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{message}, {field}: {fault}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The message, by its name in the specification without the dots.
    pub message: &'static str,
    /// The first field that is wrong.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The payload ends within the field or before it.
    #[error("the payload ends too soon")]
    Truncated,
    /// The field says that it is longer than its type allows.
    #[error("{0}")]
    TooLong(#[from] TooLong),
    /// An optional value that is neither there nor absent.
    #[error("an option of {0} values")]
    Option(u8),
}

/// Why a message was not written. The caller is at fault; the buffer may have been written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is too small.
    #[error("{needed} bytes do not fit into {room}")]
    NoRoom {
        /// Bytes to be written.
        needed: usize,
        /// Bytes that the buffer has.
        room: usize,
    },
    /// The payload is longer than a frame can say.
    #[error("payload of {0} bytes is longer than a frame")]
    Payload(usize),
    /// An extension number of more than 15 bits.
    #[error("extension number {0:#06x} has more than 15 bits")]
    Extension(u16),
    /// A type of the caller's own wrote fewer bytes than it had announced.
    #[error("{missing} bytes of the announced payload were not written")]
    Incomplete {
        /// How many fewer.
        missing: usize,
    },
}
