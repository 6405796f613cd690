//! A small world of shares and blocks, and what is asked of a journal again and again.

use std::ops::ControlFlow;
use std::sync::Arc;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use otedama_pool::journal::{
    Applied, BlockRecord, BlockState, Candidate, Entry, Journal, JournalError, Life, Memory, ShareKey,
    ShareRecord, Sqlite,
};
use otedama_pool::ledger::{Ledger, LedgerAccount, Observation, step};
use otedama_pool::{Account, PoolName};

pub(crate) fn pool() -> PoolName {
    PoolName::new("main")
}

pub(crate) fn record(life: Life, sequence: u64) -> ShareRecord {
    ShareRecord {
        key: ShareKey { node: life.node, boot: life.boot, sequence },
        pool: pool(),
        account: Account::new(format!("account{}", sequence % 3)),
        worker: if sequence.is_multiple_of(2) { "".into() } else { "rig 'ü\"".into() },
        weight: Weight::new(u128::MAX - u128::from(sequence)),
        digest: Digest::new([u8::try_from(sequence % 251).unwrap(); 32]),
        height: u32::MAX,
        time: UnixTime::from_secs(1_700_000_000 + sequence),
    }
}

pub(crate) fn share(life: Life, sequence: u64) -> Entry {
    Entry::Share(record(life, sequence))
}

pub(crate) fn candidate(number: u8) -> Candidate {
    let reward = (1 << 100) + u128::from(number);
    let part =
        |index: u8| (Account::new(format!("account{index}")), Amount::from_atomic(u128::from(index) + 1));
    Candidate {
        pool: pool(),
        hash: Hash256::from_internal([number; 32]),
        height: 800_000,
        finder: Account::new("account0"),
        worker: "rig".into(),
        reward: Amount::from_atomic(reward),
        fee: Amount::from_atomic(reward - 6),
        credits: [2, 0, 1].map(part).to_vec(),
        paid_by_coinbase: number.is_multiple_of(3),
        time: UnixTime::from_secs(1_700_000_000),
        block: vec![number; 100].into(),
    }
}

pub(crate) fn found(candidate: &Candidate) -> Entry {
    Entry::Candidate(Arc::new(candidate.clone()))
}

pub(crate) fn all_shares(journal: &mut dyn Journal, pool: &PoolName) -> Vec<ShareRecord> {
    let mut shares = Vec::new();
    let mut visit = |share: &ShareRecord| {
        shares.push(share.clone());
        ControlFlow::Continue(())
    };
    journal.shares(pool, &mut visit).unwrap();
    shares
}

pub(crate) fn fold(journal: &mut dyn Journal, pool: &PoolName) -> Ledger {
    let mut ledger = Ledger::default();
    journal.bookings(pool, &mut |transaction| ledger.apply(transaction).unwrap()).unwrap();
    ledger
}

pub(crate) fn kept(journal: &mut dyn Journal, pool: &PoolName) -> Vec<(LedgerAccount, Amount)> {
    journal.balances(pool).unwrap().into_iter().map(|balance| (balance.account, balance.amount)).collect()
}

/// The balances, once it is clear that they are the fold over the bookings.
pub(crate) fn balances(journal: &mut dyn Journal) -> Vec<(LedgerAccount, Amount)> {
    let kept = kept(journal, &pool());
    let folded = fold(journal, &pool());
    assert_eq!(
        kept,
        folded.balances().map(|(account, amount)| (account.clone(), amount)).collect::<Vec<_>>()
    );
    assert_eq!(folded.total(), Some(folded.balance(&LedgerAccount::Chain)));
    kept
}

/// The record of a block as the journal has it.
pub(crate) fn block(journal: &mut dyn Journal, hash: Hash256) -> BlockRecord {
    journal.blocks(&pool(), false).unwrap().into_iter().find(|block| block.candidate.hash == hash).unwrap()
}

/// Journals what follows from the observation, until nothing does.
pub(crate) fn observe(journal: &mut dyn Journal, hash: Hash256, seen: Observation) -> Vec<BlockState> {
    let mut path = Vec::new();
    while let Some(event) = step(&block(journal, hash), seen, UnixTime::from_secs(5)).unwrap() {
        path.push(event.state);
        assert_eq!(journal.append(&[Entry::Block(event)]), Ok(vec![Applied::Applied]));
    }
    path
}

pub(crate) fn contradicts(journal: &mut dyn Journal, entries: &[Entry], what: &str) {
    match journal.append(entries) {
        Err(JournalError::Contradiction(message)) => assert!(message.contains(what), "{message}"),
        other => panic!("{what}: {other:?}"),
    }
}

/// Runs the check on a journal of each kind.
pub(crate) fn on_each(check: impl Fn(&mut dyn Journal)) {
    check(&mut Memory::new());
    let directory = tempfile::tempdir().unwrap();
    check(&mut Sqlite::open(directory.path().join("new/deep/journal.db")).unwrap());
}
