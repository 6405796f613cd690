//! What several fuzz targets need.

use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Extranonce, Hash256, JobBody, JobId,
    Target, Terms,
};

/// A small job body.
pub fn body(clean: bool) -> JobBody {
    let source = BitcoinSource {
        version: 0x2000_0000,
        previous: Hash256::from_internal([7; 32]),
        coinbase: CoinbaseHalves { prefix: [1; 42].into(), suffix: [2; 60].into() },
        merkle_path: [Hash256::from_internal([3; 32])].into(),
        nbits: CompactTarget::from_bits(0x1d00_ffff),
        ntime: 1_700_000_000,
    };
    JobBody::bitcoin(Algorithm::SHA256D, source, clean).expect("nBits of difficulty 1")
}

/// Terms of job `id` with this target and prefix.
pub fn terms(id: u32, share_target: Target, extranonce_prefix: Extranonce, version_mask: u32) -> Terms {
    Terms {
        channel: ChannelId(0),
        id: JobId(id),
        share_target,
        extranonce_prefix,
        extranonce2_len: 8,
        version_mask,
    }
}

/// The bytes in pieces whose sizes follow from the first of them.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (sizes, mut rest) = data.split_at(data.len().min(4));
    let mut turn = 0;
    std::iter::from_fn(move || {
        let size = 1 + usize::from(*sizes.get(turn % 4)?) * 4;
        turn += 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
