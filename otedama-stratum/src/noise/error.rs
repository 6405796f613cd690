//! What can go wrong with keys and with a secured connection.

use core::time::Duration;

use otedama_core::UnixTime;

/// Why a secured connection must end. After one of these it says the same to every call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// The peer, or someone on the way, sent what the peer's keys did not seal. A peer that does not speak Noise looks
    /// the same.
    #[error("a message of the peer fails its authentication")]
    Forged,
    /// The server has a certificate of a version that this side does not know.
    #[error("the server's certificate has version {0}, not 0")]
    CertificateVersion(u16),
    /// The certificate begins later. Either side's clock may be wrong.
    #[error("the server's certificate is not valid before {from}, and it is {now} (seconds since 1970)")]
    NotYetValid {
        /// When it begins.
        from: UnixTime,
        /// The time at this side.
        now: UnixTime,
    },
    /// The certificate is over: the server's fault, unless this side's clock is wrong.
    #[error("the server's certificate was valid until {until}, and it is {now} (seconds since 1970)")]
    Expired {
        /// When it ended.
        until: UnixTime,
        /// The time at this side.
        now: UnixTime,
    },
    /// The certificate is not signed with the key that was asked for: another pool, or someone on the way.
    #[error("the server's certificate is not of the authority that was asked for")]
    WrongAuthority,
    /// The peer announced a frame that is longer than allowed.
    #[error("a frame has more than {limit} bytes of payload")]
    FrameTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer did not do its part of the handshake in time.
    #[error("the handshake took longer than {0:?}")]
    HandshakeTimeout(Duration),
    /// The peer began a frame and did not end it in time.
    #[error("a frame took longer than {0:?}")]
    FrameTimeout(Duration),
    /// The peer does not read what it is sent.
    #[error("more than {limit} bytes wait to be sent")]
    OutputFull {
        /// The limit, in bytes.
        limit: usize,
    },
    /// What was to be sent are not whole frames: the caller is at fault, nothing was sent, and the connection can go on.
    #[error("what is to be sent are not whole frames")]
    NotFrames,
    /// The keys have sealed all the messages that they may, 2^64 of them.
    #[error("the keys of this connection are used up")]
    Exhausted,
}

/// Why a text or some bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not base58check: a wrong letter, or a checksum that does not fit.
    #[error("not base58 with a good checksum")]
    Base58,
    /// Another length.
    #[error("not {expected} bytes in base58check")]
    Length {
        /// The right length.
        expected: usize,
    },
    /// A version of keys that is not 1.
    #[error("a key of version {0}, not 1")]
    Version(u16),
    /// The number is no key of secp256k1.
    #[error("no key of secp256k1")]
    NotAKey,
}
