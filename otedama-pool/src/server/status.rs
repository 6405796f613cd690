//! The page for whoever opens the mining port in a browser.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;

/// What the page says.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) pool: String,
    pub(super) algorithm: &'static str,
    /// The authority's key, for URLs of Stratum V2.
    pub(super) key: Option<String>,
    pub(super) connections: AtomicUsize,
    /// Of the block being mined; 0 before the first.
    pub(super) height: AtomicU32,
}

/// The whole answer to a request with this head.
pub(super) fn answer(head: &[u8], status: &Status) -> Bytes {
    let method = head.split(|byte| *byte == b' ').next().unwrap_or_default();
    let (code, page) = match method {
        b"GET" | b"HEAD" => ("200 OK", page(status)),
        _ => ("405 Method Not Allowed", "This is a mining port.\n".to_owned()),
    };
    let mut out = format!(
        "HTTP/1.1 {code}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n",
        page.len()
    );
    if code.starts_with("405") {
        out.push_str("Allow: GET, HEAD\r\n");
    }
    out.push_str("\r\n");
    if method != b"HEAD" {
        out.push_str(&page);
    }
    out.into()
}

fn page(status: &Status) -> String {
    let Status { pool, algorithm, key, connections, height } = status;
    let mut page = format!("Mining pool {pool}, {algorithm}.\n\n");
    // Writing to a string cannot fail.
    let _ = match height.load(Ordering::Relaxed) {
        0 => writeln!(page, "Waiting for a node."),
        height => writeln!(page, "Mining block {height}."),
    };
    let _ = writeln!(page, "{} connections.", connections.load(Ordering::Relaxed));
    let _ = writeln!(page, "\nMiners connect to this port: stratum+tcp://HOST:PORT for Stratum V1");
    match key {
        Some(key) => {
            let _ = writeln!(page, "and stratum2+tcp://HOST:PORT/{key} for Stratum V2.");
        }
        None => page.push_str("and plain frames for Stratum V2.\n"),
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(head: &str) -> String {
        let status = Status {
            pool: "default".into(),
            algorithm: "sha256d",
            key: Some("9abc".into()),
            connections: AtomicUsize::new(3),
            height: AtomicU32::new(840_000),
        };
        String::from_utf8(answer(head.as_bytes(), &status).to_vec()).unwrap()
    }

    #[test]
    fn the_page_says_what_is_going_on() {
        let answer = ask("GET / HTTP/1.1\r\nHost: pool\r\n\r\n");
        let (head, page) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Connection: close"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", page.len())));
        for part in ["pool default", "sha256d", "block 840000", "3 connections", "/9abc"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let (alone, nothing) = ask("HEAD / HTTP/1.1\r\n\r\n").split_once("\r\n\r\n").map(own).unwrap();
        assert_eq!((alone.as_str(), nothing.as_str()), (head, ""));
        assert!(ask("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    fn own((one, other): (&str, &str)) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }
}
