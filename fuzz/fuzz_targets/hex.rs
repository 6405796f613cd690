//! Strict hex has one meaning for each text and one lower-case text for each meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otedama_core::{Extranonce, hex};

fuzz_target!(|text: &[u8]| {
    let strict = text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit);
    let decoded = hex::decode(text);
    assert_eq!(decoded.is_ok(), strict);
    let mut room = [0xaa; 16];
    let fitted = hex::decode_to_slice(text, &mut room);
    assert_eq!(fitted.is_ok(), strict && text.len() <= 32);
    if let Ok(bytes) = decoded {
        assert_eq!(hex::encode(&bytes).as_bytes(), text.to_ascii_lowercase());
        assert_eq!(hex::decode_array::<4>(text).is_ok(), bytes.len() == 4);
        assert_eq!(hex::decode_u32(text).is_ok(), bytes.len() == 4);
        if let Ok(len) = fitted {
            assert_eq!(room[..len], bytes);
            assert!(room[len..].iter().all(|byte| *byte == 0xaa));
        }
        let text = std::str::from_utf8(text).expect("hex is ASCII");
        let extranonce = Extranonce::from_hex(text);
        assert_eq!(extranonce.ok(), Extranonce::new(&bytes));
    }
});
