//! A template as getblocktemplate gives it: BIP 22, 23, 9 and 145, and Litecoin's `mweb`.

use otedama_core::{Amount, CompactTarget, Hash256, Target, hex};
use serde::Deserialize;

use crate::limits::MAX_TEMPLATE_TRANSACTIONS;
use crate::limits::rpc::MAX_LONG_POLL_ID;
use crate::node::NodeError;
use crate::template::{Template, TemplateTransaction};

/// Rules that change what a block must look like and that this pool keeps. All are offered to every node; one whose
/// chain lacks a rule takes no notice.
pub(super) const RULES: [&str; 2] = ["segwit", "mweb"];

/// The JSON of a template.
#[derive(Deserialize)]
pub(super) struct RawTemplate {
    version: i64,
    #[serde(default)]
    rules: Vec<String>,
    previousblockhash: Hash256,
    transactions: Vec<RawTransaction>,
    coinbasevalue: u64,
    longpollid: Option<String>,
    target: Target,
    mintime: u32,
    sigoplimit: u64,
    weightlimit: Option<u64>,
    curtime: u32,
    bits: CompactTarget,
    height: u32,
    default_witness_commitment: Option<String>,
    mweb: Option<String>,
}

#[derive(Deserialize)]
struct RawTransaction {
    data: String,
    txid: Hash256,
    hash: Hash256,
    depends: Vec<usize>,
    fee: u64,
    sigops: u64,
    weight: u64,
}

/// Weight of a block where the node does not name a limit (BIP 141).
const MAX_BLOCK_WEIGHT: u64 = 4_000_000;

impl RawTemplate {
    pub(super) fn read(self) -> Result<Template, NodeError> {
        let unknown = |rule: &&String| rule.strip_prefix('!').is_some_and(|rule| !RULES.contains(&rule));
        if let Some(rule) = self.rules.iter().find(unknown) {
            return Err(NodeError::Unsupported(format!("the rule {rule}")));
        }
        if self.bits.target() != Ok(self.target) {
            return Err(malformed("bits and target differ"));
        }
        if self.transactions.len() > MAX_TEMPLATE_TRANSACTIONS {
            return Err(malformed("too many transactions"));
        }
        if self.longpollid.as_ref().is_some_and(|id| id.len() > MAX_LONG_POLL_ID) {
            return Err(malformed("a long-poll id without end"));
        }
        let value = Amount::from_atomic(self.coinbasevalue.into());
        let mut template = Template::new(self.height, self.previousblockhash, self.bits, self.curtime, value);
        // The field is a signed number in JSON and four bytes in the header.
        let signed = i32::try_from(self.version).map(i32::cast_unsigned);
        template.version = signed
            .or_else(|_| u32::try_from(self.version))
            .map_err(|_| malformed("a version of over 32 bits"))?;
        template.mintime = self.mintime;
        template.sigop_limit = self.sigoplimit;
        template.weight_limit = self.weightlimit.unwrap_or(MAX_BLOCK_WEIGHT);
        template.long_poll_id = self.longpollid;
        template.witness_commitment = self.default_witness_commitment.map(|text| bytes(&text)).transpose()?;
        template.mweb = self.mweb.map(|text| bytes(&text)).transpose()?;
        let transactions = self.transactions.into_iter().enumerate();
        template.transactions = transactions.map(|(index, raw)| raw.read(index)).collect::<Result<_, _>>()?;
        Ok(template)
    }
}

impl RawTransaction {
    fn read(self, index: usize) -> Result<TemplateTransaction, NodeError> {
        // Parents are named by their place, counted from 1.
        if self.depends.iter().any(|parent| *parent == 0 || *parent > index) {
            return Err(malformed("a child before its parent"));
        }
        Ok(TemplateTransaction {
            txid: self.txid,
            wtxid: self.hash,
            data: bytes(&self.data)?,
            fee: Some(Amount::from_atomic(self.fee.into())),
            sigops: self.sigops,
            weight: self.weight,
        })
    }
}

fn bytes(text: &str) -> Result<Box<[u8]>, NodeError> {
    match hex::decode(text.as_bytes()) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(NodeError::Malformed(error.to_string())),
    }
}

fn malformed(what: &str) -> NodeError {
    NodeError::Malformed(format!("template with {what}"))
}
