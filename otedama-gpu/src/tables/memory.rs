//! Tables in the memory of this process alone.

use otedama_hash::ethash::{Node, Nodes};

use crate::pages::Pages;

/// Nodes in the largest pages to be had, all zero at first.
#[derive(Debug)]
pub struct Memory {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Too few for large pages, which come at the right alignment.
    Small(Vec<Node>),
    Large(Pages),
}

/// From here on, pages begin at a multiple of a node.
const LARGE: usize = 1 << 20;

impl Memory {
    /// So many nodes.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        let bytes = nodes as usize * size_of::<Node>();
        if bytes >= LARGE {
            let pages = Pages::new(bytes);
            if bytemuck::try_cast_slice::<u8, Node>(&pages).is_ok() {
                return Self { kind: Kind::Large(pages) };
            }
        }
        Self { kind: Kind::Small(vec![Node::ZERO; nodes as usize]) }
    }

    /// For filling them.
    pub fn nodes_mut(&mut self) -> &mut [Node] {
        match &mut self.kind {
            Kind::Small(nodes) => nodes,
            // Looked at when it was made.
            Kind::Large(pages) => bytemuck::try_cast_slice_mut(pages).unwrap_or_default(),
        }
    }
}

impl Nodes for Memory {
    fn nodes(&self) -> &[Node] {
        match &self.kind {
            Kind::Small(nodes) => nodes,
            Kind::Large(pages) => bytemuck::try_cast_slice(pages).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_as_many_as_wanted_and_zero() {
        for count in [0, 1, 16, (1 << 14) - 1, 1 << 14, 50_000] {
            let mut memory = Memory::new(count);
            assert_eq!(memory.nodes().len(), count as usize);
            assert!(memory.nodes().iter().all(|node| *node == Node::ZERO));
            memory.nodes_mut().fill(Node([7; 16]));
            assert!(memory.nodes().iter().all(|node| *node == Node([7; 16])));
        }
    }
}
