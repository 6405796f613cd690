//! Which node's template is mined on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::io::NodeId;
use crate::template::Template;

/// The latest offer of every node that answers.
#[derive(Debug, Default)]
pub(super) struct Sources {
    offers: BTreeMap<NodeId, Arc<Template>>,
}

impl Sources {
    pub(super) fn offer(&mut self, node: NodeId, template: Arc<Template>) {
        self.offers.insert(node, template);
    }

    /// Drops the offer of a node that failed. The last offer of all stays: miners go on with it until there is news.
    pub(super) fn fail(&mut self, node: NodeId) {
        if self.offers.len() > 1 {
            self.offers.remove(&node);
        }
    }

    /// The offer on the longest chain; among equals that of the tip being mined on, then of the node configured first.
    pub(super) fn best(&self, current: Option<&Arc<Template>>) -> Option<&Arc<Template>> {
        let highest = self.offers.values().map(|template| template.height).max()?;
        let mut candidates = self.offers.values().filter(|template| template.height == highest);
        let same_tip = |template: &&Arc<Template>| current.is_some_and(|c| c.previous == template.previous);
        candidates.clone().find(same_tip).or_else(|| candidates.next())
    }
}
