//! The nodes: what their templates must be like, and blocks on the way to them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use otedama_core::Hash256;
use tokio::sync::{Semaphore, mpsc};

use super::ProviderEvent;
use super::hub::{Hub, Message};
use crate::coin::{Chain, Coin};
use crate::core::NodeId;
use crate::core::source::Sources;
use crate::limits::node::RETRY;
use crate::limits::provider::{ATTEMPTS, MAX_BLOCKS, MAX_SUBMISSIONS};
use crate::node::{Node, NodeError};
use crate::template::Template;

/// What every template must be like.
#[derive(Debug)]
pub(super) struct Rules {
    coin: Coin,
    /// The chain of the node that was first to answer.
    chain: Mutex<Option<String>>,
}

impl Rules {
    pub(super) const fn new(coin: Coin) -> Self {
        Self { coin, chain: Mutex::new(None) }
    }

    pub(super) fn judge(&self, chain: &str, template: &Template) -> Result<(), NodeError> {
        let known =
            Chain::find(chain).ok_or_else(|| NodeError::Unsupported(format!("the chain {chain:?}")))?;
        let mut first = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get_or_insert_with(|| chain.to_owned());
        if first != chain {
            return Err(NodeError::Malformed(format!("it follows {chain}, another node follows {first}")));
        }
        if template.mweb.is_some() {
            return Err(NodeError::Unsupported("MWEB over Stratum V2".into()));
        }
        template.check(&self.coin, known).map_err(|error| NodeError::Malformed(error.to_string()))
    }
}

/// The task that owns the nodes.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) hub: Arc<Hub>,
    pub(super) nodes: Vec<Asked>,
    sources: Sources,
    /// The last blocks that were handed in.
    blocks: VecDeque<Hash256>,
}

/// A node, and the blocks that are on their way to it.
#[derive(Debug)]
pub(super) struct Asked {
    node: Arc<dyn Node>,
    room: Arc<Semaphore>,
}

impl Actor {
    pub(super) fn new(hub: Arc<Hub>, nodes: &[Arc<dyn Node>]) -> Self {
        let asked = |node: &Arc<dyn Node>| Asked {
            node: Arc::clone(node),
            room: Arc::new(Semaphore::new(MAX_SUBMISSIONS)),
        };
        let nodes = nodes.iter().map(asked).collect();
        Self { hub, nodes, sources: Sources::default(), blocks: VecDeque::new() }
    }

    /// Until nobody sends any more, which is when it is dropped.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Template(node, template) => self.offered(node, template),
                Message::NodeFailed(node, error) => {
                    self.sources.fail(node);
                    self.hub.tell(ProviderEvent::NodeFailed { node, error });
                }
                Message::Block(hash, height, block) => self.submit(hash, height, &block),
                Message::Answered(hash, node, answer) => {
                    self.hub.tell(ProviderEvent::BlockAnswered { hash, node, answer });
                }
            }
        }
    }

    fn offered(&mut self, node: NodeId, template: Arc<Template>) {
        self.sources.offer(node, template);
        let current = self.hub.current();
        let best = self.sources.best(current.as_ref().map(|round| round.template()));
        let Some(best) = best.filter(|best| !current.is_some_and(|round| round.is_same(best))) else {
            return;
        };
        let (height, transactions) = (best.height, best.transactions.len());
        self.hub.offer(Arc::clone(best));
        self.hub.tell(ProviderEvent::Template { height, transactions });
    }

    /// Hands every node the block. One that does not answer is given it again, a few times.
    fn submit(&mut self, hash: Hash256, height: u32, block: &Arc<[u8]>) {
        if self.blocks.contains(&hash) {
            return;
        }
        if self.blocks.len() >= MAX_BLOCKS {
            self.blocks.pop_front();
        }
        self.blocks.push_back(hash);
        self.hub.tell(ProviderEvent::BlockFound { hash, height });
        for (index, asked) in self.nodes.iter().enumerate() {
            let id = NodeId(index);
            let Ok(permit) = Arc::clone(&asked.room).try_acquire_owned() else {
                let answer = Err(NodeError::Unreachable("too many blocks are on their way to it".into()));
                self.hub.tell(ProviderEvent::BlockAnswered { hash, node: id, answer });
                continue;
            };
            let (node, block, messages) =
                (Arc::clone(&asked.node), Arc::clone(block), self.hub.messages.clone());
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                for attempt in 1..=ATTEMPTS {
                    let answer = node.submit(&block);
                    let done = answer.is_ok() || attempt == ATTEMPTS;
                    let told = messages.blocking_send(Message::Answered(hash, id, answer));
                    if done || told.is_err() {
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
            });
        }
    }
}
