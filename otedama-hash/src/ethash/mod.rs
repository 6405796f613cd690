//! Ethash, Etchash and `KawPow`: tables of an epoch, and hashes from them.
//!
//! - [`Epoch`] says which blocks share tables, how large these are, and what they are made from.
//! - [`Tables`] compute, from the cache of an epoch (`light`, tens of MiB) or from its dataset (`full`, GiB). They lie
//!   wherever their maker put them ([`Nodes`]); nothing here opens files or starts threads.
//! - [`Verifier`] judges shares of several epochs at once, for all threads of a pool.
//! - [`Scanner`] is the [`Scan`](crate::Scan) over tables that somebody else makes and shares ([`Provider`]).
//! - [`Engine`] is an implementation that this CPU can run.
//!
//! Work without height and seed is that of test chains, whose tables are small enough to be made on the way. Its header
//! has 40 bytes as always, or Bitcoin's 80, of which SHA-256d over all but the nonce takes the place of the header's hash.
//! The programme of `KawPow` is that of the first period there.

mod cache;
mod engine;
mod epoch;
mod error;
mod hashimoto;
pub(crate) mod items;
pub mod limits;
mod node;
pub(crate) mod scanner;
mod tables;
mod verifier;
#[cfg(target_arch = "x86_64")]
mod x86;

use otedama_core::Digest;

pub use engine::Engine;
pub use epoch::Epoch;
pub use error::EthashError;
pub use node::Node;
pub use scanner::{Provider, Scanner};
pub use tables::{Nodes, Tables, claimed};
pub use verifier::{Refusal, Verifier};

/// What is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input {
    /// The hash of the block's header without nonce and mix hash, in the order in which the function takes its bytes.
    pub header_hash: [u8; 32],
    /// The nonce, as a number.
    pub nonce: u64,
    /// The height of the block. It decides the programme of `KawPow`, and nothing for Ethash: the tables are chosen by then.
    pub height: u64,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// What is compared with the target, big-endian.
    pub digest: Digest,
    /// What a block shows besides, so that its digest can be seen without tables.
    pub mix: [u8; 32],
}

/// Proves on this CPU that tables of test chains give known digests, on every engine. Takes some milliseconds.
///
/// # Errors
/// [`EthashError::SelfTest`] if they do not: the machine, or the code for it, is broken.
pub fn self_test(algorithm: otedama_core::Algorithm) -> Result<(), EthashError> {
    Epoch::of_test_chains(algorithm)?;
    for kernel in crate::Kernel::available(algorithm) {
        kernel.self_test().map_err(|_| EthashError::SelfTest(kernel.name()))?;
    }
    Ok(())
}

impl Outcome {
    const NONE: Self = Self { digest: Digest::new([0; 32]), mix: [0; 32] };
}
