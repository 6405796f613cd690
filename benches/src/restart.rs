//! A pool that comes back to a full window: when it listens, and when it gives out jobs.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::binary::otedama;
use crate::books::{Books, SHARES};
use crate::measure::median;
use crate::program::Failure;

/// Starts of which the median counts.
const STARTS: usize = 3;
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A pool whose window holds all the shares: they weigh 2^11 hashes each on average, and a block takes 2^34.
const CONFIG: &str = r#"algorithm: sha256d
nodes: [{ kind: devnet, nbits: "1c3fffc0" }]
pool: { address: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", scheme: pplns, window: "2.0" }
stratum: { listen: ["127.0.0.1:0"] }
"#;

/// Seconds from the start of `otedama serve` until it listens, and until a miner that is there at once has a job, for
/// which all shares of the window must be read; medians, by the clock on the wall.
///
/// # Errors
/// If the pool does not come up.
pub fn restart_times() -> Result<(f64, f64), Failure> {
    let books = Books::new(SHARES)?;
    let config = books.path().with_extension("yaml");
    fs::write(&config, format!("{CONFIG}store: {{ path: {:?} }}\n", books.path()))?;
    let (mut listening, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let start = Instant::now();
        let child = Command::new(otedama()?)
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (listened, job) = attend(Running(child), start)?;
        listening.push(listened.as_secs_f64());
        jobs.push(job.as_secs_f64());
    }
    Ok((median(listening.into_iter()), median(jobs.into_iter())))
}

/// A process that is killed when nobody looks at it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn attend(mut pool: Running, start: Instant) -> Result<(Duration, Duration), Failure> {
    let mut line = String::new();
    let stdout = pool.0.stdout.take().ok_or("no standard output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let listening = start.elapsed();
    let address =
        line.trim().strip_prefix("listening stratum ").ok_or_else(|| format!("it said {line:?}"))?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"bench\"]}\n\
          {\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"bcrt1qljqxjts7q2x48stgh8yp6cszlv7wqdqt9z799w\",\"x\"]}\n",
    )?;
    for line in BufReader::new(stream).lines() {
        if line?.contains(r#""method":"mining.notify""#) {
            return Ok((listening, start.elapsed()));
        }
    }
    Err("the pool closed the connection without a job".into())
}
