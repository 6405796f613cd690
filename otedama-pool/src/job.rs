//! The job board: templates become jobs, and jobs are remembered for as long as a share may come for them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use otedama_core::{Algorithm, Amount, BitcoinSource, Digest, Hash256, JobBody, JobId, Percent};
use otedama_stratum::{EncodeError, EncodedJob};

use crate::account::Account;
use crate::hashing::{DigestSet, NumberMap, Spot};
use crate::journal::Life;
use crate::scheme::Payee;
use crate::template::{CoinbaseOutput, CoinbasePlan, Marker, Template, TemplateError};

/// Templates whose jobs are remembered, the newest included. At one every 30 seconds and one a block this is minutes.
const ROUNDS: usize = 16;

/// Places in memory that are read at a time; more than a processor has requests under way.
const FETCHED: usize = 16;

/// Jobs that one channel may have on one template, each with a coinbase of its own.
pub const EDITIONS: u32 = 32;

/// How the pool cuts its coinbases.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The function to hash with.
    pub algorithm: Algorithm,
    /// Whom the coinbase pays.
    pub payee: Payee,
    /// The pool's output script: for the whole reward, or for the fee.
    pub pool_script: Box<[u8]>,
    /// The pool's part.
    pub fee: Percent,
    /// A text in the coinbase.
    pub tag: Box<[u8]>,
    /// Bytes of extranonce, prefix and rolled part together.
    pub extranonce_len: usize,
    /// Version bits that Stratum V1 miners may roll, as far as the template leaves them free. Those of Stratum V2 may roll
    /// all of BIP 323 where they are free, unless this is 0.
    pub version_mask: u32,
}

/// A job as all channels share it.
#[derive(Debug)]
pub struct BoardJob {
    /// The number that stands in its coinbase.
    pub number: u32,
    /// What is hashed.
    pub body: Arc<JobBody>,
    /// The wire form, made once.
    pub encoded: EncodedJob,
    /// What it was made from.
    pub template: Arc<Template>,
    /// Version bits that the template leaves free; none if nobody may roll any.
    pub free_bits: u32,
    round: u64,
}

/// Whom a job's coinbase pays when the finder is paid by the coinbase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The account.
    pub account: Account,
    /// Its output script.
    pub script: Arc<[u8]>,
}

/// Why a template gives no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// No valid block can be made of it. The node or the configuration is at fault.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The job cannot be told to miners.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Makes jobs from templates and knows which shares each job has had.
#[derive(Debug)]
pub struct JobBoard {
    layout: Layout,
    life: Life,
    numbers: u32,
    ids: u32,
    newest: u64,
    rounds: VecDeque<Round>,
}

#[derive(Debug)]
struct Round {
    template: Arc<Template>,
    clean: bool,
    merkle_path: Box<[Hash256]>,
    jobs: HashMap<(Option<Account>, u32), Arc<BoardJob>>,
    seen: NumberMap<u64, DigestSet>,
}

impl JobBoard {
    /// An empty board. The life makes its coinbases differ from those of all other lives.
    #[must_use]
    pub fn new(layout: Layout, life: Life) -> Self {
        Self { layout, life, numbers: 0, ids: 0, newest: 0, rounds: VecDeque::new() }
    }

    /// How the coinbases are cut.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The template that is mined on now.
    #[must_use]
    pub fn template(&self) -> Option<&Arc<Template>> {
        self.rounds.back().map(|round| &round.template)
    }

    /// Mines on this template from now on. Jobs of the one before become worthless if it builds on another tip.
    ///
    /// # Errors
    /// [`JobError`] if no valid coinbase can be made for it; then nothing changes.
    pub fn set_template(&mut self, template: Arc<Template>) -> Result<(), JobError> {
        let clean = self.template().is_none_or(|old| old.previous != template.previous);
        let merkle_path = template.merkle_path();
        let (jobs, seen) = (HashMap::new(), NumberMap::default());
        let mut round = Round { template, clean, merkle_path, jobs, seen };
        let (newest, number) = (self.newest + 1, self.numbers.wrapping_add(1));
        let trial = Payout { account: Account::new(""), script: self.layout.pool_script.as_ref().into() };
        let finder = (self.layout.payee == Payee::Finder).then_some(&trial);
        let job = make(&self.layout, self.life, number, newest, &round, (finder, 0))?;
        if finder.is_none() {
            round.jobs.insert((None, 0), Arc::new(job));
        }
        (self.newest, self.numbers) = (newest, number);
        self.rounds.push_back(round);
        if self.rounds.len() > ROUNDS {
            self.rounds.pop_front();
        }
        Ok(())
    }

    /// The current job for a channel: one for all where the coinbase pays the pool, one an account where it pays the
    /// finder. `None` without a template, without a payee where one is needed, or if there are no more editions.
    ///
    /// A channel whose terms change gets the next `edition` of the job, of which there are [`EDITIONS`]: its coinbase
    /// differs, so that a miner who starts over does not find the same shares again, and so that no header has two
    /// targets. Whoever had two for the same headers could choose, after hashing, by which to be judged, and be
    /// credited for more than the work done.
    ///
    /// # Errors
    /// [`JobError`] if no valid coinbase can be made: the template or the configuration is at fault.
    pub fn job(&mut self, payout: Option<&Payout>, edition: u32) -> Result<Option<Arc<BoardJob>>, JobError> {
        let payout = match self.layout.payee {
            Payee::Pool => None,
            Payee::Finder if payout.is_none() => return Ok(None),
            Payee::Finder => payout,
        };
        if edition >= EDITIONS {
            return Ok(None);
        }
        let key = (payout.map(|payout| payout.account.clone()), edition);
        let (newest, number) = (self.newest, self.numbers.wrapping_add(1));
        let Some(round) = self.rounds.back_mut() else { return Ok(None) };
        if let Some(job) = round.jobs.get(&key) {
            return Ok(Some(Arc::clone(job)));
        }
        let job = Arc::new(make(&self.layout, self.life, number, newest, round, (payout, edition))?);
        self.numbers = number;
        round.jobs.insert(key, Arc::clone(&job));
        Ok(Some(job))
    }

    /// The number of the current template, for counting the jobs that a channel had on it.
    #[must_use]
    pub const fn round(&self) -> u64 {
        self.newest
    }

    /// A job id that no job had for a long time: eight bits of the life, then a counter.
    pub fn next_id(&mut self) -> JobId {
        self.ids = (self.ids + 1) & 0x00ff_ffff;
        JobId(self.life.boot << 24 | self.ids)
    }

    /// Whether the block of this job is already mined, as far as the current template knows.
    #[must_use]
    pub fn is_stale(&self, job: &BoardJob) -> bool {
        self.template().is_none_or(|current| current.previous != job.template.previous)
    }

    /// Says that [`is_first`](Self::is_first) will be asked about these soon. Digests lie all over a large table; those of
    /// many shares are fetched from memory at a time, where one by one each would be waited for.
    pub(crate) fn fetch<'a>(&self, digests: impl Iterator<Item = (&'a BoardJob, &'a Digest)>) {
        let (mut spots, mut count) = ([Spot::NONE; FETCHED], 0);
        for (job, digest) in digests {
            let seen = self.round_of(job).and_then(|round| round.seen.get(&job.number.into()));
            spots[count] = seen.map_or(Spot::NONE, |seen| seen.spot(digest));
            count += 1;
            if count == FETCHED {
                Spot::fetch(&spots);
                count = 0;
            }
        }
        Spot::fetch(&spots[..count]);
    }

    /// Remembers a digest; `false` if the job has had it. Also `false` for a job that is no longer remembered, since
    /// nobody could say.
    pub fn is_first(&mut self, job: &BoardJob, digest: &Digest) -> bool {
        self.round_mut(job)
            .is_some_and(|round| round.seen.entry(job.number.into()).or_default().insert(digest))
    }

    /// Forgets a digest whose share could not be recorded, so that it may be sent again.
    pub fn forget(&mut self, job: &BoardJob, digest: &Digest) {
        if let Some(seen) = self.round_mut(job).and_then(|round| round.seen.get_mut(&job.number.into())) {
            seen.remove(digest);
        }
    }

    /// Whether shares of this job can still be judged.
    #[must_use]
    pub fn remembers(&self, job: &BoardJob) -> bool {
        self.newest - job.round < self.rounds.len() as u64
    }

    fn round_of(&self, job: &BoardJob) -> Option<&Round> {
        self.rounds.get(self.place_of(job)?)
    }

    fn round_mut(&mut self, job: &BoardJob) -> Option<&mut Round> {
        let place = self.place_of(job)?;
        self.rounds.get_mut(place)
    }

    fn place_of(&self, job: &BoardJob) -> Option<usize> {
        let back = usize::try_from(self.newest - job.round).ok()?;
        self.rounds.len().checked_sub(back + 1)
    }
}

fn make(
    layout: &Layout,
    life: Life,
    number: u32,
    round_number: u64,
    round: &Round,
    (payout, edition): (Option<&Payout>, u32),
) -> Result<BoardJob, JobError> {
    let template = &round.template;
    let marker = Marker { node: life.node, boot: life.boot, job: number };
    let outputs = outputs(layout, template.coinbase_value, payout);
    let plan = CoinbasePlan::new(&layout.tag, layout.extranonce_len, marker, outputs)?;
    let source = BitcoinSource {
        version: template.version,
        previous: template.previous,
        coinbase: template.coinbase(&plan)?,
        merkle_path: round.merkle_path.clone(),
        nbits: template.nbits,
        ntime: template.curtime.max(template.mintime),
    };
    let body = JobBody::bitcoin(layout.algorithm, source, round.clean && edition == 0)
        .map_err(TemplateError::from)?;
    let body = body.with_height(u64::from(template.height));
    let body = Arc::new(body);
    let encoded = EncodedJob::new(&body)?;
    let free_bits = if layout.version_mask == 0 { 0 } else { template.rolling_mask(u32::MAX) };
    let template = Arc::clone(template);
    Ok(BoardJob { number, body, encoded, template, free_bits, round: round_number })
}

/// Who gets how much from the coinbase itself; zero outputs are left out.
fn outputs(layout: &Layout, value: Amount, payout: Option<&Payout>) -> Vec<CoinbaseOutput> {
    let pool = |amount| CoinbaseOutput { script: layout.pool_script.clone(), amount };
    let Some(payout) = payout else { return vec![pool(value)] };
    let fee = value.percent(layout.fee);
    let rest = value.checked_sub(fee).unwrap_or(Amount::ZERO);
    let finder = CoinbaseOutput { script: payout.script.as_ref().into(), amount: rest };
    [finder, pool(fee)].into_iter().filter(|output| output.amount != Amount::ZERO).collect()
}
