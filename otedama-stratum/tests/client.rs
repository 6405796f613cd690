//! The client's session, driven by the lines that pools send.
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

use std::time::Duration;

use otedama_core::{
    Algorithm, ChannelId, Difficulty, Extranonce, Generation, HeaderSource, Job, JobId, Now, Reject, Share,
    hex,
};
use otedama_stratum::{ClientConfig, ClientEvent, ClientSession, Login, SessionError, SubmitError};

/// A client session and the test's end of its wire.
struct Wire {
    session: ClientSession,
    now: Now,
}

const SUBSCRIBED: &str = r#"{"id":2,"result":[[["mining.set_difficulty","a"],["mining.notify","sid"]],"08000002",4],"error":null}"#;
const AUTHORIZED: &str = r#"{"id":3,"result":true,"error":null}"#;

impl Wire {
    fn new(configure: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::new(Login::new(Algorithm::SHA256D, "wallet.rig1").password("p"));
        config.agent = "test/1".into();
        configure(&mut config);
        let now = Now::default().plus(Duration::from_secs(50));
        Self { session: ClientSession::new(config, now), now }
    }

    /// Through the handshake, with version rolling.
    fn ready() -> Self {
        let mut wire = Self::new(|_| {});
        wire.say(
            r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"00ffe000"},"error":null}"#,
        );
        wire.say(SUBSCRIBED);
        wire.say(AUTHORIZED);
        assert!(matches!(wire.events()[..], [ClientEvent::Ready]));
        wire.sent();
        wire
    }

    fn try_say(&mut self, line: &str) -> Result<(), SessionError> {
        self.session.handle_input(format!("{line}\n").as_bytes(), self.now)
    }

    fn say(&mut self, line: &str) {
        self.try_say(line).unwrap();
    }

    fn sent(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.session.poll_transmit() {
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn job(&mut self) -> Job {
        match &self.events()[..] {
            [ClientEvent::Job(job)] => job.clone(),
            events => panic!("{events:?}"),
        }
    }

    fn wait(&mut self, seconds: u64) -> Result<(), SessionError> {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.session.handle_timeout(self.now)
    }
}

fn notify(id: &str, clean: bool) -> String {
    format!(
        r#"{{"id":null,"method":"mining.notify","params":["{id}","0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000","01000000","ffffffff",["{}"],"20000000","1d00ffff","4966bc61",{clean}]}}"#,
        "01".repeat(32)
    )
}

fn share(job: &Job) -> Share {
    let extranonce2 = Extranonce::new(&vec![7; job.terms().extranonce2_len]).unwrap();
    Share::new(ChannelId(0), job.id(), extranonce2, 0x4966_bc61, 0xb295_7c02)
}

#[test]
fn the_greeting_is_what_pools_expect() {
    let mut wire = Wire::new(|_| {});
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]}"#,
            r#"{"id":2,"method":"mining.subscribe","params":["test/1"]}"#,
            r#"{"id":3,"method":"mining.authorize","params":["wallet.rig1","p"]}"#,
        ]
    );
    wire.say(SUBSCRIBED);
    assert_eq!((wire.sent(), wire.session.is_ready()), (vec![], false));
    wire.say(AUTHORIZED);
    assert_eq!(wire.sent(), [r#"{"id":4,"method":"mining.extranonce.subscribe","params":[]}"#]);
    assert_eq!((wire.session.session(), wire.session.is_ready()), (Some("sid"), true));

    let target = Difficulty::from_f64(Algorithm::SHA256D, 4096.0).unwrap().target();
    let mut wire = Wire::new(|config| {
        config.version_mask = 0;
        config.resume = Some("old".into());
        config.suggested = Some(target);
    });
    assert_eq!(wire.sent()[0], r#"{"id":1,"method":"mining.subscribe","params":["test/1","old"]}"#);
    wire.say(r#"{"id":2,"result":true}"#);
    assert_eq!(wire.sent()[1], r#"{"id":4,"method":"mining.suggest_difficulty","params":[4096]}"#);
    wire.say(r#"{"id":1,"result":null,"error":[20,"unknown session",null]}"#);
    assert_eq!(
        wire.sent(),
        [r#"{"id":5,"method":"mining.subscribe","params":["test/1"]}"#],
        "without the session"
    );
    let end = wire.try_say(r#"{"id":5,"result":null,"error":[20,"full",null]}"#).unwrap_err();
    assert_eq!(end.to_string(), "subscription refused: full (20)");
}

#[test]
fn a_job_is_complete_and_its_share_is_the_pools() {
    let mut wire = Wire::ready();
    wire.say(r#"{"id":null,"method":"mining.set_difficulty","params":[2]}"#);
    assert!(wire.events().is_empty(), "a difficulty is no event");
    wire.say(&notify("bf\\u0022", true));
    let job = wire.job();
    let HeaderSource::Bitcoin(source) = &job.body().source else { panic!() };
    assert_eq!(
        source.previous.to_string(),
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    );
    assert_eq!((source.version, source.ntime, source.merkle_path.len()), (0x2000_0000, 0x4966_bc61, 1));
    let terms = job.terms();
    assert_eq!(terms.share_target, job.body().network_target(), "2 is harder than the network's 1");
    assert_eq!((terms.extranonce_prefix.to_string().as_str(), terms.extranonce2_len), ("08000002", 4));
    assert_eq!(terms.version_mask, 0x00ff_e000);
    assert!(job.work(&Extranonce::new(&[0; 4]).unwrap(), Generation(0)).is_ok());

    let mut share = share(&job);
    let id = wire.session.submit(&share, wire.now).unwrap();
    share.version_bits = Some(0x2000);
    wire.session.submit(&share, wire.now).unwrap();
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":5,"method":"mining.submit","params":["wallet.rig1","bf\"","07070707","4966bc61","b2957c02","00000000"]}"#,
            r#"{"id":6,"method":"mining.submit","params":["wallet.rig1","bf\"","07070707","4966bc61","b2957c02","00002000"]}"#,
        ]
    );
    wire.say(r#"{"id":"5","result":true}"#);
    assert!(matches!(wire.events()[..], [ClientEvent::Accepted(accepted)] if accepted == id));
}

/// Each change reaches the embedder as a job, at the time that the protocol gives it.
#[test]
fn changes_arrive_with_a_job() {
    let mut wire = Wire::ready();
    wire.say(r#"{"method":"mining.set_difficulty","params":["0.5"]}"#);
    wire.say(&notify("1", true));
    let first = wire.job();
    let shown = |job: &Job| Difficulty::from_target(Algorithm::SHA256D, job.terms().share_target).as_f64();
    assert_eq!(shown(&first), 0.5);

    wire.say(r#"{"method":"mining.set_difficulty","params":[0.25]}"#);
    wire.say(r#"{"method":"mining.set_extranonce","params":["0a",3]}"#);
    assert!(wire.events().is_empty());
    wire.say(r#"{"method":"mining.set_version_mask","params":["00002000"]}"#);
    let masked = wire.job();
    assert_eq!(masked.terms().version_mask, 0x2000);
    assert_eq!((shown(&masked), masked.terms().extranonce2_len), (0.5, 4), "only the mask is for now");
    assert_ne!(masked.id(), first.id());
    wire.say(r#"{"method":"mining.set_version_mask","params":["00002000"]}"#);
    assert!(wire.events().is_empty(), "nothing changed");

    wire.say(&notify("2", false));
    let second = wire.job();
    assert_eq!((shown(&second), second.terms().extranonce2_len), (0.25, 3));
    wire.session.submit(&share(&first), wire.now).unwrap();
    wire.session.submit(&share(&masked), wire.now).unwrap();
    wire.session.submit(&share(&second), wire.now).unwrap();
    let jobs: Vec<_> = wire.sent().iter().map(|line| line.split('"').nth(11).unwrap().to_owned()).collect();
    assert_eq!(jobs, ["1", "1", "2"]);

    wire.say(&notify("3", true));
    assert_eq!(wire.session.submit(&share(&second), wire.now), Err(SubmitError::UnknownJob));
    wire.say(r#"{"method":"mining.set_extranonce","params":["0b"]}"#);
    wire.say(&notify("4", true));
    assert_eq!(wire.job().terms().extranonce2_len, 3, "the length may be left out");
}

#[test]
fn jobs_that_nobody_took_make_room_for_the_newest() {
    let mut wire = Wire::ready();
    wire.say(&notify("1", true));
    wire.say(&notify("2", false));
    let job = wire.job();
    assert!(job.body().clean, "that old work ends is not lost with the job that said so");
    wire.say(&notify("3", false));
    assert!(!wire.job().body().clean);
    for id in 0..100 {
        wire.say(&notify(&id.to_string(), false));
    }
    let newest = wire.job();
    assert_eq!(wire.session.submit(&share(&job), wire.now), Err(SubmitError::UnknownJob), "only 32 live");
    assert!(wire.session.submit(&share(&newest), wire.now).is_ok());
}

#[test]
fn a_job_waits_for_the_handshake() {
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"method":"mining.set_difficulty","params":[0.125]}"#);
    wire.say(&notify("1", true));
    wire.say(SUBSCRIBED);
    assert!(wire.events().is_empty());
    wire.say(AUTHORIZED);
    let events = wire.events();
    let [ClientEvent::Ready, ClientEvent::Job(job)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(job.terms().extranonce2_len, 4);
}

#[test]
fn refusals_come_in_many_shapes() {
    for (answer, shown) in [
        (r#""result":null,"error":[23,"Low difficulty share",null]"#, "Low difficulty share (23)"),
        (r#""result":false,"error":{"code":21,"message":"stale"}"#, "stale (21)"),
        (r#""error":"Duplicate""#, "Duplicate"),
        (r#""result":false,"error":null,"reject-reason":"Above target""#, "Above target"),
        (r#""result":false"#, "no reason given"),
        (r#""result":null,"error":null"#, "no reason given"),
        (r#""result":null,"error":[]"#, "no reason given"),
        (r#""result":null,"error":["x",1]"#, "1"),
        (r#""result":null,"error":-3"#, "-3"),
        (r#""result":true,"error":[20,"a\u0000b",null]"#, "ab (20)"),
    ] {
        let mut wire = Wire::ready();
        wire.say(&notify("1", true));
        let job = wire.job();
        let id = wire.session.submit(&share(&job), wire.now).unwrap();
        wire.say(&format!(r#"{{"id":5,{answer}}}"#));
        let events = wire.events();
        let [ClientEvent::Rejected(rejected, why)] = &events[..] else { panic!("{answer}: {events:?}") };
        assert_eq!((*rejected, why.to_string().as_str()), (id, shown), "{answer}");
        wire.say(&format!(r#"{{"id":5,{answer}}}"#));
        assert!(wire.events().is_empty(), "one answer to one share");
    }
}

#[test]
fn a_share_that_cannot_be_good_is_not_sent() {
    let mut wire = Wire::ready();
    wire.say(&notify("1", true));
    let job = wire.job();
    let mut check = |change: fn(&mut Share), error| {
        let mut share = share(&job);
        change(&mut share);
        assert_eq!(wire.session.submit(&share, wire.now), Err(error));
    };
    check(|share| share.job = JobId(77), SubmitError::UnknownJob);
    check(|share| share.nonce = 1 << 32, Reject::NonceTooWide(1 << 32).into());
    check(
        |share| share.extranonce2 = Extranonce::EMPTY,
        Reject::Extranonce2Length { expected: 4, found: 0 }.into(),
    );
    check(|share| share.version_bits = Some(1), Reject::VersionBits { bits: 1, mask: 0x00ff_e000 }.into());
    assert_eq!(wire.sent(), [""; 0]);
    for _ in 0..1024 {
        wire.session.submit(&share(&job), wire.now).unwrap();
        wire.sent();
    }
    assert_eq!(wire.session.submit(&share(&job), wire.now), Err(SubmitError::Full { limit: 1024 }));
    wire.say(r#"{"id":5,"result":true,"error":null}"#);
    assert!(wire.session.submit(&share(&job), wire.now).is_ok());
}

#[test]
fn subscriptions_come_in_many_shapes() {
    for (result, session) in [
        (r#"[[["mining.set_difficulty","a"],["mining.notify","b"]],"08000002",4]"#, Some("b")),
        (r#"[[["mining.notify","b"]],"08000002",4]"#, Some("b")),
        (r#"[["mining.notify","b"],"08000002",4]"#, Some("b")),
        (r#"[null,"08000002","4",true]"#, None),
        (r#"[[],"",8]"#, None),
    ] {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":2,"result":{result},"error":null}}"#));
        assert_eq!(wire.session.session(), session, "{result}");
    }
    for result in [
        "true",
        "[]",
        r#"[[],"08000002"]"#,
        r#"[[],"0800000",4]"#,
        r#"[[],"08000002",0]"#,
        r#"[[],"08000002",29]"#,
        r#"[[],"08000002",-1]"#,
        r#"[[],"08000002",1.5]"#,
        r#"[[],8,4]"#,
        r#"{"a":1}"#,
        "\"x\"",
    ] {
        let mut wire = Wire::new(|_| {});
        let end = wire.try_say(&format!(r#"{{"id":2,"result":{result},"error":null}}"#));
        let method = "answer to mining.subscribe";
        assert_eq!(end, Err(SessionError::BadMessage { method }), "{result}");
    }
}

#[test]
fn work_that_cannot_be_understood_ends_the_session() {
    let good = notify("1", true);
    for (from, to) in [
        ("\"1\"", "1"),
        ("0a8ce26f", "0a8ce2"),
        ("0a8ce26f", "0a8ce26g"),
        ("01000000", "0100000"),
        ("\"ffffffff\"", "null"),
        ("[\"0101", "[\"01"),
        ("[\"0101", "[7,\"0101"),
        ("20000000", "2000000"),
        ("1d00ffff", "00000000"),
        ("1d00ffff", "ff00ffff"),
        ("4966bc61", "0x66bc61"),
        ("true", "null"),
        ("true", "1"),
    ] {
        let mut wire = Wire::ready();
        let end = wire.try_say(&good.replacen(from, to, 1));
        assert_eq!(end, Err(SessionError::BadMessage { method: "mining.notify" }), "{from} -> {to}");
        assert_eq!(wire.session.poll_timeout(), Some(otedama_core::Moment::ORIGIN));
        assert_eq!(
            wire.session.submit(&Share::new(ChannelId(0), JobId(0), Extranonce::EMPTY, 0, 0), wire.now),
            Err(SubmitError::Ended)
        );
    }
    for difficulty in ["0", "-1", "1e400", "\"nan\"", "null", "[]", "1e300"] {
        let mut wire = Wire::ready();
        let end = wire.try_say(&format!(r#"{{"method":"mining.set_difficulty","params":[{difficulty}]}}"#));
        assert_eq!(end, Err(SessionError::BadMessage { method: "mining.set_difficulty" }), "{difficulty}");
    }
    for (method, params) in [
        ("mining.set_extranonce", "[\"0\",4]"),
        ("mining.set_extranonce", "[\"00\",32]"),
        ("mining.set_extranonce", "{}"),
        ("mining.set_version_mask", "[\"1\"]"),
        ("mining.set_version_mask", "[]"),
    ] {
        let mut wire = Wire::ready();
        let end = wire.try_say(&format!(r#"{{"method":"{method}","params":{params}}}"#));
        assert_eq!(end, Err(SessionError::BadMessage { method }));
    }
}

#[test]
fn what_a_server_may_make_us_hold_is_bounded() {
    let mut wire = Wire::ready();
    let many = format!("[{}]", vec![format!("\"{}\"", "00".repeat(32)); 33].join(","));
    let path = format!("[\"{}\"]", "01".repeat(32));
    assert!(wire.try_say(&notify("1", true).replace(&path, &many)).is_err());
    let mut wire = Wire::ready();
    assert!(wire.try_say(&notify("1", true).replace("01000000", &"00".repeat(64 * 1024))).is_err());
    let mut wire = Wire::ready();
    assert!(wire.try_say(&notify(&"x".repeat(257), true)).is_err());
    let mut wire = Wire::ready();
    let limit = 512 * 1024;
    assert_eq!(wire.try_say(&" ".repeat(limit + 1)), Err(SessionError::LineTooLong { limit }));
    let mut wire = Wire::ready();
    wire.say(&format!(r#"{{"method":"client.show_message","params":["{}\u0000"]}}"#, "x".repeat(1000)));
    assert!(matches!(&wire.events()[..], [ClientEvent::Message(text)] if text.len() == 256));
    let mut end = Ok(());
    while end.is_ok() {
        end = wire.try_say(r#"{"method":"client.show_message","params":["x"]}"#);
    }
    assert_eq!(end, Err(SessionError::EventsFull { limit: 2048 }));
    let mut wire = Wire::ready();
    let mut end = Ok(());
    while end.is_ok() {
        end = wire.try_say(r#"{"id":1,"method":"client.get_version","params":[]}"#);
    }
    assert_eq!(end, Err(SessionError::OutputFull { limit: 256 * 1024 }));
    let mut wire = Wire::ready();
    for _ in 0..16 {
        wire.say("?");
    }
    assert_eq!(wire.try_say("?"), Err(SessionError::Malformed { limit: 16 }));
}

#[test]
fn questions_of_the_server_are_answered() {
    let mut wire = Wire::ready();
    wire.say(r#"{"id":7,"method":"mining.ping","params":[]}"#);
    wire.say(r#"{"id":"v","method":"client.get_version","params":[]}"#);
    wire.say(r#"{"id":8,"method":"mining.unheard_of","params":[]}"#);
    wire.say(r#"{"id":null,"method":"mining.unheard_of","params":[]}"#);
    wire.say(r#"{"id":null,"method":"client.get_version","params":[]}"#);
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":7,"result":"pong","error":null}"#,
            r#"{"id":"v","result":"test/1","error":null}"#,
            r#"{"id":8,"result":null,"error":[-32601,"unknown method",null]}"#,
        ]
    );
    for (params, expected) in [
        ("[]", (None, None, 0)),
        (r#"["b.example",3334,10]"#, (Some("b.example"), Some(3334), 10)),
        (r#"["b.example","3334","10"]"#, (Some("b.example"), Some(3334), 10)),
        (r#"["",70000,-1]"#, (None, None, 0)),
    ] {
        wire.say(&format!(r#"{{"id":null,"method":"client.reconnect","params":{params}}}"#));
        let events = wire.events();
        let [ClientEvent::Reconnect { host, port, wait }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((host.as_deref(), *port, wait.as_secs()), expected, "{params}");
    }
}

#[test]
fn a_refused_login_is_told_in_the_pools_words() {
    for (answer, shown) in [
        (
            r#""result":false,"error":[24,"Unauthorized worker",null]"#,
            "login refused: Unauthorized worker (24)",
        ),
        (r#""result":null,"error":null"#, "login refused: no reason given"),
    ] {
        let mut wire = Wire::new(|_| {});
        let end = wire.try_say(&format!(r#"{{"id":3,{answer}}}"#)).unwrap_err();
        assert_eq!(end.to_string(), shown);
    }
}

#[test]
fn a_server_must_answer() {
    let mut wire = Wire::new(|_| {});
    assert_eq!(wire.wait(29), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::NoAnswer));

    let mut wire = Wire::ready();
    assert_eq!(wire.wait(599), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::Silent));

    let mut wire = Wire::ready();
    wire.say(&notify("1", true));
    let job = wire.job();
    wire.session.submit(&share(&job), wire.now).unwrap();
    let due = wire.session.poll_timeout().unwrap();
    assert_eq!(due.since(wire.now.moment), Duration::from_secs(120));
    wire.now = wire.now.plus(Duration::from_secs(119));
    wire.say(&notify("2", true));
    assert_eq!(wire.wait(1), Err(SessionError::NoAnswer), "other talk is no answer");
}

#[test]
fn version_rolling_may_be_refused() {
    for answer in [
        r#""result":{"version-rolling":false},"error":null"#,
        r#""result":{"version-rolling":"no","version-rolling.mask":"1fffe000"},"error":null"#,
        r#""result":{"version-rolling":true},"error":null"#,
        r#""result":null,"error":[-32601,"unknown method",null]"#,
    ] {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":1,{answer}}}"#));
        assert_eq!(wire.session.version_mask(), 0, "{answer}");
    }
    let mut wire = Wire::new(|config| config.version_mask = 0x6000);
    wire.say(r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"ffffffff"},"error":null}"#);
    assert_eq!(wire.session.version_mask(), 0x6000, "never more than was asked for");
}

/// BIP 310: a server that has agreed on a mask expects the bits with every share.
#[test]
fn a_share_has_version_bits_wherever_a_mask_was_agreed_on() {
    let mut wire = Wire::ready();
    let line = notify("1", true).replace("\"20000000\"", "\"20006000\"");
    for (mask, sent) in [("00002000", Some("00002000")), ("00008000", Some("00000000")), ("00000000", None)] {
        wire.say(&format!(r#"{{"method":"mining.set_version_mask","params":["{mask}"]}}"#));
        wire.say(&line);
        let job = wire.job();
        wire.session.submit(&share(&job), wire.now).unwrap();
        let submit = wire.sent().pop().unwrap();
        assert_eq!(submit.split('"').nth(19), sent, "{submit}");
    }
}

#[test]
fn numbers_go_on_from_session_to_session() {
    let mut wire = Wire::ready();
    wire.say(&notify("1", true));
    let old = wire.job();
    wire.session.submit(&share(&old), wire.now).unwrap();
    let numbers = wire.session.numbers();
    let mut next = Wire::new(|config| config.numbers = numbers);
    next.say(SUBSCRIBED);
    next.say(AUTHORIZED);
    next.events();
    next.say(&notify("1", true));
    let new = next.job();
    assert_ne!(old.id(), new.id());
    assert_eq!(next.session.submit(&share(&old), next.now), Err(SubmitError::UnknownJob));
    assert_eq!(next.session.submit(&share(&new), next.now).unwrap().to_string(), "1");
    assert_eq!(hex::encode(new.terms().extranonce_prefix.as_bytes()), "08000002");
}
