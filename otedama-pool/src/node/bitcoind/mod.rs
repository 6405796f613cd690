//! Bitcoin Core, Litecoin Core and their relatives over getblocktemplate.

mod pending;
mod rpc;
mod template;
mod url;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use otedama_core::{Hash256, hex};
use serde::Deserialize;
use serde_json::json;

use self::pending::Pending;
use self::rpc::Rpc;
use self::template::{RULES, RawTemplate};
use super::{BlockStatus, Node, NodeError, Submission};
use crate::limits::TIP_POLL;
use crate::limits::rpc::{LONG_POLL_PATIENCE, LONG_POLL_RETRY, PATIENCE};
use crate::template::Template;

/// A node over JSON-RPC.
///
/// Every request has a deadline and a bounded answer. A long poll has a connection and a thread of its own: its caller,
/// in [`next_template`](Node::next_template), looks at the tip in between, because either may fail alone. At most one
/// long poll is under way. It is kept for the next caller with the same template; otherwise, and when the `Bitcoind` is
/// dropped, its connection is closed and its thread ends.
#[derive(Debug)]
pub struct Bitcoind {
    name: String,
    rpc: Rpc,
    patience: Duration,
    long_poll: Mutex<LongPoll>,
}

/// How the node knows us.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// It asks for nothing.
    None,
    /// `rpcuser` and `rpcpassword`, or a pair made by `rpcauth`.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// The `.cookie` file in the node's data directory. It is read again when the node no longer accepts what it held.
    Cookie(PathBuf),
}

/// What is wrong with a node's address. The configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is not `http://HOST:PORT`.
    #[error("a node's URL is http://HOST:PORT")]
    Malformed,
    /// Nodes speak plain HTTP; over anything but a trusted network that is for a tunnel to carry.
    #[error("nodes speak http, not {0}")]
    Scheme(String),
    /// User and password have their own place.
    #[error("a node's URL must not hold user and password")]
    Credentials,
}

/// The one long poll that may be under way.
#[derive(Debug, Default)]
struct LongPoll {
    /// The request and the ticket that it was started with. It outlives a caller who gave up waiting.
    waiting: Option<(String, Pending<Template>)>,
    /// After a failure, when to try again.
    retry: Option<Instant>,
}

#[derive(Deserialize)]
struct ChainInfo {
    chain: String,
}

#[derive(Deserialize)]
struct HeaderInfo {
    height: u32,
    confirmations: i64,
}

impl Bitcoind {
    /// A node at `http://HOST:PORT`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] if the URL is anything else.
    pub fn new(url: &str, auth: Auth) -> Result<Self, ConfigError> {
        let uri = url::read(url)?;
        Ok(Self {
            name: url::show(&uri),
            rpc: Rpc::new(uri, auth),
            patience: PATIENCE,
            long_poll: Mutex::default(),
        })
    }

    /// The same with another time within which each answer must be complete; 30 seconds otherwise.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Waits for the answer of a long poll with this ticket, at most until then.
    fn poll_template(&self, ticket: &str, until: Instant) -> Result<Option<Template>, NodeError> {
        let mut state = self.long_poll.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = state.waiting.take().filter(|(held, _)| held == ticket);
        let (ticket, pending) = match under_way {
            Some(pending) => pending,
            None => (ticket.to_owned(), self.start_poll(ticket)?),
        };
        let news = pending.wait(until)?;
        if news.is_none() {
            state.waiting = Some((ticket, pending));
        }
        Ok(news)
    }

    fn start_poll(&self, ticket: &str) -> Result<Pending<Template>, NodeError> {
        let params = json!([{ "rules": RULES, "longpollid": ticket }]);
        Pending::start(&self.rpc, move |rpc| {
            rpc.call::<RawTemplate>("getblocktemplate", params, LONG_POLL_PATIENCE)?.read()
        })
    }

    /// Whether a long poll may be tried now.
    fn may_poll(&self) -> bool {
        let state = self.long_poll.lock().unwrap_or_else(PoisonError::into_inner);
        state.retry.is_none_or(|at| at <= Instant::now())
    }

    fn long_poll_failed(&self) {
        let mut state = self.long_poll.lock().unwrap_or_else(PoisonError::into_inner);
        state.retry = Some(Instant::now() + LONG_POLL_RETRY);
    }

    /// News from the long poll, or `None` once it is time to look at the tip.
    fn listen(&self, seen: &Template, until: Instant) -> Option<Template> {
        let Some(ticket) = seen.long_poll_id.as_deref().filter(|_| self.may_poll()) else {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            return None;
        };
        match self.poll_template(ticket, until) {
            Ok(None) => None,
            Ok(Some(news)) if news.long_poll_id != seen.long_poll_id => Some(news),
            // An answer without news, or none: what is wrong shows when the tip is asked for.
            Ok(Some(_)) | Err(_) => {
                self.long_poll_failed();
                None
            }
        }
    }
}

impl Node for Bitcoind {
    fn name(&self) -> &str {
        &self.name
    }

    fn chain(&self) -> Result<String, NodeError> {
        let info: ChainInfo = self.rpc.call("getblockchaininfo", json!([]), self.patience)?;
        Ok(info.chain)
    }

    fn tip(&self) -> Result<Hash256, NodeError> {
        self.rpc.call("getbestblockhash", json!([]), self.patience)
    }

    fn template(&self) -> Result<Template, NodeError> {
        let params = json!([{ "rules": RULES }]);
        self.rpc.call::<RawTemplate>("getblocktemplate", params, self.patience)?.read()
    }

    /// Two callers at once wait for each other: one long poll is all that a node's few RPC threads can spare.
    fn next_template(&self, seen: &Template, patience: Duration) -> Result<Option<Template>, NodeError> {
        let until = Instant::now() + patience;
        loop {
            if let Some(news) = self.listen(seen, until.min(Instant::now() + TIP_POLL)) {
                return Ok(Some(news));
            }
            if self.tip()? != seen.previous {
                return self.template().map(Some);
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    fn submit(&self, block: &[u8]) -> Result<Submission, NodeError> {
        verdict(self.rpc.call("submitblock", json!([hex::encode(block)]), self.patience))
    }

    fn propose(&self, block: &[u8]) -> Result<Option<Submission>, NodeError> {
        let request = json!([{ "mode": "proposal", "data": hex::encode(block), "rules": RULES }]);
        let answer = self.rpc.call("getblocktemplate", request, self.patience);
        match answer {
            // Invalid mode, or no such method.
            Err(NodeError::Refused { code: -8 | -32601, .. }) => Ok(None),
            answer => verdict(answer).map(Some),
        }
    }

    fn block(&self, hash: Hash256) -> Result<Option<BlockStatus>, NodeError> {
        let params = json!([hash.to_string(), true]);
        match self.rpc.call("getblockheader", params, self.patience) {
            Ok(HeaderInfo { height, confirmations }) => {
                let confirmations = u32::try_from(confirmations).ok().filter(|count| *count > 0);
                Ok(Some(BlockStatus { height, confirmations }))
            }
            // Block not found.
            Err(NodeError::Refused { code: -5, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What BIP 22 has a node say about a block.
fn verdict(answer: Result<Option<String>, NodeError>) -> Result<Submission, NodeError> {
    match answer {
        Ok(None) => Ok(Submission::Known),
        Ok(Some(word)) => Ok(match word.as_str() {
            "duplicate" => Submission::Known,
            "inconclusive" | "duplicate-inconclusive" | "inconclusive-not-best-prevblk" => {
                Submission::Inconclusive
            }
            _ => Submission::Refused(word),
        }),
        // It could not be decoded, so the node certainly does not have it.
        Err(NodeError::Refused { code: -22, message }) => Ok(Submission::Refused(message)),
        Err(error) => Err(error),
    }
}

impl std::fmt::Debug for Auth {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Cookie(path) => f.debug_tuple("Cookie").field(path).finish(),
        }
    }
}
