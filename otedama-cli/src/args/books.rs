//! The command line of what an operator does with the journals.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Whose journals. Without --config and --store it is data/otedama.db, where `serve` keeps it by default.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The configuration of `serve`, or - for standard input: the journals of all its pools
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) config: Option<String>,
    /// A journal's file; data/otedama.db if neither this nor --config is given
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
    /// Only this pool
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,
}

/// How to bring journals to the version of this program.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Run the steps that are missing; back the journal up first
    Up(MigrateArgs),
    /// Say which version each journal has and what `up` would do, and change nothing
    Status(MigrateArgs),
}

/// What to migrate.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON object for each journal
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with the books.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Fold everything anew and compare, also while the pool runs: exit code 1 if anything is wrong
    #[command(after_help = VERIFY)]
    Verify(VerifyArgs),
    /// Write the books to standard output, also while the pool runs
    #[command(after_help = EXPORT)]
    Export(ExportArgs),
}

const VERIFY: &str = "\
Prints a line for each pool, then `clean`, or a line `RECORD: PROBLEM` for everything that was found. It reads every
record and its checksum, adds the books up anew and compares them with what the journal keeps.";

const EXPORT: &str = "\
The first line of CSV names the columns; JSON is one object per line, with amounts and weights as texts. Times are
seconds since 1970-01-01 UTC, amounts are whole atomic units (satoshi and the like), weights are expected hashes.

  bookings  one line for each transfer of a transaction, oldest first
  balances  what is in each account now; that of `chain` is what all blocks paid in
  blocks    every block that was found, oldest first, with its latest state
  shares    the shares that are not rolled up, newest first
  totals    the sums of the shares that are, by account and day (the time of its midnight, UTC)

The names of workers are what miners call them. In CSV, one that a spreadsheet would take for a formula has a ' put
before it.";

/// What to verify.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The form of a line
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub(crate) format: Format,
    /// Which part of the books
    #[arg(long, value_enum, default_value_t = What::Bookings)]
    pub(crate) what: What,
}

/// The form of an exported line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values (RFC 4180)
    Csv,
    /// One JSON object per line
    Json,
}

/// A part of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// All transactions
    Bookings,
    /// What is in each account
    Balances,
    /// All blocks
    Blocks,
    /// Live shares
    Shares,
    /// Rolled-up shares
    Totals,
}

/// What to back up, and where to.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The new file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// What to restore, and where to.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A file that `otedama backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}
