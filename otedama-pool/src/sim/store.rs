//! A journal on a simulated disk, which keeps what was synced and loses what it likes of the rest.

use std::sync::Arc;

use otedama_core::{Hash256, Weight};

use super::random::Random;
use crate::account::PoolName;
use crate::journal::{Applied, Entry, Journal, JournalError, Life, Memory, RolledUp};

/// Bytes before the contents of a record: its number, its length, its checksum.
const HEAD: usize = 12;

/// One write into the log.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Begin,
    Append(Arc<[Entry]>),
    RollUp { pool: PoolName, keep: Weight, at_most: u64 },
}

/// The journal: a log of operations on a [`Disk`], and what they come to.
///
/// The contents of a record are stand-ins of the right size; what the record says is kept beside the disk under its
/// number. Whether it is there is for the bytes and their checksum to say.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) disk: Disk,
    ops: Vec<Op>,
    /// What all records come to, the unsynced ones included.
    memory: Memory,
    /// A sync has failed, so what is on the disk must be read again before anything else.
    doubtful: bool,
    /// A deliberate fault: nothing is ever synced.
    never_syncs: bool,
}

/// A file on a disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    synced: Vec<u8>,
    unsynced: Vec<u8>,
    pub(super) full: bool,
    pub(super) failing_syncs: u64,
}

impl Store {
    /// An empty journal on an empty disk.
    pub(super) fn new(never_syncs: bool) -> Self {
        Self { never_syncs, ..Self::default() }
    }

    /// Begins a life; written and synced in one go.
    pub(super) fn begin(&mut self, random: &mut Random) -> Result<Life, JournalError> {
        self.write(Op::Begin, random)?;
        self.sync(random)?;
        let lives = self.ops.iter().filter(|op| matches!(op, Op::Begin)).count();
        Ok(Life { node: 0, boot: u32::try_from(lives).unwrap_or(u32::MAX) })
    }

    /// Writes a record, without a promise yet. Says what the entries did, once they are synced.
    pub(super) fn write(&mut self, op: Op, random: &mut Random) -> Result<Done, JournalError> {
        if self.doubtful {
            self.reopen();
        }
        if self.disk.full {
            // The write stops somewhere; what came of it is cut off again.
            return Err(JournalError::Storage("no space left on device".into()));
        }
        let done = apply(&mut self.memory, &op)?;
        let size = match &op {
            Op::Append(entries) => 64 * entries.len(),
            Op::Begin | Op::RollUp { .. } => 16,
        };
        self.disk.write(self.ops.len(), size, random);
        self.ops.push(op);
        Ok(done)
    }

    /// Makes everything durable that was written, or leaves it open whether that happened.
    pub(super) fn sync(&mut self, random: &mut Random) -> Result<(), JournalError> {
        if self.never_syncs {
            return Ok(());
        }
        if self.disk.failing_syncs > 0 {
            self.disk.failing_syncs -= 1;
            self.doubtful = true;
            self.disk.lose(random);
            return Err(JournalError::Unknown("input/output error".into()));
        }
        self.disk.sync();
        Ok(())
    }

    /// The machine dies: of what was not synced, some is lost or torn. Then it comes back.
    pub(super) fn crash(&mut self, random: &mut Random) {
        self.disk.lose(random);
        self.disk.full = false;
        self.disk.failing_syncs = 0;
        self.reopen();
    }

    /// The journal as it stands; reading only.
    pub(super) fn memory(&mut self) -> &mut Memory {
        if self.doubtful {
            self.reopen();
        }
        &mut self.memory
    }

    /// How many blocks of a pool have an open fate.
    pub(super) fn open_blocks(&mut self, pool: &PoolName) -> usize {
        self.memory().blocks(pool, true).map_or(0, |blocks| blocks.len())
    }

    /// The operations that are there.
    pub(super) fn ops(&self) -> &[Op] {
        &self.ops
    }

    fn reopen(&mut self) {
        self.doubtful = false;
        self.ops.truncate(self.disk.recover());
        self.memory = Memory::new();
        for op in &self.ops {
            // It was applied before, in the same order.
            let _ = apply(&mut self.memory, op);
        }
    }
}

/// What an operation did.
#[derive(Debug)]
pub(super) enum Done {
    Begun,
    Appended(Vec<Applied>),
    RolledUp(RolledUp),
}

fn apply(memory: &mut Memory, op: &Op) -> Result<Done, JournalError> {
    Ok(match op {
        Op::Begin => memory.begin().map(|_| Done::Begun)?,
        Op::Append(entries) => Done::Appended(memory.append(entries)?),
        Op::RollUp { pool, keep, at_most } => Done::RolledUp(memory.roll_up(pool, *keep, *at_most)?),
    })
}

impl Disk {
    fn write(&mut self, number: usize, size: usize, random: &mut Random) {
        let mut body = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        body.extend(u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        body.resize(body.len() + size, u8::try_from(random.below(256)).unwrap_or(0));
        let check = checksum(&body);
        self.unsynced.extend_from_slice(&body[..8]);
        self.unsynced.extend_from_slice(&check);
        self.unsynced.extend_from_slice(&body[8..]);
    }

    fn sync(&mut self) {
        self.synced.append(&mut self.unsynced);
    }

    /// What was not synced survives up to some byte, perhaps with garbage behind it.
    fn lose(&mut self, random: &mut Random) {
        let kept = random.index(self.unsynced.len() + 1);
        // All of it, or nothing of it, are likelier than chance would have them.
        let kept = match random.below(4) {
            0 => self.unsynced.len(),
            1 => 0,
            _ => kept,
        };
        let torn = random.chance(500);
        for byte in self.unsynced.iter_mut().skip(kept) {
            *byte = if torn { !*byte } else { 0 };
        }
        if random.chance(500) {
            self.unsynced.truncate(kept);
        }
        self.sync();
    }

    /// How many records are whole, from the first on; the rest is cut off.
    fn recover(&mut self) -> usize {
        let (mut records, mut offset) = (0, 0);
        while let Some(next) = self.record(offset, records) {
            (records, offset) = (records + 1, next);
        }
        self.synced.truncate(offset);
        self.unsynced.clear();
        records
    }

    /// Where the record at this offset ends, if it is whole and has this number.
    fn record(&self, offset: usize, number: usize) -> Option<usize> {
        let rest = self.synced.get(offset..)?;
        let (head, body) = rest.split_at_checked(HEAD)?;
        let size = usize::try_from(u32::from_be_bytes(head.get(4..8)?.try_into().ok()?)).ok()?;
        let contents = [head.get(..8)?, body.get(..size)?].concat();
        let expected = u32::try_from(number).ok()?.to_be_bytes();
        let whole = checksum(&contents) == *head.get(8..)? && head.get(..4)? == expected.as_slice();
        whole.then_some(offset + HEAD + size)
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let hash = Hash256::sha256d(bytes);
    hash.as_internal().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_survives_and_the_rest_is_whole_or_gone() {
        for seed in 0..200 {
            let mut random = Random::of(seed, 0);
            let mut store = Store::default();
            let synced = random.below(5);
            for boot in 1..=synced {
                assert_eq!(store.begin(&mut random).map(|life| u64::from(life.boot)), Ok(boot));
            }
            for _ in 0..3 {
                store.write(Op::Begin, &mut random).unwrap();
            }
            store.crash(&mut random);
            let there = store.ops().len() as u64;
            assert!((synced..=synced + 3).contains(&there), "{there} of {synced} to {}", synced + 3);
            assert_eq!(store.begin(&mut random).map(|life| u64::from(life.boot)), Ok(there + 1));
        }
    }

    #[test]
    fn a_failed_sync_leaves_it_open() {
        let outcomes: std::collections::BTreeSet<_> = (0..50)
            .map(|seed| {
                let mut random = Random::of(seed, 0);
                let mut store = Store::default();
                store.disk.failing_syncs = 1;
                assert!(matches!(store.begin(&mut random), Err(JournalError::Unknown(_))));
                store.begin(&mut random).unwrap().boot
            })
            .collect();
        assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_full_disk_takes_nothing() {
        let (mut random, mut store) = (Random::of(1, 0), Store::default());
        store.disk.full = true;
        assert!(matches!(store.begin(&mut random), Err(JournalError::Storage(_))));
        store.disk.full = false;
        assert_eq!(store.begin(&mut random).unwrap().boot, 1);
    }
}
