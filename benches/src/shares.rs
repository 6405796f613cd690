//! The rows of a server's work on a share of Stratum V2, against `stratum-core` 0.6 used as its own pool uses it.
//!
//! Both sides judge the same shares of the same job, whose merkle path has twelve levels; every share is accepted and
//! remembered, so that a second one would be refused. Making and sealing the shares is the miner's work and not counted.
//! Ours hashes what has arrived together at once, as the pool does; the reference takes one share after the other.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Digest, Extranonce, Hash256, Job,
    JobBody, JobId, Moment, Now, Share, Target, Terms, UnixTime,
};
use otedama_hash::Verifier;
use otedama_pool::validator::Pending;
use otedama_stratum::noise::{BytesMut, Transport};
use otedama_stratum::v2::common::{Protocol, SetupConnection};
use otedama_stratum::v2::mining::{OpenExtendedMiningChannel, SubmitSharesExtended};
use otedama_stratum::v2::{B0_32, Encode, Payload, Str0_255, U256};
use otedama_stratum::{EncodedJob, ServerConfig, ServerEvent, ServerSession, Ticket};
use stratum_core::bitcoin::hashes::Hash as _;
use stratum_core::bitcoin::{Amount, ScriptBuf, Target as TheirTarget, TxOut};
use stratum_core::channels_sv2::extranonce_manager::ExtranonceAllocator;
use stratum_core::channels_sv2::server::extended::ExtendedChannel;
use stratum_core::channels_sv2::server::share_accounting::ShareValidationResult;
use stratum_core::codec_sv2::{NoiseDecoder, NoiseEncoder, TransportDecryptState, TransportEncryptState};
use stratum_core::framing_sv2::framing::MessageFrame;
use stratum_core::mining_sv2::SubmitSharesExtendedOwned;
use stratum_core::parsers_sv2::{AnyMessageOwned, MiningOwned, parse_message_frame_with_tlvs};
use stratum_core::template_distribution_sv2::{NewTemplateOwned, SetNewPrevHashOwned};

use crate::clock::timed;
use crate::measure::{Comparison, ROUNDS, median};
use crate::noise::{our_pair, their_frame, their_pair};
use crate::program::{Failure, Measured};
use crate::results::{Row, quantity};

/// A row by name, and what measures it.
pub type Named = (&'static str, fn() -> Measured);

/// The rows.
pub const ROWS: [Named; 2] = [("sv2-validate", validate), ("sv2-inbound", inbound)];

/// Levels of the merkle path: a block of some 4,000 transactions.
const LEVELS: u8 = 12;
/// Shares that arrive together; below what may wait for an answer.
const BATCH: u32 = 64;
/// Shares after which both sides forget what they remember, as with a new block.
const BLOCK: u32 = 1 << 16;
/// CPU time that one side of one round takes at least.
const ROUND: Duration = Duration::from_millis(150);
const NTIME: u32 = 0x65a0_bc00;
const VERSION: u32 = 0x2000_0000;
/// Bytes of extranonce that the miner fills.
const ROLLED: usize = 8;
const CHANNEL: u32 = 2;
/// A target that no share meets.
const NBITS: u32 = 0x1703_4219;

/// Work on one batch of shares.
trait Side {
    /// The miner's part.
    fn prepare(&mut self) -> Result<(), Failure>;
    /// The server's part; says how many shares were accepted.
    fn work(&mut self) -> Result<u32, Failure>;
}

fn validate() -> Measured {
    let channel = Channel::new()?;
    let judge = Judge::new(channel.job()?)?;
    same(&judge.job, Channel::new()?)?;
    let mut ours = Values { judge, shares: Vec::new(), next: 0 };
    let mut theirs = Owned { channel, shares: Vec::new(), next: 0 };
    row("sv2-validate", &compare(&mut ours, &mut theirs)?, "judged")
}

fn inbound() -> Measured {
    let channel = Channel::new()?;
    let mut ours = Served::new(channel.job()?)?;
    let mut theirs = Decrypted::new(channel)?;
    row("sv2-inbound", &compare(&mut ours, &mut theirs)?, "opened, parsed, judged and answered")
}

/// Batch by batch, the two sides taking turns.
fn compare(ours: &mut dyn Side, theirs: &mut dyn Side) -> Result<Comparison, Failure> {
    rate(ours)?;
    rate(theirs)?;
    let rounds: Vec<(f64, f64)> =
        (0..ROUNDS).map(|_| Ok((rate(ours)?, rate(theirs)?))).collect::<Result<_, Failure>>()?;
    Ok(Comparison {
        ours: median(rounds.iter().map(|(ours, _)| *ours)),
        theirs: median(rounds.iter().map(|(_, theirs)| *theirs)),
        ratio: median(rounds.iter().map(|(ours, theirs)| ours / theirs)),
    })
}

/// Shares per second of CPU time.
fn rate(side: &mut dyn Side) -> Result<f64, Failure> {
    let (mut shares, mut spent) = (0.0, Duration::ZERO);
    while spent < ROUND {
        side.prepare()?;
        let (accepted, time) = timed(|| side.work());
        if accepted? != BATCH {
            return Err("not every share was accepted".into());
        }
        spent += time;
        shares += f64::from(BATCH);
    }
    Ok(shares / spent.as_secs_f64())
}

fn row(name: &'static str, found: &Comparison, what: &str) -> Measured {
    let text = format!("{:.3}", found.ratio);
    let row = Row {
        name,
        result: text.clone(),
        beside: format!("{what}, {BATCH} at once: {}", quantity(found.ours, "shares/s")),
        baseline: format!("stratum-core 0.6, one by one: {}", quantity(found.theirs, "shares/s")),
        limit: None,
        reached: None,
    };
    Ok(Some((text, row)))
}

/// The numbers of a batch from this one on.
fn batch(next: &mut u32) -> impl Iterator<Item = u32> + use<> {
    let first = *next;
    *next = first.wrapping_add(BATCH);
    (0..BATCH).map(move |offset| first.wrapping_add(offset))
}

fn extranonce(number: u32) -> [u8; ROLLED] {
    u64::from(number).to_be_bytes()
}

fn our_share(number: u32, job: JobId) -> Share {
    let rolled = Extranonce::new(&extranonce(number)).unwrap_or_default();
    let mut share = Share::new(ChannelId(CHANNEL), job, rolled, NTIME, number.into());
    share.version_bits = Some(0);
    share
}

/// Our half of judging, as the pool does it.
struct Judge {
    job: Job,
    verifier: Verifier,
    seen: HashSet<Digest>,
    pending: Vec<(Option<Ticket>, Pending)>,
    now: Now,
}

impl Judge {
    fn new(job: Job) -> Result<Self, Failure> {
        let verifier = Verifier::new(Algorithm::SHA256D)?;
        let now = Now::new(Moment::ORIGIN, UnixTime::from_secs(NTIME.into()));
        Ok(Self { job, verifier, seen: HashSet::new(), pending: Vec::new(), now })
    }

    fn begin(&mut self, ticket: Option<Ticket>, share: &Share) {
        if let Ok(pending) = Pending::begin(&self.job, share, false, self.now) {
            self.pending.push((ticket, pending));
        }
    }

    /// All that came together, and what is to be done with the ticket of each that is accepted.
    fn judge(&mut self, mut accept: impl FnMut(Ticket)) -> u32 {
        let digests = self.verifier.digests(self.pending.iter().map(|(_, share)| share.claim()));
        let mut accepted = 0;
        for ((ticket, share), digest) in self.pending.drain(..).zip(digests) {
            let judged = share.finish(digest, |digest| self.seen.insert(*digest));
            accepted += u32::from(judged.verdict.is_ok());
            if let (Ok(_), Some(ticket)) = (judged.verdict, ticket) {
                accept(ticket);
            }
        }
        accepted
    }

    /// Forgets shares now and then.
    fn renew(&mut self, next: u32) {
        if next.is_multiple_of(BLOCK) {
            self.seen.clear();
        }
    }
}

/// Ours, from values.
struct Values {
    judge: Judge,
    shares: Vec<Share>,
    next: u32,
}

impl Side for Values {
    fn prepare(&mut self) -> Result<(), Failure> {
        self.judge.renew(self.next);
        let job = self.judge.job.id();
        self.shares.clear();
        self.shares.extend(batch(&mut self.next).map(|number| our_share(number, job)));
        Ok(())
    }

    fn work(&mut self) -> Result<u32, Failure> {
        for share in black_box(&self.shares) {
            self.judge.begin(None, share);
        }
        Ok(self.judge.judge(|_| {}))
    }
}

/// Ours, from sealed bytes.
struct Served {
    judge: Judge,
    session: ServerSession,
    miner: Transport,
    pool: Transport,
    frames: Vec<u8>,
    sealed: BytesMut,
    next: u32,
}

impl Served {
    /// A connection with a channel that has its job.
    fn new(job: Job) -> Result<Self, Failure> {
        let judge = Judge::new(job)?;
        let mut session = ServerSession::new(Arc::new(ServerConfig::new(Algorithm::SHA256D)), judge.now);
        let mut frames = Vec::new();
        greeting(&mut frames)?;
        session.handle_input(&frames, judge.now)?;
        while let Some(event) = session.poll_event() {
            match event {
                ServerEvent::Authorize { worker, .. } => session.authorize(worker, true),
                ServerEvent::Subscribe { channel, .. } => {
                    session.open_channel(channel, judge.job.terms().extranonce_prefix, Target::MAX);
                }
                other => return Err(format!("a client that only opens a channel caused {other:?}").into()),
            }
        }
        session.send_job(&EncodedJob::new(judge.job.body())?, judge.job.terms());
        let (miner, pool) = our_pair()?;
        Ok(Self { judge, session, miner, pool, frames, sealed: BytesMut::new(), next: 0 })
    }
}

fn greeting(frames: &mut Vec<u8>) -> Result<(), Failure> {
    let bench = Str0_255::new("bench")?;
    let setup = SetupConnection {
        protocol: Protocol::MINING,
        min_version: 2,
        max_version: 2,
        flags: 0,
        endpoint_host: Str0_255::EMPTY,
        endpoint_port: 0,
        vendor: bench,
        hardware_version: bench,
        firmware: bench,
        device_id: bench,
    };
    setup.append(frames)?;
    let open = OpenExtendedMiningChannel {
        request_id: 1,
        user_identity: bench,
        nominal_hash_rate: 1.0,
        max_target: U256([0xff; 32]),
        min_extranonce_size: 4,
    };
    Ok(open.append(frames)?)
}

impl Side for Served {
    fn prepare(&mut self) -> Result<(), Failure> {
        self.judge.renew(self.next);
        self.frames.clear();
        let job_id = self.judge.job.id().0;
        for number in batch(&mut self.next) {
            let rolled = extranonce(number);
            let share = SubmitSharesExtended {
                channel_id: CHANNEL,
                sequence_number: number,
                job_id,
                nonce: number,
                ntime: NTIME,
                version: VERSION,
                extranonce: B0_32::new(&rolled)?,
            };
            share.append(&mut self.frames)?;
        }
        self.sealed.clear();
        Ok(self.miner.seal(&self.frames, &mut self.sealed)?)
    }

    fn work(&mut self) -> Result<u32, Failure> {
        let limit = 1 << 16;
        self.pool.receive(black_box(&self.sealed));
        while let Some(frame) = self.pool.open(limit)? {
            self.session.handle_input(frame, self.judge.now)?;
        }
        while let Some(event) = self.session.poll_event() {
            if let ServerEvent::Submit { ticket, share } = event {
                self.judge.begin(Some(ticket), &share);
            }
        }
        let session = &mut self.session;
        let accepted = self.judge.judge(|ticket| session.answer(ticket, Ok(())));
        while let Some(bytes) = session.poll_transmit() {
            black_box(bytes);
        }
        Ok(accepted)
    }
}

/// The reference implementation's channel, with an active job.
struct Channel {
    channel: ExtendedChannel,
    template: u64,
}

impl Channel {
    fn new() -> Result<Self, Failure> {
        let mut allocator = ExtranonceAllocator::new(vec![7, 7], 12, 1 << 16).map_err(debug)?;
        let prefix = allocator.allocate_extended(ROLLED).map_err(debug)?;
        let rolled = u16::from(allocator.rollable_extranonce_size());
        let (target, rate, per_minute) = (TheirTarget::from_le_bytes([0xff; 32]), 1.0, 1e9);
        let (user, tag) = (String::from("bench"), String::from("otedama"));
        let channel = ExtendedChannel::new_for_pool(
            CHANNEL, user, prefix, target, rate, true, rolled, 64, per_minute, tag, None,
        );
        let mut channel = channel.map_err(debug)?;
        channel.set_target(target).map_err(debug)?;
        let mut this = Self { channel, template: 0 };
        this.renew()?;
        Ok(this)
    }

    /// Another template on another block: shares are forgotten.
    fn renew(&mut self) -> Result<(), Failure> {
        self.template += 1;
        let (template_id, path) = (self.template, (0..LEVELS).map(|level| [level; 32].into()).collect());
        let template = NewTemplateOwned {
            template_id,
            future_template: true,
            version: VERSION,
            coinbase_tx_version: 2,
            coinbase_prefix: vec![3, 0x40, 0xd1, 0x0c].try_into().map_err(debug)?,
            coinbase_tx_input_sequence: u32::MAX,
            coinbase_tx_value_remaining: 312_500_000,
            coinbase_tx_outputs_count: 0,
            coinbase_tx_outputs: Vec::new().try_into().map_err(debug)?,
            coinbase_tx_locktime: 0,
            merkle_path: Vec::try_into(path).map_err(debug)?,
        };
        let script_pubkey = ScriptBuf::from([&[0, 20][..], &[0x33; 20]].concat());
        let output = TxOut { value: Amount::from_sat(312_500_000), script_pubkey };
        self.channel.on_new_template(template, vec![output]).map_err(debug)?;
        let mut previous = [9; 32];
        previous[..8].copy_from_slice(&self.template.to_le_bytes());
        let start = SetNewPrevHashOwned {
            template_id,
            prev_hash: previous.into(),
            header_timestamp: NTIME,
            n_bits: NBITS,
            target: [0; 32].into(),
        };
        self.channel.on_set_new_prev_hash(start).map_err(debug)
    }

    fn renew_now_and_then(&mut self, next: u32) -> Result<(), Failure> {
        if next != 0 && next.is_multiple_of(BLOCK) { self.renew() } else { Ok(()) }
    }

    fn job_id(&self) -> Result<u32, Failure> {
        Ok(self.channel.get_active_job().ok_or("no active job")?.get_job_id())
    }

    fn validate(&mut self, share: SubmitSharesExtendedOwned) -> u32 {
        let judged = self.channel.validate_share(share);
        u32::from(matches!(black_box(judged), Ok(ShareValidationResult::Valid(_))))
    }

    /// The same job as one of ours.
    fn job(&self) -> Result<Job, Failure> {
        let active = self.channel.get_active_job().ok_or("no active job")?;
        let tip = self.channel.get_chain_tip().ok_or("no tip")?;
        let hash = |bytes: &[u8]| Ok::<_, Failure>(Hash256::from_internal(bytes.try_into()?));
        let path = active.get_merkle_path().as_slice().iter().map(|node| hash(node.as_bytes()));
        let source = BitcoinSource {
            version: active.get_version(),
            previous: hash(tip.prev_hash().as_bytes())?,
            coinbase: CoinbaseHalves {
                prefix: active.get_coinbase_tx_prefix_without_bip141().into(),
                suffix: active.get_coinbase_tx_suffix_without_bip141().into(),
            },
            merkle_path: path.collect::<Result<_, _>>()?,
            nbits: CompactTarget::from_bits(NBITS),
            ntime: NTIME,
        };
        let prefix = self.channel.get_extranonce_prefix();
        let terms = Terms {
            channel: ChannelId(CHANNEL),
            id: JobId(active.get_job_id()),
            share_target: Target::MAX,
            extranonce_prefix: Extranonce::new(prefix).ok_or("a prefix that is too long")?,
            extranonce2_len: usize::from(self.channel.get_rollable_extranonce_size()),
            version_mask: 0x1fff_ffe0,
        };
        Ok(Job::new(Arc::new(JobBody::bitcoin(Algorithm::SHA256D, source, true)?), terms))
    }
}

/// Theirs, from values.
struct Owned {
    channel: Channel,
    shares: Vec<SubmitSharesExtendedOwned>,
    next: u32,
}

fn their_share(number: u32, job_id: u32) -> Result<SubmitSharesExtendedOwned, Failure> {
    Ok(SubmitSharesExtendedOwned {
        channel_id: CHANNEL,
        sequence_number: number,
        job_id,
        nonce: number,
        ntime: NTIME,
        version: VERSION,
        extranonce: extranonce(number).to_vec().try_into().map_err(debug)?,
    })
}

impl Side for Owned {
    fn prepare(&mut self) -> Result<(), Failure> {
        self.channel.renew_now_and_then(self.next)?;
        let job = self.channel.job_id()?;
        self.shares.clear();
        for number in batch(&mut self.next) {
            self.shares.push(their_share(number, job)?);
        }
        Ok(())
    }

    fn work(&mut self) -> Result<u32, Failure> {
        let mut accepted = 0;
        for share in black_box(&mut self.shares).drain(..) {
            accepted += self.channel.validate(share);
        }
        Ok(accepted)
    }
}

/// Theirs, from sealed bytes.
struct Decrypted {
    channel: Channel,
    encoder: NoiseEncoder,
    seal: TransportEncryptState,
    decoder: NoiseDecoder,
    open: Option<TransportDecryptState>,
    sealed: Vec<Vec<u8>>,
    next: u32,
}

impl Decrypted {
    fn new(channel: Channel) -> Result<Self, Failure> {
        let (seal, open) = their_pair()?;
        let (encoder, decoder) = (NoiseEncoder::new(), NoiseDecoder::new());
        Ok(Self { channel, encoder, seal, decoder, open: Some(open), sealed: Vec::new(), next: 0 })
    }
}

impl Side for Decrypted {
    fn prepare(&mut self) -> Result<(), Failure> {
        self.channel.renew_now_and_then(self.next)?;
        let job = self.channel.job_id()?;
        self.sealed.clear();
        for number in batch(&mut self.next) {
            let share = their_share(number, job)?;
            let frame =
                MessageFrame::from_message(share, SubmitSharesExtended::KIND, 0, true).map_err(debug)?;
            self.sealed.push(self.encoder.encode_transport(frame, &mut self.seal).map_err(debug)?);
        }
        Ok(())
    }

    fn work(&mut self) -> Result<u32, Failure> {
        let mut accepted = 0;
        for sealed in black_box(&self.sealed) {
            let state = self.open.take().ok_or("a connection that has ended")?;
            let (mut frame, state) = their_frame(&mut self.decoder, state, sealed).ok_or("no frame")?;
            self.open = Some(state);
            let header = frame.header();
            let (message, tlvs) =
                parse_message_frame_with_tlvs(header, frame.payload(), &[]).map_err(debug)?;
            black_box(tlvs);
            if let AnyMessageOwned::Mining(MiningOwned::SubmitSharesExtended(share)) = message.into_owned() {
                accepted += self.channel.validate(share);
            }
        }
        Ok(accepted)
    }
}

/// Both sides must see the same share in the same way, or the ratio means nothing.
fn same(job: &Job, mut theirs: Channel) -> Result<(), Failure> {
    let digest = Verifier::new(Algorithm::SHA256D)?.digest(&job.header(&our_share(1, job.id()))?);
    let share = their_share(1, theirs.job_id()?)?;
    match theirs.channel.validate_share(share) {
        Ok(ShareValidationResult::Valid(hash)) if *hash.as_byte_array() == *digest.as_bytes() => Ok(()),
        other => Err(format!("the two sides judge a share differently: {other:?}").into()),
    }
}

fn debug(error: impl std::fmt::Debug) -> Failure {
    format!("stratum-core: {error:?}").into()
}
