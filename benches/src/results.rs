//! `RESULTS.md`: one line for each row that was ever measured, the latest measurement of it.

use std::path::PathBuf;
use std::{fs, io};

use crate::clock;
use crate::limit::Limit;

const INTRODUCTION: &str = "# Results

Written by `make ratios` and `make figures`, which replace the lines of the rows that they measure. Medians of
interleaved rounds, in CPU time of the measuring threads where nothing else is said. *Reached* is the share of the
physical limit, which is no target: it is what remains if everything but the unavoidable costs nothing.
";

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Ours over a baseline.
    Ratios,
    /// Values with a unit.
    Figures,
}

/// A measured row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name, as on stdout.
    pub name: &'static str,
    /// The ratio, or the value with its unit.
    pub result: String,
    /// What ours reached, or the target of a figure.
    pub beside: String,
    /// The baseline and what it reached.
    pub baseline: String,
    /// The physical limit, where one is known.
    pub limit: Option<Limit>,
    /// The share of the limit that ours reached.
    pub reached: Option<f64>,
}

impl Table {
    const ALL: [Self; 2] = [Self::Ratios, Self::Figures];

    const fn heading(self) -> &'static str {
        match self {
            Self::Ratios => "## Ratios",
            Self::Figures => "## Figures",
        }
    }

    const fn columns(self) -> &'static str {
        match self {
            Self::Ratios => "| row | ratio | ours | baseline | physical limit | reached | CPU | date |",
            Self::Figures => "| row | value | target | baseline | physical limit | reached | CPU | date |",
        }
    }
}

impl Row {
    fn line(&self, cpu: &str, date: &str) -> String {
        let Self { name, result, beside, baseline, .. } = self;
        let limit = match &self.limit {
            Some(limit) => format!("{}: {}", quantity(limit.rate, limit.unit), limit.why),
            None => "none known".to_owned(),
        };
        let reached = self.reached.map(|share| format!("{:.1} %", 100.0 * share)).unwrap_or_default();
        format!("| {name} | {result} | {beside} | {baseline} | {limit} | {reached} | {cpu} | {date} |")
    }
}

/// Writes the rows into `RESULTS.md`, over earlier measurements of the same rows.
///
/// # Errors
/// If the file cannot be read or written.
pub fn record(table: Table, rows: &[Row]) -> io::Result<()> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
    let old = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let (cpu, date) = (cpu(), clock::today());
    let lines: Vec<_> = rows.iter().map(|row| row.line(&cpu, &date)).collect();
    fs::write(&path, merged(&old, table, &lines))
}

/// A number for people, with a prefix of thousands before its unit.
#[must_use]
pub fn quantity(number: f64, unit: &str) -> String {
    let (scaled, prefix) = match number {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e4 => (n / 1e3, "k"),
        n => (n, ""),
    };
    if scaled < 10.0 { format!("{scaled:.2} {prefix}{unit}") } else { format!("{scaled:.1} {prefix}{unit}") }
}

/// The new text of the file.
fn merged(old: &str, table: Table, lines: &[String]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in Table::ALL {
        let mut rows = rows_of(old, section);
        if section == table {
            for line in lines {
                match rows.iter_mut().find(|row| name(row) == name(line)) {
                    Some(row) => line.clone_into(row),
                    None => rows.push(line.clone()),
                }
            }
        }
        let columns = section.columns();
        let rule = "|---".repeat(columns.matches('|').count() - 1);
        text.push_str(&format!("\n{}\n\n{columns}\n{rule}|\n", section.heading()));
        text.extend(rows.into_iter().map(|row| row + "\n"));
    }
    text
}

fn rows_of(text: &str, table: Table) -> Vec<String> {
    let section = text.lines().skip_while(|line| *line != table.heading()).skip(1);
    let lines = section.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| "));
    lines.skip(1).map(str::to_owned).collect()
}

fn name(line: &str) -> &str {
    line.split('|').nth(1).map_or("", str::trim)
}

/// What the processor calls itself, and how many can work at once.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    format!("{} x {}", crate::measure::threads(), model.unwrap_or(std::env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, result: &str) -> String {
        let row = |name, result: &str| Row {
            name,
            result: result.to_owned(),
            beside: "a".to_owned(),
            baseline: "b".to_owned(),
            limit: Some(Limit { rate: 4e6, unit: "H/s", why: "c".to_owned() }),
            reached: Some(0.25),
        };
        match name {
            "one" => row("one", result),
            _ => row("two", result),
        }
        .line("cpu", "2025-01-01")
    }

    #[test]
    fn a_row_replaces_its_predecessor_and_leaves_the_others() {
        let first = merged("", Table::Ratios, &[line("one", "1.0"), line("two", "2.0")]);
        let second = merged(&first, Table::Figures, &[line("one", "9 ms")]);
        let third = merged(&second, Table::Ratios, &[line("one", "1.5")]);
        assert_eq!(rows_of(&third, Table::Ratios), [line("one", "1.5"), line("two", "2.0")]);
        assert_eq!(rows_of(&third, Table::Figures), [line("one", "9 ms")]);
        assert_eq!(merged(&third, Table::Ratios, &[line("one", "1.5")]), third);
        assert!(line("one", "1.5").contains("| 4.00 MH/s: c | 25.0 % |"), "{}", line("one", "1.5"));
    }

    #[test]
    fn quantities_read_well() {
        for (number, text) in
            [(1.234, "1.23 s"), (999.96, "1000.0 s"), (12_340.0, "12.3 ks"), (5.0e6, "5.00 Ms")]
        {
            assert_eq!(quantity(number, "s"), text);
        }
    }
}
