//! Lines of an earlier life of a pool, sent again word by word.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::serving::PATIENCE;

/// Takes up the session of this extranonce1, as far as the pool lets it, and sends the lines. What the pool answers to
/// each.
pub fn answers(address: &str, user: &str, extranonce1: &str, lines: &[String]) -> Vec<Value> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |number: usize, mut request: Value| {
        request["id"] = json!(format!("again-{number}"));
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        loop {
            let reply: Value = serde_json::from_str(&replies.next().unwrap().unwrap()).unwrap();
            if reply["id"] == request["id"] {
                return reply;
            }
        }
    };
    ask(0, json!({ "method": "mining.subscribe", "params": ["again", extranonce1] }));
    let authorized = ask(1, json!({ "method": "mining.authorize", "params": [user, "x"] }));
    assert_eq!(authorized["result"], true, "{authorized}");
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| ask(index + 2, serde_json::from_str(line).unwrap()))
        .collect()
}
