//! The tokio shell around [`PoolCore`](crate::core::PoolCore): sockets, clocks and threads, and nothing that judges.

mod actor;
mod builder;
pub(crate) mod clock;
mod connection;
pub(crate) mod follow;
mod hooks;
pub(crate) mod layer;
mod nodes;
#[cfg(feature = "noise")]
pub(crate) mod secure;
mod status;
mod threads;

use std::net::SocketAddr;

use otedama_core::{ChannelId, Target};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use self::builder::{Journaled, NoJournal, PoolBuilder, StartError};
pub use self::hooks::Applicant;

use self::actor::Message;
use crate::core::{ConnectionId, PoolEvent};
use crate::journal::{Balance, JournalError};
use crate::node::Node;
use crate::scheme::Scheme;

/// A running pool. Dropping it stops it.
///
/// Made by [`Pool::builder`]; it needs a tokio runtime with time and I/O.
///
/// A pool for Stratum V2 and V1, on templates of one's own, which here have nothing in them but the subsidy:
///
/// ```no_run
/// # #[cfg(feature = "noise")]
/// # mod example {
/// use otedama_core::{Amount, Hash256};
/// use otedama_pool::node::{BlockStatus, Node, NodeError, Submission};
/// use otedama_pool::{Coin, Chain, Pool, Template, journal::Memory, scheme::Solo};
/// use otedama_stratum::noise::AuthoritySecret;
///
/// #[derive(Debug)]
/// struct Empty<N>(N); // on the tip of any node
/// impl<N: Node> Node for Empty<N> {
///     fn name(&self) -> &str { "empty blocks" }
///     fn chain(&self) -> Result<String, NodeError> { self.0.chain() }
///     fn template(&self) -> Result<Template, NodeError> {
///         let full = self.0.template()?;
///         let subsidy = Coin::BITCOIN.subsidy(Chain::Main, full.height).unwrap_or(Amount::ZERO);
///         Ok(Template::new(full.height, full.previous, full.nbits, full.curtime, subsidy))
///     }
///     fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> { self.0.submit(block) }
///     fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> { self.0.block(hash) }
/// }
///
/// async fn run(node: impl Node + 'static, key: AuthoritySecret) -> Result<(), Box<dyn std::error::Error>> {
///     let pool = Pool::builder(Empty(node), "bc1q…", Solo).coin(Coin::BITCOIN).journal(Memory::new());
///     let mut pool = pool.authority(key).listen("0.0.0.0:34254").start().await?;
///     while let Some(event) = pool.next_event().await { println!("{event:?}"); }
///     Ok(())
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Pool {
    messages: mpsc::Sender<Message>,
    events: mpsc::Receiver<PoolEvent>,
    addresses: Vec<SocketAddr>,
    listeners: Vec<JoinHandle<()>>,
    actor: Option<JoinHandle<()>>,
}

/// The pool has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pool has stopped")]
pub struct Stopped;

impl Pool {
    /// Starts to describe a pool: where templates come from, whom the coinbase pays (or, where it pays the finder, who
    /// gets the fee), and how rewards are split.
    pub fn builder<S: Scheme + 'static>(
        node: impl Node + 'static,
        address: impl Into<String>,
        scheme: S,
    ) -> PoolBuilder<S, NoJournal> {
        PoolBuilder::new(Box::new(node), address.into(), scheme)
    }

    /// The next news; `None` once the pool has stopped.
    ///
    /// News that nobody fetches is dropped when 65,536 wait; the pool itself never waits for a reader.
    pub async fn next_event(&mut self) -> Option<PoolEvent> {
        self.events.recv().await
    }

    /// Where it listens, in the order in which the listeners were named; with the ports that were found for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The balances of the books, as durable now.
    ///
    /// # Errors
    /// [`BooksError`] if the pool has stopped or the journal cannot be read.
    pub async fn balances(&self) -> Result<Vec<Balance>, BooksError> {
        let (answer, balances) = oneshot::channel();
        self.messages.send(Message::Balances(answer)).await.map_err(|_| Stopped)?;
        Ok(balances.await.map_err(|_| Stopped)??)
    }

    /// Gives a channel this share target from its next job on, within the pool's bounds; vardiff is off for it. In Stratum
    /// V1 the channel is 0.
    ///
    /// # Errors
    /// [`Stopped`] if the pool has stopped.
    pub async fn retarget(
        &self,
        connection: ConnectionId,
        channel: ChannelId,
        target: Target,
    ) -> Result<(), Stopped> {
        let message = Message::Retarget(connection, channel, target);
        self.messages.send(message).await.map_err(|_| Stopped)
    }

    /// Stops in order: no new connections, no new shares, and everything that is on its way into the journal arrives.
    pub async fn stop(mut self) {
        self.close_listeners();
        let _ = self.messages.send(Message::Stop).await;
        if let Some(actor) = self.actor.take() {
            let _ = actor.await;
        }
    }

    fn close_listeners(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.abort();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close_listeners();
        if let Some(actor) = self.actor.take() {
            // The journal finishes what it has begun; whatever was not answered yet is not accepted.
            actor.abort();
        }
    }
}

/// Why the books could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BooksError {
    /// The pool has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
