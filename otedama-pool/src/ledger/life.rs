//! The life of a block as a state machine: what is seen of it, and which step follows.

use otedama_core::UnixTime;

use super::{Unbalanced, booking};
use crate::journal::{BlockEvent, BlockRecord, BlockState};

/// What the nodes say of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Observation {
    /// It is on the best chain, and its coinbase cannot be spent yet.
    OnChain,
    /// It is on the best chain, deep enough that its coinbase can be spent.
    Mature,
    /// It is not on the best chain, and may still come (back).
    OffChain,
    /// It is not on the best chain and never will be: every node refused it, or another block at its height is buried
    /// as deep as maturity asks.
    GivenUp,
}

impl Observation {
    /// What a node's view means. `confirmations` counts the blocks from this one to the tip, itself included, and is
    /// `None` off the best chain; `burial` counts from the block that stands at its height instead, 0 if there is
    /// none yet; a coinbase can be spent from `maturity` confirmations on.
    #[must_use]
    pub const fn of_depth(confirmations: Option<u32>, burial: u32, maturity: u32) -> Self {
        match confirmations {
            Some(depth) if depth >= maturity => Self::Mature,
            Some(_) => Self::OnChain,
            None if burial >= maturity && burial > 0 => Self::GivenUp,
            None => Self::OffChain,
        }
    }
}

/// The state that follows, `None` if the observation changes nothing.
///
/// One step at a time: a block that was missed for long is confirmed first and matures in the next step, and a
/// credited one is orphaned before it is lost. Ask again with the same observation until nothing follows.
#[must_use]
pub const fn next(state: BlockState, seen: Observation) -> Option<BlockState> {
    match (state, seen) {
        (BlockState::Found | BlockState::Orphaned, Observation::OnChain | Observation::Mature) => {
            Some(BlockState::Confirmed)
        }
        (BlockState::Confirmed, Observation::Mature) => Some(BlockState::Matured),
        (BlockState::Found, Observation::OffChain)
        | (BlockState::Confirmed, Observation::OffChain | Observation::GivenUp) => Some(BlockState::Orphaned),
        (BlockState::Found | BlockState::Orphaned, Observation::GivenUp) => Some(BlockState::Lost),
        _ => None,
    }
}

/// The event that follows from an observation of a block, with its booking, ready to be journaled; `None` if the
/// observation changes nothing. As with [`next`], ask again with the record that results.
///
/// # Errors
/// [`Unbalanced`] if the candidate's parts do not add up to its reward.
pub fn step(
    record: &BlockRecord,
    seen: Observation,
    time: UnixTime,
) -> Result<Option<BlockEvent>, Unbalanced> {
    let Some(state) = next(record.state, seen) else { return Ok(None) };
    let candidate = &record.candidate;
    Ok(Some(BlockEvent {
        pool: candidate.pool.clone(),
        hash: candidate.hash,
        ordinal: record.ordinal.saturating_add(1),
        state,
        time,
        booking: booking::of_step(candidate, record.state, state)?,
    }))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow loudly")]
mod tests {
    use std::sync::Arc;

    use otedama_core::{Amount, Hash256, Weight};
    use proptest::prelude::*;

    use super::*;
    use crate::account::{Account, PoolName};
    use crate::journal::Candidate;
    use crate::ledger::{Ledger, LedgerAccount};

    const SEEN: [Observation; 4] =
        [Observation::OnChain, Observation::Mature, Observation::OffChain, Observation::GivenUp];

    fn candidate(number: u8, fee: u128, parts: &[u128], paid_by_coinbase: bool) -> Arc<Candidate> {
        let part = |(index, part): (usize, &u128)| {
            (Account::new(format!("miner{index}")), Amount::from_atomic(*part))
        };
        Arc::new(Candidate {
            pool: PoolName::new("p"),
            hash: Hash256::from_internal([number; 32]),
            height: 7,
            finder: Account::new("miner0"),
            worker: "".into(),
            reward: Amount::from_atomic(fee + parts.iter().sum::<u128>()),
            fee: Amount::from_atomic(fee),
            credits: parts.iter().enumerate().map(part).collect(),
            paid_by_coinbase,
            time: UnixTime::from_secs(1),
            block: Box::new([]),
        })
    }

    fn found(candidate: Arc<Candidate>) -> BlockRecord {
        BlockRecord { candidate, state: BlockState::Found, ordinal: 0 }
    }

    /// Follows the block until the observation changes nothing more, and books what it means.
    fn observe(record: &mut BlockRecord, seen: Observation, ledger: &mut Ledger) -> Vec<BlockState> {
        let mut path = Vec::new();
        while let Some(event) = step(record, seen, UnixTime::from_secs(2)).unwrap() {
            assert_eq!(event.ordinal, record.ordinal + 1);
            if let Some(booking) = &event.booking {
                ledger.apply(booking).unwrap();
            }
            (record.state, record.ordinal) = (event.state, event.ordinal);
            path.push(event.state);
        }
        path
    }

    fn shown(ledger: &Ledger) -> Vec<(String, u128)> {
        ledger.balances().map(|(account, amount)| (format!("{account:?}"), amount.atomic())).collect()
    }

    #[test]
    fn every_transition_is_as_the_table_says() {
        use BlockState::{Confirmed, Found, Lost, Matured, Orphaned};
        for (state, expected) in [
            (Found, [Some(Confirmed), Some(Confirmed), Some(Orphaned), Some(Lost)]),
            (Confirmed, [None, Some(Matured), Some(Orphaned), Some(Orphaned)]),
            (Orphaned, [Some(Confirmed), Some(Confirmed), None, Some(Lost)]),
            (Matured, [None; 4]),
            (Lost, [None; 4]),
        ] {
            assert_eq!(SEEN.map(|seen| next(state, seen)), expected, "{state:?}");
        }
    }

    #[test]
    fn a_block_matures() {
        let (mut ledger, mut block) = (Ledger::default(), found(candidate(1, 3, &[5, 2], false)));
        assert_eq!(observe(&mut block, Observation::OnChain, &mut ledger), [BlockState::Confirmed]);
        let entry = |name: &str, amount| (name.to_string(), amount);
        assert_eq!(
            shown(&ledger),
            [
                entry("Chain", 10),
                entry("Immature(Account(miner0))", 5),
                entry("Immature(Account(miner1))", 2),
                entry("ImmatureFee", 3)
            ]
        );
        assert_eq!(observe(&mut block, Observation::Mature, &mut ledger), [BlockState::Matured]);
        assert_eq!(
            shown(&ledger),
            [
                entry("Chain", 10),
                entry("Balance(Account(miner0))", 5),
                entry("Balance(Account(miner1))", 2),
                entry("Fee", 3)
            ]
        );
        for seen in SEEN {
            assert_eq!(observe(&mut block, seen, &mut ledger), [], "matured is final");
        }
    }

    #[test]
    fn a_block_is_orphaned_and_comes_back_twice() {
        for paid_by_coinbase in [false, true] {
            let mut ledger = Ledger::default();
            let mut block = found(candidate(1, 3, &[5, 2], paid_by_coinbase));
            assert_eq!(observe(&mut block, Observation::OffChain, &mut ledger), [BlockState::Orphaned]);
            for _ in 0..2 {
                assert_eq!(observe(&mut block, Observation::OnChain, &mut ledger), [BlockState::Confirmed]);
                assert_eq!(ledger.balance(&LedgerAccount::Chain), Amount::from_atomic(10));
                assert_eq!(observe(&mut block, Observation::OffChain, &mut ledger), [BlockState::Orphaned]);
                assert_eq!(ledger, Ledger::default());
            }
            let path = observe(&mut block, Observation::Mature, &mut ledger);
            assert_eq!(path, [BlockState::Confirmed, BlockState::Matured]);
            assert_eq!(ledger.balance(&LedgerAccount::Fee), Amount::from_atomic(3));
            assert_eq!(block.ordinal, 7);
        }
    }

    #[test]
    fn a_credited_block_is_reversed_before_it_is_lost() {
        let (mut ledger, mut block) = (Ledger::default(), found(candidate(1, 3, &[5, 2], false)));
        observe(&mut block, Observation::OnChain, &mut ledger);
        let path = observe(&mut block, Observation::GivenUp, &mut ledger);
        assert_eq!(path, [BlockState::Orphaned, BlockState::Lost]);
        assert_eq!(ledger, Ledger::default());
    }

    #[test]
    fn a_coinbase_that_pays_the_miner_leaves_only_the_fee_to_mature() {
        let (mut ledger, mut block) = (Ledger::default(), found(candidate(1, 3, &[7], true)));
        observe(&mut block, Observation::Mature, &mut ledger);
        let paid = LedgerAccount::PaidByCoinbase(Account::new("miner0"));
        let expected = [("Chain".to_string(), 10), (format!("{paid:?}"), 7), ("Fee".to_string(), 3)];
        assert_eq!(shown(&ledger), expected);
    }

    #[test]
    fn a_block_without_reward_moves_no_money() {
        let (mut ledger, mut block) = (Ledger::default(), found(candidate(1, 0, &[], false)));
        assert_eq!(step(&block, Observation::OnChain, UnixTime::default()).unwrap().unwrap().booking, None);
        observe(&mut block, Observation::Mature, &mut ledger);
        assert_eq!((block.state, ledger), (BlockState::Matured, Ledger::default()));
    }

    #[test]
    fn parts_that_do_not_add_up_are_refused() {
        let mut wrong = Candidate::clone(&candidate(1, 3, &[5, 2], false));
        wrong.reward = Amount::from_atomic(11);
        let wrong = found(Arc::new(wrong));
        assert_eq!(step(&wrong, Observation::OnChain, UnixTime::default()), Err(Unbalanced));
    }

    #[test]
    fn depth_decides_what_is_seen() {
        for (confirmations, burial, seen) in [
            (Some(1), 0, Observation::OnChain),
            (Some(100), 0, Observation::OnChain),
            (Some(101), 0, Observation::Mature),
            (None, 0, Observation::OffChain),
            (None, 100, Observation::OffChain),
            (None, 101, Observation::GivenUp),
        ] {
            assert_eq!(Observation::of_depth(confirmations, burial, 101), seen);
        }
        assert_eq!(Observation::of_depth(None, 0, 0), Observation::OffChain);
    }

    proptest! {
        #[test]
        fn books_balance_after_any_lives(
            rewards in prop::collection::vec((0u128..1 << 90, 0u128..=100, prop::collection::vec(1u128..1 << 80, 1..8), any::<bool>()), 1..6),
            seen in prop::collection::vec((0usize..6, 0usize..4), 0..60),
        ) {
            let mut ledger = Ledger::default();
            let mut blocks: Vec<_> = rewards
                .iter()
                .enumerate()
                .map(|(number, (reward, percent, weights, paid_by_coinbase))| {
                    let fee = reward * percent / 100;
                    let weights: Vec<_> = weights.iter().copied().map(Weight::new).collect();
                    let parts = Amount::from_atomic(reward - fee).split(&weights).unwrap();
                    let parts: Vec<_> = parts.into_iter().map(Amount::atomic).collect();
                    found(candidate(u8::try_from(number).unwrap(), fee, &parts, *paid_by_coinbase))
                })
                .collect();
            let count = blocks.len();
            for (block, observation) in seen {
                observe(&mut blocks[block % count], SEEN[observation], &mut ledger);
                let credited = |block: &&BlockRecord| matches!(block.state, BlockState::Confirmed | BlockState::Matured);
                let sum = |part: fn(&Candidate) -> u128| -> u128 {
                    blocks.iter().filter(credited).map(|block| part(&block.candidate)).sum()
                };
                let held = |of: fn(&LedgerAccount) -> bool| -> u128 {
                    ledger.balances().filter(|(account, _)| of(account)).map(|(_, amount)| amount.atomic()).sum()
                };
                let (rewards, fees) = (sum(|c| c.reward.atomic()), sum(|c| c.fee.atomic()));
                prop_assert_eq!(held(|a| *a == LedgerAccount::Chain), rewards);
                prop_assert_eq!(held(|a| matches!(a, LedgerAccount::Fee | LedgerAccount::ImmatureFee)), fees);
                let is_miner = |a: &LedgerAccount| {
                    !matches!(a, LedgerAccount::Chain | LedgerAccount::Fee | LedgerAccount::ImmatureFee)
                };
                prop_assert_eq!(held(is_miner), rewards - fees);
                prop_assert_eq!(ledger.total().map(Amount::atomic), Some(rewards));
            }
        }
    }
}
