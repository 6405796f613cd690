//! Noise, as it secures Stratum V2: keys, certificates, the handshake and the sealed transport. Feature `noise`.
//!
//! It is a layer of its own between socket and session. Bytes of the socket go into a [`Stream`], whole plain frames
//! come out of it, and the other way round; a session never knows. There is no socket, no clock and no randomness
//! here: time and seeds are arguments. A seed must come from a source fit for keys and serve once.
//!
//! The protocol is `Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256` (Stratum V2 specification, chapter 4): the server
//! shows a static key and a certificate for it, signed by the pool's authority, whose key the miner has from the URL.
//! Both are made once, as an [`Identity`], and serve all connections until the certificate expires.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use otedama_core::{Moment, Now, UnixTime};
//! use otedama_stratum::limits::NoiseLimits;
//! use otedama_stratum::noise::{AuthoritySecret, Identity, Stream};
//!
//! // The pool's side, once. Its seeds come from the system's source of randomness.
//! let now = Now::new(Moment::ORIGIN, UnixTime::from_secs(1_700_000_000));
//! let authority = AuthoritySecret::from_seed(&[1; 32]);
//! let identity = Arc::new(Identity::issue(&authority, now.unix, Duration::from_secs(86_400), &[2; 32]));
//!
//! // A connection. The miner knows the authority's key, as text in its URL.
//! let key = authority.public().to_string().parse()?;
//! let mut pool = Stream::responder(identity, [3; 32], NoiseLimits::default(), now);
//! let mut miner = Stream::initiator(Some(key), [4; 32], NoiseLimits::default(), now);
//!
//! // A frame may be sent at once; it waits until the handshake is done.
//! let frame = [0, 0, 1, 3, 0, 0, 2, 0, 0];
//! miner.send(&frame)?;
//! while let Some(bytes) = miner.poll_transmit() {
//!     pool.handle_input(&bytes, now)?;
//!     while let Some(bytes) = pool.poll_transmit() {
//!         miner.handle_input(&bytes, now)?;
//!     }
//! }
//! assert!(miner.is_established());
//! assert_eq!(pool.poll_frame()?, Some(&frame[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod cipher;
mod error;
mod handshake;
mod keys;
mod secret;
mod stream;
mod symmetric;
mod transport;

pub use bytes::BytesMut;
pub use certificate::{Certificate, Identity};
pub use error::{KeyError, NoiseError};
pub use handshake::{Initiator, Responder};
pub use keys::{AuthorityKey, AuthoritySecret};
pub use stream::Stream;
pub use transport::{Transport, sealed_len};
