//! What the steps in the life of a block mean for the books.

use otedama_core::Amount;

use super::{LedgerAccount, Line, Side, Transaction, Unbalanced};
use crate::account::Account;
use crate::journal::{BlockState, Candidate};

/// The booking that goes with the step of a block from one state to another; `None` if no money moves.
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn of_step(
    candidate: &Candidate,
    from: BlockState,
    to: BlockState,
) -> Result<Option<Transaction>, Unbalanced> {
    let transaction = match (from, to) {
        (BlockState::Found | BlockState::Orphaned, BlockState::Confirmed) => confirmed(candidate)?,
        (BlockState::Confirmed, BlockState::Matured) => matured(candidate)?,
        (BlockState::Confirmed, BlockState::Orphaned) => orphaned(candidate)?,
        _ => return Ok(None),
    };
    Ok(Some(transaction).filter(|booked| !booked.lines().is_empty()))
}

/// The block is on the best chain: its reward comes out of the chain, to the miners and the fee, not yet spendable.
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn confirmed(candidate: &Candidate) -> Result<Transaction, Unbalanced> {
    Transaction::new(credit(candidate, Side::Out, Side::In))
}

/// The reward can be spent: what was immature becomes balance and fee. What the coinbase paid itself stays as it is.
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts overflow.
pub fn matured(candidate: &Candidate) -> Result<Transaction, Unbalanced> {
    let mut lines = Vec::new();
    let mut transfer = |from: LedgerAccount, to: LedgerAccount, amount: Amount| {
        lines.extend(line(from, Side::Out, amount));
        lines.extend(line(to, Side::In, amount));
    };
    if !candidate.paid_by_coinbase {
        for (account, amount) in &candidate.credits {
            let (from, to) =
                (LedgerAccount::Immature(account.clone()), LedgerAccount::Balance(account.clone()));
            transfer(from, to, *amount);
        }
    }
    transfer(LedgerAccount::ImmatureFee, LedgerAccount::Fee, candidate.fee);
    Transaction::new(lines)
}

/// A confirmed block left the best chain: the exact reversal of [`confirmed`].
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn orphaned(candidate: &Candidate) -> Result<Transaction, Unbalanced> {
    Transaction::new(credit(candidate, Side::In, Side::Out))
}

fn credit(candidate: &Candidate, chain: Side, miners: Side) -> Vec<Line> {
    let to = |account: &Account| {
        let account = account.clone();
        if candidate.paid_by_coinbase {
            LedgerAccount::PaidByCoinbase(account)
        } else {
            LedgerAccount::Immature(account)
        }
    };
    let credits = candidate.credits.iter().filter_map(|(account, part)| line(to(account), miners, *part));
    let fee = line(LedgerAccount::ImmatureFee, miners, candidate.fee);
    line(LedgerAccount::Chain, chain, candidate.reward).into_iter().chain(credits).chain(fee).collect()
}

/// A line, unless there is nothing to book.
fn line(account: LedgerAccount, side: Side, amount: Amount) -> Option<Line> {
    (amount != Amount::ZERO).then_some(Line { account, amount, side })
}
