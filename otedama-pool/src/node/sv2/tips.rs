//! Where blocks stand, as far as it shows in the tips that were named and in the pool's own blocks.

use std::collections::VecDeque;

use otedama_core::Hash256;

use crate::limits::sv2::MAX_BLOCKS;
use crate::node::BlockStatus;

/// Blocks by their hashes. Of a tip only hash and height are known, of the pool's own blocks also what they build on.
///
/// That a tip is one higher than the last does not make it its child: where two blocks of one height race, the next tip
/// may well be a child of the other one. So nothing is concluded from heights but that a block of the tip's height or
/// above which is not the tip is off its chain.
#[derive(Debug, Default)]
pub(super) struct Tips {
    known: VecDeque<Known>,
    tip: Option<Hash256>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    hash: Hash256,
    height: u32,
    previous: Option<Hash256>,
}

impl Tips {
    /// The provider builds on this block now.
    pub(super) fn set_tip(&mut self, hash: Hash256, height: u32) {
        self.note(Known { hash, height, previous: None });
        self.tip = Some(hash);
    }

    /// The pool has found this block.
    pub(super) fn found(&mut self, hash: Hash256, height: u32, previous: Hash256) {
        self.note(Known { hash, height, previous: Some(previous) });
    }

    /// Nobody says any more what the tip is.
    pub(super) fn lose_tip(&mut self) {
        self.tip = None;
    }

    pub(super) const fn tip(&self) -> Option<Hash256> {
        self.tip
    }

    /// Where a block stands; `None` if that cannot be told.
    pub(super) fn status(&self, hash: Hash256) -> Option<BlockStatus> {
        let height = self.find(hash)?.height;
        let mut at = *self.find(self.tip?)?;
        let tip = at.height;
        while at.height > height {
            at = *self.find(at.previous?).filter(|parent| parent.height < at.height)?;
        }
        let depth = tip.checked_sub(height).map(|above| above.saturating_add(1));
        Some(BlockStatus { height, confirmations: depth.filter(|_| at.hash == hash) })
    }

    fn find(&self, hash: Hash256) -> Option<&Known> {
        self.known.iter().rev().find(|known| known.hash == hash)
    }

    fn note(&mut self, new: Known) {
        if let Some(known) = self.known.iter_mut().rev().find(|known| known.hash == new.hash) {
            known.previous = known.previous.or(new.previous);
            return;
        }
        if self.known.len() >= MAX_BLOCKS {
            self.known.pop_front();
        }
        self.known.push_back(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> Hash256 {
        Hash256::from_internal([byte; 32])
    }

    /// Confirmations of a block: `None` if that cannot be told, 0 if it is off the chain.
    fn depth(tips: &Tips, byte: u8) -> Option<u32> {
        tips.status(hash(byte)).map(|status| status.confirmations.unwrap_or(0))
    }

    #[test]
    fn the_tip_is_on_the_chain_and_others_of_its_height_are_not() {
        let mut tips = Tips::default();
        assert_eq!(depth(&tips, 1), None);
        tips.set_tip(hash(1), 100);
        assert_eq!(tips.status(hash(1)), Some(BlockStatus { height: 100, confirmations: Some(1) }));
        tips.found(hash(2), 100, hash(0));
        tips.found(hash(3), 101, hash(1));
        assert_eq!((depth(&tips, 2), depth(&tips, 3)), (Some(0), Some(0)));
        assert_eq!(depth(&tips, 9), None);
        tips.set_tip(hash(3), 101);
        assert_eq!((depth(&tips, 3), depth(&tips, 1), depth(&tips, 2)), (Some(1), Some(2), Some(0)));
        tips.lose_tip();
        assert_eq!(depth(&tips, 3), None);
    }

    #[test]
    fn behind_a_block_of_others_nothing_is_said() {
        let mut tips = Tips::default();
        tips.set_tip(hash(1), 100);
        tips.found(hash(2), 101, hash(1));
        tips.set_tip(hash(2), 101);
        assert_eq!((depth(&tips, 2), depth(&tips, 1)), (Some(1), Some(2)));
        // Perhaps on top of 2, and perhaps on top of a rival of it.
        tips.set_tip(hash(3), 102);
        assert_eq!((depth(&tips, 3), depth(&tips, 2), depth(&tips, 1)), (Some(1), None, None));
        tips.found(hash(4), 103, hash(3));
        tips.set_tip(hash(4), 103);
        assert_eq!((depth(&tips, 4), depth(&tips, 3), depth(&tips, 2)), (Some(1), Some(2), None));
        // Back to a lower tip.
        tips.set_tip(hash(5), 101);
        assert_eq!((depth(&tips, 2), depth(&tips, 3), depth(&tips, 1)), (Some(0), Some(0), None));
    }

    #[test]
    fn many_blocks_are_forgotten_from_the_oldest_on() {
        let mut tips = Tips::default();
        let many = u32::try_from(MAX_BLOCKS).unwrap() + 10;
        let name = |height: u32| Hash256::sha256d(&height.to_le_bytes());
        for height in 1..=many {
            tips.found(name(height), height, name(height - 1));
            tips.set_tip(name(height), height);
        }
        assert_eq!(tips.known.len(), MAX_BLOCKS);
        assert_eq!(tips.status(name(10)), None);
        let status = tips.status(name(11)).unwrap();
        assert_eq!(status, BlockStatus { height: 11, confirmations: Some(many - 10) });
        // A provider that names a circle of blocks ends no walk.
        tips.found(hash(1), 5000, hash(2));
        tips.found(hash(2), 5000, hash(1));
        tips.set_tip(hash(1), 1);
        assert_eq!(tips.status(name(many)), None);
    }
}
