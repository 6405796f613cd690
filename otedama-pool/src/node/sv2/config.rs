//! Where a provider of templates is, and what it is asked for.

use std::time::Duration;

#[cfg(feature = "noise")]
use otedama_stratum::noise::AuthorityKey;
use otedama_stratum::v2::distribution::TemplateClientConfig;

use crate::coin::Chain;
use crate::limits::rpc::PATIENCE;

/// A provider of templates and what is wanted of it.
#[derive(Clone, Debug)]
pub struct TemplateProviderConfig {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) chain: Chain,
    pub(super) size: u32,
    pub(super) sigops: u16,
    pub(super) patience: Duration,
    #[cfg(feature = "noise")]
    pub(super) secured: Option<Option<AuthorityKey>>,
}

/// What is wrong with a provider's address. The configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderUrlError {
    /// It is not `stratum2+tcp://HOST:PORT`, perhaps with `/KEY`.
    #[error("a provider's URL is stratum2+tcp://HOST:PORT/KEY, where the key may be left out")]
    Malformed,
    /// What stands behind the port is no key.
    #[cfg(feature = "noise")]
    #[error("the key in the provider's URL is wrong: {0}")]
    Key(#[from] otedama_stratum::noise::KeyError),
    /// Such connections are secured with Noise, which this program was built without.
    #[cfg(not(feature = "noise"))]
    #[error("stratum2+tcp connections are secured with Noise, which is not in this build (feature `noise`)")]
    NoNoise,
}

impl TemplateProviderConfig {
    /// A provider on the main chain that speaks plain frames, which is for a trusted network only. What the pool adds to
    /// coinbases has at most 512 bytes and a cost of 16 signature operations.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let client = TemplateClientConfig::new("", 0);
        Self {
            host: host.into(),
            port,
            chain: Chain::Main,
            size: client.constraints.coinbase_output_max_additional_size,
            sigops: client.constraints.coinbase_output_max_additional_sigops,
            patience: PATIENCE,
            #[cfg(feature = "noise")]
            secured: None,
        }
    }

    /// Reads `stratum2+tcp://HOST:PORT/KEY`, a connection secured with Noise. Without a key whoever answers is believed.
    ///
    /// # Errors
    /// [`ProviderUrlError`] if it is anything else, or the feature `noise` is not there.
    pub fn from_url(url: &str) -> Result<Self, ProviderUrlError> {
        let rest = url.strip_prefix("stratum2+tcp://").ok_or(ProviderUrlError::Malformed)?;
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.rsplit_once(':').ok_or(ProviderUrlError::Malformed)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port =
            port.parse().ok().filter(|port| digits && *port != 0).ok_or(ProviderUrlError::Malformed)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = |letter: char| letter.is_alphanumeric() || ".-_".contains(letter);
        let address = |letter: char| letter.is_ascii_hexdigit() || ".:%".contains(letter);
        let sound = match bracketed {
            Some(host) => host.chars().all(address),
            None => host.chars().all(plain),
        };
        let host = bracketed.unwrap_or(host);
        if host.is_empty() || !sound {
            return Err(ProviderUrlError::Malformed);
        }
        Self::new(host, port).with_key(key)
    }

    #[cfg(feature = "noise")]
    fn with_key(self, key: &str) -> Result<Self, ProviderUrlError> {
        let key = if key.is_empty() { None } else { Some(key.parse()?) };
        Ok(self.secured(key))
    }

    #[cfg(not(feature = "noise"))]
    fn with_key(self, _: &str) -> Result<Self, ProviderUrlError> {
        Err(ProviderUrlError::NoNoise)
    }

    /// The same, secured with Noise. With an authority's key, only a provider with its certificate will do.
    #[cfg(feature = "noise")]
    #[must_use]
    pub fn secured(self, authority: Option<AuthorityKey>) -> Self {
        Self { secured: Some(authority), ..self }
    }

    /// The same on another chain. The protocol does not tell which chain a provider follows, so it is believed.
    #[must_use]
    pub fn chain(self, chain: Chain) -> Self {
        Self { chain, ..self }
    }

    /// The same with other bounds on what the pool adds to coinbases: bytes of outputs as in a transaction, and the cost
    /// of their signature operations, each of which costs four.
    #[must_use]
    pub fn constraints(self, size: u32, sigops: u16) -> Self {
        Self { size, sigops, ..self }
    }

    /// The same with another time within which a template must be there; 30 seconds otherwise.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The address without the key.
    pub(super) fn name(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            format!("stratum2+tcp://[{host}]:{port}")
        } else {
            format!("stratum2+tcp://{host}:{port}")
        }
    }

    pub(super) fn client(&self) -> TemplateClientConfig {
        let mut client = TemplateClientConfig::new(self.host.clone(), self.port);
        client.constraints.coinbase_output_max_additional_size = self.size;
        client.constraints.coinbase_output_max_additional_sigops = self.sigops;
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "noise")]
    #[test]
    fn addresses_are_read_strictly() {
        let key = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
        for (url, shown, with_key) in [
            (format!("stratum2+tcp://node.example:8442/{key}"), "stratum2+tcp://node.example:8442", true),
            ("stratum2+tcp://10.0.0.1:1".into(), "stratum2+tcp://10.0.0.1:1", false),
            ("stratum2+tcp://[::1]:65535/".into(), "stratum2+tcp://[::1]:65535", false),
        ] {
            let config = TemplateProviderConfig::from_url(&url).unwrap();
            assert_eq!((config.name().as_str(), config.secured.unwrap().is_some()), (shown, with_key));
        }
        let wrong = TemplateProviderConfig::from_url("stratum2+tcp://h:1/abc");
        assert!(matches!(wrong, Err(ProviderUrlError::Key(_))));
    }

    #[test]
    fn other_texts_are_refused() {
        for url in [
            "",
            "stratum+tcp://h:1",
            "stratum2+tcp://h",
            "stratum2+tcp://:1",
            "stratum2+tcp://h:0",
            "stratum2+tcp://h:+1",
            "stratum2+tcp://h:65536",
            "stratum2+tcp://u@h:1",
            "stratum2+tcp://::1:1",
        ] {
            let read = TemplateProviderConfig::from_url(url).map(|config| config.name());
            assert_eq!(read, Err(ProviderUrlError::Malformed), "{url}");
        }
    }
}
