//! How much a thread yields to others.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "one scheduling policy has only a raw system call")
)]

use std::fmt;
use std::io;
use std::str::FromStr;

/// How much mining threads yield to everything else on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Priority {
    /// Runs only where nothing else wants to.
    Idle,
    /// Leaves most of the time to others that want it.
    Low,
    /// As the process was started.
    #[default]
    Normal,
    /// Before others. Mostly an administrator's right.
    High,
}

/// All of them, with their names on a command line.
const NAMES: [(&str, Priority); 4] = [
    ("idle", Priority::Idle),
    ("low", Priority::Low),
    ("normal", Priority::Normal),
    ("high", Priority::High),
];

impl Priority {
    /// Gives it to the calling thread; outside of Linux, to the whole process.
    pub(crate) fn apply(self) -> io::Result<()> {
        let nice = match self {
            Self::Normal => return Ok(()),
            Self::Idle => 19,
            Self::Low => 10,
            Self::High => -10,
        };
        if self == Self::Idle {
            idle()?;
        }
        renice(nice)
    }
}

/// Never takes back what the process was started with: a process that is nicer already stays so.
#[cfg(unix)]
fn renice(nice: i32) -> io::Result<()> {
    let now = rustix::process::getpriority_process(None)?;
    let wanted = if nice > 0 { nice.max(now) } else { nice };
    if wanted == now { Ok(()) } else { Ok(rustix::process::setpriority_process(None, wanted)?) }
}

#[cfg(not(unix))]
fn renice(_: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn idle() -> io::Result<()> {
    // SAFETY: all-zero bytes are a value of this struct of integers.
    let none: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the parameter is read during the call; 0 means the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same as where it can fail")]
fn idle() -> io::Result<()> {
    // Being nice is all there is.
    Ok(())
}

/// Text that is not the name of a priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no priority; known: idle, low, normal, high")]
pub struct UnknownPriority;

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(name: &str) -> Result<Self, UnknownPriority> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, priority)| *priority).ok_or(UnknownPriority)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(_, priority)| priority == self).map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for (name, priority) in NAMES {
            assert_eq!((name.parse(), priority.to_string().as_str()), (Ok(priority), name));
            assert!(UnknownPriority.to_string().contains(name));
        }
        assert_eq!("urgent".parse::<Priority>(), Err(UnknownPriority));
        assert_eq!(Priority::default(), Priority::Normal);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_thread_that_asks_gets_it() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        // The policy is field 41 of this file, counted behind the name in brackets; SCHED_IDLE is 5.
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let behind = stat.rsplit_once(')').unwrap().1.to_owned();
            behind.split_whitespace().nth(41 - 3).unwrap().parse::<i32>().unwrap()
        };
        let before = (nice(), policy());
        let on_a_thread = |priority: Priority| {
            let thread = std::thread::spawn(move || {
                priority.apply().unwrap();
                (nice(), policy())
            });
            thread.join().unwrap()
        };
        assert_eq!(on_a_thread(Priority::Idle), (19, 5));
        assert_eq!(on_a_thread(Priority::Low), (10.max(before.0), before.1));
        assert_eq!(on_a_thread(Priority::Normal), before);
        assert_eq!((nice(), policy()), before);
    }
}
