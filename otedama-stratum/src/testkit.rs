//! Two sessions against each other in memory, with simulated time and a wire that chops: for tests, here and elsewhere.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use otedama_core::Now;

use crate::client::{ClientConfig, ClientSession};
use crate::error::SessionError;
use crate::server::{ServerConfig, ServerSession};

/// A client and a server joined by a wire that loses nothing and keeps the order, but cuts and joins as it likes.
///
/// Everything follows from the seed and the calls: the same run twice is the same.
#[derive(Debug)]
pub struct Pair {
    /// The client's end.
    pub client: ClientSession,
    /// The server's end.
    pub server: ServerSession,
    /// The simulated time of both.
    pub now: Now,
    up: Vec<u8>,
    down: Vec<u8>,
    random: u64,
}

/// Which end of a [`Pair`] ended its session, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The client gave up.
    #[error("client: {0}")]
    Client(SessionError),
    /// The server gave up.
    #[error("server: {0}")]
    Server(SessionError),
}

impl Pair {
    /// Both ends of a connection that opens at the origin of time.
    #[must_use]
    pub fn new(client: ClientConfig, server: Arc<ServerConfig>, seed: u64) -> Self {
        Self::of(ClientSession::new(client, Now::default()), server, seed)
    }

    /// The same with a client that speaks Stratum V2; the server finds out by itself.
    #[must_use]
    pub fn v2(client: ClientConfig, server: Arc<ServerConfig>, seed: u64) -> Self {
        Self::of(ClientSession::v2(client, Now::default()), server, seed)
    }

    fn of(client: ClientSession, server: Arc<ServerConfig>, seed: u64) -> Self {
        let now = Now::default();
        Self {
            client,
            server: ServerSession::new(server, now),
            now,
            up: Vec::new(),
            down: Vec::new(),
            random: seed,
        }
    }

    /// Carries bytes both ways until none are left. Events and commands are the caller's.
    ///
    /// # Errors
    /// [`PairError`] if an end ends its session.
    pub fn exchange(&mut self) -> Result<(), PairError> {
        while self.carry()? {}
        Ok(())
    }

    /// Carries one piece each way, and leaves the rest on the wire; `false` if there was nothing to carry.
    ///
    /// # Errors
    /// [`PairError`] if an end ends its session.
    pub fn carry(&mut self) -> Result<bool, PairError> {
        drain(&mut self.up, || self.client.poll_transmit());
        drain(&mut self.down, || self.server.poll_transmit());
        if self.up.is_empty() && self.down.is_empty() {
            return Ok(false);
        }
        let up = self.piece(self.up.len());
        let bytes: Vec<u8> = self.up.drain(..up).collect();
        self.server.handle_input(&bytes, self.now).map_err(PairError::Server)?;
        let down = self.piece(self.down.len());
        let bytes: Vec<u8> = self.down.drain(..down).collect();
        self.client.handle_input(&bytes, self.now).map_err(PairError::Client)?;
        Ok(true)
    }

    /// Puts bytes on the wire to the server behind everything that the client has said, as if it had said them, too. In
    /// Stratum V2 whole frames, so that those of the client stay whole.
    pub fn interject(&mut self, bytes: &[u8]) {
        drain(&mut self.up, || self.client.poll_transmit());
        self.up.extend_from_slice(bytes);
    }

    /// Lets time pass for both ends.
    ///
    /// # Errors
    /// [`PairError`] if an end has waited too long.
    pub fn wait(&mut self, time: Duration) -> Result<(), PairError> {
        self.now = self.now.plus(time);
        self.client.handle_timeout(self.now).map_err(PairError::Client)?;
        self.server.handle_timeout(self.now).map_err(PairError::Server)
    }

    /// How many of `len` waiting bytes go through in one piece: from one byte to all.
    fn piece(&mut self, len: usize) -> usize {
        let random = usize::try_from(self.next() >> 33).unwrap_or(0);
        match (len, random % 4) {
            (0, _) => 0,
            (_, 0) => len,
            (_, 1) => 1,
            _ => 1 + (random / 4) % len,
        }
    }

    /// The generator of Knuth's MMIX: enough to chop with.
    fn next(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random
    }
}

fn drain(into: &mut Vec<u8>, mut pieces: impl FnMut() -> Option<bytes::Bytes>) {
    while let Some(piece) = pieces() {
        into.extend_from_slice(&piece);
    }
}
