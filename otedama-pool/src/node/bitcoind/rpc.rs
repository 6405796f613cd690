//! JSON-RPC as Bitcoin-like nodes speak it: credentials, ids, and what their errors mean.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use ureq::Agent;
use ureq::http::{Uri, header};

use super::Auth;
use crate::limits::rpc::{MAX_HEAD, MAX_IDLE, MAX_MESSAGE, MAX_RESPONSE};
use crate::node::NodeError;

/// A node's RPC interface. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    agent: Agent,
    node: Arc<Remote>,
}

/// What all callers of a node share.
#[derive(Debug)]
struct Remote {
    uri: Uri,
    auth: Credentials,
    last_id: AtomicU64,
}

/// A whole answer, whatever its status.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// Where the credentials come from.
enum Credentials {
    /// The value of the header, or none.
    Fixed(Option<String>),
    /// A file that the node writes anew at each start, and the header made of what it held last.
    Cookie(PathBuf, Mutex<Option<String>>),
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: P,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    error: Option<RpcError>,
    id: Option<u64>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
}

impl Rpc {
    pub(super) fn new(uri: Uri, auth: Auth) -> Self {
        let auth = match auth {
            Auth::None => Credentials::Fixed(None),
            Auth::Password { user, password } => {
                Credentials::Fixed(Some(basic(format!("{user}:{password}").as_bytes())))
            }
            Auth::Cookie(path) => Credentials::Cookie(path, Mutex::new(None)),
        };
        Self { agent: agent(), node: Arc::new(Remote { uri, auth, last_id: AtomicU64::new(0) }) }
    }

    /// The same node over connections of their own.
    pub(super) fn apart(&self) -> Self {
        Self { agent: agent(), node: Arc::clone(&self.node) }
    }

    /// Closes the connections of this one and its clones: their calls fail, those under way at once.
    pub(super) fn hang_up(&self) {
        self.agent.clone().shutdown();
    }

    /// Asks and waits for the answer, which is to be complete within `patience`.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
        patience: Duration,
    ) -> Result<T, NodeError> {
        let begun = Instant::now();
        let id = self.node.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let request = Request { jsonrpc: "1.0", id, method, params };
        let body = serde_json::to_vec(&request).map_err(|error| NodeError::Malformed(error.to_string()))?;
        let authorization = self.node.auth.header()?;
        let mut answer = self.post(authorization.as_deref(), &body, patience)?;
        if answer.status == 401 && self.node.auth.renew(authorization.as_deref()) {
            let authorization = self.node.auth.header()?;
            let patience = patience.saturating_sub(begun.elapsed());
            answer = self.post(authorization.as_deref(), &body, patience)?;
        }
        answer.read(id)
    }

    fn post(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        patience: Duration,
    ) -> Result<Answer, NodeError> {
        let request = self.agent.post(&self.node.uri).config().timeout_global(Some(patience)).build();
        let mut request = request.content_type("application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut response = request.send(body).map_err(fault)?;
        if response.body().content_length().is_some_and(|length| length > MAX_RESPONSE) {
            return Err(fault(ureq::Error::BodyExceedsLimit(MAX_RESPONSE)));
        }
        let body = response.body_mut().with_config().limit(MAX_RESPONSE).read_to_vec().map_err(fault)?;
        Ok(Answer { status: response.status().as_u16(), body })
    }
}

impl Answer {
    /// What the answer to this question says.
    fn read<T: DeserializeOwned>(&self, id: u64) -> Result<T, NodeError> {
        match self.status {
            401 | 403 => return Err(NodeError::Unauthorized),
            503 => {
                let message = String::from_utf8_lossy(&self.body);
                return Err(NodeError::NotReady { code: 503, message: shorten(message.trim()) });
            }
            _ => {}
        }
        let reply: Reply<'_> = serde_json::from_slice(&self.body)
            .map_err(|error| NodeError::Malformed(format!("HTTP status {}, {error}", self.status)))?;
        if let Some(RpcError { code, message }) = reply.error {
            let message = shorten(&message);
            return Err(match code {
                // Warming up, without peers, in initial block download.
                -28 | -9 | -10 => NodeError::NotReady { code, message },
                _ => NodeError::Refused { code, message },
            });
        }
        if reply.id != Some(id) {
            return Err(NodeError::Malformed("an answer to another question".to_owned()));
        }
        let result = reply.result.ok_or_else(|| NodeError::Malformed("no result and no error".to_owned()))?;
        serde_json::from_str(result.get()).map_err(|error| NodeError::Malformed(error.to_string()))
    }
}

impl Credentials {
    fn header(&self) -> Result<Option<String>, NodeError> {
        match self {
            Self::Fixed(header) => Ok(header.clone()),
            Self::Cookie(path, held) => {
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                if held.is_none() {
                    // Until the node has written its cookie, it has not started.
                    let cookie = std::fs::read(path).map_err(|error| {
                        NodeError::Unreachable(format!("cookie file {}: {error}", path.display()))
                    })?;
                    *held = Some(basic(cookie.trim_ascii()));
                }
                Ok(held.clone())
            }
        }
    }

    /// Forgets the cookie that was refused. Whether there may be another.
    fn renew(&self, refused: Option<&str>) -> bool {
        let Self::Cookie(_, held) = self else { return false };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have read the new one already.
        if held.as_deref() == refused {
            *held = None;
        }
        true
    }
}

impl std::fmt::Debug for Credentials {
    /// Says nothing: secrets do not belong into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// A client with connections of its own. It goes straight to the node, whatever proxies the environment names, and
/// takes every status for an answer: a node's errors come under 500, and what a redirection says is no template.
fn agent() -> Agent {
    Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_HEAD)
        .max_idle_age(MAX_IDLE)
        .user_agent(concat!("otedama/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Who is at fault when there is no answer.
fn fault(error: ureq::Error) -> NodeError {
    use ureq::Error::{BodyExceedsLimit, LargeResponseHeader, Protocol, Timeout};
    match error {
        Protocol(_) | LargeResponseHeader(..) => NodeError::Malformed(shorten(&error.to_string())),
        BodyExceedsLimit(_) => NodeError::Malformed("the answer is too large".to_owned()),
        Timeout(_) => NodeError::Unreachable("no answer in time".to_owned()),
        _ => NodeError::Unreachable(error.to_string()),
    }
}

/// Tells a `null` that is there from a key that is missing.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// The start of a text from outside.
fn shorten(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

/// The header of basic authentication.
fn basic(credentials: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}
