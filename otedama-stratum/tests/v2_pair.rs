//! Client and server of Stratum V2 against each other, over a wire that chops, joins and delays.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, Extranonce, Hash256, HashRate, Header, HeaderSource, Job, JobBody,
    JobId, Reject, Share, Target, Terms,
};
use otedama_stratum::limits::MAX_VERSIONS;
use otedama_stratum::testkit::{Pair, PairError};
use otedama_stratum::v2::common::{self, Protocol, SetupConnection};
use otedama_stratum::v2::mining::{CloseChannel, OpenExtendedMiningChannel, SubmitSharesExtended};
use otedama_stratum::v2::{B0_32, Encode, Frame, Str0_255, U256};
use otedama_stratum::{
    ChannelKind, ClientConfig, ClientEvent, EncodedJob, Login, ServerConfig, ServerEvent, SessionError,
    ShareId, Ticket,
};
use support::block_one;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// The channel of the client; others on its connection come after it.
const MINE: ChannelId = ChannelId(2);
const EXTRANONCE2: usize = 8;

/// A pool and a miner, joined, and what each must see of the other.
struct Table {
    pair: Pair,
    random: Random,
    kind: ChannelKind,
    /// Prefixes of the channels that are open.
    channels: BTreeMap<ChannelId, (Extranonce, ChannelKind)>,
    prefixes: u64,
    body: JobBody,
    target: Target,
    /// The jobs of the client's channel, as they were sent.
    sent: HashMap<JobId, Job>,
    ids: u32,
    /// What the client has seen, the newest last.
    jobs: Vec<Job>,
    /// Shares on their way up, with their headers and targets.
    up: VecDeque<(ShareId, Header, Target)>,
    waiting: Vec<(Ticket, Option<ShareId>)>,
    /// Verdicts on their way down.
    down: HashMap<ShareId, Result<(), String>>,
    answered: usize,
}

impl Table {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut server = ServerConfig::new(Algorithm::SHA256D);
        server.extranonce2_len = EXTRANONCE2;
        server.version_mask = if random.below(4) == 0 { 0 } else { 0x1fff_e000 };
        server.share_batch = 1 + u32::try_from(random.below(5)).unwrap();
        let mut client = ClientConfig::new(Login::new(Algorithm::SHA256D, "wallet.rig1"));
        client.limits.jobs = 8;
        client.worker_name = (random.below(2) == 0).then(|| "rig1".into());
        let kind = if random.below(2) == 0 { ChannelKind::Standard } else { ChannelKind::Extended };
        client.channel = kind;
        Self {
            pair: Pair::v2(client, Arc::new(server), seed),
            random,
            kind,
            channels: BTreeMap::new(),
            prefixes: 0,
            body: block_one(),
            target: Target::MAX,
            sent: HashMap::new(),
            ids: 0,
            jobs: Vec::new(),
            up: VecDeque::new(),
            waiting: Vec::new(),
            down: HashMap::new(),
            answered: 0,
        }
    }

    /// Lets both sides talk until they have nothing more to say.
    fn talk(&mut self) -> Result<(), PairError> {
        loop {
            self.pair.exchange()?;
            if !self.listen() {
                return Ok(());
            }
        }
    }

    /// Nothing is on the wire: the client's newest job is the pool's, by header and by target.
    fn compare(&self) {
        let pairs = self.jobs.last().zip(self.sent.get(&JobId(self.ids)));
        assert_eq!(pairs.is_none(), self.ids == 0, "a job is missing");
        let Some((seen, sent)) = pairs else { return };
        let extranonce2 = Extranonce::from_counter(7, seen.terms().extranonce2_len).unwrap_or_default();
        let share = Share::new(MINE, seen.id(), extranonce2, sent.body().ntime(), 1);
        assert_eq!(seen.header(&share).unwrap(), sent.header(&share).unwrap());
        assert_eq!(seen.terms().share_target, sent.terms().share_target);
    }

    /// Carries a few pieces and leaves the rest on the wire.
    fn mumble(&mut self) -> Result<(), PairError> {
        for _ in 0..self.random.below(4) {
            self.pair.carry()?;
            self.listen();
        }
        Ok(())
    }

    /// Takes all events; `false` if there were none.
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
            ServerEvent::Authorize { worker, .. } => self.pair.server.authorize(worker, true),
            ServerEvent::Subscribe { channel, wish, .. } => {
                let prefix = self.prefix(wish.kind);
                self.channels.insert(channel, (prefix, wish.kind));
                self.pair.server.open_channel(channel, prefix, self.target);
            }
            ServerEvent::Update { channel, wish } => {
                assert_eq!(channel, MINE);
                self.target = wish.hash_rate.unwrap().target_for_shares(6.0).unwrap();
            }
            ServerEvent::Closed { channel } => assert!(self.channels.remove(&channel).is_some()),
            ServerEvent::Submit { ticket, share } if share.channel == MINE => {
                let (id, header, target) = self.up.pop_front().expect("no share from nowhere");
                self.judge(&share, header, target);
                self.waiting.push((ticket, Some(id)));
            }
            ServerEvent::Submit { ticket, .. } => self.waiting.push((ticket, None)),
            ServerEvent::Machine { name, .. } => {
                assert_eq!((name.as_str(), self.kind), ("rig1", ChannelKind::Extended))
            }
            ServerEvent::Refused(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Both sides agree on what was hashed and on what it had to meet.
    fn judge(&self, share: &Share, header: Header, target: Target) {
        let job = &self.sent[&share.job];
        if share.version_bits.is_none() {
            let later = self.sent.keys().filter(|id| **id > share.job).count();
            assert!(later >= MAX_VERSIONS, "forgotten too early");
            return;
        }
        assert_eq!(job.header(share).unwrap(), header, "{share:?}");
        assert_eq!(job.terms().share_target, target);
    }

    fn heard_by_client(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Ready => {}
            ClientEvent::Job(job) => {
                if job.body().clean {
                    self.jobs.clear();
                }
                self.jobs.push(job);
                let old = self.jobs.len().saturating_sub(8);
                self.jobs.drain(..old);
            }
            ClientEvent::Accepted(id) => {
                assert_eq!(self.down.remove(&id), Some(Ok(())), "once, and as it was judged");
                self.answered += 1;
            }
            ClientEvent::Rejected(id, why) => {
                assert_eq!(self.down.remove(&id), Some(Err(why.message)), "once, and as it was judged");
                self.answered += 1;
            }
            other => panic!("{other:?}"),
        }
    }

    fn prefix(&mut self, kind: ChannelKind) -> Extranonce {
        self.prefixes += 1;
        let len = if kind == ChannelKind::Standard { 4 + EXTRANONCE2 } else { 4 };
        Extranonce::from_counter(self.prefixes, len).unwrap()
    }
}

const CODES: [(Reject, &str); 4] = [
    (Reject::UnknownJob, "invalid-job-id"),
    (Reject::Stale, "stale-share"),
    (Reject::Duplicate, "duplicate-share"),
    (Reject::VersionRollingOff, "version-rolling-not-allowed"),
];

/// What can happen.
impl Table {
    fn step(&mut self) {
        match self.random.below(12) {
            0..=2 => self.send_job(),
            3..=5 => self.submit(),
            6 | 7 => self.answer(),
            8 => {
                let prefix = self.prefix(self.kind);
                if self.pair.server.change_prefix(MINE, prefix) {
                    self.channels.insert(MINE, (prefix, self.kind));
                }
            }
            9 => {
                let rate = 1u64 << (20 + self.random.below(20));
                self.pair.client.set_hash_rate(HashRate::from_hashes_per_second(rate as f64));
            }
            10 => self.interject(),
            _ => {}
        }
        let limits = otedama_stratum::Limits::default();
        assert!(self.pair.client.buffered_bytes() <= 256 * 1024);
        assert!(self.pair.server.buffered_bytes() <= limits.output + 4 * limits.output_per_channel);
    }

    /// A job on the same block or on another one, on the client's channel or on all at once.
    fn send_job(&mut self) {
        if !self.channels.contains_key(&MINE) {
            return;
        }
        let HeaderSource::Bitcoin(mut source) = self.body.source.clone() else { panic!() };
        let clean = self.random.below(3) == 0;
        if self.random.below(4) == 0 {
            source.previous = Hash256::sha256d(source.previous.as_internal());
        }
        source.ntime += 1;
        source.merkle_path =
            (0..self.random.below(4)).map(|at| Hash256::sha256d(&at.to_le_bytes())).collect();
        let version = source.version;
        self.body = JobBody::bitcoin(Algorithm::SHA256D, BitcoinSource { version, ..source }, clean).unwrap();
        self.ids += 1;
        let mask = self.pair.server.mask_within(0x1fff_ffe0);
        let terms = self.channels.iter().map(|(channel, (prefix, kind))| Terms {
            channel: *channel,
            id: JobId(self.ids),
            share_target: self.target,
            extranonce_prefix: *prefix,
            extranonce2_len: if *kind == ChannelKind::Standard { 0 } else { EXTRANONCE2 },
            version_mask: mask,
        });
        let terms: Vec<_> = terms.collect();
        let job = Job::new(Arc::new(self.body.clone()), terms[0]);
        self.sent.insert(job.id(), job);
        let encoded = EncodedJob::new(&self.body).unwrap();
        if self.random.below(2) == 0 {
            self.pair.server.send_jobs(&encoded, &terms);
        } else {
            self.pair.server.send_job(&encoded, &terms[0]);
        }
    }

    /// A share of any job that the client may still believe in.
    fn submit(&mut self) {
        if self.jobs.is_empty() || self.up.len() + self.waiting.len() > 500 {
            return;
        }
        let index = self.random.index(self.jobs.len());
        let job = &self.jobs[index];
        let extranonce2 = Extranonce::from_counter(self.random.below(256), job.terms().extranonce2_len);
        let ntime = job.body().ntime() + u32::try_from(self.random.below(3)).unwrap();
        let nonce = self.random.below(1 << 32);
        let mut share = Share::new(MINE, job.id(), extranonce2.unwrap_or_default(), ntime, nonce);
        let mask = job.terms().version_mask;
        let rolled = u32::try_from(self.random.below(1 << 32)).unwrap() & mask;
        share.version_bits = (self.random.below(2) == 0 && mask != 0).then_some(rolled);
        let (header, target) = (job.header(&share).unwrap(), job.terms().share_target);
        if let Ok(id) = self.pair.client.submit(&share, self.pair.now) {
            self.up.push_back((id, header, target));
        }
    }

    /// Answers any share that waits.
    fn answer(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let index = self.random.index(self.waiting.len());
        let (ticket, share) = self.waiting.swap_remove(index);
        let verdict = match self.random.index(CODES.len() + 3) {
            index if index < CODES.len() => Err(CODES[index]),
            _ => Ok(()),
        };
        self.pair.server.answer(ticket, verdict.map_err(|(reject, _)| reject));
        if let Some(share) = share {
            self.down.insert(share, verdict.map_err(|(_, code)| code.to_owned()));
        }
    }

    /// Somebody else on the client's connection, who need not know what is allowed: two frames at once, of which the
    /// first is no good or of nobody's concern.
    fn interject(&mut self) {
        let mut bytes = Vec::new();
        let closed = 3 + u32::try_from(self.random.below(3)).unwrap();
        match self.random.below(5) {
            0 => setup().append(&mut bytes),
            1 => Frame { extension: 0x4001, channel: true, kind: 0x1b, payload: b"anything" }
                .append(&mut bytes),
            2 => Frame { extension: 0, channel: true, kind: 0x1b, payload: b"cut" }.append(&mut bytes),
            3 => CloseChannel { channel_id: closed, reason_code: Str0_255::EMPTY }.append(&mut bytes),
            _ => foreign_share(closed).append(&mut bytes),
        }
        .unwrap();
        match self.random.below(3) {
            0 if self.channels.len() < 4 => open().append(&mut bytes).unwrap(),
            1 => foreign_share(closed).append(&mut bytes).unwrap(),
            _ => {}
        }
        self.pair.interject(&bytes);
    }
}

fn setup() -> SetupConnection<'static> {
    SetupConnection {
        protocol: Protocol::MINING,
        min_version: common::VERSION,
        max_version: common::VERSION,
        flags: common::REQUIRES_STANDARD_JOBS,
        endpoint_host: Str0_255::EMPTY,
        endpoint_port: 0,
        vendor: Str0_255::EMPTY,
        hardware_version: Str0_255::EMPTY,
        firmware: Str0_255::EMPTY,
        device_id: Str0_255::EMPTY,
    }
}

fn open() -> OpenExtendedMiningChannel<'static> {
    OpenExtendedMiningChannel {
        request_id: 9,
        user_identity: Str0_255::new("wallet.rig1").unwrap(),
        nominal_hash_rate: 1e9,
        max_target: U256([0xff; 32]),
        min_extranonce_size: 4,
    }
}

fn foreign_share(channel_id: u32) -> SubmitSharesExtended<'static> {
    SubmitSharesExtended {
        channel_id,
        sequence_number: 0,
        job_id: 1,
        nonce: 0,
        ntime: 0,
        version: 0,
        extranonce: B0_32::EMPTY,
    }
}

#[test]
fn both_sides_agree_whatever_happens_on_the_wire() {
    let mut answered = 0;
    for seed in 0..3000 {
        let mut table = Table::new(seed);
        table.talk().unwrap_or_else(|end| panic!("seed {seed}: {end}"));
        for _ in 0..60 {
            table.step();
            let quiet = table.random.below(8) == 0;
            let moved = if quiet { table.talk() } else { table.mumble() };
            moved.unwrap_or_else(|end| panic!("seed {seed}: {end}"));
            if quiet {
                table.compare();
            }
        }
        table.talk().unwrap_or_else(|end| panic!("seed {seed}: {end}"));
        while !table.waiting.is_empty() {
            table.answer();
        }
        table.talk().unwrap_or_else(|end| panic!("seed {seed}: {end}"));
        assert!(table.up.is_empty() && table.down.is_empty(), "seed {seed}: everything arrives");
        answered += table.answered;
    }
    assert!(answered > 10_000, "{answered}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut table = Table::new(seed);
        table.talk().unwrap();
        (0..50).for_each(|_| table.step());
        table.talk().unwrap();
        format!("{:?}", table.pair)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_closed_channel_ends_the_client_with_the_servers_reason() {
    let mut table = Table::new(1);
    table.talk().unwrap();
    table.send_job();
    table.talk().unwrap();
    table.submit();
    table.pair.server.close_channel(MINE, "maintenance");
    let end = table.talk().unwrap_err();
    assert_eq!(end.to_string(), "client: channel closed: maintenance");
}

#[test]
fn a_peer_that_stops_within_a_frame_is_left() {
    let mut table = Table::new(1);
    table.talk().unwrap();
    table.pair.interject(b"\0\x80\x1b\x1d\0");
    table.talk().unwrap();
    assert_eq!(table.pair.wait(Duration::from_secs(29)), Ok(()));
    assert_eq!(table.pair.wait(Duration::from_secs(1)), Err(PairError::Server(SessionError::FrameTimeout)));
    assert_eq!(table.pair.wait(Duration::from_secs(570)), Err(PairError::Client(SessionError::Silent)));
}

#[test]
fn a_flood_ends_at_the_limit_of_whoever_is_flooded() {
    let mut table = Table::new(1);
    table.talk().unwrap();
    let mut bytes = Vec::new();
    for _ in 0..20_000 {
        foreign_share(99).append(&mut bytes).unwrap();
    }
    table.pair.interject(&bytes);
    let end = table.pair.exchange().unwrap_err();
    assert!(
        matches!(end, PairError::Server(SessionError::EventsFull { .. } | SessionError::OutputFull { .. })),
        "{end}"
    );
}
