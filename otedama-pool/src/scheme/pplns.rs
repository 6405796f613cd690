//! Pay per last N shares, where N is a multiple of the network's difficulty.

use otedama_core::{Amount, Factor, Target, Weight};

use super::{Payee, Scheme, SchemeError, ShareWindow};
use crate::account::Account;

/// Splits a reward over the shares of the last `factor` network difficulties, in proportion to their weight.
///
/// The oldest share counts with the part that lies within the window, so that a factor of 2 means exactly that. The
/// parts are exact to the last unit ([`Amount::split`]); ties go to the account that sorts first. While there are
/// fewer shares than the window is wide, those that there are share it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pplns {
    factor: Factor,
}

impl Pplns {
    /// A window of this many network difficulties.
    ///
    /// # Errors
    /// [`SchemeError::NoWindow`] for a factor of zero.
    pub const fn new(factor: Factor) -> Result<Self, SchemeError> {
        if factor.is_zero() { Err(SchemeError::NoWindow) } else { Ok(Self { factor }) }
    }
}

impl Scheme for Pplns {
    fn name(&self) -> &'static str {
        "pplns"
    }

    fn payee(&self) -> Payee {
        Payee::Pool
    }

    /// At least 1: a window narrower than one hash is one hash wide.
    fn span(&self, network: Target) -> Weight {
        self.factor.of(network.weight()).max(Weight::new(1))
    }

    fn split(
        &self,
        reward: Amount,
        finder: &Account,
        window: &ShareWindow,
        network: Target,
    ) -> Vec<(Account, Amount)> {
        let (accounts, weights): (Vec<_>, Vec<_>) = window.within(self.span(network)).into_iter().unzip();
        let Some(parts) = reward.split(&weights) else { return super::all_to(finder, reward) };
        accounts.into_iter().zip(parts).filter(|(_, part)| *part != Amount::ZERO).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(number: usize) -> Account {
        Account::new(format!("miner{number:07}"))
    }

    /// A network target whose blocks take this many hashes.
    fn network(hashes: u128) -> Target {
        Target::from_weight(Weight::new(hashes)).unwrap()
    }

    fn split(factor: &str, shares: &[(usize, u128)], hashes: u128, reward: u128) -> Vec<(String, u128)> {
        let scheme = Pplns::new(factor.parse().unwrap()).unwrap();
        let mut window = ShareWindow::default();
        for (miner, weight) in shares {
            window.push(&account(*miner), Weight::new(*weight), scheme.span(network(hashes)));
        }
        let parts = scheme.split(Amount::from_atomic(reward), &account(9), &window, network(hashes));
        parts.into_iter().map(|(account, part)| (account.to_string(), part.atomic())).collect()
    }

    fn named<const N: usize>(parts: [(usize, u128); N]) -> [(String, u128); N] {
        parts.map(|(miner, part)| (account(miner).to_string(), part))
    }

    #[test]
    fn the_window_is_a_multiple_of_the_network_difficulty() {
        let shares = [(0, 1000), (1, 60), (2, 40)];
        assert_eq!(split("1", &shares, 100, 50), named([(1, 30), (2, 20)]));
        assert_eq!(split("2.0", &shares, 100, 200), named([(0, 100), (1, 60), (2, 40)]));
        assert_eq!(split("0.5", &shares, 100, 50), named([(1, 10), (2, 40)]));
        assert_eq!(split("0.000001", &shares, 100, 50), named([(2, 50)]));
    }

    #[test]
    fn one_miner_has_it_all_and_without_shares_the_finder() {
        assert_eq!(split("2", &[(3, 1)], 100, 50), named([(3, 50)]));
        assert_eq!(split("2", &[], 100, 50), named([(9, 50)]));
        assert_eq!(split("2", &[], 100, 0), []);
        assert_eq!(split("2", &[(3, 1)], 100, 0), []);
    }

    #[test]
    fn who_would_get_nothing_is_left_out() {
        assert_eq!(split("2", &[(0, 1), (1, 99), (2, 100)], 100, 2), named([(1, 1), (2, 1)]));
    }

    #[test]
    fn a_window_of_zero_is_refused() {
        assert_eq!(Pplns::new(Factor::whole(0)), Err(SchemeError::NoWindow));
        assert_eq!(Pplns::new("0.0".parse().unwrap()), Err(SchemeError::NoWindow));
    }

    #[test]
    fn one_to_a_million_miners_share_to_the_last_unit() {
        let scheme = Pplns::new(Factor::whole(1)).unwrap();
        let target = network(1 << 60);
        for miners in [1, 2, 3, 10, 999, 100_000, 1_000_000] {
            let mut window = ShareWindow::default();
            for number in 0..miners {
                let weight = Weight::new(1 + (number as u128 * 7919) % 1009);
                window.push(&account(number), weight, scheme.span(target));
            }
            let reward = Amount::from_atomic(312_500_007);
            let parts = scheme.split(reward, &account(0), &window, target);
            assert_eq!(parts.len(), miners);
            assert_eq!(Amount::checked_sum(parts.iter().map(|(_, part)| *part)), Some(reward));
            assert!(parts.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    proptest! {
        #[test]
        fn every_split_is_exact(
            shares in prop::collection::vec((0usize..20, 1u128..1 << 60), 0..200),
            hashes in 1u128..1 << 62,
            reward in 0u128..1 << 100,
            factor in 1u32..50,
        ) {
            let parts = split(&factor.to_string(), &shares, hashes, reward);
            prop_assert_eq!(parts.iter().map(|(_, part)| *part).sum::<u128>(), reward);
            prop_assert!(parts.iter().all(|(_, part)| *part > 0));
            prop_assert!(parts.is_sorted_by(|a, b| a.0 < b.0), "no account stands there twice");
        }
    }
}
