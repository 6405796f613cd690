//! Our two sessions against each other, driven by any program: neither ever ends the other, shares arrive as they were
//! sent, and every answer finds its share.
#![no_main]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Algorithm, ChannelId, Difficulty, Extranonce, Job, JobId, Now, Reject, Share, Target};
use otedama_fuzz::{body, terms};
use otedama_stratum::testkit::Pair;
use otedama_stratum::{
    ClientConfig, ClientEvent, EncodedJob, Login, ServerConfig, ServerEvent, ShareId, Ticket,
};

/// Both ends, and what each expects of the other.
struct Table {
    pair: Pair,
    prefix: Extranonce,
    ids: u32,
    job: Option<(Job, JobId)>,
    /// Shares on their way up, with the server's name of their jobs.
    up: VecDeque<(ShareId, Share, JobId)>,
    /// Shares that wait for their verdict.
    waiting: Vec<(Ticket, ShareId)>,
    /// Verdicts on their way down, by share.
    down: Vec<(ShareId, bool)>,
}

fuzz_target!(|data: &[u8]| {
    let Some((&[mask, wanted, seed], program)) = data.split_first_chunk::<3>() else { return };
    let mut server = ServerConfig::new(Algorithm::SHA256D);
    server.version_mask = u32::from(mask) << 13;
    let mut client = ClientConfig::new(Login::new(Algorithm::SHA256D, "w\"\\\u{e9}"));
    client.version_mask = u32::from(wanted) << 13;
    let mut table = Table {
        pair: Pair::new(client, Arc::new(server), u64::from(seed)),
        prefix: Extranonce::from_counter(1, 4).expect("it fits"),
        ids: 0,
        job: None,
        up: VecDeque::new(),
        waiting: Vec::new(),
        down: Vec::new(),
    };
    table.talk();
    assert_eq!(table.pair.server.version_mask(), table.pair.client.version_mask());
    for step in program.chunks_exact(2) {
        table.step(step[0], step[1]);
        table.talk();
    }
    for (ticket, share) in std::mem::take(&mut table.waiting) {
        table.answer(ticket, share, true);
    }
    table.talk();
    assert!(table.down.is_empty() && table.up.is_empty(), "everything arrives");
});

impl Table {
    fn step(&mut self, what: u8, argument: u8) {
        match what % 8 {
            0 | 1 => self.send_job(argument),
            2 | 3 => self.submit(argument),
            4 if !self.waiting.is_empty() => {
                let index = usize::from(argument) % self.waiting.len();
                let (ticket, share) = self.waiting.remove(index);
                self.answer(ticket, share, argument % 2 == 0);
            }
            5 => {
                let prefix = Extranonce::from_counter(u64::from(argument), 1 + usize::from(argument) % 8);
                let prefix = prefix.expect("a byte fits");
                assert!(self.pair.server.change_prefix(ChannelId(0), prefix));
                self.prefix = prefix;
                self.send_job(argument);
            }
            6 => match argument % 4 {
                0 => self.pair.server.ping(),
                1 => self.pair.server.ask_version(),
                2 => self.pair.server.show_message("\"\\\n\u{1f980}"),
                _ => {
                    self.pair.server.reconnect("a\"b", u16::from(argument), Duration::from_secs(1));
                }
            },
            _ => {
                let now: Now = self.pair.now.plus(Duration::from_millis(u64::from(argument)));
                self.pair.now = now;
            }
        }
    }

    fn send_job(&mut self, argument: u8) {
        self.ids += 1;
        let number = f64::from(argument % 16 + 1) / 7.0;
        let target = Difficulty::from_f64(Algorithm::SHA256D, number).expect("positive").target();
        let terms = terms(self.ids, target, self.prefix, self.pair.server.version_mask());
        let body = body(argument % 3 == 0);
        self.pair.server.send_job(&EncodedJob::new(&body).expect("Bitcoin-like"), &terms);
        self.talk();
        let (job, id) = self.job.as_ref().expect("a job arrives");
        let ours = Job::new(Arc::new(body), terms);
        assert_eq!(*id, ours.id());
        assert_eq!(job.terms().share_target, ours.terms().share_target);
        assert_eq!(job.terms().extranonce_prefix, self.prefix);
    }

    fn submit(&mut self, argument: u8) {
        let Some((job, id)) = &self.job else { return };
        if self.waiting.len() >= 512 {
            return;
        }
        let extranonce2 = Extranonce::new(&[argument; 8]).expect("eight bytes");
        let mut share =
            Share::new(job.terms().channel, job.id(), extranonce2, 1_700_000_000, u64::from(argument) << 24);
        let mask = job.terms().version_mask;
        share.version_bits = (mask != 0 && argument % 2 == 0).then_some(mask & 0x000a_a000);
        let sent = self.pair.client.submit(&share, self.pair.now).expect("a share of a live job");
        // Where a mask was agreed on, the wire has the bits of a share that rolls none as well.
        share.version_bits = share.version_bits.or((mask != 0).then_some(job.body().version() & mask));
        self.up.push_back((sent, share, *id));
    }

    fn answer(&mut self, ticket: Ticket, share: ShareId, good: bool) {
        self.pair.server.answer(ticket, if good { Ok(()) } else { Err(Reject::Stale) });
        self.down.push((share, good));
    }

    fn talk(&mut self) {
        loop {
            self.pair.exchange().expect("neither has a reason to end it");
            let mut quiet = true;
            while let Some(event) = self.pair.server.poll_event() {
                quiet = false;
                self.heard_by_server(event);
            }
            while let Some(event) = self.pair.client.poll_event() {
                quiet = false;
                self.heard_by_client(event);
            }
            if quiet {
                return;
            }
        }
    }

    fn heard_by_server(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Subscribe { .. } => {
                self.pair.server.open_channel(ChannelId(0), self.prefix, Target::MAX)
            }
            ServerEvent::Authorize { worker, .. } => self.pair.server.authorize(worker, true),
            ServerEvent::Submit { ticket, share } => {
                let (id, sent, job) = self.up.pop_front().expect("no share from nowhere");
                let mut sent = sent;
                sent.job = job;
                assert_eq!(share, sent);
                self.waiting.push((ticket, id));
            }
            ServerEvent::Refused(refused) => panic!("{refused:?}"),
            _ => {}
        }
    }

    fn heard_by_client(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Job(job) => self.job = Some((job, JobId(self.ids))),
            ClientEvent::Accepted(id) => self.settled(id, true),
            ClientEvent::Rejected(id, why) => {
                assert_eq!(why.code, Some(21));
                self.settled(id, false);
            }
            _ => {}
        }
    }

    fn settled(&mut self, id: ShareId, good: bool) {
        let found = self.down.iter().position(|(share, verdict)| (*share, *verdict) == (id, good));
        self.down.remove(found.expect("the verdict that was given"));
    }
}
