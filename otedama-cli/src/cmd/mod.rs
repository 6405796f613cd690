//! One command per file. Each writes its results to standard output and returns how it ended.

pub(crate) mod bench;
pub(crate) mod chaos;
pub(crate) mod config;
#[cfg(all(feature = "server", feature = "sqlite"))]
pub(crate) mod demo;
pub(crate) mod hash;
pub(crate) mod mine;
pub(crate) mod scan;
#[cfg(all(feature = "server", feature = "sqlite"))]
pub(crate) mod serve;
pub(crate) mod version;
