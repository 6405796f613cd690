#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// Without the pool's server, what only serves is built and checked, but not used.
#![cfg_attr(not(all(feature = "server", feature = "sqlite")), allow(dead_code, unused_imports))]

mod args;
#[cfg(all(feature = "noise", feature = "server"))]
mod authority;
#[cfg(feature = "sqlite")]
mod books;
mod cache;
mod cmd;
mod config;
mod failure;
mod interrupt;
mod log;
mod measure;
mod miner;
#[cfg(all(feature = "server", feature = "sqlite"))]
mod nodes;
#[cfg(all(feature = "server", feature = "sqlite"))]
mod server;
#[cfg(feature = "sqlite")]
mod store;
#[cfg(feature = "sqlite")]
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

#[cfg(feature = "sqlite")]
use crate::args::LedgerCommand;
use crate::args::{Cli, Command, ConfigCommand};
use crate::failure::Failure;

/// Runs the command line `args`, the program's name first, in this process, and returns its exit code: 0 done,
/// 1 failed, 2 usage or configuration, 3 time-out, 130 interrupted.
///
/// Results go to standard output, everything else to standard error. Logging is started once for the process, so a
/// second call in one process fails.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed output is no reason to fail.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    #[cfg(all(feature = "server", feature = "sqlite"))]
    let _points = fail::has_failpoints().then(fail::FailScenario::setup);
    match log::start(&cli.log).and_then(|()| dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                eprintln!("otedama: {failure}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        #[cfg(all(feature = "server", feature = "sqlite"))]
        Command::Demo(args) => cmd::demo::run(&args),
        #[cfg(all(feature = "server", feature = "sqlite"))]
        Command::Serve(args) => cmd::serve::run(&args),
        #[cfg(all(feature = "server", feature = "sqlite"))]
        Command::TemplateProvider(args) => cmd::template_provider::run(&args),
        #[cfg(feature = "sqlite")]
        Command::Ledger(LedgerCommand::Verify(args)) => cmd::verify::run(&args),
        #[cfg(feature = "sqlite")]
        Command::Ledger(LedgerCommand::Export(args)) => cmd::export::run(&args),
        #[cfg(feature = "sqlite")]
        Command::Backup(args) => cmd::backup::run(&args),
        #[cfg(feature = "sqlite")]
        Command::Restore(args) => cmd::restore::run(&args),
        #[cfg(feature = "sqlite")]
        Command::Migrate(command) => cmd::migrate::run(&command),
        Command::Mine(args) => cmd::mine::run(&args),
        Command::Hash(args) => cmd::hash::run(&args),
        Command::Scan(args) => cmd::scan::run(&args),
        Command::Bench(args) => cmd::bench::run(&args),
        Command::Config(ConfigCommand::Validate { file }) => cmd::config::validate(&file),
        #[cfg(feature = "noise")]
        Command::Keys(command) => cmd::keys::run(&command),
        Command::Chaos(args) => cmd::chaos::run(&args),
        Command::Version => cmd::version::run(),
    }
}
