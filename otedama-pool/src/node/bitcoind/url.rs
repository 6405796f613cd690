//! A node's address.

use ureq::http::Uri;

use super::ConfigError;

/// Reads `http://HOST:PORT`, perhaps with a path.
pub(super) fn read(url: &str) -> Result<Uri, ConfigError> {
    let uri: Uri = url.parse().map_err(|_| ConfigError::Malformed)?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(scheme) => return Err(ConfigError::Scheme(scheme.to_owned())),
        None => return Err(ConfigError::Malformed),
    }
    let authority = uri.authority().ok_or(ConfigError::Malformed)?;
    if authority.as_str().contains('@') {
        return Err(ConfigError::Credentials);
    }
    let has_port = authority.port_u16().is_some_and(|port| port != 0);
    if authority.host().is_empty() || !has_port || uri.query().is_some() {
        return Err(ConfigError::Malformed);
    }
    Ok(uri)
}

/// The address as the operator would write it.
pub(super) fn show(uri: &Uri) -> String {
    let shown = uri.to_string();
    if uri.path() == "/" { shown.trim_end_matches('/').to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_strictly() {
        for url in ["http://127.0.0.1:9332", "http://[::1]:8332", "http://node.example:1/wallet/a"] {
            assert_eq!(read(url).map(|uri| show(&uri)), Ok(url.to_owned()));
        }
        assert_eq!(show(&read("http://h:1/").unwrap()), "http://h:1");
        for (url, error) in [
            ("https://h:1", ConfigError::Scheme("https".into())),
            ("http://u:p@h:1", ConfigError::Credentials),
            ("http://u@h:1/", ConfigError::Credentials),
            ("127.0.0.1:9332", ConfigError::Malformed),
            ("/h:1", ConfigError::Malformed),
            ("http://h", ConfigError::Malformed),
            ("http://h:", ConfigError::Malformed),
            ("http://h:0", ConfigError::Malformed),
            ("http://h:65536", ConfigError::Malformed),
            ("http://:1", ConfigError::Malformed),
            ("http://h h:1", ConfigError::Malformed),
            ("http://h:1/a b", ConfigError::Malformed),
            ("http://h:1/?a=b", ConfigError::Malformed),
        ] {
            assert_eq!(read(url), Err(error), "{url}");
        }
    }
}
