//! F1 to F9: bytes that are no lines, lines that are no messages, messages that are no requests.
//!
//! What a session makes of every spelling is tested where the sessions are. Here it is what becomes of the pool around
//! it: each case comes from a connection that has a job, in the middle of which others mine on.

use crate::cases::Scene;
use crate::peer::{Peer, code};

/// Bytes of a line that the pool reads.
const LINE: usize = 16 * 1024;
const PARSE: i64 = -32700;
const REQUEST: i64 = -32600;
const OTHER: i64 = 20;

/// A line, without its end, and what is answered: an error code, or a part of the answer.
type Row<'a> = (&'a [u8], Answer<'a>);

enum Answer<'a> {
    Code(i64),
    Says(&'a str),
}

use Answer::{Code, Says};

fn rows(scene: &mut Scene<'_>, rows: &[Row<'_>]) {
    let mut peer = scene.attacker();
    for (index, (line, expected)) in rows.iter().enumerate() {
        scene.stage.send(peer.connection, &[line, &b"\n"[..]].concat());
        let answer = peer.answer(scene.stage).expect("the pool hung up");
        let shown = line[..line.len().min(100)].escape_ascii();
        match expected {
            Code(expected) => assert_eq!(code(&answer), Some(*expected), "{}: {shown}: {answer}", scene.id),
            Says(part) => assert!(answer.contains(part), "{}: {shown}: {answer}", scene.id),
        }
        if index == rows.len() / 2 {
            scene.others_go_on();
        }
    }
    scene.alive(&mut peer);
    // Whoever wrote nonsense can still mine.
    let found = peer.share();
    scene.accepted(&mut peer, &found.params());
}

pub fn f1_a_line_that_takes_for_ever(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    scene.stage.drip(peer.connection, b"{\"id");
    scene.others_go_on();
    scene.cut(&mut peer);
    let mut silent = Peer::open(scene.stage, "");
    scene.stage.drip(silent.connection, b"{\"");
    scene.others_go_on();
    scene.cut(&mut silent);
}

pub fn f2_long_lines(scene: &mut Scene<'_>) {
    let line = |len: usize| {
        let frame = r#"{"id":1,"method":"mining.ping","pad":""}"#.len();
        format!(r#"{{"id":1,"method":"mining.ping","pad":"{}"}}"#, "x".repeat(len - frame))
    };
    let exact = line(LINE);
    assert_eq!(exact.len(), LINE);
    rows(scene, &[(exact.as_bytes(), Says("pong")), (exact.as_bytes(), Says("pong"))]);
    for endless in [format!("{}\n", line(LINE + 1)), "x".repeat(LINE + 1), "x".repeat(100_000)] {
        let mut peer = scene.attacker();
        scene.stage.send(peer.connection, endless.as_bytes());
        scene.others_go_on();
        scene.cut(&mut peer);
    }
}

pub fn f3_nesting(scene: &mut Scene<'_>) {
    let deep = "[".repeat(10_000);
    let id = format!("{{\"id\":{deep}");
    let within =
        format!(r#"{{"id":1,"method":"mining.submit","params":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
    rows(
        scene,
        &[
            (deep.as_bytes(), Code(REQUEST)),
            (id.as_bytes(), Code(PARSE)),
            (within.as_bytes(), Code(PARSE)),
            (br#"{"id":1,"method":"mining.ping","pad":"[[[[[[[[[[[[[[[[[[[[[[["}"#, Says("pong")),
        ],
    );
}

pub fn f4_spaces(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    scene.stage.send(peer.connection, &vec![b' '; 1_000_000]);
    scene.others_go_on();
    scene.cut(&mut peer);
}

pub fn f5_what_is_no_text(scene: &mut Scene<'_>) {
    rows(
        scene,
        &[
            (b"\0", Code(PARSE)),
            (b"\xef\xbb\xbf{\"id\":1,\"method\":\"mining.ping\"}", Code(PARSE)),
            (b"{\0\"\0i\0d\0\"\0", Code(PARSE)),
            (b"{\"id\":1,\"method\":\"mining.ping\xff\"}", Code(PARSE)),
            (b"{\"id\":1,\"method\":\"\\ud800\"}", Code(REQUEST)),
            (b"{\"id\":\"\\ud800\",\"method\":\"mining.ping\"}", Says("\\ud800\",\"result\":\"pong")),
            (
                b"{\"id\":1,\"method\":\"mining.submit\",\"params\":[\"\\ud800\",\"1\",\"\",\"\",\"\"]}",
                Code(OTHER),
            ),
        ],
    );
}

pub fn f6_line_ends(scene: &mut Scene<'_>) {
    rows(
        scene,
        &[
            (b"\r\n\n  \n{\"id\":1,\"method\":\"mining.ping\"}\r\n\r\n", Says("pong")),
            (b"{\"id\":1,\"method\":\"mining.ping\"}{\"id\":2,\"method\":\"mining.ping\"}", Code(PARSE)),
            (b"[{\"id\":1,\"method\":\"mining.ping\"}]", Code(REQUEST)),
            (b"{\"id\":1,\"method\":\"mining.ping\"} ]", Code(PARSE)),
            (b"{\"id\":1,\"method\"\r:\"mining.ping\"}", Says("pong")),
        ],
    );
}

pub fn f7_ids(scene: &mut Scene<'_>) {
    for id in ["null", "\"x\"", "1.5", "18446744073709551616", "-7", "[1,{}]", "1e400", "-0"] {
        let line = format!(r#"{{"id":{id},"method":"mining.ping"}}"#);
        let answer = format!("{{\"id\":{id},\"result\":\"pong\"");
        let twice = format!(r#"{{"id":{id},"id":{id},"method":"mining.ping"}}"#);
        rows(scene, &[(line.as_bytes(), Says(&answer)), (twice.as_bytes(), Code(PARSE))]);
    }
    // A share without an id is a share, and has no answer.
    let mut peer = scene.attacker();
    let found = peer.share();
    let line = format!("{{\"method\":\"mining.submit\",\"params\":{}}}\n", found.params());
    scene.stage.send(peer.connection, line.as_bytes());
    scene.refused(&mut peer, &found.params(), 22);
    scene.count_accepted("\"result\":true");
}

pub fn f8_parameters(scene: &mut Scene<'_>) {
    let many = format!("[{}]", vec!["1"; 5_000].join(","));
    let deep = format!("[{}{}]", "[".repeat(12), "]".repeat(12));
    let mut peer = scene.attacker();
    for params in ["null", "{}", "\"x\"", "1", "true", "[]", "[null]", many.as_str(), deep.as_str()] {
        scene.refused(&mut peer, params, OTHER);
    }
    let missing = br#"{"id":4,"method":"mining.submit"}"#;
    let found = peer.share();
    let short = format!("[\"{}\"]", found.fields[..4].join("\",\""));
    let bits = format!("{},8192]", found.params().trim_end_matches(']'));
    let object = found.params().replacen('[', "{\"0\":", 1).replace(']', "}");
    for params in [&short, &bits, &found.params().replace(&format!("\"{}\"", found.fields[1]), "1")] {
        scene.refused(&mut peer, params, OTHER);
    }
    scene.others_go_on();
    scene.accepted(&mut peer, &found.params());
    let object = format!("{{\"id\":4,\"method\":\"mining.submit\",\"params\":{object}}}");
    rows(scene, &[(missing, Code(OTHER)), (object.as_bytes(), Code(PARSE))]);
}

pub fn f9_numbers(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    let found = peer.share();
    for number in ["1e400", "-0", "0.1e-320", "18446744073709551616", "NaN", "Infinity", "01"] {
        let params = found.params().replace(&format!("\"{}\"", found.fields[4]), number);
        let json = matches!(number, "1e400" | "-0" | "0.1e-320" | "18446744073709551616");
        scene.refused(&mut peer, &params, if json { OTHER } else { PARSE });
    }
    scene.others_go_on();
    scene.accepted(&mut peer, &found.params());
    for number in ["1e400", "-0", "0", "-1", "\"NaN\"", "\"inf\"", "null"] {
        let answer = peer.ask(scene.stage, "mining.suggest_difficulty", &format!("[{number}]"));
        assert_eq!(code(&answer), Some(OTHER), "{number}: {answer}");
    }
    scene.alive(&mut peer);
}
