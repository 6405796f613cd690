//! Where everything that concerns a client arrives, from whatever thread.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use otedama_core::Share;

use crate::error::SubmitError;

/// Pieces of input that may wait; the reader waits with the next one.
const MAX_INPUTS: usize = 16;

/// One queue for shares, one for input, one bell.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    bell: Condvar,
    max_shares: usize,
}

#[derive(Debug, Default)]
struct State {
    shares: VecDeque<Share>,
    inputs: VecDeque<Input>,
    /// Shares that found the queue full and nobody has been told of.
    lost: u64,
    closed: bool,
}

/// What threads bring in; those of a connection name it by its number.
#[derive(Debug)]
pub(super) enum Input {
    Bytes(u64, Vec<u8>),
    End(u64, Option<io::ErrorKind>),
    /// The first server of the list answers again.
    Preferred(TcpStream),
}

/// Why a wait was over.
#[derive(Debug)]
pub(super) enum Wake {
    Closed,
    Input(Input),
    Share(Share),
    /// A share found the queue full.
    Lost(SubmitError),
    Due,
}

impl Inbox {
    pub(super) fn new(max_shares: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bell: Condvar::new(), max_shares })
    }

    /// Brings input, after a wait if too much waits already. `false` once the client is closed.
    pub(super) fn bring(&self, input: Input) -> bool {
        let mut state = self.lock();
        while state.inputs.len() >= MAX_INPUTS && !state.closed {
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let open = !state.closed;
        if open {
            state.inputs.push_back(input);
            self.bell.notify_all();
        }
        open
    }

    /// Waits for the next thing, at most this long.
    pub(super) fn wait(&self, time: Duration) -> Wake {
        let idle = |state: &mut State| {
            !state.closed && state.inputs.is_empty() && state.shares.is_empty() && state.lost == 0
        };
        let waited = self.bell.wait_timeout_while(self.lock(), time, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Wake::Closed;
        }
        if let Some(input) = state.inputs.pop_front() {
            self.bell.notify_all();
            return Wake::Input(input);
        }
        if let Some(share) = state.shares.pop_front() {
            return Wake::Share(share);
        }
        if state.lost > 0 {
            state.lost -= 1;
            return Wake::Lost(SubmitError::Full { limit: self.max_shares });
        }
        Wake::Due
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }

    /// A share was lost: whoever iterates is told.
    fn lose(&self) {
        self.lock().lost += 1;
        self.bell.notify_all();
    }

    fn share(&self, share: Share) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SubmitError::Ended);
        }
        if state.shares.len() >= self.max_shares {
            return Err(SubmitError::Full { limit: self.max_shares });
        }
        state.shares.push_back(share);
        self.bell.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands shares to a [`Client`](super::Client) from any thread. Never blocks for longer than it takes to enqueue.
#[derive(Debug, Clone)]
pub struct Submitter {
    pub(super) inbox: Arc<Inbox>,
}

impl Submitter {
    /// Enqueues a share. If the queue is full the share is lost, and the client tells so with
    /// [`Event::Dropped`](super::Event::Dropped).
    pub fn submit(&self, share: Share) {
        if self.try_submit(share).is_err() {
            self.inbox.lose();
        }
    }

    /// Enqueues a share.
    ///
    /// # Errors
    /// [`SubmitError::Full`] if the queue is full, [`SubmitError::Ended`] if the client is closed.
    pub fn try_submit(&self, share: Share) -> Result<(), SubmitError> {
        self.inbox.share(share)
    }
}

/// Ends a [`Client`](super::Client) from any thread.
#[derive(Debug, Clone)]
pub struct CloseHandle {
    pub(super) inbox: Arc<Inbox>,
}

impl CloseHandle {
    /// Ends the client: its iterator gives no more events, and its shares are dropped. While the client opens a
    /// connection, that takes until the attempt is over.
    pub fn close(&self) {
        self.inbox.close();
    }
}
