//! Stratum V2: frames and messages as bytes, without sockets, clock or allocation.
//!
//! Everything is borrowed: [`Frame::split`] cuts a frame off a buffer, [`Message::parse`] reads it, and the strings,
//! byte fields and sequences of a message point into the buffer. The other way, a message is a struct literal, and
//! [`Encode::encode`] writes its whole frame into a buffer of yours.
//!
//! ```
//! use otedama_stratum::v2::{B0_32, Encode, Frame, Message, mining::SubmitSharesExtended};
//!
//! let share = SubmitSharesExtended {
//!     channel_id: 2, sequence_number: 7, job_id: 1, nonce: 0x1234_5678, ntime: 1_700_000_000,
//!     version: 0x2000_0000, extranonce: B0_32::new(&[1, 2, 3, 4])?,
//! };
//! let mut buffer = [0; 64];
//! let len = share.encode(&mut buffer)?;
//! assert_eq!(len, share.encoded_len());
//!
//! let Some((frame, used)) = Frame::split(&buffer[..len], 1024)? else { return Ok(()) };
//! let (message, tlvs) = Message::parse(frame)?;
//! assert_eq!((message, tlvs.worker_name(), used), (share.into(), None, len));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An inspector of what goes over a connection:
//!
//! ```
//! use otedama_stratum::v2::{Frame, FrameError, Message};
//!
//! /// Shows every whole frame, and gives back what follows the last.
//! fn inspect(mut bytes: &[u8]) -> Result<&[u8], FrameError> {
//!     while let Some((frame, used)) = Frame::split(bytes, 1 << 20)? {
//!         match Message::parse(frame) {
//!             Ok((Message::Unknown(frame), _)) => println!("extension {}, kind {:#04x}", frame.extension, frame.kind),
//!             Ok((message, tlvs)) => println!("{message:?} with {} bytes of TLVs", tlvs.as_bytes().len()),
//!             Err(error) => println!("malformed: {error}"),
//!         }
//!         bytes = &bytes[used..];
//!     }
//!     Ok(bytes)
//! }
//! # assert_eq!(inspect(&[0, 0, 9, 0, 0, 0, 7]), Ok(&[7][..]));
//! ```
//!
//! It takes what the specification says to take: the channel bit is written as it should be and not looked at, only
//! bit 0 of a boolean counts, and what trails a message are [TLVs](Tlvs), known or not. What it does not know is
//! [`Message::Unknown`]. Sources: the Stratum V2 specification (`sv2-spec`, 2026-08), chapters 3 to 8, and its extensions
//! 0x0001 and 0x0002.

pub(crate) mod client;
mod code;
pub mod distribution;
mod error;
mod frame;
mod inbox;
mod message;
mod outbox;
#[cfg(test)]
mod sample;
mod seq;
pub(crate) mod server;
#[cfg(test)]
mod tests;
mod tlv;
mod types;
mod wire;

pub use code::Code;
pub use distribution::{TemplateClient, TemplateServer};
pub use error::{DecodeError, EncodeError, Fault, FrameError, TooLong};
pub use frame::{Frame, Header};
pub use message::{Encode, Message, Payload, common, declaration, extension, mining, template};
pub use seq::{Seq, Seq0_64K, Seq0_255, SeqIter};
pub use tlv::{Tlv, TlvError, Tlvs, WithTlvs};
pub use types::{B0_16M, B0_32, B0_64K, B0_255, Octets, Str0_255, U24, U256};
pub use wire::{Reader, Wire, Writer};
