//! Every limit of Ethash and its relatives.

/// The last epoch for which there are tables. A block beyond is refused before anything is allocated. Ethereum Classic
/// gets there with block 122,880,000, Ravencoin with block 15,360,000.
pub const MAX_EPOCH: u32 = 2047;

/// Programmes of `KawPow` that are kept: the shares of a pool are for neighbouring blocks.
pub const MAX_PROGRAMS: usize = 8;
