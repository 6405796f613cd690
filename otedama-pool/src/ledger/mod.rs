//! Double entry in integers: accounts, transactions, their fold, and what the life of a block means for them.

#![deny(clippy::arithmetic_side_effects)]

use otedama_core::Amount;

use crate::account::Account;

pub mod booking;
mod fold;
mod life;

pub use fold::{Ledger, LedgerError};
pub use life::{Observation, next, step};

/// Where money is, as far as the books are concerned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LedgerAccount {
    /// The chain, from which all rewards come; its balance is minus all that was ever booked.
    Chain,
    /// Credited for a block that is not yet mature.
    Immature(Account),
    /// Credited and spendable.
    Balance(Account),
    /// Paid by the coinbase itself to the miner's address.
    PaidByCoinbase(Account),
    /// The pool's fee of blocks that are not yet mature.
    ImmatureFee,
    /// The pool's fee.
    Fee,
}

/// Money that goes from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Where it is taken.
    pub from: LedgerAccount,
    /// Where it is put.
    pub to: LedgerAccount,
    /// How much.
    pub amount: Amount,
}

/// Transfers that are booked together or not at all. Nothing else can be booked, so the books balance whatever is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    transfers: Vec<Transfer>,
}

/// The parts of a block do not add up to its reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parts do not add up to the reward")]
pub struct Unbalanced;

impl Transaction {
    /// A transaction of these transfers, without those that move nothing.
    #[must_use]
    pub fn new(mut transfers: Vec<Transfer>) -> Self {
        transfers.retain(|transfer| transfer.amount != Amount::ZERO);
        Self { transfers }
    }

    /// The transfers.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Whether it moves nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
    }
}
