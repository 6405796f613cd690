//! A pool on the embedded chain with a folder of its own, and miners that make books for it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::serving::{PATIENCE, Process};
use crate::v1::{self, Accepted};

pub const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
pub const MINERS: [&str; 2] =
    ["bcrt1qljqxjts7q2x48stgh8yp6cszlv7wqdqt9z799w", "bcrt1q6uxqxrejy0wrs9vhat9gv264xahprp2raeckfs"];

/// One share takes four hashes, one block 256. A point would end the address.
const SHARE_DIFFICULTY: &str = "1e-9";
const BLOCK_BITS: &str = "2000ffff";

/// Where a pool keeps everything.
pub struct Place {
    folder: TempDir,
    pub store: PathBuf,
    /// The configuration's file, and its text.
    pub config: PathBuf,
    pub text: String,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, config) = (folder.path().join("pool.db"), folder.path().join("pool.yaml"));
        let text = format!("pools:\n{}", pool("p", &store));
        std::fs::write(&config, &text).unwrap();
        Self { folder, store, config, text }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the pool and lets two miners have at least so many shares accepted and a block mature.
    pub fn serve(&self, shares: usize) -> Process {
        let pool = Process::serve(&self.text, 1);
        let accepted = Accepted::default();
        let address = &pool.addresses()[0];
        for miner in MINERS {
            // They go on until the pool ends.
            v1::start(address, &format!("{miner}+{SHARE_DIFFICULTY}.=rig"), v1::Pace::FAST, &accepted);
        }
        accepted.wait_for(shares, PATIENCE);
        pool.wait_for_log("state=Matured", 1);
        pool
    }

    /// A journal that a pool has left behind in order.
    pub fn after_a_run() -> Self {
        let place = Self::new();
        end(place.serve(200));
        place
    }
}

/// One pool of a configuration.
pub fn pool(name: &str, store: &Path) -> String {
    format!(
        "  - algorithm: sha256d\n    nodes: [{{ kind: devnet, nbits: \"{BLOCK_BITS}\", maturity: 2 }}]\n    \
         pool: {{ name: {name}, address: {POOL}, fee_percent: \"1.3\" }}\n    \
         stratum: {{ listen: [\"127.0.0.1:0\"] }}\n    store: {{ path: {} }}\n",
        store.display()
    )
}

/// Ends a pool in order.
pub fn end(pool: Process) {
    pool.signal("TERM");
    assert_eq!(pool.ended().code, Some(130));
}
