#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "net"))]
extern crate std;

mod client;
mod encoded;
mod error;
mod event;
pub mod limits;
mod login;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "noise")]
pub mod noise;
mod opening;
mod server;
pub mod testkit;
mod v1;
pub mod v2;

pub use bytes::Bytes;
pub use client::{ClientConfig, ClientSession, Numbers};
pub use encoded::EncodedJob;
pub use error::{EncodeError, Foreign, SessionError, SubmitError};
pub use event::{ChannelKind, ClientEvent, Refused, Rejection, ServerEvent, ShareId, Ticket, Wish};
pub use limits::{ClientLimits, Limits};
pub use login::Login;
pub use opening::Opening;
pub use server::{Protocol, ServerConfig, ServerSession};
