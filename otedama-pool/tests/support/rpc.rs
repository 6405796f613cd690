//! A node that says what it is told to say, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// What the node does with a request.
pub(crate) enum Reaction {
    /// Answers with this result.
    Result(Value),
    /// Answers with this error, as nodes do under HTTP status 500.
    Error(i64, &'static str),
    /// Sends exactly this.
    Raw(String),
    /// Says nothing and keeps the connection.
    Hang,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) method: String,
    pub(crate) params: Value,
    pub(crate) id: Value,
}

/// The node. It stops when dropped.
pub(crate) struct FakeNode {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeNode {
    pub(crate) fn start(mut react: impl FnMut(&Request) -> Reaction + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (requests.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                seen.lock().unwrap().push(request.clone());
                match react(&request) {
                    Reaction::Hang => hanging.push(stream),
                    reaction => stream.write_all(render(reaction, &request.id).as_bytes()).unwrap(),
                }
            }
        });
        Self { url, requests, stop, thread: Some(thread) }
    }

    /// All requests so far of this method.
    pub(crate) fn requests(&self, method: &str) -> Vec<Request> {
        self.requests.lock().unwrap().iter().filter(|request| request.method == method).cloned().collect()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

/// An HTTP answer with this status and body.
pub(crate) fn http(status: u16, body: &str) -> Reaction {
    Reaction::Raw(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn render(reaction: Reaction, id: &Value) -> String {
    let (status, body) = match reaction {
        Reaction::Raw(text) => return text,
        Reaction::Hang => return String::new(),
        Reaction::Result(result) => (200, json!({ "result": result, "error": null, "id": id })),
        Reaction::Error(code, message) => {
            (500, json!({ "result": null, "error": { "code": code, "message": message }, "id": id }))
        }
    };
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn read(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            let value: Value = serde_json::from_str(body).unwrap();
            let method = value["method"].as_str().unwrap().to_owned();
            return Request {
                head: head.into(),
                method,
                params: value["params"].clone(),
                id: value["id"].clone(),
            };
        }
    }
}
