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

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use litecoind::wait_until;
use serving::{PATIENCE, Process};
use stage::Stage;
use support::{otedama_after, run_with_input};

/// Shares before, and after.
const SHARES: usize = 20;
const SERVE: [&str; 3] = ["serve", "--config", "-"];
/// What the pool says of each attempt to write that fails; it makes one in a second.
const FAILS: &str = "shares are refused: ";

/// A limit on the size of files stops one process as a full disk does, and needs no privilege. SQLite takes its error
/// for that of a broken disk: whether it wrote stays open until it can be asked again. Shares wait for that.
#[test]
fn a_disk_that_fails_accepts_nothing_and_holds_back_no_block() {
    let mut stage = Stage::new();
    // Otherwise the limit would end the process by a signal.
    let pool = Process::serve_after(otedama_after("trap '' XFSZ", &SERVE), &stage.config(), 1);
    let process = pool.id().to_string();
    let limit = |bytes: &str| {
        command("prlimit", &["--pid", &process, &format!("--fsize={bytes}:")]);
    };
    stop_and_go(
        &mut stage,
        pool,
        || limit("4096"),
        || limit("unlimited"),
        |pool, _| {
            assert!(pool.log_with(FAILS)[0].contains("disk I/O error"), "it says why");
        },
    );
}

/// A small file system, but with room for all that the journal needs. Where the system lets nobody mount one, as in some containers, the limit above is all
/// that can be tried.
#[test]
fn a_full_disk_refuses_shares_and_holds_back_no_block() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else {
        assert!(std::env::var_os("CI").is_none(), "no file system can be mounted: nobody would notice");
        println!("no file system can be mounted here: a full disk is not tried");
        return;
    };
    let mut stage = Stage::with_store(disk.0.join("pool.db"));
    let pool = Process::serve(&stage.config(), 1);
    let filler = disk.0.join("filler");
    let fill = || {
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    };
    stop_and_go(
        &mut stage,
        pool,
        fill,
        || fs::remove_file(&filler).unwrap(),
        |pool, stage| {
            assert!(pool.log_with(FAILS)[0].contains("database or disk is full"), "it says why");
            stage.accepted.wait_for_refusal("could not be recorded", PATIENCE);
        },
    );
    read_only_is_said(&stage, &disk);
}

/// Shares, no room, blocks without shares, room, shares; and the books of all of it.
fn stop_and_go(
    stage: &mut Stage,
    mut pool: Process,
    stop: impl FnOnce(),
    go: impl FnOnce(),
    stopped: impl FnOnce(&Process, &Stage),
) {
    let miners = stage.mine(&pool.addresses()[0]);
    stage.accepted.wait_for(SHARES, PATIENCE);
    stop();
    // Answers to what was written before are long there at the second failure.
    pool.wait_for_log(FAILS, 2);
    let accepted = stage.accepted.count();
    stopped(&pool, stage);
    wait_until("a block goes out that cannot be written down", || stage.has_unwritten_block());
    pool.wait_for_log(FAILS, 4);
    assert_eq!(stage.accepted.count(), accepted, "nothing is accepted that is not written");
    go();
    pool.wait_for_log("the journal works again", 1);
    stage.accepted.wait_for(accepted + SHARES, PATIENCE);
    pool.kill();
    for miner in miners {
        miner.join().unwrap();
    }
    let books = stage.check();
    let refused = stage.accepted.refused();
    let there = books.digests();
    assert!(refused.iter().all(|(sent, _)| !there.contains_key(&sent.digest)), "refused and counted");
    stage.live(0);
}

/// On a disk that can only be read, the pool does not start, and says so.
fn read_only_is_said(stage: &Stage, disk: &Disk) {
    command("mount", &["-o", "remount,ro", &disk.0.display().to_string()]);
    let refused = run_with_input(&SERVE, &stage.config());
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("ead-only"), "{}", refused.stderr);
}

/// A small file system of its own, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Option<Self> {
        let path = folder.join("disk");
        fs::create_dir(&path).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&path).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn command(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}");
}
