//! What the adapter makes of recorded templates, and of a node that lies, stammers or falls silent.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "support/rpc.rs"]
mod rpc;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use otedama_core::{Amount, Hash256};
use otedama_pool::node::{Auth, Bitcoind, BlockStatus, Node, NodeError, Submission};
use otedama_pool::{Chain, Coin, Template, TemplateError};
use serde_json::{Value, json};

use rpc::{FakeNode, Reaction, Request, http};

const RECORDED: [&str; 2] = [include_str!("data/litecoin-432.json"), include_str!("data/litecoin-434.json")];

fn recorded(index: usize) -> Value {
    serde_json::from_str::<Value>(RECORDED[index]).unwrap()["template"].take()
}

fn client(node: &FakeNode) -> Bitcoind {
    Bitcoind::new(&node.url, Auth::None).unwrap()
}

/// A node that gives one template and nothing else.
fn read(template: Value) -> Result<Template, NodeError> {
    let node = FakeNode::start(move |_| Reaction::Result(template.clone()));
    client(&node).template()
}

#[test]
fn recorded_templates_are_read() {
    let first = read(recorded(0)).unwrap();
    assert_eq!((first.height, first.version, first.transactions.len()), (432, 0x2000_0000, 2));
    assert_eq!(first.coinbase_value, Amount::from_atomic(1_250_020_200));
    assert_eq!(first.check(&Coin::LITECOIN, Chain::Regtest), Ok(()));
    assert_eq!(first.mweb.as_ref().map(|mweb| mweb.len()), Some(2099));
    let later = read(recorded(1)).unwrap();
    assert_eq!(later.check(&Coin::LITECOIN, Chain::Regtest), Ok(()));
    assert_eq!(later.transactions[0].fee, Some(Amount::from_atomic(14_100)));
    assert_eq!((later.mintime, later.curtime, later.weight_limit), (1_795_167_166, 1_795_167_166, 4_000_000));
    assert_eq!(later.long_poll_id.map(|id| id.len()), Some(67));
}

/// The HogEx must stand last and come with an MWEB block.
#[test]
fn a_recorded_template_without_its_parts_is_refused() {
    let check = |change: fn(&mut Template)| {
        let mut template = read(recorded(1)).unwrap();
        change(&mut template);
        template.check(&Coin::LITECOIN, Chain::Regtest)
    };
    assert_eq!(check(|template| template.mweb = None), Err(TemplateError::Mweb));
    assert_eq!(check(|template| template.witness_commitment = None), Err(TemplateError::CommitmentMissing));
    assert_eq!(check(|template| template.transactions.swap(2, 3)), Err(TemplateError::CommitmentWrong));
    let greedy = check(|template| template.transactions[0].fee = Some(Amount::ZERO));
    assert!(matches!(greedy, Err(TemplateError::Value { .. })), "the value still holds the fee");
}

#[test]
fn malformed_templates_are_refused() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 14] = [
        ("bits and target", |t| t["bits"] = json!("1e0ffff0")),
        ("bits and target", |t| {
            t["target"] = json!("7fffff0000000000000000000000000000000000000000000000000000000001")
        }),
        ("64 hex digits", |t| t["previousblockhash"] = json!("00")),
        ("missing field", |t| {
            t.as_object_mut().unwrap().remove("height");
        }),
        ("version", |t| t["version"] = json!(1_u64 << 32)),
        ("version", |t| t["version"] = json!(-(1_i64 << 32))),
        ("u64", |t| t["coinbasevalue"] = json!(-1)),
        ("u64", |t| t["coinbasevalue"] = json!(1.5)),
        ("u32", |t| t["curtime"] = json!(1_u64 << 40)),
        ("hex", |t| t["mweb"] = json!("0x00")),
        ("hex", |t| t["transactions"][0]["data"] = json!("000")),
        ("child before its parent", |t| t["transactions"][0]["depends"] = json!([1])),
        ("child before its parent", |t| t["transactions"][1]["depends"] = json!([0])),
        ("long-poll id", |t| t["longpollid"] = json!("0".repeat(257))),
    ];
    for (reason, change) in table {
        let mut template = recorded(1);
        change(&mut template);
        match read(template) {
            Err(NodeError::Malformed(why)) => assert!(why.contains(reason), "{reason}: {why}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
    let mut strange = recorded(1);
    strange["rules"] = json!(["csv", "!segwit", "!signet"]);
    assert_eq!(read(strange), Err(NodeError::Unsupported("the rule !signet".into())));
    let mut signed = recorded(1);
    signed["version"] = json!(-0x2000_0000);
    assert_eq!(read(signed).map(|template| template.version), Ok(0xe000_0000));
}

#[test]
fn what_goes_wrong_says_who_is_at_fault() {
    let not_ready = |code, message: &str| NodeError::NotReady { code, message: message.into() };
    type React = fn(&Request) -> Reaction;
    let table: [(React, NodeError); 9] = [
        (|_| http(401, ""), NodeError::Unauthorized),
        (|_| http(403, ""), NodeError::Unauthorized),
        (|_| http(503, "Work queue depth exceeded\n"), not_ready(503, "Work queue depth exceeded")),
        (|_| Reaction::Error(-28, "Loading block index..."), not_ready(-28, "Loading block index...")),
        (|_| Reaction::Error(-9, "not connected!"), not_ready(-9, "not connected!")),
        (|_| Reaction::Error(-10, "in initial sync"), not_ready(-10, "in initial sync")),
        (|_| Reaction::Error(-1, "no"), NodeError::Refused { code: -1, message: "no".into() }),
        (
            |_| http(200, r#"{"result":null,"error":null,"id":7777}"#),
            NodeError::Malformed("an answer to another question".into()),
        ),
        (
            |request| http(200, &format!(r#"{{"error":null,"id":{}}}"#, request.id)),
            NodeError::Malformed("no result and no error".into()),
        ),
    ];
    for (reaction, error) in table {
        let node = FakeNode::start(reaction);
        assert_eq!(client(&node).template(), Err(error.clone()));
        assert_eq!(client(&node).submit(&[0]), Err(error));
    }
    for body in ["", "{", "<html>", r#"{"result":{"#, "[]", r#"{"result":7,"error":null,"id":1}"#] {
        let node = FakeNode::start(move |_| http(200, body));
        assert!(matches!(client(&node).tip(), Err(NodeError::Malformed(_))), "{body:?}");
    }
}

/// What the adapter makes of these bytes, after which the node hangs up.
fn submit_to(bytes: &'static str) -> Result<Submission, NodeError> {
    let node = FakeNode::start(move |_| Reaction::Raw(bytes.into()));
    client(&node).submit(&[0])
}

#[test]
fn answers_are_taken_whole_or_not_at_all() {
    for whole in [
        "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{\"result\":null,\"error\":null,\"id\":1}",
        "HTTP/1.0 500 No\r\n\r\n{\"result\":null,\"error\":null,\"id\":1}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         23\r\n{\"result\":null,\"error\":null,\"id\":1}\r\n0\r\n\r\n",
    ] {
        assert_eq!(submit_to(whole), Ok(Submission::Known), "{whole}");
    }
    for cut in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n{\"result\":null,\"error\":null,\"id\":1}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         23\r\n{\"result\":null,\"error\":null,\"id\":1}\r\n",
    ] {
        let submitted = submit_to(cut);
        assert!(matches!(submitted, Err(NodeError::Unreachable(_))), "it may have the block: {submitted:?}");
    }
    for nonsense in [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ] {
        let submitted = submit_to(nonsense);
        assert!(matches!(submitted, Err(NodeError::Malformed(_))), "{nonsense}: {submitted:?}");
    }
}

#[test]
fn answers_without_end_are_given_up() {
    for beginning in [
        "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    ] {
        let node = FakeNode::start(move |_| Reaction::Flood(beginning));
        let submitted = client(&node).submit(&[0]);
        assert!(matches!(submitted, Err(NodeError::Malformed(_))), "{beginning}: {submitted:?}");
    }
}

#[test]
fn nodes_that_fall_silent_are_given_up_in_time() {
    for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
        let node = FakeNode::start(|_| Reaction::Stall(said.into()));
        let hasty = client(&node).with_patience(Duration::from_millis(300));
        let late = Err(NodeError::Unreachable("no answer in time".into()));
        assert_eq!(hasty.submit(&[0]), late, "it may have the block");
        node.wait_for_stalled(0);
    }
}

#[test]
fn calls_share_a_connection() {
    let node = FakeNode::start(|_| Reaction::Result(json!(Hash256::ZERO.to_string())));
    let client = client(&node);
    for _ in 0..5 {
        client.tip().unwrap();
    }
    assert_eq!((node.requests("getbestblockhash").len(), node.connections()), (5, 1));
}

#[test]
fn words_about_blocks_are_understood() {
    let refused = |word: &str| Submission::Refused(word.into());
    for (word, submission) in [
        (json!(null), Submission::Known),
        (json!("duplicate"), Submission::Known),
        (json!("inconclusive"), Submission::Inconclusive),
        (json!("duplicate-inconclusive"), Submission::Inconclusive),
        (json!("duplicate-invalid"), refused("duplicate-invalid")),
        (json!("high-hash"), refused("high-hash")),
        (json!("rejected"), refused("rejected")),
        (json!("valid?"), refused("valid?")),
    ] {
        let node = FakeNode::start(move |_| Reaction::Result(word.clone()));
        assert_eq!(client(&node).submit(&[1, 0xab]), Ok(submission.clone()));
        assert_eq!(node.requests("submitblock")[0].params, json!(["01ab"]));
        assert_eq!(client(&node).propose(&[1, 0xab]), Ok(Some(submission)));
        let proposal = &node.requests("getblocktemplate")[0].params[0];
        assert_eq!((&proposal["mode"], &proposal["data"]), (&json!("proposal"), &json!("01ab")));
    }
    let undecoded = FakeNode::start(|_| Reaction::Error(-22, "Block decode failed"));
    assert_eq!(client(&undecoded).submit(&[0]), Ok(refused("Block decode failed")));
    let without = FakeNode::start(|_| Reaction::Error(-8, "Invalid mode"));
    assert_eq!(client(&without).propose(&[0]), Ok(None));
    for (confirmations, known) in [(3, Some(3)), (1, Some(1)), (0, None), (-1, None)] {
        let info = json!({ "height": 7, "confirmations": confirmations, "hash": "unread" });
        let node = FakeNode::start(move |_| Reaction::Result(info.clone()));
        let status = BlockStatus { height: 7, confirmations: known };
        assert_eq!(client(&node).block(Hash256::ZERO), Ok(Some(status)));
    }
    let unknown = FakeNode::start(|_| Reaction::Error(-5, "Block not found"));
    assert_eq!(client(&unknown).block(Hash256::ZERO), Ok(None));
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let node = FakeNode::start(|_| Reaction::Result(json!(Hash256::ZERO.to_string())));
    let auth = Auth::Password { user: "Aladdin".into(), password: "open sesame".into() };
    let client = Bitcoind::new(&node.url, auth.clone()).unwrap();
    client.tip().unwrap();
    let request = &node.requests("getbestblockhash")[0];
    assert_eq!(request.header("Authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    assert_eq!(request.header("Content-Type"), Some("application/json"));
    let shown = format!("{client:?} {auth:?} {}", client.name());
    assert!(!shown.contains("sesame") && !shown.contains("QWxh"), "{shown}");
}

/// A node whose tip is the template's parent until the flag is raised, and whose long polls react so.
fn long_polled(moved: Arc<AtomicBool>, long_poll: fn() -> Reaction) -> FakeNode {
    FakeNode::start(move |request| {
        let moved = moved.load(Ordering::SeqCst);
        let mut template = recorded(1);
        if moved {
            template["previousblockhash"] = json!(Hash256::ZERO.to_string());
            template["longpollid"] = json!("moved");
        }
        match request.method.as_str() {
            "getbestblockhash" => Reaction::Result(template["previousblockhash"].clone()),
            _ if request.params[0].get("longpollid").is_some() => long_poll(),
            _ => Reaction::Result(template),
        }
    })
}

fn hang() -> Reaction {
    Reaction::Stall(String::new())
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_long_poll_brings_news_of_the_same_tip() {
    let with_more = || {
        let mut template = recorded(1);
        template["longpollid"] = json!("more transactions");
        Reaction::Result(template)
    };
    let node = long_polled(Arc::default(), with_more);
    let client = client(&node);
    let seen = client.template().unwrap();
    let news = client.next_template(&seen, LONG).unwrap().unwrap();
    assert_eq!((news.previous, news.long_poll_id.as_deref()), (seen.previous, Some("more transactions")));
    let asked = node.requests("getblocktemplate");
    assert_eq!(asked[1].params[0]["longpollid"], json!(seen.long_poll_id));
    assert_eq!(asked[1].params[0]["rules"], json!(["segwit", "mweb"]));
}

/// Either may fail alone: long polls that hang, break, or bring nothing do not hide a new tip.
#[test]
fn a_new_tip_is_found_without_the_long_poll() {
    let reactions: [fn() -> Reaction; 4] = [
        hang,
        || Reaction::Raw(String::new()),
        || Reaction::Error(-8, "longpollid must be of length 64"),
        || Reaction::Result(recorded(1)),
    ];
    for reaction in reactions {
        let moved = Arc::new(AtomicBool::new(false));
        let node = long_polled(moved.clone(), reaction);
        let client = client(&node);
        let seen = client.template().unwrap();
        assert_eq!(client.next_template(&seen, Duration::from_millis(20)), Ok(None));
        moved.store(true, Ordering::SeqCst);
        let news = client.next_template(&seen, LONG).unwrap().unwrap();
        assert_eq!((news.previous, news.long_poll_id.as_deref()), (Hash256::ZERO, Some("moved")));
        let polls = node.requests("getblocktemplate").len();
        assert_eq!(polls, 3, "two templates, one long poll: it is kept, or left alone after a failure");
    }
}

/// Nodes have few threads for RPC, and each long poll holds one.
#[test]
fn at_most_one_long_poll_is_under_way() {
    let node = long_polled(Arc::default(), hang);
    let client = client(&node);
    let mut seen = client.template().unwrap();
    for ticket in ["a", "b", "c"] {
        seen.long_poll_id = Some(ticket.into());
        for _ in 0..2 {
            assert_eq!(client.next_template(&seen, Duration::from_millis(20)), Ok(None));
        }
        node.wait_for_stalled(1);
    }
    assert_eq!(node.requests("getblocktemplate").len(), 4, "one template, one long poll for each ticket");
    drop(client);
    node.wait_for_stalled(0);
}

/// The node writes a new cookie when it starts again; whoever comes first reads it for all.
#[test]
fn a_refused_cookie_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let cookie = directory.path().join(".cookie");
    std::fs::write(&cookie, "__cookie__:1").unwrap();
    let accepted = Arc::new(Mutex::new("Basic X19jb29raWVfXzox"));
    let now = accepted.clone();
    let node = FakeNode::start(move |request| {
        let known = request.header("Authorization") == Some(*now.lock().unwrap());
        if known { Reaction::Result(json!(Hash256::ZERO.to_string())) } else { http(401, "") }
    });
    let client = Bitcoind::new(&node.url, Auth::Cookie(cookie.clone())).unwrap();
    client.tip().unwrap();
    std::fs::write(&cookie, "__cookie__:2").unwrap();
    client.tip().unwrap();
    assert_eq!(node.requests("getbestblockhash").len(), 2, "it is not read before it is refused");
    *accepted.lock().unwrap() = "Basic X19jb29raWVfXzoy";
    client.tip().unwrap();
    assert_eq!(node.requests("getbestblockhash").len(), 4);
    *accepted.lock().unwrap() = "another";
    assert_eq!(client.tip(), Err(NodeError::Unauthorized));
    assert_eq!(node.requests("getbestblockhash").len(), 6, "once for each call");
}

#[test]
fn a_node_that_dies_while_waited_for_is_an_error() {
    let node = long_polled(Arc::default(), hang);
    let client = client(&node);
    let seen = client.template().unwrap();
    drop(node);
    assert!(matches!(client.next_template(&seen, LONG), Err(NodeError::Unreachable(_))));
}
