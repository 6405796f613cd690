//! What the messages of each family of coins mean.

pub(crate) mod bitcoin;
