//! Where the processes of a scenario meet, and who watches them.

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{io, thread};

use otedama_conformance::Failure;
use tempfile::TempDir;

use crate::process::Process;
use crate::verdict::{Event, TIPS, Tally, What};

/// How long shares must be accepted.
const TIME: Duration = Duration::from_secs(60);

/// How much longer it may take until the tip has changed often enough.
const LONGER: Duration = Duration::from_secs(120);

/// How long a process may take to be ready, and the first share to come.
const PATIENCE: Duration = Duration::from_secs(90);

const LOOK: Duration = Duration::from_millis(200);
const PROGRESS: Duration = Duration::from_secs(5);

/// Lines of each log that are shown after a failure.
const TAIL: usize = 25;

/// What the lines of a process say about shares and tips.
pub(crate) type Reading = fn(&str) -> Option<What>;

/// It says nothing that counts.
pub(crate) fn nothing(_line: &str) -> Option<What> {
    None
}

/// One of the processes on a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor(usize);

/// The processes of a scenario, with a folder for all of them. They end with it.
#[derive(Debug)]
pub(crate) struct Stage {
    name: &'static str,
    cast: Vec<Role>,
    /// What was said so far, in order of time.
    events: Vec<Event>,
    folder: TempDir,
    begin: Instant,
}

#[derive(Debug)]
struct Role {
    process: Process,
    reading: Reading,
    /// Lines that are read.
    read: usize,
}

/// What was seen, and the time that counts of it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) span: Range<Duration>,
}

impl Stage {
    pub(crate) fn new(name: &'static str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("otedama-interop-{name}-")).tempdir()?;
        Ok(Self { name, cast: Vec::new(), events: Vec::new(), folder, begin: Instant::now() })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a process in the folder.
    pub(crate) fn start(&mut self, name: &str, command: &mut Command, reading: Reading) -> io::Result<Actor> {
        let process = Process::start(name, command.current_dir(self.folder.path()), self.folder.path())?;
        self.cast.push(Role { process, reading, read: 0 });
        Ok(Actor(self.cast.len() - 1))
    }

    /// Waits for a line of a process with this in it, and gives what follows.
    pub(crate) fn wait_for(&mut self, actor: Actor, part: &str) -> Result<String, Failure> {
        let process = self.process(actor)?;
        let line = process.wait_for(part, PATIENCE);
        let line = line.ok_or_else(|| format!("{} did not say {part:?}", process.name()))?;
        Ok(line.split_once(part).map(|(_, rest)| rest.to_owned()).unwrap_or_default())
    }

    /// Asks a process to end, and waits until it has.
    pub(crate) fn terminate(&mut self, actor: Actor) -> Result<(), Failure> {
        self.process(actor)?.terminate()?;
        Ok(())
    }

    fn process(&mut self, Actor(at): Actor) -> Result<&mut Process, Failure> {
        let role = self.cast.get_mut(at).ok_or("there is no such process")?;
        Ok(&mut role.process)
    }

    /// Waits for the first share, and then as long as shares are to be accepted.
    pub(crate) fn watch(&mut self) -> Result<Seen, Failure> {
        let mut reported = Instant::now();
        loop {
            thread::sleep(LOOK);
            self.read();
            let now = self.begin.elapsed();
            let first = self.events.iter().find(|event| event.what == What::Accepted).map(|event| event.at);
            let span = first.unwrap_or(now)..now;
            let tally = Tally::new(&self.events, &span);
            if reported.elapsed() >= PROGRESS {
                eprintln!("{}: {tally}", self.name);
                reported = Instant::now();
            }
            for Role { process, .. } in &mut self.cast {
                if let Some(status) = process.ended() {
                    return Err(format!("{} ended by itself: {status}", process.name()).into());
                }
            }
            if first.is_none() && now > PATIENCE * 2 {
                return Err("no share was accepted".into());
            }
            let length = span.end.saturating_sub(span.start);
            if length >= TIME && (tally.tips >= TIPS || length >= TIME + LONGER) {
                return Ok(Seen { events: self.events.clone(), span });
            }
        }
    }

    /// Reads what is new in all logs.
    fn read(&mut self) {
        for Role { process, reading, read } in &mut self.cast {
            for line in process.lines_from(*read) {
                *read += 1;
                let at = line.at.saturating_duration_since(self.begin);
                self.events.extend(reading(&line.text).map(|what| Event { at, what }));
            }
        }
        self.events.sort_by_key(|event| event.at);
    }

    /// After a failure: shows how all logs end, and keeps them.
    pub(crate) fn tell(self) {
        for Role { process, .. } in &self.cast {
            eprintln!("---- {} ends with\n{}", process.name(), process.tail(TAIL));
        }
        drop(self.cast);
        eprintln!("---- all of it is in {}", self.folder.keep().display());
    }
}
