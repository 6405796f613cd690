//! What is the same for all nonces of one work, worked out once.

use otedama_core::{Algorithm, Work};

use super::constants::{HEADER_BITS, INITIAL, PAD};
use super::digest;
use super::lanes::{Word, after_four, compress};
use crate::error::ScanError;
use crate::scan::header80;

/// A work, and everything of its hashes that does not depend on the nonce.
pub(crate) struct Prepared {
    /// The state after the first 64 bytes of the header.
    pub(super) midstate: [u32; 8],
    /// The working variables after the rounds 0 to 3 of the second block if the nonce were 0. Another nonce's word has
    /// only to be added to the first (`a`) and the fifth (`e`).
    pub(super) after_nonce: [u32; 8],
    /// The words 16 to 19 of the schedule without what the nonce adds: nothing to the first two, σ0 of its word to
    /// the third, its word to the fourth.
    pub(super) schedule: [u32; 4],
    /// The most significant 32 bits of the target.
    pub(super) top: u32,
    work: Work,
}

impl Prepared {
    pub(super) fn new(work: &Work) -> Result<Self, ScanError> {
        let header = header80(Algorithm::SHA256D, work)?;
        let mut words = [0; 20];
        for (word, bytes) in words.iter_mut().zip(header.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let mut block = [0; 16];
        block.copy_from_slice(&words[..16]);
        let midstate = compress(&INITIAL, block);
        let [w0, w1, w2] = [words[16], words[17], words[18]];
        let w16 = w0.wrapping_add(w1.small_sigma0());
        let w17 = w1.wrapping_add(w2.small_sigma0()).wrapping_add(HEADER_BITS.small_sigma1());
        let w18 = w2.wrapping_add(w16.small_sigma1());
        let w19 = PAD.small_sigma0().wrapping_add(w17.small_sigma1());
        let [a, b, c, d, ..] = work.target.to_be_bytes();
        Ok(Self {
            midstate,
            after_nonce: after_four(midstate, [w0, w1, w2, 0]),
            schedule: [w16, w17, w18, w19],
            top: u32::from_be_bytes([a, b, c, d]),
            work: work.clone(),
        })
    }

    /// Appends the solutions among the candidates to `found`. Bit `n` of `lanes` stands for the nonce that is
    /// `offset + n` behind `first`; beyond `count` there is none.
    #[cold]
    pub(super) fn check(&self, lanes: u32, first: u32, offset: u32, count: u32, found: &mut Vec<u32>) {
        let candidates = (0..u32::BITS).filter(|lane| lanes >> lane & 1 == 1).map(|lane| offset + lane);
        let nonces = candidates.take_while(|offset| *offset < count).map(|offset| first.wrapping_add(offset));
        found.extend(nonces.filter(|nonce| self.is_solution(*nonce)));
    }

    /// The full check of one nonce, independent of any kernel.
    fn is_solution(&self, nonce: u32) -> bool {
        let header = self.work.header.with_nonce(Algorithm::SHA256D, u64::from(nonce));
        Algorithm::SHA256D.meets(&digest(&header), self.work.target)
    }
}
