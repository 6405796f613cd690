//! A job's part that all connections share.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use otedama_core::coinbase::merkle_root;
use otedama_core::{BitcoinSource, Extranonce, Hash256};

use super::channels::Tip;
use crate::error::EncodeError;
use crate::v2::{B0_64K, Seq0_255, U256, Wire, Writer};

/// What jobs in either form are made from.
#[derive(Debug)]
pub(crate) struct Form {
    source: BitcoinSource,
    /// The end of an extended job, from the merkle path on.
    tail: Bytes,
}

impl Form {
    pub(crate) fn new(source: &BitcoinSource) -> Result<Self, EncodeError> {
        let tail = Bytes::from(tail(source).ok_or(EncodeError::TooLarge)?);
        Ok(Self { source: source.clone(), tail })
    }

    pub(super) const fn source(&self) -> &BitcoinSource {
        &self.source
    }

    /// What it builds on.
    pub(super) const fn tip(&self) -> Tip {
        (self.source.previous, self.source.nbits)
    }

    /// The end of an extended job, from the merkle path on: no copy.
    pub(super) fn tail(&self) -> Bytes {
        self.tail.clone()
    }

    pub(super) const fn tail_len(&self) -> usize {
        self.tail.len()
    }

    /// The merkle root of a standard job, whose extranonce is given.
    pub(super) fn merkle_root(&self, extranonce: &Extranonce) -> Hash256 {
        let leaf = self.source.coinbase.txid(extranonce, &Extranonce::EMPTY);
        merkle_root(leaf, &self.source.merkle_path)
    }
}

fn tail(source: &BitcoinSource) -> Option<Vec<u8>> {
    let path: Vec<U256> = source.merkle_path.iter().copied().map(U256::from).collect();
    let path = Seq0_255::new(&path).ok()?;
    let prefix = B0_64K::new(&source.coinbase.prefix).ok()?;
    let suffix = B0_64K::new(&source.coinbase.suffix).ok()?;
    let mut bytes = vec![0; path.size() + prefix.size() + suffix.size()];
    let mut writer = Writer::new(&mut bytes);
    path.write(&mut writer).ok()?;
    prefix.write(&mut writer).ok()?;
    suffix.write(&mut writer).ok()?;
    Some(bytes)
}
