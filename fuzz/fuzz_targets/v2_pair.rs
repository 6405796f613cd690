//! Our two sessions of Stratum V2 against each other, driven by any program: neither ever ends the other, both agree on
//! every header and target, and every answer finds its share.
#![no_main]

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use otedama_core::{
    Algorithm, ChannelId, Difficulty, Extranonce, HashRate, Header, Job, JobId, Reject, Share, Target,
};
use otedama_fuzz::{body, terms};
use otedama_stratum::testkit::Pair;
use otedama_stratum::{
    ChannelKind, ClientConfig, ClientEvent, EncodedJob, Login, ServerConfig, ServerEvent, ShareId, Ticket,
};

/// The first channel of a connection.
const CHANNEL: ChannelId = ChannelId(2);

/// Both ends, and what each expects of the other.
struct Table {
    pair: Pair,
    prefix: Extranonce,
    rolled: usize,
    sent: HashMap<JobId, Job>,
    ids: u32,
    job: Option<Job>,
    /// Shares on their way up.
    up: VecDeque<(ShareId, Header, Target)>,
    /// Shares that wait for their verdict.
    waiting: Vec<(Ticket, ShareId)>,
    /// Verdicts on their way down.
    down: HashMap<ShareId, bool>,
}

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, mask, seed], program)) = data.split_first_chunk::<3>() else { return };
    let mut server = ServerConfig::new(Algorithm::SHA256D);
    server.version_mask = u32::from(choice & 1 == 0);
    server.share_batch = 1 + u32::from(choice >> 4);
    let mut client = ClientConfig::new(Login::new(Algorithm::SHA256D, "w\u{e9}"));
    client.version_mask = u32::from_le_bytes([mask; 4]);
    client.worker_name = (choice & 2 != 0).then(|| "rig".into());
    let standard = choice & 4 != 0;
    client.channel = if standard { ChannelKind::Standard } else { ChannelKind::Extended };
    let (prefix, rolled) = if standard { (12, 0) } else { (4, 8) };
    let mut table = Table {
        pair: Pair::v2(client, Arc::new(server), u64::from(seed)),
        prefix: Extranonce::from_counter(1, prefix).expect("it fits"),
        rolled,
        sent: HashMap::new(),
        ids: 0,
        job: None,
        up: VecDeque::new(),
        waiting: Vec::new(),
        down: HashMap::new(),
    };
    table.talk();
    assert!(table.pair.client.is_ready() && table.pair.server.is_subscribed());
    for step in program.chunks_exact(2) {
        table.step(step[0], step[1]);
    }
    table.talk();
    for (ticket, share) in std::mem::take(&mut table.waiting) {
        table.answer(ticket, share, true);
    }
    table.talk();
    assert!(table.down.is_empty() && table.up.is_empty(), "everything arrives");
    if let Some(job) = &table.job {
        assert_eq!(job.terms().share_target, table.sent[&JobId(table.ids)].terms().share_target);
    }
});

impl Table {
    fn step(&mut self, what: u8, argument: u8) {
        match what % 8 {
            0 => self.send_job(argument),
            1 | 2 => self.submit(argument),
            3 if !self.waiting.is_empty() => {
                let index = usize::from(argument) % self.waiting.len();
                let (ticket, share) = self.waiting.remove(index);
                self.answer(ticket, share, argument % 2 == 0);
            }
            4 => {
                let prefix = Extranonce::from_counter(u64::from(argument), self.prefix.len());
                self.prefix = prefix.expect("a byte fits");
                assert!(self.pair.server.change_prefix(CHANNEL, self.prefix));
            }
            5 => self.pair.client.set_hash_rate(HashRate::from_hashes_per_second(argument.into())),
            6 => {
                self.pair.carry().expect("neither has a reason to end it");
                self.listen();
            }
            _ => self.talk(),
        }
    }

    fn send_job(&mut self, argument: u8) {
        self.ids += 1;
        let number = f64::from(argument % 16 + 1) / 7.0;
        let target = Difficulty::from_f64(Algorithm::SHA256D, number).expect("positive").target();
        let mut terms = terms(self.ids, target, self.prefix, self.pair.server.mask_within(0x1fff_ffe0));
        (terms.channel, terms.extranonce2_len) = (CHANNEL, self.rolled);
        let body = body(argument % 3 == 0);
        self.pair.server.send_job(&EncodedJob::new(&body).expect("Bitcoin-like"), &terms);
        self.sent.insert(JobId(self.ids), Job::new(Arc::new(body), terms));
    }

    fn submit(&mut self, argument: u8) {
        let Some(job) = &self.job else { return };
        if self.up.len() + self.waiting.len() >= 512 {
            return;
        }
        let extranonce2 = Extranonce::new(&[argument; 8][..self.rolled]).expect("eight bytes");
        let nonce = u64::from(argument) << 24;
        let mut share = Share::new(CHANNEL, job.id(), extranonce2, job.body().ntime(), nonce);
        let mask = job.terms().version_mask;
        share.version_bits = (mask != 0 && argument % 2 == 0).then_some(mask & 0x0a0a_a0a0);
        let (header, target) = (job.header(&share).expect("it fits"), job.terms().share_target);
        let id = self.pair.client.submit(&share, self.pair.now);
        self.up.push_back((id.expect("a share of a live job"), header, target));
    }

    fn answer(&mut self, ticket: Ticket, share: ShareId, good: bool) {
        self.pair.server.answer(ticket, if good { Ok(()) } else { Err(Reject::Stale) });
        self.down.insert(share, good);
    }

    fn talk(&mut self) {
        loop {
            self.pair.exchange().expect("neither has a reason to end it");
            if !self.listen() {
                return;
            }
        }
    }

    fn listen(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.pair.server.poll_event() {
            any = true;
            self.heard_by_server(event);
        }
        while let Some(event) = self.pair.client.poll_event() {
            any = true;
            self.heard_by_client(event);
        }
        any
    }

    fn heard_by_server(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Subscribe { channel, .. } => {
                assert_eq!(channel, CHANNEL);
                self.pair.server.open_channel(channel, self.prefix, Target::MAX);
            }
            ServerEvent::Authorize { worker, .. } => self.pair.server.authorize(worker, true),
            ServerEvent::Submit { ticket, share } => {
                let (id, header, target) = self.up.pop_front().expect("no share from nowhere");
                let job = &self.sent[&share.job];
                // Of jobs that are long gone the version is forgotten.
                if share.version_bits.is_some() {
                    assert_eq!(job.header(&share), Ok(header));
                    assert_eq!(job.terms().share_target, target);
                }
                self.waiting.push((ticket, id));
            }
            ServerEvent::Refused(refused) => panic!("{refused:?}"),
            _ => {}
        }
    }

    fn heard_by_client(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Job(job) => self.job = Some(job),
            ClientEvent::Accepted(id) => assert_eq!(self.down.remove(&id), Some(true)),
            ClientEvent::Rejected(id, why) => {
                assert_eq!(why.message, "stale-share");
                assert_eq!(self.down.remove(&id), Some(false));
            }
            _ => {}
        }
    }
}
