//! Waiting for a node that says nothing by itself.

use std::thread::sleep;
use std::time::Duration;

use super::{Node, NodeError};
use crate::limits::TIP_POLL;
use crate::template::Template;

/// [`Node::next_template`] of a node whose tip has to be looked at.
pub(super) fn next_template<N: Node + ?Sized>(
    node: &N,
    seen: &Template,
    patience: Duration,
) -> Result<Option<Template>, NodeError> {
    let mut left = patience;
    while node.tip()? == seen.previous {
        if left.is_zero() {
            return Ok(None);
        }
        let pause = left.min(TIP_POLL);
        sleep(pause);
        left -= pause;
    }
    node.template().map(Some)
}
