#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod kernel;
pub mod oracle;
mod scan;
mod scrypt;
mod sha256d;
mod verify;

pub use error::{HashError, KernelError, ScanError, Unsupported};
pub use kernel::Kernel;
pub use scan::{NonceRange, Scan, Scanned, Stop};
pub use verify::{Verifier, hash};
