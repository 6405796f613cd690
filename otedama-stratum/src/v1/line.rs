//! Cuts a stream of bytes into lines.

use alloc::vec::Vec;

use otedama_core::{Moment, Now};

use crate::error::{Foreign, SessionError};

/// The part of a line that came so far, never more than the limit.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    partial: Vec<u8>,
    began: Option<Moment>,
    opening: Opening,
}

/// A buffer that is larger than this is given back after its line.
const KEEP: usize = 1024;

impl LineReader {
    /// Hands each whole line to `each`, without its line end. Whole lines within `bytes` are not copied.
    ///
    /// Stops at the first error.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        limit: usize,
        now: Now,
        mut each: impl FnMut(&[u8]) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        self.opening.check(bytes)?;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.partial.is_empty() {
                within(head.len(), limit)?;
                each(trimmed(head))?;
            } else {
                within(self.partial.len() + head.len(), limit)?;
                self.partial.extend_from_slice(head);
                each(trimmed(&self.partial))?;
                self.partial.clear();
                self.partial.shrink_to(KEEP);
            }
            self.began = None;
        }
        if !bytes.is_empty() {
            within(self.partial.len() + bytes.len(), limit)?;
            self.partial.extend_from_slice(bytes);
            self.began.get_or_insert(now.moment);
        }
        Ok(())
    }

    /// Whether nothing has come yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.opening.len == 0
    }

    /// When the line that is not yet whole began.
    pub(crate) const fn began(&self) -> Option<Moment> {
        self.began
    }
}

const fn within(len: usize, limit: usize) -> Result<(), SessionError> {
    if len > limit { Err(SessionError::LineTooLong { limit }) } else { Ok(()) }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

/// The first bytes of a connection, by which other protocols are recognised however they are chopped.
#[derive(Debug, Default)]
struct Opening {
    bytes: [u8; Self::LEN],
    len: usize,
}

impl Opening {
    const LEN: usize = 12;

    fn check(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        if self.len == Self::LEN {
            return Ok(());
        }
        for (slot, byte) in self.bytes[self.len..].iter_mut().zip(bytes) {
            *slot = *byte;
            self.len += 1;
        }
        foreign(&self.bytes[..self.len]).map_or(Ok(()), |foreign| Err(SessionError::NotStratum(foreign)))
    }
}

pub(crate) fn foreign(opening: &[u8]) -> Option<Foreign> {
    const OPENINGS: [(&[u8], Foreign); 11] = [
        (b"\x16\x03", Foreign::Tls),
        (b"GET ", Foreign::Http),
        (b"HEAD ", Foreign::Http),
        (b"POST ", Foreign::Http),
        (b"PUT ", Foreign::Http),
        (b"DELETE ", Foreign::Http),
        (b"OPTIONS ", Foreign::Http),
        (b"CONNECT ", Foreign::Http),
        (b"PRI * HTTP/2", Foreign::Http),
        (b"PROXY ", Foreign::Proxy),
        (b"\r\n\r\n\0\r\nQUIT\n", Foreign::Proxy),
    ];
    OPENINGS.iter().find(|(start, _)| opening.starts_with(start)).map(|(_, foreign)| *foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn lines(chunks: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, SessionError> {
        let (mut reader, mut out) = (LineReader::default(), Vec::new());
        for chunk in chunks {
            reader.feed(chunk, limit, Now::default(), |line| {
                out.push(line.to_vec());
                Ok(())
            })?;
            assert!(reader.partial.len() <= limit);
            assert_eq!(reader.began().is_none(), reader.partial.is_empty());
        }
        Ok(out)
    }

    #[test]
    fn any_chopping_gives_the_same_lines() {
        let text = b"{}\r\n\n[1]\n  x \nrest";
        let expected: Vec<Vec<u8>> = vec![b"{}".to_vec(), vec![], b"[1]".to_vec(), b"x".to_vec()];
        assert_eq!(lines(&[text], 10), Ok(expected.clone()));
        for size in 1..text.len() {
            let chunks: Vec<_> = text.chunks(size).collect();
            assert_eq!(lines(&chunks, 10), Ok(expected.clone()), "chunks of {size}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let error = Err(SessionError::LineTooLong { limit: 4 });
        assert_eq!(lines(&[b"1234\n"], 4), Ok(vec![b"1234".to_vec()]));
        assert_eq!(lines(&[b"12", b"34", b"\n"], 4), Ok(vec![b"1234".to_vec()]));
        assert_eq!(lines(&[b"12345\n"], 4), error);
        assert_eq!(lines(&[b"1234", b"5"], 4), error);
        assert_eq!(lines(&[b"1234", b"5\n"], 4), error);
    }

    #[test]
    fn other_protocols_are_named() {
        for (text, who) in [
            (&b"\x16\x03\x01\x02\x00"[..], Foreign::Tls),
            (b"GET / HTTP/1.1\r\n", Foreign::Http),
            (b"POST / HTTP/1.1\r\n", Foreign::Http),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", Foreign::Proxy),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Foreign::Proxy),
        ] {
            for size in [1, 3, text.len()] {
                let chunks: Vec<_> = text.chunks(size).collect();
                assert_eq!(lines(&chunks, 1024), Err(SessionError::NotStratum(who)));
            }
        }
        assert!(lines(&[b"\r\n\r\n{}\r\nQUIT\n"], 1024).is_ok());
        assert!(lines(&[b"{\"id\":1}\n", b"GET / HTTP/1.1\r\n"], 1024).is_ok(), "only at the beginning");
    }
}
