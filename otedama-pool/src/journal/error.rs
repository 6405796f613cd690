//! Why a journal fails.

/// Why a journal failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process holds it.
    #[error("the journal {path} is in use by {holder}")]
    InUse {
        /// Where it is.
        path: String,
        /// Who holds it, in that process's own words: its number, program and start.
        holder: String,
    },
    /// The file was made by another program.
    #[error("{path} is no journal: its application id is {found}, not {expected}")]
    Format {
        /// Where it is.
        path: String,
        /// The application id that it has.
        found: i64,
        /// That of a journal.
        expected: i64,
    },
    /// It was made by an older version of this program and has to be brought up first.
    #[error(
        "the journal {path} has version {found}, this program needs {expected}: run `otedama migrate up`"
    )]
    Outdated {
        /// Where it is.
        path: String,
        /// The version that it has.
        found: i64,
        /// The version that is read.
        expected: i64,
    },
    /// It was made by a newer version of this program, which is too old for it.
    #[error("the journal {path} has version {found}, this program is too old for it and knows {expected}")]
    TooNew {
        /// Where it is.
        path: String,
        /// The version that it has.
        found: i64,
        /// The version that is read.
        expected: i64,
    },
    /// The disk is full, read-only or broken. Nothing of the call was written.
    #[error("the journal cannot be written: {0}")]
    Storage(String),
    /// The call failed in a way that leaves open whether it took effect.
    #[error("it is unknown whether the journal was written: {0}")]
    Unknown(String),
    /// What was read is not what was written; the message names the record.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// An entry contradicts what is there: the same key with other contents, or a booking that its step does not mean.
    #[error("the entry contradicts the journal: {0}")]
    Contradiction(String),
}
