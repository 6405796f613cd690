//! What `ratios` and `figures` have in common: choosing rows, printing them, keeping the results.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::results::{Row, Table, record};

/// Whatever broke.
pub type Failure = Box<dyn Error>;

/// A measured row, and what is printed behind its name; `None` where this machine or build does not have it.
pub type Measured = Result<Option<(String, Row)>, Failure>;

/// Measures the rows that the arguments name, all of them without arguments, and prints each as soon as it is there.
///
/// Only rows go to stdout. What broke goes to stderr and makes the exit code a failure; the other rows are measured
/// and kept all the same.
pub fn run<T>(
    table: Table,
    rows: &[T],
    name: impl Fn(&T) -> &'static str,
    measure: impl Fn(&T) -> Measured,
) -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = only.iter().find(|only| rows.iter().all(|row| name(row) != **only)) {
        let known: Vec<_> = rows.iter().map(name).collect();
        eprintln!("there is no row {unknown}; rows: {}", known.join(" "));
        return ExitCode::from(2);
    }
    let mut good = true;
    for row in rows.iter().filter(|row| only.is_empty() || only.iter().any(|only| only == name(row))) {
        let printed = measure(row).and_then(|measured| publish(table, name(row), measured));
        if let Err(error) = printed {
            eprintln!("{}: {error}", name(row));
            good = false;
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn publish(table: Table, name: &str, measured: Option<(String, Row)>) -> Result<(), Failure> {
    let Some((text, row)) = measured else {
        writeln!(std::io::stdout(), "{name} unavailable")?;
        return Ok(());
    };
    writeln!(std::io::stdout(), "{name} {text}")?;
    Ok(record(table, &[row])?)
}
