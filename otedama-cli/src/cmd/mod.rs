//! One command per file. Each writes its results to standard output and returns how it ended.

pub(crate) mod config;
pub(crate) mod version;
