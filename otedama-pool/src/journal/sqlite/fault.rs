//! What SQLite says, as what it means for the journal.

use std::fmt::Display;

use rusqlite::{Error, ErrorCode};

use super::super::JournalError;

/// A failure inside a transaction, before it is clear what to tell the caller.
#[derive(Debug)]
pub(super) enum Fault {
    /// From SQLite.
    Sql(Error),
    /// From the journal's own rules.
    Journal(JournalError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<Fault> for JournalError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Journal(error) => return error,
            Fault::Sql(error) => error,
        };
        match (&error, error.sqlite_error_code()) {
            (_, Some(ErrorCode::ConstraintViolation)) => Self::Contradiction(error.to_string()),
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
                Self::Damaged(error.to_string())
            }
            (_, Some(_)) => Self::Storage(error.to_string()),
            // Not from the library itself: a column does not hold what the schema promises.
            (_, None) => Self::Damaged(error.to_string()),
        }
    }
}

/// What a failed commit means. When writing or syncing fails, the transaction may already be in the log, and would
/// be found there after a crash; in every other case it is not.
pub(super) fn committing(error: Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => JournalError::Unknown(error.to_string()),
        _ => Fault::Sql(error).into(),
    }
}

pub(super) fn damaged(what: impl Display) -> Fault {
    JournalError::Damaged(what.to_string()).into()
}

/// Says in which record it is that something is damaged.
pub(super) fn named<T>(result: Result<T, Fault>, record: impl Display) -> Result<T, Fault> {
    result.map_err(|fault| match JournalError::from(fault) {
        JournalError::Damaged(problem) => damaged(format_args!("{record}: {problem}")),
        other => other.into(),
    })
}

/// A number as SQL holds it; one that is too large contradicts what the format can say.
pub(super) fn integer(number: u64, what: &str) -> Result<i64, Fault> {
    i64::try_from(number)
        .map_err(|_| JournalError::Contradiction(format!("{what} {number} is too large")).into())
}

/// A number from SQL.
pub(super) fn natural<T: TryFrom<i64>>(number: i64, what: &str) -> Result<T, Fault> {
    T::try_from(number).map_err(|_| damaged(format_args!("{what} {number}")))
}
