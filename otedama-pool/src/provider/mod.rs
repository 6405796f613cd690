//! A provider of templates: gives the templates of our nodes to the pools of others, over Stratum V2.
//!
//! ```no_run
//! use otedama_pool::node::{Auth, Bitcoind};
//! use otedama_pool::provider::Provider;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Bitcoind::new("http://127.0.0.1:8332", Auth::None)?;
//! let mut provider = Provider::builder(node).listen("127.0.0.1:8442").start().await?;
//! while let Some(event) = provider.next_event().await {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```

mod builder;
mod connection;
mod follow;
mod hub;
mod round;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otedama_core::Hash256;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::builder::{ProviderBuilder, StartError};

use crate::core::NodeId;
use crate::node::{Node, NodeError, Submission};

/// A running provider. Dropping it stops it.
///
/// Made by [`Provider::builder`]; it needs a tokio runtime with time and I/O. Each client gets the best template of all
/// nodes, with the room for its outputs that it asked for: where a node left less, the last transactions are left out. A
/// new tip is told at once, a better template for it as soon as a node has one. A block that a client finds goes to all
/// nodes once its proof of work is good.
#[derive(Debug)]
pub struct Provider {
    events: mpsc::Receiver<ProviderEvent>,
    addresses: Vec<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

/// What happened at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderEvent {
    /// There is a new template for everybody.
    Template {
        /// The height of the block that it makes.
        height: u32,
        /// How many transactions it has besides the coinbase.
        transactions: usize,
    },
    /// A client has set up a connection.
    Connected {
        /// Where from.
        address: SocketAddr,
        /// Who made it, by its own word.
        vendor: String,
    },
    /// A connection is over.
    Left {
        /// Whose.
        address: SocketAddr,
        /// Why; empty if the client hung up.
        reason: String,
    },
    /// A client has found a block, which is on its way to the nodes.
    BlockFound {
        /// Its hash.
        hash: Hash256,
        /// Its height.
        height: u32,
    },
    /// What a client claims to be a block is none.
    SolutionRefused {
        /// Whose it is.
        address: SocketAddr,
        /// The template, by the client's word.
        template_id: u64,
        /// Why.
        why: &'static str,
    },
    /// A node's word on a block. One that errs is given the block again, a few times.
    BlockAnswered {
        /// The block.
        hash: Hash256,
        /// The node.
        node: NodeId,
        /// Its word.
        answer: Result<Submission, NodeError>,
    },
    /// A node does not answer, or has no template that can be offered.
    NodeFailed {
        /// The node.
        node: NodeId,
        /// Why.
        error: NodeError,
    },
}

impl Provider {
    /// Starts to describe a provider with its first node.
    pub fn builder(node: impl Node + 'static) -> ProviderBuilder {
        ProviderBuilder::new(Box::new(node))
    }

    /// The next news; `None` once the provider has stopped. News that nobody fetches is dropped when 1024 wait.
    pub async fn next_event(&mut self) -> Option<ProviderEvent> {
        self.events.recv().await
    }

    /// Where it listens, in the order in which the listeners were named; with the ports that were found for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
