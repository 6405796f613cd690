//! Templates as a provider tells them become templates as the pool has them, or are refused.

use otedama_core::{Amount, CompactTarget, Hash256, Target};
use otedama_stratum::v2::distribution::{TemplateOffer, TemplateTransactions};
use otedama_stratum::v2::template::{CoinbaseOutputConstraints, SetNewPrevHash};

use crate::limits::MAX_TEMPLATE_TRANSACTIONS;
use crate::node::NodeError;
use crate::template::transaction::{Serialised, blob, pushed_height, take};
use crate::template::{Template, TemplateTransaction};

/// What the script of a witness commitment begins with (BIP 141).
const COMMITMENT_HEAD: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
/// An empty push, with which nodes make the scripts of the first heights long enough.
const PADDING: [u8; 1] = [0];

/// The height of the block that this template makes.
pub(super) fn height(offer: &TemplateOffer) -> Result<u32, NodeError> {
    let pushed = pushed_height(&offer.coinbase_prefix);
    let (height, rest) = pushed.ok_or_else(|| malformed("a coinbase that does not begin with a height"))?;
    if !rest.is_empty() && rest != PADDING {
        return Err(NodeError::Unsupported("more than the height at the beginning of the coinbase".into()));
    }
    Ok(height)
}

/// The whole template. Transactions are read, and what the provider computed from them is computed again: the merkle
/// path here, the witness commitment where the template is checked. What they pay is not told and remains unknown.
///
/// Version, sequence number and lock time of the coinbase are the pool's own; the chain allows any.
pub(super) fn assemble(
    offer: &TemplateOffer,
    previous: &SetNewPrevHash,
    transactions: &TemplateTransactions,
    constraints: &CoinbaseOutputConstraints,
) -> Result<Template, NodeError> {
    if !transactions.excess.is_empty() {
        return Err(NodeError::Unsupported("excess data beside transactions".into()));
    }
    if transactions.list.len() > MAX_TEMPLATE_TRANSACTIONS {
        return Err(malformed("too many transactions"));
    }
    let nbits = CompactTarget::from_bits(previous.nbits);
    let network = nbits.target().map_err(|error| NodeError::Malformed(error.to_string()))?;
    if Target::from(previous.target) > network {
        return Err(malformed("a target easier than its nBits"));
    }
    let value = Amount::from_atomic(offer.coinbase_value.into());
    let (height, tip) = (height(offer)?, Hash256::from(previous.prev_hash));
    let mut template = Template::new(height, tip, nbits, previous.header_timestamp, value);
    template.version = offer.version;
    template.witness_commitment = witness_commitment(offer)?;
    template.sigop_limit = constraints.coinbase_output_max_additional_sigops.into();
    let read = transactions.list.iter().map(|data| transaction(data));
    template.transactions =
        read.collect::<Option<_>>().ok_or_else(|| malformed("bytes that are no transaction"))?;
    if template.merkle_path() != offer.merkle_path {
        return Err(malformed("another merkle path than that of its transactions"));
    }
    Ok(template)
}

fn transaction(data: &[u8]) -> Option<TemplateTransaction> {
    let read = Serialised::read(data)?;
    let (txid, wtxid, weight) = (read.txid(), read.wtxid(), read.weight());
    Some(TemplateTransaction { txid, wtxid, data: data.into(), fee: None, sigops: 0, weight })
}

/// The script of the only output that a provider may add.
fn witness_commitment(offer: &TemplateOffer) -> Result<Option<Box<[u8]>>, NodeError> {
    let mut rest = &*offer.outputs;
    let mut outputs = Vec::new();
    for _ in 0..offer.output_count {
        let output = take(&mut rest, 8).zip(blob(&mut rest));
        outputs.push(output.ok_or_else(|| malformed("fewer outputs than it says"))?);
    }
    match outputs.as_slice() {
        _ if !rest.is_empty() => Err(malformed("more bytes of outputs than it says")),
        [] => Ok(None),
        [([0, 0, 0, 0, 0, 0, 0, 0], script)] if script.starts_with(&COMMITMENT_HEAD) => {
            Ok(Some((*script).into()))
        }
        _ => Err(NodeError::Unsupported("outputs beside the witness commitment".into())),
    }
}

fn malformed(what: &str) -> NodeError {
    NodeError::Malformed(format!("template with {what}"))
}
