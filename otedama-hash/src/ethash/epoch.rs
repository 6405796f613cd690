//! Epochs: which blocks share tables, how large these are, and what they are made from.

use core::fmt;

use otedama_core::{Algorithm, Seed};

use super::EthashError;
use super::limits::MAX_EPOCH;
use crate::keccak::keccak256_of_32;

/// The blocks of Ethereum's and Ravencoin's epochs, and of those of Ethereum Classic since ECIP-1099.
const ETHASH_BLOCKS: u64 = 30_000;
const KAWPOW_BLOCKS: u64 = 7_500;
const ETCHASH_BLOCKS: u64 = 60_000;
/// The block with which ECIP-1099 began on the main net, and the first epoch since.
const ETCHASH_FORK: u64 = 11_700_000;
const ETCHASH_FIRST: u32 = 195;

/// A node, which the cache has a prime number of, and a page, which the dataset has a prime number of.
const NODE: u64 = 64;
const PAGE: u64 = 128;
/// Nodes and items of the tables of test chains.
const TEST_NODES: u32 = 16;
const TEST_ITEMS: u32 = 512;

/// What decides the tables of Ethash and its relatives. Equal epochs have equal tables.
///
/// Etchash has an epoch's sizes from one number and its seed from another, so it has epochs of its own since ECIP-1099;
/// those before are the ones of Ethash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    parents: Parents,
    /// Decides the sizes; `None` for test chains.
    number: Option<u32>,
    /// How often zeros are hashed to make the seed.
    seed_rounds: u32,
}

/// Nodes of the cache that go into an item of the dataset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Parents {
    /// 256, for Ethash and Etchash.
    Ethash,
    /// 512, for `KawPow`.
    Kawpow,
}

impl Parents {
    fn of(algorithm: Algorithm) -> Result<Self, EthashError> {
        if algorithm == Algorithm::KAWPOW {
            Ok(Self::Kawpow)
        } else if algorithm == Algorithm::ETHASH || algorithm == Algorithm::ETCHASH {
            Ok(Self::Ethash)
        } else {
            Err(crate::Unsupported(algorithm).into())
        }
    }
}

impl Epoch {
    /// The epoch of a block on the algorithm's main net. Any height is safe to ask for: nothing is allocated.
    ///
    /// # Errors
    /// [`EthashError::Height`] if the epoch would be beyond [`MAX_EPOCH`]: whoever said the height is at fault.
    /// [`EthashError::Unsupported`] if the algorithm has no epochs.
    pub fn at(algorithm: Algorithm, height: u64) -> Result<Self, EthashError> {
        let number = |blocks| u32::try_from(height / blocks).map_err(|_| EthashError::Height(height));
        let beyond =
            |error| if matches!(error, EthashError::Epoch(_)) { EthashError::Height(height) } else { error };
        let parents = Parents::of(algorithm)?;
        match parents {
            Parents::Kawpow => Self::new(algorithm, number(KAWPOW_BLOCKS)?).map_err(beyond),
            Parents::Ethash if algorithm == Algorithm::ETCHASH && height >= ETCHASH_FORK => {
                Self::new(algorithm, number(ETCHASH_BLOCKS)?).map_err(beyond)
            }
            Parents::Ethash => Self::new(Algorithm::ETHASH, number(ETHASH_BLOCKS)?).map_err(beyond),
        }
    }

    /// The epoch of a number; for Etchash as they are counted since ECIP-1099, those before are Ethash's.
    ///
    /// # Errors
    /// [`EthashError::Epoch`] if it is beyond [`MAX_EPOCH`], [`EthashError::Unsupported`] if the algorithm has no
    /// epochs.
    pub fn new(algorithm: Algorithm, number: u32) -> Result<Self, EthashError> {
        let parents = Parents::of(algorithm)?;
        if number > MAX_EPOCH {
            return Err(EthashError::Epoch(number));
        }
        let seed_rounds = if algorithm == Algorithm::ETCHASH { 2 * number } else { number };
        Ok(Self { parents, number: Some(number), seed_rounds })
    }

    /// The epoch of a seed, as pools give it with their work. Looks through all seeds there are, which takes a
    /// millisecond: keep the answer.
    ///
    /// # Errors
    /// [`EthashError::Seed`] if no epoch has this seed: whoever said it is at fault. [`EthashError::Unsupported`] if
    /// the algorithm has no epochs.
    pub fn of_seed(algorithm: Algorithm, seed: &Seed) -> Result<Self, EthashError> {
        let etchash = algorithm == Algorithm::ETCHASH;
        Parents::of(algorithm)?;
        let last = if etchash { 2 * MAX_EPOCH } else { MAX_EPOCH };
        let mut bytes = [0; 32];
        for rounds in 0..=last {
            if bytes == seed.0 {
                return match rounds {
                    _ if !etchash => Self::new(algorithm, rounds),
                    before if before < 2 * ETCHASH_FIRST => Self::new(Algorithm::ETHASH, before),
                    odd if odd % 2 == 1 => Err(EthashError::Seed(*seed)),
                    even => Self::new(algorithm, even / 2),
                };
            }
            bytes = keccak256_of_32(&bytes);
        }
        Err(EthashError::Seed(*seed))
    }

    /// The tables of test chains: 1 KiB of cache, 32 KiB of dataset. Those of Ethash are the ones of go-ethereum's tests.
    ///
    /// # Errors
    /// [`EthashError::Unsupported`] if the algorithm has no epochs.
    pub fn of_test_chains(algorithm: Algorithm) -> Result<Self, EthashError> {
        Ok(Self { parents: Parents::of(algorithm)?, number: None, seed_rounds: 0 })
    }

    /// The number that decides the sizes; `None` for the tables of test chains.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        self.number
    }

    /// The epoch whose blocks come next; `None` after the last one, and for test chains. After the last epoch of Ethereum
    /// Classic before ECIP-1099 came one that is not its successor by this count.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let number = self.number?.checked_add(1).filter(|number| *number <= MAX_EPOCH)?;
        let step = if self.is_etchash() { 2 } else { 1 };
        Some(Self { number: Some(number), seed_rounds: self.seed_rounds + step, ..self })
    }

    fn is_etchash(self) -> bool {
        self.number.is_some_and(|number| number > 0 && self.seed_rounds == 2 * number)
    }

    /// What the cache is made from.
    #[must_use]
    pub fn seed(self) -> Seed {
        Seed((0..self.seed_rounds).fold([0; 32], |seed, _| keccak256_of_32(&seed)))
    }

    /// Nodes of the cache that go into an item of the dataset.
    #[must_use]
    pub const fn parents(self) -> u32 {
        match self.parents {
            Parents::Ethash => 256,
            Parents::Kawpow => 512,
        }
    }

    /// Whether it is `KawPow` whose tables these are.
    #[must_use]
    pub const fn is_kawpow(self) -> bool {
        matches!(self.parents, Parents::Kawpow)
    }

    /// Nodes of the cache, each of 64 bytes. Looks for a prime number: keep the answer.
    #[must_use]
    pub fn cache_nodes(self) -> u32 {
        self.number.map_or(TEST_NODES, |number| count((1 << 24) + (1 << 17) * u64::from(number), NODE))
    }

    /// Items of the dataset, each of 64 bytes. Looks for a prime number: keep the answer.
    #[must_use]
    pub fn dataset_items(self) -> u32 {
        self.number.map_or(TEST_ITEMS, |number| 2 * count((1 << 30) + (1 << 23) * u64::from(number), PAGE))
    }

    /// Bytes of the cache: at most 272 MiB.
    #[must_use]
    pub fn cache_bytes(self) -> u64 {
        NODE * u64::from(self.cache_nodes())
    }

    /// Bytes of the dataset: at most 17 GiB.
    #[must_use]
    pub fn dataset_bytes(self) -> u64 {
        NODE * u64::from(self.dataset_items())
    }
}

/// The largest prime number of units that lies below the bound, in steps of two.
fn count(bound: u64, unit: u64) -> u32 {
    let mut count = bound / unit - 1;
    while !is_prime(count) {
        count -= 2;
    }
    // The largest bound has 2^28 nodes.
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Of an odd number.
fn is_prime(number: u64) -> bool {
    (3..)
        .step_by(2)
        .take_while(|divisor| divisor * divisor <= number)
        .all(|divisor| !number.is_multiple_of(divisor))
}

impl fmt::Display for Epoch {
    /// `epoch 450 of ethash`, `epoch 195 of etchash`, `epoch 396 of kawpow`, `test chains of kawpow`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.parents {
            Parents::Kawpow => "kawpow",
            Parents::Ethash if self.is_etchash() => "etchash",
            Parents::Ethash => "ethash",
        };
        match self.number {
            Some(number) => write!(f, "epoch {number} of {name}"),
            None => write!(f, "test chains of {name}"),
        }
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    fn at(algorithm: Algorithm, height: u64) -> String {
        Epoch::at(algorithm, height).unwrap().to_string()
    }

    #[test]
    fn heights_belong_to_epochs() {
        let (ethash, etchash, kawpow) = (Algorithm::ETHASH, Algorithm::ETCHASH, Algorithm::KAWPOW);
        assert_eq!(at(ethash, 0), "epoch 0 of ethash");
        assert_eq!(at(ethash, 29_999), "epoch 0 of ethash");
        assert_eq!(at(ethash, 30_000), "epoch 1 of ethash");
        assert_eq!(at(ethash, 11_700_000), "epoch 390 of ethash");
        assert_eq!(at(etchash, 11_699_999), "epoch 389 of ethash");
        assert_eq!(at(etchash, 11_700_000), "epoch 195 of etchash");
        assert_eq!(at(etchash, 11_760_000), "epoch 196 of etchash");
        assert_eq!(at(kawpow, 7_499), "epoch 0 of kawpow");
        assert_eq!(at(kawpow, 2_976_179), "epoch 396 of kawpow");
        assert_ne!(Epoch::at(kawpow, 0), Epoch::at(ethash, 0), "an item has other parents");
    }

    #[test]
    fn hostile_heights_are_refused() {
        for algorithm in [Algorithm::ETHASH, Algorithm::ETCHASH, Algorithm::KAWPOW] {
            for height in [1 << 40, u64::MAX, i64::MIN.cast_unsigned(), 1 << 32, 60_000 * 2048] {
                assert_eq!(Epoch::at(algorithm, height), Err(EthashError::Height(height)));
            }
            assert_eq!(Epoch::new(algorithm, MAX_EPOCH + 1), Err(EthashError::Epoch(MAX_EPOCH + 1)));
            let last = Epoch::new(algorithm, MAX_EPOCH).unwrap();
            assert_eq!(last.next(), None);
            assert_eq!((last.cache_bytes(), last.dataset_bytes()), (285_081_536, 18_245_220_736));
        }
        let refused = Err(crate::Unsupported(Algorithm::SCRYPT).into());
        assert_eq!(Epoch::at(Algorithm::SCRYPT, 0), refused);
        assert_eq!(Epoch::of_test_chains(Algorithm::SCRYPT), refused);
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of hashes")]
    fn a_seed_names_its_epoch() {
        let (ethash, etchash, kawpow) = (Algorithm::ETHASH, Algorithm::ETCHASH, Algorithm::KAWPOW);
        for epoch in [
            Epoch::new(ethash, 0),
            Epoch::new(ethash, 3),
            Epoch::new(ethash, MAX_EPOCH),
            Epoch::new(etchash, 195),
            Epoch::new(etchash, MAX_EPOCH),
            Epoch::new(kawpow, 396),
            Epoch::at(etchash, 11_699_999),
        ] {
            let epoch = epoch.unwrap();
            let algorithm = if epoch.is_kawpow() {
                kawpow
            } else if epoch.is_etchash() || epoch.number() == Some(389) {
                etchash
            } else {
                ethash
            };
            assert_eq!(Epoch::of_seed(algorithm, &epoch.seed()), Ok(epoch));
        }
        assert_eq!(Epoch::new(ethash, 5).unwrap().seed().0, oracle::seed(5));
        let odd = Epoch::new(ethash, 391).unwrap().seed();
        assert_eq!(Epoch::of_seed(etchash, &odd), Err(EthashError::Seed(odd)));
        assert_eq!(Epoch::of_seed(ethash, &Seed::DEVNET), Err(EthashError::Seed(Seed::DEVNET)));
    }

    #[test]
    fn epochs_follow_each_other() {
        for algorithm in [Algorithm::ETHASH, Algorithm::ETCHASH, Algorithm::KAWPOW] {
            let [one, next] = [200, 201].map(|number| Epoch::new(algorithm, number).unwrap());
            assert_eq!(one.next(), Some(next));
        }
        assert_eq!(Epoch::of_test_chains(Algorithm::KAWPOW).unwrap().next(), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of prime numbers")]
    fn sizes_are_those_of_the_oracle() {
        for number in (0..=MAX_EPOCH).step_by(23) {
            let epoch = Epoch::new(Algorithm::ETHASH, number).unwrap();
            assert_eq!(epoch.cache_bytes(), oracle::cache_bytes(number));
            assert_eq!(epoch.dataset_bytes(), oracle::dataset_bytes(number));
        }
        let test = Epoch::of_test_chains(Algorithm::ETHASH).unwrap();
        assert_eq!((test.cache_bytes(), test.dataset_bytes()), (1 << 10, 32 << 10));
    }
}
