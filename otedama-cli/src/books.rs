//! What a journal's books come to.

use std::ops::ControlFlow;

use otedama_core::Amount;
use otedama_pool::PoolName;
use otedama_pool::journal::{Balance, BlockState, Journal, JournalError};
use otedama_pool::ledger::LedgerAccount;

use crate::failure::Failure;

/// Sums over everything that a pool has in its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Blocks on the best chain.
    pub(crate) blocks: u64,
    /// Accepted shares.
    pub(crate) shares: u64,
    /// Booked for miners, mature or not, or paid to them by a coinbase.
    pub(crate) credited: Amount,
    /// Booked for the pool, mature or not.
    pub(crate) fee: Amount,
    /// What the chain paid.
    pub(crate) rewards: Amount,
}

impl Totals {
    /// Reads the journal.
    pub(crate) fn of(journal: &mut dyn Journal, pool: &PoolName) -> Result<Self, Failure> {
        let unreadable = |error: JournalError| Failure::Failed(error.to_string());
        let mut totals = Self::of_balances(&journal.balances(pool).map_err(unreadable)?)?;
        journal
            .shares(pool, &mut |_| {
                totals.shares = totals.shares.saturating_add(1);
                ControlFlow::Continue(())
            })
            .map_err(unreadable)?;
        let blocks = journal.blocks(pool, false).map_err(unreadable)?;
        let on_chain = |state| matches!(state, BlockState::Confirmed | BlockState::Matured);
        let blocks = blocks.iter().filter(|block| on_chain(block.state)).count();
        totals.blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
        Ok(totals)
    }

    /// The sums of money alone.
    pub(crate) fn of_balances(balances: &[Balance]) -> Result<Self, Failure> {
        let mut totals = Self::default();
        for balance in balances {
            totals.add(&balance.account, balance.amount)?;
        }
        Ok(totals)
    }

    /// What was added since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Result<Self, Failure> {
        let amount = |now: Amount, then| {
            now.checked_sub(then)
                .ok_or_else(|| Failure::Failed("the books have less in them than before".into()))
        };
        Ok(Self {
            blocks: self.blocks.saturating_sub(earlier.blocks),
            shares: self.shares.saturating_sub(earlier.shares),
            credited: amount(self.credited, earlier.credited)?,
            fee: amount(self.fee, earlier.fee)?,
            rewards: amount(self.rewards, earlier.rewards)?,
        })
    }

    fn add(&mut self, account: &LedgerAccount, amount: Amount) -> Result<(), Failure> {
        let sum = match account {
            LedgerAccount::Chain => &mut self.rewards,
            LedgerAccount::Immature(_) | LedgerAccount::Balance(_) | LedgerAccount::PaidByCoinbase(_) => {
                &mut self.credited
            }
            LedgerAccount::ImmatureFee | LedgerAccount::Fee => &mut self.fee,
            other => {
                return Err(Failure::Failed(format!("the books have an account unknown here: {other:?}")));
            }
        };
        *sum = sum.checked_add(amount).ok_or_else(|| Failure::Failed("the books overflow".into()))?;
        Ok(())
    }
}
