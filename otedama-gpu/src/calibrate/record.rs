//! The file that keeps what was measured.
//!
//! ```text
//! otedama calibration 1
//! version 0.1.0
//! cpu AuthenticAMD 25 1 1 0x1000065 AMD EPYC
//! scrypt portable 4161.2
//! sha256d sha-ni 28100000
//! sha256d portable failed
//! ```

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use otedama_core::{Algorithm, HashRate};

/// Far more than a file of ours has.
const MOST_BYTES: u64 = 1 << 16;

/// Where results are kept, and for which processor.
#[derive(Debug)]
pub(super) struct Record {
    file: Option<PathBuf>,
    /// The first lines, which must be the same for the rest to count; `None` if the processor has no name.
    head: Option<String>,
}

/// What the file says about an algorithm.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// The fastest first.
    pub(super) rates: Vec<(&'static str, HashRate)>,
    pub(super) failed: Vec<&'static str>,
}

impl Record {
    /// Keeps nothing.
    pub(super) const fn nowhere() -> Self {
        Self { file: None, head: None }
    }

    /// Keeps results for the processor of this machine in a file.
    pub(super) fn in_file(file: PathBuf) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu(&text));
        Self::for_cpu(file, cpu.as_deref(), env!("CARGO_PKG_VERSION"))
    }

    pub(super) fn for_cpu(file: PathBuf, cpu: Option<&str>, version: &str) -> Self {
        let head = cpu.map(|cpu| format!("otedama calibration 1\nversion {version}\ncpu {cpu}\n"));
        Self { file: Some(file), head }
    }

    /// The results of exactly these kernels, if they are there.
    pub(super) fn find(&self, algorithm: Algorithm, names: &[&'static str]) -> Option<Found> {
        let body = self.body(self.file.as_deref()?)?;
        let mut found = Found { rates: Vec::new(), failed: Vec::new() };
        for line in body.lines() {
            let Some((_, entry)) = line.split_once(' ').filter(|(of, _)| *of == algorithm.name()) else {
                continue;
            };
            let (name, value) = entry.split_once(' ')?;
            // Once each.
            let seen = |known: &str| {
                found.failed.contains(&known) || found.rates.iter().any(|(other, _)| *other == known)
            };
            let name = *names.iter().find(|known| **known == name && !seen(known))?;
            match value {
                "failed" => found.failed.push(name),
                rate => found.rates.push((name, rate_of(rate)?)),
            }
        }
        found.rates.sort_by(|(_, a), (_, b)| b.hashes_per_second().total_cmp(&a.hashes_per_second()));
        (found.rates.len() + found.failed.len() == names.len()).then_some(found)
    }

    /// Keeps these results in place of others of the algorithm, or says why it cannot. The file is replaced as a whole.
    pub(super) fn keep(
        &self,
        algorithm: Algorithm,
        rates: &[(&'static str, HashRate)],
        failed: &[&'static str],
    ) -> Result<(), Box<str>> {
        let Some(file) = &self.file else { return Ok(()) };
        let head = self.head.as_deref().ok_or("this system does not say which processor it has")?;
        let of = format!("{} ", algorithm.name());
        let mut text = head.to_owned();
        for line in self.body(file).unwrap_or_default().lines().filter(|line| !line.starts_with(&of)) {
            text += &format!("{line}\n");
        }
        for (name, rate) in rates {
            text += &format!("{of}{name} {}\n", rate.hashes_per_second());
        }
        for name in failed {
            text += &format!("{of}{name} failed\n");
        }
        replace(file, &text).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// What stands behind the first lines, if these are as they must be.
    fn body(&self, file: &Path) -> Option<String> {
        let mut text = String::new();
        File::open(file).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        text.strip_prefix(self.head.as_deref()?).filter(|body| body.ends_with('\n')).map(str::to_owned)
    }
}

fn rate_of(text: &str) -> Option<HashRate> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)?;
    Some(HashRate::from_hashes_per_second(rate))
}

/// Whoever reads the file at any time finds the old text or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}-{number}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create_new(&beside).and_then(|mut new| new.write_all(text.as_bytes()));
    written.and_then(|()| fs::rename(&beside, file)).inspect_err(|_| {
        // What is left of it is of no use; the first error is the one to report.
        let _ = fs::remove_file(&beside);
    })
}

/// What tells one model of processor from another, from `/proc/cpuinfo`.
fn cpu(cpuinfo: &str) -> Option<String> {
    const KEYS: [&str; 11] = [
        "vendor_id",
        "cpu family",
        "model",
        "stepping",
        "microcode",
        "model name",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
    ];
    let first: Vec<_> = cpuinfo.lines().take_while(|line| !line.trim().is_empty()).collect();
    let value = |key: &&str| {
        let entry = first.iter().filter_map(|line| line.split_once(':'));
        entry.into_iter().find(|(known, _)| known.trim() == *key).map(|(_, value)| value.trim())
    };
    let values: Vec<_> = KEYS.iter().filter_map(value).collect();
    (!values.is_empty()).then(|| values.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_told_apart() {
        let amd = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\
                   stepping\t: 1\n\nprocessor\t: 1\nmodel\t\t: 2\n";
        assert_eq!(cpu(amd).unwrap(), "AuthenticAMD 25 1 1 AMD EPYC");
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu(arm).unwrap(), "0x41 8 0xd0c");
        assert_eq!(cpu("processor\t: 0\n"), None);
        assert_eq!(cpu(""), None);
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn this_processor_has_a_name() {
        assert!(Record::in_file("x".into()).head.is_some() || !Path::new("/proc/cpuinfo").exists());
    }
}
