//! What can be made anew and is kept all the same, in the user's folder for that.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use otedama_gpu::calibrate::Calibration;

/// Which kernels are fastest on this machine, as measured now or by an earlier run of the program.
pub(crate) fn calibration() -> Calibration {
    match etcetera::base_strategy::choose_native_strategy() {
        Ok(folders) => Calibration::kept_in(folders.cache_dir().join("otedama").join("kernels")),
        // A service without a home measures at every start.
        Err(_) => Calibration::in_process(),
    }
}

/// Where large tables are kept; nowhere for a service without a home.
pub(crate) fn tables() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_native_strategy().ok()?;
    Some(folders.cache_dir().join("otedama").join("tables"))
}
