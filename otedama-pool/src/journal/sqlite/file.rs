//! The files of a journal: who holds them, what they are, and how they are written.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::super::JournalError;
use super::fault::{Fault, committing};

/// `Oted`, so that `file` and others can tell whose database it is.
const APPLICATION: i64 = 0x4f74_6564;
/// The format that is written, and the only one that is read.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// How long a writer waits for a reader that blocks it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes the journal for this process, or says at once that it is taken.
pub(super) fn lock(path: &Path) -> Result<File, JournalError> {
    let locked = prepare(path).and_then(|path| {
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    });
    match locked {
        Ok(Some(file)) => Ok(file),
        Ok(None) => {
            Err(JournalError::InUse { path: path.display().to_string(), holder: "another process".into() })
        }
        Err(error) => Err(JournalError::Storage(format!("{}: {error}", path.display()))),
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

/// Opens the database, checks that it is a journal of this version, or makes it one if it is new.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags).map_err(Fault::from)?;
    connection.busy_timeout(PATIENCE).map_err(Fault::from)?;
    let is_new = check(&connection, path)?;
    configure(&connection)?;
    if is_new {
        create(&mut connection)?;
    }
    Ok(connection)
}

/// Whether the file is empty; an error if it is something else than a journal.
fn check(connection: &Connection, path: &Path) -> Result<bool, JournalError> {
    let pragma =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(Fault::from);
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let tables = tables.map_err(Fault::from)?;
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let format = |found, expected| JournalError::Format { path: path.display().to_string(), found, expected };
    if tables == 0 && application == 0 && version == 0 {
        Ok(true)
    } else if application != APPLICATION {
        Err(format(application, APPLICATION))
    } else if version != VERSION {
        Err(format(version, VERSION))
    } else {
        Ok(false)
    }
}

fn configure(connection: &Connection) -> Result<(), JournalError> {
    let mode = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))
        .map_err(Fault::from)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(JournalError::Storage(format!("no write-ahead log here, only {mode}")));
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
                    PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;";
    connection.execute_batch(settings).map_err(Fault::from)?;
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
