//! What hostile and broken peers send to a pool, and what the session makes of it.
//!
//! The ids group the cases: F for framing and floods, S for shares. A small judge over the vocabulary's own rules
//! stands in for the pool, so that what the session lets through is still answered as a pool would.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{HashMap, HashSet};

use otedama_core::{ChannelId, Digest, Hash256, HeaderSource, Job, JobId, Reject, Share, Target, WorkerId};
use otedama_stratum::{Foreign, Refused, ServerEvent, SessionError};
use support::{Wire, block_one};

const PARSE: &str = r#"{"id":null,"result":null,"error":[-32700,"not one JSON object",null]}"#;

/// A pool in miniature: it knows its jobs, finds duplicates by digest, and judges by the job's target.
struct Pool {
    wire: Wire,
    jobs: HashMap<JobId, Job>,
    seen: HashSet<Digest>,
    shares: Vec<Share>,
    refused: Vec<Refused>,
    uncounted: Vec<Share>,
}

impl Pool {
    /// Job 1 is block 1 of Bitcoin at a difficulty of which `9962e301` is the solution.
    fn new() -> Self {
        Self::with_mask(0x1fff_e000, true)
    }

    fn with_mask(mask: u32, negotiate: bool) -> Self {
        let mut wire = Wire::new(|config| {
            config.extranonce2_len = 2;
            config.version_mask = mask;
        });
        if negotiate {
            wire.say(r#"{"id":9,"method":"mining.configure","params":[["version-rolling"],{}]}"#);
            wire.events();
        }
        wire.subscribed("ffff001d");
        let job = wire.job(&block_one(), 1, 1.0);
        wire.sent();
        let jobs = HashMap::from([(job.id(), job)]);
        Self {
            wire,
            jobs,
            seen: HashSet::new(),
            shares: Vec::new(),
            refused: Vec::new(),
            uncounted: Vec::new(),
        }
    }

    /// Sends a submit with these parameters and gives back the answer.
    fn submit(&mut self, params: &str) -> String {
        self.wire.say(&format!(r#"{{"id":4,"method":"mining.submit","params":{params}}}"#));
        for event in self.wire.events() {
            match event {
                ServerEvent::Submit { ticket, share } => {
                    let verdict = self.judge(&share);
                    self.shares.push(share);
                    self.wire.session.answer(ticket, verdict);
                }
                ServerEvent::Refused(refused) => self.refused.push(refused),
                ServerEvent::Uncounted { share } => self.uncounted.push(share),
                event => panic!("{event:?}"),
            }
        }
        let mut sent = self.wire.sent();
        assert_eq!(sent.len(), 1, "one answer to one request: {sent:?}");
        sent.remove(0)
    }

    fn judge(&mut self, share: &Share) -> Result<(), Reject> {
        let job = self.jobs.get(&share.job).ok_or(Reject::UnknownJob)?;
        let header = job.header(share)?;
        let digest = Digest::new(*Hash256::sha256d(header.as_bytes()).as_internal());
        if !self.seen.insert(digest) {
            return Err(Reject::Duplicate);
        }
        job.judge(digest).map(|_| ())
    }

    /// Checks that the submit is refused with this code and was no share.
    fn refused(&mut self, params: &str, code: i32, refused: Refused) {
        let answer = self.submit(params);
        assert!(answer.contains(&format!(r#""result":null,"error":[{code},"#)), "{params}: {answer}");
        assert_eq!(self.refused.pop(), Some(refused), "{params}");
        assert!(self.shares.is_empty(), "{params}");
    }
}

const SOLUTION: &str = r#"["w","1","0104","4966bc61","9962e301"]"#;
const ACCEPTED: &str = r#"{"id":4,"result":true,"error":null}"#;
const MALFORMED: Refused = Refused::MalformedShare(Some(WorkerId(0)));

fn code(answer: &str) -> Option<i32> {
    answer.split_once(r#""error":["#)?.1.split(',').next()?.parse().ok()
}

#[test]
fn f1_a_slow_line_is_cut() {
    let mut wire = Wire::new(|_| {});
    assert_eq!(wire.session.handle_input(b"{", wire.now), Ok(()));
    assert_eq!(wire.wait(10), Ok(()));
    assert_eq!(wire.session.handle_input(b"\"", wire.now), Ok(()));
    assert_eq!(wire.wait(5), Err(SessionError::SubscribeTimeout));

    let mut wire = Wire::new(|_| {});
    wire.subscribed("00");
    for byte in [b"{", b"\"", b"i"] {
        assert_eq!(wire.session.handle_input(byte, wire.now), Ok(()));
        assert_eq!(wire.wait(9), Ok(()));
    }
    assert_eq!(wire.session.handle_input(b"d", wire.now), Ok(()));
    assert_eq!(wire.wait(3), Err(SessionError::LineTimeout), "30 s from its first byte");
}

#[test]
fn f2_f4_a_line_has_an_end() {
    let limit = 16 * 1024;
    let too_long = Err(SessionError::LineTooLong { limit });
    let mut wire = Wire::new(|_| {});
    let line = format!(r#"{{"id":1,"method":"mining.ping","pad":"{}"}}"#, "x".repeat(limit - 40));
    assert_eq!(line.len(), limit);
    wire.say(&line);
    assert_eq!(wire.sent(), [r#"{"id":1,"result":"pong","error":null}"#]);
    assert_eq!(wire.try_say(&format!("{line} ")), too_long, "one byte more");
    assert_eq!(wire.sent(), [""; 0]);

    let mut wire = Wire::new(|_| {});
    let mut fed = 0;
    let end = loop {
        match wire.session.handle_input(&[b' '; 1000], wire.now) {
            Ok(()) => fed += 1000,
            Err(error) => break error,
        }
    };
    assert_eq!((Err(end), fed), (too_long, 16_000), "spaces fill a line, too");
}

#[test]
fn f3_nesting_is_bounded() {
    let deep = |depth: usize| {
        format!(r#"{{"id":1,"method":"mining.ping","params":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    let mut wire = Wire::new(|_| {});
    wire.say(&deep(15));
    assert_eq!(wire.sent(), [r#"{"id":1,"result":"pong","error":null}"#]);
    wire.say(&deep(16));
    wire.say(&deep(5000));
    wire.say(&"[".repeat(10_000));
    wire.say(&format!(r#"{{"id":{}1"#, "[".repeat(10_000)));
    let refused = wire.sent();
    assert_eq!(refused[..2], [r#"{"id":null,"result":null,"error":[-32700,"nested too deeply",null]}"#; 2]);
    assert!(
        refused[2].contains(r#"[-32600,"batches"#) && refused[3].contains("nested too deeply"),
        "{refused:?}"
    );
    wire.say(r#"{"id":1,"method":"mining.ping","pad":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[[[[[["}"#);
    assert_eq!(wire.sent().len(), 1, "brackets in a string nest nothing");
}

#[test]
fn f5_f6_what_is_no_message_is_told_so() {
    let cases: [(&[u8], &str); 18] = [
        (b"\0", PARSE),
        (b"\xef\xbb\xbf{\"id\":1,\"method\":\"mining.ping\"}", PARSE),
        (b"{\0\"\0i\0d\0", PARSE),
        (b"{\"id\":1,\"method\":\"mining.ping\xff\"}", PARSE),
        (b"{\"id\":1,\"method\":\"a\0\"}", PARSE),
        (
            b"{\"id\":1,\"method\":\"\\ud800\"}",
            r#"{"id":1,"result":null,"error":[-32600,"not a request",null]}"#,
        ),
        (
            b"{\"id\":\"\\ud800\",\"method\":\"mining.ping\"}",
            r#"{"id":"\ud800","result":"pong","error":null}"#,
        ),
        (b"{\"id\":1,\"method\":\"mining.ping\"}{\"id\":2}", PARSE),
        (b"{\"id\":1,\"method\":\"mining.ping\"} x", PARSE),
        (
            b"[{\"id\":1,\"method\":\"mining.ping\"}]",
            r#"{"id":null,"result":null,"error":[-32600,"batches are not supported",null]}"#,
        ),
        (b"[]", r#"{"id":null,"result":null,"error":[-32600,"batches are not supported",null]}"#),
        (b"null", PARSE),
        (b"hello", PARSE),
        (b"{", PARSE),
        (b"{}", r#"{"id":null,"result":null,"error":[-32600,"not a request",null]}"#),
        (b"{\"id\":7}", r#"{"id":7,"result":null,"error":[-32600,"not a request",null]}"#),
        (b"{\"id\":7,\"method\":3}", r#"{"id":7,"result":null,"error":[-32600,"not a request",null]}"#),
        (b"{\"id\":1,\"method\":\"mining.ping\",\"id\":2}", PARSE),
    ];
    for (line, answer) in cases {
        let mut wire = Wire::new(|_| {});
        // As the very first byte of a connection, 0 would be Stratum V2.
        wire.session.handle_input(&[b"\n", line, b"\n"].concat(), wire.now).unwrap();
        assert_eq!(wire.sent(), [answer], "{}", line.escape_ascii());
    }
}

#[test]
fn f6_line_ends_and_empty_lines() {
    let mut wire = Wire::new(|_| {});
    wire.session.handle_input(b"\r\n\n  \n{\"id\":1,\"method\":\"mining.ping\"}\r\n\r\n", wire.now).unwrap();
    assert_eq!(wire.sent(), [r#"{"id":1,"result":"pong","error":null}"#]);
    assert_eq!(wire.events(), []);
}

#[test]
fn f7_any_id_comes_back_as_it_was() {
    for id in
        ["null", "\"x\"", "1.5", "18446744073709551616", "-7", "[1,{}]", "{\"a\":1}", "true", "1e400", "-0"]
    {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":{id},"method":"mining.ping"}}"#));
        assert_eq!(wire.sent(), [format!(r#"{{"id":{id},"result":"pong","error":null}}"#)]);
    }
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"method":"mining.ping"}"#);
    assert_eq!(wire.sent(), [""; 0], "without an id there is no answer");
    wire.say(&format!(r#"{{"id":"{}","method":"mining.ping"}}"#, "x".repeat(63)));
    assert_eq!(wire.sent(), [r#"{"id":null,"result":null,"error":[-32600,"id is too long",null]}"#]);
    wire.say(&format!(r#"{{"id":"{}","method":"mining.ping"}}"#, "x".repeat(62)));
    assert!(wire.sent()[0].contains("pong"));
}

#[test]
fn f8_f9_parameters_of_the_wrong_kind() {
    let many = format!("[{}]", vec!["1"; 8_000].join(","));
    for params in ["{}", "\"x\"", "1", "true", &many, "{\"0\":\"w\"}", "1e400"] {
        for method in
            ["mining.subscribe", "mining.authorize", "mining.configure", "mining.suggest_difficulty"]
        {
            let mut wire = Wire::new(|_| {});
            wire.say(&format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#));
            assert_eq!(
                wire.sent(),
                [r#"{"id":1,"result":null,"error":[20,"params are not a short array",null]}"#]
            );
            assert_eq!(wire.events(), [ServerEvent::Refused(Refused::Params)]);
        }
        let mut pool = Pool::new();
        pool.refused(params, 20, Refused::MalformedShare(None));
    }
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.subscribe","params":null}"#);
    wire.say(r#"{"id":2,"method":"mining.subscribe"}"#);
    wire.say(r#"{"id":3,"method":"mining.authorize"}"#);
    assert_eq!(wire.events().len(), 2, "one subscription, one refused login");
    for params in [
        "null",
        "[]",
        r#"["w"]"#,
        r#"["w","1","0104","4966bc61"]"#,
        r#"[null,"1","0104","4966bc61","9962e301"]"#,
        r#"["w",1,"0104","4966bc61","9962e301"]"#,
        r#"["w","1","0104",1231469665,"9962e301"]"#,
        r#"["w","1","0104","4966bc61",1e400]"#,
        r#"["w","1","0104","4966bc61","9962e301",8192]"#,
    ] {
        Pool::new().refused(params, 20, Refused::MalformedShare(None));
    }
}

#[test]
fn f10_other_protocols_are_cut() {
    for (opening, foreign) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00"[..], Foreign::Tls),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Foreign::Http),
        (b"POST /x HTTP/1.1\r\n", Foreign::Http),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", Foreign::Proxy),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", Foreign::Proxy),
    ] {
        let mut wire = Wire::new(|_| {});
        assert_eq!(wire.session.handle_input(opening, wire.now), Err(SessionError::NotStratum(foreign)));
    }
}

#[test]
fn f12_who_does_not_read_is_cut() {
    let mut wire = Wire::new(|_| {});
    wire.subscribed("00");
    let body = block_one();
    let mut jobs = 0;
    while wire.session.handle_timeout(wire.now).is_ok() {
        jobs += 1;
        wire.job(&body, jobs, 1.0);
    }
    let limit = 256 * 1024;
    assert_eq!(wire.try_say("{}"), Err(SessionError::OutputFull { limit }));
    assert!(wire.session.poll_timeout().unwrap() <= wire.now.moment, "the shell is told at once");
    let held = wire.session.buffered_bytes();
    assert!(held > limit && held < limit + 1024, "{held}");
    wire.job(&body, 0, 9.0);
    assert_eq!(wire.session.buffered_bytes(), held, "nothing more is taken");
}

#[test]
fn f13_f14_f15_floods_of_requests() {
    let mut wire = Wire::new(|_| {});
    for _ in 0..1000 {
        wire.say(r#"{"id":1,"method":"mining.subscribe","params":["x"]}"#);
    }
    assert_eq!(wire.events().len(), 1, "one channel for one connection");
    wire.session.open_channel(ChannelId(0), otedama_core::Extranonce::from_hex("01").unwrap(), Target::MAX);
    assert_eq!(wire.sent().len(), 1000);
    for number in 0..300 {
        wire.say(&format!(r#"{{"id":1,"method":"mining.authorize","params":["{number}"]}}"#));
    }
    let asked = wire.events();
    let (logins, refused) = asked.split_at(256);
    assert!(logins.iter().all(|event| matches!(event, ServerEvent::Authorize { .. })));
    assert!(refused.iter().all(|event| *event == ServerEvent::Refused(Refused::Login)));
    for worker in 0..256 {
        wire.session.authorize(WorkerId(worker), false);
    }
    assert_eq!(wire.sent().len(), 300);
    for _ in 0..1000 {
        wire.say(r#"{"id":1,"method":"mining.authorize","params":["7"]}"#);
    }
    assert_eq!(wire.events(), [], "the answer is remembered");
}

#[test]
fn f15_names_that_nobody_should_have() {
    for name in ["", "a\\u0000b", "a\\nb", "a\\u007fb", &"x".repeat(257)] {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":1,"method":"mining.authorize","params":["{name}","x"]}}"#));
        assert_eq!(wire.sent(), [r#"{"id":1,"result":false,"error":[24,"login not acceptable",null]}"#]);
        assert_eq!(wire.events(), [ServerEvent::Refused(Refused::Login)]);
    }
    for name in ["../../x", "'; drop table", ".", "\u{1f980}", &"x".repeat(256)] {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":1,"method":"mining.authorize","params":["{name}"]}}"#));
        assert!(matches!(&wire.events()[..], [ServerEvent::Authorize { login, .. }] if login.user == name));
    }
    let mut wire = Wire::new(|_| {});
    wire.say(&format!(
        r#"{{"id":1,"method":"mining.subscribe","params":["a\u0007{}"]}}"#,
        "\u{e9}".repeat(200)
    ));
    assert_eq!(wire.session.agent(), format!("a{}", "\u{e9}".repeat(63)), "an agent is cut, not refused");
}

#[test]
fn malformed_lines_in_a_row_end_it() {
    let mut wire = Wire::new(|_| {});
    for _ in 0..16 {
        wire.say("x");
    }
    wire.say(r#"{"id":1,"method":"mining.ping"}"#);
    for _ in 0..16 {
        wire.say("x");
    }
    assert_eq!(wire.try_say("x"), Err(SessionError::Malformed { limit: 16 }));
    assert_eq!(wire.sent().len(), 34, "each is told");
}

#[test]
fn s1_s2_one_share_has_one_life() {
    let mut pool = Pool::new();
    assert_eq!(pool.submit(SOLUTION), ACCEPTED);
    let duplicate = r#"{"id":4,"result":null,"error":[22,"duplicate share",null]}"#;
    assert_eq!(pool.submit(SOLUTION), duplicate);
    assert_eq!(
        pool.submit(r#"["w","1","0104","4966BC61","9962E301"]"#),
        duplicate,
        "upper case is the same share"
    );
}

#[test]
fn s3_s4_s5_s7_s27_hex_has_one_spelling() {
    let mut pool = Pool::new();
    let fields = ["0104", "4966bc61", "9962e301", "00002000"];
    let aliases = |good: &str| {
        let rest = &good[1..];
        vec![
            format!("0x{good}"),
            format!("0x{}", &good[2..]),
            format!("{good}zz"),
            format!("{}zz", &good[2..]),
            good[1..].to_owned(),
            format!("{good}0"),
            format!("{good}00"),
            good[2..].to_owned(),
            format!(":{rest}"),
            format!("@{rest}"),
            format!(" {rest}"),
            format!("+{rest}"),
            format!("{} ", &good[1..]),
            format!("\u{ff10}{rest}"),
            format!("\\u0000{rest}"),
            String::new(),
        ]
    };
    for (index, field) in fields.iter().enumerate() {
        for alias in aliases(field) {
            let mut spelt = fields.map(str::to_owned);
            spelt[index] = alias;
            let params = format!(r#"["w","1","{}","{}","{}","{}"]"#, spelt[0], spelt[1], spelt[2], spelt[3]);
            let answer = pool.submit(&params);
            assert_eq!(code(&answer), Some(20), "{params}: {answer}");
            let refused = pool.refused.pop().unwrap();
            let length =
                matches!(refused, Refused::Share(Some(WorkerId(0)), Reject::Extranonce2Length { .. }));
            assert!(refused == MALFORMED || (index == 0 && length), "{params}: {refused:?}");
        }
    }
    assert!(pool.shares.is_empty());
}

#[test]
fn s6_s28_the_extranonce2_has_the_announced_length() {
    let mut pool = Pool::new();
    for (extranonce2, found) in [("01", 1), ("010400", 3), (&"00".repeat(32), 32)] {
        let params = format!(r#"["w","1","{extranonce2}","4966bc61","9962e301"]"#);
        let reject = Reject::Extranonce2Length { expected: 2, found };
        pool.refused(&params, 20, Refused::Share(Some(WorkerId(0)), reject));
    }
    pool.refused(&format!(r#"["w","1","{}","4966bc61","9962e301"]"#, "00".repeat(33)), 20, MALFORMED);
}

#[test]
fn s8_s9_s10_s11_version_bits() {
    let bits = |bits: &str| format!(r#"["w","1","0104","4966bc61","9962e301","{bits}"]"#);
    let mut pool = Pool::new();
    assert_eq!(pool.submit(SOLUTION), ACCEPTED);
    for rolled in ["00002000", "1fffe000"] {
        let answer = pool.submit(&bits(rolled));
        assert_eq!(code(&answer), Some(23), "another header, judged by its own digest: {answer}");
    }
    let headers: HashSet<_> =
        pool.shares.iter().map(|share| pool.jobs[&share.job].header(share).unwrap()).collect();
    assert_eq!(headers.len(), 3, "version bits make another header");
    assert_eq!(code(&pool.submit(&bits("00000001"))), Some(20));
    assert_eq!(code(&pool.submit(&bits("20000000"))), Some(20));

    let mut pool = Pool::with_mask(0x1fff_e000, false);
    assert_eq!(code(&pool.submit(&bits("00002000"))), Some(20), "never negotiated");
    assert_eq!(pool.submit(&bits("00000000")), ACCEPTED, "zero bits roll nothing");
    let mut pool = Pool::with_mask(0, true);
    assert_eq!(code(&pool.submit(&bits("00002000"))), Some(20), "refused when it was asked for");

    let mut pool = Pool::new();
    let mut body = block_one();
    let HeaderSource::Bitcoin(source) = &mut body.source else { panic!() };
    source.version = 0x3000_0010;
    let job = pool.wire.job(&body, 2, 1.0);
    pool.wire.sent();
    pool.jobs.insert(job.id(), job);
    for (params, version) in [
        (r#"["w","2","0104","4966bc61","00000000"]"#, 0x3000_0010u32),
        (r#"["w","2","0104","4966bc61","00000000","00002000"]"#, 0x2000_2010),
        (r#"["w","2","0104","4966bc61","00000000","10000000"]"#, 0x3000_0010),
    ] {
        pool.submit(params);
        let share = pool.shares.last().unwrap();
        let header = pool.jobs[&share.job].header(share).unwrap();
        assert_eq!(header.as_bytes()[..4], version.to_le_bytes(), "BIP 310 reads {params} so");
    }
}

#[test]
fn s12_s13_jobs_and_workers_of_others() {
    let mut pool = Pool::new();
    let unknown = Refused::Share(Some(WorkerId(0)), Reject::UnknownJob);
    for job in ["", "j1", "../", "0x1", "01", "+1", " 1", "100000000", "-1", "\u{ff11}"] {
        pool.refused(&format!(r#"["w","{job}","0104","4966bc61","9962e301"]"#), 21, unknown);
    }
    let answer = pool.submit(r#"["w","2","0104","4966bc61","9962e301"]"#);
    assert_eq!(code(&answer), Some(21), "a number that was never given");
    pool.shares.clear();
    let stranger = Refused::Share(None, Reject::Unauthorized);
    for worker in ["W", "w ", "", "other"] {
        pool.refused(&format!(r#"["{worker}","1","0104","4966bc61","9962e301"]"#), 24, stranger);
    }
    let nonces: Vec<_> = pool.uncounted.iter().map(|share| share.nonce).collect();
    assert_eq!(nonces, [0x9962_e301; 4], "whoever sends it, it may be a block");
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.authorize","params":["w"]}"#);
    wire.session.authorize(WorkerId(0), true);
    wire.say(&format!(r#"{{"id":2,"method":"mining.submit","params":{SOLUTION}}}"#));
    assert_eq!(wire.sent()[1], r#"{"id":2,"result":null,"error":[25,"not subscribed",null]}"#);
    wire.say(r#"{"id":1,"method":"mining.authorize","params":["pending"]}"#);
    wire.session.open_channel(ChannelId(0), otedama_core::Extranonce::EMPTY, Target::MAX);
    wire.say(r#"{"id":2,"method":"mining.submit","params":["pending","1","00","00000000","00000000"]}"#);
    wire.session.authorize(WorkerId(1), true);
    assert_eq!(code(&wire.sent()[1]), Some(24), "not yet authorised when it came");
}

/// The target that was sent with a job judges it, whatever was sent since.
#[test]
fn s14_a_share_is_judged_by_its_own_job() {
    let mut pool = Pool::new();
    let body = block_one();
    let easier = pool.wire.job(&body, 2, 0.001);
    pool.wire.sent();
    pool.jobs.insert(easier.id(), easier);
    let low = r#"["w","1","0104","4966bc61","00000001"]"#;
    assert_eq!(code(&pool.submit(low)), Some(23));
    let share = pool.shares.last().unwrap().clone();
    let digest =
        Digest::new(*Hash256::sha256d(pool.jobs[&JobId(1)].header(&share).unwrap().as_bytes()).as_internal());
    let reached = body.algorithm.reached(&digest);
    let below = otedama_core::Target::from_be_bytes({
        let mut bytes = reached.to_be_bytes();
        for byte in bytes.iter_mut().rev() {
            let (less, borrow) = byte.overflowing_sub(1);
            *byte = less;
            if !borrow {
                break;
            }
        }
        bytes
    });
    for (target, met) in [(reached, true), (below, false)] {
        let terms = otedama_core::Terms { share_target: target, ..*pool.jobs[&JobId(1)].terms() };
        let job = Job::new(pool.jobs[&JobId(1)].body().clone(), terms);
        assert_eq!(job.judge(digest).is_ok(), met, "equal is enough, one unit below is not");
    }
}

/// The session never holds a share back for being late, repeated or easy: it may be a block.
#[test]
fn s15_s17_every_well_formed_share_reaches_the_judge() {
    let mut pool = Pool::new();
    let newer = pool.wire.job(&block_one(), 2, 1.0);
    pool.wire.sent();
    pool.jobs.insert(newer.id(), newer);
    assert_eq!(pool.submit(SOLUTION), ACCEPTED, "of the job before the clean one");
    pool.submit(SOLUTION);
    pool.submit(r#"["w","1","0104","4966bc61","00000001"]"#);
    assert_eq!(pool.shares.len(), 3);
}

#[test]
fn s18_times() {
    let mut pool = Pool::new();
    for (ntime, early) in [("00000000", true), ("4966bc60", true), ("4966bc61", false), ("ffffffff", false)] {
        let answer = pool.submit(&format!(r#"["w","1","0104","{ntime}","00000001"]"#));
        assert_eq!(code(&answer), Some(if early { 20 } else { 23 }), "{ntime}: {answer}");
    }
    assert_eq!(pool.shares[3].ntime, u32::MAX, "the upper end is for whoever has a clock");
}

#[test]
fn s19_a_flood_of_shares_is_shed_and_answered() {
    let mut wire = Wire::new(|_| {});
    wire.subscribed("00");
    wire.sent();
    let (mut refused, mut uncounted) = (0, Vec::new());
    let mut tickets = Vec::new();
    for nonce in 0..1500 {
        wire.say(&format!(
            r#"{{"id":{nonce},"method":"mining.submit","params":["w","1","0000000000000000","4966bc61","{nonce:08x}"]}}"#
        ));
        for event in wire.events() {
            match event {
                ServerEvent::Submit { ticket, .. } => tickets.push(ticket),
                ServerEvent::Refused(Refused::Share(Some(WorkerId(0)), Reject::Overloaded)) => refused += 1,
                ServerEvent::Uncounted { share } => uncounted.push(share.nonce),
                event => panic!("{event:?}"),
            }
        }
    }
    assert_eq!((tickets.len(), refused), (1024, 476));
    assert!(uncounted.into_iter().eq(1024..1500), "what is shed may be a block all the same");
    for ticket in tickets.into_iter().rev() {
        wire.session.answer(ticket, Ok(()));
    }
    let answers = wire.sent();
    assert_eq!(answers.len(), 1500);
    for (number, answer) in answers.iter().enumerate() {
        assert!(answer.starts_with(&format!(r#"{{"id":{number},"#)), "in order: {answer}");
        assert_eq!(code(answer), if number < 1024 { None } else { Some(20) });
    }
}

#[test]
fn s26_an_id_may_be_used_for_every_share() {
    let mut pool = Pool::new();
    assert_eq!(pool.submit(SOLUTION), ACCEPTED);
    for nonce in 0..10 {
        let answer = pool.submit(&format!(r#"["w","1","0104","4966bc61","{nonce:08x}"]"#));
        assert!(answer.starts_with(r#"{"id":4,"#) && code(&answer) == Some(23), "{answer}");
    }
}
