//! The table, and how a case of it is played.

use crate::peer::{Peer, code};
use crate::stage::{ALICE, ASKED, POOL, Stage, records};
use crate::{framing, shares};

/// An id and what its hostile miner does.
pub type Case = (&'static str, fn(&mut Scene<'_>));

pub const TABLE: [Case; 27] = [
    ("F1", framing::f1_a_line_that_takes_for_ever),
    ("F2", framing::f2_long_lines),
    ("F3", framing::f3_nesting),
    ("F4", framing::f4_spaces),
    ("F5", framing::f5_what_is_no_text),
    ("F6", framing::f6_line_ends),
    ("F7", framing::f7_ids),
    ("F8", framing::f8_parameters),
    ("F9", framing::f9_numbers),
    ("S1", shares::s1_the_same_again),
    ("S2", shares::s2_upper_case),
    ("S3", shares::s3_a_prefix),
    ("S4", shares::s4_a_tail),
    ("S5", shares::s5_odd_lengths),
    ("S6", shares::s6_extranonce2_of_another_length),
    ("S7", shares::s7_seven_or_nine_digits),
    ("S8", shares::s8_other_version_bits),
    ("S9", shares::s9_bits_outside_the_mask),
    ("S10", shares::s10_bits_that_were_not_negotiated),
    ("S13", shares::s13_workers),
    ("S14", shares::s14_targets),
    ("S14", shares::s14_suggestions),
    ("S15", shares::s15_blocks_that_are_no_shares),
    ("S18", shares::s18_times),
    ("S26", shares::s26_one_id_for_all),
    ("S27", shares::s27_aliases),
    ("S28", shares::s6_extranonce2_of_another_length),
];

/// What needs a template of its own.
pub const SIGNALLING: [Case; 2] =
    [("S11", shares::s11_bits_of_the_template), ("S11", shares::s11_no_bit_is_left)];

/// A hostile miner's turn.
pub struct Scene<'a> {
    pub stage: &'a mut dyn Stage,
    pub id: &'static str,
    honest: &'a mut Peer,
    honest_shares: usize,
    accepted: usize,
}

/// Plays all cases on one pool, one after the other.
pub fn play(stage: &mut dyn Stage, table: &[Case]) {
    let mut honest = Peer::open(stage, &format!("{POOL}.honest"));
    honest.log_in(stage, &format!("d={ASKED}"));
    for (id, case) in table {
        let before = (written(stage, id), written(stage, "honest"), records(stage).len());
        let mut scene = Scene { stage, id, honest: &mut honest, honest_shares: 0, accepted: 0 };
        scene.others_go_on();
        case(&mut scene);
        scene.others_go_on();
        let (accepted, honest_shares) = (scene.accepted, scene.honest_shares);
        assert_eq!(written(stage, id), before.0 + accepted, "{id}: exactly what was accepted is credited");
        assert_eq!(written(stage, "honest"), before.1 + honest_shares, "{id}: others are credited");
        assert_eq!(records(stage).len(), before.2 + accepted + honest_shares, "{id}: and nobody else");
    }
    // The pool still makes jobs, and all still get them.
    let found = honest.block();
    assert_eq!(code(&honest.submit(stage, &found.params())), None);
    stage.node().answer(found.hash);
    honest.catch_up(stage);
}

/// How many shares of a worker are in the journal.
fn written(stage: &dyn Stage, worker: &str) -> usize {
    records(stage).iter().filter(|record| record.worker.as_ref() == worker).count()
}

impl Scene<'_> {
    /// A connection of the hostile miner that has a job.
    pub fn attacker(&mut self) -> Peer {
        let user = self.user();
        Peer::join(self.stage, &user)
    }

    /// A connection of the hostile miner that has said nothing yet.
    pub fn newcomer(&mut self) -> Peer {
        let user = self.user();
        Peer::open(self.stage, &user)
    }

    /// The hostile miner's name; its worker has the name of the case.
    pub fn user(&self) -> String {
        format!("{ALICE}.{}", self.id)
    }

    /// A well-behaved miner on another connection finds a share, and it counts.
    pub fn others_go_on(&mut self) {
        self.honest.catch_up(self.stage);
        let found = self.honest.share();
        let answer = self.honest.submit(self.stage, &found.params());
        assert_eq!(code(&answer), None, "{}: {answer}", self.id);
        self.honest_shares += 1;
    }

    /// The well-behaved miner finds a block, and everybody else's jobs are stale.
    pub fn others_find_a_block(&mut self) {
        self.honest.catch_up(self.stage);
        let found = self.honest.block();
        let answer = self.honest.submit(self.stage, &found.params());
        assert_eq!(code(&answer), None, "{}: {answer}", self.id);
        self.honest_shares += 1;
        self.stage.node().answer(found.hash);
        self.honest.catch_up(self.stage);
    }

    /// This submit is refused with this code.
    pub fn refused(&mut self, peer: &mut Peer, params: &str, expected: i64) {
        let answer = peer.submit(self.stage, params);
        assert_eq!(code(&answer), Some(expected), "{}: {params}: {answer}", self.id);
        assert!(answer.contains("\"result\":null"), "{}: {params}: {answer}", self.id);
    }

    /// This submit is accepted.
    pub fn accepted(&mut self, peer: &mut Peer, params: &str) {
        let answer = peer.submit(self.stage, params);
        assert_eq!(answer, "{\"id\":4,\"result\":true,\"error\":null}\n", "{}: {params}", self.id);
        self.accepted += 1;
    }

    /// An answer that was read elsewhere has accepted a share.
    pub fn count_accepted(&mut self, answer: &str) {
        assert!(answer.contains("\"result\":true"), "{}: {answer}", self.id);
        self.accepted += 1;
    }

    /// The connection is still there, and the pool still listens to it.
    pub fn alive(&mut self, peer: &mut Peer) {
        let answer = peer.ask(self.stage, "mining.ping", "[]");
        assert!(answer.contains("pong"), "{}: {answer}", self.id);
    }

    /// The pool hangs up, and says nothing before.
    pub fn cut(&mut self, peer: &mut Peer) {
        assert_eq!(peer.answer(self.stage), None, "{}", self.id);
    }
}
