//! Which node's template is mined on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::io::NodeId;
use crate::template::Template;

/// The latest offer of every node that answers.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    offers: BTreeMap<NodeId, Arc<Template>>,
    /// The node of the only offer, if that node has failed since.
    last: Option<NodeId>,
    /// Nodes that cannot say of every block where it stands.
    blind: BTreeSet<NodeId>,
}

impl Sources {
    /// No offers yet; the blind nodes have a vote on a block only where they answer.
    pub(crate) fn new(blind: BTreeSet<NodeId>) -> Self {
        Self { blind, ..Self::default() }
    }

    /// Whether this node's silence about a block says nothing.
    pub(crate) fn is_blind(&self, node: &NodeId) -> bool {
        self.blind.contains(node)
    }

    pub(crate) fn offer(&mut self, node: NodeId, template: Arc<Template>) {
        if let Some(last) = self.last.take() {
            self.offers.remove(&last);
        }
        self.offers.insert(node, template);
    }

    /// Drops the offer of a node that failed. The last offer of all stays until another comes: miners go on with it.
    pub(crate) fn fail(&mut self, node: NodeId) {
        if self.offers.len() > 1 {
            self.offers.remove(&node);
        } else if self.offers.contains_key(&node) {
            self.last = Some(node);
        }
    }

    /// The heights of the nodes' tips, as their latest offers say.
    pub(crate) fn tips(&self) -> impl Iterator<Item = (NodeId, u32)> {
        self.offers.iter().map(|(node, template)| (*node, template.height.saturating_sub(1)))
    }

    /// The offer on the longest chain; among equals that of the tip being mined on, then of the node configured first.
    pub(crate) fn best(&self, current: Option<&Arc<Template>>) -> Option<&Arc<Template>> {
        let highest = self.offers.values().map(|template| template.height).max()?;
        let mut candidates = self.offers.values().filter(|template| template.height == highest);
        let same_tip = |template: &&Arc<Template>| current.is_some_and(|c| c.previous == template.previous);
        candidates.clone().find(same_tip).or_else(|| candidates.next())
    }
}

#[cfg(test)]
mod tests {
    use otedama_core::{Amount, CompactTarget, Hash256};

    use super::*;

    fn template(tip: u8, height: u32) -> Arc<Template> {
        let (tip, bits) = (Hash256::from_internal([tip; 32]), CompactTarget::from_bits(0x207f_ffff));
        Arc::new(Template::new(height, tip, bits, 1, Amount::from_atomic(1)))
    }

    #[test]
    fn the_highest_wins_then_the_current_tip_then_the_order() {
        let mut sources = Sources::default();
        assert!(sources.best(None).is_none());
        sources.offer(NodeId(1), template(1, 10));
        sources.offer(NodeId(0), template(2, 10));
        assert_eq!(sources.best(None).map(|t| t.previous), Some(template(2, 10).previous));
        let current = template(1, 10);
        assert_eq!(sources.best(Some(&current)).map(|t| t.previous), Some(current.previous));
        sources.offer(NodeId(0), template(3, 11));
        assert_eq!(sources.best(Some(&current)).map(|t| t.height), Some(11));
    }

    #[test]
    fn the_last_offer_stays_until_another_comes() {
        let mut sources = Sources::default();
        sources.offer(NodeId(0), template(1, 10));
        sources.fail(NodeId(0));
        sources.fail(NodeId(1));
        assert_eq!(sources.best(None).map(|t| t.height), Some(10));
        sources.offer(NodeId(1), template(4, 9));
        assert_eq!(sources.best(None).map(|t| t.height), Some(9));
        sources.offer(NodeId(0), template(5, 12));
        sources.fail(NodeId(0));
        assert_eq!(sources.best(None).map(|t| t.height), Some(9));
    }
}
