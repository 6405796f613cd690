//! Frames, sealed: the header as one message, the payload as as many as it takes.

use alloc::vec::Vec;
use core::ops::Range;

use bytes::BytesMut;

use super::cipher::{Cipher, TAG};
use super::error::NoiseError;
use crate::limits::SPARE_BUFFER;

/// Bytes of a frame's header: extension, type, and the length of the payload in three bytes, little-endian.
const HEADER: usize = 6;
/// The longest piece of a payload that is sealed as one message; with its tag it has 65,535 bytes.
const CHUNK: usize = 65_519;

/// Both directions of a connection after the handshake.
///
/// A frame is sealed as its header and then its payload, in pieces of at most 65,519 bytes, each with a tag of sixteen; a
/// frame without payload is its header alone. A message that fails its authentication ends the transport: it says so to
/// every later call.
#[derive(Debug)]
pub struct Transport {
    seal: Cipher,
    open: Opener,
}

impl Transport {
    pub(super) const fn new(seal: Cipher, open: Cipher) -> Self {
        Self { seal, open: Opener::new(open) }
    }

    /// Seals whole plain frames, any number of them, at the end of `out`. Allocates only where `out` must grow.
    ///
    /// # Errors
    /// [`NoiseError::NotFrames`] if these are no whole frames, and then nothing was sealed; [`NoiseError::Exhausted`]
    /// once the keys are used up.
    pub fn seal(&mut self, frames: &[u8], out: &mut BytesMut) -> Result<(), NoiseError> {
        out.reserve(sealed_len(frames)?);
        let mut rest = frames;
        while let Some((header, payload, after)) = split_frame(rest) {
            self.seal.append(&[], header, out)?;
            for chunk in payload.chunks(CHUNK) {
                self.seal.append(&[], chunk, out)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// Takes bytes of the peer, in whatever pieces. Take all frames with [`open`](Self::open) before the next ones, or
    /// they gather.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.open.receive(bytes);
    }

    /// The next whole frame, plain, header and payload in one piece; none until more bytes are there. Opens in place and
    /// allocates nothing.
    ///
    /// # Errors
    /// [`NoiseError::Forged`] if the peer did not seal it; [`NoiseError::FrameTooLong`] if its header announces more
    /// than `limit` bytes of payload, as soon as the header is there. Either ends the transport.
    pub fn open(&mut self, limit: usize) -> Result<Option<&[u8]>, NoiseError> {
        Ok(self.next(limit)?.and_then(|frame| self.plain(frame)))
    }

    /// Where the next whole frame lies, until the next call.
    pub(super) fn next(&mut self, limit: usize) -> Result<Option<Range<usize>>, NoiseError> {
        self.open.next(limit)
    }

    pub(super) fn plain(&self, frame: Range<usize>) -> Option<&[u8]> {
        self.open.buffer.get(frame)
    }

    /// Bytes of the peer that are not opened yet, or belong to a frame that is not whole.
    #[must_use]
    pub const fn buffered_bytes(&self) -> usize {
        self.open.buffer.len() - self.open.frame
    }
}

/// How many bytes these plain frames have when they are sealed.
///
/// # Errors
/// [`NoiseError::NotFrames`] if these are no whole frames.
pub fn sealed_len(frames: &[u8]) -> Result<usize, NoiseError> {
    let (mut rest, mut len) = (frames, 0);
    while let Some((header, payload, after)) = split_frame(rest) {
        len += header.len() + TAG + payload.len() + TAG * payload.len().div_ceil(CHUNK);
        rest = after;
    }
    if rest.is_empty() { Ok(len) } else { Err(NoiseError::NotFrames) }
}

/// The first frame's header and payload, and what is behind it.
fn split_frame(frames: &[u8]) -> Option<(&[u8; HEADER], &[u8], &[u8])> {
    let (header, rest) = frames.split_first_chunk()?;
    let (payload, after) = rest.split_at_checked(payload_len(header))?;
    Some((header, payload, after))
}

fn payload_len(header: &[u8; HEADER]) -> usize {
    let [.., low, middle, high] = header.map(usize::from);
    low | middle << 8 | high << 16
}

/// What came in. The frame in hand lies plain at `frame..plain`, what is still sealed at `sealed..`; between them is
/// what tags have left over.
#[derive(Debug)]
struct Opener {
    cipher: Cipher,
    buffer: Vec<u8>,
    frame: usize,
    plain: usize,
    sealed: usize,
    /// Bytes of payload that the frame in hand still lacks; none before its header is open.
    missing: Option<usize>,
    ended: Option<NoiseError>,
}

impl Opener {
    const fn new(cipher: Cipher) -> Self {
        Self { cipher, buffer: Vec::new(), frame: 0, plain: 0, sealed: 0, missing: None, ended: None }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.ended.is_some() {
            return;
        }
        if self.frame == self.buffer.len() {
            self.buffer.clear();
            if self.buffer.capacity() > SPARE_BUFFER {
                self.buffer = Vec::new();
            }
            (self.frame, self.plain, self.sealed) = (0, 0, 0);
        } else if self.frame > 0 && self.buffer.len() + bytes.len() > self.buffer.capacity() {
            // Room is made once there is none: moving what is left costs little then, for little is left.
            self.buffer.drain(..self.frame);
            self.plain -= self.frame;
            self.sealed -= self.frame;
            self.frame = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self, limit: usize) -> Result<Option<Range<usize>>, NoiseError> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let next = self.try_next(limit);
        if let Err(error) = &next {
            self.ended = Some(error.clone());
            self.buffer = Vec::new();
            (self.frame, self.plain, self.sealed) = (0, 0, 0);
        }
        next
    }

    fn try_next(&mut self, limit: usize) -> Result<Option<Range<usize>>, NoiseError> {
        let mut missing = match self.missing {
            Some(missing) => missing,
            None => {
                (self.frame, self.plain) = (self.sealed, self.sealed);
                if !self.open(HEADER)? {
                    return Ok(None);
                }
                let header = self.buffer.get(self.frame..).and_then(<[u8]>::first_chunk);
                let missing = header.map_or(0, payload_len);
                if missing > limit {
                    return Err(NoiseError::FrameTooLong { limit });
                }
                self.missing = Some(missing);
                missing
            }
        };
        while missing > 0 {
            let chunk = missing.min(CHUNK);
            if !self.open(chunk)? {
                return Ok(None);
            }
            missing -= chunk;
            self.missing = Some(missing);
        }
        let frame = self.frame..self.plain;
        self.missing = None;
        (self.frame, self.plain) = (self.sealed, self.sealed);
        Ok(Some(frame))
    }

    /// Opens a message of `len` plain bytes to the end of the frame in hand; false if it is not all there.
    fn open(&mut self, len: usize) -> Result<bool, NoiseError> {
        let end = self.sealed + len + TAG;
        let Some(place) = self.buffer.get_mut(self.plain..end) else { return Ok(false) };
        self.cipher.open(&[], place, self.sealed - self.plain)?;
        self.plain += len;
        self.sealed = end;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of one direction and back.
    fn pair() -> (Transport, Transport) {
        let cipher = |key| Cipher::new(&[key; 32]).unwrap();
        (Transport::new(cipher(1), cipher(2)), Transport::new(cipher(2), cipher(1)))
    }

    fn frame(len: usize) -> Vec<u8> {
        let [low, middle, high, _] = u32::try_from(len).unwrap().to_le_bytes();
        let payload = (0..len).map(|index| u8::try_from(index % 251).unwrap());
        [0, 0x80, 0x1b, low, middle, high].into_iter().chain(payload).collect()
    }

    fn sealed(transport: &mut Transport, frames: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        transport.seal(frames, &mut out).unwrap();
        out
    }

    /// Stratum V2 specification, 4.6: header and payload apart, the payload in pieces, none for nothing.
    #[test]
    fn payloads_are_cut_as_specified() {
        for (payload, on_the_wire) in [
            (0, 22),
            (1, 22 + 17),
            (65_519, 22 + 65_535),
            (65_520, 22 + 65_535 + 17),
            (131_038, 22 + 2 * 65_535),
            (131_039, 22 + 2 * 65_535 + 17),
        ] {
            let (mut ours, mut theirs) = pair();
            let plain = frame(payload);
            let out = sealed(&mut ours, &plain);
            assert_eq!((out.len(), sealed_len(&plain)), (on_the_wire, Ok(on_the_wire)));
            theirs.receive(&out);
            assert_eq!(theirs.open(payload), Ok(Some(&plain[..])));
            assert_eq!(theirs.open(payload), Ok(None));
            assert_eq!(theirs.buffered_bytes(), 0);
        }
    }

    #[test]
    fn frames_come_out_whole_however_they_come_in() {
        let plain = [frame(0), frame(30), frame(0), frame(65_600), frame(1)];
        for size in [1, 7, 22, 23, 1000, 70_000, usize::MAX] {
            let (mut ours, mut theirs) = pair();
            let mut out = sealed(&mut ours, &plain.concat());
            out.unsplit(sealed(&mut ours, &frame(2)));
            let mut opened = Vec::new();
            for piece in out.chunks(size) {
                theirs.receive(piece);
                while let Some(frame) = theirs.open(1 << 20).unwrap() {
                    opened.push(frame.to_vec());
                }
            }
            assert_eq!(opened, [&plain[..], &[frame(2)]].concat(), "pieces of {size}");
            assert_eq!(theirs.buffered_bytes(), 0);
        }
    }

    #[test]
    fn a_header_alone_is_enough_to_refuse_a_frame() {
        let (mut ours, mut theirs) = pair();
        let out = sealed(&mut ours, &frame(101));
        theirs.receive(out.get(..22).unwrap());
        let error = NoiseError::FrameTooLong { limit: 100 };
        assert_eq!(theirs.open(100), Err(error.clone()));
        theirs.receive(out.get(22..).unwrap());
        assert_eq!(theirs.open(1000), Err(error), "an end is an end");
        assert_eq!(theirs.buffered_bytes(), 0);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let out = sealed(&mut pair().0, &frame(9));
        for bit in 0..out.len() * 8 {
            let mut out = out.clone();
            out[bit / 8] ^= 1 << (bit % 8);
            let (_, mut theirs) = pair();
            theirs.receive(&out);
            assert_eq!(theirs.open(1000), Err(NoiseError::Forged), "bit {bit}");
            theirs.receive(&out);
            assert_eq!(theirs.open(1000), Err(NoiseError::Forged), "an end is an end");
        }
    }

    #[test]
    fn messages_neither_repeat_nor_change_places() {
        let (mut ours, mut theirs) = pair();
        let (first, second) = (sealed(&mut ours, &frame(3)), sealed(&mut ours, &frame(3)));
        theirs.receive(&first);
        assert!(theirs.open(3).unwrap().is_some());
        theirs.receive(&first);
        assert_eq!(theirs.open(3), Err(NoiseError::Forged), "again");
        let (_, mut theirs) = pair();
        theirs.receive(&second);
        assert_eq!(theirs.open(3), Err(NoiseError::Forged), "too early");
        ours.receive(&first);
        assert_eq!(ours.open(3), Err(NoiseError::Forged), "one's own");
    }

    #[test]
    fn only_whole_frames_are_sealed() {
        let (mut ours, _) = pair();
        let mut out = BytesMut::new();
        let good = frame(4);
        for bad in [&good[..9], &good[..5], &[&good[..], &[0]].concat()] {
            assert_eq!(ours.seal(bad, &mut out), Err(NoiseError::NotFrames));
            assert_eq!((sealed_len(bad), out.len()), (Err(NoiseError::NotFrames), 0));
        }
        assert_eq!(ours.seal(&[], &mut out), Ok(()));
        assert!(out.is_empty());
    }

    #[test]
    fn a_long_frame_leaves_no_long_buffer() {
        let (mut ours, mut theirs) = pair();
        let out = sealed(&mut ours, &[frame(200_000), frame(1)].concat());
        theirs.receive(&out);
        assert_eq!(theirs.open(1 << 20).unwrap().map(<[u8]>::len), Some(200_006));
        assert_eq!(theirs.open(1 << 20).unwrap().map(<[u8]>::len), Some(7));
        theirs.receive(&[0; 10]);
        assert!(theirs.open.buffer.capacity() <= SPARE_BUFFER);
    }
}
