//! `make figures`: the speed of what is not a kernel, one line `NAME VALUE UNIT` for each row.

use std::process::ExitCode;

use otedama_benches::binary::{megabytes, start_times};
use otedama_benches::journal::{BATCH, durable_shares};
use otedama_benches::limit::Limit;
use otedama_benches::measure::rate;
use otedama_benches::program::{Failure, Measured, run};
use otedama_benches::results::{Row, Table, quantity};
use otedama_benches::submit::{Submits, hashing_alone};

/// Something that is measured.
struct Figure {
    name: &'static str,
    unit: &'static str,
    /// What it should reach, for people.
    target: &'static str,
    measure: fn() -> Result<Value, Failure>,
}

/// What was measured.
struct Value {
    value: f64,
    /// With what it was compared.
    baseline: String,
    limit: Option<Limit>,
}

const FIGURES: [Figure; 4] = [
    Figure { name: "v1-submit", unit: "shares/s", target: "at least 250000", measure: v1_submit },
    Figure { name: "journal", unit: "shares/s", target: "at least 500000", measure: journal },
    Figure { name: "serve-start", unit: "ms", target: "below 100", measure: serve_start },
    Figure { name: "binary-size", unit: "MB", target: "at most 15", measure: binary_size },
];

fn main() -> ExitCode {
    run(Table::Figures, &FIGURES, |figure| figure.name, Figure::measured)
}

impl Figure {
    fn measured(&self) -> Measured {
        let found = (self.measure)()?;
        let printed = format!("{} {}", rounded(found.value), self.unit);
        let row = Row {
            name: self.name,
            result: printed.clone(),
            beside: self.target.to_owned(),
            baseline: found.baseline,
            limit: found.limit,
            reached: found.value,
        };
        Ok(Some((printed, row)))
    }
}

/// Whole numbers where they say enough.
fn rounded(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Shares of a V1 connection that one thread parses, rebuilds, hashes, judges and answers.
fn v1_submit() -> Result<Value, Failure> {
    let mut submits = Submits::new();
    if submits.run(1) != submits.run(1) || submits.run(1) == 0 {
        return Err("shares were refused".into());
    }
    // A whole batch is the smallest step.
    let batch = submits.run(1);
    let value = rate(Box::new(|count| {
        assert_eq!(submits.run(count * batch), count * batch, "every share is accepted");
    }));
    let hashing = rate(Box::new(hashing_alone));
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let value = value * batch as f64;
    let limit =
        Limit { rate: hashing, unit: "shares/s", why: "the hashing alone, on this machine".to_owned() };
    let baseline = format!("hashing alone: {}", quantity(hashing, "shares/s"));
    Ok(Value { value, baseline, limit: Some(limit) })
}

/// Shares that the SQLite journal makes durable, in batches.
fn journal() -> Result<Value, Failure> {
    let (value, bare) = durable_shares()?;
    let why = format!("the bare rows in batches of {BATCH}, synchronous=FULL, on this disk");
    let baseline = format!("bare rows: {}", quantity(bare, "rows/s"));
    Ok(Value { value, baseline, limit: Some(Limit { rate: bare, unit: "shares/s", why }) })
}

/// How soon `otedama serve` listens.
fn serve_start() -> Result<Value, Failure> {
    let (value, process) = start_times()?;
    Ok(Value { value, baseline: format!("otedama version, start to end: {process:.2} ms"), limit: None })
}

/// How large the release binary is, with default features.
fn binary_size() -> Result<Value, Failure> {
    Ok(Value { value: megabytes()?, baseline: "none".to_owned(), limit: None })
}
