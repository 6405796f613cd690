//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use otedama_core::{Algorithm, Target};

use crate::config;

/// Mine, run a pool, or try both on one machine.
#[derive(Debug, Parser)]
#[command(name = "otedama", version, about, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Results go to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 time-out, 130 interrupted.

Examples:
  otedama config validate pool.yaml
  otedama version";

/// What is logged, and how.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What to log: a level, or levels by module such as info,otedama_pool=debug
    #[arg(long, global = true, env = "OTEDAMA_LOG", default_value = "info", value_name = "LEVELS")]
    pub(crate) log_level: String,
    /// How to log to standard error
    #[arg(long, global = true, env = "OTEDAMA_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the version
    Version,
}

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file, with the environment over it, and say all that is wrong
    Validate {
        /// The file, or - for standard input
        file: String,
    },
}
