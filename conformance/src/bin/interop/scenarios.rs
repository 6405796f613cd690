//! Who meets whom.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::process::Command;

use otedama_conformance::Failure;

use crate::ours::{self, MINER, Pool, Provider};
use crate::stage::{Seen, Stage};
use crate::theirs;
use crate::verdict::{Tally, What, complaints, untold};

/// A meeting.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Stage) -> Result<Outcome, Failure>,
}

pub(crate) const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "translator",
        about: "two of our V1 miners, translator_sv2 with a channel for each, our pool",
        run: |stage| translator(stage, false),
    },
    Scenario {
        name: "translator-aggregated",
        about: "two of our V1 miners, translator_sv2 with one channel for both, our pool",
        run: |stage| translator(stage, true),
    },
    Scenario {
        name: "standard",
        about: "a device made of stratum-core with a standard channel, our pool",
        run: standard,
    },
    Scenario {
        name: "pool",
        about: "our V2 miner, pool_sv2, our template provider",
        run: |stage| on_provider(stage, theirs::pool),
    },
    Scenario {
        name: "jd-client",
        about: "our V2 miner, jd_client_sv2 mining alone, our template provider",
        run: |stage| on_provider(stage, theirs::jd_client),
    },
];

/// What became of a meeting.
#[derive(Debug)]
pub(crate) struct Outcome {
    tally: Tally,
    /// Those in our pool's books.
    workers: BTreeSet<String>,
    /// None if all is well.
    pub(crate) complaints: Vec<String>,
}

impl Outcome {
    fn new(seen: &Seen, workers: BTreeSet<String>) -> Self {
        let tally = Tally::new(&seen.events, &seen.span);
        Self { tally, workers, complaints: complaints(&seen.events, &seen.span) }
    }

    /// Complains if miners were not told what became of their shares.
    fn with_answers(mut self, seen: &Seen) -> Self {
        self.complaints.extend(untold(&seen.events, &seen.span));
        self
    }

    /// Complains if these workers are not in the books, or others are.
    fn with_workers(mut self, expected: &[&str]) -> Self {
        if !self.workers.iter().map(String::as_str).eq(expected.iter().copied()) {
            self.complaints.push(format!("the workers in the books should be {}", expected.join(", ")));
        }
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, workers, complaints } = self;
        f.write_str(if complaints.is_empty() { "ok " } else { "failed " })?;
        write!(f, "{tally}")?;
        if !workers.is_empty() {
            write!(f, " workers={}", workers.iter().map(String::as_str).collect::<Vec<_>>().join(","))?;
        }
        complaints.iter().try_for_each(|complaint| write!(f, "; {complaint}"))
    }
}

fn translator(stage: &mut Stage, aggregated: bool) -> Result<Outcome, Failure> {
    // In order.
    let names = ["left", "right"];
    let rate = ours::hash_rate()?;
    let pool = Pool::start(stage, rate * 2.0)?;
    let url = theirs::translator(stage, &pool.address, rate, aggregated)?;
    for name in names {
        ours::mine(stage, name, &url, &format!("{MINER}.{name}"), ours::read_answers)?;
    }
    let seen = stage.watch()?;
    let workers = pool.workers(stage)?;
    Ok(Outcome::new(&seen, workers).with_answers(&seen).with_workers(&names))
}

fn standard(stage: &mut Stage) -> Result<Outcome, Failure> {
    let device = env::current_exe()?.with_file_name(format!("device{}", env::consts::EXE_SUFFIX));
    let rate: f64 = ours::output(Command::new(&device).arg("--rate"))?.trim().parse()?;
    let pool = Pool::start(stage, rate)?;
    let mut command = Command::new(device);
    command.args([&pool.url(), &format!("{MINER}.standard"), &rate.to_string()]);
    stage.start("device", &mut command, read_device)?;
    let seen = stage.watch()?;
    let workers = pool.workers(stage)?;
    Ok(Outcome::new(&seen, workers).with_answers(&seen).with_workers(&["standard"]))
}

fn read_device(line: &str) -> Option<What> {
    match line.split_once(' ')? {
        ("accepted", count) => count.parse().ok().map(What::Told),
        ("refused", code) => Some(What::Rejected(code.to_owned())),
        _ => None,
    }
}

/// Our miner on a program of others that takes templates from ours.
fn on_provider(
    stage: &mut Stage,
    start: fn(&mut Stage, &Provider) -> Result<String, Failure>,
) -> Result<Outcome, Failure> {
    let rate = ours::hash_rate()?;
    let provider = Provider::start(stage, rate)?;
    let url = start(stage, &provider)?;
    ours::mine(stage, "miner", &url, &format!("{MINER}.miner"), ours::read_miner)?;
    let seen = stage.watch()?;
    Ok(Outcome::new(&seen, BTreeSet::new()))
}
