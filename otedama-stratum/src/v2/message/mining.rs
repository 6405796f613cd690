//! Messages of the mining protocol (chapter 5.3 of the specification).

use crate::v2::{B0_32, B0_64K, B0_255, Seq0_64K, Seq0_255, Str0_255, U256};

message! {
    /// A client asks for a channel for header-only mining.
    OpenStandardMiningChannel<'a>, 0 0x10, {
        /// Names the request in the answer.
        request_id: u32,
        /// Who mines.
        user_identity: Str0_255<'a>,
        /// Expected hashes per second.
        nominal_hash_rate: f32,
        /// The easiest target that the client can use.
        max_target: U256,
    }

    /// A standard channel is open. A job and [`SetNewPrevHash`] follow.
    OpenStandardMiningChannelSuccess<'a>, 0 0x11, {
        /// The request.
        request_id: u32,
        /// The channel. Channels and groups share one set of numbers in each connection.
        channel_id: u32,
        /// The target of its shares.
        target: U256,
        /// The whole extranonce of the channel.
        extranonce_prefix: B0_32<'a>,
        /// The group that the channel belongs to.
        group_channel_id: u32,
    }

    /// A channel of either kind is refused.
    OpenMiningChannelError<'a>, 0 0x12, {
        /// The request.
        request_id: u32,
        /// Why.
        error_code: Str0_255<'a>,
    }

    /// A client asks for a channel in which it makes the coinbase itself.
    OpenExtendedMiningChannel<'a>, 0 0x13, {
        /// Names the request in the answer.
        request_id: u32,
        /// Who mines.
        user_identity: Str0_255<'a>,
        /// Expected hashes per second.
        nominal_hash_rate: f32,
        /// The easiest target that the client can use.
        max_target: U256,
        /// Bytes of extranonce that the client needs for itself, at least.
        min_extranonce_size: u16,
    }

    /// An extended channel is open. A job and [`SetNewPrevHash`] follow.
    OpenExtendedMiningChannelSuccess<'a>, 0 0x14, {
        /// The request.
        request_id: u32,
        /// The channel.
        channel_id: u32,
        /// The target of its shares.
        target: U256,
        /// Bytes of extranonce that the client fills.
        extranonce_size: u16,
        /// What stands before them.
        extranonce_prefix: B0_32<'a>,
        /// The group that the channel belongs to.
        group_channel_id: u32,
    }

    /// A standard job: a header without nonce and time.
    NewMiningJob, 0 0x15 channel, {
        /// The channel.
        channel_id: u32,
        /// The job; no number comes again while the older job lives.
        job_id: u32,
        /// The earliest time of a header. `None`: the job waits for the [`SetNewPrevHash`] that names it.
        min_ntime: Option<u32>,
        /// The header's version.
        version: u32,
        /// The header's merkle root.
        merkle_root: U256,
    }

    /// A client mines faster or slower than it said, or needs another target.
    UpdateChannel, 0 0x16 channel, {
        /// The channel.
        channel_id: u32,
        /// Expected hashes per second.
        nominal_hash_rate: f32,
        /// The easiest target that the client can use. If it is harder than the channel's, [`SetTarget`] must follow.
        maximum_target: U256,
    }

    /// The server does not change the channel.
    UpdateChannelError<'a>, 0 0x17 channel, {
        /// The channel.
        channel_id: u32,
        /// Why.
        error_code: Str0_255<'a>,
    }

    /// Either side closes a channel, or all channels of a group.
    CloseChannel<'a>, 0 0x18 channel, {
        /// The channel or group.
        channel_id: u32,
        /// Why.
        reason_code: Str0_255<'a>,
    }

    /// The channel's extranonce prefix from the next job on. Of the same length as before, and not for groups.
    SetExtranoncePrefix<'a>, 0 0x19 channel, {
        /// The channel.
        channel_id: u32,
        /// The prefix.
        extranonce_prefix: B0_32<'a>,
    }

    /// A share of a standard channel.
    SubmitSharesStandard, 0 0x1a channel, {
        /// The channel.
        channel_id: u32,
        /// Names the share in answers; ascending within the channel.
        sequence_number: u32,
        /// The job.
        job_id: u32,
        /// The header's nonce.
        nonce: u32,
        /// The header's time.
        ntime: u32,
        /// The header's version, whole.
        version: u32,
    }

    /// A share of an extended channel. A [worker name](crate::v2::Tlv::worker_name) may be behind it.
    SubmitSharesExtended<'a>, 0 0x1b channel, {
        /// The channel.
        channel_id: u32,
        /// Names the share in answers; ascending within the channel.
        sequence_number: u32,
        /// The job.
        job_id: u32,
        /// The header's nonce.
        nonce: u32,
        /// The header's time.
        ntime: u32,
        /// The header's version, whole.
        version: u32,
        /// What the client filled in behind the prefix, of exactly the size that was agreed on.
        extranonce: B0_32<'a>,
    }

    /// All shares up to a number are accepted, but for those that were refused one by one.
    SubmitSharesSuccess, 0 0x1c channel, {
        /// The channel.
        channel_id: u32,
        /// The last share of the batch.
        last_sequence_number: u32,
        /// Shares of the batch.
        new_submits_accepted_count: u32,
        /// The sum of their difficulties.
        new_shares_sum: u64,
    }

    /// A share is refused.
    SubmitSharesError<'a>, 0 0x1d channel, {
        /// The channel.
        channel_id: u32,
        /// The share.
        sequence_number: u32,
        /// Why.
        error_code: Str0_255<'a>,
    }

    /// An extended job: a header whose merkle root is made from a coinbase that the miner completes.
    ///
    /// The coinbase is prefix, extranonce prefix, extranonce and suffix, without witness: its double SHA-256 is its id.
    NewExtendedMiningJob<'a>, 0 0x1f channel, {
        /// The channel or group.
        channel_id: u32,
        /// The job; no number comes again while the older job lives.
        job_id: u32,
        /// The earliest time of a header. `None`: the job waits for the [`SetNewPrevHash`] that names it.
        min_ntime: Option<u32>,
        /// The header's version.
        version: u32,
        /// Whether the version may be rolled, within the mask 0x1fffffe0.
        version_rolling_allowed: bool,
        /// The hashes that the coinbase's is folded with, the deepest first.
        merkle_path: Seq0_255<'a, U256>,
        /// The coinbase up to the extranonce.
        coinbase_tx_prefix: B0_64K<'a>,
        /// The coinbase behind the extranonce.
        coinbase_tx_suffix: B0_64K<'a>,
    }

    /// A new tip of the chain. It starts the job that it names and ends all others.
    SetNewPrevHash, 0 0x20 channel, {
        /// The channel or group.
        channel_id: u32,
        /// A job that was sent without a time.
        job_id: u32,
        /// The hash of the block to build on.
        prev_hash: U256,
        /// The earliest time of a header.
        min_ntime: u32,
        /// The target of the network in compact form.
        nbits: u32,
    }

    /// The target of shares of jobs that are not active yet.
    SetTarget, 0 0x21 channel, {
        /// The channel or group.
        channel_id: u32,
        /// The target.
        maximum_target: U256,
    }

    /// A client sends a job of its own, on the strength of a token from job declaration.
    SetCustomMiningJob<'a>, 0 0x22 channel, {
        /// The channel.
        channel_id: u32,
        /// Names the request in the answer.
        request_id: u32,
        /// What lets the client do so.
        mining_job_token: B0_255<'a>,
        /// The header's version.
        version: u32,
        /// The hash of the block to build on.
        prev_hash: U256,
        /// The earliest time of a header.
        min_ntime: u32,
        /// The target of the network in compact form.
        nbits: u32,
        /// The coinbase's version.
        coinbase_tx_version: u32,
        /// What the coinbase's script begins with; at most 8 bytes by the specification, which is not checked here.
        coinbase_prefix: B0_255<'a>,
        /// The sequence number of the coinbase's input.
        coinbase_tx_input_n_sequence: u32,
        /// The coinbase's outputs behind their count, as in a transaction.
        coinbase_tx_outputs: B0_64K<'a>,
        /// The coinbase's lock time.
        coinbase_tx_locktime: u32,
        /// The hashes that the coinbase's is folded with, the deepest first.
        merkle_path: Seq0_255<'a, U256>,
    }

    /// The server takes the client's job.
    SetCustomMiningJobSuccess, 0 0x23 channel, {
        /// The channel.
        channel_id: u32,
        /// The request.
        request_id: u32,
        /// The job's number in shares.
        job_id: u32,
    }

    /// The server does not take the client's job.
    SetCustomMiningJobError<'a>, 0 0x24 channel, {
        /// The channel.
        channel_id: u32,
        /// The request.
        request_id: u32,
        /// Why.
        error_code: Str0_255<'a>,
    }

    /// Puts channels into a group. All of them have extranonces of the same length.
    SetGroupChannel<'a>, 0 0x25, {
        /// The group.
        group_channel_id: u32,
        /// The channels.
        channel_ids: Seq0_64K<'a, u32>,
    }
}
