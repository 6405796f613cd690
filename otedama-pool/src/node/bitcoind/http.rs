//! One HTTP request over one connection, with a deadline, a bounded answer, and waiting in slices.
//!
//! Requests are HTTP/1.0: the answer ends where the connection ends, no matter what stands between the node and the
//! pool. Waiting in slices lets one thread sit on a long poll and look at other things in between; dropping a call
//! closes its connection.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::ConfigError;
use crate::limits::rpc::{MAX_HEAD, MAX_RESPONSE};

/// Where a node listens: `http://host:port` and perhaps a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    authority: String,
    host: String,
    port: u16,
    path: String,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Call {
    stream: TcpStream,
    received: Vec<u8>,
    deadline: Instant,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{0}")]
    Io(ErrorKind),
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection was cut in the middle of an answer")]
    Cut,
    #[error("not an HTTP answer")]
    NotHttp,
    #[error("the answer is too large")]
    TooLarge,
}

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => return Err(ConfigError::Scheme(scheme.to_owned())),
            None => return Err(ConfigError::Malformed),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(ConfigError::Credentials);
        }
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let (host, port) = authority.rsplit_once(':').ok_or(ConfigError::Malformed)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(ConfigError::Malformed)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || !printable(authority) || !printable(path) {
            return Err(ConfigError::Malformed);
        }
        Ok(Self { authority: authority.to_owned(), host: bare.to_owned(), port, path: path.to_owned() })
    }

    pub(super) fn url(&self) -> String {
        let path = if self.path == "/" { "" } else { &self.path };
        format!("http://{}{path}", self.authority)
    }

    /// Sends a POST; the answer is to be complete within `patience`.
    pub(super) fn post(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        patience: Duration,
    ) -> Result<Call, HttpError> {
        let deadline = Instant::now() + patience;
        let mut stream = self.connect(deadline)?;
        let mut head = format!("POST {} HTTP/1.0\r\nHost: {}\r\n", self.path, self.authority);
        if let Some(authorization) = authorization {
            head += &format!("Authorization: {authorization}\r\n");
        }
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        stream.write_all(&[head.as_bytes(), body].concat())?;
        Ok(Call { stream, received: Vec::new(), deadline })
    }

    fn connect(&self, deadline: Instant) -> Result<TcpStream, HttpError> {
        let mut last = HttpError::Io(ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, remaining(deadline)?) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

impl Call {
    /// The answer; `None` if it is not complete at `until`, in which case one may come back for it.
    pub(super) fn wait(&mut self, until: Instant) -> Result<Option<Response>, HttpError> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let left = remaining(self.deadline)?.min(until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.finish(true),
                Ok(count) => self.received.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if is_pause(error.kind()) => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(response) = self.finish(false)? {
                return Ok(Some(response));
            }
        }
    }

    /// The answer, if what was received is one.
    fn finish(&mut self, closed: bool) -> Result<Option<Response>, HttpError> {
        let cut = if closed { Err(HttpError::Cut) } else { Ok(None) };
        let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if self.received.len() > MAX_HEAD { Err(HttpError::TooLarge) } else { cut };
        };
        let (status, length) = parse_head(self.received.get(..end).unwrap_or_default())?;
        let start = end + 4;
        let have = self.received.len() - start;
        if have.max(length.unwrap_or(0)) > MAX_RESPONSE {
            return Err(HttpError::TooLarge);
        }
        let complete = length.map_or(closed, |length| have >= length);
        if !complete {
            return cut;
        }
        let mut body = self.received.split_off(start);
        body.truncate(length.unwrap_or(usize::MAX));
        Ok(Some(Response { status, body }))
    }
}

impl From<std::io::Error> for HttpError {
    fn from(error: std::io::Error) -> Self {
        if is_pause(error.kind()) { Self::TimedOut } else { Self::Io(error.kind()) }
    }
}

/// A read that was to end by itself; different systems say it differently.
fn is_pause(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn remaining(deadline: Instant) -> Result<Duration, HttpError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(HttpError::TimedOut) } else { Ok(left) }
}

/// The status and the announced length of the body.
fn parse_head(head: &[u8]) -> Result<(u16, Option<usize>), HttpError> {
    let head = std::str::from_utf8(head).map_err(|_| HttpError::NotHttp)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let mut length = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().map_err(|_| HttpError::NotHttp)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // Nobody may answer an HTTP/1.0 request so.
            return Err(HttpError::NotHttp);
        }
    }
    Ok((status.ok_or(HttpError::NotHttp)?, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn urls_are_read_strictly() {
        for url in ["http://127.0.0.1:9332", "http://[::1]:8332", "http://node.example:1/wallet/a"] {
            assert_eq!(Endpoint::parse(url).map(|endpoint| endpoint.url()), Ok(url.to_owned()));
        }
        assert_eq!(Endpoint::parse("http://h:1/").unwrap().url(), "http://h:1");
        assert_eq!(Endpoint::parse("http://[::1]:8332").unwrap().host, "::1");
        for (url, error) in [
            ("https://h:1", ConfigError::Scheme("https".into())),
            ("http://u:p@h:1", ConfigError::Credentials),
            ("127.0.0.1:9332", ConfigError::Malformed),
            ("http://h", ConfigError::Malformed),
            ("http://h:0", ConfigError::Malformed),
            ("http://h:65536", ConfigError::Malformed),
            ("http://:1", ConfigError::Malformed),
            ("http://h h:1", ConfigError::Malformed),
            ("http://h:1/a b", ConfigError::Malformed),
        ] {
            assert_eq!(Endpoint::parse(url), Err(error), "{url}");
        }
    }

    /// Answers one request with these pieces, each after the one before has arrived, and hangs up.
    fn answer(pieces: &'static [&'static str]) -> Result<Option<Response>, HttpError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                for piece in pieces {
                    stream.write_all(piece.as_bytes()).unwrap();
                }
            });
            let call = Endpoint::parse(&url).unwrap().post(None, b"{}", Duration::from_secs(60));
            call.unwrap().wait(Instant::now() + Duration::from_secs(60))
        })
    }

    #[test]
    fn answers_are_taken_whole_or_not_at_all() {
        let response = |status, body: &str| Ok(Some(Response { status, body: body.into() }));
        assert_eq!(answer(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]), response(200, "{}"));
        assert_eq!(answer(&["HTTP/1.0 500 No\r\n", "\r\n", "a", "b"]), response(500, "ab"));
        assert_eq!(answer(&["HTTP/1.1 401\r\ncontent-length:0\r\n\r\n"]), response(401, ""));
        for (pieces, error) in [
            (&["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"][..], HttpError::Cut),
            (&["HTTP/1.1 200 OK\r\nContent-Le"], HttpError::Cut),
            (&[], HttpError::Cut),
            (&["SSH-2.0-x\r\n\r\n"], HttpError::NotHttp),
            (&["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], HttpError::NotHttp),
            (&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], HttpError::NotHttp),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"], HttpError::TooLarge),
        ] {
            assert_eq!(answer(pieces), Err(error), "{pieces:?}");
        }
    }

    #[test]
    fn a_call_can_be_waited_for_again_until_its_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let mut call = endpoint.post(Some("Basic x"), b"{}", Duration::from_secs(60)).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(call.wait(Instant::now() + Duration::from_millis(5)), Ok(None));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n").unwrap();
        assert_eq!(call.wait(Instant::now() + Duration::from_millis(5)), Ok(None));
        stream.write_all(b"7").unwrap();
        let response = call.wait(Instant::now() + Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(response, Response { status: 200, body: b"7".to_vec() });

        let mut late = endpoint.post(None, b"{}", Duration::from_millis(300)).unwrap();
        assert_eq!(late.wait(Instant::now() + Duration::from_secs(60)), Err(HttpError::TimedOut));
    }
}
