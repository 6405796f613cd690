//! What several nodes say of a block, as one observation.

use std::collections::BTreeMap;

use super::io::NodeId;
use super::source::Sources;
use crate::ledger::Observation;
use crate::node::BlockStatus;

/// The votes on one block, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Votes {
    /// Confirmations as each voter that answered sees them, the most first; `None` off its best chain.
    depths: Vec<Option<u32>>,
    /// How many nodes there are that offer templates or answer.
    electorate: usize,
    /// Whether any node has heard of the block.
    pub(super) heard_of: bool,
    /// How deep the height of the block is buried for more than half of the electorate.
    pub(super) burial: u32,
}

impl Votes {
    /// Counts the answers about a block of this height. A node whose tip is below it cannot miss the block, so it has no
    /// vote, unless nobody has one otherwise; nor has a blind node that did not answer. `None` without answers.
    pub(super) fn count(
        answers: &[(NodeId, Option<BlockStatus>)],
        height: u32,
        sources: &Sources,
    ) -> Option<Self> {
        let mut tips: BTreeMap<_, _> = answers.iter().map(|(node, _)| (*node, 0)).collect();
        let votes = |node: &NodeId| !sources.is_blind(node) || answers.iter().any(|(voter, _)| voter == node);
        tips.extend(sources.tips().filter(|(node, _)| votes(node)));
        let depth = |status: &Option<BlockStatus>| status.and_then(|status| status.confirmations);
        let reaches = |node: &NodeId| tips.get(node).is_some_and(|tip| *tip >= height);
        let informed = |(node, status): &&(NodeId, _)| depth(status).is_some() || reaches(node);
        let anybody = answers.iter().any(|answer| informed(&answer));
        let votes = answers.iter().filter(|answer| !anybody || informed(answer));
        let mut depths: Vec<_> = votes.map(|(_, status)| depth(status)).collect();
        let mut burials: Vec<_> = tips.values().map(|tip| (tip + 1).saturating_sub(height)).collect();
        // The most first: what the one in the middle sees, all before it see as well.
        depths.sort_unstable_by(|a, b| b.cmp(a));
        burials.sort_unstable_by(|a, b| b.cmp(a));
        let burial = *burials.get(burials.len() / 2)?;
        let heard_of = answers.iter().any(|(_, status)| status.is_some());
        (!depths.is_empty()).then_some(Self { depths, electorate: burials.len(), heard_of, burial })
    }

    /// What it means. Of those that answered, every other one is enough to credit a block for the time being. What
    /// cannot be taken back, a credit for good or giving the block up, takes more than half of all nodes that are there,
    /// whether or not they answered or are behind.
    pub(super) fn observation(&self, maturity: u32) -> Observation {
        let most = |seen: &dyn Fn(&Option<u32>) -> bool| {
            2 * self.depths.iter().filter(|depth| seen(depth)).count() > self.electorate
        };
        if most(&|depth| depth.is_some_and(|depth| depth >= maturity)) {
            return Observation::Mature;
        }
        let middle = self.depths.len().div_ceil(2).saturating_sub(1);
        match self.depths.get(middle) {
            // A minority's depth counts as being on the chain, however deep.
            Some(Some(_)) => Observation::OnChain,
            _ if !most(&|depth| depth.is_none()) => Observation::OffChain,
            _ => Observation::of_depth(None, self.burial, maturity),
        }
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
    fn who_does_not_answer_keeps_others_from_deciding_for_good() {
        let depth = |confirmations| Some(BlockStatus { height: 100, confirmations });
        let sources = sources(&[109, 109, 109]);
        let seen = |answers: &[(NodeId, Option<BlockStatus>)]| {
            Votes::count(answers, 100, &sources).unwrap().observation(MATURITY)
        };
        assert_eq!(seen(&[(NodeId(0), depth(Some(10)))]), Observation::OnChain);
        assert_eq!(seen(&[(NodeId(0), None)]), Observation::OffChain);
        let two = [(NodeId(0), depth(Some(10))), (NodeId(2), depth(Some(10)))];
        assert_eq!(seen(&two), Observation::Mature);
        assert_eq!(seen(&[(NodeId(0), None), (NodeId(2), depth(None))]), Observation::GivenUp);
    }

    #[test]
    fn the_silence_of_a_blind_node_says_nothing() {
        let depth = |confirmations| Some(BlockStatus { height: 100, confirmations });
        let bits = CompactTarget::from_bits(0x207f_ffff);
        let template =
            |tip: u32| Arc::new(Template::new(tip + 1, Hash256::ZERO, bits, 1, Amount::from_atomic(1)));
        let mut sources = Sources::new([NodeId(1), NodeId(2)].into());
        for (node, tip) in [(0, 109), (1, 109), (2, 300)] {
            sources.offer(NodeId(node), template(tip));
        }
        let seen = |answers: &[(NodeId, Option<BlockStatus>)]| {
            Votes::count(answers, 100, &sources).map(|votes| votes.observation(MATURITY))
        };
        assert_eq!(seen(&[(NodeId(0), depth(Some(10)))]), Some(Observation::Mature));
        assert_eq!(seen(&[(NodeId(0), None)]), Some(Observation::GivenUp));
        assert_eq!(seen(&[(NodeId(1), depth(Some(1)))]), Some(Observation::OnChain), "alone with the node");
        assert_eq!(
            seen(&[(NodeId(0), depth(None)), (NodeId(1), depth(Some(10)))]),
            Some(Observation::OnChain)
        );
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn who_is_behind_has_no_vote() {
        assert_eq!(observed(&[(102, Some(3)), (99, None), (50, None)]), Observation::OnChain);
        assert_eq!(observed(&[(99, Some(1)), (99, None), (99, None)]), Observation::OnChain, "a newer tip");
        assert_eq!(observed(&[(109, Some(10)), (99, None), (50, None)]), Observation::OnChain, "not alone");
        assert_eq!(observed(&[(109, Some(10)), (109, Some(10)), (50, None)]), Observation::Mature);
        assert_eq!(observed(&[(109, None), (50, None), (50, None)]), Observation::OffChain, "not alone");
        assert_eq!(observed(&[(99, None), (99, None)]), Observation::OffChain);
    }

    #[test]
    fn nobody_says_nothing() {
        assert_eq!(Votes::count(&[], 100, &sources(&[109])), None);
    }
}
