//! A call that is waited for in slices.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use super::rpc::Rpc;
use crate::node::NodeError;

/// A call under way in a thread of its own, over a connection of its own.
///
/// Dropping it closes the connection, and with that the thread ends. While the connection is still being made the
/// thread stays until that has succeeded or failed, at most for the call's own patience.
#[derive(Debug)]
pub(super) struct Pending<T> {
    rpc: Rpc,
    answer: Receiver<Result<T, NodeError>>,
}

impl<T: Send + 'static> Pending<T> {
    pub(super) fn start(
        rpc: &Rpc,
        call: impl FnOnce(&Rpc) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<Self, NodeError> {
        let rpc = rpc.apart();
        let (tell, answer) = channel();
        let caller = rpc.clone();
        let thread = std::thread::Builder::new().name("long poll".to_owned());
        // Nobody listens any more if the pending call was dropped.
        let started = thread.spawn(move || drop(tell.send(call(&caller))));
        started.map_err(|error| NodeError::Unreachable(format!("no thread for a long poll: {error}")))?;
        Ok(Self { rpc, answer })
    }

    /// What came of the call; `None` if that is not known yet at `until`, in which case one may come back for it.
    pub(super) fn wait(&self, until: Instant) -> Result<Option<T>, NodeError> {
        match self.answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(answer) => answer.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(NodeError::Unreachable("the long poll ended without an answer".to_owned()))
            }
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.rpc.hang_up();
    }
}
