//! What a rig says about itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use otedama_core::Generation;

use super::Failure;
use super::shared::{Shared, Slot, State, lock};
use crate::device::{DeviceInfo, Telemetry};
use crate::meter::Rates;

/// What a rig did since its start, and does now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RigStats {
    /// What it is about.
    pub state: RigState,
    /// How often the job was changed.
    pub generation: Generation,
    /// How long the slowest scanner took from the last change of the job to its first scan for it, as far as scanners
    /// have got there.
    pub switch_time: Duration,
    /// The hash rate of all devices together.
    pub rates: Rates,
    /// Each device, in the order in which they were given.
    pub devices: Vec<DeviceStats>,
}

/// What a rig is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RigState {
    /// It has no job.
    Idle,
    /// It works on its job.
    Mining,
    /// Everything that its job allows to try is handed out; it needs another one.
    Exhausted,
    /// It has a job, but no device that could work on it.
    Unable,
}

/// What one device did, and does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeviceStats {
    /// What it is.
    pub info: DeviceInfo,
    /// What it is about.
    pub state: DeviceState,
    /// Its hash rate.
    pub rates: Rates,
    /// Hashes since the start.
    pub hashes: u64,
    /// Shares that were given out.
    pub shares: u64,
    /// Finds that were dropped because the job had changed.
    pub stale: u64,
    /// Finds that were dropped because they were wrong: the device miscalculates.
    pub invalid: u64,
    /// Its sensors.
    pub telemetry: Telemetry,
}

/// What a device is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceState {
    /// There is nothing to do.
    Idle,
    /// It works.
    Mining,
    /// It cannot do the job's algorithm.
    Unsuited,
    /// It failed and is out of service.
    Quarantined(Failure),
}

impl Shared {
    pub(super) fn stats(&self, telemetry: Vec<Telemetry>) -> RigStats {
        let now = self.now();
        let state = lock(&self.state);
        let stats = |(slot, telemetry): (&Slot, Telemetry)| {
            let state = slot.state(&state);
            let meter = lock(&slot.meter);
            DeviceStats {
                info: slot.info.clone(),
                state,
                rates: meter.rates(now),
                hashes: meter.total(),
                shares: slot.shares.load(Ordering::Relaxed),
                stale: slot.stale.load(Ordering::Relaxed),
                invalid: slot.invalid.load(Ordering::Relaxed),
                telemetry,
            }
        };
        let devices: Vec<DeviceStats> = self.slots.iter().zip(telemetry).map(stats).collect();
        RigStats {
            state: state.summary(&devices),
            generation: state.generation,
            switch_time: state.slowest_switch,
            rates: devices.iter().map(|device| device.rates).sum(),
            devices,
        }
    }
}

impl State {
    fn summary(&self, devices: &[DeviceStats]) -> RigState {
        if self.assignment.is_none() {
            return RigState::Idle;
        }
        let able = |device: &DeviceStats| matches!(device.state, DeviceState::Mining | DeviceState::Idle);
        if !devices.iter().any(able) {
            RigState::Unable
        } else if self.is_exhausted() {
            RigState::Exhausted
        } else {
            RigState::Mining
        }
    }

    fn is_exhausted(&self) -> bool {
        self.space.as_ref().is_none_or(crate::space::Space::is_exhausted)
    }
}

impl Slot {
    fn state(&self, rig: &State) -> DeviceState {
        if let Some(failure) = &*lock(&self.failure) {
            return DeviceState::Quarantined(failure.clone());
        }
        match &rig.assignment {
            None => DeviceState::Idle,
            Some(assignment) if !self.info.algorithms.contains(&assignment.job.algorithm()) => {
                DeviceState::Unsuited
            }
            Some(_) if rig.is_exhausted() => DeviceState::Idle,
            Some(_) => DeviceState::Mining,
        }
    }
}
