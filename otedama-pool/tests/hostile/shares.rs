//! S1 to S28: shares that were had before, are spelt otherwise, are easier, older or bolder than they may be.

use std::collections::HashSet;

use otedama_core::{Algorithm, ChannelId, Difficulty, Extranonce, Job, Reject, Share, Target, Terms};
use otedama_pool::node::Submission;
use otedama_pool::validator::Pending;

use crate::cases::Scene;
use crate::peer::{Found, Peer, code, ntime, only_a_share, source};
use crate::stage::{EASIEST, START, candidates, records, target};

const EXTRANONCE2: usize = 2;
const NTIME: usize = 3;
const NONCE: usize = 4;
const BITS: usize = 5;

/// Other spellings of a field.
type Spellings = fn(&str) -> Vec<String>;

/// A share counts once, however often and in whichever of two spellings it comes.
fn twins(scene: &mut Scene<'_>, other: fn(&Found) -> String) {
    let mut peer = scene.attacker();
    for original_first in [true, false] {
        let found = peer.share();
        let (first, second) = (found.params(), other(&found));
        let (first, second) = if original_first { (first, second) } else { (second, first) };
        scene.accepted(&mut peer, &first);
        scene.refused(&mut peer, &second, 22);
        scene.others_go_on();
        scene.refused(&mut peer, &first, 22);
    }
}

pub fn s1_the_same_again(scene: &mut Scene<'_>) {
    twins(scene, Found::params);
}

pub fn s2_upper_case(scene: &mut Scene<'_>) {
    twins(scene, |found| {
        let upper = |field: usize| found.fields[field].to_uppercase();
        let mut all = found.clone();
        for field in [EXTRANONCE2, NTIME, NONCE] {
            all.fields[field] = upper(field);
        }
        assert_ne!(all.fields, found.fields, "nothing to write in upper case");
        all.params()
    });
}

/// None of these spellings of a good share is a share, neither before it was accepted nor after.
fn aliases(scene: &mut Scene<'_>, fields: &[usize], spellings: Spellings) {
    let mut peer = scene.attacker();
    let job = peer.job().clone();
    let found =
        peer.search(&job, |share| share.version_bits = Some(0x2000), |digest| only_a_share(&job, digest));
    let mut spelt = Vec::new();
    for field in fields {
        spelt.extend(spellings(&found.fields[*field]).into_iter().map(|text| found.with(*field, text)));
    }
    for params in &spelt {
        scene.refused(&mut peer, params, 20);
    }
    scene.others_go_on();
    scene.accepted(&mut peer, &found.params());
    for params in &spelt {
        scene.refused(&mut peer, params, 20);
    }
    scene.refused(&mut peer, &found.params(), 22);
}

const ALL: [usize; 4] = [EXTRANONCE2, NTIME, NONCE, BITS];

pub fn s3_a_prefix(scene: &mut Scene<'_>) {
    aliases(scene, &ALL, |good| {
        vec![format!("0x{good}"), format!("0x{}", &good[2..]), format!("0X{}", &good[2..])]
    });
}

pub fn s4_a_tail(scene: &mut Scene<'_>) {
    aliases(scene, &ALL, |good| vec![format!("{good}zz"), format!("{}zz", &good[2..]), format!("{good}g")]);
}

pub fn s5_odd_lengths(scene: &mut Scene<'_>) {
    aliases(scene, &ALL, |good| vec![good[1..].to_owned(), format!("{good}0"), format!("0{good}")]);
}

/// Also S28: what is not as long as announced is never a share.
pub fn s6_extranonce2_of_another_length(scene: &mut Scene<'_>) {
    aliases(scene, &[EXTRANONCE2], |good| {
        let padded = |bytes: usize| format!("{good}{}", "00".repeat(bytes));
        vec![
            good[2..].to_owned(),
            good[..good.len() - 2].to_owned(),
            String::new(),
            "00".to_owned(),
            format!("00{good}"),
            padded(1),
            padded(24),
            padded(100),
        ]
    });
}

pub fn s7_seven_or_nine_digits(scene: &mut Scene<'_>) {
    aliases(scene, &[NTIME, NONCE, BITS], |good| {
        vec![
            good[1..].to_owned(),
            good[..7].to_owned(),
            format!("0{good}"),
            format!("{good}0"),
            good[2..].to_owned(),
        ]
    });
}

pub fn s27_aliases(scene: &mut Scene<'_>) {
    aliases(scene, &ALL, |good| {
        let rest = &good[1..];
        let starts = [":", ";", "<", "=", ">", "?", "@", " ", "+", "-", "\u{ff10}", "\\u0000", "\\t"];
        let mut spelt: Vec<_> = starts.iter().map(|start| format!("{start}{rest}")).collect();
        spelt.extend([
            format!("{good} "),
            format!(" {good}"),
            format!("{}:", &good[..good.len() - 1]),
            String::new(),
        ]);
        spelt
    });
}

pub fn s8_other_version_bits(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    let job = peer.job().clone();
    let rolled = |bits| move |share: &mut Share| share.version_bits = Some(bits);
    // One nonce, good with two settings of the version bits.
    let (first, second) = loop {
        let first = peer.search(&job, rolled(0x2000), |digest| only_a_share(&job, digest));
        let mut share = claimed(&job, &first);
        share.version_bits = Some(0x1fff_e000);
        if only_a_share(&job, peer.digest(&job, &share)) {
            let second = first.with(BITS, "1fffe000");
            break (first, second);
        }
    };
    scene.accepted(&mut peer, &first.params());
    scene.others_go_on();
    scene.accepted(&mut peer, &second);
    scene.refused(&mut peer, &first.params(), 22);
    scene.refused(&mut peer, &second, 22);
    let id = scene.id;
    let digests: HashSet<_> = records(scene.stage)
        .into_iter()
        .filter(|record| record.worker.as_ref() == id)
        .map(|r| r.digest)
        .collect();
    assert_eq!(digests.len(), 2);
}

/// The share behind the fields.
fn claimed(job: &Job, found: &Found) -> Share {
    let number = |field: usize| u32::from_str_radix(&found.fields[field], 16).unwrap();
    let extranonce2 = Extranonce::from_hex(&found.fields[EXTRANONCE2]).unwrap();
    Share::new(ChannelId(0), job.id(), extranonce2, number(NTIME), number(NONCE).into())
}

pub fn s9_bits_outside_the_mask(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    for bits in ["20000000", "00000001", "00001000", "ffffffff", "1fffe001"] {
        let mut found = peer.share();
        found.fields.push(bits.into());
        scene.refused(&mut peer, &found.params(), 20);
    }
    scene.others_go_on();
    let mut narrow = scene.newcomer();
    narrow.configure(scene.stage, "00ffe000");
    narrow.log_in(scene.stage, "d=0.00000005960464477539063");
    let mut found = narrow.share();
    scene.accepted(&mut narrow, &found.params());
    found.fields.push("10000000".into());
    scene.refused(&mut narrow, &found.params(), 20);
}

pub fn s10_bits_that_were_not_negotiated(scene: &mut Scene<'_>) {
    let mut peer = scene.newcomer();
    peer.log_in(scene.stage, "d=0.00000005960464477539063");
    let mut found = peer.share();
    found.fields.push("00002000".into());
    scene.refused(&mut peer, &found.params(), 20);
    scene.others_go_on();
    // Some firmware always sends the field. Zero bits roll nothing.
    scene.accepted(&mut peer, &found.with(BITS, "00000000"));
}

/// The three ways to read version bits agree if the job's version has none of them set.
pub fn s11_bits_of_the_template(scene: &mut Scene<'_>) {
    for configure_first in [true, false] {
        let mut peer = scene.newcomer();
        if configure_first {
            peer.configure(scene.stage, "ffffffff");
            assert_eq!(peer.mask, 0x1fff_e000);
        }
        peer.log_in(scene.stage, "d=0.00000005960464477539063");
        if !configure_first {
            peer.configure(scene.stage, "ffffffff");
            scene.alive(&mut peer);
        }
        let version = source(peer.job()).version;
        assert_eq!(version, 0x3000_0010);
        assert_eq!(peer.mask, 0x0fff_e000, "the bit that the template needs is not to be rolled");
        assert_eq!(version & peer.mask, 0);
        let terms = Terms { version_mask: peer.mask, ..*peer.job().terms() };
        let job = Job::new(peer.job().body().clone(), terms);
        for bits in [0, 0x2000, 0x0fff_e000] {
            let set = |share: &mut Share| share.version_bits = Some(bits);
            let found = peer.search(&job, set, |digest| only_a_share(&job, digest));
            scene.accepted(&mut peer, &found.params());
            scene.refused(&mut peer, &found.with(BITS, format!("{:08x}", bits | 0x1000_0000)), 20);
        }
        scene.others_go_on();
    }
}

pub fn s11_no_bit_is_left(scene: &mut Scene<'_>) {
    let mut peer = scene.newcomer();
    peer.configure(scene.stage, "10000000");
    peer.log_in(scene.stage, "d=0.00000005960464477539063");
    assert_eq!(peer.mask, 0);
    let mut found = peer.share();
    found.fields.push("10000000".into());
    scene.refused(&mut peer, &found.params(), 20);
    // Firmware that sends the field whatever the mask can go on.
    scene.accepted(&mut peer, &found.with(BITS, "00000000"));
}

pub fn s13_workers(scene: &mut Scene<'_>) {
    let login = format!(r#"["{}","x"]"#, scene.user());
    let stranger = format!(r#"["nobody.{}","x"]"#, scene.id);
    let share = format!(r#"["{}","1000001","0000000000000000","00000000","00000000"]"#, scene.user());
    let by_stranger = share.replace(&scene.user(), &format!("nobody.{}", scene.id));
    let mut early = Peer::open(scene.stage, "");
    scene.refused(&mut early, &share, 25);
    assert!(early.ask(scene.stage, "mining.authorize", &login).contains("true"));
    scene.refused(&mut early, &share, 25);
    let mut unknown = Peer::open(scene.stage, "");
    unknown.subscribe(scene.stage, "");
    scene.refused(&mut unknown, &share, 24);
    let refusal = unknown.ask(scene.stage, "mining.authorize", &stranger);
    assert_eq!(code(&refusal), Some(24), "{refusal}");
    scene.refused(&mut unknown, &by_stranger, 24);
    scene.others_go_on();

    let mut peer = scene.attacker();
    let found = peer.share();
    for worker in ["", "other", "nobody.x", &scene.user().to_uppercase(), &format!("{} ", scene.user())] {
        scene.refused(&mut peer, &found.with(0, worker), 24);
    }
    scene.accepted(&mut peer, &found.params());
}

/// The target that was sent with a job judges its shares and is credited, whatever was sent before or since.
pub fn s14_targets(scene: &mut Scene<'_>) {
    let mut peer = scene.newcomer();
    peer.log_in(scene.stage, "x");
    let old = peer.job().clone();
    assert_eq!(old.terms().share_target, target(START));
    let harder = START * 16.0;
    peer.ask(scene.stage, "mining.suggest_difficulty", &format!("[{harder:e}]"));
    while peer.jobs.len() < 2 {
        peer.read(scene.stage);
    }
    let new = peer.job().clone();
    assert_eq!(new.terms().share_target, target(harder));
    let meets = |digest, target: Target| Algorithm::SHA256D.meets(&digest, target);
    let no_block = old.body().network_target();
    let eased = Difficulty::from_f64(Algorithm::SHA256D, harder * 0.99).unwrap().target();

    let just_old = peer.search(&old, |_| {}, |d| meets(d, target(START)) && !meets(d, target(harder)));
    scene.accepted(&mut peer, &just_old.params());
    let good_old = peer.search(&old, |_| {}, |d| meets(d, target(harder)) && !meets(d, no_block));
    scene.accepted(&mut peer, &good_old.params());
    let just_above = peer.search(&old, |_| {}, |d| !meets(d, target(START)) && meets(d, target(EASIEST)));
    scene.refused(&mut peer, &just_above.params(), 23);
    scene.others_go_on();
    let too_easy = peer.search(&new, |_| {}, |d| meets(d, target(START)) && !meets(d, target(harder)));
    scene.refused(&mut peer, &too_easy.params(), 23);
    let tolerated = peer.search(&new, |_| {}, |d| meets(d, eased) && !meets(d, target(harder)));
    scene.refused(&mut peer, &tolerated.params(), 23);
    let good_new = peer.search(&new, |_| {}, |d| meets(d, target(harder)) && !meets(d, no_block));
    scene.accepted(&mut peer, &good_new.params());

    for (found, worth) in [(&just_old, START), (&good_old, START), (&good_new, harder)] {
        let record = records(scene.stage).into_iter().find(|record| record.digest == found.digest).unwrap();
        assert_eq!(record.weight, target(worth).weight());
    }
    to_the_unit(&peer, &new, &good_new, scene.stage.now());
    one_header_one_target(scene);
}

/// Equal is enough, one unit less is not.
fn to_the_unit(peer: &Peer, job: &Job, found: &Found, now: u32) {
    let now =
        otedama_core::Now::new(otedama_core::Moment::ORIGIN, otedama_core::UnixTime::from_secs(now.into()));
    let share = claimed(job, found);
    let digest = peer.digest(job, &share);
    let reached = Algorithm::SHA256D.reached(&digest);
    let limbs = reached.to_be_bytes();
    let mut below = limbs;
    let last = below.iter().rposition(|byte| *byte != 0).unwrap();
    below[last] -= 1;
    below[last + 1..].fill(0xff);
    for (bytes, met) in [(limbs, true), (below, false)] {
        let share_target = Target::from_be_bytes(bytes);
        let terms = Terms { share_target, ..*job.terms() };
        let exact = Job::new(job.body().clone(), terms);
        let judged = Pending::begin(&exact, &share, false, now).unwrap().finish(digest, |_| true);
        assert_eq!(judged.verdict.is_ok(), met);
        let low = Reject::LowDifficulty { reached, target: share_target };
        assert!(met || judged.verdict == Err(low), "{:?}", judged.verdict);
    }
}

/// No header belongs to two jobs: whoever had one target after the other for the same headers could pick the harder
/// for every hash that meets it, and be credited for more than the work done.
fn one_header_one_target(scene: &mut Scene<'_>) {
    let mut peer = scene.newcomer();
    peer.log_in(scene.stage, "x");
    suggest(scene, &mut peer, &[2.0, 4.0, 8.0]);
    let (first, last) = (peer.jobs[1].clone(), peer.job().clone());
    // The same fields make another header on another job, which is almost never a share, too.
    let found = loop {
        let found = peer.share_on(&first);
        if last.judge(peer.digest(&last, &claimed(&last, &found))).is_err() {
            break found;
        }
    };
    scene.accepted(&mut peer, &found.params());
    scene.refused(&mut peer, &found.with(1, last.id().to_string()), 23);

    // Nor by hanging up, claiming the prefix back and asking for something else.
    scene.stage.hang_up(peer.connection);
    let mut other = resumed(scene, &peer.prefix);
    other.authorize(scene.stage, &format!("d={EASIEST}"));
    let mut coinbases = HashSet::new();
    for job in peer.jobs.iter().chain(&other.jobs) {
        let halves = &source(job).coinbase;
        assert!(coinbases.insert((&halves.prefix, &halves.suffix)), "two jobs with the same headers");
    }
    assert_eq!(coinbases.len(), 5);

    // Whoever wants another target all the time waits for the next template, and is not forgotten.
    let mut restless = scene.newcomer();
    restless.log_in(scene.stage, "x");
    let wishes: Vec<_> = (0..40).map(|round| f64::from(1u32 << (round % 5))).collect();
    suggest(scene, &mut restless, &wishes);
    assert_eq!(restless.jobs.len(), 32);
    scene.others_find_a_block();
    restless.catch_up(scene.stage);
    let found = restless.share();
    scene.accepted(&mut restless, &found.params());
}

fn suggest(scene: &mut Scene<'_>, peer: &mut Peer, multiples: &[f64]) {
    for multiple in multiples {
        let number = START * multiple;
        peer.ask(scene.stage, "mining.suggest_difficulty", &format!("[{number:e}]"));
    }
    scene.alive(peer);
}

/// A connection that was given this prefix back, as soon as the pool has noticed that it is free.
fn resumed(scene: &mut Scene<'_>, prefix: &Extranonce) -> Peer {
    for _ in 0..1_000 {
        let mut peer = scene.newcomer();
        peer.subscribe(scene.stage, &prefix.to_string());
        if peer.prefix == *prefix {
            return peer;
        }
        scene.stage.hang_up(peer.connection);
    }
    panic!("the prefix was never given back");
}

pub fn s14_suggestions(scene: &mut Scene<'_>) {
    for number in ["0", "-1", "-0", "1e400", "\"NaN\"", "\"-inf\"", "null", "[]"] {
        let mut peer = scene.newcomer();
        peer.log_in(scene.stage, "x");
        let answer = peer.ask(scene.stage, "mining.suggest_difficulty", &format!("[{number}]"));
        assert_eq!(code(&answer), Some(20), "{number}: {answer}");
        scene.alive(&mut peer);
        assert_eq!((peer.jobs.len(), peer.target), (1, target(START)), "{number}");
    }
    scene.others_go_on();
    for (number, password) in
        [("1e-300", "x"), ("5e-324", "x"), ("\"1e-300\"", "x"), ("1", "d=1e-300"), ("1", "d=5e-324")]
    {
        let mut peer = scene.newcomer();
        peer.log_in(scene.stage, password);
        peer.ask(scene.stage, "mining.suggest_difficulty", &format!("[{number}]"));
        scene.alive(&mut peer);
        while peer.target != target(EASIEST) {
            peer.read(scene.stage);
        }
        let job = peer.job().clone();
        let met = |digest, target: Target| Algorithm::SHA256D.meets(&digest, target);
        let low = peer.search(&job, |_| {}, |digest| !met(digest, target(EASIEST)));
        scene.refused(&mut peer, &low.params(), 23);
        let found = peer.share();
        scene.accepted(&mut peer, &found.params());
    }
}

/// A block goes out, whatever is wrong with it as a share.
pub fn s15_blocks_that_are_no_shares(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    // Stale: it still starts a branch.
    let block = peer.block();
    scene.others_find_a_block();
    scene.refused(&mut peer, &block.params(), 21);
    assert_eq!(scene.stage.node().answer(block.hash), Submission::Inconclusive);
    assert_eq!(candidates(scene.stage, block.hash), 1);

    // From the future: the node is asked, and refuses it.
    peer.catch_up(scene.stage);
    let (job, late) = (peer.job().clone(), scene.stage.now() + 8_000);
    let network = job.body().network_target();
    let found =
        peer.search(&job, |share| share.ntime = late, |digest| Algorithm::SHA256D.meets(&digest, network));
    scene.refused(&mut peer, &found.params(), 20);
    assert!(matches!(scene.stage.node().answer(found.hash), Submission::Refused(_)));

    // Harder than the block: no share is.
    let mut hard = scene.newcomer();
    hard.log_in(scene.stage, "d=1000000000000");
    assert_eq!(hard.job().terms().share_target, network);
    let block = hard.block();
    scene.accepted(&mut hard, &block.params());
    assert_eq!(scene.stage.node().answer(block.hash), Submission::Known);

    // Repeated: in one breath, and again when it is buried. It was a share once, and is a candidate once.
    peer.catch_up(scene.stage);
    let block = peer.block();
    let line = format!("{{\"id\":4,\"method\":\"mining.submit\",\"params\":{}}}\n", block.params());
    scene.stage.send(peer.connection, line.repeat(3).as_bytes());
    let answer = peer.answer(scene.stage).unwrap();
    scene.count_accepted(&answer);
    for _ in 0..2 {
        let answer = peer.answer(scene.stage).unwrap();
        assert!(matches!(code(&answer), Some(21 | 22)), "{answer}");
    }
    assert_eq!(scene.stage.node().answer(block.hash), Submission::Known);
    for _ in 0..3 {
        scene.others_find_a_block();
        scene.refused(&mut peer, &block.params(), 21);
        scene.others_go_on();
    }
    assert_eq!(candidates(scene.stage, block.hash), 1);
}

pub fn s18_times(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    let (job, now) = (peer.job().clone(), scene.stage.now());
    let earliest = ntime(&job);
    let at = |peer: &mut Peer, ntime: u32| {
        peer.search(&job, |share| share.ntime = ntime, |digest| only_a_share(&job, digest))
    };
    // Over sockets the clock goes on meanwhile; in memory the bound is exact.
    let exact = scene.stage.set_calendar(now);
    let slack = if exact { 0 } else { 60 };
    for good in [earliest, earliest + 1, now + 7_200 - slack] {
        let found = at(&mut peer, good);
        scene.accepted(&mut peer, &found.params());
    }
    for (late, zero) in
        [(now + 7_201 + slack, false), (u32::MAX, false), (earliest - 1, true), (0, true), (1, true)]
    {
        let found = if zero { at(&mut peer, earliest) } else { at(&mut peer, late) };
        scene.refused(&mut peer, &found.with(NTIME, format!("{late:08x}")), 20);
    }
    scene.others_go_on();
    for (jump, latest) in [(3_600i64, 10_800u32), (-3_600, 3_600)] {
        let jumped = u32::try_from(i64::from(now) + jump).unwrap();
        if !scene.stage.set_calendar(jumped) {
            break;
        }
        let found = at(&mut peer, earliest);
        scene.accepted(&mut peer, &found.params());
        let found = at(&mut peer, now + latest);
        scene.accepted(&mut peer, &found.params());
        let found = at(&mut peer, now + latest + 1);
        scene.refused(&mut peer, &found.params(), 20);
        scene.others_go_on();
    }
    scene.stage.set_calendar(now);
}

pub fn s26_one_id_for_all(scene: &mut Scene<'_>) {
    let mut peer = scene.attacker();
    let (first, second) = (peer.share(), peer.share());
    let job = peer.job().clone();
    let low = peer.search(&job, |_| {}, |digest| job.judge(digest).is_err());
    let lines = [
        (first.params(), None),
        (first.params(), Some(22)),
        (low.params(), Some(23)),
        (first.with(NONCE, "xyz"), Some(20)),
        (first.with(0, "other"), Some(24)),
        (first.with(1, "7fffffff"), Some(21)),
        (second.params(), None),
        (second.params(), Some(22)),
    ];
    let text: String = lines
        .iter()
        .map(|(params, _)| format!("{{\"id\":4,\"method\":\"mining.submit\",\"params\":{params}}}\n"))
        .collect();
    scene.stage.send(peer.connection, text.as_bytes());
    scene.others_go_on();
    for (params, expected) in &lines {
        let answer = peer.answer(scene.stage).unwrap();
        assert!(answer.starts_with("{\"id\":4,"), "{answer}");
        assert_eq!(code(&answer), *expected, "in order: {params}: {answer}");
        if expected.is_none() {
            scene.count_accepted(&answer);
        }
    }
}
