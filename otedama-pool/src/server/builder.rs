//! How a pool is described and started.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize};

use otedama_core::{Percent, Target};
use otedama_hash::{Unsupported, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::Pool;
use super::actor::{Actor, Message, StopFlag};
use super::clock::Clock;
use super::follow::follow;
use super::hooks::{Applicant, Authorizer, Hooks};
use super::layer::Ground;
use super::nodes::Nodes;
#[cfg(feature = "noise")]
use super::secure::Keys;
use super::status::Status;
use super::threads::{self, Hashing};
use crate::account::PoolName;
use crate::coin::{Address, AddressError, Chain, Coin};
use crate::core::{Authorization, CoreConfig, CoreLimits, Newcomer, NodeId, PREFIX_LEN, PoolCore};
use crate::job::{Layout, Payout};
use crate::journal::{Journal, JournalError, Memory};
use crate::node::{Node, NodeError};
use crate::points;
use crate::scheme::{OwesNothing, Scheme};
use crate::template::{CoinbasePlan, Marker, Template, TemplateError};
use crate::vardiff::{VardiffConfig, VardiffError};

/// Messages that wait for the core.
const INBOX: usize = 4096;
/// News that waits for a reader.
const NEWS: usize = 65_536;
/// Version bits that BIP 320 sets aside for rolling.
const VERSION_MASK: u32 = 0x1fff_e000;
/// Bytes of extranonce2: what every known firmware takes.
const EXTRANONCE2_LEN: usize = 8;

/// A pool that has no journal yet.
#[derive(Debug)]
pub struct NoJournal;

/// A pool whose books survive.
#[derive(Debug)]
pub struct Journaled(Box<dyn Journal>);

/// A pool as described so far.
///
/// `start` exists only once there is a journal, or if the scheme owes nothing to anybody:
///
/// ```compile_fail
/// # use otedama_pool::{Coin, node::{Devnet, DevnetConfig}, scheme::Pplns, server::Pool};
/// # use otedama_core::Factor;
/// async fn without_books(node: Devnet, window: Factor) {
///     let scheme = Pplns::new(window).unwrap();
///     let pool = Pool::builder(node, "bcrt1q…", scheme).listen("127.0.0.1:0").start().await;
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct PoolBuilder<S, J> {
    nodes: Vec<Box<dyn Node>>,
    address: String,
    scheme: S,
    journal: J,
    options: Options,
}

#[derive(Debug)]
struct Options {
    coin: Coin,
    name: PoolName,
    fee: Percent,
    tag: Vec<u8>,
    listen: Vec<String>,
    vardiff: Option<VardiffConfig>,
    limits: CoreLimits,
    session_limits: Option<otedama_stratum::Limits>,
    maturity: Option<u32>,
    hooks: Hooks,
    #[cfg(feature = "noise")]
    authority: Option<otedama_stratum::noise::AuthoritySecret>,
}

/// Why a pool does not start. The configuration is at fault, or the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The pool's address is none of the coin's.
    #[error("the pool's address: {0}")]
    Address(#[from] AddressError),
    /// The tag does not fit into a coinbase.
    #[error("the coinbase tag: {0}")]
    Tag(#[from] TemplateError),
    /// The coin's algorithm cannot be verified.
    #[error(transparent)]
    Algorithm(#[from] Unsupported),
    /// The wishes for difficulties make no sense.
    #[error(transparent)]
    Vardiff(#[from] VardiffError),
    /// The journal cannot be used.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
    /// It cannot listen there.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where it was to listen.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl<S: Scheme + 'static> PoolBuilder<S, NoJournal> {
    pub(super) fn new(node: Box<dyn Node>, address: String, scheme: S) -> Self {
        let options = Options {
            coin: Coin::BITCOIN,
            name: PoolName::new("default"),
            fee: Percent::ZERO,
            tag: b"/otedama/".to_vec(),
            listen: Vec::new(),
            vardiff: None,
            limits: CoreLimits::default(),
            session_limits: None,
            maturity: None,
            hooks: Hooks::default(),
            #[cfg(feature = "noise")]
            authority: None,
        };
        Self { nodes: vec![node], address, scheme, journal: NoJournal, options }
    }

    /// Keeps the books in this journal.
    pub fn journal(self, journal: impl Journal + 'static) -> PoolBuilder<S, Journaled> {
        let Self { nodes, address, scheme, journal: NoJournal, options } = self;
        PoolBuilder { nodes, address, scheme, journal: Journaled(Box::new(journal)), options }
    }
}

impl<S: Scheme + OwesNothing + 'static> PoolBuilder<S, NoJournal> {
    /// Starts a pool that owes nothing to anybody; its shares and blocks are kept in memory.
    ///
    /// # Errors
    /// [`StartError`] if the description is wrong or a listener cannot be opened.
    pub async fn start(self) -> Result<Pool, StartError> {
        self.journal(Memory::new()).start().await
    }
}

impl<S: Scheme + 'static> PoolBuilder<S, Journaled> {
    /// Starts the pool. It listens at once; miners get jobs as soon as a node answers.
    ///
    /// # Errors
    /// [`StartError`] if the description is wrong, the journal cannot be used or a listener cannot be opened.
    pub async fn start(self) -> Result<Pool, StartError> {
        let Self { nodes, address, scheme, journal: Journaled(mut journal), options } = self;
        let verifier = Verifier::new(options.coin.algorithm)?;
        let chains = Chains::of(options.coin, &address)?;
        let mut config = config(&options, &chains, Arc::new(scheme))?;
        let blind = nodes.iter().enumerate().filter(|(_, node)| !node.sees_all_blocks());
        config.blind_nodes = blind.map(|(index, _)| NodeId(index)).collect();
        let (listeners, addresses) = open(&options.listen).await?;
        let life = journal.begin()?;
        let open_blocks = journal.blocks(&config.pool, true)?;
        let clock = Clock::new();
        let (messages, inbox) = mpsc::channel(INBOX);
        let (news, events) = mpsc::channel(NEWS);
        let stop = StopFlag::default();
        let nodes: Vec<Arc<dyn Node>> = nodes.into_iter().map(Arc::from).collect();
        let (journal, journal_thread) =
            threads::journal(journal, config.pool.clone(), messages.clone()).map_err(StartError::Thread)?;
        let hashing = Hashing::start(verifier, &messages).map_err(StartError::Thread)?;
        for (index, node) in nodes.iter().enumerate() {
            let (id, chains) = (NodeId(index), chains.clone());
            let judge = move |chain: &str, template: &Template| chains.judge(chain, template);
            let message = move |news| match news {
                Ok(template) => Message::Template(id, template),
                Err(error) => Message::NodeFailed(id, error),
            };
            let (node, flag) = (Arc::clone(node), Arc::clone(&stop.0));
            follow(format!("otedama-node-{index}"), node, flag, judge, messages.clone(), message)
                .map_err(StartError::Thread)?;
        }
        let ground = Arc::new(ground(&options, clock));
        let authorizer = Authorizer::new(&options.hooks, Arc::clone(&config.payouts));
        let core = PoolCore::new(config, life, open_blocks, clock.now());
        let (outlets, connections, persisting) = (HashMap::new(), 0, false);
        let sender = messages.clone();
        let actor = Actor {
            core,
            clock,
            nodes: Nodes::new(&nodes, sender.clone()),
            hashing,
            journal,
            journal_thread,
            events: news,
            messages: sender,
            _stop: stop,
            outlets,
            connections,
            persisting,
            authorizer,
            ground,
        };
        let actor = Some(tokio::spawn(actor.run(inbox)));
        let listen = |listener| tokio::spawn(super::connection::listen(listener, messages.clone()));
        let listeners = listeners.into_iter().map(listen).collect();
        Ok(Pool { messages, events, addresses, listeners, actor })
    }
}

impl<S, J> PoolBuilder<S, J> {
    /// Asks one more node for templates, and gives it every block. The first that was named is preferred.
    pub fn node(mut self, node: impl Node + 'static) -> Self {
        self.nodes.push(Box::new(node));
        self
    }

    /// The same with a node chosen at run time.
    pub fn boxed_node(mut self, node: Box<dyn Node>) -> Self {
        self.nodes.push(node);
        self
    }

    /// What is mined; Bitcoin if nothing is said.
    pub fn coin(mut self, coin: Coin) -> Self {
        self.options.coin = coin;
        self
    }

    /// The name under which the books are kept; `default` if nothing is said.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.name = PoolName::new(name);
        self
    }

    /// The pool's part of every reward; nothing if nothing is said.
    pub fn fee(mut self, fee: Percent) -> Self {
        self.options.fee = fee;
        self
    }

    /// A text in every coinbase.
    pub fn tag(mut self, tag: impl Into<Vec<u8>>) -> Self {
        self.options.tag = tag.into();
        self
    }

    /// Listens for Stratum on this address, `host:port`; may be said more than once. Port 0 takes a free one.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.options.listen.push(address.into());
        self
    }

    /// Secures Stratum V2 connections; miners connect with the public key of this authority in their URL. Without one,
    /// Stratum V2 is spoken in plain frames, which is for a network of one's own.
    #[cfg(feature = "noise")]
    pub fn authority(mut self, secret: otedama_stratum::noise::AuthoritySecret) -> Self {
        self.options.authority = Some(secret);
        self
    }

    /// How difficulties are chosen.
    pub fn vardiff(mut self, vardiff: VardiffConfig) -> Self {
        self.options.vardiff = Some(vardiff);
        self
    }

    /// What is bounded, and where.
    pub fn limits(mut self, limits: CoreLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// What every connection may take, and how slow it may be.
    pub fn session_limits(mut self, limits: otedama_stratum::Limits) -> Self {
        self.options.session_limits = Some(limits);
        self
    }

    /// Decides whether a worker may mine, and who is credited and paid for its work; the address in its user name if
    /// nothing is said. It may take its time: every question has a thread of its own meanwhile.
    pub fn authorize(
        mut self,
        decide: impl Fn(&Applicant) -> Option<Payout> + Send + Sync + 'static,
    ) -> Self {
        self.options.hooks.authorize = Some(Arc::new(decide));
        self
    }

    /// Chooses the share target of a new channel, which then stays until [`Pool::retarget`](super::Pool::retarget); `None`
    /// leaves it to the pool. It runs where shares are judged, so it must be quick.
    pub fn start_target(
        mut self,
        choose: impl Fn(&Newcomer<'_>) -> Option<Target> + Send + Sync + 'static,
    ) -> Self {
        self.options.hooks.start = Some(Arc::new(choose));
        self
    }

    /// Confirmations after which a coinbase counts as spendable; the coin's own if nothing is said.
    pub fn maturity(mut self, confirmations: u32) -> Self {
        self.options.maturity = Some(confirmations);
        self
    }
}

fn config(options: &Options, chains: &Chains, scheme: Arc<dyn Scheme>) -> Result<CoreConfig, StartError> {
    let extranonce_len = PREFIX_LEN + EXTRANONCE2_LEN;
    let unused = Marker { node: 0, boot: 0, job: 0 };
    CoinbasePlan::new(&options.tag, extranonce_len, unused, Vec::new())?;
    let layout = Layout {
        algorithm: options.coin.algorithm,
        payee: scheme.payee(),
        pool_script: chains.pool.script().into(),
        fee: options.fee,
        tag: options.tag.as_slice().into(),
        extranonce_len,
        version_mask: VERSION_MASK,
    };
    let maturity = options.maturity.unwrap_or(options.coin.maturity);
    let chains = chains.clone();
    let mut config =
        CoreConfig::new(options.name.clone(), layout, scheme, maturity, move |text| chains.payout(text));
    if let Some(vardiff) = options.vardiff {
        vardiff.check()?;
        config.vardiff = vardiff;
    }
    config.limits = options.limits;
    config.start = options.hooks.start.clone();
    if options.hooks.authorize.is_some() {
        config.authorization = Authorization::Asked;
    }
    if let Some(shares) = points::number("roll-up") {
        config.limits.roll_up = shares;
    }
    if let Some(limits) = &options.session_limits {
        Arc::make_mut(&mut config.session).limits = limits.clone();
    }
    Ok(config)
}

fn ground(options: &Options, clock: Clock) -> Ground {
    #[cfg(feature = "noise")]
    let keys = options.authority.clone().map(Keys::new);
    #[cfg(feature = "noise")]
    let key = keys.as_ref().map(|keys| keys.public().to_string());
    #[cfg(not(feature = "noise"))]
    let key = None;
    let status = Status {
        pool: options.name.to_string(),
        algorithm: options.coin.algorithm.spec().name,
        key,
        connections: AtomicUsize::new(0),
        height: AtomicU32::new(0),
    };
    Ground {
        clock,
        status,
        #[cfg(feature = "noise")]
        keys,
    }
}

async fn open(addresses: &[String]) -> Result<(Vec<TcpListener>, Vec<std::net::SocketAddr>), StartError> {
    let (mut listeners, mut found) = (Vec::new(), Vec::new());
    for address in addresses {
        let failed = |error| StartError::Listen { address: address.clone(), error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        found.push(listener.local_addr().map_err(failed)?);
        listeners.push(listener);
    }
    Ok((listeners, found))
}

/// The chains of a coin on which the pool's address exists. Some address forms are shared by several test chains.
#[derive(Clone, Debug)]
struct Chains {
    coin: Coin,
    pool: Address,
    possible: Vec<Chain>,
}

impl Chains {
    fn of(coin: Coin, address: &str) -> Result<Self, AddressError> {
        let parsed = |chain: &Chain| coin.address(*chain, address).ok();
        let possible: Vec<_> = Chain::ALL.into_iter().filter(|chain| parsed(chain).is_some()).collect();
        match possible.iter().find_map(parsed) {
            Some(pool) => Ok(Self { coin, pool, possible }),
            // The main net's complaint says best what is wrong.
            None => coin.address(Chain::Main, address).map(|pool| Self { coin, pool, possible }),
        }
    }

    /// Whether this template of a node that follows this chain can be mined on with the pool's address.
    fn judge(&self, chain: &str, template: &Template) -> Result<(), NodeError> {
        match Chain::find(chain) {
            Some(chain) if self.possible.contains(&chain) => {
                template.check(&self.coin, chain).map_err(|error| NodeError::Malformed(error.to_string()))
            }
            _ => Err(NodeError::Malformed(format!(
                "the node follows the chain {chain:?}, on which the pool's address does not exist"
            ))),
        }
    }

    fn payout(&self, text: &str) -> Option<Payout> {
        let address = self.possible.iter().find_map(|chain| self.coin.address(*chain, text).ok())?;
        Some(Payout { account: address.account().clone(), script: address.script().into() })
    }
}
