//! A chain in the process, a provider of its templates, and clients of the provider.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use otedama_core::{Algorithm, Amount, CompactTarget, Hash256, UnixTime};
use otedama_pool::node::devnet::opaque_transaction;
use otedama_pool::node::{
    BlockStatus, Devnet, DevnetConfig, Node, NodeError, Submission, TemplateProvider, TemplateProviderConfig,
};
use otedama_pool::provider::{Provider, ProviderBuilder, ProviderEvent};
use otedama_pool::{Chain, Coin, Template};
use tokio::runtime::Runtime;

use crate::mining::{pay_all, solve};

/// How long anything may take that should happen soon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A network difficulty of 2^12 hashes a block.
const NBITS: u32 = 0x1f0f_ffff;
/// Pays to a witness key hash of twenty times seven.
pub(crate) const SCRIPT: [u8; 22] = [0, 20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
/// Pays to another one.
const OTHER: [u8; 22] = [0, 20, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8];

/// The chain, and a runtime for its providers.
pub(crate) struct Stage {
    pub(crate) devnet: Arc<Devnet>,
    pub(crate) runtime: Arc<Runtime>,
}

/// A running provider.
pub(crate) struct Running {
    provider: Option<Provider>,
    pub(crate) address: SocketAddr,
    runtime: Arc<Runtime>,
}

/// A chain that does not wait long for news, since it does not tell of new transactions.
#[derive(Debug)]
struct Restless(Arc<Devnet>);

/// Asks until there is an answer.
pub(crate) fn until<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < end, "not in time");
        std::thread::yield_now();
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = || UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let (bits, subsidy) = (CompactTarget::from_bits(NBITS), Amount::from_atomic(5_000_000_000));
        let config = DevnetConfig::new(Algorithm::SHA256D, bits, subsidy, Arc::new(clock));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self { devnet: Arc::new(Devnet::new(config).unwrap()), runtime: Arc::new(runtime.unwrap()) }
    }

    /// Gives the chain transactions of these seeds, which pay 1000 each.
    pub(crate) fn give(&self, seeds: std::ops::Range<u64>) {
        for seed in seeds {
            self.devnet.add_transaction(&opaque_transaction(seed), Amount::from_atomic(1000)).unwrap();
        }
    }

    /// Somebody else finds a block.
    pub(crate) fn mine_another(&self) -> Hash256 {
        let template = self.devnet.template().unwrap();
        let block = solve(&template, Algorithm::SHA256D, &pay_all(&template, &OTHER));
        assert_eq!(self.devnet.submit(&block), Ok(Submission::Known));
        Hash256::sha256d(&block[..80])
    }

    /// Waits until the chain has heard of a block.
    pub(crate) fn wait_for_block(&self, hash: Hash256) -> BlockStatus {
        until(|| self.devnet.block(hash).unwrap())
    }

    pub(crate) fn builder(&self) -> ProviderBuilder {
        Provider::builder(Restless(Arc::clone(&self.devnet))).coin(Coin::devnet(Algorithm::SHA256D))
    }

    pub(crate) fn provider(&self) -> Running {
        self.provider_at("127.0.0.1:0")
    }

    pub(crate) fn provider_at(&self, address: &str) -> Running {
        // The port of a provider that has just ended may be taken for another moment.
        let provider = until(|| self.runtime.block_on(self.builder().listen(address).start()).ok());
        Running::of(provider, &self.runtime)
    }

    #[cfg(feature = "noise")]
    pub(crate) fn secured_provider(&self, secret: otedama_stratum::noise::AuthoritySecret) -> Running {
        let builder = self.builder().listen("127.0.0.1:0").authority(secret);
        Running::of(self.runtime.block_on(builder.start()).unwrap(), &self.runtime)
    }
}

impl Running {
    pub(crate) fn of(provider: Provider, runtime: &Arc<Runtime>) -> Self {
        let address = provider.addresses()[0];
        Self { provider: Some(provider), address, runtime: Arc::clone(runtime) }
    }

    /// A client that speaks plain frames.
    pub(crate) fn node(&self) -> TemplateProvider {
        self.node_with(|config| config)
    }

    pub(crate) fn node_with(
        &self,
        change: impl FnOnce(TemplateProviderConfig) -> TemplateProviderConfig,
    ) -> TemplateProvider {
        let config = TemplateProviderConfig::new("127.0.0.1", self.address.port());
        TemplateProvider::connect(change(config.chain(Chain::Regtest).patience(PATIENCE))).unwrap()
    }

    /// The first event that is looked for.
    pub(crate) fn event<T>(&mut self, mut pick: impl FnMut(ProviderEvent) -> Option<T>) -> T {
        let provider = self.provider.as_mut().unwrap();
        let found = async {
            loop {
                if let Some(found) = pick(provider.next_event().await.unwrap()) {
                    return found;
                }
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, found).await }).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _runtime = self.runtime.enter();
        drop(self.provider.take());
    }
}

impl Node for Restless {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn chain(&self) -> Result<String, NodeError> {
        self.0.chain()
    }

    fn tip(&self) -> Result<Hash256, NodeError> {
        self.0.tip()
    }

    fn template(&self) -> Result<Template, NodeError> {
        self.0.template()
    }

    fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
        self.0.next_template(seen, patience.min(Duration::from_millis(20)))
    }

    fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> {
        self.0.submit(block)
    }

    fn propose(&self, block: &[u8]) -> Result<Option<Submission>, NodeError> {
        self.0.propose(block)
    }

    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        self.0.block(hash)
    }
}
