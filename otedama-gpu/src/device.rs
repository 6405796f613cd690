//! What a device is.

use otedama_core::Algorithm;
use otedama_hash::{Scan, ScanError};

/// Something that hashes. Implement it for hardware of one's own.
pub trait Device: Send {
    /// What it is. Never changes.
    fn info(&self) -> DeviceInfo;

    /// Its scanners; the rig runs each on a thread of its own. A CPU gives one per thread, a GPU two, so that one can
    /// be filled while the other runs. Called once.
    ///
    /// Every scanner takes work of every algorithm that [`info`](Self::info) lists, changing between them as it comes.
    ///
    /// # Errors
    /// [`ScanError`] if the device cannot be used; the rig then goes on without it.
    fn scanners(&mut self) -> Result<Vec<Box<dyn Scan>>, ScanError>;

    /// Its sensors, as far as it has any. May be called at any time.
    fn telemetry(&self) -> Telemetry {
        Telemetry::default()
    }
}

/// What is fixed about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// A name for people.
    pub name: String,
    /// What sort of hardware it is.
    pub kind: DeviceKind,
    /// What it can compute.
    pub algorithms: Vec<Algorithm>,
}

impl DeviceInfo {
    /// From its parts.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: DeviceKind, algorithms: Vec<Algorithm>) -> Self {
        Self { name: name.into(), kind, algorithms }
    }
}

/// The sort of hardware that a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// Threads of the processor.
    Cpu,
    /// A graphics card.
    Gpu,
    /// A chip that is made for one algorithm.
    Asic,
    /// No hardware at all: a test.
    Scripted,
}

/// What the sensors of a device say; `None` where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Telemetry {
    /// The hottest spot, in degrees Celsius.
    pub celsius: Option<f32>,
    /// What it draws, in watts.
    pub watts: Option<f32>,
    /// How fast the fan turns, in percent of its most.
    pub fan_percent: Option<u8>,
}
