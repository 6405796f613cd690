//! Coins and their networks: what is fixed about each, apart from the proof-of-work function.

mod address;

use std::fmt;

use otedama_core::{Algorithm, Amount};

pub use address::{Address, AddressError};

/// A chain of blocks that the pool can mine: the constants that money and addresses depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coin {
    /// Lower-case name, as in configuration.
    pub name: &'static str,
    /// The short name that exchanges use.
    pub ticker: &'static str,
    /// The proof-of-work function.
    pub algorithm: Algorithm,
    /// Decimal places of one coin: 8 where the atomic unit is 10^-8 coins.
    pub decimals: u32,
    /// No sum of money on the chain is larger.
    pub max_supply: Amount,
    /// Blocks on top of a coinbase, itself included, before its outputs may be spent.
    pub maturity: u32,
    halvings: Option<Halvings>,
    forms: &'static [Forms],
}

/// A subsidy that halves every so many blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Halvings {
    initial: u128,
    interval: u32,
    interval_on_regtest: u32,
}

/// How addresses look on one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forms {
    chain: Chain,
    /// Version byte of a base58 key hash.
    p2pkh: u8,
    /// Version bytes of a base58 script hash; the first is the one to write.
    p2sh: &'static [u8],
    /// The human-readable part of a segwit address.
    hrp: &'static str,
    /// The human-readable part of an MWEB address, which a coinbase cannot pay.
    mweb: Option<&'static str>,
}

/// Which network of a coin a node follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Chain {
    /// The one with real money.
    Main,
    /// The public test network.
    Test,
    /// The fourth public test network of Bitcoin.
    Testnet4,
    /// Bitcoin's test network with signed blocks.
    Signet,
    /// A private chain on one's own machine.
    Regtest,
}

const COIN: u128 = 100_000_000;

static BITCOIN_FORMS: [Forms; 5] = [
    forms(Chain::Main, 0x00, &[0x05], "bc", None),
    forms(Chain::Test, 0x6f, &[0xc4], "tb", None),
    forms(Chain::Testnet4, 0x6f, &[0xc4], "tb", None),
    forms(Chain::Signet, 0x6f, &[0xc4], "tb", None),
    forms(Chain::Regtest, 0x6f, &[0xc4], "bcrt", None),
];

/// Litecoin reads two version bytes for script hashes: Bitcoin's, and its own, which it writes.
static LITECOIN_FORMS: [Forms; 3] = [
    forms(Chain::Main, 0x30, &[0x32, 0x05], "ltc", Some("ltcmweb")),
    forms(Chain::Test, 0x6f, &[0x3a, 0xc4], "tltc", Some("tmweb")),
    forms(Chain::Regtest, 0x6f, &[0x3a, 0xc4], "rltc", Some("tmweb")),
];

const fn forms(
    chain: Chain,
    p2pkh: u8,
    p2sh: &'static [u8],
    hrp: &'static str,
    mweb: Option<&'static str>,
) -> Forms {
    Forms { chain, p2pkh, p2sh, hrp, mweb }
}

impl Coin {
    /// Bitcoin.
    pub const BITCOIN: Self = Self {
        name: "bitcoin",
        ticker: "BTC",
        algorithm: Algorithm::SHA256D,
        decimals: 8,
        max_supply: Amount::from_atomic(21_000_000 * COIN),
        maturity: 100,
        halvings: Some(Halvings { initial: 50 * COIN, interval: 210_000, interval_on_regtest: 150 }),
        forms: &BITCOIN_FORMS,
    };

    /// Litecoin.
    pub const LITECOIN: Self = Self {
        name: "litecoin",
        ticker: "LTC",
        algorithm: Algorithm::SCRYPT,
        max_supply: Amount::from_atomic(84_000_000 * COIN),
        halvings: Some(Halvings { initial: 50 * COIN, interval: 840_000, interval_on_regtest: 150 }),
        forms: &LITECOIN_FORMS,
        ..Self::BITCOIN
    };

    /// All public coins. [`devnet`](Self::devnet) is not among them.
    pub const ALL: [Self; 2] = [Self::BITCOIN, Self::LITECOIN];

    /// The public coin of exactly this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|coin| coin.name == name)
    }

    /// Play money on an embedded chain: the address forms of Bitcoin's regtest
    /// whatever the algorithm, a maturity of one block, a subsidy of the chain's own choosing.
    #[must_use]
    pub const fn devnet(algorithm: Algorithm) -> Self {
        Self { name: "devnet", ticker: "DEV", algorithm, maturity: 1, halvings: None, ..Self::BITCOIN }
    }

    /// What a block at this height creates, without fees; `None` if the coin leaves that to its chain.
    #[must_use]
    pub fn subsidy(&self, chain: Chain, height: u32) -> Option<Amount> {
        let halvings = self.halvings?;
        let interval = if chain == Chain::Regtest { halvings.interval_on_regtest } else { halvings.interval };
        let subsidy = halvings.initial.checked_shr(height / interval).unwrap_or(0);
        Some(Amount::from_atomic(subsidy))
    }

    /// Reads an address on this network.
    ///
    /// # Errors
    /// [`AddressError`]: whoever wrote the address is at fault.
    pub fn address(&self, chain: Chain, text: &str) -> Result<Address, AddressError> {
        Address::parse(self, chain, text)
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Chain {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Main, Self::Test, Self::Testnet4, Self::Signet, Self::Regtest];

    /// The chain that nodes give this name to.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.name() == name)
    }

    /// What nodes call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Test => "test",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsidies_halve() {
        let btc = |height| Coin::BITCOIN.subsidy(Chain::Main, height).map(Amount::atomic);
        assert_eq!(btc(209_999), Some(5_000_000_000));
        assert_eq!(btc(210_000), Some(2_500_000_000));
        assert_eq!(btc(840_000), Some(312_500_000));
        assert_eq!(btc(33 * 210_000), Some(0));
        assert_eq!(btc(u32::MAX), Some(0));
        let ltc = Coin::LITECOIN.subsidy(Chain::Regtest, 434).map(Amount::atomic);
        assert_eq!(
            ltc,
            Some(1_250_000_000),
            "the value of a recorded template at that height, less its fees"
        );
        assert_eq!(Coin::devnet(Algorithm::SCRYPT).subsidy(Chain::Regtest, 1), None);
    }

    #[test]
    fn coins_and_chains_are_found_by_name() {
        assert_eq!(Coin::find("litecoin"), Some(Coin::LITECOIN));
        assert_eq!(Coin::find("Litecoin"), None);
        assert_eq!(Coin::find("devnet"), None);
        for chain in Chain::ALL {
            assert_eq!(Chain::find(chain.name()), Some(chain));
        }
        assert_eq!(Chain::find("testnet"), None);
    }
}
