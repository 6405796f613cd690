//! Strict hexadecimal: even length, `0-9a-fA-F`, no prefix, no space, no alias.

use alloc::string::String;
use alloc::vec::Vec;

/// Why a text is not strict hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// An odd number of digits; the peer that wrote the text is at fault.
    #[error("hex has an odd length of {0}")]
    OddLength(usize),
    /// Something that is not a hexadecimal digit, at this byte offset.
    #[error("not a hex digit at offset {0}")]
    NotADigit(usize),
    /// The right alphabet, but the wrong number of bytes for where it stands.
    #[error("hex has {found} bytes, {expected} expected")]
    WrongLength {
        /// Bytes that the place takes.
        expected: usize,
        /// Bytes that the text has.
        found: usize,
    },
}

const BAD: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut digit = 0u8;
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

/// Writes the bytes of `text` into `out` and returns how many there were.
///
/// # Errors
/// [`HexError`] if the text is not strict hex or does not fit into `out`; `out` may then be partly written.
pub fn decode_to_slice(text: &[u8], out: &mut [u8]) -> Result<usize, HexError> {
    if !text.len().is_multiple_of(2) {
        return Err(HexError::OddLength(text.len()));
    }
    let found = text.len() / 2;
    if found > out.len() {
        return Err(HexError::WrongLength { expected: out.len(), found });
    }
    for (index, (pair, byte)) in text.chunks_exact(2).zip(out.iter_mut()).enumerate() {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        if high == BAD {
            return Err(HexError::NotADigit(2 * index));
        }
        if low == BAD {
            return Err(HexError::NotADigit(2 * index + 1));
        }
        *byte = high << 4 | low;
    }
    Ok(found)
}

/// Decodes exactly `N` bytes.
///
/// # Errors
/// [`HexError`] if the text is not strict hex of exactly `2 * N` digits.
pub fn decode_array<const N: usize>(text: &[u8]) -> Result<[u8; N], HexError> {
    let mut out = [0; N];
    let found = decode_to_slice(text, &mut out)?;
    if found == N { Ok(out) } else { Err(HexError::WrongLength { expected: N, found }) }
}

/// Decodes any number of bytes. The caller bounds the length of `text`.
///
/// # Errors
/// [`HexError`] if the text is not strict hex.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, HexError> {
    let mut out = alloc::vec![0; text.len() / 2];
    decode_to_slice(text, &mut out)?;
    Ok(out)
}

/// Decodes exactly eight digits as a big-endian number, the way Stratum V1 writes version, ntime and nonce.
///
/// # Errors
/// [`HexError`] if the text is not strict hex of exactly eight digits.
pub fn decode_u32(text: &[u8]) -> Result<u32, HexError> {
    decode_array(text).map(u32::from_be_bytes)
}

/// Lower-case hex of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    encode_into(bytes, &mut out);
    out
}

/// Appends the lower-case hex of `bytes` to `out`.
pub fn encode_into(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Shows bytes as lower-case hex without allocating.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_aliases_are_refused() {
        for (text, error) in [
            ("0", HexError::OddLength(1)),
            ("0x00", HexError::NotADigit(1)),
            (" 0", HexError::NotADigit(0)),
            ("0 ", HexError::NotADigit(1)),
            ("+1", HexError::NotADigit(0)),
            ("0:", HexError::NotADigit(1)),
            ("@0", HexError::NotADigit(0)),
            ("0g", HexError::NotADigit(1)),
            ("00zz", HexError::NotADigit(2)),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(error), "{text:?}");
        }
        assert_eq!(decode("\u{ff10}".as_bytes()), Err(HexError::OddLength(3)));
        assert_eq!(decode("\u{ff10}\u{ff10}".as_bytes()), Err(HexError::NotADigit(0)));
    }

    #[test]
    fn lengths_are_exact() {
        assert_eq!(decode_u32(b"0000001"), Err(HexError::OddLength(7)));
        assert_eq!(decode_u32(b"000001"), Err(HexError::WrongLength { expected: 4, found: 3 }));
        assert_eq!(decode_u32(b"0000000001"), Err(HexError::WrongLength { expected: 4, found: 5 }));
        assert_eq!(decode_u32(b"1d00FFff"), Ok(0x1d00_ffff));
        assert_eq!(decode(b""), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(text.as_bytes()), Ok(bytes.clone()));
            prop_assert_eq!(decode(text.to_uppercase().as_bytes()), Ok(bytes.clone()));
            prop_assert_eq!(alloc::format!("{}", Hex(&bytes)), text);
        }

        #[test]
        fn only_hex_digits_pass(text in "\\PC{0,12}") {
            let strict = text.len() % 2 == 0 && text.bytes().all(|b| b.is_ascii_hexdigit());
            prop_assert_eq!(decode(text.as_bytes()).is_ok(), strict);
        }
    }
}
