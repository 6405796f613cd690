//! The authority that vouches for a pool's servers: configured, or kept in a file beside the books.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use otedama_stratum::noise::AuthoritySecret;

use crate::config::{AuthorityText, PoolConfig, ProviderConfig};
use crate::failure::Failure;

/// Bytes that a key's file may have; a key has about 51.
const MAX_FILE: u64 = 1024;

/// The secret key of a pool's authority. If none is configured and there is no file with one, it is made and kept.
pub(crate) fn of(config: &PoolConfig) -> Result<AuthoritySecret, Failure> {
    secret(&config.name, config.authority.as_ref(), &config.store)
}

/// The same for a provider of templates.
#[cfg(feature = "sqlite")]
pub(crate) fn of_provider(config: &ProviderConfig) -> Result<AuthoritySecret, Failure> {
    secret(&config.name, config.authority.as_ref(), &config.store)
}

fn secret(name: &str, configured: Option<&AuthorityText>, store: &Path) -> Result<AuthoritySecret, Failure> {
    match configured {
        Some(secret) => secret
            .reveal()
            .parse()
            .map_err(|error| Failure::Failed(format!("pool {name}: stratum.authority_secret: {error}"))),
        None => kept(&file_of(store)),
    }
}

/// Where the key of a pool with this store is kept.
fn file_of(store: &Path) -> PathBuf {
    store.with_extension("key")
}

fn kept(path: &Path) -> Result<AuthoritySecret, Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::Failed(format!("cannot {what} the authority's key {}: {error}", path.display()))
    };
    match read(path) {
        Ok(text) => text.trim().parse().map_err(|error| failed("use", &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| failed("make", &error))?;
            let secret = AuthoritySecret::from_seed(&seed);
            match write(path, &secret.reveal()) {
                Ok(()) => Ok(secret),
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let text = read(path).map_err(|error| failed("read", &error))?;
                    text.trim().parse().map_err(|error| failed("use", &error))
                }
                Err(error) => Err(failed("write", &error)),
            }
        }
        Err(error) => Err(failed("read", &error)),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file that only its owner may read, whole or not at all, and not over another.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("key-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()
    });
    // A link fails if the name is taken, which a rename would not.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = file_of(&folder.path().join("books").join("otedama.db"));
        let first = kept(&path).unwrap();
        assert_eq!(kept(&path).unwrap().public(), first.public());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(write(&path, "other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::write(&path, "nonsense").unwrap();
        assert!(kept(&path).is_err());
    }
}
