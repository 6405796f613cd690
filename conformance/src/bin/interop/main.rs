//! Programs of others against ours: `interop [NAME...]`, all scenarios or those named.
//!
//! Each scenario starts its programs on free ports of the loopback interface, lets them mine for a minute and judges what
//! they said. Standard output has one line for each; everything else goes to standard error.

mod ours;
mod process;
mod scenarios;
mod stage;
mod theirs;
mod verdict;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use self::scenarios::{SCENARIOS, Scenario};
use self::stage::Stage;

fn main() -> ExitCode {
    let names: Vec<_> = env::args().skip(1).collect();
    if let Some(unknown) = names.iter().find(|name| SCENARIOS.iter().all(|known| known.name != **name)) {
        let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("there is no scenario {unknown}; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    let mut good = true;
    for scenario in SCENARIOS.iter().filter(wanted) {
        good &= run(scenario);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a scenario and prints its line. `false` if it failed.
fn run(scenario: &Scenario) -> bool {
    let name = scenario.name;
    eprintln!("{name}: {}", scenario.about);
    let (stage, result) = match Stage::new(name) {
        Ok(mut stage) => {
            let result = (scenario.run)(&mut stage);
            (Some(stage), result)
        }
        Err(error) => (None, Err(error.into())),
    };
    let (line, good) = match result {
        Ok(outcome) => (format!("{name} {outcome}"), outcome.complaints.is_empty()),
        Err(error) => (format!("{name} failed: {error}"), false),
    };
    if let (Some(stage), false) = (stage, good) {
        stage.tell();
    }
    writeln!(io::stdout(), "{line}").is_ok() && good
}
