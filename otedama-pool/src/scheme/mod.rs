//! How a reward is split.

use std::fmt::Debug;

use otedama_core::{Amount, Factor, Target, Weight};

use crate::account::Account;

mod intern;
mod pplns;
mod solo;
mod window;

pub use pplns::Pplns;
pub use solo::Solo;
pub use window::ShareWindow;

/// Splits a reward over a window of shares. Pure: the same window gives the same split.
pub trait Scheme: Debug + Send + Sync {
    /// Its name in configuration: `solo`, `pplns`.
    fn name(&self) -> &'static str;

    /// Whom the coinbase pays.
    fn payee(&self) -> Payee;

    /// How much weight of shares matters, counted back from the newest, while the network has this target.
    fn span(&self, network: Target) -> Weight;

    /// Splits `reward`, what is left after the fee, among accounts. The parts add up to exactly `reward`, no account
    /// stands there twice, and none gets zero.
    ///
    /// `window` reaches back from the share that found the block, which is its newest, at least as far as
    /// [`span`](Self::span).
    fn split(
        &self,
        reward: Amount,
        finder: &Account,
        window: &ShareWindow,
        network: Target,
    ) -> Vec<(Account, Amount)>;
}

impl Scheme for Box<dyn Scheme> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn payee(&self) -> Payee {
        (**self).payee()
    }

    fn span(&self, network: Target) -> Weight {
        (**self).span(network)
    }

    fn split(
        &self,
        reward: Amount,
        finder: &Account,
        window: &ShareWindow,
        network: Target,
    ) -> Vec<(Account, Amount)> {
        (**self).split(reward, finder, window, network)
    }
}

/// Marks a scheme under which the pool never owes anybody: the coinbase pays at once. Only such a pool may run without a
/// journal.
pub trait OwesNothing: Scheme {}

impl OwesNothing for Solo {}

/// Whom the coinbase pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Payee {
    /// The pool's address; miners are paid later, from the books.
    Pool,
    /// The address of the miner who finds the block; each address has a coinbase of its own.
    Finder,
}

/// Why there is no such scheme. The configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// No built-in scheme has this name.
    #[error("unknown reward scheme {0:?}, known are pplns and solo")]
    Unknown(String),
    /// A window of width zero, over which nothing can be split.
    #[error("the window of the reward scheme is zero")]
    NoWindow,
}

/// The built-in scheme of this name. `window` is the width of a PPLNS window in network difficulties; the others
/// ignore it.
///
/// # Errors
/// [`SchemeError`] for an unknown name, or a window of zero where one is needed.
pub fn by_name(name: &str, window: Factor) -> Result<Box<dyn Scheme>, SchemeError> {
    match name {
        "pplns" => Ok(Box::new(Pplns::new(window)?)),
        "solo" => Ok(Box::new(Solo)),
        _ => Err(SchemeError::Unknown(name.to_string())),
    }
}

fn all_to(account: &Account, reward: Amount) -> Vec<(Account, Amount)> {
    if reward == Amount::ZERO { Vec::new() } else { vec![(account.clone(), reward)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_found_by_name() {
        for name in ["pplns", "solo"] {
            assert_eq!(by_name(name, Factor::whole(2)).map(|scheme| scheme.name()), Ok(name));
        }
        let error =
            |name, factor| by_name(name, Factor::whole(factor)).map(|scheme| scheme.name()).unwrap_err();
        assert_eq!(error("PPLNS", 2), SchemeError::Unknown("PPLNS".into()));
        assert_eq!(error("pplns", 0), SchemeError::NoWindow);
        assert!(by_name("solo", Factor::whole(0)).is_ok());
    }

    #[test]
    fn solo_gives_all_to_the_finder() {
        let (finder, window) = (Account::new("f"), ShareWindow::default());
        let split = |reward| Solo.split(Amount::from_atomic(reward), &finder, &window, Target::MAX);
        assert_eq!(split(5), [(finder.clone(), Amount::from_atomic(5))]);
        assert_eq!(split(0), []);
        assert_eq!((Solo.payee(), Solo.span(Target::MAX)), (Payee::Finder, Weight::ZERO));
    }
}
