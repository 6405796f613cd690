//! A recorded session between cpuminer-opt and a scripted server, played to both of our sessions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

use std::sync::Arc;
use std::time::Duration;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Difficulty, Extranonce, Hash256,
    HeaderSource, Job, JobBody, JobId, Now, Share, Target, Terms, WorkerId, hex,
};
use otedama_stratum::{
    ClientConfig, ClientEvent, ClientSession, EncodedJob, Login, ServerConfig, ServerEvent, ServerSession,
};
use serde_json::Value;

/// The lines of the recording: who says what, at which second.
fn recording() -> Vec<(f64, char, String)> {
    let entries: Vec<Value> = serde_json::from_str(include_str!("data/cpuminer_opt_scrypt.json")).unwrap();
    entries
        .iter()
        .filter_map(|entry| {
            let who = entry[2].as_str()?;
            let direction = who.chars().next().filter(|_| who.len() == 1)?;
            Some((entry[0].as_f64()?, direction, entry[3].as_str()?.to_owned()))
        })
        .collect()
}

fn at(seconds: f64) -> Now {
    Now::default().plus(Duration::from_secs_f64(seconds))
}

/// The job that the scripted server gave.
fn body() -> JobBody {
    let sibling = |last: u8| {
        let mut bytes = [0; 32];
        bytes[31] = last;
        Hash256::from_internal(bytes)
    };
    let half = |text: &str| hex::decode(text.as_bytes()).unwrap().into();
    let source = BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::from_rpc_hex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
            .unwrap(),
        coinbase: CoinbaseHalves {
            prefix: half(
                "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0b0308ac01",
            ),
            suffix: half(
                "ffffffff0100f2052a010000001976a914000000000000000000000000000000000000000088ac00000000",
            ),
        },
        merkle_path: [1, 2, 3].map(sibling).into(),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 0x6b00_18d2,
    };
    JobBody::bitcoin(Algorithm::SCRYPT, source, true).unwrap()
}

fn sent(mut next: impl FnMut() -> Option<otedama_stratum::Bytes>) -> String {
    let mut bytes = Vec::new();
    while let Some(piece) = next() {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).unwrap()
}

/// Our server hears the miner: it understands every line, and says what the scripted server said.
#[test]
fn our_server_serves_the_miner() {
    let mut config = ServerConfig::new(Algorithm::SCRYPT);
    config.extranonce2_len = 4;
    let mut server = ServerSession::new(Arc::new(config), at(0.0));
    let prefix = Extranonce::from_hex("08000002").unwrap();
    let mut shares = Vec::new();
    let mut answered = String::new();
    for (seconds, _, line) in recording().iter().filter(|(_, who, _)| *who == '>') {
        // The scripted server called its job `j1`; ours calls it what the miner then echoes.
        let line = line.replace("\"j1\"", "\"a1\"");
        server.handle_input(format!("{line}\n").as_bytes(), at(*seconds)).unwrap();
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Subscribe { agent, resume: None, .. } => {
                    assert_eq!(agent, "cpuminer-opt-26.1-x64L");
                    server.open_channel(ChannelId(0), prefix, Target::MAX);
                }
                ServerEvent::Authorize { worker, login } => {
                    assert_eq!((login.user.as_str(), login.password.as_str()), ("ltc1qtest.rig1", "x,d=1"));
                    server.authorize(worker, true);
                    answered += &sent(|| server.poll_transmit());
                    server.send_job(&EncodedJob::new(&body()).unwrap(), &terms(prefix));
                    for _ in 0..7 {
                        server.ping();
                    }
                    server.ask_version();
                }
                ServerEvent::Version(version) => assert_eq!(version, "cpuminer-opt-26.1-x64L"),
                ServerEvent::Submit { ticket, share } => {
                    shares.push(share);
                    server.answer(ticket, Ok(()));
                }
                event => panic!("{event:?}"),
            }
        }
        answered += &sent(|| server.poll_transmit());
    }
    assert!(server.accepts_extranonce_changes());
    let nonces: Vec<_> =
        shares.iter().map(|share| (share.job, share.worker, share.ntime, share.nonce)).collect();
    let (job, worker) = (JobId(0xa1), WorkerId(0));
    assert_eq!(nonces, [(job, worker, 0x6b00_18d2, 0x3449_0000), (job, worker, 0x6b00_18d2, 0x2e57_0000)]);
    for line in [
        r#"{"id":1,"result":[[["mining.set_difficulty","08000002"],["mining.notify","08000002"]],"08000002",4],"error":null}"#,
        r#"{"id":2,"result":true,"error":null}"#,
        r#"{"id":3,"result":true,"error":null}"#,
        r#"{"id":null,"method":"mining.set_difficulty","params":[0.2]}"#,
        r#"{"id":8,"method":"client.get_version","params":[]}"#,
    ] {
        assert!(answered.lines().any(|answer| answer == line), "{line} is not in\n{answered}");
    }
    let accepted = answered.lines().filter(|line| *line == r#"{"id":4,"result":true,"error":null}"#).count();
    assert_eq!(accepted, 2);
}

fn terms(prefix: Extranonce) -> Terms {
    Terms {
        channel: ChannelId(0),
        id: JobId(0xa1),
        share_target: Difficulty::from_f64(Algorithm::SCRYPT, 0.2).unwrap().target(),
        extranonce_prefix: prefix,
        extranonce2_len: 4,
        version_mask: 0,
    }
}

/// Our client hears the scripted server: it says what the miner said, and makes the same shares of the same job.
#[test]
fn our_client_mines_at_the_server() {
    let mut config = ClientConfig::new(Login::new(Algorithm::SCRYPT, "ltc1qtest.rig1").password("x,d=1"));
    config.agent = "cpuminer-opt-26.1-x64L".into();
    config.version_mask = 0;
    let mut client = ClientSession::new(config, at(0.0));
    let mut said = sent(|| client.poll_transmit());
    let mut job: Option<Job> = None;
    let mut accepted = 0;
    for (seconds, who, line) in &recording() {
        if *who == '>' {
            let said: Value = serde_json::from_str(line).unwrap();
            let Some(nonce) = said["params"][4].as_str().filter(|_| said["method"] == "mining.submit") else {
                continue;
            };
            let nonce = u64::from_str_radix(nonce, 16).unwrap();
            let job = job.as_ref().unwrap();
            let share =
                Share::new(ChannelId(0), job.id(), Extranonce::new(&[0; 4]).unwrap(), 0x6b00_18d2, nonce);
            client.submit(&share, at(*seconds)).unwrap();
        } else {
            // The recording's miner used one id for all shares; ours counts.
            let line = line.replace(r#""id":4"#, &format!(r#""id":{}"#, 4 + accepted));
            client.handle_input(format!("{line}\r\n").as_bytes(), at(*seconds)).unwrap();
        }
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Ready => {}
                ClientEvent::Job(new) => job = Some(new),
                ClientEvent::Accepted(_) => accepted += 1,
                ClientEvent::Message(text) => assert_eq!(text, "hello"),
                ClientEvent::Reconnect { host, port, wait } => {
                    assert_eq!((host.as_deref(), port), (Some("127.0.0.1"), Some(29701)));
                    assert_eq!(wait, Duration::from_secs(1));
                }
                event => panic!("{event:?}"),
            }
        }
        said += &sent(|| client.poll_transmit());
    }
    assert_eq!(accepted, 2);
    let job = job.unwrap();
    let (HeaderSource::Bitcoin(ours), HeaderSource::Bitcoin(theirs)) = (&job.body().source, &body().source)
    else {
        panic!()
    };
    assert_eq!((ours.previous, ours.version, ours.ntime), (theirs.previous, theirs.version, theirs.ntime));
    assert_eq!((&ours.coinbase, &ours.merkle_path), (&theirs.coinbase, &theirs.merkle_path));
    assert_eq!(job.terms().share_target, terms(Extranonce::EMPTY).share_target);
    for line in [
        r#"{"id":1,"method":"mining.subscribe","params":["cpuminer-opt-26.1-x64L"]}"#,
        r#"{"id":2,"method":"mining.authorize","params":["ltc1qtest.rig1","x,d=1"]}"#,
        r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#,
        r#"{"id":7,"result":"pong","error":null}"#,
        r#"{"id":8,"result":"cpuminer-opt-26.1-x64L","error":null}"#,
        r#"{"id":4,"method":"mining.submit","params":["ltc1qtest.rig1","j1","00000000","6b0018d2","34490000"]}"#,
        r#"{"id":5,"method":"mining.submit","params":["ltc1qtest.rig1","j1","00000000","6b0018d2","2e570000"]}"#,
    ] {
        assert!(said.lines().any(|other| other == line), "{line} is not in\n{said}");
    }
}
