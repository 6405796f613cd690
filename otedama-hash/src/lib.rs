#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod blake3;
mod claims;
mod error;
pub mod ethash;
pub mod kawpow;
mod keccak;
mod kernel;
pub mod oracle;
#[cfg(feature = "randomx")]
pub mod randomx;
mod scan;
mod scrypt;
mod sha256d;
mod verify;

pub use blake3::blake3;
pub use error::{HashError, KernelError, ScanError, Unsupported};
pub use kernel::{Kernel, Memory};
pub use scan::{NonceRange, Scan, Scanned, Stop};
pub use verify::{Verifier, hash};
