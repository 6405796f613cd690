//! A job as bytes, made once for all connections.

use alloc::string::String;

use bytes::Bytes;
use otedama_core::{HeaderSource, JobBody};

use crate::error::EncodeError;
use crate::v1::dialect::bitcoin;

/// The part of a job that all connections share, as it goes over the wire.
///
/// Cloning is cheap and `send_job` does not copy it: a job is encoded once, however many miners get it.
#[derive(Clone, Debug)]
pub struct EncodedJob {
    clean: Bytes,
    unclean: Bytes,
    is_clean: bool,
}

impl EncodedJob {
    /// Encodes a body. Whether older jobs end with it is the body's `clean`.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] if no dialect has a message for this kind of header.
    pub fn new(body: &JobBody) -> Result<Self, EncodeError> {
        let HeaderSource::Bitcoin(source) = &body.source else {
            return Err(EncodeError::Unsupported);
        };
        let mut notify = String::new();
        bitcoin::notify_body(&mut notify, source);
        let ended = |flag: &str| Bytes::from([&notify, flag].concat());
        Ok(Self { clean: ended(",true]}\n"), unclean: ended(",false]}\n"), is_clean: body.clean })
    }

    /// The same body as one that lets older jobs live: to give it again under a new id or difficulty.
    #[must_use]
    pub fn unclean(&self) -> Self {
        Self { is_clean: false, ..self.clone() }
    }

    /// Everything of `mining.notify` behind the job id.
    pub(crate) fn v1(&self, force_clean: bool) -> Bytes {
        if self.is_clean || force_clean { self.clean.clone() } else { self.unclean.clone() }
    }
}
