//! Where templates come from and blocks go to.

#[cfg(feature = "server")]
pub mod bitcoind;
pub mod devnet;
#[cfg(feature = "server")]
pub mod sv2;
mod waiting;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use otedama_core::Hash256;

use crate::template::Template;

#[cfg(feature = "server")]
pub use bitcoind::{Auth, Bitcoind};
pub use devnet::{Devnet, DevnetConfig, DevnetError};
#[cfg(feature = "server")]
pub use sv2::{TemplateProvider, TemplateProviderConfig};

/// A full node, or whatever else knows what to mine next. Calls block; a shell gives each node a thread of its own.
pub trait Node: Debug + Send + Sync {
    /// What the operator calls it, for logs: an URL without credentials.
    fn name(&self) -> &str;

    /// Which chain it follows: `main`, `test`, `testnet4`, `signet` or `regtest`.
    ///
    /// # Errors
    /// [`NodeError`] if the node does not answer or answers nonsense.
    fn chain(&self) -> Result<String, NodeError>;

    /// The tip of its best chain; what a template builds on, unless there is a quicker way to know.
    ///
    /// # Errors
    /// [`NodeError`] if the node does not answer or answers nonsense.
    fn tip(&self) -> Result<Hash256, NodeError> {
        self.template().map(|template| template.previous)
    }

    /// A template on the tip.
    ///
    /// # Errors
    /// [`NodeError`]; [`NodeError::NotReady`] while the node is starting, syncing or without peers.
    fn template(&self) -> Result<Template, NodeError>;

    /// Waits until `seen` is outdated, and returns the next template; `None` after `patience` without news.
    ///
    /// Unless there is a better way to know, the tip is looked at twice a second.
    ///
    /// # Errors
    /// [`NodeError`] as for [`template`](Self::template).
    fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
        waiting::next_template(self, seen, patience)
    }

    /// Hands in a serialised block. The answer is the node's first word, not the last: only [`block`](Self::block)
    /// says whether the block is on the chain.
    ///
    /// # Errors
    /// [`NodeError`] if it is unknown whether the node has seen the block.
    fn submit(&self, block: &[u8]) -> Result<Submission, NodeError>;

    /// Asks whether the node would take the block, proof of work aside. `None` if it cannot say, as most cannot.
    ///
    /// # Errors
    /// [`NodeError`] if the node does not answer.
    fn propose(&self, block: &[u8]) -> Result<Option<Submission>, NodeError> {
        let _ = block;
        Ok(None)
    }

    /// What the node knows of a block; `None` if it never heard of it.
    ///
    /// # Errors
    /// [`NodeError`] if the node does not answer or answers nonsense.
    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError>;

    /// Whether [`block`](Self::block) has an answer for every block. Where several nodes vote, one that has not counts
    /// only when it answers.
    fn sees_all_blocks(&self) -> bool {
        true
    }
}

/// A node behind a pointer is one.
macro_rules! forward {
    ($(#[$doc:meta])* $pointer:ty) => {
        $(#[$doc])*
        impl Node for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn chain(&self) -> Result<String, NodeError> {
                (**self).chain()
            }

            fn tip(&self) -> Result<Hash256, NodeError> {
                (**self).tip()
            }

            fn template(&self) -> Result<Template, NodeError> {
                (**self).template()
            }

            fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
                (**self).next_template(seen, patience)
            }

            fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> {
                (**self).submit(block)
            }

            fn propose(&self, block: &[u8]) -> Result<Option<Submission>, NodeError> {
                (**self).propose(block)
            }

            fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
                (**self).block(hash)
            }

            fn sees_all_blocks(&self) -> bool {
                (**self).sees_all_blocks()
            }
        }
    };
}

forward! {
    /// A node that was chosen at run time.
    Box<dyn Node>
}
forward! {
    /// A node that has other users as well.
    Arc<dyn Node>
}

/// A node's first word on a block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Submission {
    /// It took the block, or had it already.
    Known,
    /// It keeps the block, on a branch that is not its best.
    Inconclusive,
    /// It refused the block, for this reason.
    Refused(String),
}

/// Where a block stands in a node's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockStatus {
    /// Its height.
    pub height: u32,
    /// Blocks from it to the tip, itself included; `None` if it is not on the best chain.
    pub confirmations: Option<u32>,
}

/// Why a node did not answer a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// It could not be reached, or the answer did not come in time. The node or the network is at fault.
    #[error("node unreachable: {0}")]
    Unreachable(String),
    /// It does not accept the credentials. The configuration is at fault.
    #[error("node refuses the credentials")]
    Unauthorized,
    /// It is starting, syncing or without peers; it will answer later.
    #[error("node not ready: {message} ({code})")]
    NotReady {
        /// The JSON-RPC error code.
        code: i64,
        /// The node's own words.
        message: String,
    },
    /// It answered with an error.
    #[error("node error {code}: {message}")]
    Refused {
        /// The JSON-RPC error code.
        code: i64,
        /// The node's own words.
        message: String,
    },
    /// It wants what this pool cannot do.
    #[error("node asks for {0}, which is not supported")]
    Unsupported(String),
    /// Its protocol has no way to say or to do this. Nobody is at fault.
    #[error("the node cannot {0}")]
    Unable(&'static str),
    /// Its answer makes no sense. The node is at fault.
    #[error("node answers nonsense: {0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use otedama_core::{Amount, CompactTarget};

    use super::*;

    /// What somebody writes who has templates and nothing else. Its tip moves with every third question.
    #[derive(Debug, Default)]
    struct Own(AtomicU32);

    impl Node for Own {
        fn name(&self) -> &str {
            "own"
        }

        fn chain(&self) -> Result<String, NodeError> {
            Ok("regtest".into())
        }

        fn template(&self) -> Result<Template, NodeError> {
            let height = self.0.fetch_add(1, Ordering::Relaxed) / 3;
            let tip = Hash256::from_internal([u8::try_from(height).unwrap_or(u8::MAX); 32]);
            Ok(Template::new(height, tip, CompactTarget::from_bits(0x207f_ffff), 0, Amount::ZERO))
        }

        fn submit(&self, _: &[u8]) -> Result<Submission, NodeError> {
            Ok(Submission::Known)
        }

        fn block(&self, _: Hash256) -> Result<Option<BlockStatus>, NodeError> {
            Ok(None)
        }
    }

    #[test]
    fn whoever_has_templates_is_a_node() {
        let own = Own::default();
        let first = own.template().unwrap();
        assert_eq!(own.tip(), Ok(first.previous));
        assert_eq!(own.next_template(&first, Duration::ZERO), Ok(None));
        let next = own.next_template(&first, Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((first.height, next.height), (0, 1));
        assert_eq!(own.propose(&[]), Ok(None));
    }
}
