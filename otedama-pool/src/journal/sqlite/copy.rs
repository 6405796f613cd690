//! Whole copies of a journal: consistent, durable, and in their place at once or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::super::{JournalError, Progress};
use super::fault::{Fault, committing};
use super::file;

/// Pages that are copied between two words of progress.
const PAGES: i32 = 1024;

/// Refuses a place where something is: a file, or the log of one, which would be taken for the copy's.
pub(super) fn refuse_existing(to: &Path) -> Result<(), JournalError> {
    refuse_file(to)?;
    refuse_file(&beside(to, "-wal"))
}

fn refuse_file(to: &Path) -> Result<(), JournalError> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(JournalError::Storage(format!("{} is there already", to.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(JournalError::Storage(format!("{}: {error}", to.display()))),
    }
}

/// Copies what the connection sees into a new file, lets `change` have it, and puts it in its place, durably.
pub(super) fn copy(
    from: &Connection,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
    change: impl FnOnce(&Connection) -> Result<(), Fault>,
) -> Result<(), JournalError> {
    refuse_existing(to)?;
    let temporary = beside(to, &format!("-{}-new", std::process::id()));
    let done = fill(from, &temporary, progress, change).and_then(|()| {
        place(&temporary, to).map_err(|error| JournalError::Storage(format!("{}: {error}", to.display())))
    });
    for name in [temporary.clone(), beside(&temporary, "-wal"), beside(&temporary, "-shm")] {
        // There is nothing to be taken away if all went well.
        let _ = fs::remove_file(name);
    }
    done
}

fn fill(
    from: &Connection,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
    change: impl FnOnce(&Connection) -> Result<(), Fault>,
) -> Result<(), JournalError> {
    refuse_existing(to)?;
    let mut connection = file::connect(to)?;
    {
        let backup = Backup::new(from, &mut connection).map_err(Fault::from)?;
        loop {
            let step = backup.step(PAGES).map_err(Fault::from)?;
            let at = backup.progress();
            let pages = |count: i32| u64::try_from(count).unwrap_or(0);
            let done = pages(at.pagecount).saturating_sub(pages(at.remaining));
            progress(Progress { done, total: pages(at.pagecount) });
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(JournalError::Storage("the journal is busy".into())),
            }
        }
    }
    file::configure(&connection)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(Fault::from)?;
    change(&connection)?;
    connection.execute_batch("COMMIT").map_err(committing)?;
    // A copy is one file, which can be read where nothing can be written; a pool that opens it makes a log again.
    connection.execute_batch("PRAGMA journal_mode = DELETE").map_err(Fault::from)?;
    // Closing the only connection writes the log back into the file.
    connection.close().map_err(|(_, error)| Fault::from(error))?;
    Ok(())
}

/// Gives the file its name if nothing has it, and makes sure that both are on the disk.
fn place(temporary: &Path, to: &Path) -> io::Result<()> {
    if fs::exists(beside(temporary, "-wal"))? {
        return Err(io::Error::other("the log of the copy could not be written back"));
    }
    File::options().read(true).write(true).open(temporary)?.sync_all()?;
    // Unlike a rename, a link never takes the place of a file that came in between. Where there are no links, the
    // check of before has to do.
    if fs::hard_link(temporary, to).is_err() {
        if fs::exists(to)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(temporary, to)?;
    }
    sync_folder(to)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened; its file system journals names itself.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
