//! A node that says what it is told to say, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// What the node does with a request.
pub(crate) enum Reaction {
    /// Answers with this result.
    Result(Value),
    /// Answers with this error, as nodes do under HTTP status 500.
    Error(i64, &'static str),
    /// Sends exactly this and hangs up.
    Raw(String),
    /// Sends exactly this, then says nothing more and keeps the connection.
    Stall(String),
    /// Sends this, and then x without end.
    Flood(&'static str),
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    pub(crate) method: String,
    pub(crate) params: Value,
    pub(crate) id: Value,
}

/// The node. It answers any number of requests on each connection, and stops when dropped.
pub(crate) struct FakeNode {
    pub(crate) url: String,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    requests: Mutex<Vec<Request>>,
    connections: Mutex<Vec<TcpStream>>,
    /// How many connections are open after a [`Reaction::Stall`].
    stalled: Mutex<usize>,
    stalled_changed: Condvar,
}

type React = Mutex<dyn FnMut(&Request) -> Reaction + Send>;

impl FakeNode {
    pub(crate) fn start(react: impl FnMut(&Request) -> Reaction + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let (here, react): (_, Arc<React>) = (shared.clone(), Arc::new(Mutex::new(react)));
        let listening = std::thread::spawn(move || {
            let mut serving = Vec::new();
            for stream in listener.incoming() {
                if here.stop.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                here.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let (here, react) = (here.clone(), react.clone());
                serving.push(std::thread::spawn(move || here.serve(stream, &react)));
            }
            serving
        });
        Self { url, shared, listening: Some(listening) }
    }

    /// All requests so far of this method.
    pub(crate) fn requests(&self, method: &str) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| request.method == method).cloned().collect()
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// Waits until so many callers wait in vain.
    pub(crate) fn wait_for_stalled(&self, count: usize) {
        let stalled = self.shared.stalled.lock().unwrap();
        let long = Duration::from_secs(60);
        let waited = self.shared.stalled_changed.wait_timeout_while(stalled, long, |have| *have != count);
        assert!(!waited.unwrap().1.timed_out(), "{count} callers should be waiting in vain");
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let serving = self.listening.take().map(JoinHandle::join);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let all_well = match serving {
            Some(Ok(serving)) => serving.into_iter().all(|thread| thread.join().is_ok()),
            _ => false,
        };
        assert!(all_well || std::thread::panicking());
    }
}

impl Shared {
    /// Answers what comes over a connection until either side hangs up.
    fn serve(&self, mut stream: TcpStream, react: &React) {
        while let Some(request) = read(&mut stream) {
            self.requests.lock().unwrap().push(request.clone());
            let reaction = (react.lock().unwrap())(&request);
            let (text, stay) = match reaction {
                Reaction::Result(result) => {
                    (answer(200, &json!({ "result": result, "error": null, "id": request.id })), true)
                }
                Reaction::Error(code, message) => {
                    let error = json!({ "code": code, "message": message });
                    (answer(500, &json!({ "result": null, "error": error, "id": request.id })), true)
                }
                Reaction::Raw(text) => (text, false),
                Reaction::Stall(text) => {
                    let _ = stream.write_all(text.as_bytes());
                    return self.stall(stream);
                }
                Reaction::Flood(text) => {
                    let _ = stream.write_all(text.as_bytes());
                    while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
                    return;
                }
            };
            // The other side need not be there any more.
            if stream.write_all(text.as_bytes()).is_err() || !stay {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Says nothing until the other side hangs up.
    fn stall(&self, mut stream: TcpStream) {
        let change = |by: fn(usize) -> usize| {
            let mut stalled = self.stalled.lock().unwrap();
            *stalled = by(*stalled);
            self.stalled_changed.notify_all();
        };
        change(|count| count + 1);
        let _ = stream.read(&mut [0; 1]);
        change(|count| count - 1);
    }
}

impl Request {
    /// What stands in the header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// An HTTP answer with this status and body, the last on its connection.
pub(crate) fn http(status: u16, body: &str) -> Reaction {
    let length = body.len();
    Reaction::Raw(format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

fn answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The next request; `None` once the other side has hung up.
fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut request =
            Request { head: head.into(), method: String::new(), params: Value::Null, id: Value::Null };
        let length: usize = request.header("Content-Length").unwrap().parse().unwrap();
        if body.len() == length {
            let value: Value = serde_json::from_str(body).unwrap();
            request.method = value["method"].as_str().unwrap().to_owned();
            (request.params, request.id) = (value["params"].clone(), value["id"].clone());
            return Some(request);
        }
    }
}
