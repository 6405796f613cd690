//! Balances as the fold over transactions.

use std::collections::BTreeMap;

use otedama_core::Amount;

use super::{LedgerAccount, Transaction, Transfer};

/// The balances of one pool: the fold over its transactions, in any order that never overdraws.
///
/// The balance of [`LedgerAccount::Chain`] is what went out of it; every other account shows what is in it. An
/// account with nothing in it is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    balances: BTreeMap<LedgerAccount, Amount>,
}

/// Why a transaction cannot be booked. The caller is at fault: it books what contradicts the books.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// More would leave the account than is in it.
    #[error("{account:?} holds {balance}, {needed} would leave it")]
    Overdrawn {
        /// The account.
        account: LedgerAccount,
        /// What it holds, with all that the transaction brings.
        balance: Amount,
        /// What the transaction takes.
        needed: Amount,
    },
    /// The account would hold more than an amount can say.
    #[error("{account:?} overflows")]
    Overflow {
        /// The account.
        account: LedgerAccount,
    },
}

impl Ledger {
    /// Books all transfers of the transaction, or none.
    ///
    /// What a transaction brings to an account counts before what it takes from it, whatever the order of transfers.
    ///
    /// # Errors
    /// [`LedgerError`] if an account would go below zero or overflow; then nothing changes.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<(), LedgerError> {
        let mut changed = BTreeMap::new();
        for Transfer { from, to, amount } in transaction.transfers() {
            for (account, is_increase) in
                [(from, *from == LedgerAccount::Chain), (to, *to != LedgerAccount::Chain)]
            {
                let (increase, decrease) = changed.entry(account).or_insert((Amount::ZERO, Amount::ZERO));
                let sum = if is_increase { increase } else { decrease };
                *sum = sum
                    .checked_add(*amount)
                    .ok_or_else(|| LedgerError::Overflow { account: account.clone() })?;
            }
        }
        let mut after = Vec::with_capacity(changed.len());
        for (account, (increase, decrease)) in changed {
            let balance = self
                .balance(account)
                .checked_add(increase)
                .ok_or_else(|| LedgerError::Overflow { account: account.clone() })?;
            let left = balance.checked_sub(decrease).ok_or_else(|| LedgerError::Overdrawn {
                account: account.clone(),
                balance,
                needed: decrease,
            })?;
            after.push((account, left));
        }
        for (account, amount) in after {
            self.set(account, amount);
        }
        Ok(())
    }

    /// What the account holds; zero if it was never booked on.
    #[must_use]
    pub fn balance(&self, account: &LedgerAccount) -> Amount {
        self.balances.get(account).copied().unwrap_or(Amount::ZERO)
    }

    /// All accounts that hold something, in the order of [`LedgerAccount`].
    pub fn balances(&self) -> impl Iterator<Item = (&LedgerAccount, Amount)> {
        self.balances.iter().map(|(account, amount)| (account, *amount))
    }

    /// What all accounts but the chain hold together; always what went out of [`LedgerAccount::Chain`]. `None` if the
    /// sum overflows, which no sum of balanced transactions does.
    #[must_use]
    pub fn total(&self) -> Option<Amount> {
        let held = self.balances().filter(|(account, _)| **account != LedgerAccount::Chain);
        Amount::checked_sum(held.map(|(_, amount)| amount))
    }

    fn set(&mut self, account: &LedgerAccount, amount: Amount) {
        if amount == Amount::ZERO {
            self.balances.remove(account);
        } else if let Some(balance) = self.balances.get_mut(account) {
            *balance = amount;
        } else {
            self.balances.insert(account.clone(), amount);
        }
    }
}

impl FromIterator<(LedgerAccount, Amount)> for Ledger {
    /// Balances as they were kept elsewhere; of an account that comes twice the last counts.
    fn from_iter<I: IntoIterator<Item = (LedgerAccount, Amount)>>(balances: I) -> Self {
        let mut ledger = Self::default();
        ledger.extend(balances);
        ledger
    }
}

impl Extend<(LedgerAccount, Amount)> for Ledger {
    /// Replaces balances by those that were kept elsewhere.
    fn extend<I: IntoIterator<Item = (LedgerAccount, Amount)>>(&mut self, balances: I) {
        for (account, amount) in balances {
            self.set(&account, amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;

    fn transaction(transfers: &[(&LedgerAccount, &LedgerAccount, u128)]) -> Transaction {
        let transfer = |(from, to, amount): &(&LedgerAccount, &LedgerAccount, u128)| Transfer {
            from: (*from).clone(),
            to: (*to).clone(),
            amount: Amount::from_atomic(*amount),
        };
        Transaction::new(transfers.iter().map(transfer).collect())
    }

    fn balance_of(name: &str) -> LedgerAccount {
        LedgerAccount::Balance(Account::new(name))
    }

    const CHAIN: LedgerAccount = LedgerAccount::Chain;

    #[test]
    fn what_leaves_the_chain_is_in_the_accounts() {
        let mut ledger = Ledger::default();
        let (a, b) = (balance_of("a"), balance_of("b"));
        let reward = [(&CHAIN, &a, 7), (&CHAIN, &b, 2), (&CHAIN, &LedgerAccount::Fee, 1)];
        assert_eq!(ledger.apply(&transaction(&reward)), Ok(()));
        assert_eq!(ledger.apply(&transaction(&[(&a, &b, 7)])), Ok(()));
        let kept: Vec<_> =
            ledger.balances().map(|(account, amount)| (account.clone(), amount.atomic())).collect();
        assert_eq!(kept, [(LedgerAccount::Chain, 10), (b, 9), (LedgerAccount::Fee, 1)]);
        assert_eq!(ledger.total(), Some(Amount::from_atomic(10)));
        assert_eq!(kept_again(&ledger), ledger);
    }

    fn kept_again(ledger: &Ledger) -> Ledger {
        ledger.balances().map(|(account, amount)| (account.clone(), amount)).collect()
    }

    #[test]
    fn nothing_is_overdrawn_and_a_refusal_changes_nothing() {
        let mut ledger = Ledger::default();
        let (a, b) = (balance_of("a"), balance_of("b"));
        ledger.apply(&transaction(&[(&CHAIN, &a, 5)])).unwrap();
        let before = ledger.clone();
        let [balance, needed] = [5, 6].map(Amount::from_atomic);
        assert_eq!(
            ledger.apply(&transaction(&[(&a, &b, 6)])),
            Err(LedgerError::Overdrawn { account: a.clone(), balance, needed })
        );
        let back = [(&CHAIN, &b, 1), (&a, &CHAIN, 5), (&b, &CHAIN, 2)];
        let [balance, needed] = [6, 7].map(Amount::from_atomic);
        assert_eq!(
            ledger.apply(&transaction(&back)),
            Err(LedgerError::Overdrawn { account: LedgerAccount::Chain, balance, needed })
        );
        assert_eq!(
            ledger.apply(&transaction(&[(&CHAIN, &b, u128::MAX)])),
            Err(LedgerError::Overflow { account: LedgerAccount::Chain })
        );
        assert_eq!(ledger, before);
    }

    #[test]
    fn what_a_transaction_brings_counts_first() {
        let mut ledger = Ledger::default();
        let (a, b) = (balance_of("a"), balance_of("b"));
        assert_eq!(ledger.apply(&transaction(&[(&a, &b, 4), (&CHAIN, &a, 4)])), Ok(()));
        assert_eq!(ledger.balance(&a), Amount::ZERO);
        assert_eq!(ledger.balance(&b), Amount::from_atomic(4));
    }

    #[test]
    fn what_moves_nothing_is_not_booked() {
        assert!(transaction(&[(&CHAIN, &balance_of("a"), 0)]).is_empty());
    }
}
