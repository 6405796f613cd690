//! A running `otedama serve`, and other processes that are watched while they run.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{Run, otedama};

/// How long anything may take that should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process of the program with what it has said so far. It is killed when dropped.
pub struct Process {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// The lines of one stream as they come.
struct Stream {
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts the program with these arguments.
    pub fn start(args: &[&str]) -> Self {
        Self::of(otedama(args), None)
    }

    /// Starts `serve` on this configuration, and waits for this many listeners.
    pub fn serve(config: &str, listeners: usize) -> Self {
        let serving = Self::of(otedama(&["serve", "--config", "-"]), Some(config));
        for count in 1..=listeners {
            serving.stdout.wait_for("listening stratum ", count);
        }
        serving
    }

    fn of(mut command: Command, input: Option<&str>) -> Self {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = command.stdin(stdin).spawn().unwrap();
        if let Some(input) = input {
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        }
        let stdout = Stream::of(child.stdout.take().unwrap());
        let stderr = Stream::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Where it listens, in the order in which it said so.
    pub fn addresses(&self) -> Vec<String> {
        let lines = self.stdout.lines.0.lock().unwrap();
        lines.iter().filter_map(|line| line.strip_prefix("listening stratum ")).map(str::to_owned).collect()
    }

    /// Waits until standard error has so many lines with this in them.
    pub fn wait_for_log(&self, part: &str, count: usize) {
        self.stderr.wait_for(part, count);
    }

    /// The lines of standard error with this in them.
    pub fn log_with(&self, part: &str) -> Vec<String> {
        let lines = self.stderr.lines.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// Sends a signal by its name: INT, TERM.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Kills it without a chance to do anything, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Run {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end; it said:\n{}", self.stderr.text());
            thread::sleep(Duration::from_millis(10));
        };
        Run {
            code: status.code(),
            stdout: self.stdout.text_to_the_end(),
            stderr: self.stderr.text_to_the_end(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let shared = lines.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                shared.0.lock().unwrap().push(line);
                shared.1.notify_all();
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn wait_for(&self, part: &str, count: usize) {
        let enough =
            |lines: &mut Vec<String>| lines.iter().filter(|line| line.contains(part)).count() >= count;
        let lines = self.lines.0.lock().unwrap();
        let (lines, timeout) =
            self.lines.1.wait_timeout_while(lines, PATIENCE, |lines| !enough(lines)).unwrap();
        assert!(
            !timeout.timed_out(),
            "not within {PATIENCE:?}: {count} of {part:?} in\n{}",
            lines.join("\n")
        );
    }

    fn text(&self) -> String {
        self.lines.0.lock().unwrap().join("\n")
    }

    fn text_to_the_end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
