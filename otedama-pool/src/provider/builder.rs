//! How a provider is described and started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use otedama_hash::{Unsupported, Verifier};
use otedama_stratum::limits::TemplateServerLimits;
#[cfg(feature = "noise")]
use otedama_stratum::noise::AuthoritySecret;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::Provider;
use super::connection::{self, Listening};
use super::follow::{Actor, Rules};
use super::hub::{Hub, Message};
use crate::coin::Coin;
use crate::core::NodeId;
use crate::limits::provider::{MAX_SUBMISSIONS, NEWS};
use crate::node::Node;
use crate::server::follow::follow;
#[cfg(feature = "noise")]
use crate::server::secure::Keys;
use crate::template::Template;

/// A provider that is described but not started.
#[derive(Debug)]
#[must_use = "it does nothing until it is started"]
pub struct ProviderBuilder {
    nodes: Vec<Box<dyn Node>>,
    coin: Coin,
    listen: Vec<String>,
    limits: TemplateServerLimits,
    #[cfg(feature = "noise")]
    authority: Option<AuthoritySecret>,
}

/// Why a provider does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The coin's proof of work cannot be judged here. The configuration is at fault.
    #[error(transparent)]
    Algorithm(#[from] Unsupported),
    /// It cannot listen there. The configuration or the machine is at fault.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        error: std::io::Error,
    },
    /// A thread could not be started. The machine is at fault.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl ProviderBuilder {
    pub(super) fn new(node: Box<dyn Node>) -> Self {
        Self {
            nodes: vec![node],
            coin: Coin::BITCOIN,
            listen: Vec::new(),
            limits: TemplateServerLimits::default(),
            #[cfg(feature = "noise")]
            authority: None,
        }
    }

    /// Asks one more node for templates, and gives it every block. The first that was named is preferred.
    pub fn node(self, node: impl Node + 'static) -> Self {
        self.boxed_node(Box::new(node))
    }

    /// The same with a node chosen at run time.
    pub fn boxed_node(mut self, node: Box<dyn Node>) -> Self {
        self.nodes.push(node);
        self
    }

    /// What the templates are for; Bitcoin if nothing is said.
    pub fn coin(self, coin: Coin) -> Self {
        Self { coin, ..self }
    }

    /// Listens there as well: `HOST:PORT`, where port 0 is any free one.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// What a client may take.
    pub fn limits(self, limits: TemplateServerLimits) -> Self {
        Self { limits, ..self }
    }

    /// Secures all connections with Noise under this authority. Without one they are plain, which is for a trusted network
    /// only, and which most clients do not speak.
    #[cfg(feature = "noise")]
    pub fn authority(self, authority: AuthoritySecret) -> Self {
        Self { authority: Some(authority), ..self }
    }

    /// Starts the provider. It listens at once; clients get templates as soon as a node answers.
    ///
    /// # Errors
    /// [`StartError`] if the description is wrong or a listener cannot be opened.
    pub async fn start(self) -> Result<Provider, StartError> {
        let verifier = Verifier::new(self.coin.algorithm)?;
        let (messages, inbox) = mpsc::channel(MAX_SUBMISSIONS);
        let (news, events) = mpsc::channel(NEWS);
        let (listeners, addresses) = open(&self.listen).await?;
        let hub = Arc::new(Hub::new(verifier, messages.clone(), news));
        let (stop, rules) = (Arc::new(AtomicBool::new(false)), Arc::new(Rules::new(self.coin)));
        let nodes: Vec<Arc<dyn Node>> = self.nodes.into_iter().map(Arc::from).collect();
        let mut provider = Provider { events, addresses, tasks: Vec::new(), stop };
        for (index, node) in nodes.iter().enumerate() {
            let (id, rules) = (NodeId(index), Arc::clone(&rules));
            let judge = move |chain: &str, template: &Template| rules.judge(chain, template);
            let message = move |news| match news {
                Ok(template) => Message::Template(id, template),
                Err(error) => Message::NodeFailed(id, error),
            };
            let (node, stop) = (Arc::clone(node), Arc::clone(&provider.stop));
            follow(format!("otedama-template-{index}"), node, stop, judge, messages.clone(), message)
                .map_err(StartError::Thread)?;
        }
        let listening = Listening {
            hub: Arc::clone(&hub),
            limits: Arc::new(self.limits),
            #[cfg(feature = "noise")]
            keys: self.authority.map(Keys::new).map(Arc::new),
        };
        provider.tasks.push(tokio::spawn(Actor::new(hub, &nodes).run(inbox)));
        for listener in listeners {
            provider.tasks.push(tokio::spawn(connection::listen(listener, listening.clone())));
        }
        Ok(provider)
    }
}

async fn open(addresses: &[String]) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), StartError> {
    let (mut listeners, mut found) = (Vec::new(), Vec::new());
    for address in addresses {
        let failed = |error| StartError::Listen { address: address.clone(), error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        found.push(listener.local_addr().map_err(failed)?);
        listeners.push(listener);
    }
    Ok((listeners, found))
}
