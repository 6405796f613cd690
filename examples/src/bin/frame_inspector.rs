//! Shows frames of Stratum V2, from standard input or as hex: `frame_inspector 000001060000020000000000`.

use otedama_core::hex;
use otedama_examples::Failure;
use otedama_stratum::v2::{Frame, Message};

fn main() -> Result<(), Failure> {
    let mut bytes = Vec::new();
    match std::env::args().nth(1) {
        Some(text) => bytes = hex::decode(text.as_bytes())?,
        None => _ = std::io::copy(&mut std::io::stdin(), &mut bytes)?,
    }
    let mut rest = &bytes[..];
    while let Some((frame, used)) = Frame::split(rest, bytes.len())? {
        match Message::parse(frame) {
            Ok((message, tlvs)) if tlvs.as_bytes().is_empty() => println!("{message:?}"),
            Ok((message, tlvs)) => println!("{message:?} with {:?}", tlvs.collect::<Vec<_>>()),
            Err(error) => println!("{error}"),
        }
        rest = &rest[used..];
    }
    if rest.is_empty() { Ok(()) } else { Err("the last frame is cut".into()) }
}
