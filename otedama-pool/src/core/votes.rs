//! What several nodes say of a block, as one observation.

use super::io::NodeId;
use super::source::Sources;
use crate::ledger::Observation;
use crate::node::BlockStatus;

/// The votes on one block, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Votes {
    /// What it comes to.
    pub(super) seen: Seen,
    /// Whether any node has heard of the block.
    pub(super) heard_of: bool,
    /// How deep the height of the block is buried for more than half of the voters.
    pub(super) burial: u32,
}

/// The depth of a block by majority, without the maturity that says what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Confirmations that at least half of the voters see; `None` if fewer have it on their best chain.
    half: Option<u32>,
    /// Confirmations that more than half of the voters see.
    most: Option<u32>,
}

impl Votes {
    /// Counts the answers about a block of this height. A node whose tip is known to be below it cannot say anything
    /// and has no vote, unless nobody has one otherwise. `None` without answers.
    pub(super) fn count(
        answers: &[(NodeId, Option<BlockStatus>)],
        height: u32,
        sources: &Sources,
    ) -> Option<Self> {
        let informed = |node: NodeId| sources.tip(node).is_some_and(|tip| tip >= height);
        let anybody = answers.iter().any(|(node, _)| informed(*node));
        let voters: Vec<_> = answers.iter().filter(|(node, _)| !anybody || informed(*node)).collect();
        let mut depths: Vec<_> =
            voters.iter().map(|(_, status)| status.and_then(|status| status.confirmations)).collect();
        let mut burials: Vec<_> = voters
            .iter()
            .map(|(node, _)| sources.tip(*node).map_or(0, |tip| (tip + 1).saturating_sub(height)))
            .collect();
        // Deepest first: what the voter at the middle sees, all before it see as well.
        depths.sort_unstable_by(|a, b| b.cmp(a));
        burials.sort_unstable_by(|a, b| b.cmp(a));
        let (half, most) = (depths.len().div_ceil(2).checked_sub(1)?, depths.len() / 2);
        let seen = Seen { half: *depths.get(half)?, most: *depths.get(most)? };
        let heard_of = answers.iter().any(|(_, status)| status.is_some());
        Some(Self { seen, heard_of, burial: *burials.get(most)? })
    }

    /// What it means. One node in two is enough to credit a block for the time being and to keep it from being given
    /// up; it takes more than half to make a credit final.
    pub(super) fn observation(self, maturity: u32) -> Observation {
        if self.seen.most.is_some_and(|depth| depth >= maturity) {
            return Observation::Mature;
        }
        // A minority's depth counts as being on the chain, however deep.
        let half = self.seen.half.map(|depth| depth.min(maturity.saturating_sub(1)));
        Observation::of_depth(half, self.burial, maturity)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use otedama_core::{Amount, CompactTarget, Hash256};

    use super::*;
    use crate::template::Template;

    const MATURITY: u32 = 10;

    fn sources(tips: &[u32]) -> Sources {
        let mut sources = Sources::default();
        for (node, tip) in tips.iter().enumerate() {
            let bits = CompactTarget::from_bits(0x207f_ffff);
            let template = Template::new(tip + 1, Hash256::ZERO, bits, 1, Amount::from_atomic(1));
            sources.offer(NodeId(node), Arc::new(template));
        }
        sources
    }

    /// What nodes with these tips make of a block at height 100; `None` for one that never heard of it, 0 for one that
    /// has it beside its best chain.
    fn observed(answers: &[(u32, Option<u32>)]) -> Observation {
        let tips: Vec<_> = answers.iter().map(|(tip, _)| *tip).collect();
        let status = |depth: u32| BlockStatus { height: 100, confirmations: (depth > 0).then_some(depth) };
        let answers: Vec<_> =
            answers.iter().enumerate().map(|(node, (_, depth))| (NodeId(node), depth.map(status))).collect();
        Votes::count(&answers, 100, &sources(&tips)).unwrap().observation(MATURITY)
    }

    #[test]
    fn one_node_decides_alone() {
        assert_eq!(observed(&[(100, Some(1))]), Observation::OnChain);
        assert_eq!(observed(&[(109, Some(10))]), Observation::Mature);
        assert_eq!(observed(&[(105, Some(0))]), Observation::OffChain);
        assert_eq!(observed(&[(108, None)]), Observation::OffChain);
        assert_eq!(observed(&[(109, None)]), Observation::GivenUp);
    }

    #[test]
    fn of_two_one_may_credit_and_both_must_mature() {
        assert_eq!(observed(&[(101, Some(2)), (101, None)]), Observation::OnChain);
        assert_eq!(observed(&[(109, Some(10)), (109, None)]), Observation::OnChain);
        assert_eq!(observed(&[(109, Some(10)), (109, Some(10))]), Observation::Mature);
        assert_eq!(observed(&[(109, Some(0)), (109, None)]), Observation::GivenUp);
    }

    #[test]
    fn of_three_one_decides_nothing() {
        assert_eq!(observed(&[(100, Some(1000)), (103, None), (103, Some(0))]), Observation::OffChain);
        assert_eq!(observed(&[(103, None), (103, Some(4)), (103, Some(4))]), Observation::OnChain);
        assert_eq!(observed(&[(109, None), (109, Some(10)), (109, Some(10))]), Observation::Mature);
        assert_eq!(observed(&[(900, None), (103, None), (103, None)]), Observation::OffChain);
    }

    #[test]
    fn who_is_behind_has_no_vote() {
        assert_eq!(observed(&[(109, Some(10)), (99, None), (50, None)]), Observation::Mature);
        assert_eq!(observed(&[(99, None), (99, None)]), Observation::OffChain);
    }

    #[test]
    fn nobody_says_nothing() {
        assert_eq!(Votes::count(&[], 100, &sources(&[109])), None);
    }
}
