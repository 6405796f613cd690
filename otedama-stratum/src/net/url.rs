//! The address of a server.

use core::fmt;
use core::str::FromStr;
use std::string::String;

use super::error::UrlError;

/// A host and a port to speak Stratum with over plain TCP.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    host: String,
    port: u16,
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

    /// Where a server's wish to reconnect leads to, if it may be followed: the same host, or one of the same domain.
    ///
    /// Without TLS anyone on the way can ask for this, so a foreign host is refused.
    pub(super) fn moved(&self, host: Option<&str>, port: Option<u16>) -> Option<Self> {
        let host = host.unwrap_or(&self.host);
        let related = host.eq_ignore_ascii_case(&self.host)
            || domain(host).zip(domain(&self.host)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        let well_formed = !host.is_empty() && host.chars().all(allowed);
        (related && well_formed).then(|| Self { host: host.into(), port: port.unwrap_or(self.port) })
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

    /// Reads `stratum+tcp://host:port` or `host:port`; an IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(text.into());
        let rest = match text.split_once("://") {
            Some(("stratum+tcp" | "tcp", rest)) => rest,
            Some((scheme, _)) => return Err(UrlError::Unsupported(scheme.into())),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(malformed)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = bracketed.is_some() || !host.contains(':');
        let host = bracketed.unwrap_or(host);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(malformed)?;
        if host.is_empty() || !plain || !host.chars().all(allowed) {
            return Err(malformed());
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            write!(f, "stratum+tcp://[{host}]:{port}")
        } else {
            write!(f, "stratum+tcp://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn addresses_are_read() {
        for (text, shown) in [
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
        ] {
            assert_eq!(text.parse::<Url>(), Err(UrlError::Malformed(text.into())), "{text:?}");
        }
        for scheme in ["stratum+ssl", "stratum2+tcp", "http"] {
            let text = std::format!("{scheme}://pool:3333");
            assert_eq!(text.parse::<Url>(), Err(UrlError::Unsupported(scheme.into())));
        }
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
