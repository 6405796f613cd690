//! What makes a job: what was sent, the tip of the chain, and the terms that hold for it.

use alloc::boxed::Box;
use alloc::sync::Arc;

use otedama_core::{
    BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Hash256, Job, JobBody, JobId,
    StandardSource, Terms,
};

use super::Client;
use crate::event::{ChannelKind, ClientEvent};
use crate::v2::Payload;
use crate::v2::mining::{NewExtendedMiningJob, NewMiningJob, SetNewPrevHash};

/// A job as it was sent: all but what it builds on and the target of its shares.
#[derive(Debug)]
pub(super) struct Draft {
    /// The server's number for it.
    wire: u32,
    version: u32,
    version_mask: u32,
    prefix: Extranonce,
    root: Root,
}

#[derive(Debug)]
enum Root {
    Given(Hash256),
    Made { coinbase: CoinbaseHalves, merkle_path: Box<[Hash256]> },
}

/// What a job builds on, and the earliest time for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tip {
    previous: Hash256,
    nbits: CompactTarget,
    ntime: u32,
}

/// A job that shares may still be for.
#[derive(Debug)]
pub(super) struct Live {
    /// The server's number for it.
    pub(super) wire: u32,
    pub(super) job: Job,
}

impl Client {
    pub(super) fn standard_job(&mut self, message: &NewMiningJob) {
        let Some(channel) = self.channel.filter(|mine| mine.id == message.channel_id) else { return };
        if self.config.channel == ChannelKind::Extended {
            return self.bad(NewMiningJob::NAME);
        }
        let draft = Draft {
            wire: message.job_id,
            version: message.version,
            version_mask: self.mask,
            prefix: channel.prefix,
            root: Root::Given(message.merkle_root.into()),
        };
        self.draft(draft, message.min_ntime, NewMiningJob::NAME);
    }

    pub(super) fn extended_job(&mut self, message: &NewExtendedMiningJob<'_>) {
        let Some(&mut channel) = self.addressed(message.channel_id) else { return };
        let (limits, path) = (&self.config.limits, message.merkle_path);
        let (prefix, suffix) = (message.coinbase_tx_prefix.as_bytes(), message.coinbase_tx_suffix.as_bytes());
        if prefix.len() + suffix.len() > limits.coinbase || path.len() > limits.merkle_path {
            return self.bad(NewExtendedMiningJob::NAME);
        }
        let draft = Draft {
            wire: message.job_id,
            version: message.version,
            version_mask: if message.version_rolling_allowed { self.mask } else { 0 },
            prefix: channel.prefix,
            root: Root::Made {
                coinbase: CoinbaseHalves { prefix: prefix.into(), suffix: suffix.into() },
                merkle_path: path.iter().map(Hash256::from).collect(),
            },
        };
        self.draft(draft, message.min_ntime, NewExtendedMiningJob::NAME);
    }

    /// Starts a job that has a time; one without waits for the tip that names it.
    fn draft(&mut self, draft: Draft, ntime: Option<u32>, name: &'static str) {
        match (ntime, self.tip) {
            (Some(ntime), Some(tip)) => self.start(draft, Tip { ntime, ..tip }, false, name),
            (Some(_), None) => self.bad(name),
            (None, _) => {
                self.future.retain(|future| future.wire != draft.wire);
                self.future.push_back(draft);
                if self.future.len() > self.config.limits.future_jobs {
                    self.future.pop_front();
                }
            }
        }
    }

    pub(super) fn new_tip(&mut self, message: &SetNewPrevHash) {
        if self.addressed(message.channel_id).is_none() {
            return;
        }
        let named = self.future.iter().position(|future| future.wire == message.job_id);
        let Some(draft) = named.and_then(|index| self.future.remove(index)) else {
            return self.bad(SetNewPrevHash::NAME);
        };
        let nbits = CompactTarget::from_bits(message.nbits);
        let tip = Tip { previous: message.prev_hash.into(), nbits, ntime: message.min_ntime };
        self.tip = Some(tip);
        self.future.clear();
        self.live.clear();
        self.start(draft, tip, true, SetNewPrevHash::NAME);
    }

    fn start(&mut self, draft: Draft, tip: Tip, clean: bool, name: &'static str) {
        let Some(channel) = self.channel else { return };
        let Draft { wire, version, version_mask, prefix, root } = draft;
        let Tip { previous, nbits, ntime } = tip;
        // A clean job that nobody has seen yet passes its cleanness on to the one that replaces it.
        let unseen =
            self.events.iter().any(|event| matches!(event, ClientEvent::Job(job) if job.body().clean));
        let (algorithm, clean) = (self.config.login.algorithm, clean || unseen);
        let body = match root {
            Root::Given(merkle_root) => {
                let source = StandardSource { version, previous, merkle_root, nbits, ntime };
                JobBody::standard(algorithm, source, clean)
            }
            Root::Made { coinbase, merkle_path } => {
                let source = BitcoinSource { version, previous, coinbase, merkle_path, nbits, ntime };
                JobBody::bitcoin(algorithm, source, clean)
            }
        };
        let Ok(body) = body else { return self.bad(name) };
        let terms = Terms {
            channel: ChannelId(channel.id),
            id: JobId(self.numbers.job),
            share_target: channel.target,
            extranonce_prefix: prefix,
            extranonce2_len: channel.extranonce2_len,
            version_mask,
        };
        let job = Job::new(Arc::new(body), terms);
        self.numbers.job = self.numbers.job.wrapping_add(1);
        self.live.push_back(Live { wire, job: job.clone() });
        if self.live.len() > self.config.limits.jobs {
            self.live.pop_front();
        }
        self.events.retain(|event| !matches!(event, ClientEvent::Job(_)));
        self.event(ClientEvent::Job(job));
    }
}
