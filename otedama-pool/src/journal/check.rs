//! What an entry must not contradict: the rules that every journal of this crate applies.

use std::collections::HashSet;
use std::fmt::Display;

use otedama_core::Amount;

use super::{Applied, BlockEvent, BlockState, Candidate, JournalError, ShareKey, ShareRecord};
use crate::account::PoolName;
use crate::ledger::{LedgerError, Observation, booking, next};

/// The parts of a candidate must add up to its reward, and nobody has two of them.
pub(super) fn candidate(candidate: &Candidate) -> Result<(), JournalError> {
    let credits = candidate.credits.iter().map(|(_, part)| *part);
    if Amount::checked_sum(credits.chain([candidate.fee])) != Some(candidate.reward) {
        return contradiction(format_args!("the parts of block {} are not its reward", candidate.hash));
    }
    let accounts: HashSet<_> = candidate.credits.iter().map(|(account, _)| account).collect();
    if accounts.len() != candidate.credits.len() {
        return contradiction(format_args!("block {} credits an account twice", candidate.hash));
    }
    Ok(())
}

/// Whether the event is the next one in the life of a block of this pool, with this latest state.
pub(super) fn follows(
    pool: &PoolName,
    state: BlockState,
    last: u32,
    event: &BlockEvent,
) -> Result<(), JournalError> {
    let BlockEvent { hash, ordinal, .. } = event;
    if event.pool != *pool {
        return contradiction(format_args!("block {hash} belongs to the pool {pool}"));
    }
    if last.checked_add(1) != Some(*ordinal) {
        return contradiction(format_args!("event {ordinal} of block {hash} comes after {last}"));
    }
    if !may_follow(state, event.state) {
        return contradiction(format_args!("block {hash} cannot go from {state:?} to {:?}", event.state));
    }
    Ok(())
}

/// The booking of an event must be what the step to its state means for the books.
pub(super) fn booking(
    candidate: &Candidate,
    from: BlockState,
    event: &BlockEvent,
) -> Result<(), JournalError> {
    let BlockEvent { hash, ordinal, .. } = event;
    match booking::of_step(candidate, from, event.state) {
        Ok(meant) if meant == event.booking => Ok(()),
        _ => {
            contradiction(format_args!("event {ordinal} of block {hash} books something else than it means"))
        }
    }
}

pub(super) fn may_follow(from: BlockState, to: BlockState) -> bool {
    let seen = [Observation::OnChain, Observation::Mature, Observation::OffChain, Observation::GivenUp];
    seen.into_iter().any(|seen| next(from, seen) == Some(to))
}

pub(super) fn same_share(known: &ShareRecord, share: &ShareRecord) -> Result<Applied, JournalError> {
    same(known == share, format_args!("share {:?} is there with other contents", share.key))
}

/// All but the serialised block, which a journal may have dropped.
pub(super) fn same_candidate(known: &Candidate, candidate: &Candidate) -> Result<Applied, JournalError> {
    let Candidate {
        pool,
        hash,
        height,
        finder,
        worker,
        reward,
        fee,
        credits,
        paid_by_coinbase,
        time,
        block: _,
    } = known;
    let equal = *pool == candidate.pool
        && *hash == candidate.hash
        && *height == candidate.height
        && *finder == candidate.finder
        && *worker == candidate.worker
        && (*reward, *fee) == (candidate.reward, candidate.fee)
        && *credits == candidate.credits
        && *paid_by_coinbase == candidate.paid_by_coinbase
        && *time == candidate.time;
    same(equal, format_args!("block {hash} is there with other contents"))
}

pub(super) fn same_event(known: &BlockEvent, event: &BlockEvent) -> Result<Applied, JournalError> {
    let (ordinal, hash) = (event.ordinal, event.hash);
    same(known == event, format_args!("event {ordinal} of block {hash} is there with other contents"))
}

pub(super) fn unknown_life(key: ShareKey) -> JournalError {
    JournalError::Contradiction(format!("share {key:?} belongs to a life that never began"))
}

pub(super) fn late_share(key: ShareKey) -> JournalError {
    JournalError::Contradiction(format!("share {key:?} comes after later ones of its life"))
}

pub(super) fn unknown_block(event: &BlockEvent) -> JournalError {
    JournalError::Contradiction(format!("block {} was never found", event.hash))
}

pub(super) fn overdrawn(event: &BlockEvent, error: &LedgerError) -> JournalError {
    let BlockEvent { ordinal, hash, .. } = event;
    JournalError::Contradiction(format!("event {ordinal} of block {hash} overdraws: {error}"))
}

fn same(equal: bool, otherwise: impl Display) -> Result<Applied, JournalError> {
    if equal { Ok(Applied::AlreadyThere) } else { contradiction(otherwise) }
}

fn contradiction<T>(what: impl Display) -> Result<T, JournalError> {
    Err(JournalError::Contradiction(what.to_string()))
}
