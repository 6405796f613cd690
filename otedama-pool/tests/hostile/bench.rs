//! The pool core in memory, with a clock that moves when it is told to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Algorithm, Factor, Hash256};
use otedama_hash::Verifier;
use otedama_pool::core::{ConnectionId, CoreConfig};
use otedama_pool::job::{Layout, Payout};
use otedama_pool::journal::Memory;
use otedama_pool::node::Node;
use otedama_pool::scheme::{Pplns, Scheme};
use otedama_pool::testkit::{Bench, FakeClock};
use otedama_pool::{Chain, Coin, PoolName};

use crate::stage::{POOL, Stage, Watched, vardiff};

const NOON: u64 = 1_800_000_000;

/// See [`Stage`].
pub struct InMemory {
    pub bench: Bench,
    node: Watched,
    journal: Memory,
    connections: Vec<ConnectionId>,
    said: HashMap<usize, Vec<u8>>,
    tip: Hash256,
}

impl InMemory {
    pub fn new(version_bits: u32) -> Self {
        let clock = FakeClock::at(NOON);
        let shown = clock.clone();
        let node = Watched::new(move || shown.now().unix, version_bits);
        let (journal, verifier) = (Memory::new(), Verifier::new(Algorithm::SHA256D).unwrap());
        let handle = Box::new(journal.handle());
        let bench = Bench::new(config(), verifier, handle, Arc::new(node.clone()), clock).unwrap();
        let tip = node.tip().unwrap();
        Self { bench, node, journal, connections: Vec::new(), said: HashMap::new(), tip }
    }
}

fn config() -> CoreConfig {
    let coin = Coin::devnet(Algorithm::SHA256D);
    let scheme = Pplns::new(Factor::whole(2)).unwrap();
    let layout = Layout {
        algorithm: Algorithm::SHA256D,
        payee: scheme.payee(),
        pool_script: coin.address(Chain::Regtest, POOL).unwrap().script().into(),
        fee: "1.0".parse().unwrap(),
        tag: (*b"/test/").into(),
        extranonce_len: 12,
        version_mask: 0x1fff_e000,
    };
    let mut config = CoreConfig::new(PoolName::new("test"), layout, Arc::new(scheme), 2, move |text| {
        let address = coin.address(Chain::Regtest, text).ok()?;
        Some(Payout { account: address.account().clone(), script: address.script().into() })
    });
    config.vardiff = vardiff();
    config
}

impl Stage for InMemory {
    fn connect(&mut self) -> usize {
        self.connections.push(self.bench.connect());
        self.connections.len() - 1
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) {
        // As a socket would chop it.
        for piece in bytes.chunks(4096) {
            self.bench.send(self.connections[connection], piece);
        }
    }

    fn line(&mut self, connection: usize) -> Option<String> {
        let id = self.connections[connection];
        let said = self.said.entry(connection).or_default();
        said.extend(self.bench.take_output(id));
        let Some(end) = said.iter().position(|byte| *byte == b'\n') else {
            assert!(self.bench.closed(id).is_some(), "the pool owes a line and says nothing");
            return None;
        };
        let line: Vec<_> = said.drain(..=end).collect();
        Some(String::from_utf8(line).unwrap())
    }

    fn hang_up(&mut self, connection: usize) {
        self.bench.disconnect(self.connections[connection]);
    }

    fn drip(&mut self, connection: usize, bytes: &[u8]) {
        for byte in bytes {
            self.send(connection, &[*byte]);
            self.bench.advance(Duration::from_secs(10));
        }
    }

    fn new_tip(&mut self) {
        let tip = self.node.tip().unwrap();
        if self.tip != tip {
            self.tip = tip;
            self.bench.fetch_template();
        }
    }

    fn now(&self) -> u32 {
        self.bench.clock().now().unix.to_header_time()
    }

    fn set_calendar(&mut self, unix: u32) -> bool {
        self.bench.clock().set_calendar(unix.into());
        true
    }

    fn node(&self) -> Watched {
        self.node.clone()
    }

    fn journal(&self) -> Memory {
        self.journal.handle()
    }
}
