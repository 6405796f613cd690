//! Runs the program as its users do.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these arguments, and nothing of the surrounding environment that it would read.
pub fn otedama(args: &[&str]) -> Command {
    without_surroundings(Command::new(env!("CARGO_BIN_EXE_otedama")), args)
}

/// The same below a shell, which runs these commands before it becomes the program.
pub fn otedama_after(commands: &str, args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{commands}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_otedama")]);
    without_surroundings(shell, args)
}

fn without_surroundings(mut command: Command, args: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEDAMA_") {
            command.env_remove(name);
        }
    }
    // What the program keeps for the next time is not the user's own.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub fn run(args: &[&str]) -> Run {
    ended(otedama(args).output().unwrap())
}

/// Runs it to its end with this on standard input.
pub fn run_with_input(args: &[&str], input: &str) -> Run {
    let mut child = otedama(args).stdin(Stdio::piped()).spawn().unwrap();
    // A program that refuses early may have closed its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    ended(child.wait_with_output().unwrap())
}

pub fn ended(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
