//! The address of a server.

use core::fmt;
use core::str::FromStr;
use std::string::String;

use super::error::UrlError;

/// Letters of an authority's key; its 38 bytes have 52 or 53.
const MAX_KEY: usize = 64;

/// A host and a port to speak Stratum with over TCP: Stratum V1 in plain, or Stratum V2 secured with Noise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    host: String,
    port: u16,
    v2: bool,
    authority: Option<String>,
}

impl Url {
    /// The host: a name, or an address (IPv6 without its brackets).
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether this is an address of Stratum V2, `stratum2+tcp`.
    #[must_use]
    pub const fn is_v2(&self) -> bool {
        self.v2
    }

    /// The key of the pool's authority as it is written, base58check, if the address names one; only addresses of
    /// Stratum V2 do. Without one, whoever answers there is believed.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Whether this build can mine there.
    pub(super) fn supported(&self) -> Result<(), UrlError> {
        let secured = cfg!(feature = "noise");
        if self.v2 && !secured { Err(UrlError::Unsupported(V2.into())) } else { Ok(()) }
    }

    /// Where a server's wish to reconnect leads to, if it may be followed: the same host, or one of the same domain.
    /// The authority stays the same.
    ///
    /// Without TLS or Noise anyone on the way can ask for this, so a foreign host is refused.
    pub(super) fn moved(&self, host: Option<&str>, port: Option<u16>) -> Option<Self> {
        let host = host.unwrap_or(&self.host);
        let related = host.eq_ignore_ascii_case(&self.host)
            || domain(host).zip(domain(&self.host)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        let well_formed = !host.is_empty() && host.chars().all(allowed);
        (related && well_formed).then(|| Self {
            host: host.into(),
            port: port.unwrap_or(self.port),
            ..self.clone()
        })
    }
}

/// What stands behind the first dot of a name, if that is a domain and not a whole top level; none for addresses.
fn domain(host: &str) -> Option<&str> {
    let address = host.contains(':') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (_, domain) = host.split_once('.')?;
    (!address && domain.contains('.')).then_some(domain)
}

fn allowed(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':' | '%')
}

impl FromStr for Url {
    type Err = UrlError;

    /// Reads `stratum+tcp://host:port`, `host:port`, or `stratum2+tcp://host:port/KEY` with or without the key of the
    /// pool's authority; an IPv6 address stands in brackets.
    ///
    /// A key's letters are looked at in any build, and that it is a key with the feature `noise`.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(text.into());
        let (v2, rest) = match text.split_once("://") {
            Some((V2, rest)) => (true, rest),
            Some(("stratum+tcp" | "tcp", rest)) => (false, rest),
            Some((scheme, _)) => return Err(UrlError::Unsupported(scheme.into())),
            None => (false, text),
        };
        let (rest, authority) = match rest.split_once('/') {
            Some((rest, "")) => (rest, None),
            Some((rest, key)) if v2 => (rest, Some(key_letters(key)?)),
            Some(_) => return Err(malformed()),
            None => (rest, None),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(malformed)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = bracketed.is_some() || !host.contains(':');
        let host = bracketed.unwrap_or(host);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(malformed)?;
        if host.is_empty() || !plain || !host.chars().all(allowed) {
            return Err(malformed());
        }
        Ok(Self { host: host.into(), port, v2, authority })
    }
}

/// The scheme of Stratum V2.
const V2: &str = "stratum2+tcp";

fn key_letters(text: &str) -> Result<String, UrlError> {
    let letters = text.len() <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    #[cfg(feature = "noise")]
    let letters = letters && text.parse::<crate::noise::AuthorityKey>().is_ok();
    if letters { Ok(text.into()) } else { Err(UrlError::Key(text.into())) }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        let scheme = if self.v2 { V2 } else { "stratum+tcp" };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")?;
        } else {
            write!(f, "{scheme}://{host}:{port}")?;
        }
        self.authority.as_ref().map_or(Ok(()), |key| write!(f, "/{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const KEYED: &str =
        "stratum2+tcp://eu.pool.example:34254/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";

    #[test]
    fn addresses_are_read() {
        for (text, shown) in [
            (KEYED, KEYED),
            ("stratum2+tcp://[::1]:1/", "stratum2+tcp://[::1]:1"),
            ("stratum+tcp://pool.example:3333", "stratum+tcp://pool.example:3333"),
            ("pool.example:3333/", "stratum+tcp://pool.example:3333"),
            ("tcp://10.0.0.1:1", "stratum+tcp://10.0.0.1:1"),
            ("[::1]:65535", "stratum+tcp://[::1]:65535"),
        ] {
            assert_eq!(text.parse::<Url>().unwrap().to_string(), shown);
            assert_eq!(shown.parse::<Url>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "pool",
            "pool:",
            ":1",
            "pool:0",
            "pool:65536",
            "pool:+1",
            "::1:3333",
            "a b:1",
            "u@h:1",
            "h/x:1",
            "pool:1/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72",
            "stratum2+tcp://pool",
        ] {
            assert_eq!(text.parse::<Url>(), Err(UrlError::Malformed(text.into())), "{text:?}");
        }
        for scheme in ["stratum+ssl", "stratum3+tcp", "http"] {
            let text = std::format!("{scheme}://pool:3333");
            assert_eq!(text.parse::<Url>(), Err(UrlError::Unsupported(scheme.into())));
        }
    }

    #[test]
    fn an_address_of_v2_may_name_an_authority() {
        let url: Url = KEYED.parse().unwrap();
        assert!(url.is_v2() && url.authority().is_some_and(|key| KEYED.ends_with(key)));
        let url: Url = "stratum2+tcp://pool:1".parse().unwrap();
        assert_eq!((url.is_v2(), url.authority()), (true, None));
        let url: Url = "pool:1".parse().unwrap();
        assert_eq!((url.is_v2(), url.authority()), (false, None));
        for key in ["a/b", "a b", "9auq-", &"9".repeat(65)] {
            let text = std::format!("stratum2+tcp://pool:1/{key}");
            assert_eq!(text.parse::<Url>(), Err(UrlError::Key(key.into())));
        }
    }

    #[cfg(feature = "noise")]
    #[test]
    fn a_key_with_a_wrong_letter_is_refused() {
        let wrong = KEYED.replace("/9auq", "/9buq");
        assert!(matches!(wrong.parse::<Url>(), Err(UrlError::Key(key)) if key.starts_with("9buq")));
    }

    #[test]
    fn moving_keeps_the_authority() {
        let moved = KEYED.parse::<Url>().unwrap().moved(Some("us.pool.example"), Some(7)).unwrap();
        assert_eq!(moved.to_string(), KEYED.replace("eu.pool.example:34254", "us.pool.example:7"));
    }

    #[test]
    fn moving_stays_in_the_domain() {
        let moved = |from: &str, host: Option<&str>, port| {
            from.parse::<Url>().unwrap().moved(host, port).map(|url| url.to_string())
        };
        let here = "eu.pool.example:3333";
        assert_eq!(moved(here, None, None).as_deref(), Some("stratum+tcp://eu.pool.example:3333"));
        assert_eq!(
            moved(here, Some("us.POOL.example"), Some(4444)).as_deref(),
            Some("stratum+tcp://us.POOL.example:4444")
        );
        for foreign in ["evil.example", "example", "pool.example.evil", "10.0.0.1", "us.pool.example/x"] {
            assert_eq!(moved(here, Some(foreign), None), None, "{foreign}");
        }
        assert_eq!(moved("pool.com:1", Some("evil.com"), None), None, "a top level is no domain");
        assert_eq!(moved("10.0.0.1:1", Some("9.0.0.1"), None), None);
        assert_eq!(
            moved("10.0.0.1:1", Some("10.0.0.1"), Some(2)).as_deref(),
            Some("stratum+tcp://10.0.0.1:2")
        );
    }
}
