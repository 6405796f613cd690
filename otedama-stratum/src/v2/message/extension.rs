//! Messages of extension 0x0001, by which both sides agree on extensions.
//!
//! The request comes right after `SetupConnectionSuccess`, and nothing else before its answer. Servers without
//! extensions do not answer, so a client must not wait for ever.

use crate::v2::Seq0_64K;

/// The extension of the messages here.
pub const NEGOTIATION: u16 = 0x0001;
/// The extension that puts a [worker name](crate::v2::Tlv::worker_name) behind each share.
pub const WORKER_NAMES: u16 = 0x0002;

message! {
    /// A client asks for extensions.
    RequestExtensions<'a>, 0x0001 0x00, {
        /// Names the request in the answer.
        request_id: u16,
        /// What the client would like to use.
        requested_extensions: Seq0_64K<'a, u16>,
    }

    /// Both sides use these extensions from now on.
    RequestExtensionsSuccess<'a>, 0x0001 0x01, {
        /// The request.
        request_id: u16,
        /// Those of the requested that the server supports.
        supported_extensions: Seq0_64K<'a, u16>,
    }

    /// The server supports nothing that was asked for, or requires something that was not.
    RequestExtensionsError<'a>, 0x0001 0x02, {
        /// The request.
        request_id: u16,
        /// Those of the requested that the server does not support.
        unsupported_extensions: Seq0_64K<'a, u16>,
        /// Those that the server requires and that were not requested.
        required_extensions: Seq0_64K<'a, u16>,
    }
}
