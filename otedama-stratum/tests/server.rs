//! The server's session, driven by the lines that miners send.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use support::*;

/// Block 1 of Bitcoin through the wire: what goes out is the fact sheet's text, what comes in is the block.
#[test]
fn block_one_travels() {
    let mut wire = Wire::new(|config| config.extranonce2_len = 2);
    wire.subscribed("ffff001d");
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":1,"result":[[["mining.set_difficulty","ffff001d"],["mining.notify","ffff001d"]],"ffff001d",2],"error":null}"#,
            r#"{"id":2,"result":true,"error":null}"#,
        ]
    );
    let body = block_one();
    let job = wire.job(&body, 0x1f, 1.0);
    let sent = wire.sent();
    assert_eq!(sent[0], r#"{"id":null,"method":"mining.set_difficulty","params":[1]}"#);
    assert_eq!(
        sent[1],
        concat!(
            r#"{"id":null,"method":"mining.notify","params":["1f","0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000","#,
            r#""01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704","#,
            r#""ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000","#,
            r#"[],"00000001","1d00ffff","4966bc61",true]}"#,
        )
    );
    wire.say(r#"{"id":4,"method":"mining.submit","params":["w","1f","0104","4966bc61","9962e301"]}"#);
    let (ticket, share) = wire.submitted();
    let header = job.header(&share).unwrap();
    assert_eq!(otedama_core::hex::encode(header.as_bytes()), BLOCK_ONE);
    wire.session.answer(ticket, Ok(()));
    assert_eq!(wire.sent(), [r#"{"id":4,"result":true,"error":null}"#]);
}
