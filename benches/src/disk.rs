//! What the disk under the folder for temporary files takes at least.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use crate::measure::median;
use crate::program::Failure;

/// About what a batch of a thousand shares writes.
const WRITE: usize = 48 << 10;
const WRITES: usize = 200;

/// Milliseconds until some 48 KiB at the end of a file are durable, by the clock on the wall; the median.
///
/// # Errors
/// If the file cannot be written.
pub fn fsync_time() -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("file"))?;
    let bytes = vec![0x5a; WRITE];
    let mut times = Vec::new();
    for _ in 0..WRITES {
        let start = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times.into_iter()))
}
