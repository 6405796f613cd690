//! What the steps in the life of a block mean for the books.

use otedama_core::Amount;

use super::{LedgerAccount, Transaction, Transfer, Unbalanced};
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
    Ok(Some(transaction).filter(|booked| !booked.is_empty()))
}

/// The block is on the best chain: its reward comes out of the chain, to the miners and the fee, not yet spendable.
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn confirmed(candidate: &Candidate) -> Result<Transaction, Unbalanced> {
    credit(candidate, |to, amount| Transfer { from: LedgerAccount::Chain, to, amount })
}

/// The reward can be spent: what was immature becomes balance and fee. What the coinbase paid itself stays as it is.
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn matured(candidate: &Candidate) -> Result<Transaction, Unbalanced> {
    check(candidate)?;
    let credits = if candidate.paid_by_coinbase { &[][..] } else { &candidate.credits[..] };
    let parts = credits.iter().map(|(account, amount)| Transfer {
        from: LedgerAccount::Immature(account.clone()),
        to: LedgerAccount::Balance(account.clone()),
        amount: *amount,
    });
    let fee = Transfer { from: LedgerAccount::ImmatureFee, to: LedgerAccount::Fee, amount: candidate.fee };
    Ok(Transaction::new(parts.chain([fee]).collect()))
}

/// A confirmed block left the best chain: the exact reversal of [`confirmed`].
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn orphaned(candidate: &Candidate) -> Result<Transaction, Unbalanced> {
    credit(candidate, |from, amount| Transfer { from, to: LedgerAccount::Chain, amount })
}

fn credit(
    candidate: &Candidate,
    transfer: impl Fn(LedgerAccount, Amount) -> Transfer,
) -> Result<Transaction, Unbalanced> {
    check(candidate)?;
    let miner = |account: &Account| {
        let account = account.clone();
        if candidate.paid_by_coinbase {
            LedgerAccount::PaidByCoinbase(account)
        } else {
            LedgerAccount::Immature(account)
        }
    };
    let credits = candidate.credits.iter().map(|(account, part)| transfer(miner(account), *part));
    let fee = transfer(LedgerAccount::ImmatureFee, candidate.fee);
    Ok(Transaction::new(credits.chain([fee]).collect()))
}

fn check(candidate: &Candidate) -> Result<(), Unbalanced> {
    let credits = candidate.credits.iter().map(|(_, part)| *part);
    let sum = Amount::checked_sum(credits.chain([candidate.fee]));
    if sum == Some(candidate.reward) { Ok(()) } else { Err(Unbalanced) }
}
