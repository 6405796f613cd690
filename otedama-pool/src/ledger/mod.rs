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

/// A change of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: LedgerAccount,
    /// How much.
    pub amount: Amount,
    /// Which way.
    pub side: Side,
}

/// Which way money moves on a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Into the account.
    In,
    /// Out of the account.
    Out,
}

/// Lines that are booked together or not at all; what goes in equals what goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    lines: Vec<Line>,
}

/// The sum of the lines in is not the sum of the lines out, or one of them overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lines of the transaction do not balance")]
pub struct Unbalanced;

impl Transaction {
    /// A transaction of these lines.
    ///
    /// # Errors
    /// [`Unbalanced`] if they do not cancel out.
    pub fn new(lines: Vec<Line>) -> Result<Self, Unbalanced> {
        let sum = |side| {
            let amounts = lines.iter().filter(|line| line.side == side).map(|line| line.amount);
            Amount::checked_sum(amounts).ok_or(Unbalanced)
        };
        if sum(Side::In)? == sum(Side::Out)? { Ok(Self { lines }) } else { Err(Unbalanced) }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}
