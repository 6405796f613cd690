//! The shares that a scheme looks back on.

use std::collections::VecDeque;

use otedama_core::Weight;

use crate::account::Account;

/// Shares in order, newest last, cut to the span that matters.
#[derive(Clone, Debug, Default)]
pub struct ShareWindow {
    shares: VecDeque<(Account, Weight)>,
    total: Weight,
}

impl ShareWindow {
    /// Adds the newest share and drops what lies wholly behind `span`, counted back from it.
    pub fn push(&mut self, account: Account, weight: Weight, span: Weight) {
        self.shares.push_back((account, weight));
        self.total = self.total.saturating_add(weight);
        while let Some((_, oldest)) = self.shares.front() {
            if self.total.saturating_sub(*oldest) < span {
                break;
            }
            self.total = self.total.saturating_sub(*oldest);
            self.shares.pop_front();
        }
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Account, Weight)> {
        self.shares.iter().rev().map(|(account, weight)| (account, *weight))
    }

    /// The weight of all of them.
    #[must_use]
    pub const fn total(&self) -> Weight {
        self.total
    }
}
