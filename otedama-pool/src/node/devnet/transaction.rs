//! Ordinary transactions: opaque, but well formed.

use otedama_core::{Amount, Hash256};

use super::DevnetError;
use super::parse::Transaction;
use super::rules::check_transaction;
use crate::template::TemplateTransaction;

/// A serialised transaction that nobody has seen before, with a witness, for [`Devnet::add_transaction`](super::Devnet::add_transaction). Different
/// seeds make different ones.
#[must_use]
pub fn opaque_transaction(seed: u64) -> Vec<u8> {
    let spent = Hash256::sha256d(&seed.to_le_bytes());
    let mut out = vec![2, 0, 0, 0, 0, 1, 1];
    out.extend_from_slice(spent.as_internal());
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0xfd, 0xff, 0xff, 0xff, 1]);
    out.extend_from_slice(&10_000u64.to_le_bytes());
    out.extend_from_slice(&[22, 0, 20]);
    out.extend_from_slice(&spent.as_internal()[..20]);
    out.extend_from_slice(&[2, 4]);
    out.extend_from_slice(&spent.as_internal()[..4]);
    out.extend_from_slice(&[1, 7, 0, 0, 0, 0]);
    out
}

/// What a template says about this transaction, or why no block may hold it.
pub(super) fn read_transaction(data: &[u8], fee: Amount) -> Result<TemplateTransaction, DevnetError> {
    let refused = |why: &str| DevnetError::Transaction(why.to_owned());
    let read = Transaction::read_whole(data).ok_or_else(|| refused("TX decode failed"))?;
    check_transaction(&read).map_err(|why| refused(&why))?;
    if read.is_coinbase() {
        return Err(refused("coinbase"));
    }
    Ok(TemplateTransaction {
        txid: read.txid,
        wtxid: read.wtxid,
        data: data.into(),
        fee: Some(fee),
        sigops: u64::try_from(4 * read.sigops()).unwrap_or(u64::MAX),
        weight: u64::try_from(read.weight()).unwrap_or(u64::MAX),
    })
}
