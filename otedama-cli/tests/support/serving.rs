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
        Self::serve_after(otedama(&["serve", "--config", "-"]), config, listeners)
    }

    /// The same with this command, which ends as `serve` on standard input.
    pub fn serve_after(command: Command, config: &str, listeners: usize) -> Self {
        let serving = Self::of(command, Some(config));
        for count in 1..=listeners {
            serving.stdout.wait_for("listening stratum ", count);
        }
        serving
    }

    /// Starts `serve` on this configuration with these fail points (`name=action;...`), which may end it before it
    /// listens.
    pub fn doomed(config: &str, points: &str) -> Self {
        let mut command = otedama(&["serve", "--config", "-"]);
        command.env("FAILPOINTS", points);
        Self::of(command, Some(config))
    }

    /// Waits for its first listener; `None` if it has ended before.
    pub fn address(&mut self) -> Option<String> {
        self.wait_or_end(|process| process.addresses().into_iter().next())
    }

    /// Waits for a line of standard error with this in it; `None` if it has ended before.
    pub fn log_line(&mut self, part: &str) -> Option<String> {
        self.wait_or_end(|process| process.log_with(part).into_iter().next())
    }

    fn wait_or_end<T>(&mut self, there: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let over = self.is_over();
            match there(self) {
                None if !over => {}
                found => return found,
            }
            assert!(Instant::now() < deadline, "not in time; it said:\n{}", self.stderr.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn of(mut command: Command, input: Option<&str>) -> Self {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = command.stdin(stdin).spawn().unwrap();
        if let Some(input) = input {
            // A program that ends early may have closed its end.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
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

    /// Waits until standard output has so many lines with this in them, and gives them.
    pub fn output_with(&self, part: &str, count: usize) -> Vec<String> {
        self.stdout.wait_for(part, count);
        let lines = self.stdout.lines.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(part)).cloned().collect()
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

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
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

    /// Waits until something from outside has ended it, and gives the number of the signal.
    #[cfg(unix)]
    pub fn killed(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt as _;
        let deadline = Instant::now() + PATIENCE;
        while !self.is_over() {
            assert!(Instant::now() < deadline, "it lives; it said:\n{}", self.stderr.text());
            thread::sleep(Duration::from_millis(5));
        }
        self.child.wait().unwrap().signal()
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
