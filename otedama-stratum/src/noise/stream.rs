//! The whole of it as one machine: bytes of the socket on one side, plain frames on the other.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use otedama_core::{Moment, Now};

use super::certificate::Identity;
use super::error::NoiseError;
use super::handshake::{Initiator, Responder};
use super::keys::AuthorityKey;
use super::transport::{Transport, sealed_len};
use crate::limits::NoiseLimits;

/// A secured connection without its socket.
///
/// Call it like a session: [`handle_input`](Self::handle_input) with what the socket gives, then
/// [`poll_frame`](Self::poll_frame) until there is none, then [`poll_transmit`](Self::poll_transmit) until there is
/// nothing; [`send`](Self::send) at any time; [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so. After an error, every call gives the same one; what is still to be
/// transmitted may be.
#[derive(Debug)]
pub struct Stream {
    state: State,
    limits: NoiseLimits,
    out: BytesMut,
    /// Plain frames that wait for the end of the handshake.
    early: Vec<u8>,
    /// When the handshake began, or the last bytes came.
    heard: Moment,
    /// Since when the present handshake or frame is awaited.
    since: Moment,
}

#[derive(Debug)]
enum State {
    Responding(Box<Responder>),
    Initiating(Box<Initiator>),
    Open(Box<Transport>),
    Ended(NoiseError),
}

impl Stream {
    /// The server's side. The seed gives the key of this one connection: random, secret, and used once.
    #[must_use]
    pub fn responder(identity: Arc<Identity>, seed: [u8; 32], limits: NoiseLimits, now: Now) -> Self {
        Self::new(State::Responding(Box::new(Responder::new(identity, seed))), limits, now)
    }

    /// The client's side, which speaks first. With an authority's key, only a server with a certificate of that
    /// authority will do; without one, whoever answers is believed. The seed as with [`responder`](Self::responder).
    #[must_use]
    pub fn initiator(authority: Option<AuthorityKey>, seed: [u8; 32], limits: NoiseLimits, now: Now) -> Self {
        let seed = zeroize::Zeroizing::new(seed);
        let initiator = Box::new(Initiator::new(authority, &seed));
        let hello = initiator.hello();
        let mut stream = Self::new(State::Initiating(initiator), limits, now);
        stream.out.extend_from_slice(&hello);
        stream
    }

    fn new(state: State, limits: NoiseLimits, now: Now) -> Self {
        let (out, early) = (BytesMut::new(), Vec::new());
        Self { state, limits, out, early, heard: now.moment, since: now.moment }
    }

    /// Takes bytes of the socket, in whatever pieces.
    ///
    /// # Errors
    /// [`NoiseError`] if the connection must end.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), NoiseError> {
        self.guard(|stream| stream.input(bytes, now))
    }

    /// The next plain frame, header and payload in one piece. Take all of them before the next input.
    ///
    /// # Errors
    /// [`NoiseError`] if the connection must end.
    pub fn poll_frame(&mut self) -> Result<Option<&[u8]>, NoiseError> {
        let mut next = None;
        self.guard(|stream| {
            if let State::Open(transport) = &mut stream.state {
                next = transport.next(stream.limits.frame)?;
            }
            Ok(())
        })?;
        let (Some(frame), State::Open(transport)) = (next, &self.state) else { return Ok(None) };
        self.since = self.heard;
        Ok(transport.plain(frame))
    }

    /// Sends whole plain frames, any number of them; until the handshake is done they wait.
    ///
    /// # Errors
    /// [`NoiseError::NotFrames`] if these are no whole frames, and then the connection can go on;
    /// [`NoiseError::OutputFull`] if the peer does not read.
    pub fn send(&mut self, frames: &[u8]) -> Result<(), NoiseError> {
        let len = sealed_len(frames)?;
        let limit = self.limits.output;
        self.guard(|stream| {
            if stream.out.len() + stream.early.len() + len > limit {
                return Err(NoiseError::OutputFull { limit });
            }
            match &mut stream.state {
                State::Open(transport) => transport.seal(frames, &mut stream.out)?,
                _ => stream.early.extend_from_slice(frames),
            }
            Ok(())
        })
    }

    /// What is to be sent next over the socket. Once the bytes are dropped, their memory is used again.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// Whether the handshake is done. For a client, the server has proven then who it is.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        match &self.state {
            State::Responding(_) | State::Initiating(_) => Some(self.since.plus(self.limits.handshake)),
            State::Open(transport) if transport.buffered_bytes() > 0 => {
                Some(self.since.plus(self.limits.frame_time))
            }
            State::Open(_) | State::Ended(_) => None,
        }
    }

    /// Looks whether the peer has let a time pass.
    ///
    /// # Errors
    /// [`NoiseError::HandshakeTimeout`] or [`NoiseError::FrameTimeout`] if it has.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), NoiseError> {
        self.guard(|stream| {
            if stream.poll_timeout().is_none_or(|due| now.moment < due) {
                return Ok(());
            }
            Err(match stream.state {
                State::Open(_) => NoiseError::FrameTimeout(stream.limits.frame_time),
                _ => NoiseError::HandshakeTimeout(stream.limits.handshake),
            })
        })
    }

    /// Bytes that are held: not opened, or not yet transmitted.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let received = match &self.state {
            State::Open(transport) => transport.buffered_bytes(),
            _ => 0,
        };
        received + self.out.len() + self.early.len()
    }

    /// Does something unless the connection has ended; an error is its end.
    fn guard(&mut self, act: impl FnOnce(&mut Self) -> Result<(), NoiseError>) -> Result<(), NoiseError> {
        if let State::Ended(error) = &self.state {
            return Err(error.clone());
        }
        let result = act(self);
        if let Err(error) = &result {
            self.state = State::Ended(error.clone());
            self.early = Vec::new();
        }
        result
    }

    fn input(&mut self, mut bytes: &[u8], now: Now) -> Result<(), NoiseError> {
        self.heard = now.moment;
        let opened = match &mut self.state {
            State::Responding(responder) => responder.handle_input(&mut bytes, &mut self.out)?,
            State::Initiating(initiator) => initiator.handle_input(&mut bytes, now.unix)?,
            State::Open(_) | State::Ended(_) => None,
        };
        if let Some(mut transport) = opened {
            let early = core::mem::take(&mut self.early);
            transport.seal(&early, &mut self.out)?;
            self.state = State::Open(Box::new(transport));
        }
        if let State::Open(transport) = &mut self.state {
            if transport.buffered_bytes() == 0 {
                self.since = now.moment;
            }
            transport.receive(bytes);
        }
        Ok(())
    }
}
