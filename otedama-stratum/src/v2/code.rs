//! Error and reason codes.

use core::fmt;

use super::types::Str0_255;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Codes that deployed peers put into `error_code` and `reason_code`, in the order of the messages.
        ///
        /// The specification fixes none of them: a code is a free text, one that is not here is nothing but a line for
        /// the log, and nothing that matters may depend on a code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The code that a peer sent, if it is one of these.
            #[must_use]
            pub fn parse(text: Str0_255<'_>) -> Option<Self> {
                match text.as_bytes() {
                    $(bytes if bytes == $text.as_bytes() => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// `SetupConnectionError`: a flag is not supported; the message says which.
    UnsupportedFeatureFlags = "unsupported-feature-flags",
    /// `SetupConnectionError`: the server is for another protocol.
    UnsupportedProtocol = "unsupported-protocol",
    /// `SetupConnectionError`: no common version.
    ProtocolVersionMismatch = "protocol-version-mismatch",
    /// `SetupConnectionError`: the server wants whole templates to be declared.
    MissingDeclareTxDataFlag = "missing-declare-tx-data-flag",
    /// `OpenMiningChannelError`: nobody of this name.
    UnknownUser = "unknown-user",
    /// `OpenMiningChannelError`: what was sent is no name.
    InvalidUserIdentity = "invalid-user-identity",
    /// `OpenMiningChannelError`, `UpdateChannelError`: no target that suits both.
    MaxTargetOutOfRange = "max-target-out-of-range",
    /// `OpenMiningChannelError`, `UpdateChannelError`: a hash rate that is none.
    InvalidNominalHashrate = "invalid-nominal-hashrate",
    /// `OpenMiningChannelError`: more extranonce than there is.
    MinExtranonceSizeTooLarge = "min-extranonce-size-too-large",
    /// `OpenMiningChannelError`: an extranonce size that the server does not give.
    UnsupportedMinExtranonceSize = "unsupported-min-extranonce-size",
    /// `OpenMiningChannelError`: too many channels.
    ChannelCapacityExhausted = "channel-capacity-exhausted",
    /// `OpenMiningChannelError`: whoever sends jobs needs extended channels.
    StandardChannelsNotSupportedForCustomWork = "standard-channels-not-supported-for-custom-work",
    /// `OpenMiningChannelError`: whoever requires standard jobs needs standard channels.
    ExtendedChannelsNotSupportedForStandardJobs = "extended-channels-not-supported-for-standard-jobs",
    /// `UpdateChannelError`, `SubmitSharesError`, `SetCustomMiningJobError`: no such channel.
    InvalidChannelId = "invalid-channel-id",
    /// `SubmitSharesError`: no such job.
    InvalidJobId = "invalid-job-id",
    /// `SubmitSharesError`: the job has ended.
    StaleShare = "stale-share",
    /// `SubmitSharesError`: the hash does not meet the job's target.
    DifficultyTooLow = "difficulty-too-low",
    /// `SubmitSharesError`: the share was sent before.
    DuplicateShare = "duplicate-share",
    /// `SubmitSharesError`: an extranonce of another size than was agreed on.
    BadExtranonceSize = "bad-extranonce-size",
    /// `SubmitSharesError`: another version than the job's, which does not allow it.
    VersionRollingNotAllowed = "version-rolling-not-allowed",
    /// `SubmitSharesError`: a version bit outside the mask differs from the job's.
    InvalidNonRollableVersionBit = "invalid-non-rollable-version-bit",
    /// `SubmitSharesError`: something else.
    InvalidShare = "invalid-share",
    /// `SetCustomMiningJobError`: the server takes no jobs.
    JdNotSupported = "jd-not-supported",
    /// `SetCustomMiningJobError`, `DeclareMiningJobError`: a token that was not given, or was used.
    InvalidMiningJobToken = "invalid-mining-job-token",
    /// `SetCustomMiningJobError`: the declaration is still being looked at.
    JobNotYetValidated = "job-not-yet-validated",
    /// `SetCustomMiningJobError`, `DeclareMiningJobError`: the job builds on an older block.
    StaleChainTip = "stale-chain-tip",
    /// `SetCustomMiningJobError`: another earliest time than the server's.
    InvalidMinNtime = "invalid-min-ntime",
    /// `SetCustomMiningJobError`: another network target than the server's.
    InvalidNbits = "invalid-nbits",
    /// `SetCustomMiningJobError`: a header version that does not do.
    InvalidVersion = "invalid-version",
    /// `SetCustomMiningJobError`, `DeclareMiningJobError`: a coinbase that does not do.
    InvalidCoinbaseTx = "invalid-coinbase-tx",
    /// `SetCustomMiningJobError`: a coinbase version that does not do.
    InvalidCoinbaseTxVersion = "invalid-coinbase-tx-version",
    /// `SetCustomMiningJobError`: a coinbase script that does not do.
    InvalidCoinbasePrefix = "invalid-coinbase-prefix",
    /// `SetCustomMiningJobError`: a sequence number that does not do.
    InvalidCoinbaseTxInputNSequence = "invalid-coinbase-tx-input-n-sequence",
    /// `SetCustomMiningJobError`: outputs that do not pay what they should.
    InvalidCoinbaseTxOutputs = "invalid-coinbase-tx-outputs",
    /// `SetCustomMiningJobError`: a lock time that does not do.
    InvalidCoinbaseTxLocktime = "invalid-coinbase-tx-locktime",
    /// `SetCustomMiningJobError`: another merkle path than was declared.
    InvalidMerklePath = "invalid-merkle-path",
    /// `DeclareMiningJobError`: transactions that were asked for did not come.
    MissingTxs = "missing-txs",
    /// `DeclareMiningJobError`: the coinbase's input does not do.
    InvalidCoinbaseTxInput = "invalid-coinbase-tx-input",
    /// `DeclareMiningJobError`: the job does not do.
    InvalidJob = "invalid-job",
    /// `DeclareMiningJobError`: the server is at fault.
    InternalError = "internal-error",
    /// `RequestTransactionDataError`: no such template.
    TemplateIdNotFound = "template-id-not-found",
    /// `RequestTransactionDataError`: the template builds on an older block.
    StaleTemplateId = "stale-template-id",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Code> for Str0_255<'static> {
    fn from(code: Code) -> Self {
        Self::truncated(code.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire() {
        for code in Code::ALL {
            let text = Str0_255::from(*code);
            assert_eq!((Code::parse(text), text.to_str()), (Some(*code), Some(code.as_str())));
            assert!(text.as_bytes().iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-'), "{code}");
        }
        assert_eq!(Code::parse(Str0_255::new("solar-flare").unwrap()), None);
    }
}
