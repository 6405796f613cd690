//! The tokio server on loopback, with plain sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otedama_core::{Algorithm, Factor, UnixTime};
use otedama_pool::journal::Memory;
use otedama_pool::scheme::Pplns;
use otedama_pool::{Coin, Pool};
use otedama_stratum::Limits;
use tokio::runtime::{Builder, Runtime};

use crate::stage::{POOL, Stage, Watched, vardiff};

/// How long a line may take here. No other line in these tests takes any time.
const LINE_TIME: Duration = Duration::from_secs(1);

/// See [`Stage`].
pub struct OverSockets {
    _runtime: Runtime,
    _pool: Pool,
    address: SocketAddr,
    node: Watched,
    journal: Memory,
    streams: Vec<BufReader<TcpStream>>,
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl OverSockets {
    pub fn new(version_bits: u32) -> Self {
        let node = Watched::new(|| UnixTime::from_secs(unix()), version_bits);
        let journal = Memory::new();
        let mut limits = Limits::default();
        limits.line_time = LINE_TIME;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let pool = Pool::builder(node.clone(), POOL, Pplns::new(Factor::whole(2)).unwrap())
            .coin(Coin::devnet(Algorithm::SHA256D))
            .name("test")
            .journal(journal.handle())
            .fee("1.0".parse().unwrap())
            .maturity(2)
            .vardiff(vardiff())
            .session_limits(limits)
            .listen("127.0.0.1:0")
            .start();
        let pool = runtime.block_on(pool).unwrap();
        let address = pool.addresses()[0];
        Self { _runtime: runtime, _pool: pool, address, node, journal, streams: Vec::new() }
    }
}

impl Stage for OverSockets {
    fn connect(&mut self) -> usize {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        self.streams.push(BufReader::new(stream));
        self.streams.len() - 1
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) {
        // Fails where the pool has hung up in the middle, which the next line tells.
        let _ = self.streams[connection].get_mut().write_all(bytes);
    }

    fn line(&mut self, connection: usize) -> Option<String> {
        let mut line = String::new();
        match self.streams[connection].read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(error) => {
                let waited =
                    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(!waited, "the pool owes a line and says nothing");
                None
            }
        }
    }

    fn hang_up(&mut self, connection: usize) {
        self.streams[connection].get_mut().shutdown(Shutdown::Both).unwrap();
    }

    fn drip(&mut self, connection: usize, bytes: &[u8]) {
        self.send(connection, &bytes[..1]);
    }

    fn new_tip(&mut self) {}

    fn now(&self) -> u32 {
        u32::try_from(unix()).unwrap()
    }

    fn set_calendar(&mut self, _: u32) -> bool {
        false
    }

    fn node(&self) -> Watched {
        self.node.clone()
    }

    fn journal(&self) -> Memory {
        self.journal.handle()
    }
}
