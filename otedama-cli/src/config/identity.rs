//! `pool`: what the pool is called, where its money goes, and how it is split.

use otedama_core::coinbase::MAX_EXTRANONCE;
use otedama_core::{Factor, Percent};
use otedama_pool::{AddressError, Chain, Coin, CoinbasePlan};

use super::read::{Item, Reader, Section};

/// How a reward is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemeConfig {
    /// The finder gets all.
    Solo,
    /// By the shares of a window of so many network difficulties.
    Pplns(Factor),
}

/// The section `pool`.
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) fee: Percent,
    pub(super) scheme: SchemeConfig,
    pub(super) tag: String,
}

impl Identity {
    pub(super) fn read(item: &Item<'_>, coin: Option<Coin>, reader: &mut Reader) -> Option<Self> {
        let mut section = reader.section(item)?;
        let name = section.get("name").and_then(|item| reader.parsed(&item, pool_name));
        let address = section
            .need("address", "the address that rewards and fees are paid to", reader)
            .and_then(|item| {
                reader.parsed(&item, |text| {
                    coin.map_or_else(|| Ok(text.to_owned()), |coin| check_address(coin, text))
                })
            });
        let fee = read_fee(&mut section, reader);
        let scheme = read_scheme(&mut section, reader);
        let tag = section.get("tag").and_then(|item| reader.parsed(&item, coinbase_tag));
        section.finish(reader);
        Some(Self {
            name: name.unwrap_or_else(|| "default".into()),
            address: address?,
            fee,
            scheme,
            tag: tag.unwrap_or_else(|| "/otedama/".into()),
        })
    }
}

/// The address as written, if it is one on some network of the coin; which network it must be, only the node knows.
fn check_address(coin: Coin, text: &str) -> Result<String, String> {
    let chains: &[Chain] = if Coin::find(coin.name).is_some() { &Chain::ALL } else { &[Chain::Regtest] };
    let mut wrong = AddressError::Malformed;
    for chain in chains.iter().rev() {
        match coin.address(*chain, text) {
            Ok(_) => return Ok(text.to_owned()),
            Err(error) => wrong = error,
        }
    }
    Err(format!("is not taken: {wrong}"))
}

fn pool_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is no name: 1 to 32 of a-z, 0-9, - and _".into())
    }
}

fn read_fee(section: &mut Section<'_>, reader: &mut Reader) -> Percent {
    let item = section.get("fee_percent");
    let fee = item.as_ref().and_then(|item| reader.decimal::<Percent>(item)).unwrap_or(Percent::ZERO);
    let allowed = section.get("allow_whole_fee").and_then(|item| reader.flag(&item)).unwrap_or(false);
    if let Some(item) = item.filter(|_| fee.is_whole() && !allowed) {
        reader.rule(&item, "the pool would keep everything; if that is meant, add `allow_whole_fee: true`");
    }
    fee
}

fn read_scheme(section: &mut Section<'_>, reader: &mut Reader) -> SchemeConfig {
    let (name, item) = (section.get("scheme"), section.get("window"));
    let window = item.as_ref().and_then(|item| reader.decimal::<Factor>(item));
    if let Some(item) = item.as_ref().filter(|_| window.is_some_and(Factor::is_zero)) {
        reader.rule(item, "a window of nothing pays nobody");
    }
    let pplns = SchemeConfig::Pplns(window.unwrap_or_else(|| Factor::whole(2)));
    let Some(name) = name else { return pplns };
    match (reader.text(&name), item) {
        (Some("pplns") | None, _) => pplns,
        (Some("solo"), None) => SchemeConfig::Solo,
        (Some("solo"), Some(item)) => {
            reader.rule(&item, "a window goes with `scheme: pplns` only");
            SchemeConfig::Solo
        }
        (Some(_), _) => {
            reader.rule(&name, "unknown scheme; known: pplns, solo");
            pplns
        }
    }
}

fn coinbase_tag(text: &str) -> Result<String, String> {
    // Room is left for the longest extranonce.
    let longest = CoinbasePlan::longest_tag(MAX_EXTRANONCE).unwrap_or(0);
    if text.len() <= longest && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        Ok(text.to_owned())
    } else {
        Err(format!("is no tag: at most {longest} printable ASCII characters"))
    }
}
