//! Judging one share: the header, its digest, and what the digest is worth.

use otedama_core::{Algorithm, Digest, Header, Job, Reject, Share, Verdict};

use crate::error::{HashError, Unsupported};
use crate::{scrypt, sha256d};

/// Computes single digests of one algorithm and judges shares with them.
///
/// Cheap to make and to clone; one may be used by many threads at once. A scrypt digest works in 128 KiB of the
/// thread's stack and allocates nothing.
#[derive(Debug, Clone)]
pub struct Verifier {
    algorithm: Algorithm,
    digest: DigestFn,
}

type DigestFn = fn(&Header) -> Digest;

static DIGESTS: [(Algorithm, DigestFn); 2] =
    [(Algorithm::SHA256D, sha256d::digest), (Algorithm::SCRYPT, scrypt::digest)];

impl Verifier {
    /// A verifier of this algorithm.
    ///
    /// # Errors
    /// [`Unsupported`] if there is no code for it.
    pub fn new(algorithm: Algorithm) -> Result<Self, Unsupported> {
        let known = DIGESTS.iter().find(|(known, _)| *known == algorithm);
        let (_, digest) = known.ok_or(Unsupported(algorithm))?;
        Ok(Self { algorithm, digest: *digest })
    }

    /// What it computes.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest of the header's bytes as they are, also where they are not as many as the algorithm's headers have.
    #[must_use]
    pub fn digest(&self, header: &Header) -> Digest {
        (self.digest)(header)
    }

    /// Rebuilds the header that the share claims, hashes it, and says which of the job's goals it meets.
    ///
    /// Duplicates, stale jobs and times too far ahead are the caller's affair: they need memory or a clock.
    ///
    /// # Errors
    /// [`Reject`] for what [`Job::header`] and [`Job::judge`] refuse: the miner is at fault. A job of another
    /// algorithm than the verifier's is [`Reject::UnknownJob`].
    pub fn verify(&self, job: &Job, share: &Share) -> Result<Verdict, Reject> {
        if job.algorithm() != self.algorithm {
            return Err(Reject::UnknownJob);
        }
        let header = job.header(share)?;
        job.judge(self.digest(&header))
    }
}

/// The proof-of-work hash of exactly one header of the algorithm.
///
/// # Errors
/// [`HashError`] if there is no code for the algorithm or the bytes are not as many as its headers have.
pub fn hash(algorithm: Algorithm, header: &[u8]) -> Result<Digest, HashError> {
    let verifier = Verifier::new(algorithm)?;
    let wrong = HashError::Length { expected: algorithm.spec().header_len, found: header.len() };
    if header.len() != algorithm.spec().header_len {
        return Err(wrong);
    }
    Header::new(header).map(|header| verifier.digest(&header)).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use otedama_core::{AlgorithmSpec, Target};

    use super::*;

    #[test]
    fn headers_have_exactly_their_length() {
        for algorithm in [Algorithm::SHA256D, Algorithm::SCRYPT] {
            for found in [0, 79, 81, Header::MAX, Header::MAX + 1] {
                let error = HashError::Length { expected: 80, found };
                assert_eq!(hash(algorithm, &vec![0; found]), Err(error));
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "a whole scrypt takes minutes, and the stack is not the machine's")]
    fn a_small_stack_is_enough_for_scrypt() {
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let digest = thread.spawn(|| hash(Algorithm::SCRYPT, &[7; 80])).unwrap().join().unwrap();
        assert_eq!(digest, Ok(crate::oracle::digest(Algorithm::SCRYPT, &[7; 80]).unwrap()));
    }

    #[test]
    fn what_is_not_implemented_is_refused() {
        static OTHER: AlgorithmSpec = AlgorithmSpec::bitcoin_like("other", Target::MAX);
        let other = Algorithm::new(&OTHER);
        assert_eq!(hash(other, &[0; 80]), Err(HashError::Unsupported(Unsupported(other))));
        assert_eq!(Verifier::new(other).map(|_| ()), Err(Unsupported(other)));
    }
}
