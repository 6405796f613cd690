//! A device with a standard channel, made of the crates of Stratum V2's reference implementation.
//!
//! `device URL USER RATE` mines on one thread until it is killed and says what becomes of its shares, a line for each:
//! `accepted NUMBER` or `refused CODE`. `device --rate` measures the hashes per second. Noise, frames, messages and the
//! channel, which checks every job and every share before it is sent, are all theirs; only the loop is ours. It stands for
//! their `mining_device`, which no registry has.

mod link;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};
use std::{env, str};

use otedama_conformance::Failure;
use stratum_core::bitcoin::block::{Header, Version};
use stratum_core::bitcoin::hashes::Hash as _;
use stratum_core::bitcoin::{BlockHash, CompactTarget, Target, TxMerkleNode};
use stratum_core::channels_sv2::client::standard::StandardChannel;
use stratum_core::channels_sv2::extranonce_manager::ExtranoncePrefix;
use stratum_core::common_messages_sv2::{Protocol, SetupConnectionOwned};
use stratum_core::mining_sv2::{OpenStandardMiningChannelOwned, SubmitSharesStandardOwned};
use stratum_core::parsers_sv2::{AnyMessageOwned, CommonMessagesOwned, MiningOwned};

use self::link::{Link, debugged};

/// Hashes between two looks at what has come.
const BATCH: u32 = 1 << 14;

/// The flag of a client that takes no extended jobs.
const REQUIRES_STANDARD_JOBS: u32 = 1;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--rate"] => measure(),
        [url, user, rate] => mine(url, user, rate),
        _ => Err("say --rate, or URL USER RATE".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("device: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the hashes per second of half a second.
fn measure() -> Result<(), Failure> {
    let (begin, mut hashes) = (Instant::now(), 0.0_f64);
    let mut header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0x1d00_ffff),
        nonce: 0,
    };
    while begin.elapsed() < Duration::from_millis(500) {
        let _ = search(&mut header, Target::ZERO);
        hashes += f64::from(BATCH);
    }
    Ok(writeln!(io::stdout(), "{:.0}", hashes / begin.elapsed().as_secs_f64())?)
}

/// Tries the next nonces of a header, and stops behind the first whose hash meets the target.
fn search(header: &mut Header, target: Target) -> Option<u32> {
    for _ in 0..BATCH {
        let nonce = header.nonce;
        let found = target.is_met_by(header.block_hash());
        header.nonce = nonce.wrapping_add(1);
        if found {
            return Some(nonce);
        }
    }
    None
}

/// Mines until something is wrong.
fn mine(url: &str, user: &str, rate: &str) -> Result<(), Failure> {
    let mut link = Link::open(url)?;
    let mut device = Device::open(&mut link, user, rate.parse()?)?;
    loop {
        match link.messages.try_recv() {
            Ok(message) => {
                device.handle(message?)?;
                continue;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err("the connection is over".into()),
        }
        match device.work() {
            Some(share) => link.send(AnyMessageOwned::Mining(MiningOwned::SubmitSharesStandard(share)))?,
            // Nothing to do before the next message.
            None if device.header.is_none() => device.handle(link.messages.recv()??)?,
            None => {}
        }
    }
}

/// A channel and what is tried on it.
struct Device {
    channel: StandardChannel,
    sequence: u32,
    /// The job under way: its number, its target and its header with the next nonce.
    header: Option<(u32, Target, Header)>,
}

impl Device {
    /// Sets the connection up and opens the channel.
    fn open(link: &mut Link, user: &str, rate: f32) -> Result<Self, Failure> {
        let setup = SetupConnectionOwned {
            protocol: Protocol::MiningProtocol,
            min_version: 2,
            max_version: 2,
            flags: REQUIRES_STANDARD_JOBS,
            endpoint_host: "127.0.0.1".try_into().map_err(debugged)?,
            endpoint_port: 0,
            vendor: "stratum-core".try_into().map_err(debugged)?,
            hardware_version: "CPU".try_into().map_err(debugged)?,
            firmware: "0.6.0".try_into().map_err(debugged)?,
            device_id: "".try_into().map_err(debugged)?,
        };
        link.send(setup)?;
        match link.messages.recv()?? {
            AnyMessageOwned::Common(CommonMessagesOwned::SetupConnectionSuccess(_)) => {}
            other => return Err(format!("no connection: {other}").into()),
        }
        let open = OpenStandardMiningChannelOwned {
            request_id: 1,
            user_identity: user.try_into().map_err(debugged)?,
            nominal_hash_rate: rate,
            max_target: [0xff; 32].into(),
        };
        link.send(AnyMessageOwned::Mining(MiningOwned::OpenStandardMiningChannel(open)))?;
        let opened = match link.messages.recv()?? {
            AnyMessageOwned::Mining(MiningOwned::OpenStandardMiningChannelSuccess(opened)) => opened,
            other => return Err(format!("no channel: {other}").into()),
        };
        let prefix =
            ExtranoncePrefix::from_wire(opened.extranonce_prefix.as_bytes().to_vec()).map_err(debugged)?;
        let target = Target::from_le_bytes(opened.target.to_array());
        let channel = StandardChannel::new(opened.channel_id, user.to_owned(), prefix, target, rate, None);
        Ok(Self { channel: channel.map_err(debugged)?, sequence: 0, header: None })
    }

    fn handle(&mut self, message: AnyMessageOwned) -> Result<(), Failure> {
        let AnyMessageOwned::Mining(message) = message else {
            return Err(format!("not a message for a miner: {message}").into());
        };
        let mut out = io::stdout();
        match message {
            MiningOwned::NewMiningJob(job) => {
                self.channel.on_new_mining_job(job).map_err(debugged)?;
                self.header = self.next();
            }
            MiningOwned::SetNewPrevHash(tip) => {
                self.channel.on_set_new_prev_hash(tip).map_err(debugged)?;
                self.header = self.next();
            }
            MiningOwned::SetTarget(set) => {
                let target = Target::from_le_bytes(set.maximum_target.to_array());
                self.channel.set_target(target).map_err(debugged)?;
            }
            MiningOwned::SetExtranoncePrefix(set) => {
                let prefix = set.extranonce_prefix.as_bytes();
                self.channel.set_upstream_extranonce_prefix(prefix).map_err(debugged)?;
            }
            MiningOwned::SubmitSharesSuccess(success) => {
                let (count, sum) = (success.new_submits_accepted_count, success.new_shares_sum);
                self.channel.on_share_acknowledgement(count, sum);
                writeln!(out, "accepted {count}")?;
            }
            MiningOwned::SubmitSharesError(error) => {
                let code = String::from_utf8_lossy(error.error_code.as_bytes()).into_owned();
                self.channel.on_share_rejection(&code);
                writeln!(out, "refused {code}")?;
            }
            other => return Err(format!("not a message for this channel: {other}").into()),
        }
        Ok(())
    }

    /// The channel's active job as a header. The search under way goes on if it is the same job.
    fn next(&self) -> Option<(u32, Target, Header)> {
        let (job, tip) = (self.channel.get_active_job()?, self.channel.get_chain_tip()?);
        let message = &job.job_message;
        let header = Header {
            version: Version::from_consensus(i32::from_le_bytes(message.version.to_le_bytes())),
            prev_blockhash: BlockHash::from_byte_array(tip.prev_hash().to_array()),
            merkle_root: TxMerkleNode::from_byte_array(message.merkle_root.to_array()),
            time: message.min_ntime.as_ref().copied()?,
            bits: CompactTarget::from_consensus(tip.nbits()),
            nonce: 0,
        };
        let next = (message.job_id, job.target, header);
        let same = |(_, _, known): &(u32, Target, Header)| Header { nonce: 0, ..*known } == next.2;
        self.header.filter(same).or(Some(next))
    }

    /// Tries a batch. A share has passed the channel's own checks.
    fn work(&mut self) -> Option<SubmitSharesStandardOwned> {
        let (job_id, target, header) = self.header.as_mut()?;
        let nonce = search(header, *target)?;
        let share = SubmitSharesStandardOwned {
            channel_id: self.channel.get_channel_id(),
            sequence_number: self.sequence,
            job_id: *job_id,
            nonce,
            ntime: header.time,
            version: u32::from_le_bytes(header.version.to_consensus().to_le_bytes()),
        };
        self.sequence = self.sequence.wrapping_add(1);
        match self.channel.validate_share(share.clone()) {
            Ok(_) => Some(share),
            Err(error) => {
                eprintln!("device: not a share to its own channel: {error:?}");
                None
            }
        }
    }
}
