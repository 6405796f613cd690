//! What the two sides tell each other, as values of their own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use otedama_core::Hash256;

use super::error::SendError;
use crate::v2::template::{NewTemplate, RequestTransactionDataSuccess, SubmitSolution};
use crate::v2::{B0_16M, B0_64K, B0_255, Encode as _, EncodeError, Seq, TooLong, U256};

/// A template as the protocol has it: everything of a block but time, nonce, the client's outputs, and the transactions,
/// of which only the merkle path is told. Nothing in it has been judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateOffer {
    /// The template; no number comes again on a connection.
    pub template_id: u64,
    /// Whether it waits for the `SetNewPrevHash` that names it. Otherwise it builds on the block of the last one.
    pub future: bool,
    /// The header's version.
    pub version: u32,
    /// The coinbase's version.
    pub coinbase_version: u32,
    /// What the coinbase's script must begin with, at most 8 bytes: the height, as a rule.
    pub coinbase_prefix: Box<[u8]>,
    /// The sequence number of the coinbase's input.
    pub coinbase_sequence: u32,
    /// What the client's outputs may pay in all, in the smallest unit.
    pub coinbase_value: u64,
    /// How many outputs must stand behind those of the client.
    pub output_count: u32,
    /// These outputs as in a transaction, without a count before them.
    pub outputs: Box<[u8]>,
    /// The coinbase's lock time.
    pub lock_time: u32,
    /// What the coinbase's id is folded with, the deepest first.
    pub merkle_path: Box<[Hash256]>,
}

/// The transactions of a template, in the order of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateTransactions {
    /// The template.
    pub template_id: u64,
    /// What validating the block takes besides.
    pub excess: Box<[u8]>,
    /// Each serialised with its witness, without the coinbase.
    pub list: Vec<Box<[u8]>>,
}

/// A block found on a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSolution {
    /// The template.
    pub template_id: u64,
    /// The header's version.
    pub version: u32,
    /// The header's time.
    pub time: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// The whole coinbase, with its witness where the chain has one.
    pub coinbase: Box<[u8]>,
}

/// The transactions of a template as a frame: encoded once, and shared by all who ask for them.
#[derive(Clone, Debug)]
pub struct EncodedTransactions {
    template_id: u64,
    frame: Bytes,
}

impl EncodedTransactions {
    /// Encodes serialised transactions, in the order of the block and without the coinbase.
    ///
    /// # Errors
    /// [`EncodeError::Payload`] if they are more than 65,535 or do not fit into a frame of 16 MiB.
    pub fn new<'a>(
        template_id: u64,
        transactions: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, EncodeError> {
        let long = |error: TooLong| EncodeError::Payload(error.len);
        let list: Result<Vec<B0_16M<'_>>, _> = transactions.into_iter().map(B0_16M::new).collect();
        let list = list.map_err(long)?;
        let transaction_list = Seq::new(&list).map_err(long)?;
        let excess_data = B0_64K::EMPTY;
        let mut frame = Vec::new();
        RequestTransactionDataSuccess { template_id, excess_data, transaction_list }.append(&mut frame)?;
        Ok(Self { template_id, frame: frame.into() })
    }

    /// Whose transactions they are.
    #[must_use]
    pub const fn template_id(&self) -> u64 {
        self.template_id
    }

    pub(super) fn frame(&self) -> Bytes {
        self.frame.clone()
    }
}

impl TemplateOffer {
    pub(super) fn read(message: &NewTemplate<'_>) -> Self {
        Self {
            template_id: message.template_id,
            future: message.future_template,
            version: message.version,
            coinbase_version: message.coinbase_tx_version,
            coinbase_prefix: message.coinbase_prefix.as_bytes().into(),
            coinbase_sequence: message.coinbase_tx_input_sequence,
            coinbase_value: message.coinbase_tx_value_remaining,
            output_count: message.coinbase_tx_outputs_count,
            outputs: message.coinbase_tx_outputs.as_bytes().into(),
            lock_time: message.coinbase_tx_locktime,
            merkle_path: message.merkle_path.iter().map(Hash256::from).collect(),
        }
    }

    /// The message; `path` is where the hashes of its path are kept.
    pub(super) fn message<'a>(&'a self, path: &'a mut Vec<U256>) -> Result<NewTemplate<'a>, SendError> {
        path.extend(self.merkle_path.iter().map(|hash| U256::from(*hash)));
        Ok(NewTemplate {
            template_id: self.template_id,
            future_template: self.future,
            version: self.version,
            coinbase_tx_version: self.coinbase_version,
            coinbase_prefix: B0_255::new(&self.coinbase_prefix)?,
            coinbase_tx_input_sequence: self.coinbase_sequence,
            coinbase_tx_value_remaining: self.coinbase_value,
            coinbase_tx_outputs_count: self.output_count,
            coinbase_tx_outputs: B0_64K::new(&self.outputs)?,
            coinbase_tx_locktime: self.lock_time,
            merkle_path: Seq::new(path)?,
        })
    }
}

impl TemplateTransactions {
    pub(super) fn read(message: &RequestTransactionDataSuccess<'_>) -> Self {
        Self {
            template_id: message.template_id,
            excess: message.excess_data.as_bytes().into(),
            list: message.transaction_list.iter().map(|transaction| transaction.as_bytes().into()).collect(),
        }
    }
}

impl TemplateSolution {
    pub(super) fn read(message: &SubmitSolution<'_>) -> Self {
        Self {
            template_id: message.template_id,
            version: message.version,
            time: message.header_timestamp,
            nonce: message.header_nonce,
            coinbase: message.coinbase_tx.as_bytes().into(),
        }
    }

    pub(super) fn message(&self) -> Result<SubmitSolution<'_>, SendError> {
        Ok(SubmitSolution {
            template_id: self.template_id,
            version: self.version,
            header_timestamp: self.time,
            header_nonce: self.nonce,
            coinbase_tx: B0_64K::new(&self.coinbase)?,
        })
    }
}
