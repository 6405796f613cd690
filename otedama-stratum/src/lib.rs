#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod encoded;
mod error;
mod event;
pub mod limits;
mod login;
mod server;
mod v1;

pub use bytes::Bytes;
pub use encoded::EncodedJob;
pub use error::{EncodeError, Foreign, SessionError};
pub use event::{Refused, ServerEvent, Ticket};
pub use limits::Limits;
pub use login::Login;
pub use server::{ServerConfig, ServerSession};
