//! A process and what it says.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a process that is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// How long a process may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(20);

/// A line and when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) text: String,
}

/// A running process. What it says is kept, and written to a file as well. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Process {
    /// Starts it; both its streams go to `NAME.log` in the folder.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> io::Result<Self> {
        let log = Arc::new(Mutex::new(File::create(folder.join(format!("{name}.log")))?));
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(
                |error| io::Error::new(error.kind(), format!("{}: {error}", command.get_program().display())),
            )?;
        let lines = Arc::<Mutex<Vec<Line>>>::default();
        if let Some(stdout) = child.stdout.take() {
            follow(stdout, lines.clone(), log.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            follow(stderr, lines.clone(), log);
        }
        Ok(Self { name: name.to_owned(), child, lines })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The lines from this one on until now, in the order in which they were read.
    pub(crate) fn lines_from(&self, first: usize) -> Vec<Line> {
        locked(&self.lines).get(first..).unwrap_or_default().to_vec()
    }

    /// The last lines.
    pub(crate) fn tail(&self, most: usize) -> String {
        let lines = locked(&self.lines);
        let tail: VecDeque<_> = lines.iter().rev().take(most).map(|line| line.text.as_str()).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Waits for a line with this in it; `None` if the process ends before, or the time is over.
    pub(crate) fn wait_for(&mut self, part: &str, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            let over = self.ended().is_some() || Instant::now() >= deadline;
            let found = locked(&self.lines).iter().find(|line| line.text.contains(part)).cloned();
            match found {
                Some(line) => return Some(line.text),
                None if over => return None,
                None => thread::sleep(LOOK),
            }
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(&mut self) -> io::Result<ExitStatus> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
        if !asked.success() && self.ended().is_none() {
            return Err(io::Error::other(format!("{} cannot be asked to end", self.name)));
        }
        let deadline = Instant::now() + FAREWELL;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!("{} does not end", self.name)));
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end in a thread of its own.
fn follow(stream: impl Read + Send + 'static, lines: Arc<Mutex<Vec<Line>>>, log: Arc<Mutex<File>>) {
    thread::spawn(move || {
        for read in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&read).trim_end().to_owned();
            let _ = writeln!(locked(&log), "{text}");
            locked(&lines).push(Line { at: Instant::now(), text });
        }
    });
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
