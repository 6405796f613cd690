//! Reading beside the pool that writes: snapshots, audits, backups, and what is made of backups.

use std::ops::ControlFlow;
use std::path::Path;

use otedama_core::{UnixTime, Weight};
use otedama_pool::journal::{
    Applied, Booked, Journal, JournalError, Progress, Report, Schema, ShareRecord, Snapshot, Sqlite,
};
use otedama_pool::ledger::{Ledger, Observation};
use otedama_pool::{Account, PoolName};

use crate::world::{all_shares, balances, candidate, found, observe, pool, share};

fn verify(path: &Path) -> Report {
    let report = Snapshot::open(path).unwrap().verify(&mut |_| ()).unwrap();
    assert_eq!(report.findings, []);
    report
}

fn count(snapshot: &Snapshot) -> usize {
    let mut count = 0;
    let mut visit = |_: &ShareRecord| {
        count += 1;
        ControlFlow::Continue(())
    };
    snapshot.shares(&pool(), &mut visit).unwrap();
    count
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    assert!(matches!(Snapshot::open(&path), Err(JournalError::Storage(_))), "there is none");
    assert!(!path.exists());
    let mut journal = Sqlite::open(&path).unwrap();
    let life = journal.begin().unwrap();
    journal.append(&(0..100).map(|sequence| share(life, sequence)).collect::<Vec<_>>()).unwrap();
    journal.append(&[found(&candidate(1))]).unwrap();
    observe(&mut journal, candidate(1).hash, Observation::OnChain);
    let before = Snapshot::open(&path).unwrap();
    journal.append(&(100..200).map(|sequence| share(life, sequence)).collect::<Vec<_>>()).unwrap();
    observe(&mut journal, candidate(1).hash, Observation::Mature);
    journal.roll_up(&pool(), Weight::ZERO, 1).unwrap();
    assert_eq!((count(&before), before.balances(&pool()).unwrap().len()), (100, 5));
    let after = Snapshot::open(&path).unwrap();
    assert_eq!(count(&after), 100);
    let mut rolled = 0;
    after.share_totals(&pool(), &mut |total| rolled += total.shares).unwrap();
    assert_eq!(rolled, 100);
    assert_eq!(after.pools().unwrap(), [pool()]);
    let mut booked = Vec::new();
    after.booked(&pool(), &mut |one: &Booked| booked.push(one.clone())).unwrap();
    let mut ledger = Ledger::default();
    booked.iter().for_each(|one| ledger.apply(&one.transaction).unwrap());
    let kept: Ledger = after.balances(&pool()).unwrap().into_iter().map(|b| (b.account, b.amount)).collect();
    assert_eq!(kept, ledger);
    assert_eq!(booked.iter().map(|one| one.ordinal).collect::<Vec<_>>(), [1, 2]);
    let first = &booked[0];
    assert_eq!((first.hash, first.height, first.time), (candidate(1).hash, 800_000, UnixTime::from_secs(5)));
    assert_eq!(after.blocks(&pool(), false).unwrap().len(), 1);
    let report = after.verify(&mut |_| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let counted = &report.pools[0];
    assert_eq!((counted.shares, counted.rolled_shares, counted.blocks), (100, 100, 1));
    assert_eq!((counted.events, counted.bookings, counted.balances), (2, 2, 5));
    assert_eq!(before.verify(&mut |_| ()).unwrap().pools[0].rolled_shares, 0);
}

#[test]
fn an_audit_says_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut journal = Sqlite::open(&path).unwrap();
    let life = journal.begin().unwrap();
    for sequence in 0..300 {
        journal.append(&[share(life, sequence)]).unwrap();
    }
    let mut seen = Vec::new();
    Snapshot::open(&path).unwrap().verify(&mut |progress| seen.push(progress)).unwrap();
    assert!(seen.len() > 4 && seen.is_sorted_by_key(|progress: &Progress| progress.done));
    assert!(seen.iter().all(|progress| progress.done <= progress.total));
    assert_eq!(seen.last().map(|progress| progress.done), seen.last().map(|progress| progress.total));
}

#[test]
fn a_backup_of_a_running_journal_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut journal = Sqlite::open(path("journal.db")).unwrap();
    let life = journal.begin().unwrap();
    let mut sequence = 0;
    let mut more = |journal: &mut Sqlite| {
        let entries: Vec<_> = (sequence..sequence + 1000).map(|sequence| share(life, sequence)).collect();
        sequence += 1000;
        journal.append(&entries).unwrap();
    };
    for _ in 0..200 {
        more(&mut journal);
    }
    journal.append(&[found(&candidate(1))]).unwrap();
    observe(&mut journal, candidate(1).hash, Observation::OnChain);
    let snapshot = Snapshot::open(path("journal.db")).unwrap();
    let mut steps = 0;
    let mut while_writing = |progress: Progress| {
        steps += 1;
        more(&mut journal);
        assert!(progress.done <= progress.total);
    };
    snapshot.backup(&path("backup.db"), &mut while_writing).unwrap();
    assert!(steps > 1);
    let again = snapshot.backup(&path("backup.db"), &mut |_| ());
    assert!(matches!(again, Err(JournalError::Storage(what)) if what.contains("there already")));
    drop(snapshot);
    let report = verify(&path("backup.db"));
    assert_eq!(report.pools[0].shares, 200_000);
    assert_eq!(verify(&path("journal.db")).pools[0].shares, 200_000 + steps * 1000);

    let taken = Sqlite::restore(path("backup.db"), path("journal.db"), &mut |_| ());
    assert!(matches!(taken, Err(JournalError::Storage(what)) if what.contains("there already")));
    // The log of a journal that is gone would be taken for the restored one's.
    std::fs::write(path("restored.db-wal"), b"").unwrap();
    let logged = Sqlite::restore(path("backup.db"), path("restored.db"), &mut |_| ());
    assert!(matches!(logged, Err(JournalError::Storage(what)) if what.contains("restored.db-wal")));
    std::fs::remove_file(path("restored.db-wal")).unwrap();
    let restored = Sqlite::restore(path("backup.db"), path("restored.db"), &mut |_| ()).unwrap();
    assert_eq!(restored, report);
    verify(&path("restored.db"));
    let mut restored = Sqlite::open(path("restored.db")).unwrap();
    assert_eq!(all_shares(&mut restored, &pool()).len(), 200_000);
    assert_eq!(balances(&mut restored), balances(&mut journal));
    let next = restored.begin().unwrap();
    assert_eq!(next.boot, life.boot + 65_536 + 1);
    assert_eq!(restored.append(&[share(next, 0)]), Ok(vec![Applied::Applied]));
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| !path.to_string_lossy().contains("-new")), "{left:?}");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut journal = Sqlite::open(path("journal.db")).unwrap();
    let life = journal.begin().unwrap();
    journal.append(&(0..100).map(|sequence| share(life, sequence)).collect::<Vec<_>>()).unwrap();
    Snapshot::open(path("journal.db")).unwrap().backup(&path("backup.db"), &mut |_| ()).unwrap();
    let mut bytes = std::fs::read(path("backup.db")).unwrap();
    // The digest of share 7 has 32 times the same byte.
    let at = bytes.windows(32).position(|window| window == [7; 32]).unwrap();
    bytes[at + 5] ^= 1;
    std::fs::write(path("backup.db"), bytes).unwrap();
    let report = Sqlite::restore(path("backup.db"), path("restored.db"), &mut |_| ()).unwrap();
    assert!(!report.is_clean());
    assert_eq!(report.findings[0].record, "segment 1 of life 1, shares 0..=99");
    assert_eq!(report.findings[0].problem, "the checksum of the digests is wrong");
    assert!(!path("restored.db").exists());
    let damaged =
        Sqlite::open(path("backup.db")).unwrap().shares(&pool(), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(damaged, Err(JournalError::Damaged(what)) if what.starts_with("segment 1 of life 1")));
}

#[test]
fn the_window_is_read_without_the_digests() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut journal = Sqlite::open(&path).unwrap();
    let life = journal.begin().unwrap();
    journal.append(&(0..5000).map(|sequence| share(life, sequence)).collect::<Vec<_>>()).unwrap();
    let mut seen: Vec<(Account, Weight)> = Vec::new();
    let mut visit = |account: &Account, weight: Weight| {
        seen.push((account.clone(), weight));
        if seen.len() == 4500 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    journal.weights(&pool(), &mut visit).unwrap();
    let expected = all_shares(&mut journal, &pool()).into_iter().take(4500);
    assert!(seen.into_iter().eq(expected.map(|share| (share.account, share.weight))));
    journal.weights(&PoolName::new("nobody"), &mut |_, _| panic!("nobody has shares")).unwrap();
}

#[test]
fn a_file_says_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    assert!(matches!(Sqlite::schema(&path), Err(JournalError::Storage(_))));
    let _held = Sqlite::open(&path).unwrap();
    assert_eq!(Sqlite::schema(&path), Ok(Schema { found: 2, current: 2 }));
}
