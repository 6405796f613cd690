//! Whoever finds the block has it.

use otedama_core::{Amount, Target, Weight};

use super::{Payee, Scheme, ShareWindow};
use crate::account::Account;

/// The finder gets the whole reward, paid by the coinbase itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Solo;

impl Scheme for Solo {
    fn name(&self) -> &'static str {
        "solo"
    }

    fn payee(&self) -> Payee {
        Payee::Finder
    }

    fn span(&self, _: Target) -> Weight {
        Weight::ZERO
    }

    fn split(&self, reward: Amount, finder: &Account, _: &ShareWindow, _: Target) -> Vec<(Account, Amount)> {
        super::all_to(finder, reward)
    }
}
