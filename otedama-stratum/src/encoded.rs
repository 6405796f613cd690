//! A job as bytes, made once for all connections.

use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;
use otedama_core::{HeaderSource, JobBody};

use crate::error::EncodeError;
use crate::v1::dialect::bitcoin;
use crate::v2::server::Form;

/// The part of a job that all connections share, as it goes over the wire in either version of Stratum.
///
/// Cloning is cheap and `send_job` does not copy it: a job is encoded once, however many miners get it.
#[derive(Clone, Debug)]
pub struct EncodedJob {
    clean: Bytes,
    unclean: Bytes,
    v2: Arc<Form>,
    is_clean: bool,
}

impl EncodedJob {
    /// Encodes a body. Whether older jobs end with it is the body's `clean`.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] if no dialect has a message for this kind of header, [`EncodeError::TooLarge`] if the
    /// job does not fit into one.
    pub fn new(body: &JobBody) -> Result<Self, EncodeError> {
        let HeaderSource::Bitcoin(source) = &body.source else {
            return Err(EncodeError::Unsupported);
        };
        let mut notify = String::new();
        bitcoin::notify_body(&mut notify, source);
        let ended = |flag: &str| Bytes::from([&notify, flag].concat());
        let v2 = Arc::new(Form::new(source)?);
        Ok(Self { clean: ended(",true]}\n"), unclean: ended(",false]}\n"), v2, is_clean: body.clean })
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

    /// What Stratum V2's messages are made from.
    pub(crate) fn v2(&self) -> &Form {
        &self.v2
    }

    /// Whether older jobs end with it.
    pub(crate) const fn is_clean(&self) -> bool {
        self.is_clean
    }
}
