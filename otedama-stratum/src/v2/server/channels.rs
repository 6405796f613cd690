//! The channels of a connection.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use otedama_core::{CompactTarget, Hash256, JobId, Target, WorkerId};

use crate::event::ChannelKind;
use crate::limits::MAX_VERSIONS;

/// A channel that is open.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: u32,
    pub(super) kind: ChannelKind,
    pub(super) worker: WorkerId,
    /// Bytes of its prefix; they stay as many.
    pub(super) prefix_len: usize,
    /// Whether it is in the group.
    pub(super) grouped: bool,
    /// What its jobs build on; none before the first.
    tip: Option<Tip>,
    target: Target,
    /// Of a share of that target, in expected hashes.
    weight: u128,
    given: VecDeque<Given>,
    /// What is left of the difficulties of its shares below 1, in expected hashes; below 2^32.
    pub(super) remainder: u128,
}

/// What `SetNewPrevHash` tells and all jobs until the next one share: the block to build on, and nBits.
pub(super) type Tip = (Hash256, CompactTarget);

/// What must be known about a job when its shares come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) id: JobId,
    version: u32,
    /// Bits of the version that may be rolled.
    mask: u32,
    pub(super) weight: u128,
}

impl Channel {
    pub(super) fn new(
        id: u32,
        kind: ChannelKind,
        worker: WorkerId,
        prefix_len: usize,
        target: Target,
    ) -> Self {
        Self {
            id,
            kind,
            worker,
            prefix_len,
            grouped: false,
            tip: None,
            target,
            weight: target.weight().get(),
            given: VecDeque::new(),
            remainder: 0,
        }
    }

    /// `true` if the client does not know of this target yet; now it does.
    pub(super) fn retarget(&mut self, target: Target) -> bool {
        let new = self.target != target;
        if new {
            (self.target, self.weight) = (target, target.weight().get());
        }
        new
    }

    /// Whether its client knows this tip, so that a job on it can start at once.
    pub(super) fn is_on(&self, tip: Tip) -> bool {
        self.tip == Some(tip)
    }

    /// Notes a job of the current target.
    pub(super) fn give(&mut self, id: JobId, tip: Tip, version: u32, mask: u32) {
        if self.given.len() >= MAX_VERSIONS {
            self.given.pop_front();
        }
        self.given.push_back(Given { id, version, mask, weight: self.weight });
        self.tip = Some(tip);
    }

    /// The job with this number, if it is not too old.
    pub(super) fn given(&self, id: JobId) -> Option<&Given> {
        self.given.iter().rev().find(|given| given.id == id)
    }

    /// Of a share of the current target.
    pub(super) const fn weight(&self) -> u128 {
        self.weight
    }
}

impl Given {
    /// The rolled bits of a whole version, as BIP 310 sends them. Bits that may not be rolled stand out where they differ
    /// from the job's.
    pub(super) const fn rolled(&self, version: u32) -> u32 {
        let Self { version: base, mask, .. } = *self;
        version & mask | (version ^ base) & !mask
    }
}

/// Channels by ascending ids. Most clients have one, and those with many use each in turn.
#[derive(Debug, Default)]
pub(super) struct Channels {
    list: Vec<Channel>,
    /// Which was looked for last.
    last: usize,
    /// How many are in the group.
    members: usize,
    /// Bytes of the whole extranonce of those.
    group_len: usize,
}

impl Channels {
    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many are in the group.
    pub(super) const fn members(&self) -> usize {
        self.members
    }

    /// Takes a channel with the highest id so far. It joins the group if it may and its whole extranonce, which has
    /// `len` bytes, is as long as the others': the part of the coinbase before it counts them.
    pub(super) fn open(&mut self, mut channel: Channel, len: Option<usize>) -> bool {
        if self.members == 0 {
            self.group_len = len.unwrap_or(0);
        }
        channel.grouped = len == Some(self.group_len);
        let grouped = channel.grouped;
        self.members += usize::from(grouped);
        self.list.push(channel);
        grouped
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Channel> {
        if self.list.get(self.last).is_none_or(|channel| channel.id != id) {
            self.last = self.list.binary_search_by_key(&id, |channel| channel.id).ok()?;
        }
        self.list.get_mut(self.last)
    }

    pub(super) fn close(&mut self, id: u32) -> Option<Channel> {
        let position = self.list.binary_search_by_key(&id, |channel| channel.id).ok()?;
        let channel = self.list.remove(position);
        self.members -= usize::from(channel.grouped);
        Some(channel)
    }

    /// The ids of the group's channels.
    pub(super) fn group(&self) -> Vec<u32> {
        self.list.iter().filter(|channel| channel.grouped).map(|channel| channel.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_outside_the_mask_stand_out() {
        let given = Given { id: JobId(1), version: 0x2000_0004, mask: 0x1fff_ffe0, weight: 1 };
        assert_eq!(given.rolled(0x2000_0004), 0);
        assert_eq!(given.rolled(0x2000_2024), 0x2020);
        assert_eq!(given.rolled(0x0000_0005), 0x2000_0001);
        let fixed = Given { mask: 0, ..given };
        assert_eq!((fixed.rolled(0x2000_0004), fixed.rolled(0x2000_0024)), (0, 0x20));
    }

    #[test]
    fn a_group_is_of_one_extranonce_length() {
        let mut channels = Channels::default();
        let channel = |id| Channel::new(id, ChannelKind::Extended, WorkerId(0), 4, Target::MAX);
        assert!(channels.open(channel(2), Some(12)) && channels.open(channel(3), Some(12)));
        assert!(!channels.open(channel(4), Some(13)) && !channels.open(channel(5), None));
        assert_eq!((channels.group(), channels.members()), (alloc::vec![2, 3], 2));
        assert!(channels.close(2).is_some() && channels.close(2).is_none() && channels.close(3).is_some());
        assert!(channels.open(channel(6), Some(13)), "the group is free for another length");
        assert_eq!(channels.get(4).map(|channel| channel.id), Some(4));
        assert!(channels.get(3).is_none());
    }
}
