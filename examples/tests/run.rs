//! Every example runs and does what it says.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../otedama-pool/tests/support/litecoind.rs"]
mod litecoind;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A program that runs, and what it prints. It ends with the test.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What follows the first line that begins so.
    fn line(&mut self, start: &str) -> String {
        for line in &mut self.lines {
            if let Some(rest) = line.unwrap().strip_prefix(start) {
                return rest.to_owned();
            }
        }
        unreachable!("the program ended without a line that begins with {start:?}")
    }

    fn succeeds(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program prints that ends by itself.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn verify_share_recognises_the_block() {
    let output = output(env!("CARGO_BIN_EXE_verify_share"), &[]);
    assert!(output.ends_with("it is a block\n"), "{output}");
    assert!(output.contains("4860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000"), "{output}");
}

#[test]
fn own_device_finds_shares_that_count() {
    let output = output(env!("CARGO_BIN_EXE_own_device"), &[]);
    assert_eq!(output.matches(": share true\n").count(), 3, "{output}");
    assert!(output.contains("\nabacus at "), "{output}");
}

#[test]
fn own_scheme_splits_to_the_last_unit() {
    // A tenth to bob, who found it; of the rest three quarters to alice, one to bob.
    let output = output(env!("CARGO_BIN_EXE_own_scheme"), &[]);
    assert_eq!(output, "alice gets 3375000000\nbob gets 1625000000\n");
}

#[test]
fn frame_inspector_shows_what_frames_say() {
    let share = "00801b26000002000000070000000100000078563412\
                 00f153650000002004010203040200010400726967310080210100000003001e000000";
    let output = output(env!("CARGO_BIN_EXE_frame_inspector"), &[share]);
    let lines: Vec<_> = output.lines().collect();
    let [share, target, unknown] = lines[..] else { panic!("{output}") };
    assert!(share.starts_with("SubmitSharesExtended(SubmitSharesExtended { channel_id: 2, "), "{share}");
    assert!(share.ends_with(" with [Ok(Tlv { extension: 2, field: 1, value: 72696731 })]"), "{share}");
    assert_eq!(target, "SetTarget, channel_id: the payload ends too soon");
    assert!(unknown.starts_with("Unknown(Frame { extension: 3, channel: false, kind: 30"), "{unknown}");
}

#[test]
fn the_miner_mines_on_the_event_loop() {
    let mut pool = Running::start(env!("CARGO_BIN_EXE_own_event_loop"), &["127.0.0.1:0", "3"]);
    let address = pool.line("listening ");
    let mut miner = Running::start(env!("CARGO_BIN_EXE_cpu_miner"), &[&address, "sha256d", "wallet.rig"]);
    let first = miner.line("accepted ");
    assert_ne!(miner.line("accepted "), first);
    pool.succeeds();
}

#[test]
fn the_miner_finds_a_block_for_the_pool_that_the_node_takes() {
    let network = litecoind::Network::start(2);
    let node = &network.nodes[0];
    let folder = tempfile::tempdir().unwrap();
    let (cookie, journal) = (node.cookie(), folder.path().join("pool.db"));
    let paths = [&cookie, &journal].map(|path| path.to_str().unwrap());
    let arguments = ["litecoin", &node.url(), paths[0], litecoind::ADDRESS, paths[1], "127.0.0.1:0"];
    let mut pool = Running::start(env!("CARGO_BIN_EXE_pool"), &arguments);
    let address = pool.line("listening ");
    let before = node.height();
    let _miner = Running::start(env!("CARGO_BIN_EXE_cpu_miner"), &[&address, "scrypt", litecoind::ADDRESS]);
    while !pool.line("BlockTurned ").contains("state: Confirmed") {}
    assert!(node.height() > before);
}

#[test]
fn the_proxy_joins_two_miners_to_one_pool_connection() {
    let mut pool = Running::start(env!("CARGO_BIN_EXE_own_event_loop"), &["127.0.0.1:0"]);
    let upstream = pool.line("listening ");
    let mut proxy =
        Running::start(env!("CARGO_BIN_EXE_v1_proxy"), &["127.0.0.1:0", &upstream, "wallet.farm"]);
    let address = proxy.line("listening ");
    let mut one = Running::start(env!("CARGO_BIN_EXE_cpu_miner"), &[&address, "sha256d", "one"]);
    let mut two = Running::start(env!("CARGO_BIN_EXE_cpu_miner"), &[&address, "sha256d", "two"]);
    for miner in [&mut one, &mut two] {
        miner.line("accepted ");
        miner.line("accepted ");
    }
}
