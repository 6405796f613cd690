//! Writes messages, each with its line end.

use alloc::string::String;
use core::fmt::{Display, Write as _};

use otedama_core::Reject;

/// Codes of errors on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(i32);

impl Code {
    pub(crate) const PARSE: Self = Self(-32700);
    pub(crate) const REQUEST: Self = Self(-32600);
    pub(crate) const METHOD: Self = Self(-32601);
    pub(crate) const OTHER: Self = Self(20);
    pub(crate) const UNAUTHORIZED: Self = Self(24);

    /// The code that miners know for a refused share.
    pub(crate) const fn of(reject: Reject) -> Self {
        Self(match reject {
            Reject::UnknownJob | Reject::Stale => 21,
            Reject::Duplicate => 22,
            Reject::LowDifficulty { .. } => 23,
            Reject::Unauthorized => 24,
            Reject::NotSubscribed => 25,
            _ => 20,
        })
    }
}

/// The answer `result`, which is JSON, to the request with this id, which is JSON too.
pub(crate) fn result(out: &mut String, id: &str, result: &str) {
    for part in ["{\"id\":", id, ",\"result\":", result, ",\"error\":null}\n"] {
        out.push_str(part);
    }
}

/// A refusal; `result` is JSON, the text is not.
pub(crate) fn refusal(out: &mut String, id: &str, result: &str, code: Code, text: &impl Display) {
    let (code, text) = (code.0, Text(text));
    line(out, format_args!("{{\"id\":{id},\"result\":{result},\"error\":[{code},{text},null]}}"));
}

/// A refusal with a result of `null`.
pub(crate) fn error(out: &mut String, id: &str, code: Code, text: &impl Display) {
    refusal(out, id, "null", code, text);
}

/// A request or, with the id `null`, a notification; `params` is a JSON array.
pub(crate) fn request(out: &mut String, id: impl Display, method: &str, params: impl Display) {
    line(out, format_args!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}"));
}

fn line(out: &mut String, message: core::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(message);
    out.push('\n');
}

/// Shows a value as a JSON string.
pub(crate) struct Text<'a, T: ?Sized>(pub(crate) &'a T);

impl<T: Display + ?Sized> Display for Text<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        struct Escaped<'a, 'b>(&'a mut core::fmt::Formatter<'b>);
        impl core::fmt::Write for Escaped<'_, '_> {
            fn write_str(&mut self, text: &str) -> core::fmt::Result {
                let mut plain = 0;
                for (at, byte) in text.bytes().enumerate() {
                    if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                        continue;
                    }
                    self.0.write_str(&text[plain..at])?;
                    plain = at + 1;
                    match byte {
                        b'"' => self.0.write_str("\\\"")?,
                        b'\\' => self.0.write_str("\\\\")?,
                        _ => write!(self.0, "\\u{byte:04x}")?,
                    }
                }
                self.0.write_str(&text[plain..])
            }
        }
        f.write_char('"')?;
        write!(Escaped(f), "{}", self.0)?;
        f.write_char('"')
    }
}

/// The text without control characters, cut to `limit` bytes.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if out.len() + letter.len_utf8() > limit {
            break;
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn texts_are_escaped_as_json() {
        for text in ["", "plain", "q\"b\\n\nt\t\u{1}", "ünï \u{1f980}", "\u{7f}"] {
            let json = format!("{}", Text(text));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{json}");
        }
    }

    #[test]
    fn codes_are_what_miners_know() {
        for (reject, code) in [
            (Reject::UnknownJob, 21),
            (Reject::Stale, 21),
            (Reject::Duplicate, 22),
            (Reject::Unauthorized, 24),
            (Reject::NotSubscribed, 25),
            (Reject::Overloaded, 20),
            (Reject::NotRecorded, 20),
            (Reject::Extranonce2Length { expected: 4, found: 3 }, 20),
            (Reject::VersionRollingOff, 20),
        ] {
            assert_eq!(Code::of(reject), Code(code), "{reject}");
        }
    }
}
