//! Who holds a journal: one process at a time, which says who it is.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::JournalError;

/// Bytes of what a holder says that are shown to others.
const MAX_WORDS: u64 = 200;

/// Takes the journal for this process, or says at once who has taken it.
pub(super) fn lock(path: &Path) -> Result<File, JournalError> {
    let failed = |error: io::Error| JournalError::Storage(format!("{}: {error}", path.display()));
    let name = prepare(path).map_err(failed)?;
    let options = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&name);
    let mut file = options.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            introduce(&mut file).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            Err(JournalError::InUse { path: path.display().to_string(), holder: holder(&mut file) })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the directory and names the lock file, the same for every path to the same journal.
fn prepare(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let real = if path.exists() { path.canonicalize()? } else { directory.canonicalize()?.join(name) };
    let mut lock = OsString::from(real);
    lock.push("-lock");
    Ok(lock.into())
}

/// Writes down who this process is. That is only for people, so a full disk is no reason not to go on.
fn introduce(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).map(|name| name.display().to_string());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let program = program.unwrap_or_else(|| "a program without a name".into());
    let words = format!("process {} ({program}) since {}", std::process::id(), date(since));
    let _ = file.write_all(words.as_bytes());
    Ok(())
}

/// What the holder wrote, if it can be read.
fn holder(file: &mut File) -> String {
    let mut words = Vec::new();
    let read = file.rewind().and_then(|()| file.take(MAX_WORDS).read_to_end(&mut words));
    let words = String::from_utf8_lossy(&words);
    let words: String = words.chars().filter(|letter| !letter.is_control()).collect();
    if read.is_ok() && !words.trim().is_empty() { words } else { "another process".into() }
}

/// A moment in UTC, from seconds since 1970.
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from the first of March of the year 0, as in Howard Hinnant's `civil_from_days`.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
