//! Every message, field by field, in ours and in theirs.

#![expect(clippy::float_cmp, reason = "what went over the wire must be the same bits")]

use otedama_stratum::v2::{Encode as _, common, declaration, extension, mining, template};
use stratum_core::framing_sv2::framing::{EncodableFrame as _, MessageFrame};
use stratum_core::parsers_sv2::{
    AnyMessageOwned, CommonMessagesOwned, ExtensionsNegotiationOwned, ExtensionsOwned, JobDeclarationOwned,
    MiningOwned, TemplateDistributionOwned,
};
use stratum_core::{
    common_messages_sv2, extensions_sv2, job_declaration_sv2, mining_sv2, template_distribution_sv2,
};

use crate::sample::{Sample as _, Source};
use crate::values::Twin as _;
use crate::{read_by_ours, read_by_theirs};

/// A message of theirs as any of theirs, as an expression and as a pattern.
macro_rules! any {
    (common $name:ident($($inner:tt)+)) => {
        AnyMessageOwned::Common(CommonMessagesOwned::$name($($inner)+))
    };
    (mining $name:ident($($inner:tt)+)) => {
        AnyMessageOwned::Mining(MiningOwned::$name($($inner)+))
    };
    (declaration $name:ident($($inner:tt)+)) => {
        AnyMessageOwned::JobDeclaration(JobDeclarationOwned::$name($($inner)+))
    };
    (template $name:ident($($inner:tt)+)) => {
        AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::$name($($inner)+))
    };
    (extension $name:ident($($inner:tt)+)) => {
        AnyMessageOwned::Extensions(ExtensionsOwned::ExtensionsNegotiation(
            ExtensionsNegotiationOwned::$name($($inner)+),
        ))
    };
}

/// Takes modules of ours and of theirs with their messages. Behind the semicolon are fields that they call by another
/// name. All fields must be named, or the structs could not be made.
macro_rules! pairs {
    ($($module:ident $theirs:ident { $(
        $name:ident / $owned:ident { $($field:ident),* $(; $($other:ident = $their_other:ident),+)? }
    )+ })+) => {
        /// Makes a message of each kind and compares bytes and values in both directions.
        pub(crate) fn compare_all(source: &mut Source<'_>) {
            $($(
                let ours = $module::$name {
                    $($field: <_>::sample(source),)* $($($other: <_>::sample(source),)+)?
                };
                let theirs = $theirs::$owned {
                    $($field: ours.$field.twin(),)* $($($their_other: ours.$other.twin(),)+)?
                };
                let mut bytes = Vec::new();
                ours.append(&mut bytes).unwrap();
                let frame = MessageFrame::try_from(any!($module $name(theirs))).unwrap();
                let mut their_bytes = vec![0; frame.encoded_length()];
                frame.encode_into(&mut their_bytes).unwrap();
                assert_eq!(bytes, their_bytes, "{ours:?}");

                assert_eq!(read_by_ours(&their_bytes), ours.into());
                let Some(any!($module $name(read))) = read_by_theirs(&bytes) else {
                    panic!("theirs cannot read {ours:?}")
                };
                $(assert!(read.$field == ours.$field.twin(), "{}", stringify!($field));)*
                $($(assert!(read.$their_other == ours.$other.twin(), "{}", stringify!($other));)+)?
            )+)+
        }
    };
}

pairs! {
    common common_messages_sv2 {
        SetupConnection / SetupConnectionOwned {
            protocol, min_version, max_version, flags, endpoint_host, endpoint_port, vendor,
            hardware_version, firmware, device_id
        }
        SetupConnectionSuccess / SetupConnectionSuccessOwned { used_version, flags }
        SetupConnectionError / SetupConnectionErrorOwned { flags, error_code }
        ChannelEndpointChanged / ChannelEndpointChangedOwned { channel_id }
        Reconnect / ReconnectOwned { new_host, new_port }
    }
    mining mining_sv2 {
        OpenStandardMiningChannel / OpenStandardMiningChannelOwned {
            request_id, user_identity, nominal_hash_rate, max_target
        }
        OpenStandardMiningChannelSuccess / OpenStandardMiningChannelSuccessOwned {
            request_id, channel_id, target, extranonce_prefix, group_channel_id
        }
        OpenMiningChannelError / OpenMiningChannelErrorOwned { request_id, error_code }
        OpenExtendedMiningChannel / OpenExtendedMiningChannelOwned {
            request_id, user_identity, nominal_hash_rate, max_target, min_extranonce_size
        }
        OpenExtendedMiningChannelSuccess / OpenExtendedMiningChannelSuccessOwned {
            request_id, channel_id, target, extranonce_size, extranonce_prefix, group_channel_id
        }
        NewMiningJob / NewMiningJobOwned { channel_id, job_id, min_ntime, version, merkle_root }
        UpdateChannel / UpdateChannelOwned { channel_id, nominal_hash_rate, maximum_target }
        UpdateChannelError / UpdateChannelErrorOwned { channel_id, error_code }
        CloseChannel / CloseChannelOwned { channel_id, reason_code }
        SetExtranoncePrefix / SetExtranoncePrefixOwned { channel_id, extranonce_prefix }
        SubmitSharesStandard / SubmitSharesStandardOwned {
            channel_id, sequence_number, job_id, nonce, ntime, version
        }
        SubmitSharesExtended / SubmitSharesExtendedOwned {
            channel_id, sequence_number, job_id, nonce, ntime, version, extranonce
        }
        SubmitSharesSuccess / SubmitSharesSuccessOwned {
            channel_id, last_sequence_number, new_submits_accepted_count, new_shares_sum
        }
        SubmitSharesError / SubmitSharesErrorOwned { channel_id, sequence_number, error_code }
        NewExtendedMiningJob / NewExtendedMiningJobOwned {
            channel_id, job_id, min_ntime, version, version_rolling_allowed, merkle_path,
            coinbase_tx_prefix, coinbase_tx_suffix
        }
        SetNewPrevHash / SetNewPrevHashOwned { channel_id, job_id, prev_hash, min_ntime, nbits }
        SetTarget / SetTargetOwned { channel_id, maximum_target }
        SetCustomMiningJob / SetCustomMiningJobOwned {
            channel_id, request_id, version, prev_hash, min_ntime, nbits, coinbase_tx_version,
            coinbase_prefix, coinbase_tx_input_n_sequence, coinbase_tx_outputs,
            coinbase_tx_locktime, merkle_path; mining_job_token = token
        }
        SetCustomMiningJobSuccess / SetCustomMiningJobSuccessOwned { channel_id, request_id, job_id }
        SetCustomMiningJobError / SetCustomMiningJobErrorOwned { channel_id, request_id, error_code }
        SetGroupChannel / SetGroupChannelOwned { group_channel_id, channel_ids }
    }
    declaration job_declaration_sv2 {
        AllocateMiningJobToken / AllocateMiningJobTokenOwned { user_identifier, request_id }
        AllocateMiningJobTokenSuccess / AllocateMiningJobTokenSuccessOwned {
            request_id, mining_job_token; coinbase_tx_outputs = coinbase_outputs
        }
        ProvideMissingTransactions / ProvideMissingTransactionsOwned { request_id, unknown_tx_position_list }
        ProvideMissingTransactionsSuccess / ProvideMissingTransactionsSuccessOwned {
            request_id, transaction_list
        }
        DeclareMiningJob / DeclareMiningJobOwned {
            request_id, mining_job_token, version, coinbase_tx_prefix, coinbase_tx_suffix,
            wtxid_list, excess_data
        }
        DeclareMiningJobSuccess / DeclareMiningJobSuccessOwned { request_id, new_mining_job_token }
        DeclareMiningJobError / DeclareMiningJobErrorOwned { request_id, error_code, error_details }
        PushSolution / PushSolutionOwned { extranonce, prev_hash, nonce, ntime, nbits, version }
    }
    template template_distribution_sv2 {
        CoinbaseOutputConstraints / CoinbaseOutputConstraintsOwned {
            coinbase_output_max_additional_size, coinbase_output_max_additional_sigops
        }
        NewTemplate / NewTemplateOwned {
            template_id, future_template, version, coinbase_tx_version, coinbase_prefix,
            coinbase_tx_input_sequence, coinbase_tx_value_remaining, coinbase_tx_outputs_count,
            coinbase_tx_outputs, coinbase_tx_locktime, merkle_path
        }
        SetNewPrevHash / SetNewPrevHashOwned {
            template_id, prev_hash, header_timestamp, target; nbits = n_bits
        }
        RequestTransactionData / RequestTransactionDataOwned { template_id }
        RequestTransactionDataSuccess / RequestTransactionDataSuccessOwned {
            template_id, excess_data, transaction_list
        }
        RequestTransactionDataError / RequestTransactionDataErrorOwned { template_id, error_code }
        SubmitSolution / SubmitSolutionOwned {
            template_id, version, header_timestamp, header_nonce, coinbase_tx
        }
    }
    extension extensions_sv2 {
        RequestExtensions / RequestExtensionsOwned { request_id, requested_extensions }
        RequestExtensionsSuccess / RequestExtensionsSuccessOwned { request_id, supported_extensions }
        RequestExtensionsError / RequestExtensionsErrorOwned {
            request_id, unsupported_extensions, required_extensions
        }
    }
}
