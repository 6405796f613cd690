#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod calibrate;
pub mod cpu;
mod device;
pub mod limits;
mod meter;
pub mod pages;
mod priority;
#[cfg(feature = "randomx")]
pub mod randomx;
mod rig;
pub mod scripted;
mod space;
pub mod tables;

pub use device::{Device, DeviceInfo, DeviceKind, Telemetry};
pub use meter::{Meter, Rates};
pub use rig::{Builder, DeviceState, DeviceStats, Failure, Rig, RigError, RigState, RigStats};
pub use space::{Slice, Space};
