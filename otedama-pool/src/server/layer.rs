//! What lies between a socket and its session: nothing, or Noise; and what to do about HTTP on the same port.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use otedama_core::Moment;
use otedama_stratum::Opening;
#[cfg(feature = "noise")]
use otedama_stratum::limits::NoiseLimits;

use super::clock::Clock;
#[cfg(feature = "noise")]
use super::secure::{Keys, Secured};
use super::status::{self, Status};
use crate::limits::MAX_HTTP_HEAD;

/// How long bytes that may yet turn out to be anything wait for more, before they are taken for text.
const UNDECIDED: Duration = Duration::from_secs(1);

/// What all connections of a pool have in common below their sessions.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) clock: Clock,
    pub(super) status: Status,
    /// With them, what is binary is secured; without, it is plain Stratum V2.
    #[cfg(feature = "noise")]
    pub(super) keys: Option<Keys>,
}

/// One connection's part of it.
#[derive(Debug)]
pub(super) struct Layer {
    ground: Arc<Ground>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not known yet: what has come, and since when.
    Opening(Vec<u8>, Moment),
    /// Bytes are the session's own.
    Plain,
    #[cfg(feature = "noise")]
    Secured(Box<Secured>),
    /// The head of a request so far.
    Http(Vec<u8>),
}

/// What came of the peer's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Nothing for the session yet.
    Nothing,
    /// These are for the session.
    Session(Bytes),
    /// The peer gets this, and then the connection ends.
    Farewell(Bytes),
}

/// The peer broke the layer's rules; the connection ends.
#[derive(Debug)]
pub(crate) struct Broken;

impl Layer {
    pub(super) fn new(ground: Arc<Ground>) -> Self {
        let now = ground.clock.now();
        Self { ground, state: State::Opening(Vec::new(), now.moment) }
    }

    /// Takes bytes of the socket.
    pub(super) fn receive(&mut self, bytes: Bytes) -> Result<Arrived, Broken> {
        match &mut self.state {
            State::Plain => Ok(Arrived::Session(bytes)),
            #[cfg(feature = "noise")]
            State::Secured(secured) => secured.receive(&bytes, self.ground.clock.now()),
            State::Http(head) => {
                head.extend_from_slice(&bytes);
                self.http()
            }
            State::Opening(before, since) => {
                if before.is_empty() {
                    *since = self.ground.clock.now().moment;
                }
                before.extend_from_slice(&bytes);
                match Opening::of(before) {
                    None => Ok(Arrived::Nothing),
                    Some(opening) => self.decide(opening),
                }
            }
        }
    }

    /// When [`expire`](Self::expire) is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Opening(bytes, since) if !bytes.is_empty() => Some(since.plus(UNDECIDED)),
            #[cfg(feature = "noise")]
            State::Secured(secured) => secured.deadline(),
            _ => None,
        }
    }

    /// A deadline has passed.
    pub(super) fn expire(&mut self) -> Result<Arrived, Broken> {
        match &mut self.state {
            State::Opening(..) => self.decide(Opening::Text),
            #[cfg(feature = "noise")]
            State::Secured(secured) => secured.expire(self.ground.clock.now()),
            _ => Ok(Arrived::Nothing),
        }
    }

    /// Makes what the session sends ready for the socket, in the order in which it came.
    pub(super) fn dress(&mut self, pieces: &mut VecDeque<Bytes>) -> Result<(), Broken> {
        match &mut self.state {
            #[cfg(feature = "noise")]
            State::Secured(secured) => secured.send(pieces),
            _ => {
                let _ = pieces;
                Ok(())
            }
        }
    }

    /// What the layer itself has to say.
    pub(super) fn transmit(&mut self) -> Option<Bytes> {
        match &mut self.state {
            #[cfg(feature = "noise")]
            State::Secured(secured) => secured.transmit(),
            _ => None,
        }
    }

    fn decide(&mut self, opening: Opening) -> Result<Arrived, Broken> {
        let State::Opening(bytes, _) = &mut self.state else { return Ok(Arrived::Nothing) };
        let bytes = std::mem::take(bytes);
        match opening {
            Opening::Http => {
                self.state = State::Http(bytes);
                self.http()
            }
            #[cfg(feature = "noise")]
            Opening::Binary if self.ground.keys.is_some() => {
                let now = self.ground.clock.now();
                let keys = self.ground.keys.as_ref().ok_or(Broken)?;
                let mut secured = Box::new(Secured::new(keys, NoiseLimits::default(), now).ok_or(Broken)?);
                let arrived = secured.receive(&bytes, now);
                self.state = State::Secured(secured);
                arrived
            }
            _ => {
                self.state = State::Plain;
                Ok(Arrived::Session(bytes.into()))
            }
        }
    }

    fn http(&mut self) -> Result<Arrived, Broken> {
        let State::Http(head) = &self.state else { return Ok(Arrived::Nothing) };
        if head.len() > MAX_HTTP_HEAD {
            return Err(Broken);
        }
        let whole =
            head.windows(4).any(|window| window == b"\r\n\r\n") || head.windows(2).any(|w| w == b"\n\n");
        if !whole {
            return Ok(Arrived::Nothing);
        }
        Ok(Arrived::Farewell(status::answer(head, &self.ground.status)))
    }
}
