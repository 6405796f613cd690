//! Template distribution: whoever has a node gives templates, whoever has a pool takes them (chapter 7 of the
//! specification).
//!
//! [`TemplateServer`] and [`TemplateClient`] are machines without a socket and without a clock, over plain frames; what
//! secures them lies below. The client says how much it will add to coinbases, and from then on the server sends
//! templates: one for a new tip comes as a future template and is begun by a [`SetNewPrevHash`], a better one for the
//! same tip begins at once. A client may ask for the transactions of a template, and hands in what it finds.
//!
//! ```
//! use otedama_core::Now;
//! use otedama_stratum::v2::distribution::{
//!     TemplateClient, TemplateClientConfig, TemplateOffer, TemplateServer, TemplateServerEvent,
//! };
//!
//! let now = Now::default();
//! let mut client = TemplateClient::new(TemplateClientConfig::new("node.example", 8442), now);
//! let mut server = TemplateServer::new(Default::default(), now);
//! while let Some(bytes) = client.poll_transmit() {
//!     server.handle_input(&bytes, now)?;
//!     while let Some(bytes) = server.poll_transmit() {
//!         client.handle_input(&bytes, now)?;
//!     }
//! }
//! let room = std::iter::from_fn(|| server.poll_event())
//!     .find(|event| matches!(event, TemplateServerEvent::Constraints(_)));
//! assert!(room.is_some() && server.is_ready() && client.is_ready());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`SetNewPrevHash`]: super::template::SetNewPrevHash

mod client;
mod error;
mod server;
#[cfg(test)]
mod tests;
mod values;

pub use client::{TemplateClient, TemplateClientConfig, TemplateClientEvent};
pub use error::{DistributionError, SendError};
pub use server::{TemplateServer, TemplateServerEvent};
pub use values::{EncodedTransactions, TemplateOffer, TemplateSolution, TemplateTransactions};
