//! A node's offer of a block to mine: checked on receipt, given a coinbase, turned into a block.

mod coinbase;
#[cfg(any(feature = "server", test))]
pub(crate) mod transaction;

use otedama_core::coinbase::merkle_path;
use otedama_core::{Amount, CompactError, CompactTarget, Hash256, Header, UnixTime};

use crate::coin::{Chain, Coin};
use crate::limits::MAX_TEMPLATE_TRANSACTIONS;

pub use coinbase::{CoinbaseOutput, CoinbasePlan, Marker};

/// What a node offers to build on its tip: everything of the next block but the coinbase and the proof of work.
///
/// Transactions are opaque bytes in the node's order, which is kept: a child stays behind its parent, and the HogEx of
/// a chain with MWEB stays last. A template is to be [checked](Self::check) before anything is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Template {
    /// The height of the block.
    pub height: u32,
    /// The tip that it builds on.
    pub previous: Hash256,
    /// The version; some of its bits may lie inside a version-rolling mask.
    pub version: u32,
    /// The network's target.
    pub nbits: CompactTarget,
    /// The node's clock.
    pub curtime: u32,
    /// The earliest time that the chain allows.
    pub mintime: u32,
    /// Subsidy and fees: what the coinbase may pay at most.
    pub coinbase_value: Amount,
    /// The other transactions.
    pub transactions: Vec<TemplateTransaction>,
    /// The script of the witness commitment output, where the chain wants one.
    pub witness_commitment: Option<Box<[u8]>>,
    /// The MWEB block behind the transactions, without its leading `01`.
    pub mweb: Option<Box<[u8]>>,
    /// Sum of signature operations that a block may have.
    pub sigop_limit: u64,
    /// Weight that a block may have.
    pub weight_limit: u64,
    /// The ticket for a long poll that waits until this template is outdated.
    pub long_poll_id: Option<String>,
}

/// One transaction of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateTransaction {
    /// The id that goes into the merkle tree.
    pub txid: Hash256,
    /// The id with witness, which goes into the witness commitment.
    pub wtxid: Hash256,
    /// The serialised transaction, with witness.
    pub data: Box<[u8]>,
    /// What it pays, if the node says so.
    pub fee: Option<Amount>,
    /// Its signature operations, as the node counts them. A node that does not tell leaves them at 0 and names as the
    /// template's limit what it left for the coinbase.
    pub sigops: u64,
    /// Its weight.
    pub weight: u64,
}

/// Why no valid block can be made of a template, or of a template with a certain coinbase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The node's nBits mean no target.
    #[error(transparent)]
    Bits(#[from] CompactError),
    /// The node's clock stands before the earliest time that it allows.
    #[error("template of time {curtime}, earliest time {mintime}")]
    Time {
        /// The node's clock.
        curtime: u32,
        /// The earliest time.
        mintime: u32,
    },
    /// The node's coinbase value is more than subsidy and fees add up to, or nothing where there should be something.
    #[error("template with a coinbase value of {value}, subsidy and fees make {allowed}")]
    Value {
        /// What the template says.
        value: Amount,
        /// What subsidy and fees add up to, or all the coins that there can be.
        allowed: Amount,
    },
    /// The node offers more transactions than any block holds.
    #[error("template with {0} transactions")]
    TransactionCount(usize),
    /// The block would be too heavy.
    #[error("block of weight {weight}, limit {limit}")]
    Weight {
        /// The block's weight.
        weight: u64,
        /// The chain's limit.
        limit: u64,
    },
    /// The block would have too many signature operations.
    #[error("block with {sigops} signature operations, limit {limit}")]
    Sigops {
        /// The block's signature operations.
        sigops: u64,
        /// The chain's limit.
        limit: u64,
    },
    /// The node offers transactions with witnesses and no commitment to them.
    #[error("template without a witness commitment")]
    CommitmentMissing,
    /// The node's witness commitment is none, or one to other transactions.
    #[error("template with a wrong witness commitment")]
    CommitmentWrong,
    /// The node's MWEB block and the HogEx that must stand last do not come together.
    #[error("template whose MWEB block and HogEx do not match")]
    Mweb,
    /// The coinbase does not pay out exactly what the template gives. The caller is at fault.
    #[error("coinbase pays {paid} of {value}")]
    Unbalanced {
        /// What the outputs add up to.
        paid: Amount,
        /// What the template gives.
        value: Amount,
    },
    /// The coinbase would have no output at all. The caller is at fault.
    #[error("coinbase without outputs")]
    NoOutputs,
    /// The tag leaves no room in the coinbase. The configuration is at fault.
    #[error("coinbase tag of {len} bytes, at most {limit} fit")]
    TagTooLong {
        /// Bytes of the tag.
        len: usize,
        /// Bytes that fit beside the extranonce.
        limit: usize,
    },
    /// The extranonce is too long or empty. The caller is at fault.
    #[error("extranonce of {0} bytes")]
    ExtranonceLength(usize),
}

/// Bytes of a witness commitment script before the commitment: `OP_RETURN`, a push of 36 bytes, a fixed mark.
const COMMITMENT_HEAD: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
/// What the coinbase's witness holds, and what the commitment is salted with.
const WITNESS_RESERVED: [u8; 32] = [0; 32];

impl Template {
    /// A template without transactions, of the limits that Bitcoin and Litecoin have. Everything else is filled in
    /// through the fields.
    #[must_use]
    pub const fn new(
        height: u32,
        previous: Hash256,
        nbits: CompactTarget,
        curtime: u32,
        coinbase_value: Amount,
    ) -> Self {
        Self {
            height,
            previous,
            version: 0x2000_0000,
            nbits,
            curtime,
            mintime: curtime,
            coinbase_value,
            transactions: Vec::new(),
            witness_commitment: None,
            mweb: None,
            sigop_limit: 80_000,
            weight_limit: 4_000_000,
            long_poll_id: None,
        }
    }

    /// Whether a valid block can be made of it, as far as can be told without the chain: what the node computed is
    /// computed again, and money and limits are summed up.
    ///
    /// # Errors
    /// [`TemplateError`]: the node is at fault, and nothing must be mined on this template.
    pub fn check(&self, coin: &Coin, chain: Chain) -> Result<(), TemplateError> {
        self.nbits.target()?;
        if self.curtime < self.mintime {
            return Err(TemplateError::Time { curtime: self.curtime, mintime: self.mintime });
        }
        if self.transactions.len() > MAX_TEMPLATE_TRANSACTIONS {
            return Err(TemplateError::TransactionCount(self.transactions.len()));
        }
        self.check_value(coin, chain)?;
        self.check_commitment()?;
        self.check_mweb()?;
        self.check_room(0, 0)
    }

    /// How far the node's clock is ahead of ours, in seconds; negative if it is behind.
    #[must_use]
    pub fn clock_skew(&self, now: UnixTime) -> i64 {
        i64::from(self.curtime) - i64::from(now.to_header_time())
    }

    /// The siblings of the coinbase, as [`merkle_root`](otedama_core::coinbase::merkle_root) folds them.
    #[must_use]
    pub fn merkle_path(&self) -> Box<[Hash256]> {
        let ids: Vec<_> = self.transactions.iter().map(|transaction| transaction.txid).collect();
        merkle_path(&ids).into()
    }

    /// The version bits of `offered` that miners may roll: those that the template's own version leaves at 0, so that
    /// "the bits to set", "the bits to flip" and "the bits inside the mask" mean the same.
    #[must_use]
    pub const fn rolling_mask(&self, offered: u32) -> u32 {
        offered & !self.version
    }

    /// The serialised block under this header. `coinbase` is the transaction without witness, from the halves that
    /// [`coinbase`](Self::coinbase) gave; it gets its witness here.
    ///
    /// The block's id is the double SHA-256 of the header, whatever the proof-of-work function.
    #[must_use]
    pub fn block(&self, header: &Header, coinbase: &[u8]) -> Vec<u8> {
        let mut block = header.as_bytes().to_vec();
        compact_size(self.transactions.len() + 1, &mut block);
        match (&self.witness_commitment, coinbase.split_first_chunk::<4>()) {
            (Some(_), Some((version, rest))) => {
                let (body, lock_time) = rest.split_at(rest.len().saturating_sub(4));
                block.extend_from_slice(version);
                block.extend_from_slice(&[0, 1]);
                block.extend_from_slice(body);
                block.extend_from_slice(&[1, 32]);
                block.extend_from_slice(&WITNESS_RESERVED);
                block.extend_from_slice(lock_time);
            }
            _ => block.extend_from_slice(coinbase),
        }
        for transaction in &self.transactions {
            block.extend_from_slice(&transaction.data);
        }
        if let Some(mweb) = &self.mweb {
            block.push(1);
            block.extend_from_slice(mweb);
        }
        block
    }

    /// The same with the first `count` transactions only, which are worth less. `None` if it is not told what the others
    /// pay, or if one of them must stay.
    #[cfg(feature = "server")]
    pub(crate) fn truncated(&self, count: usize) -> Option<Self> {
        let (kept, left) = self.transactions.split_at_checked(count)?;
        let fees: Option<Vec<_>> = left.iter().map(|transaction| transaction.fee).collect();
        let coinbase_value = self.coinbase_value.checked_sub(Amount::checked_sum(fees?)?)?;
        if self.mweb.is_some() {
            return None;
        }
        let mut template = Self { transactions: kept.to_vec(), coinbase_value, ..self.clone() };
        template.witness_commitment = self
            .witness_commitment
            .as_ref()
            .map(|_| [&COMMITMENT_HEAD[..], template.commitment().as_internal()].concat().into());
        Some(template)
    }

    /// What a witness commitment commits to, salted.
    fn commitment(&self) -> Hash256 {
        let ids: Vec<_> = self.transactions.iter().map(|transaction| transaction.wtxid).collect();
        let root = otedama_core::coinbase::merkle_root(Hash256::ZERO, &merkle_path(&ids));
        Hash256::sha256d_of(&[root.as_internal(), &WITNESS_RESERVED])
    }

    fn check_value(&self, coin: &Coin, chain: Chain) -> Result<(), TemplateError> {
        let value = self.coinbase_value;
        let known = self.transactions.iter().all(|transaction| transaction.fee.is_some());
        let fees = Amount::checked_sum(self.transactions.iter().filter_map(|transaction| transaction.fee));
        let subsidy = coin.subsidy(chain, self.height);
        let sum = subsidy.zip(fees).and_then(|(subsidy, fees)| subsidy.checked_add(fees));
        let allowed = if subsidy.is_some() && known { sum.unwrap_or(Amount::ZERO) } else { coin.max_supply };
        let nothing = value == Amount::ZERO && allowed != Amount::ZERO;
        if value > allowed || value > coin.max_supply || nothing {
            return Err(TemplateError::Value { value, allowed });
        }
        Ok(())
    }

    fn check_commitment(&self) -> Result<(), TemplateError> {
        let Some(script) = &self.witness_commitment else {
            let witness = self.transactions.iter().any(|transaction| transaction.txid != transaction.wtxid);
            return if witness { Err(TemplateError::CommitmentMissing) } else { Ok(()) };
        };
        let commitment = script.strip_prefix(&COMMITMENT_HEAD).and_then(|rest| rest.get(..32));
        if commitment == Some(self.commitment().as_internal()) {
            Ok(())
        } else {
            Err(TemplateError::CommitmentWrong)
        }
    }

    /// With an MWEB block the last transaction is the HogEx; without one there is none.
    fn check_mweb(&self) -> Result<(), TemplateError> {
        let last = self.transactions.len().saturating_sub(1);
        let hogex = self.transactions.iter().position(|transaction| transaction.is_hogex());
        let matches = match self.mweb {
            Some(_) => hogex == Some(last),
            None => hogex.is_none(),
        };
        if matches { Ok(()) } else { Err(TemplateError::Mweb) }
    }

    /// Whether the block with a coinbase of this weight and these signature operations keeps within the limits.
    fn check_room(&self, coinbase_weight: u64, coinbase_sigops: u64) -> Result<(), TemplateError> {
        let mut frame = vec![0; 80];
        compact_size(self.transactions.len() + 1, &mut frame);
        let frame = u64::try_from(4 * frame.len()).unwrap_or(u64::MAX);
        let sum = |part: fn(&TemplateTransaction) -> u64, first| {
            self.transactions.iter().map(part).fold(first, u64::saturating_add)
        };
        let weight = sum(|transaction| transaction.weight, frame.saturating_add(coinbase_weight));
        if weight > self.weight_limit {
            return Err(TemplateError::Weight { weight, limit: self.weight_limit });
        }
        let sigops = sum(|transaction| transaction.sigops, coinbase_sigops);
        if sigops > self.sigop_limit {
            return Err(TemplateError::Sigops { sigops, limit: self.sigop_limit });
        }
        Ok(())
    }
}

impl TemplateTransaction {
    /// Whether it is the transaction that ties an MWEB block to the chain: bit 3 of the flag behind the zero marker.
    fn is_hogex(&self) -> bool {
        matches!(self.data.get(4..6), Some([0, flags]) if flags & 8 != 0)
    }
}

/// Appends a length in Bitcoin's variable form.
fn compact_size(length: usize, out: &mut Vec<u8>) {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    match (u8::try_from(length), u16::try_from(length), u32::try_from(length)) {
        (Ok(byte), _, _) if byte < 0xfd => out.push(byte),
        (_, Ok(short), _) => {
            out.push(0xfd);
            out.extend_from_slice(&short.to_le_bytes());
        }
        (_, _, Ok(long)) => {
            out.push(0xfe);
            out.extend_from_slice(&long.to_le_bytes());
        }
        _ => {
            out.push(0xff);
            out.extend_from_slice(&length.to_le_bytes());
        }
    }
}
