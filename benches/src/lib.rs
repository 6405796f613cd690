//! Measuring Otedama against named baselines and against what the machine can do at most.
//!
//! `ratios` compares kernels with other implementations, `figures` measures what is not a kernel. Both print one line
//! per row on stdout and keep `RESULTS.md` beside this package. Times are CPU times of the measuring threads, so that
//! a busy machine disturbs them little; two sides of a comparison take turns, and the median counts. Only what waits for
//! the disk and the start of a process are measured by the clock on the wall, since waiting is what they do.

pub mod ack;
pub mod baseline;
pub mod binary;
pub mod books;
pub mod clock;
pub mod disk;
pub mod ethash;
pub mod journal;
pub mod limit;
pub mod measure;
pub mod noise;
pub mod program;
pub mod randomx;
pub mod restart;
pub mod results;
pub mod shares;
pub mod submit;
pub mod sv2;
