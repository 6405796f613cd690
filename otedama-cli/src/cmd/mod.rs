//! One command per file. Each writes its results to standard output and returns how it ended.

#[cfg(feature = "sqlite")]
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod chaos;
pub(crate) mod config;
#[cfg(all(feature = "server", feature = "sqlite"))]
pub(crate) mod demo;
pub(crate) mod ethash;
#[cfg(feature = "sqlite")]
pub(crate) mod export;
pub(crate) mod hash;
#[cfg(feature = "noise")]
pub(crate) mod keys;
#[cfg(feature = "sqlite")]
pub(crate) mod migrate;
pub(crate) mod mine;
#[cfg(feature = "randomx")]
pub(crate) mod randomx;
#[cfg(feature = "sqlite")]
pub(crate) mod restore;
pub(crate) mod scan;
#[cfg(all(feature = "server", feature = "sqlite"))]
pub(crate) mod serve;
#[cfg(all(feature = "server", feature = "sqlite"))]
pub(crate) mod template_provider;
#[cfg(feature = "sqlite")]
pub(crate) mod verify;
pub(crate) mod version;
