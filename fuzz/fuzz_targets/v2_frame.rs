//! Whatever comes in as Stratum V2: no panic, and what was read is written as it was.
//!
//! Bytes differ after a second look only where the protocol says that they do not count: the channel bit, and all but one
//! bit of a boolean. So a frame that was written once is the same when it is read and written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otedama_stratum::v2::{Encode, Frame, Header, Message};

/// Bytes of payload that are taken.
const LIMIT: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok(Some((frame, used))) = Frame::split(rest, LIMIT) {
        assert_eq!(used, Header::LEN + frame.payload.len());
        let mut forwarded = Vec::new();
        frame.append(&mut forwarded).expect("what was a frame is one");
        assert_eq!(forwarded, rest[..used]);
        look_into(frame);
        rest = &rest[used..];
    }
});

fn look_into(frame: Frame<'_>) {
    let Ok((message, tlvs)) = Message::parse(frame) else { return };
    let _ = format!("{message:?} {:?} {:?}", tlvs.worker_name(), tlvs.collect::<Vec<_>>());
    let mut once = vec![0; message.encoded_len()];
    assert_eq!(message.encode(&mut once), Ok(once.len()));
    assert_eq!(once.len() + tlvs.as_bytes().len(), Header::LEN + frame.payload.len());

    let (frame, used) = Frame::split(&once, LIMIT).expect("it is no longer").expect("it is whole");
    assert_eq!(used, once.len());
    let (again, nothing) = Message::parse(frame).expect("what was written can be read");
    assert_eq!((again.name(), nothing.count()), (message.name(), 0));
    let mut twice = Vec::new();
    again.append(&mut twice).expect("it fits");
    assert_eq!(once, twice);
}
