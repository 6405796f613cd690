//! Tables on standard output, as CSV or as JSON, row by row.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use crate::args::Format;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing: empty in CSV, null in JSON.
    None,
    /// A whole number that every reader of JSON takes exactly.
    Number(u64),
    /// A whole number that may be larger: a text in JSON.
    Large(u128),
    Bool(bool),
    /// A text of ours.
    Text(String),
    /// A text that a stranger chose.
    Foreign(String),
}

/// Writes rows under fixed columns.
pub(crate) struct Table {
    columns: &'static [&'static str],
    form: Form,
}

enum Form {
    Csv(Box<csv::Writer<StdoutLock<'static>>>),
    Json(BufWriter<StdoutLock<'static>>),
}

impl Table {
    /// A table with these columns, whose header is written now if the form has one.
    pub(crate) fn new(format: Format, columns: &'static [&'static str]) -> io::Result<Self> {
        let out = io::stdout().lock();
        let form = match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(columns).map_err(broken)?;
                Form::Csv(Box::new(writer))
            }
            Format::Json => Form::Json(BufWriter::new(out)),
        };
        Ok(Self { columns, form })
    }

    /// Writes a row with as many cells as there are columns.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) -> io::Result<()> {
        match &mut self.form {
            Form::Csv(writer) => writer.write_record(cells.into_iter().map(csv_field)).map_err(broken),
            Form::Json(out) => {
                for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
                    let before = if index == 0 { "{" } else { "," };
                    write!(out, "{before}\"{column}\":{}", json_value(cell))?;
                }
                out.write_all(b"}\n")
            }
        }
    }

    /// Writes out what waits.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Csv(mut writer) => writer.flush(),
            Form::Json(mut out) => out.flush(),
        }
    }
}

fn broken(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn csv_field(cell: Cell) -> String {
    match cell {
        Cell::None => String::new(),
        Cell::Number(number) => number.to_string(),
        Cell::Large(number) => number.to_string(),
        Cell::Bool(value) => value.to_string(),
        Cell::Text(text) => text,
        Cell::Foreign(text) => harmless(text),
    }
}

fn json_value(cell: Cell) -> serde_json::Value {
    match cell {
        Cell::None => serde_json::Value::Null,
        Cell::Number(number) => number.into(),
        Cell::Large(number) => number.to_string().into(),
        Cell::Bool(value) => value.into(),
        Cell::Text(text) | Cell::Foreign(text) => text.into(),
    }
}

/// A spreadsheet takes what begins like this for a formula, and runs it.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_exact_and_strangers_write_no_formulas() {
        assert_eq!(csv_field(Cell::Large(u128::MAX)), u128::MAX.to_string());
        assert_eq!(json_value(Cell::Large(1 << 80)), (1u128 << 80).to_string());
        assert_eq!(json_value(Cell::Number(7)), 7);
        assert_eq!((csv_field(Cell::None), json_value(Cell::None).is_null()), (String::new(), true));
        for (name, shown) in [("rig", "rig"), ("=1+1", "'=1+1"), ("-2", "'-2"), ("@a", "'@a"), ("a=b", "a=b")]
        {
            assert_eq!(csv_field(Cell::Foreign(name.into())), shown);
            assert_eq!(json_value(Cell::Foreign(name.into())), name);
        }
    }
}
