//! The search space of a job, handed out in slices that never overlap.

use std::sync::Arc;

use otedama_core::{Extranonce, Generation, HeaderSource, Job, Reject, Rolls, Share, Solution, Work};
use otedama_hash::NonceRange;

use crate::limits::MAX_TIME_ROLL;

/// All headers that a job allows, in order: nonces, then extranonce2, then version bits, then time.
///
/// When all nonces of an extranonce2 are handed out, the next extranonce2 follows. When the channel's extranonce2 is
/// used up, the free version bits are rolled, and then the time is moved forward, second by second, at most
/// [`MAX_TIME_ROLL`] seconds. A channel without extranonce2 starts with version bits. Then it is exhausted.
#[derive(Debug, Clone)]
pub struct Space {
    job: Job,
    /// Where the next slice starts.
    next: Option<Position>,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    nonce: u64,
    extranonce2: u64,
    version_bits: Option<u32>,
    ntime: u32,
}

impl Position {
    const fn start(ntime: u32) -> Self {
        Self { nonce: 0, extranonce2: 0, version_bits: None, ntime }
    }
}

/// A part of a job's search space: one header, and the nonces to try in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slice {
    /// What the miner puts into the coinbase.
    pub extranonce2: Extranonce,
    /// Version bits to roll in, `None` for the job's own version.
    pub version_bits: Option<u32>,
    /// The header's time.
    pub ntime: u32,
    /// The nonces. They do not wrap.
    pub nonces: NonceRange,
}

impl Space {
    /// The whole space of a job. Empty for a kind of header that this crate does not know.
    #[must_use]
    pub fn new(job: Job) -> Self {
        let next = version_and_time(&job).map(|(_, ntime)| Position::start(ntime));
        Self { job, next }
    }

    /// The space of a job that follows this one's. If both make the same headers (only the share target or the number
    /// changed), it goes on where this one is, so that nothing is hashed twice.
    #[must_use]
    pub fn followed_by(self, job: Job) -> Self {
        if same_headers(&self.job, &job) { Self { job, ..self } } else { Self::new(job) }
    }

    /// The next slice, of at most `count` nonces and at least one; `None` if everything is handed out.
    pub fn take(&mut self, count: u64) -> Option<Slice> {
        let position = self.next?;
        let len = self.job.terms().extranonce2_len;
        let Some(extranonce2) = Extranonce::from_counter(position.extranonce2, len) else {
            self.next = None;
            return None;
        };
        let last = self.job.algorithm().max_nonce();
        let count = count.clamp(1, (last - position.nonce).saturating_add(1));
        self.next = match position.nonce.checked_add(count) {
            Some(nonce) if nonce <= last => Some(Position { nonce, ..position }),
            _ => self.next_header(position),
        };
        let Position { nonce, version_bits, ntime, .. } = position;
        Some(Slice { extranonce2, version_bits, ntime, nonces: NonceRange::new(nonce, count) })
    }

    /// Whether everything is handed out.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.next.is_none()
    }

    /// Where the header after this one starts.
    fn next_header(&self, position: Position) -> Option<Position> {
        let (version, start) = version_and_time(&self.job)?;
        let Position { extranonce2, version_bits, ntime, .. } = position;
        let len = self.job.terms().extranonce2_len;
        let next = extranonce2.checked_add(1).filter(|next| Extranonce::from_counter(*next, len).is_some());
        if let Some(extranonce2) = next {
            return Some(Position { nonce: 0, extranonce2, ..position });
        }
        if let Some(bits) = next_version_bits(version_bits, version, self.job.terms().version_mask) {
            return Some(Position { version_bits: Some(bits), ..Position::start(ntime) });
        }
        let later = ntime.checked_add(1).filter(|later| later - start <= MAX_TIME_ROLL)?;
        Some(Position::start(later))
    }
}

/// The subset of the mask after this one. The job's own version comes first, as `None`, and is not repeated.
fn next_version_bits(bits: Option<u32>, version: u32, mask: u32) -> Option<u32> {
    // Subtracting the mask carries a one through the bits that are not in it: a counter over its subsets.
    let successor = |bits: u32| Some(bits.wrapping_sub(mask) & mask).filter(|next| *next != 0);
    let own = version & mask;
    let next = bits.map_or(Some(0).filter(|_| mask != 0), successor);
    if next == Some(own) { successor(own) } else { next }
}

impl Slice {
    /// What a scanner is given: this header, and nothing to roll but the nonce.
    ///
    /// # Errors
    /// [`Reject`] if the slice is not of this job.
    pub fn work(&self, job: &Job, generation: Generation) -> Result<Work, Reject> {
        let mut work = job.work(&self.extranonce2, generation)?;
        work.header = job.header(&self.share(job, Solution::new(generation, 0)))?;
        work.rolls = Rolls::default();
        Ok(work)
    }

    /// The claim that a solution in this slice makes. Whatever else than the nonce the device says it rolled is
    /// ignored: the slice's header is what it was given.
    #[must_use]
    pub fn share(&self, job: &Job, solution: Solution) -> Share {
        let mut share = Share::from_solution(job, self.extranonce2, solution);
        share.extranonce2 = self.extranonce2;
        share.version_bits = self.version_bits;
        share.ntime = self.ntime;
        share
    }
}

fn version_and_time(job: &Job) -> Option<(u32, u32)> {
    match &job.body().source {
        HeaderSource::Bitcoin(_) | HeaderSource::Standard(_) => {
            Some((job.body().version(), job.body().ntime()))
        }
        _ => None,
    }
}

fn same_headers(one: &Job, other: &Job) -> bool {
    let key = |job: &Job| {
        let terms = *job.terms();
        (terms.extranonce_prefix, terms.extranonce2_len, terms.version_mask)
    };
    let same_body = Arc::ptr_eq(one.body(), other.body())
        || (one.algorithm() == other.algorithm() && one.body().source == other.body().source);
    same_body && key(one) == key(other)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use otedama_core::{
        Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Hash256, JobBody, JobId, Target,
        Terms,
    };
    use proptest::prelude::*;

    use super::*;

    const ALL: u64 = 1 << 32;

    fn body() -> Arc<JobBody> {
        let source = BitcoinSource {
            version: 0x2000_2000,
            previous: Hash256::ZERO,
            coinbase: CoinbaseHalves { prefix: Box::new([1]), suffix: Box::new([2]) },
            merkle_path: Box::new([]),
            nbits: CompactTarget::from_bits(0x1d00_ffff),
            ntime: 1000,
        };
        Arc::new(JobBody::bitcoin(Algorithm::SHA256D, source, true).unwrap())
    }

    fn job(body: &Arc<JobBody>, id: u32, extranonce2_len: usize, version_mask: u32) -> Job {
        let terms = Terms {
            channel: ChannelId(0),
            id: JobId(id),
            share_target: Target::MAX,
            extranonce_prefix: Extranonce::EMPTY,
            extranonce2_len,
            version_mask,
        };
        Job::new(Arc::clone(body), terms)
    }

    /// Everything that is left, whole headers at a time.
    fn headers(space: &mut Space) -> Vec<Slice> {
        std::iter::from_fn(|| space.take(u64::MAX)).collect()
    }

    #[test]
    fn without_anything_to_roll_time_moves_and_ends() {
        let mut space = Space::new(job(&body(), 1, 0, 0));
        let times: Vec<u32> = headers(&mut space).iter().map(|slice| slice.ntime).collect();
        assert_eq!(times, (1000..=1000 + MAX_TIME_ROLL).collect::<Vec<_>>());
        assert!(space.is_exhausted());
        assert_eq!(space.take(1), None);
    }

    #[test]
    fn extranonce2_comes_before_version_bits_before_time() {
        let mut space = Space::new(job(&body(), 1, 1, 0x6000));
        let slices = headers(&mut space);
        assert_eq!(slices.len(), 256 * 4 * (1 + MAX_TIME_ROLL as usize));
        assert!(slices.iter().all(|slice| slice.nonces == NonceRange::new(0, ALL)));
        assert_eq!(slices[255].extranonce2, Extranonce::new(&[255]).unwrap());
        let bits: Vec<_> = slices.iter().step_by(256).take(5).map(|slice| slice.version_bits).collect();
        // 0x2000 is what the job's version has anyway.
        assert_eq!(bits, [None, Some(0), Some(0x4000), Some(0x6000), None]);
        assert_eq!((slices[1023].ntime, slices[1024].ntime), (1000, 1001));
    }

    #[test]
    fn every_header_is_another_one() {
        let job = job(&body(), 1, 1, 0x6000);
        let mut space = Space::new(job.clone());
        let headers = headers(&mut space);
        let distinct: HashSet<_> =
            headers[..2100].iter().map(|slice| slice.work(&job, Generation(1)).unwrap().header).collect();
        assert_eq!(distinct.len(), 2100);
    }

    #[test]
    fn the_share_of_a_slice_claims_the_header_of_its_work() {
        let job = job(&body(), 9, 1, 0x6000);
        let slice = headers(&mut Space::new(job.clone()))[256 * 4 + 256 + 7];
        assert_eq!((slice.version_bits, slice.ntime), (Some(0), 1001));
        let work = slice.work(&job, Generation(3)).unwrap();
        assert_eq!((work.generation, work.rolls.version_mask), (Generation(3), 0));
        let share = slice.share(&job, Solution::new(Generation(3), 77));
        let claimed = job.header(&share).unwrap();
        assert_eq!(claimed, work.header.with_nonce(Algorithm::SHA256D, 77));
        assert_eq!((share.job, share.nonce), (JobId(9), 77));
    }

    #[test]
    fn the_same_headers_are_not_handed_out_again() {
        let body = body();
        let mut space = Space::new(job(&body, 1, 1, 0));
        space.take(10);
        let mut same = space.clone().followed_by(job(&body, 2, 1, 0));
        assert_eq!(same.take(5).unwrap().nonces, NonceRange::new(10, 5));
        let mut longer = space.clone().followed_by(job(&body, 2, 2, 0));
        assert_eq!(longer.take(5).unwrap().nonces, NonceRange::new(0, 5));
        let mut told_twice = space.clone().followed_by(job(&self::body(), 2, 1, 0));
        assert_eq!(
            told_twice.take(5).unwrap().nonces,
            NonceRange::new(10, 5),
            "a pool may send the same job twice"
        );
        let mut changed = JobBody::clone(&body);
        let HeaderSource::Bitcoin(source) = &mut changed.source else { panic!("{changed:?}") };
        source.coinbase.prefix[0] ^= 1;
        let mut other = space.followed_by(job(&Arc::new(changed), 2, 1, 0));
        assert_eq!(other.take(5).unwrap().nonces, NonceRange::new(0, 5));
    }

    #[test]
    fn an_extranonce2_that_cannot_be_is_an_empty_space() {
        let mut space = Space::new(job(&body(), 1, 33, 0));
        assert_eq!(space.take(1), None);
        assert!(space.is_exhausted());
    }

    proptest! {
        /// Slices of any sizes, one behind the other, are the nonces of header after header: no gap, no overlap.
        #[test]
        fn slices_cover_and_never_overlap(
            counts in prop::collection::vec(prop_oneof![0u64..3, 1u64 << 28..1 << 33, any::<u64>()], 1..80),
        ) {
            let mut space = Space::new(job(&body(), 1, 1, 0));
            let (mut header, mut nonce) = (0u64, 0);
            for count in counts {
                let slice = space.take(count).unwrap();
                prop_assert_eq!(slice.extranonce2, Extranonce::from_counter(header, 1).unwrap());
                prop_assert_eq!(slice.nonces.start, nonce);
                prop_assert!(slice.nonces.count >= 1 && slice.nonces.count <= count.max(1));
                nonce += slice.nonces.count;
                prop_assert!(nonce <= ALL);
                prop_assert!(nonce == ALL || slice.nonces.count == count.max(1), "only a header's end shortens");
                if nonce == ALL {
                    (header, nonce) = (header + 1, 0);
                }
            }
        }
    }
}
