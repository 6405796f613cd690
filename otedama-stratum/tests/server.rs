//! The server's session, driven by the lines that miners send.
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

mod support;

use std::time::Duration;

use otedama_core::{Algorithm, ChannelId, Difficulty, Extranonce, JobId, Reject, Target, Terms, WorkerId};
use otedama_stratum::{ChannelKind, EncodedJob, Refused, ServerEvent, SessionError, Wish};
use support::{BLOCK_ONE, Wire, block_one, terms};

/// Block 1 of Bitcoin through the wire, byte for byte.
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
    let job = wire.job(&block_one(), 0x1f, 1.0);
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":null,"method":"mining.set_difficulty","params":[1]}"#,
            concat!(
                r#"{"id":null,"method":"mining.notify","params":["1f","#,
                r#""0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000","#,
                r#""01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704","#,
                r#""ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589"#,
                r#"379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000","#,
                r#"[],"00000001","1d00ffff","4966bc61",true]}"#,
            ),
        ]
    );
    wire.say(r#"{"id":4,"method":"mining.submit","params":["w","1f","0104","4966bc61","9962e301"]}"#);
    let (ticket, share) = wire.submitted();
    let header = job.header(&share).unwrap();
    assert_eq!(otedama_core::hex::encode(header.as_bytes()), BLOCK_ONE);
    wire.session.answer(ticket, Ok(()));
    assert_eq!(wire.sent(), [r#"{"id":4,"result":true,"error":null}"#]);
}

#[test]
fn a_merkle_path_is_a_list_in_plain_order() {
    let mut body = block_one();
    let otedama_core::HeaderSource::Bitcoin(source) = &mut body.source else { panic!() };
    let path = [otedama_core::Hash256::from_internal([1; 32]), otedama_core::Hash256::from_internal([2; 32])];
    source.merkle_path = path.into();
    body.clean = false;
    let mut wire = Wire::new(|_| {});
    wire.subscribed("00");
    wire.job(&body, 1, 1.0);
    let notify = wire.sent().pop().unwrap();
    let expected =
        format!(r#"["{}","{}"],"00000001","1d00ffff","4966bc61",false]"#, "01".repeat(32), "02".repeat(32));
    assert!(notify.contains(&expected), "{notify}");
}

/// Every order of the opening requests, with ids repeated, leads to the same session.
#[test]
fn requests_come_in_any_order() {
    let requests = [
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}"#,
        r#"{"id":1,"method":"mining.subscribe","params":["a"]}"#,
        r#"{"id":1,"method":"mining.authorize","params":["w"]}"#,
        r#"{"id":1,"method":"mining.extranonce.subscribe","params":[]}"#,
        r#"{"id":1,"method":"mining.suggest_difficulty","params":["0.5"]}"#,
    ];
    for order in permutations(requests.len()) {
        let mut wire = Wire::new(|_| {});
        let lines: Vec<_> = order.iter().map(|index| requests[*index]).collect();
        wire.say(&lines.join("\n"));
        for event in wire.events() {
            match event {
                ServerEvent::Subscribe { agent, resume: None, .. } if agent == "a" => {
                    wire.session.open_channel(
                        ChannelId(0),
                        Extranonce::from_hex("aabb").unwrap(),
                        Target::MAX,
                    );
                }
                ServerEvent::Authorize { worker: WorkerId(0), login } => {
                    assert_eq!((login.user.as_str(), login.password.as_str()), ("w", ""));
                    wire.session.authorize(WorkerId(0), true);
                }
                ServerEvent::VersionMask(0x1fff_e000) => {}
                ServerEvent::SuggestDifficulty(target) => {
                    assert_eq!(Difficulty::from_target(Algorithm::SHA256D, target).as_f64(), 0.5);
                }
                event => panic!("{event:?}"),
            }
        }
        let answers = wire.sent();
        assert_eq!(answers.len(), requests.len());
        for (answer, index) in answers.iter().zip(&order) {
            let expected = match index {
                0 => r#"{"version-rolling":true,"version-rolling.mask":"1fffe000"}"#,
                1 => r#"[[["mining.set_difficulty","aabb"],["mining.notify","aabb"]],"aabb",8]"#,
                _ => "true",
            };
            assert_eq!(*answer, format!(r#"{{"id":1,"result":{expected},"error":null}}"#));
        }
        assert!(wire.session.is_subscribed() && wire.session.accepts_extranonce_changes());
        assert_eq!((wire.session.version_mask(), wire.session.agent()), (0x1fff_e000, "a"));
    }
}

fn permutations(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(len - 1);
    let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[len - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..len).map(move |at| insert(order, at))).collect()
}

#[test]
fn answers_keep_the_order_of_the_requests() {
    let mut wire = Wire::new(|config| config.extranonce2_len = 1);
    wire.subscribed("00");
    wire.job(&block_one(), 1, 1.0);
    wire.sent();
    for (id, extranonce2) in [("\"a\"", "01"), ("[2]", "02"), ("null", "03")] {
        wire.say(&format!(
            r#"{{"id":{id},"method":"mining.submit","params":["w","1","{extranonce2}","4966bc61","00000000"]}}"#
        ));
    }
    wire.say(r#"{"id":4,"method":"mining.ping"}"#);
    wire.say(r#"{"id":5,"method":"nonsense"}"#);
    let tickets: Vec<_> = wire
        .events()
        .into_iter()
        .filter_map(|event| match event {
            ServerEvent::Submit { ticket, .. } => Some(ticket),
            _ => None,
        })
        .collect();
    wire.session.answer(tickets[2], Ok(()));
    wire.session.answer(tickets[1], Err(Reject::Stale));
    assert_eq!(wire.sent(), [""; 0]);
    wire.session.ping();
    assert_eq!(
        wire.sent(),
        [r#"{"id":1,"method":"mining.ping","params":[]}"#],
        "a request of ours need not wait"
    );
    wire.session.answer(tickets[0], Err(Reject::Duplicate));
    wire.session.answer(tickets[0], Ok(()));
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":"a","result":null,"error":[22,"duplicate share",null]}"#,
            r#"{"id":[2],"result":null,"error":[21,"job is stale",null]}"#,
            r#"{"id":null,"result":true,"error":null}"#,
            r#"{"id":4,"result":"pong","error":null}"#,
            r#"{"id":5,"result":null,"error":[-32601,"unknown method",null]}"#,
        ]
    );
    assert_eq!(wire.session.buffered_bytes(), 0);
}

#[test]
fn a_request_without_an_id_counts_and_is_not_answered() {
    let mut wire = Wire::new(|config| config.extranonce2_len = 1);
    wire.subscribed("00");
    wire.sent();
    wire.say(r#"{"method":"mining.submit","params":["w","1","00","4966bc61","00000000"]}"#);
    let (ticket, share) = wire.submitted();
    assert_eq!(share.job, JobId(1));
    wire.session.answer(ticket, Ok(()));
    wire.say(r#"{"method":"nonsense"}"#);
    assert_eq!(wire.sent(), [""; 0]);
    assert_eq!(wire.events(), [ServerEvent::Refused(Refused::Method)]);
}

/// A job never overtakes the answer to the subscription, even if that has to wait for another answer.
#[test]
fn jobs_wait_behind_the_subscription() {
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.authorize","params":["w"]}"#);
    wire.say(r#"{"id":2,"method":"mining.subscribe","params":[]}"#);
    wire.session.open_channel(ChannelId(0), Extranonce::from_hex("00").unwrap(), Target::MAX);
    wire.job(&block_one(), 1, 2.0);
    wire.session.show_message("hi");
    assert_eq!(wire.sent(), [""; 0]);
    wire.session.authorize(WorkerId(0), true);
    let methods: Vec<_> = wire.sent().iter().map(|line| line[..18].to_owned()).collect();
    assert_eq!(
        methods,
        [
            r#"{"id":1,"result":t"#,
            r#"{"id":2,"result":["#,
            r#"{"id":null,"method"#,
            r#"{"id":null,"method"#,
            r#"{"id":null,"method"#
        ]
    );
    assert_eq!(wire.session.buffered_bytes(), 0);
}

#[test]
fn a_difficulty_is_sent_once_and_before_its_job() {
    let mut wire = Wire::new(|_| {});
    wire.subscribed("00");
    wire.sent();
    let mut methods = Vec::new();
    for (id, difficulty) in [(1, 0.25), (2, 0.25), (3, 0.1), (4, 1e-9)] {
        wire.job(&block_one(), id, difficulty);
        methods.extend(
            wire.sent()
                .iter()
                .map(|line| line.split('"').nth(5).unwrap().to_owned() + &line[line.len() - 16..]),
        );
    }
    assert_eq!(methods.len(), 7, "{methods:?}");
    assert!(methods[0].ends_with(r#""params":[0.25]}"#), "{methods:?}");
    assert!(methods[3].ends_with(r#"params":[0.1]}"#), "{methods:?}");
    assert!(methods[5].ends_with(r#"[0.000000001]}"#), "{methods:?}");
}

#[test]
fn a_new_prefix_goes_only_to_those_who_can_follow() {
    let mut wire = Wire::new(|_| {});
    let prefix = Extranonce::from_hex("00000002").unwrap();
    assert!(!wire.session.change_prefix(ChannelId(0), prefix), "no channel yet");
    wire.subscribed("00000001");
    assert!(!wire.session.change_prefix(ChannelId(0), prefix), "never asked");
    wire.say(r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#);
    wire.sent();
    assert!(wire.session.change_prefix(ChannelId(0), prefix));
    let mut body = block_one();
    body.clean = false;
    wire.job(&body, 1, 1.0);
    wire.job(&body, 2, 1.0);
    let sent = wire.sent();
    assert_eq!(sent[0], r#"{"id":null,"method":"mining.set_extranonce","params":["00000002",8]}"#);
    assert!(sent[2].ends_with(",true]}"), "the first job under it ends all others: {}", sent[2]);
    assert!(sent[3].ends_with(",false]}"), "{}", sent[3]);
    wire.say(r#"{"id":4,"method":"mining.subscribe","params":[]}"#);
    assert!(wire.sent()[0].contains(r#""00000002",8]"#));
    assert_eq!(wire.events(), []);
}

#[test]
fn a_session_is_resumed_by_its_prefix() {
    for (session, resume) in [
        (r#""aabbccdd""#, Extranonce::from_hex("aabbccdd").ok()),
        (r#""EthereumStratum/1.0.0""#, None),
        (r#""""#, None),
        ("null", None),
        ("7", None),
    ] {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":1,"method":"mining.subscribe","params":["a",{session},"host",3333]}}"#));
        let (channel, wish) = (ChannelId(0), Wish::new(ChannelKind::Extended));
        let expected = ServerEvent::Subscribe { channel, worker: None, wish, agent: "a".into(), resume };
        assert_eq!(wire.events(), [expected]);
    }
}

#[test]
fn a_refused_client_may_ask_again() {
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    wire.session.refuse_channel(ChannelId(0));
    assert_eq!(wire.sent(), [r#"{"id":1,"result":null,"error":[20,"no channel left",null]}"#]);
    assert!(!wire.session.is_subscribed());
    wire.say(r#"{"id":2,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(wire.events().len(), 2);
}

#[test]
fn a_worker_is_asked_for_once() {
    let mut wire = Wire::new(|_| {});
    let ask =
        |id: u32, user: &str| format!(r#"{{"id":{id},"method":"mining.authorize","params":["{user}","p"]}}"#);
    wire.say(&ask(1, "good"));
    wire.say(&ask(2, "good"));
    wire.say(&ask(3, "bad"));
    let events = wire.events();
    let [ServerEvent::Authorize { worker: good, .. }, ServerEvent::Authorize { worker: bad, login }] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((good, bad, login.user.as_str()), (&WorkerId(0), &WorkerId(1), "bad"));
    wire.session.authorize(*bad, false);
    wire.session.authorize(*good, true);
    wire.say(&ask(4, "good"));
    wire.say(&ask(5, "bad"));
    assert_eq!(wire.events(), []);
    let (yes, no) =
        (r#""result":true,"error":null}"#, r#""result":false,"error":[24,"unauthorised worker",null]}"#);
    let expected: Vec<_> = [(1, yes), (2, yes), (3, no), (4, yes), (5, no)]
        .map(|(id, end)| format!(r#"{{"id":{id},{end}"#))
        .into();
    assert_eq!(wire.sent(), expected);
}

#[test]
fn a_job_that_needs_version_bits_takes_them_from_the_miner() {
    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{}]}"#);
    assert_eq!(wire.events(), [ServerEvent::VersionMask(0x1fff_e000)]);
    wire.subscribed("00");
    wire.job(&block_one(), 1, 1.0);
    assert!(!wire.sent().iter().any(|line| line.contains("set_version_mask")), "as negotiated");
    let encoded = EncodedJob::new(&block_one()).unwrap();
    for (mask, told) in [(0x0fff_e000, true), (0x0fff_e000, false), (0x1fff_e000, true)] {
        wire.session.send_job(&encoded, &Terms { version_mask: mask, ..terms(2, 1.0) });
        let line = format!(r#"{{"id":null,"method":"mining.set_version_mask","params":["{mask:08x}"]}}"#);
        assert_eq!(wire.sent().contains(&line), told, "{mask:08x}");
    }
    let mut other = Wire::new(|_| {});
    other.subscribed("00");
    other.session.send_job(&encoded, &Terms { version_mask: 0x2000, ..terms(2, 1.0) });
    assert!(!other.sent().iter().any(|line| line.contains("set_version_mask")), "never negotiated");
}

#[test]
fn every_extension_is_answered() {
    let ask = |mask: u32, params: &str| {
        let mut wire = Wire::new(|config| config.version_mask = mask);
        wire.say(&format!(r#"{{"id":1,"method":"mining.configure","params":{params}}}"#));
        let answer = wire.sent().pop().unwrap();
        (answer, wire.session.version_mask(), wire.events())
    };
    let (answer, mask, events) = ask(
        0x1fff_e000,
        r#"[["version-rolling","minimum-difficulty","subscribe-extranonce","info","new\"one"],
            {"version-rolling.mask":"00FFe000","version-rolling.min-bit-count":2,"minimum-difficulty.value":2}]"#
            .replace('\n', " ")
            .as_str(),
    );
    assert_eq!(
        answer,
        concat!(
            r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"00ffe000","minimum-difficulty":true,"#,
            r#""subscribe-extranonce":true,"info":true,"new\"one":false},"error":null}"#,
        )
    );
    assert_eq!(mask, 0x00ff_e000);
    let two = Difficulty::from_f64(Algorithm::SHA256D, 2.0).unwrap().target();
    assert_eq!(events, [ServerEvent::VersionMask(0x00ff_e000), ServerEvent::MinimumDifficulty(two)]);

    for (offered, params, value, negotiated) in [
        (0, r#"[["version-rolling"],{"version-rolling.mask":"ffffffff"}]"#, "false", 0),
        (0xff, r#"[["version-rolling"],{"version-rolling.mask":"0000ff00"}]"#, "false", 0),
        (0xff, r#"[["version-rolling"]]"#, r#"true,"version-rolling.mask":"000000ff""#, 0xff),
        (
            0xff,
            r#"[["version-rolling"],{"version-rolling.mask":"0xff"}]"#,
            "\"version-rolling.mask is not eight hex digits\"",
            0,
        ),
        (
            0xff,
            r#"[["version-rolling"],{"version-rolling.mask":7}]"#,
            "\"version-rolling.mask is not eight hex digits\"",
            0,
        ),
        (0xff, r#"[["minimum-difficulty"],{"minimum-difficulty.value":-1}]"#, "false", 0),
    ] {
        let (answer, mask, _) = ask(offered, params);
        assert!(answer.contains(&format!("\":{value}}},\"error\":null")), "{params}: {answer}");
        assert_eq!(mask, negotiated, "{params}");
    }
    let (answer, ..) = ask(0, r#"["version-rolling"]"#);
    assert!(answer.contains(r#""error":[20,"#), "{answer}");
}

#[test]
fn suggestions_are_numbers_texts_or_targets() {
    let target = |difficulty| Difficulty::from_f64(Algorithm::SHA256D, difficulty).unwrap().target();
    for (method, param, expected) in [
        ("mining.suggest_difficulty", "1024", Some(target(1024.0))),
        ("mining.suggest_difficulty", "0.00015", Some(target(0.00015))),
        ("mining.suggest_difficulty", "\"0.500000\"", Some(target(0.5))),
        ("mining.suggest_difficulty", "1e-300", Some(Target::MAX)),
        ("mining.suggest_difficulty", "0", None),
        ("mining.suggest_difficulty", "-0", None),
        ("mining.suggest_difficulty", "-1", None),
        ("mining.suggest_difficulty", "1e400", None),
        ("mining.suggest_difficulty", "1e300", None),
        ("mining.suggest_difficulty", "\"NaN\"", None),
        ("mining.suggest_difficulty", "\"inf\"", None),
        ("mining.suggest_difficulty", "\"\"", None),
        ("mining.suggest_difficulty", "null", None),
        ("mining.suggest_difficulty", "[1]", None),
        (
            "mining.suggest_target",
            "\"00000000ffff0000000000000000000000000000000000000000000000000000\"",
            Some(target(1.0)),
        ),
        (
            "mining.suggest_target",
            "\"0000000000000000000000000000000000000000000000000000000000000000\"",
            None,
        ),
        ("mining.suggest_target", "\"ff\"", None),
        ("mining.suggest_target", "1", None),
    ] {
        let mut wire = Wire::new(|_| {});
        wire.say(&format!(r#"{{"id":1,"method":"{method}","params":[{param}]}}"#));
        let (event, code) = match expected {
            Some(target) => (ServerEvent::SuggestDifficulty(target), r#""result":true"#),
            None => (ServerEvent::Refused(Refused::Params), r#""error":[20,"#),
        };
        assert_eq!(wire.events(), [event], "{param}");
        assert!(wire.sent()[0].contains(code), "{param}");
    }
}

#[test]
fn the_rest_is_answered_at_once() {
    let mut wire = Wire::new(|_| {});
    for (method, answer) in [
        ("mining.get_transactions", Some("[]")),
        ("mining.get_txnhashes", Some("[]")),
        ("mining.ping", Some("\"pong\"")),
        ("mining.hashrate", Some("true")),
        ("eth_submitHashrate", Some("true")),
        ("pong", None),
    ] {
        wire.say(&format!(r#"{{"id":9,"method":"{method}","params":["1"]}}"#));
        let expected: Vec<_> =
            answer.iter().map(|answer| format!(r#"{{"id":9,"result":{answer},"error":null}}"#)).collect();
        assert_eq!(wire.sent(), expected, "{method}");
    }
    for method in ["mining.hello", "eth_submitLogin", "login", "mining.multi_version", ""] {
        wire.say(&format!(r#"{{"id":9,"method":"{method}","params":{{}}}}"#));
        assert_eq!(wire.sent().len(), 1, "{method}");
        assert!(matches!(wire.events()[..], [ServerEvent::Refused(Refused::Params)]), "{method}");
        wire.say(&format!(r#"{{"id":9,"method":"{method}"}}"#));
        assert_eq!(wire.sent(), [r#"{"id":9,"result":null,"error":[-32601,"unknown method",null]}"#]);
        wire.events();
    }
}

#[test]
fn requests_of_ours_are_answered_in_any_way() {
    let mut wire = Wire::new(|_| {});
    wire.session.ping();
    wire.session.ask_version();
    wire.session.show_message("a \"b\"\n");
    wire.session.reconnect("pool.example", 3333, Duration::from_secs(5));
    assert_eq!(
        wire.sent(),
        [
            r#"{"id":1,"method":"mining.ping","params":[]}"#,
            r#"{"id":2,"method":"client.get_version","params":[]}"#,
            r#"{"id":null,"method":"client.show_message","params":["a \"b\"\u000a"]}"#,
            r#"{"id":null,"method":"client.reconnect","params":["pool.example",3333,5]}"#,
        ]
    );
    wire.say(r#"{"id":1,"result":"pong","error":null}"#);
    wire.say(r#"{"id":77,"result":"never asked","error":null}"#);
    assert_eq!(wire.events(), []);
    wire.say(r#"{"id": 2, "error": null, "result": "cpu\u0007miner"}"#);
    assert_eq!(wire.events(), [ServerEvent::Version("cpuminer".into())]);
    wire.say(r#"{"id":2,"result":"again","error":null}"#);
    assert_eq!((wire.events(), wire.sent()), (vec![], vec![]));
    assert_eq!(wire.session.agent(), "cpuminer");
}

#[test]
fn time_runs_out() {
    let mut wire = Wire::new(|_| {});
    assert_eq!(wire.wait(14), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::SubscribeTimeout));
    assert_eq!(wire.try_say("{}"), Err(SessionError::SubscribeTimeout), "it stays so");

    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(wire.wait(59), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::AuthorizeTimeout));

    let mut wire = Wire::new(|_| {});
    wire.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    wire.say(r#"{"id":1,"method":"mining.authorize","params":["w"]}"#);
    assert_eq!(wire.wait(1000), Ok(()), "waiting for us is not the client's fault");
    wire.session.authorize(WorkerId(0), false);
    assert_eq!(wire.wait(0), Err(SessionError::AuthorizeTimeout));

    let mut wire = Wire::new(|_| {});
    wire.subscribed("00");
    assert_eq!(wire.wait(3 * 3600 - 1), Ok(()));
    wire.say(r#"{"id":1,"method":"mining.ping"}"#);
    assert_eq!(wire.wait(3 * 3600 - 1), Ok(()));
    assert_eq!(wire.wait(1), Err(SessionError::Silent));
}

#[test]
fn the_timeout_that_is_announced_is_the_one_that_comes() {
    let mut wire = Wire::new(|_| {});
    let due = wire.session.poll_timeout().unwrap();
    assert_eq!(due.since(wire.now.moment), Duration::from_secs(15));
    wire.subscribed("00");
    let due = wire.session.poll_timeout().unwrap();
    assert_eq!(due.since(wire.now.moment), Duration::from_secs(3 * 3600));
    wire.session.handle_input(b"{", wire.now).unwrap();
    let due = wire.session.poll_timeout().unwrap();
    assert_eq!(due.since(wire.now.moment), Duration::from_secs(30));
}

#[test]
fn a_job_is_encoded_once_and_its_bytes_are_shared_by_all_connections() {
    let encoded = EncodedJob::new(&block_one()).unwrap();
    let last_pieces = ["00000001", "00000002"].map(|prefix| {
        let mut wire = Wire::new(|_| {});
        wire.subscribed(prefix);
        wire.sent();
        wire.session.send_job(&encoded, &terms(7, 0.5));
        std::iter::from_fn(|| wire.session.poll_transmit()).last().unwrap()
    });
    let [one, two] = last_pieces;
    assert!(one.len() > 200, "everything behind the job id");
    assert_eq!(one.as_ptr(), two.as_ptr());
}
