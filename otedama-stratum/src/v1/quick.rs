//! The quick way to read a line: one pass over requests as nearly all miners write them.
//!
//! It takes a part of what [`Message::parse`](super::json::Message::parse) takes, in the same sense, and leaves the
//! rest to that.

use super::json::{Items, Raw};
use crate::limits::MAX_ID;

/// A request of plain strings: `{"id":7,"method":"…","params":["…","…"]}`.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) method: &'a str,
    pub(super) params: Items<'a>,
}

/// The request in this text, if it is as plain as that: a whole number as id or none, the three fields in any order
/// but once, no escape and nothing but ASCII in the strings, no white space but blanks.
pub(super) fn request(text: &str) -> Option<Request<'_>> {
    let (mut id, mut method, mut params) = (None, None, None);
    let mut reader = Reader { text, at: 0 };
    reader.take(b'{')?;
    loop {
        let key = reader.string()?;
        reader.take(b':')?;
        let known = match key {
            "id" => id.replace(reader.number()?).is_none(),
            "method" => method.replace(reader.string()?).is_none(),
            "params" => params.replace(reader.strings()?).is_none(),
            _ => false,
        };
        if !known {
            return None;
        }
        match reader.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let whole = reader.at == text.len();
    whole.then_some(Request { id, method: method?, params: params? })
}

/// How many bytes at the front stand for themselves within a string, if one follows that does not. Eight at a time.
fn plain(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let all = |byte: u8| ONES * u64::from(byte);
    // Says HIGH for bytes that are below, and perhaps for some behind the first of them.
    let below = |word: u64, limit: u8| word.wrapping_sub(all(limit)) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ all(byte), 1);
    let (words, tail) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special =
            word & HIGH | below(word, b' ') | equal(word, b'"') | equal(word, b'\\') | equal(word, 0x7f);
        if special != 0 {
            return Some(8 * index + usize::try_from(special.trailing_zeros() / 8).ok()?);
        }
    }
    let len = tail.iter().position(|byte| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))?;
    Some(8 * words.len() + len)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while *bytes.get(self.at)? == b' ' {
            self.at += 1;
        }
        self.at += 1;
        bytes.get(self.at - 1).copied()
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// What stands between two quotation marks.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        self.rest_of_string()
    }

    fn rest_of_string(&mut self) -> Option<&'a str> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..)?;
        let len = plain(rest)?;
        self.at = start + len + 1;
        if rest.get(len) == Some(&b'"') { self.text.get(start..start + len) } else { None }
    }

    fn number(&mut self) -> Option<&'a str> {
        let first = self.next()?;
        let start = self.at - 1;
        let digits = self.text.as_bytes().get(start..)?;
        let len = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        self.at = start + len;
        let plain = len == 1 || first != b'0';
        ((1..=MAX_ID).contains(&len) && plain).then(|| self.text.get(start..start + len))?
    }

    fn strings(&mut self) -> Option<Items<'a>> {
        let mut items = Items::default();
        self.take(b'[')?;
        loop {
            match self.next()? {
                b'"' => {}
                b']' if items.len() == 0 => return Some(items),
                _ => return None,
            }
            let start = self.at - 1;
            self.rest_of_string()?;
            items.push(Raw::string(self.text.get(start..self.at)?))?;
            match self.next()? {
                b',' => {}
                b']' => return Some(items),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    use super::request;
    use crate::v1::json::Message;

    fn texts(text: &str) -> Option<(Option<&str>, &str, Vec<String>)> {
        let request = request(text)?;
        let params = (0..request.params.len()).map(|at| request.params.text(at).unwrap().into_owned());
        Some((request.id, request.method, params.collect()))
    }

    #[test]
    fn plain_requests_are_read() {
        let submit =
            r#"{"id": 4, "method": "mining.submit", "params": ["a.b", "1f", "00", "65a0bc00", "0badcafe"]}"#;
        let (id, method, params) = texts(submit).unwrap();
        assert_eq!((id, method), (Some("4"), "mining.submit"));
        assert_eq!(params, ["a.b", "1f", "00", "65a0bc00", "0badcafe"]);
        assert_eq!(texts(r#"{"params":[],"method":"x"}"#), Some((None, "x", Vec::new())));
    }

    #[test]
    fn everything_else_is_left_to_the_thorough_way() {
        for text in [
            "",
            "{}",
            r#"{"id":1,"method":"x"}"#,
            r#"{"id":1,"method":"x","params":null}"#,
            r#"{"id":null,"method":"x","params":[]}"#,
            r#"{"id":"1","method":"x","params":[]}"#,
            r#"{"id":01,"method":"x","params":[]}"#,
            r#"{"id":1.5,"method":"x","params":[]}"#,
            r#"{"id":-1,"method":"x","params":[]}"#,
            r#"{"id":1,"id":1,"method":"x","params":[]}"#,
            r#"{"id":1,"method":"x","params":[1]}"#,
            r#"{"id":1,"method":"x","params":["a",]}"#,
            r#"{"id":1,"method":"x","params":["a"}"#,
            r#"{"id":1,"method":"x","params":["\u0041"]}"#,
            r#"{"id":1,"method":"x","params":["ä"]}"#,
            "{\"id\":1,\"method\":\"x\",\"params\":[\"\t\"]}",
            "{\"id\":1,\t\"method\":\"x\",\"params\":[]}",
            r#"{"id":1,"method":"x","params":[]} "#,
            r#"{"id":1,"method":"x","params":[]}}"#,
            r#"{"id":1,"method":"x","params":[],"worker":"y"}"#,
            r#"{"id":1,"method":"x","params":[],}"#,
            r#"{"id":1 "method":"x","params":[]}"#,
        ] {
            assert!(request(text).is_none(), "{text}");
        }
        let long = std::format!(r#"{{"id":{},"method":"x","params":[]}}"#, "1".repeat(65));
        assert!(request(&long).is_none());
        let many = std::format!(r#"{{"method":"x","params":[{}]}}"#, ["\"a\""; 17].join(","));
        assert!(request(&many).is_none());
    }

    #[test]
    fn any_special_byte_ends_a_string() {
        for special in 0..=255u8 {
            let is_plain = (b' '..=b'~').contains(&special) && special != b'"' && special != b'\\';
            for at in 0..20 {
                let mut bytes = [b'~', b' ', b'#', b'[', b']', b'!'].repeat(5);
                (bytes[at], bytes[29]) = (special, b'"');
                assert_eq!(super::plain(&bytes), Some(if is_plain { 29 } else { at }), "{special} at {at}");
            }
        }
        assert_eq!(super::plain(b"no end of it is here"), None);
    }

    /// Pieces of requests in any order: much of it is a request, more of it nearly one.
    fn nearly() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => prop::sample::select(&[
                "{", "}", "[", "]", ",", ":", "\"", " ", "\"id\":", "\"method\":", "\"params\":", "\"x\"", "7", "0",
                "null", "\\", "\t", "ä", "\"id\":1,\"method\":\"mining.submit\",\"params\":[\"a\",\"b\"]",
            ][..]).prop_map(String::from),
            1 => any::<String>(),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_it_reads_the_thorough_way_reads_the_same(inner in nearly(), braces: bool) {
            let text = if braces { std::format!("{{{inner}}}") } else { inner };
            if let Some(quick) = texts(&text) {
                let thorough = Message::thorough(&text).unwrap();
                let Message::Request { id, method, params } = thorough else { panic!("{text}") };
                let items = params.items().unwrap();
                let params: Vec<_> = (0..items.len()).map(|at| items.text(at).unwrap().into_owned()).collect();
                prop_assert_eq!(quick, (id, &*method, params));
            }
        }
    }
}
