//! The file of a journal: what it is, and how it is written.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::super::JournalError;
use super::fault::{Fault, committing};

/// `Oted`, so that `file` and others can tell whose database it is.
const APPLICATION: i64 = 0x4f74_6564;
/// The format that is written, and the only one that is read.
pub(super) const VERSION: i64 = 2;
pub(super) const SCHEMA: &str = include_str!("schema.sql");
/// Bytes of a log that are read at once.
const LOG_PIECE: usize = 1 << 20;
/// Pages of the log after which it is copied into the file, between two commits. The next one waits for it, with all
/// shares in it: a thousand pages, as SQLite would have it, take ten milliseconds and more.
pub(super) const LOG_PAGES: usize = 64;
/// Pages of the log after which a commit copies it itself, because nobody else does.
const LONG_LOG: i64 = 256;
/// How long a writer waits for a reader that blocks it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens the database, checks that it is a journal of this version, or makes it one if it is new.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    settle_log(path).map_err(|error| JournalError::Storage(format!("{}: {error}", path.display())))?;
    let mut connection = connect(path)?;
    let version = version(&connection, path)?;
    if let Some(version) = version {
        current(version, path)?;
    }
    configure(&connection)?;
    if version.is_none() {
        create(&mut connection)?;
    }
    Ok(connection)
}

/// Writes a log that was left behind once more as it is read, and syncs it.
///
/// If a sync failed in the life before, the page cache may show more of the log than the disk has, and would never
/// write it of its own accord. What this life builds on must be on the disk. The bytes stay what they are, so neither
/// a crash half-way nor a reader takes notice.
fn settle_log(path: &Path) -> io::Result<()> {
    let mut name = OsString::from(path);
    name.push("-wal");
    let mut log = match OpenOptions::new().read(true).write(true).open(name) {
        Ok(log) => log,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let mut piece = vec![0; LOG_PIECE];
    loop {
        let at = log.stream_position()?;
        let length = log.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        log.seek(io::SeekFrom::Start(at))?;
        log.write_all(read)?;
    }
    log.sync_all()
}

/// Opens the database to be written, whatever it is, without touching it.
pub(super) fn connect(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags).map_err(Fault::from)?;
    connection.busy_timeout(PATIENCE).map_err(Fault::from)?;
    Ok(connection)
}

/// Opens a database that is there, only to be read.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, JournalError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags).map_err(Fault::from)?;
    connection.busy_timeout(PATIENCE).map_err(Fault::from)?;
    let settings = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
    connection.execute_batch(settings).map_err(Fault::from)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The version of the journal, `None` if the file is empty; an error if it is something else than a journal.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<Option<i64>, JournalError> {
    let pragma =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(Fault::from);
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let tables = tables.map_err(Fault::from)?;
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if tables == 0 && application == 0 && version == 0 {
        Ok(None)
    } else if application == APPLICATION {
        Ok(Some(version))
    } else {
        let (path, found, expected) = (path.display().to_string(), application, APPLICATION);
        Err(JournalError::Format { path, found, expected })
    }
}

/// Refuses any version but the current one.
pub(super) fn current(found: i64, path: &Path) -> Result<(), JournalError> {
    let (path, expected) = (path.display().to_string(), VERSION);
    match found {
        VERSION => Ok(()),
        ..VERSION => Err(JournalError::Outdated { path, found, expected }),
        _ => Err(JournalError::TooNew { path, found, expected }),
    }
}

pub(super) fn configure(connection: &Connection) -> Result<(), JournalError> {
    let mode = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))
        .map_err(Fault::from)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(JournalError::Storage(format!("no write-ahead log here, only {mode}")));
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
                    PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;";
    connection.execute_batch(settings).map_err(Fault::from)?;
    connection.pragma_update(None, "wal_autocheckpoint", LONG_LOG).map_err(Fault::from)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// All or nothing: a crash in the middle leaves a file that is still new.
fn create(connection: &mut Connection) -> Result<(), JournalError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::from)?;
    transaction.execute_batch(SCHEMA).map_err(Fault::from)?;
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(Fault::from)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(Fault::from)?;
    transaction.commit().map_err(committing)
}

/// About how many pages the log grows by with a commit of so many entries: those of the shares, and those that every
/// commit changes.
pub(super) const fn pages(entries: usize) -> usize {
    entries / 90 + 6
}

/// Copies the log into the file, as far as no reader needs the old pages, so that it is written from its beginning again.
/// If that fails, the log is as it was, and only longer than it need be.
pub(super) fn copy_log(connection: &Connection) {
    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}

/// Writes the log back into the file and empties it. A reader that still needs the log only puts off the latter.
pub(super) fn write_back(connection: &Connection) -> Result<(), JournalError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(Fault::from)?;
    Ok(())
}
