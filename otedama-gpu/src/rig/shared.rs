//! What the threads of a rig share: the work at hand, and the way out for shares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use otedama_core::{Generation, Job, Moment, Share, Solution};
use otedama_hash::{Stop, Verifier};

use super::worker::Pace;
use super::{Failure, OnFailure};
use crate::device::DeviceInfo;
use crate::meter::{Meter, Rates};
use crate::space::{Slice, Space};

/// Lock order: `state` before those of a slot. `outlet` is never held together with another: the receiver of shares
/// runs under it and may ask for the statistics.
pub(super) struct Shared {
    clock: Instant,
    pub(super) state: Mutex<State>,
    changed: Condvar,
    outlet: Mutex<Outlet>,
    on_failure: Mutex<OnFailure>,
    pub(super) slots: Vec<Slot>,
}

pub(super) struct State {
    pub(super) generation: Generation,
    pub(super) assignment: Option<Arc<Assignment>>,
    /// Of the assigned job, or of the last one while paused.
    pub(super) space: Option<Space>,
    /// The longest time from the assignment to a scanner's first slice of it.
    pub(super) slowest_switch: Duration,
    closing: bool,
    /// Kept from job to job: one of RandomX has tables.
    verifier: Option<Verifier>,
}

/// A job that is being worked on.
pub(super) struct Assignment {
    pub(super) job: Job,
    pub(super) generation: Generation,
    pub(super) stop: Stop,
    since: Moment,
    verifier: Option<Verifier>,
}

/// What one scanner does next.
pub(super) struct Task {
    pub(super) assignment: Arc<Assignment>,
    pub(super) slice: Slice,
}

/// The one place where shares leave. Its generation is the first thing that a new job changes.
struct Outlet {
    generation: Generation,
    on_share: Box<dyn FnMut(Share) + Send>,
}

/// The books of one device.
pub(super) struct Slot {
    pub(super) info: DeviceInfo,
    pub(super) failure: Mutex<Option<Failure>>,
    pub(super) meter: Mutex<Meter>,
    pub(super) shares: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) invalid: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        infos: Vec<DeviceInfo>,
        on_share: Box<dyn FnMut(Share) + Send>,
        on_failure: OnFailure,
    ) -> Self {
        let state = State {
            generation: Generation::default(),
            assignment: None,
            space: None,
            slowest_switch: Duration::ZERO,
            closing: false,
            verifier: None,
        };
        Self {
            clock: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            outlet: Mutex::new(Outlet { generation: Generation::default(), on_share }),
            on_failure: Mutex::new(on_failure),
            slots: infos.into_iter().map(Slot::new).collect(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment::after_origin(self.clock.elapsed())
    }

    /// Replaces the job at hand, first at the outlet, so that nothing of the old one leaves after this.
    pub(super) fn assign(&self, job: Option<Job>) {
        let generation = {
            let mut outlet = lock(&self.outlet);
            outlet.generation.0 += 1;
            outlet.generation
        };
        let mut state = lock(&self.state);
        if state.generation > generation {
            // Another thread assigned a later job meanwhile.
            return;
        }
        state.replace(generation, job, self.now());
        drop(state);
        self.changed.notify_all();
    }

    /// Ends all threads.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closing = true;
        if let Some(assignment) = &state.assignment {
            assignment.stop.request();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for something to do for a scanner of this device; `None` if there never will be.
    ///
    /// `last` is the generation that the scanner worked on before, and is brought up to date.
    pub(super) fn next(&self, slot: &Slot, pace: &mut Pace, last: &mut Generation) -> Option<Task> {
        let mut state = lock(&self.state);
        loop {
            if state.closing || lock(&slot.failure).is_some() {
                return None;
            }
            if let Some(task) = state.take(slot, pace) {
                let Assignment { generation, since, .. } = *task.assignment;
                if std::mem::replace(last, generation) != generation {
                    state.slowest_switch = state.slowest_switch.max(self.now().since(since));
                }
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Judges what a scan of this task found, and gives what is good and still wanted to the receiver.
    pub(super) fn deliver(&self, slot: &Slot, task: &Task, found: &mut Vec<Solution>) {
        let Task { assignment, slice } = task;
        for solution in found.drain(..) {
            let inside = solution.nonce.checked_sub(slice.nonces.start);
            let belongs = inside.is_some_and(|offset| offset < slice.nonces.count);
            let share = slice.share(&assignment.job, solution);
            if assignment.stop.is_requested() {
                count(&slot.stale);
            } else if belongs && assignment.is_good(&share) {
                self.give(slot, assignment.generation, share);
            } else {
                count(&slot.invalid);
            }
        }
    }

    fn give(&self, slot: &Slot, generation: Generation, share: Share) {
        let mut outlet = lock(&self.outlet);
        if outlet.generation == generation {
            count(&slot.shares);
            (outlet.on_share)(share);
        } else {
            count(&slot.stale);
        }
    }

    /// Takes a device out of service for good and reports it, the first time.
    pub(super) fn quarantine(&self, device: usize, failure: Failure) {
        let Some(slot) = self.slots.get(device) else { return };
        let first = {
            let mut known = lock(&slot.failure);
            known.is_none().then(|| *known = Some(failure.clone())).is_some()
        };
        if first {
            (lock(&self.on_failure))(&slot.info, &failure);
        }
    }

    /// The first device that failed; only asked for when one did.
    pub(super) fn first_failure(&self) -> (String, Failure) {
        let failed = |slot: &Slot| Some((slot.info.name.clone(), lock(&slot.failure).clone()?));
        self.slots.iter().find_map(failed).unwrap_or((String::new(), Failure::NoScanner))
    }

    pub(super) fn rates(&self) -> Rates {
        let now = self.now();
        self.slots.iter().map(|slot| lock(&slot.meter).rates(now)).sum()
    }
}

impl State {
    fn replace(&mut self, generation: Generation, job: Option<Job>, since: Moment) {
        self.generation = generation;
        self.slowest_switch = Duration::ZERO;
        if let Some(old) = self.assignment.take() {
            old.stop.request();
        }
        let Some(job) = job else { return };
        let space = self.space.take();
        self.space =
            Some(space.map_or_else(|| Space::new(job.clone()), |space| space.followed_by(job.clone())));
        let kept = self.verifier.take().filter(|verifier| verifier.algorithm() == job.algorithm());
        self.verifier = kept.or_else(|| Verifier::new(job.algorithm()).ok());
        let verifier = self.verifier.clone();
        let assignment = Assignment { job, generation, stop: Stop::new(), since, verifier };
        self.assignment = Some(Arc::new(assignment));
    }

    /// The next slice for this device, unless there is none or it is not for it.
    fn take(&mut self, slot: &Slot, pace: &mut Pace) -> Option<Task> {
        let assignment = self.assignment.as_ref()?;
        let algorithm = assignment.job.algorithm();
        if !slot.info.algorithms.contains(&algorithm) {
            return None;
        }
        let slice = self.space.as_mut()?.take(pace.next(algorithm))?;
        Some(Task { assignment: Arc::clone(assignment), slice })
    }
}

impl Assignment {
    fn is_good(&self, share: &Share) -> bool {
        self.verifier.as_ref().is_none_or(|verifier| verifier.verify(&self.job, share).is_ok())
    }
}

impl Slot {
    fn new(info: DeviceInfo) -> Self {
        Self {
            info,
            failure: Mutex::new(None),
            meter: Mutex::new(Meter::new(Moment::ORIGIN)),
            shares: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            invalid: AtomicU64::new(0),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Locks. A panic of another thread while it held the lock leaves nothing half done here, and is reported there.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
