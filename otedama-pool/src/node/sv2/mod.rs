//! Any provider of templates over Stratum V2, such as Bitcoin Core with `sv2-tp`, or another Otedama.

mod assemble;
mod book;
mod config;
mod link;
mod shared;
#[cfg(test)]
mod tests;
mod tips;

use std::io::{ErrorKind, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use otedama_core::{Hash256, Header};
use otedama_stratum::v2::distribution::TemplateSolution;

use self::shared::Shared;
use super::{BlockStatus, Node, NodeError, Submission};
use crate::limits::sv2::{READ, RETRY, VERDICT};
use crate::template::Template;
use crate::template::transaction::{Serialised, length, pushed_height};

pub use config::{ProviderUrlError, TemplateProviderConfig};

/// A provider of templates as a node.
///
/// A thread of its own keeps the connection, makes it again when it is lost, waiting longer and longer, and fetches the
/// transactions of every template, so that templates are whole and are checked like those of any other node. What a
/// transaction pays is not told, so the value of the coinbase is only known not to exceed all coins there can be; version
/// bits, time and the room for the coinbase are the provider's word.
///
/// The protocol gives templates and takes blocks; it does not say what became of a block. So
/// [`block`](Node::block) answers only for the tip, for blocks of which it follows that they are not on its chain, and for
/// blocks under others that this pool found itself. About any other it errs, and where nodes vote it
/// [has no vote](Node::sees_all_blocks). A pool that is to pay out needs a node beside it that sees all blocks.
#[derive(Debug)]
pub struct TemplateProvider {
    name: String,
    shared: Arc<Shared>,
}

impl TemplateProvider {
    /// Begins to connect. The connection ends when the node is dropped, at most five seconds later while it is being made.
    ///
    /// # Errors
    /// [`NodeError::Unreachable`] if the thread cannot be started.
    pub fn connect(config: TemplateProviderConfig) -> Result<Self, NodeError> {
        let (name, shared) = (config.name(), Arc::new(Shared::new(config)));
        let thread = std::thread::Builder::new().name("otedama-templates".into());
        let theirs = Arc::clone(&shared);
        thread.spawn(move || keep_connected(&theirs)).map_err(link::unreachable)?;
        Ok(Self { name, shared })
    }

    fn soon(&self) -> Instant {
        Instant::now() + self.shared.config.patience
    }
}

impl Drop for TemplateProvider {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Node for TemplateProvider {
    fn name(&self) -> &str {
        &self.name
    }

    /// The configured one: the protocol does not tell.
    fn chain(&self) -> Result<String, NodeError> {
        Ok(self.shared.config.chain.name().to_owned())
    }

    fn tip(&self) -> Result<Hash256, NodeError> {
        let tip = self.shared.wait(self.soon(), |state| state.tip());
        tip.unwrap_or_else(|| Err(NodeError::Unreachable("no tip in time".into())))
    }

    fn template(&self) -> Result<Template, NodeError> {
        let template = self.shared.wait(self.soon(), |state| state.template());
        template.unwrap_or_else(|| Err(NodeError::Unreachable("no template in time".into())))
    }

    fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
        let until = Instant::now() + patience;
        let news = self.shared.wait(until, |state| {
            let outdated = state.ticket().is_none_or(|ticket| seen.long_poll_id.as_deref() != Some(ticket));
            outdated.then(|| state.template()).flatten()
        });
        news.transpose()
    }

    /// There is no answer to a block. It is [`Known`](Submission::Known) once it is the tip, for which a block on the tip
    /// is given half a second; otherwise its fate is open. Only blocks of this connection's templates can be handed in.
    fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> {
        let Some(block) = Found::read(block) else {
            return Ok(Submission::Refused("not a block with a coinbase".into()));
        };
        let mut state = self.shared.lock();
        state.tips.found(block.hash, block.height, block.previous);
        if state.tips.tip() == Some(block.hash) {
            return Ok(Submission::Known);
        }
        state.link()?;
        let template = state.book.find(block.previous, block.root, block.coinbase.txid());
        let template_id = template.ok_or(NodeError::Unable("take a block that is not on its templates"))?;
        let (version, time, nonce) = (block.version, block.time, block.nonce);
        let coinbase = block.coinbase.as_bytes().into();
        state.link()?.submit(&TemplateSolution { template_id, version, time, nonce, coinbase })?;
        drop(state);
        let word = self.shared.wait(Instant::now() + VERDICT, |state| match state.tips.tip() {
            Some(tip) if tip == block.previous => None,
            tip => Some(tip == Some(block.hash)),
        });
        Ok(if word == Some(true) { Submission::Known } else { Submission::Inconclusive })
    }

    fn propose(&self, _: &[u8]) -> Result<Option<Submission>, NodeError> {
        Ok(None)
    }

    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        let mut state = self.shared.lock();
        state.link()?;
        state.tips.status(hash).map(Some).ok_or(NodeError::Unable("tell where this block is"))
    }

    fn sees_all_blocks(&self) -> bool {
        false
    }
}

/// A block of the pool's, as far as a provider wants to know it.
struct Found<'a> {
    hash: Hash256,
    previous: Hash256,
    root: Hash256,
    version: u32,
    time: u32,
    nonce: u32,
    coinbase: Serialised<'a>,
    height: u32,
}

impl<'a> Found<'a> {
    fn read(block: &'a [u8]) -> Option<Self> {
        let (header, mut rest) = block.split_at_checked(80)?;
        let hash = Hash256::sha256d(header);
        let header = Header::new(header)?;
        let bytes = header.as_bytes();
        let hash_at = |at: usize| {
            let field = bytes.get(at..)?.first_chunk()?;
            Some(Hash256::from_internal(*field))
        };
        let number_at = |at: usize| {
            let field = bytes.get(at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*field))
        };
        length(&mut rest)?;
        let (coinbase, _) = Serialised::split(rest)?;
        let (height, _) = pushed_height(coinbase.script())?;
        Some(Self {
            hash,
            previous: hash_at(4)?,
            root: hash_at(36)?,
            version: number_at(0)?,
            time: number_at(68)?,
            nonce: number_at(76)?,
            coinbase,
            height,
        })
    }
}

/// Connects again and again until the node is dropped.
fn keep_connected(shared: &Shared) {
    let (first, longest) = RETRY;
    let mut wait = first;
    loop {
        let Err(error) = serve(shared) else { return };
        let lost = error.to_string();
        wait = if shared.end(error) { first } else { (2 * wait).min(longest) };
        tracing::debug!(provider = shared.config.name(), lost, "no connection to the provider of templates");
        if !shared.pause(wait) {
            return;
        }
    }
}

/// One connection, until it is lost. Never ends well unless the node was dropped.
fn serve(shared: &Shared) -> Result<(), NodeError> {
    let mut socket = link::connect(&shared.config)?;
    shared.begin(&socket)?;
    let mut buffer = vec![0; READ];
    while !shared.lock().stopped {
        match socket.read(&mut buffer) {
            Ok(0) => return Err(NodeError::Unreachable("the provider hung up".into())),
            Ok(count) => shared.receive(buffer.get(..count).unwrap_or_default())?,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(link::unreachable(error)),
            },
        }
        shared.tick()?;
    }
    Ok(())
}
