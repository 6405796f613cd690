//! `otedama template-provider`: the templates of our nodes for the pools of others.

use std::io::{self, Write as _};

use otedama_pool::provider::{Provider, ProviderBuilder, ProviderEvent};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::args::TemplateProviderArgs;
use crate::config::{Config, Part, ProviderConfig};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::{nodes, server};

pub(crate) fn run(args: &TemplateProviderArgs) -> Result<(), Failure> {
    let config = Config::load(Some(&args.config), Part::All)?;
    let [provider] = config.providers.as_slice() else {
        let rule = "must have one set of nodes: of a pool, or beside `template_provider`";
        return Err(config.refuse(rule).into());
    };
    let mut provider = provider.clone();
    if !args.listen.is_empty() {
        provider.listen.clone_from(&args.listen);
    }
    let interrupt = Interrupt::install()?;
    let ended = server::ended(&interrupt);
    server::with_runtime(|runtime| runtime.block_on(serve(&provider, ended)))?;
    Err(Failure::Interrupted)
}

/// Serves until the end is asked for.
async fn serve(config: &ProviderConfig, mut ended: watch::Receiver<bool>) -> Result<(), Failure> {
    let mut opened = nodes::open(&config.nodes, config.coin, &config.store)?.into_iter();
    let first = opened.next().ok_or_else(|| Failure::Failed("there is no node".into()))?;
    let mut builder = Provider::builder(first).coin(config.coin);
    for node in opened {
        builder = builder.boxed_node(node);
    }
    for address in &config.listen {
        builder = builder.listen(address.to_string());
    }
    let (builder, key) = secured(builder, config)?;
    let started = builder.start().await;
    let mut provider = started.map_err(|error| Failure::Failed(format!("template provider: {error}")))?;
    announce(&provider, &key);
    loop {
        tokio::select! {
            event = provider.next_event() => match event {
                Some(event) => log(&event),
                None => return Err(Failure::Failed("the provider stopped by itself".into())),
            },
            _ = ended.wait_for(|ended| *ended) => return Ok(()),
        }
    }
}

/// The provider with its keys, and what clients are to know of them.
#[cfg(feature = "noise")]
fn secured(builder: ProviderBuilder, config: &ProviderConfig) -> Result<(ProviderBuilder, String), Failure> {
    let secret = crate::authority::of_provider(config)?;
    let key = secret.public().to_string();
    Ok((builder.authority(secret), key))
}

#[cfg(not(feature = "noise"))]
fn secured(_: ProviderBuilder, _: &ProviderConfig) -> Result<(ProviderBuilder, String), Failure> {
    let rule = "templates are given over Noise, which is not in this build (feature `noise`)";
    Err(Failure::Usage(rule.into()))
}

/// A provider goes on, whether or not anybody reads what it says.
fn announce(provider: &Provider, key: &str) {
    let mut out = io::stdout().lock();
    for address in provider.addresses() {
        let _ = writeln!(out, "listening template-provider {address}");
    }
    for address in provider.addresses() {
        let _ = writeln!(out, "template-provider stratum2+tcp://{address}/{key}");
    }
    let _ = out.flush();
}

fn log(event: &ProviderEvent) {
    match event {
        ProviderEvent::Template { height, transactions } => info!(height, transactions, "new template"),
        ProviderEvent::Connected { address, vendor } => info!(%address, vendor, "a client has connected"),
        ProviderEvent::Left { address, reason } => info!(%address, reason, "a client has left"),
        ProviderEvent::BlockFound { hash, height } => info!(%hash, height, "block found by a client"),
        ProviderEvent::SolutionRefused { address, template_id, why } => {
            warn!(%address, template_id, "what a client has found is no block: {why}");
        }
        ProviderEvent::BlockAnswered { hash, node, answer: Ok(answer) } => {
            info!(%hash, ?node, ?answer, "block handed in");
        }
        ProviderEvent::BlockAnswered { hash, node, answer: Err(error) } => {
            warn!(%hash, ?node, "block not handed in: {error}");
        }
        ProviderEvent::NodeFailed { node, error } => warn!(?node, "{error}"),
        other => debug!(?other, "news of the provider"),
    }
}
