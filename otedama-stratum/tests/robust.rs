//! Whatever comes in, in whatever pieces: no panic, no more memory than the limits, and the same outcome.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use otedama_core::{Algorithm, ChannelId, Extranonce, Now, Reject, Target};
use otedama_stratum::{
    ClientConfig, ClientEvent, ClientSession, EncodedJob, Login, ServerConfig, ServerEvent, ServerSession,
};
use proptest::prelude::*;
use serde_json::value::RawValue;
use support::{block_one, terms};

/// Lines that miners and pools send, as seeds for worse.
const LINES: [&str; 24] = [
    r#"{"id":1,"method":"mining.subscribe","params":["a","0011"]}"#,
    r#"{"id":2,"method":"mining.authorize","params":["w","x"]}"#,
    r#"{"id":3,"method":"mining.configure","params":[["version-rolling","minimum-difficulty"],{"version-rolling.mask":"ffffffff","minimum-difficulty.value":3}]}"#,
    r#"{"id":4,"method":"mining.submit","params":["w","1","0000000000000000","4966bc61","9962e301","00002000"]}"#,
    r#"{"id":"x","method":"mining.submit","params":["w","1","00000000","4966bc61","9962e301"]}"#,
    r#"{"id":null,"method":"mining.extranonce.subscribe","params":[]}"#,
    r#"{"id":5,"method":"mining.suggest_difficulty","params":["0.5"]}"#,
    r#"{"method":"mining.suggest_target","params":["00000000ffff0000000000000000000000000000000000000000000000000000"]}"#,
    r#"{"id":6,"method":"mining.get_transactions","params":["1"]}"#,
    r#"{"id":7,"method":"pong","params":[]}"#,
    r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#,
    r#"{"id":2,"result":[[["mining.set_difficulty","a"],["mining.notify","b"]],"08000002",4],"error":null}"#,
    r#"{"id":3,"result":true,"error":null}"#,
    r#"{"id":5,"result":null,"error":[23,"Low difficulty share",null]}"#,
    r#"{"id":5,"result":false,"error":null,"reject-reason":"Above target"}"#,
    r#"{"id":null,"method":"mining.set_difficulty","params":[0.001]}"#,
    r#"{"id":null,"method":"mining.set_extranonce","params":["08000003",4]}"#,
    r#"{"id":null,"method":"mining.set_version_mask","params":["00ffe000"]}"#,
    r#"{"id":null,"method":"mining.notify","params":["1","0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000","01000000","ffffffff",["0101010101010101010101010101010101010101010101010101010101010101"],"20000000","1d00ffff","4966bc61",true]}"#,
    r#"{"id":8,"method":"mining.ping","params":[]}"#,
    r#"{"id":9,"method":"client.get_version","params":[]}"#,
    r#"{"id":null,"method":"client.show_message","params":["\u0041\n"]}"#,
    r#"{"id":null,"method":"client.reconnect","params":["h","3333",1]}"#,
    "",
];

/// A line, often one of the above, often with some bytes changed, dropped or doubled.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known =
        (0..LINES.len(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..3));
    let known = known.prop_map(|(index, changes)| {
        let mut line = LINES[index].as_bytes().to_vec();
        for (at, byte, kind) in changes {
            if line.is_empty() {
                break;
            }
            let at = at.index(line.len());
            match kind {
                0 => line[at] = byte,
                1 => drop(line.remove(at)),
                2 => line.insert(at, b"\"[]{},:0\\"[usize::from(byte) % 9]),
                _ => line.extend_from_within(at..),
            }
        }
        line
    });
    let intact = (0..LINES.len()).prop_map(|index| LINES[index].as_bytes().to_vec());
    prop_oneof![4 => known, 3 => intact, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// A stream of lines, and the sizes of the pieces that it comes in.
fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let lines = prop::collection::vec(line(), 0..40).prop_map(|lines| lines.join(&b'\n'));
    (lines, prop::collection::vec(1..300usize, 1..20))
}

fn pieces<'a>(bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    sizes.iter().cycle().map_while(move |size| {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What one end of a connection did: its events, what it sent, and what ended it.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<String>,
    sent: Vec<u8>,
    end: Option<String>,
}

/// A server whose embedder answers after each piece, or only after the last one.
fn serve<'a>(input: impl Iterator<Item = &'a [u8]>, promptly: bool) -> Outcome {
    let mut config = ServerConfig::new(Algorithm::SHA256D);
    config.limits.output = 16 * 1024;
    config.limits.pending_answers = 8;
    config.limits.line = 1000;
    let limits = config.limits.clone();
    let now = Now::default();
    let mut session = ServerSession::new(Arc::new(config), now);
    let mut out = Outcome { events: Vec::new(), sent: Vec::new(), end: None };
    let mut unanswered = Vec::new();
    for piece in input {
        out.end = session.handle_input(piece, now).err().map(|error| error.to_string());
        assert!(session.buffered_bytes() <= limits.output + limits.line);
        while let Some(event) = session.poll_event() {
            out.events.push(format!("{event:?}"));
            unanswered.push(event);
        }
        if promptly {
            unanswered.drain(..).for_each(|event| answer(&mut session, &event));
        }
        drain(&mut out.sent, || session.poll_transmit());
        if out.end.is_some() {
            return out;
        }
    }
    unanswered.iter().rev().for_each(|event| answer(&mut session, event));
    drain(&mut out.sent, || session.poll_transmit());
    out
}

fn answer(session: &mut ServerSession, event: &ServerEvent) {
    match event {
        ServerEvent::Subscribe { resume, .. } => {
            session.open_channel(ChannelId(0), resume.unwrap_or(Extranonce::EMPTY), Target::MAX)
        }
        ServerEvent::Authorize { worker, login } => {
            session.authorize(*worker, login.user.len() < 3);
            session.send_job(&EncodedJob::new(&block_one()).unwrap(), &terms(1, 1.0));
        }
        ServerEvent::Submit { ticket, .. } => session.answer(*ticket, Err(Reject::Duplicate)),
        _ => {}
    }
}

fn drain(into: &mut Vec<u8>, mut next: impl FnMut() -> Option<otedama_stratum::Bytes>) {
    while let Some(bytes) = next() {
        into.extend_from_slice(&bytes);
    }
}

/// A client; its jobs do not count, since of several at once it tells only the last.
fn mine<'a>(input: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut config = ClientConfig::new(Login::new(Algorithm::SHA256D, "w"));
    config.limits.output = 16 * 1024;
    config.limits.line = 1000;
    let limits = config.limits.clone();
    let now = Now::default();
    let mut session = ClientSession::new(config, now);
    let mut out = Outcome { events: Vec::new(), sent: Vec::new(), end: None };
    for piece in input {
        out.end = session.handle_input(piece, now).err().map(|error| error.to_string());
        assert!(session.buffered_bytes() <= limits.output + limits.line);
        while let Some(event) = session.poll_event() {
            if !matches!(event, ClientEvent::Job(_)) {
                out.events.push(format!("{event:?}"));
            }
        }
        drain(&mut out.sent, || session.poll_transmit());
        if out.end.is_some() {
            break;
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_server_does_not_care_how_bytes_are_cut((bytes, sizes) in stream()) {
        let whole = serve(bytes.split_inclusive(|byte| *byte == b'\n'), false);
        prop_assert_eq!(whole, serve(pieces(&bytes, &sizes), false));
    }

    #[test]
    fn a_client_does_not_care_how_bytes_are_cut((bytes, sizes) in stream()) {
        let whole = mine(bytes.split_inclusive(|byte| *byte == b'\n'));
        prop_assert_eq!(whole, mine(pieces(&bytes, &sizes)));
    }

    /// Whatever a server answers is JSON, one object for each line; ids go back as they came.
    #[test]
    fn a_server_answers_in_json((bytes, sizes) in stream()) {
        let sent = serve(pieces(&bytes, &sizes), true).sent;
        for line in sent.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let parsed: Result<BTreeMap<&str, &RawValue>, _> = serde_json::from_slice(line);
            prop_assert!(parsed.is_ok_and(|fields| fields.contains_key("id")), "{}", line.escape_ascii());
        }
    }
}
