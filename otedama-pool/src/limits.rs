//! Every bound on what a peer of the pool may make it do.

/// Transactions of a template; a block of 4,000,000 weight units holds fewer than 17,000 of the smallest ones.
pub(crate) const MAX_TEMPLATE_TRANSACTIONS: usize = 25_000;
