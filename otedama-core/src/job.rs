//! What goes down: a complete description of what to hash and how it will be judged.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::algorithm::{Algorithm, Digest};
use crate::coinbase::{CoinbaseHalves, Extranonce, merkle_root};
use crate::hash256::Hash256;
use crate::share::{Goals, Reject, Share, Verdict};
use crate::target::{CompactTarget, Target};
use crate::weight::Weight;
use crate::work::{Generation, Header, Seed, Work};

/// A job's number within its channel, given by whoever made the job. Stratum V1 shows it as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u32);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A channel within a connection. A Stratum V1 connection is one extended channel with the number 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ChannelId(pub u32);

/// What a digest can achieve; each goal of a job has its own target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Goal(u8);

impl Goal {
    /// A share for the pool.
    pub const SHARE: Self = Self(0);
    /// A block of the chain that the job was made for.
    pub const BLOCK: Self = Self(1);

    /// A block of the `index`-th further chain (merge-mined chains, the share chain), at most 61 of them.
    #[must_use]
    pub const fn further(index: u8) -> Option<Self> {
        if index < 62 { Some(Self(2 + index)) } else { None }
    }

    pub(crate) const fn bit(self) -> u64 {
        1 << self.0
    }
}

/// Where the block of a job comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Origin {
    /// Made by the pool from a node's template.
    #[default]
    Template,
    /// Declared by the miner, who chose the transactions.
    Declared,
}

/// The part of a job that all channels share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobBody {
    /// The function to hash with.
    pub algorithm: Algorithm,
    /// What the header is made of.
    pub source: HeaderSource,
    /// Targets of the chains, [`Goal::BLOCK`] first. The share's target is in [`Terms`].
    pub goals: Vec<(Goal, Target)>,
    /// Where the block comes from.
    pub origin: Origin,
    /// The height of the block, where it is known.
    pub height: Option<u64>,
    /// The key of the tables to hash with, for algorithms that have them.
    pub seed: Option<Seed>,
    /// Whether older jobs are worthless from now on.
    pub clean: bool,
}

/// What a header is made of. Equal sources give equal headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderSource {
    /// A Bitcoin-like header over a coinbase and a merkle path.
    Bitcoin(BitcoinSource),
    /// A Bitcoin-like header whose merkle root is given: a standard job of Stratum V2.
    Standard(StandardSource),
}

/// The parts of a Bitcoin-like header whose merkle root the miner cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardSource {
    /// The version; bits that the channel may roll should be 0 in it.
    pub version: u32,
    /// The block to build on.
    pub previous: Hash256,
    /// The root over all transactions.
    pub merkle_root: Hash256,
    /// The network's target, as it stands in the header.
    pub nbits: CompactTarget,
    /// The time of the job; miners may move it forward, never back.
    pub ntime: u32,
}

impl HeaderSource {
    /// What both kinds of Bitcoin-like headers have in common, over no root in particular for those with a coinbase.
    const fn outline(&self) -> StandardSource {
        match self {
            Self::Bitcoin(source) => StandardSource {
                version: source.version,
                previous: source.previous,
                merkle_root: Hash256::ZERO,
                nbits: source.nbits,
                ntime: source.ntime,
            },
            Self::Standard(source) => *source,
        }
    }
}

/// The parts of a Bitcoin-like header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitcoinSource {
    /// The version; bits that a channel may roll should be 0 in it.
    pub version: u32,
    /// The block to build on.
    pub previous: Hash256,
    /// The coinbase around the extranonce.
    pub coinbase: CoinbaseHalves,
    /// The siblings of the coinbase.
    pub merkle_path: Box<[Hash256]>,
    /// The network's target, as it stands in the header.
    pub nbits: CompactTarget,
    /// The time of the job; miners may move it forward, never back.
    pub ntime: u32,
}

impl JobBody {
    /// A body from a node's template, with the network target that its nBits stand for as [`Goal::BLOCK`].
    ///
    /// RandomX has no coin with such headers; it gets the seed of test chains.
    ///
    /// # Errors
    /// [`CompactError`](crate::CompactError) if the nBits mean no target.
    pub fn bitcoin(
        algorithm: Algorithm,
        source: BitcoinSource,
        clean: bool,
    ) -> Result<Self, crate::CompactError> {
        Self::over_bitcoin(algorithm, HeaderSource::Bitcoin(source), clean)
    }

    /// A body whose header has a given merkle root, otherwise as [`bitcoin`](Self::bitcoin).
    ///
    /// # Errors
    /// [`CompactError`](crate::CompactError) if the nBits mean no target.
    pub fn standard(
        algorithm: Algorithm,
        source: StandardSource,
        clean: bool,
    ) -> Result<Self, crate::CompactError> {
        Self::over_bitcoin(algorithm, HeaderSource::Standard(source), clean)
    }

    fn over_bitcoin(
        algorithm: Algorithm,
        source: HeaderSource,
        clean: bool,
    ) -> Result<Self, crate::CompactError> {
        let goals = alloc::vec![(Goal::BLOCK, source.outline().nbits.target()?)];
        let seed = (algorithm == Algorithm::RANDOMX).then_some(Seed::DEVNET);
        let algorithm = algorithm.over_bitcoin_header();
        Ok(Self { algorithm, source, goals, origin: Origin::Template, height: None, seed, clean })
    }

    /// The same with the height of the block.
    #[must_use]
    pub fn with_height(self, height: u64) -> Self {
        Self { height: Some(height), ..self }
    }

    /// The time of the job, as it stands in the header unless the miner moves it forward.
    #[must_use]
    pub const fn ntime(&self) -> u32 {
        self.source.outline().ntime
    }

    /// The version, as it stands in the header unless the miner rolls bits of it.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.source.outline().version
    }

    /// The target of the job's own chain; [`Target::ZERO`] if it has none.
    #[must_use]
    pub fn network_target(&self) -> Target {
        self.goals.iter().find(|(goal, _)| *goal == Goal::BLOCK).map_or(Target::ZERO, |(_, target)| *target)
    }
}

/// The part of a job that belongs to one channel, frozen when the job is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The channel.
    pub channel: ChannelId,
    /// The job's number.
    pub id: JobId,
    /// What a share must not exceed; the only target that judges and is credited.
    pub share_target: Target,
    /// The channel's part of the extranonce.
    pub extranonce_prefix: Extranonce,
    /// Bytes of extranonce2 that the miner rolls.
    pub extranonce2_len: usize,
    /// Version bits that the miner may roll; 0 if it may not.
    pub version_mask: u32,
}

/// Everything needed to hash and to judge: a shared body and the terms of one channel.
///
/// A job never changes. A new difficulty or extranonce arrives as a new job. Its share target is never harder than
/// the network's: [`Job::new`] sees to that. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Job(Arc<Whole>);

/// On cache lines of its own: whoever counts references does not disturb whoever reads.
#[derive(Debug)]
#[repr(align(64))]
struct Whole {
    body: Arc<JobBody>,
    terms: Terms,
    /// Of a share.
    weight: Weight,
}

impl Job {
    /// A job of this body on these terms. A share target harder than the network's is replaced by the network's.
    #[must_use]
    pub fn new(body: Arc<JobBody>, terms: Terms) -> Self {
        let share_target = terms.share_target.easier(body.network_target());
        let (terms, weight) = (Terms { share_target, ..terms }, share_target.weight());
        Self(Arc::new(Whole { body, terms, weight }))
    }

    /// The part that all channels share.
    #[must_use]
    pub fn body(&self) -> &Arc<JobBody> {
        &self.0.body
    }

    /// The part that belongs to this channel.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// The job's number on its channel.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.terms().id
    }

    /// The function to hash with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.body().algorithm
    }

    /// The header that this share claims to have hashed.
    ///
    /// Whether its time lies in the allowed window is the judge's affair, who has a clock; moving it back before the
    /// job's own time is refused here.
    ///
    /// # Errors
    /// [`Reject`] if the share's extranonce2 has the wrong length, its time lies before the job's, it sets version
    /// bits outside the mask, or its nonce is too wide: the miner is at fault.
    pub fn header(&self, share: &Share) -> Result<Header, Reject> {
        let fields = self.fields(share)?;
        Ok(self.header_of(&fields, &self.merkle_root(&fields.extranonce2)))
    }

    /// The same claim without the hashing that makes its header: what [`header`](Self::header) refuses is refused.
    ///
    /// # Errors
    /// Those of [`header`](Self::header).
    pub fn claim(&self, share: &Share) -> Result<Claim, Reject> {
        Ok(Claim { fields: self.fields(share)?, job: self.clone() })
    }

    fn fields(&self, share: &Share) -> Result<Fields, Reject> {
        let source = self.body().source.outline();
        let terms = self.terms();
        if share.extranonce2.len() != terms.extranonce2_len {
            let (expected, found) = (terms.extranonce2_len, share.extranonce2.len());
            return Err(Reject::Extranonce2Length { expected, found });
        }
        if share.ntime < source.ntime {
            return Err(Reject::TimeTooOld { ntime: share.ntime, earliest: source.ntime });
        }
        let nonce = u32::try_from(share.nonce).map_err(|_| Reject::NonceTooWide(share.nonce))?;
        let version = self.version(source.version, share.version_bits)?;
        Ok(Fields { extranonce2: share.extranonce2, version, ntime: share.ntime, nonce })
    }

    /// The merkle root of the block whose coinbase has this extranonce2. Its length is the caller's affair.
    #[must_use]
    pub fn merkle_root(&self, extranonce2: &Extranonce) -> Hash256 {
        match &self.body().source {
            HeaderSource::Bitcoin(source) => {
                let leaf = source.coinbase.txid(&self.terms().extranonce_prefix, extranonce2);
                merkle_root(leaf, &source.merkle_path)
            }
            HeaderSource::Standard(source) => source.merkle_root,
        }
    }

    fn header_of(&self, fields: &Fields, root: &Hash256) -> Header {
        assemble(&self.body().source.outline(), fields.version, root, fields.ntime, fields.nonce)
    }

    /// The work of one extranonce2, for a device.
    ///
    /// # Errors
    /// [`Reject::Extranonce2Length`] if the extranonce2 is not of the channel's length: misuse by the caller.
    pub fn work(&self, extranonce2: &Extranonce, generation: Generation) -> Result<Work, Reject> {
        let share = Share::new(self.terms().channel, self.id(), *extranonce2, self.body().ntime(), 0);
        let mut work = Work::new(self.algorithm(), self.header(&share)?, self.easiest_target());
        work.generation = generation;
        work.height = self.body().height;
        work.seed = self.body().seed;
        work.rolls.version_mask = self.terms().version_mask;
        Ok(work)
    }

    /// Says which goals the digest of a share meets. The digest must be that of [`header`](Self::header)'s bytes.
    ///
    /// # Errors
    /// [`Reject::LowDifficulty`] if it meets none, not even the share target.
    pub fn judge(&self, digest: Digest) -> Result<Verdict, Reject> {
        let target = self.terms().share_target;
        let goals = core::iter::once((Goal::SHARE, target)).chain(self.body().goals.iter().copied());
        let met: Goals = goals
            .filter(|(_, target)| self.algorithm().meets(&digest, *target))
            .map(|(goal, _)| goal)
            .collect();
        if met.is_empty() {
            return Err(Reject::LowDifficulty { reached: self.algorithm().reached(&digest), target });
        }
        Ok(Verdict::new(met, digest, self.0.weight))
    }

    fn version(&self, version: u32, bits: Option<u32>) -> Result<u32, Reject> {
        let mask = self.terms().version_mask;
        match bits {
            // Zero bits roll nothing; some firmware sends them whatever was negotiated.
            None => Ok(version),
            Some(0) if mask == 0 => Ok(version),
            Some(_) if mask == 0 => Err(Reject::VersionRollingOff),
            Some(bits) if bits & !mask != 0 => Err(Reject::VersionBits { bits, mask }),
            Some(bits) => Ok(version & !mask | bits),
        }
    }

    fn easiest_target(&self) -> Target {
        self.body()
            .goals
            .iter()
            .fold(self.terms().share_target, |easiest, (_, target)| easiest.easier(*target))
    }
}

/// A share that fits the terms of its job: the header that it claims to have hashed can be made, and is not made yet.
///
/// Making it costs a hash for each level of the merkle path and more; whoever has many at hand makes them together.
#[derive(Clone, Debug)]
pub struct Claim {
    job: Job,
    fields: Fields,
}

/// What a share says of its header.
#[derive(Clone, Copy, Debug)]
struct Fields {
    extranonce2: Extranonce,
    /// The whole version, the rolled bits in it.
    version: u32,
    ntime: u32,
    nonce: u32,
}

impl Claim {
    /// The job that the share is for.
    #[must_use]
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> Header {
        self.header_over(&self.job.merkle_root(&self.fields.extranonce2))
    }

    /// The header, over a merkle root that somebody else has computed: that of a block whose first transaction is
    /// [`coinbase`](Self::coinbase) and whose other transactions the job's merkle path stands for.
    #[must_use]
    pub fn header_over(&self, root: &Hash256) -> Header {
        self.job.header_of(&self.fields, root)
    }

    /// The coinbase transaction without witness, in four parts; `None` if the job has a merkle root instead.
    #[must_use]
    pub fn coinbase(&self) -> Option<[&[u8]; 4]> {
        let HeaderSource::Bitcoin(source) = &self.job.body().source else { return None };
        let (prefix, rolled) = (&self.job.terms().extranonce_prefix, &self.fields.extranonce2);
        Some([&source.coinbase.prefix, prefix.as_bytes(), rolled.as_bytes(), &source.coinbase.suffix])
    }

    /// The extranonce2 that the share says.
    #[must_use]
    pub const fn extranonce2(&self) -> &Extranonce {
        &self.fields.extranonce2
    }

    /// The siblings of the coinbase; none if the job has a merkle root instead.
    #[must_use]
    pub fn merkle_path(&self) -> &[Hash256] {
        match &self.job.body().source {
            HeaderSource::Bitcoin(source) => &source.merkle_path,
            HeaderSource::Standard(_) => &[],
        }
    }
}

fn assemble(source: &StandardSource, version: u32, root: &Hash256, ntime: u32, nonce: u32) -> Header {
    let mut bytes = [0; 80];
    bytes[..4].copy_from_slice(&version.to_le_bytes());
    bytes[4..36].copy_from_slice(source.previous.as_internal());
    bytes[36..68].copy_from_slice(root.as_internal());
    bytes[68..72].copy_from_slice(&ntime.to_le_bytes());
    bytes[72..76].copy_from_slice(&source.nbits.to_bits().to_le_bytes());
    bytes[76..].copy_from_slice(&nonce.to_le_bytes());
    Header::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    /// Bitcoin block 1, cut as in the Stratum V1 fact sheet: extranonce1 of four bytes, extranonce2 of two.
    fn block_one() -> Job {
        let previous = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
        let prefix = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704";
        let suffix = "ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c\
                      52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000";
        let source = BitcoinSource {
            version: 1,
            previous: Hash256::from_rpc_hex(previous).unwrap(),
            coinbase: CoinbaseHalves {
                prefix: hex::decode(prefix.as_bytes()).unwrap().into(),
                suffix: hex::decode(suffix.as_bytes()).unwrap().into(),
            },
            merkle_path: Box::new([]),
            nbits: CompactTarget::from_bits(0x1d00_ffff),
            ntime: 0x4966_bc61,
        };
        let terms = Terms {
            channel: ChannelId(0),
            id: JobId(1),
            share_target: Target::ZERO,
            extranonce_prefix: Extranonce::from_hex("ffff001d").unwrap(),
            extranonce2_len: 2,
            version_mask: 0x1fff_e000,
        };
        Job::new(Arc::new(JobBody::bitcoin(Algorithm::SHA256D, source, true).unwrap()), terms)
    }

    fn share(extranonce2: &str) -> Share {
        Share::new(
            ChannelId(0),
            JobId(1),
            Extranonce::from_hex(extranonce2).unwrap(),
            0x4966_bc61,
            0x9962_e301,
        )
    }

    #[test]
    fn block_one_is_rebuilt_and_met() {
        let job = block_one();
        let header = job.header(&share("0104")).unwrap();
        assert_eq!(
            hex::encode(header.as_bytes()),
            "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee1467\
             7ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299"
        );
        let digest = Digest::new(*Hash256::sha256d(header.as_bytes()).as_internal());
        let verdict = job.judge(digest).unwrap();
        assert!(verdict.met(Goal::BLOCK) && verdict.met(Goal::SHARE));
        assert_eq!(verdict.weight(), job.body().network_target().weight());
    }

    #[test]
    fn a_share_target_is_never_harder_than_the_network() {
        let job = block_one();
        assert_eq!(job.terms().share_target, job.body().network_target());
    }

    #[test]
    fn what_does_not_fit_the_terms_is_refused() {
        let job = block_one();
        let check = |share: Share| job.header(&share).map(|_| ());
        assert_eq!(check(share("01")), Err(Reject::Extranonce2Length { expected: 2, found: 1 }));
        assert_eq!(check(share("010400")), Err(Reject::Extranonce2Length { expected: 2, found: 3 }));
        let early = Share { ntime: 0x4966_bc60, ..share("0104") };
        assert_eq!(check(early), Err(Reject::TimeTooOld { ntime: 0x4966_bc60, earliest: 0x4966_bc61 }));
        let wide = Share { nonce: 1 << 32, ..share("0104") };
        assert_eq!(check(wide), Err(Reject::NonceTooWide(1 << 32)));
        let outside = Share { version_bits: Some(1), ..share("0104") };
        assert_eq!(check(outside), Err(Reject::VersionBits { bits: 1, mask: 0x1fff_e000 }));
    }

    #[test]
    fn a_claim_is_the_header_of_its_share() {
        let job = block_one();
        let rolled = Share { version_bits: Some(0x2000), ..share("0104") };
        let claim = job.claim(&rolled).unwrap();
        assert_eq!(claim.header(), job.header(&rolled).unwrap());
        let leaf = Hash256::sha256d(&claim.coinbase().unwrap().concat());
        assert_eq!(claim.header_over(&merkle_root(leaf, claim.merkle_path())), claim.header());
        let short = Err(Reject::Extranonce2Length { expected: 2, found: 1 });
        assert_eq!(job.claim(&share("01")).map(|_| ()), short);
    }

    #[test]
    fn rolled_bits_make_another_header() {
        let job = block_one();
        let rolled = Share { version_bits: Some(0x2000), ..share("0104") };
        let header = job.header(&rolled).unwrap();
        assert_eq!(header.as_bytes()[..4], 0x2001u32.to_le_bytes());
        assert_ne!(header, job.header(&share("0104")).unwrap());
    }

    #[test]
    fn without_a_mask_only_zero_bits_pass() {
        let job = block_one();
        let job = Job::new(job.body().clone(), Terms { version_mask: 0, ..*job.terms() });
        let rolled = |bits| job.header(&Share { version_bits: Some(bits), ..share("0104") });
        assert_eq!(rolled(0), job.header(&share("0104")));
        assert_eq!(rolled(0x2000), Err(Reject::VersionRollingOff));
    }

    #[test]
    fn a_digest_above_the_target_is_low() {
        let job = block_one();
        let reached = Target::from_be_bytes([0xff; 32]);
        let expected = Reject::LowDifficulty { reached, target: job.terms().share_target };
        assert_eq!(job.judge(Digest::new([0xff; 32])), Err(expected));
    }

    #[test]
    fn a_job_with_a_given_root_has_the_same_headers() {
        let job = block_one();
        let HeaderSource::Bitcoin(source) = &job.body().source else { panic!("made with a coinbase") };
        let merkle_root = job.merkle_root(&Extranonce::from_hex("0104").unwrap());
        let BitcoinSource { version, previous, nbits, ntime, .. } = *source;
        let standard = StandardSource { version, previous, merkle_root, nbits, ntime };
        let body = Arc::new(JobBody::standard(Algorithm::SHA256D, standard, true).unwrap());
        let prefix = Extranonce::from_hex("ffff001d0104").unwrap();
        let terms = Terms { extranonce_prefix: prefix, extranonce2_len: 0, ..*job.terms() };
        let claim = Job::new(body, terms).claim(&share("")).unwrap();
        assert_eq!(claim.header(), job.header(&share("0104")).unwrap());
        assert_eq!(claim.coinbase(), None);
        let refused = claim.job().claim(&share("0104")).unwrap_err();
        assert_eq!(refused, Reject::Extranonce2Length { expected: 0, found: 2 });
    }

    #[test]
    fn work_is_the_header_of_a_share() {
        let job = block_one();
        let work = job.work(&Extranonce::from_hex("0104").unwrap(), Generation(7)).unwrap();
        let header = work.header.with_nonce(work.algorithm, 0x9962_e301);
        assert_eq!(header, job.header(&share("0104")).unwrap());
        assert_eq!(work.generation, Generation(7));
        assert_eq!(work.target, job.terms().share_target);
    }
}
