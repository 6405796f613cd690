//! The rig: takes jobs, drives devices, gives shares.

mod shared;
mod stats;
mod worker;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use otedama_core::{HashRate, Job, Share};
use otedama_hash::{Scan, ScanError};

use crate::device::{Device, DeviceInfo};
use shared::{Shared, lock};
pub use stats::{DeviceState, DeviceStats, RigState, RigStats};

/// Devices at work, each scanner on a thread of its own.
///
/// It idles until the first [`assign`](Self::assign). Dropping it stops and joins all threads, within 10 ms for
/// devices that keep to the contract of [`Scan`].
pub struct Rig {
    shared: Arc<Shared>,
    devices: Vec<Mutex<Box<dyn Device>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Why a rig does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RigError {
    /// The list of devices is empty: misuse by the caller.
    #[error("no devices")]
    NoDevices,
    /// No device has a scanner; this is the first one's reason.
    #[error("no device can be used; {device}: {failure}")]
    NoneUsable {
        /// The first device.
        device: String,
        /// What is wrong with it.
        failure: Failure,
    },
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::ErrorKind),
}

/// Why a device was taken out of service. The device is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It said so.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It has no scanner.
    #[error("it has no scanner")]
    NoScanner,
    /// It gave a range back without having tried anything, although it was not asked to stop.
    #[error("it makes no progress")]
    Stuck,
    /// A panic on its thread: in the device, or in the receiver of its shares.
    #[error("its thread panicked")]
    Panicked,
}

/// A rig that is being configured.
pub struct Builder {
    devices: Vec<Box<dyn Device>>,
    on_failure: OnFailure,
}

type OnFailure = Box<dyn FnMut(&DeviceInfo, &Failure) + Send>;

impl Builder {
    /// Calls `report` once for each device that is taken out of service, on the thread of that device.
    #[must_use]
    pub fn on_failure(self, report: impl FnMut(&DeviceInfo, &Failure) + Send + 'static) -> Self {
        Self { on_failure: Box::new(report), ..self }
    }

    /// Starts the threads. See [`Rig::start`].
    ///
    /// # Errors
    /// [`RigError`] if there is no device, none has a scanner, or a thread cannot be had.
    pub fn start(self, on_share: impl FnMut(Share) + Send + 'static) -> Result<Rig, RigError> {
        let Self { mut devices, on_failure } = self;
        if devices.is_empty() {
            return Err(RigError::NoDevices);
        }
        let infos = devices.iter().map(|device| device.info()).collect();
        let shared = Arc::new(Shared::new(infos, Box::new(on_share), on_failure));
        let mut scanners = Vec::new();
        for (index, device) in devices.iter_mut().enumerate() {
            match device.scanners() {
                Ok(more) if !more.is_empty() => scanners.extend(more.into_iter().map(|scan| (index, scan))),
                Ok(_) => shared.quarantine(index, Failure::NoScanner),
                Err(error) => shared.quarantine(index, error.into()),
            }
        }
        if scanners.is_empty() {
            let (device, failure) = shared.first_failure();
            return Err(RigError::NoneUsable { device, failure });
        }
        let devices = devices.into_iter().map(Mutex::new).collect();
        let mut rig = Rig { shared, devices, threads: Vec::new() };
        for (index, scanner) in scanners {
            rig.spawn(index, scanner)?;
        }
        Ok(rig)
    }
}

impl Rig {
    /// Starts devices. Every share that they find is given to `on_share`, by the thread that found it, one at a time.
    ///
    /// Before it is given, a share is judged as a pool would (where this library can verify the algorithm), so a
    /// device that miscalculates costs nothing but its own work. `on_share` should only pass the share on: while it
    /// runs, no other share is given and [`assign`](Self::assign) waits. It must not call [`assign`](Self::assign),
    /// [`pause`](Self::pause) or drop the rig.
    ///
    /// A device that fails to start is out of service, and the others go on.
    ///
    /// # Errors
    /// [`RigError`] if there is no device, none has a scanner, or a thread cannot be had.
    pub fn start(
        devices: Vec<Box<dyn Device>>,
        on_share: impl FnMut(Share) + Send + 'static,
    ) -> Result<Self, RigError> {
        Self::builder(devices).start(on_share)
    }

    /// A rig of these devices, to be configured.
    #[must_use]
    pub fn builder(devices: Vec<Box<dyn Device>>) -> Builder {
        Builder { devices, on_failure: Box::new(|_, _| ()) }
    }

    /// Works on this job from now on, and on no other.
    ///
    /// Once this has returned, no share of an earlier job is given any more: what a device still finds for it is
    /// dropped and counted as stale. The scans of the earlier job end within 10 ms.
    ///
    /// No header is tried twice, by whatever scanner. If the job makes the same headers as the last one (it shares its
    /// body and differs only in number or target), the search goes on where it was.
    pub fn assign(&self, job: Job) {
        self.shared.assign(Some(job));
    }

    /// Works on nothing until the next [`assign`](Self::assign). What was said there about shares holds here too.
    pub fn pause(&self) {
        self.shared.assign(None);
    }

    /// The hash rate of all devices over the last 10 seconds.
    #[must_use]
    pub fn hash_rate(&self) -> HashRate {
        self.shared.rates().ten_seconds
    }

    /// What the rig and each device did and does.
    #[must_use]
    pub fn stats(&self) -> RigStats {
        let telemetry = self.devices.iter().map(|device| lock(device).telemetry()).collect();
        self.shared.stats(telemetry)
    }

    fn spawn(&mut self, device: usize, scanner: Box<dyn Scan>) -> Result<(), RigError> {
        let shared = Arc::clone(&self.shared);
        let run = move || worker::run(&shared, device, scanner);
        let name = format!("otedama-{device}-{}", self.threads.len());
        let thread = thread::Builder::new().name(name).spawn(run);
        self.threads.push(thread.map_err(|error| RigError::Thread(error.kind()))?);
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A panic was caught and reported on its own thread.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("devices", &self.devices.len()).finish_non_exhaustive()
    }
}
