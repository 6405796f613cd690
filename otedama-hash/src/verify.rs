//! Judging one share: the header, its digest, and what the digest is worth.

use otedama_core::{Algorithm, Claim, Digest, Header, Job, Reject, Seed, Share, Verdict};

use crate::error::{HashError, Unsupported};
use crate::ethash::scanner::input;
use crate::ethash::{Epoch, Tables};
use crate::{blake3, claims, scrypt, sha256d};

/// Computes single digests of one algorithm and judges shares with them.
///
/// Cheap to make and to clone; one may be used by many threads at once. A scrypt digest works in 128 KiB of the
/// thread's stack and allocates nothing. The first digest of RandomX makes its tables, 256 MiB in half a second; clones
/// share them, so clone rather than make another one.
#[derive(Debug, Clone)]
pub struct Verifier {
    algorithm: Algorithm,
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Plain(DigestFn),
    /// With the tables of test chains.
    Ethash(std::sync::Arc<crate::ethash::Tables>),
    #[cfg(feature = "randomx")]
    RandomX(crate::randomx::Verifier),
}

type DigestFn = fn(&Header) -> Digest;

static DIGESTS: [(Algorithm, DigestFn); 4] = [
    (Algorithm::SHA256D, sha256d::digest),
    (Algorithm::SCRYPT, scrypt::digest),
    (Algorithm::BLAKE3_DECRED, blake3::decred::digest),
    (Algorithm::BLAKE3_ALEPHIUM, blake3::alephium::digest),
];

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
        if let Ok(tables) = Tables::of_test_chains(algorithm, crate::ethash::Engine::best()) {
            return Ok(Self { algorithm, engine: Engine::Ethash(tables.into()) });
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
    /// For RandomX with the seed of test chains; the verifier of the module `randomx` takes any. For Ethash and its
    /// relatives with the tables of test chains; [`ethash::Verifier`](crate::ethash::Verifier) takes any epoch.
    #[must_use]
    pub fn digest(&self, header: &Header) -> Digest {
        self.digest_for(Seed::DEVNET, header)
    }

    /// Ends the process where there is no memory, as every other allocation does.
    #[cfg_attr(not(feature = "randomx"), expect(unused_variables, reason = "nothing else has a seed"))]
    fn digest_for(&self, seed: Seed, header: &Header) -> Digest {
        match &self.engine {
            Engine::Plain(digest) => digest(header),
            Engine::Ethash(tables) => tables.hash(&input(header, 0)).digest,
            #[cfg(feature = "randomx")]
            Engine::RandomX(verifier) => verifier.prepared_digest(&seed, header.as_bytes()),
        }
    }

    /// The digests of the claims' headers, in their order.
    ///
    /// Many at once cost less than one after the other, most of all neighbours that are claims on one job or on jobs of
    /// one template.
    #[must_use]
    pub fn digests<'a>(&self, claims: impl IntoIterator<Item = &'a Claim>) -> Vec<Digest> {
        if self.algorithm == Algorithm::SHA256D {
            return claims::sha256d(&claims.into_iter().collect::<Vec<_>>());
        }
        let seed = |claim: &Claim| claim.job().body().seed.unwrap_or(Seed::DEVNET);
        claims.into_iter().map(|claim| self.digest_for(seed(claim), &claim.header())).collect()
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
    // A digest without a seed or an epoch means nothing.
    if algorithm == Algorithm::RANDOMX || Epoch::of_test_chains(algorithm).is_ok() {
        return Err(Unsupported(algorithm).into());
    }
    let verifier = Verifier::new(algorithm)?;
    HashError::check_length(algorithm, header.len())?;
    let too_long = HashError::Length { expected: Header::MAX, found: header.len() };
    Header::new(header).map(|header| verifier.digest(&header)).ok_or(too_long)
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
        for found in [0, 133, 327, Header::MAX, Header::MAX + 1] {
            let error = HashError::Lengths { shortest: 134, longest: 326, found };
            assert_eq!(hash(Algorithm::BLAKE3_ALEPHIUM, &vec![0; found]), Err(error));
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
