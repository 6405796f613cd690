//! A reward scheme of one's own: the finder of a block gets a bonus, the rest goes by PPLNS.

use otedama_core::{Amount, CompactTarget, Factor, Percent, Target, Weight};
use otedama_examples::Failure;
use otedama_pool::Account;
use otedama_pool::scheme::{Payee, Pplns, Scheme, ShareWindow};

/// PPLNS after a bonus for the finder.
#[derive(Debug)]
struct Bonus {
    bonus: Percent,
    rest: Pplns,
}

impl Scheme for Bonus {
    fn name(&self) -> &'static str {
        "bonus"
    }

    fn payee(&self) -> Payee {
        Payee::Pool
    }

    fn span(&self, network: Target) -> Weight {
        self.rest.span(network)
    }

    fn split(
        &self,
        reward: Amount,
        finder: &Account,
        window: &ShareWindow,
        network: Target,
    ) -> Vec<(Account, Amount)> {
        let bonus = reward.percent(self.bonus);
        let rest = reward.checked_sub(bonus).unwrap_or(Amount::ZERO);
        let mut parts = self.rest.split(rest, finder, window, network);
        if bonus != Amount::ZERO {
            match parts.iter_mut().find(|(account, _)| account == finder) {
                // Both are parts of one reward, so their sum is one as well.
                Some((_, part)) => *part = part.checked_add(bonus).unwrap_or(*part),
                None => parts.push((finder.clone(), bonus)),
            }
        }
        parts
    }
}

fn main() -> Result<(), Failure> {
    let network = CompactTarget::from_bits(0x1d00_ffff).target()?;
    let scheme = Bonus { bonus: "10".parse()?, rest: Pplns::new(Factor::whole(2))? };
    let (alice, bob) = (Account::new("alice"), Account::new("bob"));
    let mut window = ShareWindow::default();
    for account in [&alice, &alice, &alice, &bob] {
        window.push(account, Weight::new(1_000_000), scheme.span(network));
    }
    let reward = Amount::from_atomic(5_000_000_000);
    let parts = scheme.split(reward, &bob, &window, network);
    for (account, part) in &parts {
        println!("{account} gets {part}");
    }
    let sum = Amount::checked_sum(parts.iter().map(|(_, part)| *part));
    if sum == Some(reward) { Ok(()) } else { Err("the parts are not the whole".into()) }
}
