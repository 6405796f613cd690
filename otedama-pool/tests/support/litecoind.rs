//! Real Litecoin nodes on a private chain: started on free loopback ports in temporary folders, ended on drop.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) const USER: &str = "u";
pub(crate) const PASSWORD: &str = "p";
/// User and password above, as the node wants them hashed. The cookie works beside them.
const RPC_AUTH: &str = "-rpcauth=u:5a17$dca78bfdfaadf540f79534fdd388a929ec5c001afddd93157069925cba8c492c";
/// Nobody's address.
pub(crate) const ADDRESS: &str = "rltc1qqurswpc8qurswpc8qurswpc8qurswpc8ntpxlg";

/// Keeps MWEB from beginning at height 432, where nodes give no template until there is a peg-in.
pub(crate) const WITHOUT_MWEB: &str = "-vbparams=mweb:4000000000:4000000000:1000000:1000000";

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// A port that was free a moment ago may be taken; that often it is tried again.
const ATTEMPTS: usize = 5;

/// Some nodes, each connected to all before it.
pub(crate) struct Network {
    pub(crate) nodes: Vec<Litecoind>,
}

/// One node. It is killed when dropped.
pub(crate) struct Litecoind {
    folder: TempDir,
    peers: Vec<u16>,
    options: Vec<String>,
    port: u16,
    rpc_port: u16,
    process: Option<Child>,
}

impl Network {
    /// Starts this many nodes and mines the first block, so that they leave initial block download.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, &[])
    }

    /// The same with more options for each node.
    pub(crate) fn start_with(count: usize, options: &[&str]) -> Self {
        let mut nodes: Vec<Litecoind> = Vec::new();
        for _ in 0..count {
            let peers = nodes.iter().map(|node| node.port).collect();
            nodes.push(Litecoind::start_with(peers, options));
        }
        let network = Self { nodes };
        for node in &network.nodes {
            let connected = || node.cli(&["getconnectioncount"]).parse::<usize>().unwrap() + 1 >= count;
            wait_until("the nodes are connected", connected);
        }
        network.generate(1, ADDRESS);
        network
    }

    /// Mines blocks on the first node, and waits until all that run have them.
    pub(crate) fn generate(&self, blocks: usize, address: &str) {
        self.nodes[0].cli(&["generatetoaddress", &blocks.to_string(), address]);
        self.sync();
    }

    /// Waits until all nodes that run have the first one's tip.
    pub(crate) fn sync(&self) {
        wait_until("the nodes agree", || {
            let mut tips = self.nodes.iter().filter(|node| node.process.is_some()).map(Litecoind::tip);
            let first = tips.next();
            tips.all(|tip| Some(tip) == first)
        });
    }
}

impl Litecoind {
    /// Starts a node that connects to these ports, and waits until it answers.
    pub(crate) fn start(peers: Vec<u16>) -> Self {
        Self::start_with(peers, &[])
    }

    fn start_with(peers: Vec<u16>, options: &[&str]) -> Self {
        let options: Vec<_> = options.iter().copied().map(str::to_owned).collect();
        for _ in 0..ATTEMPTS {
            let folder = tempfile::tempdir().unwrap();
            let (port, rpc_port) = free_ports();
            let mut node = Self {
                folder,
                peers: peers.clone(),
                options: options.clone(),
                port,
                rpc_port,
                process: None,
            };
            if node.launch() {
                return node;
            }
        }
        panic!("litecoind did not start in {ATTEMPTS} attempts");
    }

    /// Ends the process the hard way.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Ends the process and starts it again on the same chain.
    pub(crate) fn restart(&mut self) {
        if let Some(mut process) = self.process.take() {
            self.cli(&["stop"]);
            process.wait().unwrap();
        }
        assert!(self.launch(), "litecoind did not start again");
    }

    /// What a pool is to be configured with.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc_port)
    }

    pub(crate) fn cookie(&self) -> PathBuf {
        self.folder.path().join("regtest/.cookie")
    }

    pub(crate) fn tip(&self) -> String {
        self.cli(&["getbestblockhash"])
    }

    pub(crate) fn height(&self) -> u32 {
        self.cli(&["getblockcount"]).parse().unwrap()
    }

    /// What `litecoin-cli` prints; the command must succeed.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).unwrap_or_else(|error| panic!("litecoin-cli {arguments:?}: {error}"))
    }

    pub(crate) fn try_cli(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("litecoin-cli")
            .args(["-regtest", &self.data_dir(), &format!("-rpcport={}", self.rpc_port)])
            .args(arguments)
            .output()
            .map_err(|error| missing("litecoin-cli", &error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn data_dir(&self) -> String {
        format!("-datadir={}", self.folder.path().display())
    }

    /// Whether the process came up.
    fn launch(&mut self) -> bool {
        let connect = |port: &u16| format!("-connect=127.0.0.1:{port}");
        let mut command = Command::new("litecoind");
        command
            .args(["-regtest", "-server", "-listen=1", "-bind=127.0.0.1", "-listenonion=0", "-dnsseed=0"])
            .args([
                "-rpcbind=127.0.0.1",
                "-rpcallowip=127.0.0.1",
                RPC_AUTH,
                "-fallbackfee=0.001",
                "-dbcache=8",
            ])
            .args([self.data_dir(), format!("-port={}", self.port), format!("-rpcport={}", self.rpc_port)])
            .args(self.peers.iter().map(connect))
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if self.peers.is_empty() {
            command.arg("-connect=0");
        }
        let process = command.spawn().unwrap_or_else(|error| panic!("{}", missing("litecoind", &error)));
        self.process = Some(process);
        let deadline = Instant::now() + PATIENCE;
        while self.try_cli(&["getblockcount"]).is_err() {
            let process = self.process.as_mut().unwrap();
            if process.try_wait().unwrap().is_some() || Instant::now() > deadline {
                self.kill();
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }
}

impl Drop for Litecoind {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks a process outside again and again; it has no way to tell.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

fn missing(program: &str, error: &std::io::Error) -> String {
    format!("{program} cannot be run ({error}): apt-get install litecoind")
}

fn free_ports() -> (u16, u16) {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [one, two] = sockets.map(|socket| socket.local_addr().unwrap().port());
    (one, two)
}
