//! One command per file. Each writes its results to standard output and returns how it ended.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod hash;
pub(crate) mod mine;
pub(crate) mod scan;
pub(crate) mod version;
