//! Messages of the template distribution protocol, by which a node gives templates (chapter 7.4 of the specification).

use crate::v2::{B0_16M, B0_64K, B0_255, Seq0_64K, Seq0_255, Str0_255, U256};

message! {
    /// How much a client will add to coinbases. It must come first, and templates come only after it.
    CoinbaseOutputConstraints, 0 0x70, {
        /// Bytes of the outputs that the client adds, as in a transaction.
        coinbase_output_max_additional_size: u32,
        /// Signature operations of these outputs.
        coinbase_output_max_additional_sigops: u16,
    }

    /// A template: all of a block but nonce, time and what the client adds to the coinbase.
    NewTemplate<'a>, 0 0x71, {
        /// The template; no number comes again on a connection.
        template_id: u64,
        /// Whether it waits for the [`SetNewPrevHash`] that names it.
        future_template: bool,
        /// The header's version.
        version: u32,
        /// The coinbase's version.
        coinbase_tx_version: u32,
        /// What the coinbase's script begins with; at most 8 bytes by the specification, which is not checked here.
        coinbase_prefix: B0_255<'a>,
        /// The sequence number of the coinbase's input.
        coinbase_tx_input_sequence: u32,
        /// What the client's outputs may pay in all, in satoshis.
        coinbase_tx_value_remaining: u64,
        /// How many outputs the node adds.
        coinbase_tx_outputs_count: u32,
        /// They, back to back without a count, to stand behind those of the client.
        coinbase_tx_outputs: B0_64K<'a>,
        /// The coinbase's lock time.
        coinbase_tx_locktime: u32,
        /// The hashes that the coinbase's is folded with, the deepest first.
        merkle_path: Seq0_255<'a, U256>,
    }

    /// A new tip of the chain, and the template that builds on it.
    SetNewPrevHash, 0 0x72, {
        /// A future template that was sent before.
        template_id: u64,
        /// The hash of the block to build on.
        prev_hash: U256,
        /// The time to begin with, which need not be the earliest.
        header_timestamp: u32,
        /// The target of the network in compact form.
        nbits: u32,
        /// The easiest target that a solution may meet.
        target: U256,
    }

    /// A client asks for the transactions of a template.
    RequestTransactionData, 0 0x73, {
        /// The template.
        template_id: u64,
    }

    /// The transactions of a template.
    RequestTransactionDataSuccess<'a>, 0 0x74, {
        /// The template.
        template_id: u64,
        /// What a block needs besides.
        excess_data: B0_64K<'a>,
        /// All of them but the coinbase, with witness.
        transaction_list: Seq0_64K<'a, B0_16M<'a>>,
    }

    /// The node does not give the transactions.
    RequestTransactionDataError<'a>, 0 0x75, {
        /// The template.
        template_id: u64,
        /// Why.
        error_code: Str0_255<'a>,
    }

    /// A client found a block by a template.
    SubmitSolution<'a>, 0 0x76, {
        /// The template.
        template_id: u64,
        /// The header's version.
        version: u32,
        /// The header's time.
        header_timestamp: u32,
        /// The header's nonce.
        header_nonce: u32,
        /// The whole coinbase, with its witness.
        coinbase_tx: B0_64K<'a>,
    }
}
