//! Shares whose window is closed: each is in exactly one place, and counts once for ever.

use std::collections::BTreeMap;

use otedama_core::{UnixTime, Weight};
use otedama_pool::journal::{Applied, Entry, Journal, Life, Memory, RolledUp, ShareRecord, Snapshot, Sqlite};
use otedama_pool::{Account, PoolName};
use proptest::prelude::*;

use crate::world::{all_shares, on_each, pool, record, share};

const DAY: u64 = 86_400;

type Sums = BTreeMap<(Account, u64), (u64, Weight)>;

fn sums(journal: &mut dyn Journal, pool: &PoolName) -> Sums {
    let mut sums = Sums::new();
    let mut visit = |total: &otedama_pool::journal::ShareTotal| {
        let before = sums.insert((total.account.clone(), total.day), (total.shares, total.weight));
        assert_eq!(before, None, "a sum is there once");
    };
    journal.share_totals(pool, &mut visit).unwrap();
    sums
}

fn add(sums: &mut Sums, share: &ShareRecord) {
    let sum = sums.entry((share.account.clone(), share.time.as_secs() / DAY)).or_default();
    *sum = (sum.0 + 1, sum.1.saturating_add(share.weight));
}

/// Sums of all that is there, rolled up or not.
fn everything(journal: &mut dyn Journal, pool: &PoolName) -> Sums {
    let mut sums = sums(journal, pool);
    all_shares(journal, pool).iter().for_each(|share| add(&mut sums, share));
    sums
}

fn light(life: Life, sequence: u64) -> ShareRecord {
    let mut share = record(life, sequence);
    share.weight = Weight::new(u128::from(sequence % 5) + 1);
    share.time = UnixTime::from_secs(1_700_000_000 + sequence * 7_000);
    share
}

#[test]
fn what_is_rolled_up_is_there_as_a_sum() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        let nothing = journal.roll_up(&pool(), Weight::ZERO, 10).unwrap();
        assert_eq!(nothing, RolledUp { shares: 0, more: false });
        let entries: Vec<_> = (0..60).map(|sequence| Entry::Share(light(life, sequence))).collect();
        for one in &entries {
            journal.append(std::slice::from_ref(one)).unwrap();
        }
        let before = everything(journal, &pool());
        // All weigh 180, the newest ten 30.
        assert_eq!(
            journal.roll_up(&pool(), Weight::new(181), 10).unwrap(),
            RolledUp { shares: 0, more: false }
        );
        assert_eq!(
            journal.roll_up(&pool(), Weight::new(30), 20).unwrap(),
            RolledUp { shares: 20, more: true }
        );
        assert_eq!(
            journal.roll_up(&pool(), Weight::new(30), 99).unwrap(),
            RolledUp { shares: 30, more: false }
        );
        assert_eq!(all_shares(journal, &pool()).len(), 10);
        assert_eq!(everything(journal, &pool()), before);
        assert_eq!(journal.append(&entries), Ok(vec![Applied::AlreadyThere; 60]));
        assert_eq!(
            journal.append(&[share(life, 3)]),
            Ok(vec![Applied::AlreadyThere]),
            "whatever its contents"
        );
        assert_eq!(everything(journal, &pool()), before);
        let next = Entry::Share(light(life, 60));
        assert_eq!(journal.append(&[next]), Ok(vec![Applied::Applied]));
        assert_eq!(journal.roll_up(&pool(), Weight::ZERO, 0).unwrap(), RolledUp { shares: 1, more: true });
        assert_eq!(journal.roll_up(&pool(), Weight::ZERO, 99).unwrap(), RolledUp { shares: 10, more: false });
        assert_eq!(all_shares(journal, &pool()), []);
        assert_eq!(journal.append(&[share(life, 60)]), Ok(vec![Applied::AlreadyThere]));
    });
}

#[test]
fn pools_are_rolled_up_apart() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        let other = PoolName::new("other");
        let entries: Vec<_> = (0..40)
            .map(|sequence| {
                let mut share = light(life, sequence);
                if sequence % 2 == 1 {
                    share.pool = other.clone();
                }
                Entry::Share(share)
            })
            .collect();
        journal.append(&entries).unwrap();
        assert_eq!(journal.roll_up(&other, Weight::ZERO, 1000).unwrap().shares, 20);
        assert_eq!(all_shares(journal, &other), []);
        assert_eq!(all_shares(journal, &pool()).len(), 20);
        assert_eq!(sums(journal, &pool()), Sums::new());
        assert_eq!(journal.append(&entries), Ok(vec![Applied::AlreadyThere; 40]));
        assert_eq!(journal.roll_up(&PoolName::new("nobody"), Weight::ZERO, 9).unwrap(), RolledUp::default());
    });
}

#[test]
fn sums_do_not_wrap() {
    on_each(|journal| {
        let life = journal.begin().unwrap();
        let entries: Vec<_> = (0..6).map(|sequence| share(life, sequence)).collect();
        journal.append(&entries).unwrap();
        journal.roll_up(&pool(), Weight::ZERO, 100).unwrap();
        assert!(
            sums(journal, &pool()).values().all(|(shares, weight)| (*shares, *weight) == (2, Weight::MAX))
        );
    });
}

/// Appends of so many shares, roll-ups that keep so much and take so many, and new lives.
fn acts() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    prop::collection::vec((0u8..4, 0u64..60, 1u64..20), 1..25)
}

fn run(
    journal: &mut dyn Journal,
    acts: &[(u8, u64, u64)],
    one_by_one: bool,
) -> (Vec<ShareRecord>, Vec<RolledUp>) {
    let mut life = journal.begin().unwrap();
    let (mut sequence, mut all, mut rolled) = (0, Vec::new(), Vec::new());
    for (kind, first, second) in acts {
        match kind {
            0 | 1 => {
                let shares: Vec<_> = (0..*second).map(|step| light(life, sequence + step * 2)).collect();
                sequence += second * 2;
                let entries: Vec<_> = shares.iter().cloned().map(Entry::Share).collect();
                let size = if one_by_one { 1 } else { entries.len() };
                for batch in entries.chunks(size) {
                    assert_eq!(journal.append(batch), Ok(vec![Applied::Applied; batch.len()]));
                }
                all.extend(shares);
                assert_eq!(journal.append(&entries), Ok(vec![Applied::AlreadyThere; entries.len()]));
            }
            2 => {
                let keep = Weight::new(u128::from(*first));
                let before = all_shares(journal, &pool());
                let done = journal.roll_up(&pool(), keep, *second).unwrap();
                let after = all_shares(journal, &pool());
                assert_eq!(before.len() - after.len(), usize::try_from(done.shares).unwrap());
                assert_eq!(before[..after.len()], after, "the oldest go");
                let left: Weight = after.iter().map(|share| share.weight).sum();
                assert!(done.shares == 0 || left >= keep);
                rolled.push(done);
            }
            _ => (life, sequence) = (journal.begin().unwrap(), *first),
        }
    }
    (all, rolled)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_share_is_in_one_place(acts in acts()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        for one_by_one in [false, true] {
            let path = path.with_extension(if one_by_one { "one" } else { "many" });
            let (mut sqlite, mut memory) = (Sqlite::open(&path).unwrap(), Memory::new());
            let (all, rolled) = run(&mut sqlite, &acts, one_by_one);
            let (same, as_memory) = run(&mut memory, &acts, one_by_one);
            prop_assert_eq!(&all, &same);
            let mut expected = Sums::new();
            all.iter().for_each(|share| add(&mut expected, share));
            prop_assert_eq!(&everything(&mut sqlite, &pool()), &expected);
            prop_assert_eq!(&everything(&mut memory, &pool()), &expected);
            if one_by_one {
                prop_assert_eq!(rolled, as_memory);
                prop_assert_eq!(all_shares(&mut sqlite, &pool()), all_shares(&mut memory, &pool()));
                prop_assert_eq!(sums(&mut sqlite, &pool()), sums(&mut memory, &pool()));
            }
            let entries: Vec<_> = all.into_iter().map(Entry::Share).collect();
            prop_assert_eq!(sqlite.append(&entries), Ok(vec![Applied::AlreadyThere; entries.len()]));
            drop(sqlite);
            let report = Snapshot::open(&path).unwrap().verify(&mut |_| ()).unwrap();
            prop_assert_eq!(report.findings, vec![]);
        }
    }
}
