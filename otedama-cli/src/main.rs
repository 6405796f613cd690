//! The `otedama` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    otedama_cli::run(std::env::args_os())
}
