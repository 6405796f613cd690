//! What every journal promises.

use std::ops::ControlFlow;
use std::path::Path;

use otedama_core::{Amount, Digest, Hash256, UnixTime, Weight};
use otedama_pool::journal::{
    Applied, BlockEvent, BlockState, Candidate, Entry, Failure, Journal, JournalError, Life, Memory,
    ShareRecord, Sqlite,
};
use otedama_pool::ledger::{LedgerAccount, Observation, Transaction, Transfer, booking};
use otedama_pool::{Account, PoolName};
use proptest::prelude::*;

use crate::world::{
    all_shares, balances, block, candidate, contradicts, found, kept, observe, on_each, pool, record, share,
};

#[test]
fn shares_come_back_newest_first() {
    on_each(|journal| {
        let first = journal.begin().unwrap();
        let entries: Vec<_> = [1, 0, 5, 1 << 42].map(|sequence| share(first, sequence)).to_vec();
        assert_eq!(journal.append(&entries), Ok(vec![Applied::Applied; 4]));
        let second = journal.begin().unwrap();
        assert!(second.boot > first.boot && second.node == first.node);
        assert_eq!(journal.append(&[share(second, 0)]), Ok(vec![Applied::Applied]));
        let expected = [(second, 0), (first, 1 << 42), (first, 5), (first, 1), (first, 0)];
        assert_eq!(all_shares(journal, &pool()), expected.map(|(life, sequence)| record(life, sequence)));
        let mut seen = 0;
        let mut two = |_: &ShareRecord| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        journal.shares(&pool(), &mut two).unwrap();
        assert_eq!(seen, 2);
    });
}

#[test]
fn a_share_counts_once() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        let twice = [share(life, 1), share(life, 2), share(life, 1)];
        let [new, old] = [Applied::Applied, Applied::AlreadyThere];
        assert_eq!(journal.append(&twice), Ok(vec![new, new, old]));
        assert_eq!(journal.append(&twice), Ok(vec![old; 3]));
        assert_eq!(all_shares(journal, &pool()).len(), 2);
        type Change = fn(&mut ShareRecord);
        let changes: [Change; 7] = [
            |share| share.pool = PoolName::new("other"),
            |share| share.account = Account::new("other"),
            |share| share.worker = "other".into(),
            |share| share.weight = Weight::new(1),
            |share| share.digest = Digest::new([9; 32]),
            |share| share.height = 1,
            |share| share.time = UnixTime::from_secs(1),
        ];
        for change in changes {
            let mut other = record(life, 1);
            change(&mut other);
            contradicts(journal, &[share(life, 3), Entry::Share(other)], "other contents");
        }
        contradicts(journal, &[share(life, 3), share(Life { boot: 77, ..life }, 0)], "never began");
        contradicts(journal, &[share(Life { node: 1, ..life }, 0)], "never began");
        contradicts(journal, &[share(Life { boot: 0, ..life }, 0)], "never began");
        assert_eq!(all_shares(journal, &pool()).len(), 2, "nothing of a refused batch is there");
        assert_eq!(journal.append(&[]), Ok(vec![]));
    });
}

#[test]
fn a_block_lives_and_its_money_with_it() {
    on_each(|journal| {
        let [one, two] = [candidate(1), candidate(2)];
        assert_eq!(journal.append(&[found(&one), found(&two)]), Ok(vec![Applied::Applied; 2]));
        assert_eq!(journal.append(&[found(&one)]), Ok(vec![Applied::AlreadyThere]));
        assert_eq!(balances(journal), []);
        assert_eq!(*block(journal, one.hash).candidate, one);
        assert_eq!(observe(journal, one.hash, Observation::OnChain), [BlockState::Confirmed]);
        assert_eq!(balances(journal).len(), 5);
        assert_eq!(observe(journal, one.hash, Observation::OffChain), [BlockState::Orphaned]);
        assert_eq!(balances(journal), []);
        let path = observe(journal, one.hash, Observation::Mature);
        assert_eq!(path, [BlockState::Confirmed, BlockState::Matured]);
        assert_eq!(observe(journal, two.hash, Observation::GivenUp), [BlockState::Lost]);
        let account = |index: u8| LedgerAccount::Balance(Account::new(format!("account{index}")));
        let expected = [
            (LedgerAccount::Chain, one.reward),
            (account(0), Amount::from_atomic(1)),
            (account(1), Amount::from_atomic(2)),
            (account(2), Amount::from_atomic(3)),
            (LedgerAccount::Fee, one.fee),
        ];
        assert_eq!(balances(journal), expected);
        let record = block(journal, one.hash);
        assert_eq!((record.state, record.ordinal), (BlockState::Matured, 4));
        assert_eq!(
            *record.candidate,
            Candidate { block: Box::default(), ..one.clone() },
            "the block is dropped"
        );
        assert_eq!(journal.blocks(&pool(), true), Ok(vec![]));
        let hashes: Vec<_> =
            journal.blocks(&pool(), false).unwrap().iter().map(|block| block.candidate.hash).collect();
        assert_eq!(hashes, [one.hash, two.hash]);
        assert_eq!(journal.append(&[found(&one)]), Ok(vec![Applied::AlreadyThere]));
    });
}

#[test]
fn candidates_that_contradict_are_refused() {
    on_each(|journal| {
        journal.append(&[found(&candidate(1))]).unwrap();
        type Change = fn(&mut Candidate);
        let changes: [Change; 9] = [
            |block| block.pool = PoolName::new("other"),
            |block| block.height = 1,
            |block| block.finder = Account::new("other"),
            |block| block.worker = "other".into(),
            |block| (block.reward, block.fee) = (Amount::from_atomic(16), Amount::from_atomic(10)),
            |block| block.credits.reverse(),
            |block| block.credits[0].0 = Account::new("other"),
            |block| block.paid_by_coinbase = true,
            |block| block.time = UnixTime::from_secs(1),
        ];
        for change in changes {
            let mut other = candidate(1);
            change(&mut other);
            contradicts(journal, &[found(&candidate(2)), found(&other)], "other contents");
        }
        let mut poor = candidate(3);
        poor.fee = Amount::ZERO;
        contradicts(journal, &[found(&poor)], "not its reward");
        let mut twice = candidate(3);
        twice.credits[1].0 = twice.credits[0].0.clone();
        contradicts(journal, &[found(&twice)], "twice");
        assert_eq!(journal.blocks(&pool(), false).unwrap().len(), 1);
    });
}

#[test]
fn events_that_contradict_are_refused() {
    on_each(|journal| {
        let one = candidate(1);
        journal.append(&[found(&one)]).unwrap();
        let event = |ordinal, state, booking| BlockEvent {
            pool: pool(),
            hash: one.hash,
            ordinal,
            state,
            time: UnixTime::from_secs(5),
            booking,
        };
        let credit = booking::confirmed(&one).ok();
        let good = event(1, BlockState::Confirmed, credit.clone());
        for (bad, what) in [
            (event(2, BlockState::Confirmed, credit.clone()), "comes after 0"),
            (event(0, BlockState::Confirmed, credit.clone()), "comes after 0"),
            (event(1, BlockState::Matured, None), "cannot go from Found to Matured"),
            (event(1, BlockState::Found, None), "cannot go"),
            (event(1, BlockState::Confirmed, booking::matured(&one).ok()), "something else"),
            (BlockEvent { pool: PoolName::new("other"), ..good.clone() }, "belongs to the pool main"),
            (BlockEvent { hash: Hash256::ZERO, ..good.clone() }, "never found"),
        ] {
            contradicts(journal, &[found(&candidate(2)), Entry::Block(bad)], what);
        }
        assert_eq!(journal.blocks(&pool(), false).unwrap().len(), 1);
        assert_eq!(balances(journal), []);
        let good = Entry::Block(good);
        assert_eq!(
            journal.append(&[good.clone(), good.clone()]),
            Ok(vec![Applied::Applied, Applied::AlreadyThere])
        );
        assert_eq!(journal.append(&[good]), Ok(vec![Applied::AlreadyThere]));
        for other in [
            event(1, BlockState::Orphaned, credit.clone()),
            event(1, BlockState::Confirmed, None),
            BlockEvent { time: UnixTime::from_secs(6), ..event(1, BlockState::Confirmed, credit) },
        ] {
            contradicts(journal, &[Entry::Block(other)], "other contents");
        }
        assert_eq!(observe(journal, one.hash, Observation::Mature), [BlockState::Matured]);
        contradicts(journal, &[Entry::Block(event(3, BlockState::Orphaned, None))], "cannot go from Matured");
    });
}

#[test]
fn a_booking_is_what_its_step_means_and_nothing_else() {
    on_each(|journal| {
        let one = candidate(1);
        journal.append(&[found(&one)]).unwrap();
        let event = |ordinal, state, booking| {
            let (pool, hash, time) = (pool(), one.hash, UnixTime::from_secs(5));
            Entry::Block(BlockEvent { pool, hash, ordinal, state, time, booking })
        };
        let meant = booking::confirmed(&one).unwrap();
        let mut less = meant.transfers().to_vec();
        less.pop();
        let mut more = meant.transfers().to_vec();
        more.push(Transfer {
            from: LedgerAccount::Chain,
            to: LedgerAccount::Balance(Account::new("thief")),
            amount: Amount::from_atomic(1),
        });
        let mut turned = meant.transfers().to_vec();
        turned.reverse();
        let wrong = [less, more, turned, vec![]].map(|transfers| Some(Transaction::new(transfers)));
        for booking in wrong.into_iter().chain([None, booking::matured(&one).ok()]) {
            contradicts(journal, &[event(1, BlockState::Confirmed, booking)], "something else");
        }
        contradicts(journal, &[event(1, BlockState::Orphaned, Some(Transaction::new(vec![])))], "something");
        assert_eq!(balances(journal), []);
        journal.append(&[event(1, BlockState::Orphaned, None)]).unwrap();
        journal.append(&[event(2, BlockState::Confirmed, Some(meant))]).unwrap();
        contradicts(journal, &[event(3, BlockState::Orphaned, None)], "something else");
        journal.append(&[event(3, BlockState::Orphaned, booking::orphaned(&one).ok())]).unwrap();
        assert_eq!(balances(journal), []);
    });
}

#[test]
fn sequence_numbers_of_a_life_only_grow_from_call_to_call() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        journal.append(&[share(life, 9), share(life, 3), share(life, 6)]).unwrap();
        contradicts(journal, &[share(life, 10), share(life, 7)], "after later ones");
        let [new, old] = [Applied::Applied, Applied::AlreadyThere];
        assert_eq!(
            journal.append(&[share(life, 12), share(life, 3), share(life, 11)]),
            Ok(vec![new, old, new])
        );
        let second = journal.begin().unwrap();
        assert_eq!(journal.append(&[share(second, 2), share(life, 13)]), Ok(vec![new, new]));
        let expected = [(second, 2), (life, 13), (life, 12), (life, 11), (life, 9), (life, 6), (life, 3)];
        assert_eq!(all_shares(journal, &pool()), expected.map(|(life, sequence)| record(life, sequence)));
        let mut weights = Vec::new();
        let mut visit = |account: &Account, weight: Weight| {
            weights.push((account.clone(), weight));
            ControlFlow::Continue(())
        };
        journal.weights(&pool(), &mut visit).unwrap();
        let shares = all_shares(journal, &pool());
        assert!(weights.into_iter().eq(shares.into_iter().map(|share| (share.account, share.weight))));
    });
}

#[test]
fn a_large_batch_is_like_a_small_one() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        let entries: Vec<_> = (0..10_000).map(|sequence| share(life, sequence * 3)).collect();
        assert_eq!(journal.append(&entries), Ok(vec![Applied::Applied; 10_000]));
        assert_eq!(journal.append(&entries), Ok(vec![Applied::AlreadyThere; 10_000]));
        let shares = all_shares(journal, &pool());
        assert!(shares.into_iter().eq((0..10_000).rev().map(|sequence| record(life, sequence * 3))));
        contradicts(journal, &[share(life, 4)], "after later ones");
    });
}

#[test]
fn sqlite_says_what_is_too_large_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(directory.path().join("journal.db")).unwrap();
    let life = journal.begin().unwrap();
    let mut last = record(life, 0);
    last.key.sequence = u64::MAX;
    contradicts(&mut journal, &[Entry::Share(last)], "beyond what one life holds");
    let limit = Amount::from_atomic(10u128.pow(36));
    let mut rich = candidate(1);
    (rich.reward, rich.fee, rich.credits) = (limit, limit, vec![]);
    contradicts(&mut journal, &[found(&rich)], "too large");
    let most = Amount::from_atomic(10u128.pow(36) - 1);
    (rich.reward, rich.fee) = (most, most);
    journal.append(&[found(&rich)]).unwrap();
    observe(&mut journal, rich.hash, Observation::OnChain);
    let mut other = candidate(2);
    other.credits.clear();
    (other.reward, other.fee) = (Amount::from_atomic(1), Amount::from_atomic(1));
    journal.append(&[found(&other)]).unwrap();
    let booking = booking::confirmed(&other).ok();
    let (pool, hash, time) = (pool(), other.hash, UnixTime::from_secs(5));
    let event = BlockEvent { pool, hash, ordinal: 1, state: BlockState::Confirmed, time, booking };
    contradicts(&mut journal, &[Entry::Block(event)], "CHECK constraint failed");
    assert_eq!(balances(&mut journal).len(), 2);
}

#[test]
fn pools_in_one_journal_do_not_mix() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        let other = PoolName::new("other");
        let mut foreign = record(life, 1);
        foreign.pool = other.clone();
        let mut block = candidate(1);
        block.pool = other.clone();
        let credit = BlockEvent {
            pool: other.clone(),
            hash: block.hash,
            ordinal: 1,
            state: BlockState::Confirmed,
            time: UnixTime::from_secs(5),
            booking: booking::confirmed(&block).ok(),
        };
        let entries = [share(life, 0), Entry::Share(foreign.clone()), found(&block), Entry::Block(credit)];
        journal.append(&entries).unwrap();
        assert_eq!(all_shares(journal, &pool()), [record(life, 0)]);
        assert_eq!(all_shares(journal, &other), [foreign]);
        assert_eq!((journal.blocks(&pool(), false).unwrap().len(), balances(journal).len()), (0, 0));
        assert_eq!((journal.blocks(&other, false).unwrap().len(), kept(journal, &other).len()), (1, 5));
        let nobody = PoolName::new("nobody");
        assert_eq!((all_shares(journal, &nobody).len(), kept(journal, &nobody).len()), (0, 0));
    });
}

#[test]
fn all_is_there_when_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut last = 0;
    for round in 0..4u8 {
        let mut journal = Sqlite::open(&path).unwrap();
        let life = journal.begin().unwrap();
        assert!(life.boot > last);
        last = life.boot;
        let before = balances(&mut journal);
        assert_eq!(before.is_empty(), round == 0);
        assert_eq!(all_shares(&mut journal, &pool()).len(), 10 * usize::from(round));
        let entries: Vec<_> = (0..10).map(|sequence| share(life, sequence)).collect();
        journal.append(&entries).unwrap();
        journal.append(&[found(&candidate(round))]).unwrap();
        observe(&mut journal, candidate(round).hash, Observation::OnChain);
    }
}

#[test]
fn a_memory_journal_fails_on_demand_and_survives_its_handles() {
    let mut journal = Memory::new();
    let life = journal.begin().unwrap();
    for failure in [Failure::Refused, Failure::UnknownLost, Failure::UnknownWritten] {
        journal.inject(failure);
    }
    let entries = [share(life, 0)];
    assert!(matches!(journal.append(&entries), Err(JournalError::Storage(_))));
    assert!(matches!(journal.append(&entries), Err(JournalError::Unknown(_))));
    assert_eq!(all_shares(&mut journal, &pool()).len(), 0);
    assert!(matches!(journal.append(&entries), Err(JournalError::Unknown(_))));
    let mut after = journal.handle();
    drop(journal);
    assert_eq!(all_shares(&mut after, &pool()).len(), 1);
    assert_eq!(after.append(&entries), Ok(vec![Applied::AlreadyThere]));
    assert!(after.begin().unwrap().boot > life.boot);
}

#[test]
fn a_journal_has_one_holder() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let held = Sqlite::open(&path).unwrap();
    let in_use = |path: &Path| match Sqlite::open(path) {
        Err(JournalError::InUse { holder, .. }) => {
            let process = format!("process {} (journal-", std::process::id());
            holder.starts_with(&process) && holder.contains(") since 20") && holder.ends_with(" UTC")
        }
        _ => false,
    };
    assert!(in_use(&path));
    assert!(in_use(&directory.path().join(".").join("journal.db")));
    #[cfg(unix)]
    {
        let link = directory.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(in_use(&link));
    }
    std::fs::write(directory.path().join("journal.db-lock"), "").unwrap();
    let unknown = |error| matches!(error, JournalError::InUse { holder, .. } if holder == "another process");
    assert!(Sqlite::open(&path).is_err_and(unknown));
    drop(held);
    assert!(Sqlite::open(&path).is_ok());
}

#[test]
fn what_is_no_journal_of_this_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let format = |name: &str| match Sqlite::open(path(name)) {
        Err(JournalError::Format { found, .. }) => found,
        other => panic!("{name}: {other:?}"),
    };
    let sql =
        |name: &str, sql: &str| rusqlite::Connection::open(path(name)).unwrap().execute_batch(sql).unwrap();

    sql("foreign.db", "CREATE TABLE t (x); PRAGMA application_id = 7;");
    assert_eq!(format("foreign.db"), 7);
    sql("plain.db", "CREATE TABLE t (x);");
    assert_eq!(format("plain.db"), 0);
    drop(Sqlite::open(path("newer.db")).unwrap());
    sql("newer.db", "PRAGMA user_version = 3;");
    let newer = Sqlite::open(path("newer.db")).unwrap_err();
    assert!(matches!(newer, JournalError::TooNew { found: 3, expected: 2, .. }), "{newer}");
    assert!(newer.to_string().contains("too old for it"));
    sql("newer.db", "PRAGMA user_version = 1;");
    let older = Sqlite::open(path("newer.db")).unwrap_err();
    assert!(matches!(older, JournalError::Outdated { found: 1, expected: 2, .. }), "{older}");
    assert!(older.to_string().contains("run `otedama migrate up`"));
    std::fs::write(path("text.db"), "this is no database, but it is long enough to have a header".repeat(99))
        .unwrap();
    assert!(matches!(Sqlite::open(path("text.db")), Err(JournalError::Damaged(_))));
    std::fs::create_dir(path("directory.db")).unwrap();
    assert!(matches!(Sqlite::open(path("directory.db")), Err(JournalError::Storage(_))));
    std::fs::write(path("file"), "").unwrap();
    assert!(matches!(Sqlite::open(path("file/journal.db")), Err(JournalError::Storage(_))));

    let mode: String = rusqlite::Connection::open(path("foreign.db"))
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete", "another program's file is not touched");
}

/// Whatever comes, right or wrong, as an entry for a small world of blocks and shares.
fn anything() -> impl Strategy<Value = (u8, u64, u32, u8, u8)> {
    (0u8..10, 0u64..6, 1u32..5, 0u8..3, 0u8..5)
}

fn entry(life: Life, (kind, sequence, ordinal, number, variant): (u8, u64, u32, u8, u8)) -> Entry {
    let mut candidate = candidate(number);
    let states = [
        BlockState::Confirmed,
        BlockState::Orphaned,
        BlockState::Matured,
        BlockState::Lost,
        BlockState::Confirmed,
    ];
    match kind {
        0..=2 => {
            let mut share = record(life, sequence);
            if variant == 0 {
                share.height = 5;
            }
            Entry::Share(share)
        }
        3 | 4 => {
            if variant == 0 {
                candidate.worker = "other".into();
            }
            found(&candidate)
        }
        _ => {
            let state = states[usize::from(variant)];
            let booking = match state {
                BlockState::Confirmed => booking::confirmed(&candidate),
                BlockState::Orphaned if ordinal > 1 => booking::orphaned(&candidate),
                BlockState::Matured => booking::matured(&candidate),
                _ => Ok(Transaction::default()),
            };
            let booking = booking.ok().filter(|booking| !booking.is_empty() && variant != 4);
            let (pool, hash, time) = (pool(), candidate.hash, UnixTime::from_secs(5));
            Entry::Block(BlockEvent { pool, hash, ordinal, state, time, booking })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sqlite_does_what_memory_does(batches in prop::collection::vec(prop::collection::vec(anything(), 1..5), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let mut sqlite = Sqlite::open(&path).unwrap();
        let mut memory = Memory::new();
        for (number, batch) in batches.into_iter().enumerate() {
            if number % 10 == 0 {
                drop(sqlite);
                sqlite = Sqlite::open(&path).unwrap();
                prop_assert_eq!(sqlite.begin(), memory.begin());
            }
            let life = Life { node: 0, boot: u32::try_from(number / 10 + 1).unwrap() };
            let entries: Vec<_> = batch.into_iter().map(|seed| entry(life, seed)).collect();
            prop_assert_eq!(sqlite.append(&entries), memory.append(&entries));
            prop_assert_eq!(balances(&mut sqlite), balances(&mut memory));
            prop_assert_eq!(sqlite.blocks(&pool(), false), memory.blocks(&pool(), false));
            prop_assert_eq!(sqlite.blocks(&pool(), true), memory.blocks(&pool(), true));
        }
        prop_assert_eq!(all_shares(&mut sqlite, &pool()), all_shares(&mut memory, &pool()));
    }
}
