//! How a connection begins: what it is for, and with which extensions.

use alloc::string::String;

use super::{Server, SetupConnection};
use crate::error::SessionError;
use crate::event::{Refused, ServerEvent};
use crate::v1::message::printable;
use crate::v2::common::{
    Protocol, REQUIRES_FIXED_VERSION, REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, SetupConnectionError,
    SetupConnectionSuccess, VERSION,
};
use crate::v2::extension::{
    RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess, WORKER_NAMES,
};
use crate::v2::{Code, Frame, Payload, Seq};

/// A client that has set up its connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) agent: String,
    /// It takes no extended jobs on standard channels, so its channels cannot be in a group.
    pub(super) standard_jobs: bool,
    /// Worker names may be behind shares.
    pub(super) worker_names: bool,
    /// Whether it survives a `Reconnect`.
    pub(super) reconnects: bool,
    /// Whether it survives a `SetExtranoncePrefix`.
    pub(super) takes_prefixes: bool,
}

impl Peer {
    fn new(setup: &SetupConnection<'_>, limit: usize) -> Self {
        let parts = [setup.vendor, setup.hardware_version, setup.firmware];
        let mut agent = String::new();
        for part in parts.iter().map(|part| String::from_utf8_lossy(part.as_bytes())) {
            let separator = if agent.is_empty() || part.is_empty() { "" } else { "/" };
            agent.extend([separator, &part]);
        }
        let frail = Frail::of(setup);
        Self {
            agent: printable(&agent, limit),
            standard_jobs: setup.flags & REQUIRES_STANDARD_JOBS != 0,
            worker_names: false,
            reconnects: frail == Frail::No,
            takes_prefixes: frail != Frail::Device,
        }
    }
}

/// Clients of the reference implementation that are known to panic on messages that the specification allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frail {
    No,
    /// `translator_sv2` 0.6.0: on `Reconnect`.
    Translator,
    /// `mining_device`, whose only mark is that it does not say what it is: on `Reconnect` and `SetExtranoncePrefix`.
    Device,
}

impl Frail {
    fn of(setup: &SetupConnection<'_>) -> Self {
        match (setup.vendor.as_bytes(), setup.hardware_version.as_bytes(), setup.firmware.as_bytes()) {
            (b"SRI", b"Translator Proxy", _) => Self::Translator,
            (b"", b"", b"") => Self::Device,
            _ => Self::No,
        }
    }
}

impl Server {
    /// Nothing may be said before the connection is set up.
    pub(super) fn first_frame(&mut self, frame: Frame<'_>) {
        let is_setup = (frame.extension, frame.kind) == (SetupConnection::EXTENSION, SetupConnection::KIND);
        match SetupConnection::decode(frame.payload) {
            Ok((setup, _)) if is_setup => self.set_up(&setup),
            _ => {
                self.failed.get_or_insert(SessionError::NoSetup);
            }
        }
    }

    fn set_up(&mut self, setup: &SetupConnection<'_>) {
        let rolls = self.version_mask() != 0;
        let supported = REQUIRES_STANDARD_JOBS | if rolls { REQUIRES_VERSION_ROLLING } else { 0 };
        let unsupported = setup.flags & !supported;
        let refused = if setup.protocol != Protocol::MINING {
            Some((0, Code::UnsupportedProtocol))
        } else if !(setup.min_version..=setup.max_version).contains(&VERSION) {
            Some((0, Code::ProtocolVersionMismatch))
        } else if unsupported != 0 {
            Some((unsupported, Code::UnsupportedFeatureFlags))
        } else {
            None
        };
        if let Some((flags, code)) = refused {
            self.send(&SetupConnectionError { flags, error_code: code.into() });
            self.failed.get_or_insert(SessionError::Unserved(code));
            return;
        }
        self.peer = Some(Peer::new(setup, self.config.limits.agent));
        let flags = if rolls { 0 } else { REQUIRES_FIXED_VERSION };
        self.send(&SetupConnectionSuccess { used_version: VERSION, flags });
    }

    pub(super) fn extensions(&mut self, request: &RequestExtensions<'_>) {
        let asked = request.requested_extensions;
        let known = asked.iter().any(|extension| extension == WORKER_NAMES);
        if let Some(peer) = &mut self.peer {
            peer.worker_names = known;
        }
        let request_id = request.request_id;
        let supported: &[u16] = if known { &[WORKER_NAMES] } else { &[] };
        match Seq::new(supported) {
            Ok(supported_extensions) if known || asked.is_empty() => {
                self.send(&RequestExtensionsSuccess { request_id, supported_extensions });
            }
            _ => {
                let (unsupported_extensions, required_extensions) = (asked, Seq::EMPTY);
                let error =
                    RequestExtensionsError { request_id, unsupported_extensions, required_extensions };
                self.send(&error);
                self.event(ServerEvent::Refused(Refused::Method));
            }
        }
    }
}
