//! What lies between socket and session: nothing, or Noise.

#[cfg(feature = "noise")]
use std::boxed::Box;
use std::io;

use bytes::Bytes;
use otedama_core::{Moment, Now};

use super::error::Disconnect;
use super::url::Url;
use crate::error::SessionError;
#[cfg(feature = "noise")]
use crate::limits::NoiseLimits;
#[cfg(feature = "noise")]
use crate::noise::Stream;

/// Bytes of the socket on one side, bytes of the session on the other.
#[derive(Debug)]
pub(super) enum Layer {
    /// Both are the same.
    Plain,
    /// The session's bytes are whole frames; on the socket they are sealed.
    #[cfg(feature = "noise")]
    Noise(Box<Stream>),
}

#[cfg_attr(not(feature = "noise"), expect(unused_variables, reason = "only Noise looks at the time"))]
impl Layer {
    /// What the address asks for.
    pub(super) fn new(url: &Url, now: Now) -> io::Result<Self> {
        if url.is_v2() { Self::secured(url, now) } else { Ok(Self::Plain) }
    }

    #[cfg(feature = "noise")]
    fn secured(url: &Url, now: Now) -> io::Result<Self> {
        use ring::rand::{SecureRandom as _, SystemRandom};

        let wrong = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let authority = url.authority().map(str::parse).transpose().map_err(wrong)?;
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| io::ErrorKind::Other)?;
        let stream = Stream::initiator(authority, seed, NoiseLimits::default(), now);
        Ok(Self::Noise(Box::new(stream)))
    }

    #[cfg(not(feature = "noise"))]
    fn secured(_: &Url, _: Now) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes bytes of the socket, and gives what they mean for the session.
    pub(super) fn handle_input(
        &mut self,
        bytes: &[u8],
        now: Now,
        mut session: impl FnMut(&[u8]) -> Result<(), SessionError>,
    ) -> Result<(), Disconnect> {
        match self {
            Self::Plain => session(bytes)?,
            #[cfg(feature = "noise")]
            Self::Noise(stream) => {
                stream.handle_input(bytes, now)?;
                while let Some(frame) = stream.poll_frame()? {
                    session(frame)?;
                }
            }
        }
        Ok(())
    }

    /// Takes what the session has to say: `Some` is for the socket at once, the rest comes out of
    /// [`poll_transmit`](Self::poll_transmit).
    pub(super) fn send(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Disconnect> {
        match self {
            Self::Plain => Ok(Some(bytes)),
            #[cfg(feature = "noise")]
            Self::Noise(stream) => {
                stream.send(&bytes)?;
                Ok(stream.poll_transmit())
            }
        }
    }

    /// What is to be sent over the socket.
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        match self {
            Self::Plain => None,
            #[cfg(feature = "noise")]
            Self::Noise(stream) => stream.poll_transmit(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        match self {
            Self::Plain => None,
            #[cfg(feature = "noise")]
            Self::Noise(stream) => stream.poll_timeout(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Now) -> Result<(), Disconnect> {
        match self {
            Self::Plain => Ok(()),
            #[cfg(feature = "noise")]
            Self::Noise(stream) => Ok(stream.handle_timeout(now)?),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "noise")]
mod tests {
    use core::time::Duration;
    use std::format;
    use std::sync::Arc;
    use std::vec::Vec;

    use super::*;
    use crate::noise::{AuthoritySecret, Identity, NoiseError};

    const FRAME: [u8; 7] = [0, 0, 1, 1, 0, 0, 9];

    /// A miner's layer and a pool that is not asked for unless the keys are the same.
    fn pair(url_names: u8, pool_has: u8) -> (Layer, Stream, Now) {
        let now = Now::default().plus(Duration::from_secs(1_700_000_000));
        let key = AuthoritySecret::from_seed(&[url_names; 32]).public();
        let url = format!("stratum2+tcp://127.0.0.1:1/{key}").parse().unwrap();
        let authority = AuthoritySecret::from_seed(&[pool_has; 32]);
        let identity = Identity::issue(&authority, now.unix, Duration::from_secs(60), &[1; 32]);
        let pool = Stream::responder(Arc::new(identity), [2; 32], NoiseLimits::default(), now);
        (Layer::new(&url, now).unwrap(), pool, now)
    }

    #[test]
    fn frames_go_through_sealed() {
        let (mut miner, mut pool, now) = pair(1, 1);
        let hello = miner.send(Bytes::from_static(&FRAME)).unwrap().unwrap();
        assert_eq!((hello.len(), miner.poll_transmit()), (64, None));
        pool.handle_input(&hello, now).unwrap();
        pool.send(&[FRAME, FRAME].concat()).unwrap();
        let mut heard = Vec::new();
        while let Some(bytes) = pool.poll_transmit() {
            let took = miner.handle_input(&bytes, now, |frame| {
                heard.push(frame.to_vec());
                Ok(())
            });
            took.unwrap();
        }
        assert_eq!(heard, [FRAME, FRAME]);
        pool.handle_input(&miner.poll_transmit().unwrap(), now).unwrap();
        assert_eq!(pool.poll_frame(), Ok(Some(&FRAME[..])));
        assert_eq!((miner.poll_timeout(), miner.handle_timeout(now)), (None, Ok(())));
    }

    #[test]
    fn a_pool_of_another_authority_is_left() {
        let (mut miner, mut pool, now) = pair(1, 2);
        pool.handle_input(&miner.poll_transmit().unwrap(), now).unwrap();
        let answer = pool.poll_transmit().unwrap();
        let judged = miner.handle_input(&answer, now, |_| Ok(()));
        assert_eq!(judged, Err(Disconnect::Noise(NoiseError::WrongAuthority)));
    }

    #[test]
    fn a_pool_that_says_nothing_is_left() {
        let (mut miner, _, now) = pair(1, 1);
        let due = now.plus(Duration::from_secs(10));
        assert_eq!(miner.poll_timeout(), Some(due.moment));
        let error = NoiseError::HandshakeTimeout(Duration::from_secs(10));
        assert_eq!(miner.handle_timeout(due), Err(Disconnect::Noise(error)));
    }
}
