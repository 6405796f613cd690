//! Messages of the job declaration protocol, by which miners choose transactions (chapter 6.4 of the specification).

use crate::v2::{B0_16M, B0_32, B0_64K, B0_255, Seq0_64K, Str0_255, U256};

message! {
    /// A client asks for a token, on the strength of which it may use one job of its own.
    AllocateMiningJobToken<'a>, 0 0x50, {
        /// Who mines.
        user_identifier: Str0_255<'a>,
        /// Names the request in the answer.
        request_id: u32,
    }

    /// A token, and what a coinbase must pay.
    AllocateMiningJobTokenSuccess<'a>, 0 0x51, {
        /// The request.
        request_id: u32,
        /// The token.
        mining_job_token: B0_255<'a>,
        /// Outputs behind their count, as in a transaction; the first takes what the job earns.
        coinbase_tx_outputs: B0_64K<'a>,
    }

    /// The server does not know some transactions of a declared job.
    ProvideMissingTransactions<'a>, 0 0x55, {
        /// The declaration.
        request_id: u32,
        /// Their places in its list, from 0, where the coinbase does not count.
        unknown_tx_position_list: Seq0_64K<'a, u16>,
    }

    /// The transactions that the server did not know.
    ProvideMissingTransactionsSuccess<'a>, 0 0x56, {
        /// The declaration.
        request_id: u32,
        /// They, with witness, in the order in which they were asked for.
        transaction_list: Seq0_64K<'a, B0_16M<'a>>,
    }

    /// A client declares a whole template that it wants to mine.
    DeclareMiningJob<'a>, 0 0x57, {
        /// Names the request in the answer.
        request_id: u32,
        /// The token.
        mining_job_token: B0_255<'a>,
        /// The header's version.
        version: u32,
        /// The coinbase up to the extranonce, with its witness.
        coinbase_tx_prefix: B0_64K<'a>,
        /// The coinbase behind the extranonce, with its witness.
        coinbase_tx_suffix: B0_64K<'a>,
        /// The ids, with witness, of all transactions but the coinbase, in the order of the block.
        wtxid_list: Seq0_64K<'a, U256>,
        /// What a block needs besides.
        excess_data: B0_64K<'a>,
    }

    /// The server would take the declared job.
    DeclareMiningJobSuccess<'a>, 0 0x58, {
        /// The declaration.
        request_id: u32,
        /// The token to send the job with.
        new_mining_job_token: B0_255<'a>,
    }

    /// The server would not take the declared job.
    DeclareMiningJobError<'a>, 0 0x59, {
        /// The declaration.
        request_id: u32,
        /// Why.
        error_code: Str0_255<'a>,
        /// What else there is to say.
        error_details: B0_64K<'a>,
    }

    /// A client found a block by a declared job.
    PushSolution<'a>, 0 0x60, {
        /// The whole extranonce.
        extranonce: B0_32<'a>,
        /// The hash of the block before.
        prev_hash: U256,
        /// The header's nonce.
        nonce: u32,
        /// The header's time.
        ntime: u32,
        /// The header's target in compact form.
        nbits: u32,
        /// The header's version.
        version: u32,
    }
}
