//! JSON-RPC as Bitcoin-like nodes speak it: credentials, ids, and what their errors mean.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Auth;
use super::http::{Call, Endpoint, HttpError, Response};
use crate::limits::rpc::MAX_MESSAGE;
use crate::node::NodeError;

/// A node's RPC interface.
#[derive(Debug)]
pub(super) struct Rpc {
    endpoint: Endpoint,
    auth: Credentials,
    last_id: AtomicU64,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Pending {
    call: Call,
    id: u64,
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
    pub(super) fn new(endpoint: Endpoint, auth: Auth) -> Self {
        let auth = match auth {
            Auth::None => Credentials::Fixed(None),
            Auth::Password { user, password } => {
                Credentials::Fixed(Some(basic(format!("{user}:{password}").as_bytes())))
            }
            Auth::Cookie(path) => Credentials::Cookie(path, Mutex::new(None)),
        };
        Self { endpoint, auth, last_id: AtomicU64::new(0) }
    }

    /// Asks and waits for the answer.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
        patience: Duration,
    ) -> Result<T, NodeError> {
        let until = Instant::now() + patience;
        let late = || NodeError::Unreachable(HttpError::TimedOut.to_string());
        let mut pending = self.start(method, &params, patience)?;
        let mut answer = pending.wait(until)?.ok_or_else(late)?;
        if answer.status == 401 && self.auth.renew() {
            pending = self.start(method, &params, patience)?;
            answer = pending.wait(until)?.ok_or_else(late)?;
        }
        pending.read(&answer)
    }

    /// Asks, without waiting for the answer.
    pub(super) fn start(
        &self,
        method: &str,
        params: impl Serialize,
        patience: Duration,
    ) -> Result<Pending, NodeError> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let request = Request { jsonrpc: "1.0", id, method, params };
        let body = serde_json::to_vec(&request).map_err(|error| NodeError::Malformed(error.to_string()))?;
        let authorization = self.auth.header()?;
        let call = self.endpoint.post(authorization.as_deref(), &body, patience)?;
        Ok(Pending { call, id })
    }
}

impl Pending {
    /// The answer; `None` if it is not there at `until`.
    pub(super) fn wait(&mut self, until: Instant) -> Result<Option<Response>, NodeError> {
        Ok(self.call.wait(until)?)
    }

    /// What the answer says.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &Response) -> Result<T, NodeError> {
        match answer.status {
            401 | 403 => return Err(NodeError::Unauthorized),
            503 => {
                let message = String::from_utf8_lossy(&answer.body);
                return Err(NodeError::NotReady { code: 503, message: shorten(message.trim()) });
            }
            _ => {}
        }
        let reply: Reply<'_> = serde_json::from_slice(&answer.body)
            .map_err(|error| NodeError::Malformed(format!("HTTP status {}, {error}", answer.status)))?;
        if let Some(RpcError { code, message }) = reply.error {
            let message = shorten(&message);
            return Err(match code {
                // Warming up, without peers, in initial block download.
                -28 | -9 | -10 => NodeError::NotReady { code, message },
                _ => NodeError::Refused { code, message },
            });
        }
        if reply.id != Some(self.id) {
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

    /// Forgets a cookie that was refused. Whether there may be another.
    fn renew(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Cookie(_, held) => held.lock().unwrap_or_else(PoisonError::into_inner).take().is_some(),
        }
    }
}

impl std::fmt::Debug for Credentials {
    /// Says nothing: secrets do not belong into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl From<HttpError> for NodeError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::NotHttp | HttpError::TooLarge => Self::Malformed(error.to_string()),
            _ => Self::Unreachable(error.to_string()),
        }
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
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("Basic ");
    for chunk in credentials.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let [a, b, c] = group;
        let digits = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (index, digit) in digits.into_iter().enumerate() {
            let shown = if index > chunk.len() { b'=' } else { ALPHABET[usize::from(digit)] };
            out.push(char::from(shown));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn credentials_are_encoded() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(basic(text.as_bytes()), format!("Basic {encoded}"));
        }
        assert_eq!(basic(&[0xff, 0xfe, 0xfd]), "Basic //79");
    }
}
