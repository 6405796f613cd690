//! Judging one share: the header, its digest, and what the digest is worth.

use otedama_core::{Algorithm, Digest, Header, Job, Reject, Seed, Share, Verdict};

use crate::error::{HashError, Unsupported};
use crate::{scrypt, sha256d};

/// Computes single digests of one algorithm and judges shares with them.
///
/// Cheap to make and to clone; one may be used by many threads at once. A scrypt digest allocates 128 KiB while it is
/// computed. The first digest of RandomX makes its tables, 256 MiB in half a second; clones share them, so clone rather
/// than make another one.
#[derive(Debug, Clone)]
pub struct Verifier {
    algorithm: Algorithm,
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Plain(DigestFn),
    #[cfg(feature = "randomx")]
    RandomX(crate::randomx::Verifier),
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
        #[cfg(feature = "randomx")]
        if algorithm == Algorithm::RANDOMX {
            return Ok(Self { algorithm, engine: Engine::RandomX(crate::randomx::Verifier::new()) });
        }
        let known = DIGESTS.iter().find(|(known, _)| *known == algorithm);
        let (_, digest) = known.ok_or(Unsupported(algorithm))?;
        Ok(Self { algorithm, engine: Engine::Plain(*digest) })
    }

    /// What it computes.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest of the header's bytes as they are, also where they are not as many as the algorithm's headers have.
    /// For RandomX with the seed of test chains; the verifier of the module `randomx` takes any.
    #[must_use]
    pub fn digest(&self, header: &Header) -> Digest {
        self.digest_for(Seed::DEVNET, header)
    }

    /// Ends the process where there is no memory, as every other allocation does.
    #[cfg_attr(not(feature = "randomx"), expect(unused_variables, reason = "nothing else has a seed"))]
    fn digest_for(&self, seed: Seed, header: &Header) -> Digest {
        match &self.engine {
            Engine::Plain(digest) => digest(header),
            #[cfg(feature = "randomx")]
            Engine::RandomX(verifier) => verifier.prepared_digest(&seed, header.as_bytes()),
        }
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
        job.judge(self.digest_for(job.body().seed.unwrap_or(Seed::DEVNET), &header))
    }
}

/// The proof-of-work hash of exactly one header of the algorithm.
///
/// # Errors
/// [`HashError`] if there is no code for the algorithm or the bytes are not as many as its headers have.
pub fn hash(algorithm: Algorithm, header: &[u8]) -> Result<Digest, HashError> {
    // A digest without a seed means nothing.
    if algorithm == Algorithm::RANDOMX {
        return Err(Unsupported(algorithm).into());
    }
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
    fn what_is_not_implemented_is_refused() {
        static OTHER: AlgorithmSpec = AlgorithmSpec::bitcoin_like("other", Target::MAX);
        let other = Algorithm::new(&OTHER);
        assert_eq!(hash(other, &[0; 80]), Err(HashError::Unsupported(Unsupported(other))));
        assert_eq!(Verifier::new(other).map(|_| ()), Err(Unsupported(other)));
    }
}
