//! The user's wish to end: Ctrl-C, or the signal of a service manager.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::failure::Failure;

/// Whether the user asked the process to end, by SIGINT, SIGTERM or SIGHUP. Clones share one state.
///
/// The first request is for the command to end cleanly; a second one ends the process at once.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requested: bool,
    released: bool,
    hooks: Vec<Box<dyn FnOnce() + Send>>,
}

/// What a shell reports for a process that was interrupted.
const EXIT_CODE: i32 = 130;

impl Interrupt {
    /// Takes over the signals of the process.
    pub(crate) fn install() -> Result<Self, Failure> {
        let interrupt = Self(Arc::default());
        let handler = interrupt.clone();
        ctrlc::set_handler(move || {
            if !handler.request() {
                std::process::exit(EXIT_CODE);
            }
        })
        .map_err(|error| Failure::Failed(format!("cannot listen to signals: {error}")))?;
        Ok(interrupt)
    }

    /// Asks for the end and runs the hooks; `false` if it was asked for before.
    fn request(&self) -> bool {
        let hooks = {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.requested {
                return false;
            }
            state.requested = true;
            std::mem::take(&mut state.hooks)
        };
        self.0.changed.notify_all();
        hooks.into_iter().for_each(|hook| hook());
        true
    }

    /// Whether the end was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).requested
    }

    /// Waits so long, or until the end is asked for or there is no more reason to wait; says whether it ended early.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let early = |state: &mut State| state.requested || state.released;
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_timeout_while(state, patience, |state| !early(state));
        early(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Ends every wait, now and later: what was waited for has ended by itself.
    pub(crate) fn release(&self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).released = true;
        self.0.changed.notify_all();
    }

    /// Runs `hook` once the end is asked for, on a thread of its own; at once if it already was.
    pub(crate) fn on_request(&self, hook: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requested {
            drop(state);
            hook();
        } else {
            state.hooks.push(Box::new(hook));
        }
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").field("requested", &self.is_requested()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn hooks_run_once_and_late_ones_at_once() {
        let interrupt = Interrupt(Arc::default());
        let count = Arc::new(AtomicU32::new(0));
        let hook = |by: u32| {
            let count = count.clone();
            move || {
                count.fetch_add(by, Ordering::SeqCst);
            }
        };
        interrupt.on_request(hook(1));
        assert!(!interrupt.wait(Duration::ZERO));
        assert!(interrupt.request());
        assert!(!interrupt.request(), "the second request is told apart");
        interrupt.on_request(hook(10));
        assert_eq!(count.load(Ordering::SeqCst), 11);
        assert!(interrupt.wait(Duration::MAX), "a wait ends once it was asked for");
        let other = Interrupt(Arc::default());
        other.release();
        assert!(other.wait(Duration::MAX) && !other.is_requested());
    }
}
