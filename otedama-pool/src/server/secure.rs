//! Noise between a socket and its session, and the keys for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use otedama_core::{Moment, Now};
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::noise::{AuthorityKey, AuthoritySecret, Identity, Stream};
use otedama_stratum::v2::Header;

use super::layer::{Arrived, Broken};

/// How long a certificate is valid.
const VALIDITY: Duration = Duration::from_secs(24 * 60 * 60);
/// A clock of a miner may be behind by so much without its refusing a certificate that was just made.
const BACKDATED: Duration = Duration::from_secs(60 * 60);
/// With less left, the next connection gets a new certificate.
const RENEWED: Duration = Duration::from_secs(12 * 60 * 60);

/// The authority of a pool, and the static key that it vouches for at present.
#[derive(Debug)]
pub(crate) struct Keys {
    authority: AuthoritySecret,
    current: Mutex<Option<Arc<Identity>>>,
}

impl Keys {
    pub(crate) fn new(authority: AuthoritySecret) -> Self {
        Self { authority, current: Mutex::new(None) }
    }

    /// What miners are to know.
    pub(crate) fn public(&self) -> AuthorityKey {
        self.authority.public()
    }

    /// The static key and its certificate; a new one if the old is half over, or not valid by a clock that was set back.
    /// `None` if the system has no randomness to give.
    fn identity(&self, now: Now) -> Option<Arc<Identity>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = current.as_ref().filter(|identity| {
            let left = identity.expires().as_secs().saturating_sub(now.unix.as_secs());
            left > RENEWED.as_secs() && identity.certificate().valid_from() <= now.unix
        });
        if let Some(identity) = fresh {
            return Some(Arc::clone(identity));
        }
        let from = otedama_core::UnixTime::from_secs(now.unix.as_secs().saturating_sub(BACKDATED.as_secs()));
        let identity = Arc::new(Identity::issue(&self.authority, from, VALIDITY + BACKDATED, &random()?));
        *current = Some(Arc::clone(&identity));
        Some(identity)
    }
}

fn random() -> Option<[u8; 32]> {
    let mut seed = [0; 32];
    match getrandom::fill(&mut seed) {
        Ok(()) => Some(seed),
        Err(error) => {
            tracing::error!(%error, "no randomness for a secured connection");
            None
        }
    }
}

/// One secured connection.
#[derive(Debug)]
pub(crate) struct Secured {
    stream: Stream,
    /// Pieces of frames that the session has not sent to their end.
    plain: Vec<u8>,
}

impl Secured {
    /// `None` if the system has no randomness to give.
    pub(crate) fn new(keys: &Keys, limits: NoiseLimits, now: Now) -> Option<Self> {
        let stream = Stream::responder(keys.identity(now)?, random()?, limits, now);
        Some(Self { stream, plain: Vec::new() })
    }

    pub(crate) fn receive(&mut self, bytes: &[u8], now: Now) -> Result<Arrived, Broken> {
        self.stream.handle_input(bytes, now).map_err(broken)?;
        let mut frames = Vec::new();
        while let Some(frame) = self.stream.poll_frame().map_err(broken)? {
            frames.extend_from_slice(frame);
        }
        Ok(if frames.is_empty() { Arrived::Nothing } else { Arrived::Session(frames.into()) })
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.stream.poll_timeout()
    }

    pub(crate) fn expire(&mut self, now: Now) -> Result<Arrived, Broken> {
        self.stream.handle_timeout(now).map(|()| Arrived::Nothing).map_err(broken)
    }

    /// Seals whole frames, however the session has cut them.
    pub(crate) fn send(&mut self, pieces: &mut VecDeque<Bytes>) -> Result<(), Broken> {
        for piece in pieces.drain(..) {
            self.plain.extend_from_slice(&piece);
        }
        let whole = whole_frames(&self.plain);
        let (frames, _) = self.plain.split_at_checked(whole).ok_or(Broken)?;
        if !frames.is_empty() {
            self.stream.send(frames).map_err(broken)?;
            self.plain.drain(..whole);
        }
        pieces.extend(self.stream.poll_transmit());
        Ok(())
    }

    pub(crate) fn transmit(&mut self) -> Option<Bytes> {
        self.stream.poll_transmit()
    }
}

/// How many of the bytes are whole frames.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Some((header, _)) = bytes.get(whole..).and_then(<[u8]>::split_first_chunk) {
        let len = usize::try_from(Header::decode(header).payload_len().get()).unwrap_or(usize::MAX);
        match whole.checked_add(Header::LEN).and_then(|end| end.checked_add(len)) {
            Some(end) if end <= bytes.len() => whole = end,
            _ => break,
        }
    }
    whole
}

fn broken(error: otedama_stratum::noise::NoiseError) -> Broken {
    tracing::debug!(%error, "a secured connection ends");
    Broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use otedama_core::UnixTime;

    #[test]
    fn frames_are_counted_whole() {
        let frame = [0, 0, 1, 2, 0, 0, 7, 7];
        let two = [frame, frame].concat();
        for (len, whole) in [(0, 0), (5, 0), (7, 0), (8, 8), (15, 8), (16, 16)] {
            assert_eq!(whole_frames(&two[..len]), whole, "{len}");
        }
    }

    #[test]
    fn an_identity_serves_until_it_is_half_over() {
        let keys = Keys::new(AuthoritySecret::from_seed(&[7; 32]));
        let at = |hours: u64| Now::new(Moment::ORIGIN, UnixTime::from_secs(1_700_000_000 + hours * 3600));
        let first = keys.identity(at(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &keys.identity(at(11)).unwrap()));
        let second = keys.identity(at(13)).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(second.expires() > first.expires());
        // A clock that was set back far.
        assert!(!Arc::ptr_eq(&second, &keys.identity(at(2)).unwrap()));
    }
}
