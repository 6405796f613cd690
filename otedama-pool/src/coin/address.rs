//! Payout addresses: from text to the script that pays them.

use std::fmt;

use bech32::{Fe32, segwit};

use super::{Chain, Coin, Forms};
use crate::account::Account;

/// The longest address text of any kind read here, MWEB included.
const MAX_ADDRESS_LEN: usize = 128;

const OP_DUP: u8 = 0x76;
const OP_HASH160: u8 = 0xa9;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_CHECKSIG: u8 = 0xac;

/// A payout address on a known network, with the script that pays it.
///
/// Two spellings of one address are one value: the text is in normal form (bech32 in lower case, Litecoin's script
/// hashes with the version byte that Litecoin writes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    account: Account,
    script: Box<[u8]>,
}

/// Why a text is no address to pay to. Whoever wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It has no form that any known coin uses.
    #[error("not an address")]
    Malformed,
    /// It has the form of an address, but its checksum is wrong: a typing error.
    #[error("address with a wrong checksum")]
    Checksum,
    /// A bech32 address in upper and lower case, which the format forbids.
    #[error("address in mixed case")]
    MixedCase,
    /// Right coin, wrong network.
    #[error("this is a {found}-net address, the node is on {expected}")]
    WrongChain {
        /// Where the address belongs.
        found: Chain,
        /// Where it was to be used.
        expected: Chain,
    },
    /// An address of another coin.
    #[error("this is an address of {found}, not of {expected}")]
    WrongCoin {
        /// Whose address it is.
        found: &'static str,
        /// Whose was expected.
        expected: &'static str,
    },
    /// A coinbase pays transparent outputs only.
    #[error("an MWEB address cannot be paid by a coinbase; use a transparent one")]
    Mweb,
    /// The coin has no address forms on this network.
    #[error("{coin} has no known address forms on {chain}")]
    UnknownChain {
        /// The coin.
        coin: &'static str,
        /// The network.
        chain: Chain,
    },
}

impl Address {
    pub(super) fn parse(coin: &Coin, chain: Chain, text: &str) -> Result<Self, AddressError> {
        let unknown = AddressError::UnknownChain { coin: coin.name, chain };
        let here = coin.forms.iter().find(|forms| forms.chain == chain).ok_or(unknown)?;
        if text.len() > MAX_ADDRESS_LEN || !text.is_ascii() {
            return Err(AddressError::Malformed);
        }
        let place = Place { coin, here };
        match text.rsplit_once('1').map(|(hrp, _)| hrp.to_ascii_lowercase()) {
            Some(hrp) if known_hrp(&hrp) => place.bech32(&hrp, text),
            _ => place.base58(text),
        }
    }

    /// The address in normal form, as the books name its owner.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The output script that pays it.
    #[must_use]
    pub const fn script(&self) -> &[u8] {
        &self.script
    }
}

impl fmt::Display for Address {
    /// The normal form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account.fmt(f)
    }
}

/// Where an address is to be used.
struct Place<'a> {
    coin: &'a Coin,
    here: &'a Forms,
}

impl Place<'_> {
    fn bech32(&self, hrp: &str, text: &str) -> Result<Address, AddressError> {
        let has = |test: fn(&u8) -> bool| text.as_bytes().iter().any(test);
        if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
            return Err(AddressError::MixedCase);
        }
        if is_mweb(hrp) {
            return Err(AddressError::Mweb);
        }
        let (read, version, program) = segwit::decode(text).map_err(|_| AddressError::Checksum)?;
        self.belongs(|forms| forms.hrp == hrp)?;
        let normal = segwit::encode(read, version, &program).map_err(|_| AddressError::Malformed)?;
        let script = witness_script(version, &program).ok_or(AddressError::Malformed)?;
        Ok(Address { account: Account::new(normal.to_ascii_lowercase()), script })
    }

    fn base58(&self, text: &str) -> Result<Address, AddressError> {
        let bytes = bs58::decode(text).with_check(None).into_vec().map_err(|error| match error {
            bs58::decode::Error::InvalidChecksum { .. } => AddressError::Checksum,
            _ => AddressError::Malformed,
        })?;
        let [version, hash @ ..] = bytes.as_slice() else { return Err(AddressError::Malformed) };
        let hash: &[u8; 20] = hash.try_into().map_err(|_| AddressError::Malformed)?;
        self.belongs(|forms| forms.p2pkh == *version || forms.p2sh.contains(version))?;
        let (version, script) = if self.here.p2pkh == *version {
            (*version, [&[OP_DUP, OP_HASH160, 20], hash.as_slice(), &[OP_EQUALVERIFY, OP_CHECKSIG]].concat())
        } else {
            let written = self.here.p2sh.first().unwrap_or(version);
            (*written, [&[OP_HASH160, 20], hash.as_slice(), &[OP_EQUAL]].concat())
        };
        let normal = bs58::encode([&[version], hash.as_slice()].concat()).with_check().into_string();
        Ok(Address { account: Account::new(normal), script: script.into() })
    }

    /// Whether an address of this form may be used here, and if not, where it belongs.
    fn belongs(&self, matches: impl Fn(&Forms) -> bool) -> Result<(), AddressError> {
        if matches(self.here) {
            return Ok(());
        }
        if let Some(other) = self.coin.forms.iter().find(|forms| matches(forms)) {
            return Err(AddressError::WrongChain { found: other.chain, expected: self.here.chain });
        }
        match Coin::ALL.into_iter().find(|coin| coin.forms.iter().any(&matches)) {
            Some(other) => Err(AddressError::WrongCoin { found: other.name, expected: self.coin.name }),
            None => Err(AddressError::Malformed),
        }
    }
}

fn known_hrp(hrp: &str) -> bool {
    is_mweb(hrp) || Coin::ALL.iter().flat_map(|coin| coin.forms).any(|forms| forms.hrp == hrp)
}

fn is_mweb(hrp: &str) -> bool {
    Coin::ALL.iter().flat_map(|coin| coin.forms).any(|forms| forms.mweb == Some(hrp))
}

/// `OP_n` and a push of the program, which has 2 to 40 bytes.
fn witness_script(version: Fe32, program: &[u8]) -> Option<Box<[u8]>> {
    let opcode = match version.to_u8() {
        0 => 0,
        n @ 1..=16 => 0x50 + n,
        _ => return None,
    };
    Some([&[opcode, u8::try_from(program.len()).ok()?], program].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use otedama_core::{Algorithm, hex};

    fn read(coin: Coin, chain: Chain, text: &str) -> Result<(String, String), AddressError> {
        coin.address(chain, text).map(|address| (address.to_string(), hex::encode(address.script())))
    }

    /// Addresses and scripts as BIP 173, BIP 350 and the reference clients give them.
    #[test]
    fn known_addresses_have_their_known_scripts() {
        use Chain::{Main, Regtest, Test};
        let (btc, ltc) = (Coin::BITCOIN, Coin::LITECOIN);
        for (coin, chain, text, script) in [
            (
                btc,
                Main,
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
            ),
            (
                btc,
                Main,
                "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
                "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87",
            ),
            (
                btc,
                Main,
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                "0014751e76e8199196d454941c45d1b3a323f1433bd6",
            ),
            (
                btc,
                Test,
                "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
                "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
            ),
            (
                btc,
                Main,
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
                "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            ),
            (
                btc,
                Regtest,
                "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
                "0014751e76e8199196d454941c45d1b3a323f1433bd6",
            ),
            (
                ltc,
                Main,
                "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
                "0014751e76e8199196d454941c45d1b3a323f1433bd6",
            ),
        ] {
            assert_eq!(read(coin, chain, text), Ok((text.to_string(), script.to_string())));
        }
    }

    #[test]
    fn two_spellings_are_one_account() {
        let upper = read(Coin::BITCOIN, Chain::Main, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4").unwrap();
        assert_eq!(upper.0, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
        let (old, script) = (
            read(Coin::LITECOIN, Chain::Main, "3P14159f73E4gFr7JterCCQh9QjiTjiZrG").unwrap(),
            "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87",
        );
        assert!(old.0.starts_with('M') && old.1 == script);
        assert_eq!(read(Coin::LITECOIN, Chain::Main, &old.0), Ok(old));
    }

    #[test]
    fn an_address_says_where_it_belongs() {
        use Chain::{Main, Regtest, Test};
        let (btc, ltc) = (Coin::BITCOIN, Coin::LITECOIN);
        let main = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let wrong_chain = AddressError::WrongChain { found: Main, expected: Regtest };
        assert_eq!(wrong_chain.to_string(), "this is a main-net address, the node is on regtest");
        for (coin, chain, text, error) in [
            (btc, Regtest, main, wrong_chain.clone()),
            (btc, Regtest, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", wrong_chain.clone()),
            (Coin::devnet(Algorithm::SCRYPT), Regtest, main, wrong_chain),
            (ltc, Main, main, AddressError::WrongCoin { found: "bitcoin", expected: "litecoin" }),
            (
                btc,
                Main,
                "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
                AddressError::WrongCoin { found: "litecoin", expected: "bitcoin" },
            ),
            (btc, Main, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", AddressError::Checksum),
            (btc, Main, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", AddressError::Checksum),
            (btc, Main, "Bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", AddressError::MixedCase),
            (ltc, Regtest, "tmweb1qq0anyoldtext", AddressError::Mweb),
            (ltc, Chain::Signet, main, AddressError::UnknownChain { coin: "litecoin", chain: Chain::Signet }),
            (btc, Test, "", AddressError::Malformed),
            (btc, Main, "1", AddressError::Malformed),
            (btc, Main, "bc1", AddressError::Checksum),
            (btc, Main, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa ", AddressError::Malformed),
            // A program of version 1 with the checksum of version 0 (BIP 350).
            (
                btc,
                Main,
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
                AddressError::Checksum,
            ),
        ] {
            assert_eq!(read(coin, chain, text), Err(error), "{text:?}");
        }
        let long = "bc1".repeat(100);
        assert_eq!(read(btc, Main, &long), Err(AddressError::Malformed));
    }
}
