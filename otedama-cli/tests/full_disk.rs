//! A disk that takes nothing more, under the real process: nothing is accepted that is not written, blocks go out all
//! the same, and the pool goes on when there is room again.

#![cfg(all(target_os = "linux", feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/books.rs"]
mod books;
#[path = "support/chain.rs"]
mod chain;
#[path = "../../otedama-pool/tests/support/litecoind.rs"]
mod litecoind;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/serving.rs"]
mod serving;
#[path = "support/stage.rs"]
mod stage;
mod support;
#[path = "support/v1.rs"]
mod v1;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use litecoind::wait_until;
use otedama_core::Amount;
use serving::{PATIENCE, Process};
use stage::{MATURITY, Stage};
use support::{otedama, run_with_input};

/// Shares before, and after.
const SHARES: usize = 20;
/// Attempts of the pool to write, one in a second, that fail.
const ATTEMPTS: usize = 4;
/// What it says of each.
const FAILS: &str = "shares are refused: ";

/// A limit on the size of files stops a process like a full disk does, and needs no privilege. The system answers EFBIG
/// instead of ENOSPC, which SQLite takes for a broken disk: whether it wrote stays open until it can be asked again.
#[test]
fn a_disk_that_fails_stops_shares_and_holds_back_no_block() {
    let mut stage = Stage::new();
    // Without this the limit would end the process by a signal.
    let shell = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let program = otedama(&["serve", "--config", "-"]);
    let mut command = Command::new("sh");
    command.args(["-c", shell]).arg(program.get_program()).args(program.get_args());
    let pool = Process::serve_with(command, &stage.config());
    let limit = |pool: &Process, bytes: &str| {
        let status = Command::new("prlimit")
            .args(["--pid", &pool.id().to_string(), &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(status.unwrap().success(), "prlimit --fsize={bytes}");
    };
    stop_and_go(&mut stage, pool, |pool| limit(pool, "4096"), |pool| limit(pool, "unlimited"), &[
        "it is unknown whether the journal was written: ",
        "disk I/O error",
    ]);
}
