//! Which protocol a peer speaks, by its first bytes: one port serves them all.

use core::str;

use crate::error::Foreign;
use crate::v1::line::foreign;

/// What a connection turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// Lines of text: Stratum V1, or something that its session will name and refuse.
    Text,
    /// An HTTP request.
    Http,
    /// Binary: the handshake of a secured Stratum V2 connection, or its plain frames.
    Binary,
}

/// Bytes after which there is no doubt: the first message of the handshake has as many, and they are random.
const SURE: usize = 64;

/// Bytes of a TLS record's header and of the type of the message in it.
const TLS: usize = 6;

impl Opening {
    /// Judges by all bytes that have come so far; `None` as long as more of them could change the verdict.
    ///
    /// It is text only while every byte so far is. A line that begins as JSON does decides at once, other text after 64
    /// bytes: the random bytes of a handshake may come one by one and may look like text for a while. Whoever has waited
    /// long enough may take what is still undecided for text.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if let Some((hello, _)) = bytes.split_first_chunk::<TLS>()
            && matches!(hello, [0x16, 3, 0..=4, _, _, 1])
        {
            return Some(Self::Text);
        }
        match foreign(bytes) {
            Some(Foreign::Http) => return Some(Self::Http),
            Some(Foreign::Proxy) => return Some(Self::Text),
            _ => {}
        }
        if !is_text(bytes) {
            // The mark of the PROXY protocol holds a zero; it is decided above once it is whole.
            let proxy = b"\r\n\r\n\0\r\nQUIT\n".starts_with(bytes);
            return (!proxy && !may_be_tls(bytes)).then_some(Self::Binary);
        }
        let line = bytes.trim_ascii_start();
        let json = matches!(line.first(), Some(b'{' | b'[')) && line.contains(&b'\n');
        (json || bytes.len() >= SURE).then_some(Self::Text)
    }
}

/// Whether this is too little to tell a TLS hello from a random key.
fn may_be_tls(bytes: &[u8]) -> bool {
    bytes.len() < TLS && [0x16, 3].iter().zip(bytes).all(|(one, other)| one == other)
}

/// UTF-8 without control characters other than white space; it may end within a character.
fn is_text(bytes: &[u8]) -> bool {
    let whole = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.bytes().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// What it is said to be after each byte.
    fn verdicts(bytes: &[u8]) -> Vec<Option<Opening>> {
        (1..=bytes.len()).map(|len| Opening::of(&bytes[..len])).collect()
    }

    #[test]
    fn each_protocol_is_recognised_and_nothing_else_before() {
        let miner = "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"m\u{e9}\"]}\n";
        for (bytes, expected) in [
            (miner.as_bytes(), Opening::Text),
            (b"\r\n[1]\n", Opening::Text),
            (b"  {}\n", Opening::Text),
            (b"GET / HTTP/1.1\r\n", Opening::Http),
            (b"HEAD /", Opening::Http),
            (b"\x16\x03\x01\x02\x00\x01\x00", Opening::Text),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Opening::Text),
            (b"PROXY TCP4 1.2.3.4", Opening::Text),
            (b"\0\0\0\x2b\0\0", Opening::Binary),
            (b"abc\n\xff", Opening::Binary),
            (b"\x16\x04", Opening::Binary),
            (b"\x16\x03\x01\x02\x00\x02", Opening::Binary),
            (&[b'x'; 64], Opening::Text),
        ] {
            let verdicts = verdicts(bytes);
            assert_eq!(verdicts.last(), Some(&Some(expected)), "{bytes:?}");
            let other = verdicts.iter().flatten().find(|verdict| **verdict != expected);
            assert_eq!(other, None, "{bytes:?}");
        }
    }

    #[test]
    fn text_without_an_end_is_undecided() {
        assert_eq!(Opening::of(b""), None);
        assert_eq!(Opening::of(b"{\"id\":1"), None);
        assert_eq!(Opening::of(b"hello\n"), None);
        assert_eq!(Opening::of(&[b'x'; 63]), None);
        assert_eq!(Opening::of("{\"\u{e9}".as_bytes().split_last().map_or(&[], |(_, cut)| cut)), None);
    }

    #[test]
    fn random_keys_are_binary_in_any_pieces() {
        // Knuth's generator: enough for bytes that look random.
        let mut random = 1_u64;
        let mut byte = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random.to_be_bytes()[0]
        };
        for _ in 0..20_000 {
            let key: [u8; 64] = core::array::from_fn(|_| byte());
            let first = verdicts(&key).into_iter().flatten().next();
            assert_eq!(first, Some(Opening::Binary), "{key:?}");
        }
    }
}
