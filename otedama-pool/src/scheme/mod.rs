//! How a reward is split.

use std::fmt::Debug;

use otedama_core::{Amount, Target, Weight};

use crate::account::Account;

mod window;

pub use window::ShareWindow;

/// Splits a reward over a window of shares. Pure: the same window gives the same split.
pub trait Scheme: Debug + Send + Sync {
    /// Its name in configuration: `solo`, `pplns`.
    fn name(&self) -> &'static str;

    /// Whom the coinbase pays.
    fn payee(&self) -> Payee;

    /// How much weight of shares matters, counted back from the newest, while the network has this target.
    fn span(&self, network: Target) -> Weight;

    /// Splits `reward`, what is left after the fee, among accounts. The parts add up to exactly `reward`, no account
    /// stands there twice, and none gets zero.
    ///
    /// `window` reaches back from the share that found the block, which is its newest, at least as far as
    /// [`span`](Self::span).
    fn split(
        &self,
        reward: Amount,
        finder: &Account,
        window: &ShareWindow,
        network: Target,
    ) -> Vec<(Account, Amount)>;
}

/// Whom the coinbase pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Payee {
    /// The pool's address; miners are paid later, from the books.
    Pool,
    /// The address of the miner who finds the block; each address has a coinbase of its own.
    Finder,
}
