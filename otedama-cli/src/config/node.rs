//! `nodes`: where templates come from and blocks go to.

use std::path::PathBuf;

use otedama_core::CompactTarget;
use otedama_core::hex;
use otedama_pool::Chain;

use super::Secret;
use super::read::{Item, Reader, Section};

/// A node of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeConfig {
    /// Bitcoin Core or a relative of it, over JSON-RPC.
    Bitcoind {
        /// `http://HOST:PORT`
        url: String,
        /// How to log in.
        credentials: Credentials,
    },
    /// A provider of templates over Stratum V2.
    Sv2Template {
        /// `stratum2+tcp://HOST:PORT/KEY`
        url: String,
        /// The chain that it follows, which the protocol does not tell.
        chain: Chain,
    },
    /// The chain inside the process.
    Devnet {
        /// Its difficulty; chosen by the algorithm if absent.
        nbits: Option<CompactTarget>,
        /// Blocks until a coinbase can be spent.
        maturity: u32,
    },
}

/// How to log in at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Not at all.
    None,
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By the file that the node writes at each start.
    Cookie(PathBuf),
}

/// Kinds that the configuration knows by name but that are not in this program.
const ABSENT: [&str; 3] = ["monerod", "ethereum", "ravencoin"];

pub(super) fn read(item: &Item<'_>, reader: &mut Reader) -> Option<NodeConfig> {
    let mut section = reader.section(item)?;
    let kind = section.need("kind", "`bitcoind`, `sv2-template` or `devnet`", reader)?;
    let node = match reader.text(&kind)? {
        "bitcoind" => bitcoind(&mut section, reader),
        "sv2-template" => sv2_template(&mut section, reader),
        "devnet" => Some(devnet(&mut section, reader)),
        absent if ABSENT.contains(&absent) => {
            reader.rule(
                &kind,
                format!(
                    "nodes of kind {absent} are not in this version; use bitcoind, sv2-template or devnet"
                ),
            );
            return None;
        }
        _ => {
            reader.rule(&kind, "unknown kind; known: bitcoind (also for Litecoin), sv2-template, devnet");
            return None;
        }
    };
    section.finish(reader);
    node
}

fn bitcoind(section: &mut Section<'_>, reader: &mut Reader) -> Option<NodeConfig> {
    let url = section
        .need("url", "the node's RPC address, such as \"http://127.0.0.1:8332\"", reader)
        .and_then(|item| read_url(&item, reader));
    let (user, password, cookie) = (section.get("user"), section.get("password"), section.get("cookie"));
    let credentials = match (user, password, cookie) {
        (None, None, None) => Credentials::None,
        (Some(user), Some(password), None) => Credentials::Password {
            user: reader.text(&user)?.to_owned(),
            password: Secret::new(reader.text(&password)?),
        },
        (None, None, Some(cookie)) => Credentials::Cookie(reader.text(&cookie)?.into()),
        (user, password, _) => {
            let place = user.or(password)?;
            reader.rule(&place, "a node is given `user` and `password`, or `cookie`, or neither");
            return None;
        }
    };
    Some(NodeConfig::Bitcoind { url: url?, credentials })
}

fn sv2_template(section: &mut Section<'_>, reader: &mut Reader) -> Option<NodeConfig> {
    let hint = "the provider's address, such as \"stratum2+tcp://127.0.0.1:8442/KEY\"";
    let url = section.need("url", hint, reader).and_then(|item| reader.parsed(&item, provider_url));
    let chain = section.get("chain").map(|item| reader.parsed(&item, chain));
    Some(NodeConfig::Sv2Template { url: url?, chain: chain.unwrap_or(Some(Chain::Main))? })
}

#[cfg(feature = "server")]
fn provider_url(text: &str) -> Result<String, String> {
    let read = otedama_pool::node::TemplateProviderConfig::from_url(text);
    read.map(|_| text.to_owned()).map_err(|error| format!("does not do: {error}"))
}

#[cfg(not(feature = "server"))]
fn provider_url(text: &str) -> Result<String, String> {
    let right = text.starts_with("stratum2+tcp://");
    if right { Ok(text.to_owned()) } else { Err("is not stratum2+tcp://HOST:PORT/KEY".into()) }
}

fn chain(text: &str) -> Result<Chain, String> {
    let names = || Chain::ALL.map(Chain::name).join(", ");
    Chain::find(text).ok_or_else(|| format!("is no known chain; known: {}", names()))
}

fn devnet(section: &mut Section<'_>, reader: &mut Reader) -> NodeConfig {
    let nbits = section.get("nbits").and_then(|item| reader.parsed(&item, nbits));
    let maturity = section.get("maturity").and_then(|item| reader.integer(&item, 1000));
    NodeConfig::Devnet {
        nbits,
        maturity: maturity.and_then(|blocks| u32::try_from(blocks).ok()).unwrap_or(1),
    }
}

fn nbits(text: &str) -> Result<CompactTarget, String> {
    let bits = hex::decode_u32(text.as_bytes()).map_err(|error| format!("is not 8 hex digits: {error}"))?;
    let compact = CompactTarget::from_bits(bits);
    compact.target().map_err(|error| format!("means no target: {error}"))?;
    Ok(compact)
}

fn read_url(item: &Item<'_>, reader: &mut Reader) -> Option<String> {
    if reader.text(item)?.contains('@') {
        // Not shown: what stands before it is a password.
        reader.rule(item, "a name or password is in the address; put them into `user` and `password`");
        return None;
    }
    reader.parsed(item, node_url)
}

fn node_url(text: &str) -> Result<String, String> {
    if text.starts_with("https://") {
        return Err("asks for TLS, which is not in this version; use http:// on a trusted network".into());
    }
    let authority = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let (host, port) = authority.and_then(|authority| authority.rsplit_once(':')).unwrap_or_default();
    let port = port.parse().unwrap_or(0u16);
    if host.is_empty() || host.contains('/') || port == 0 {
        return Err("is not an address of the form http://HOST:PORT".into());
    }
    Ok(text.to_owned())
}
