//! What is wrong with a configuration: all of it at once, each with its place.

use std::fmt;

use super::yaml::{Place, YamlError};

/// A configuration that cannot be used, with everything that was found wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    source: String,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    place: Place,
    path: String,
    fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Fault {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    Yaml(YamlError),
    #[error("not valid UTF-8")]
    NotText,
    #[error("unknown key; the nearest known one is `{nearest}`")]
    UnknownKey { nearest: &'static str },
    #[error("missing: {hint}")]
    Missing { hint: &'static str },
    #[error("{expected} expected, {found} found")]
    Kind { expected: &'static str, found: &'static str },
    #[error("write \"{0}\" in quotes: numbers with a point are read exactly, as texts, never as floats")]
    Float(String),
    #[error("`{text}` {reason}")]
    Invalid { text: String, reason: String },
    #[error("{0}")]
    Rule(String),
}

impl Problem {
    pub(super) fn new(place: Place, path: &str, fault: Fault) -> Self {
        Self { place, path: path.to_owned(), fault }
    }

    #[cfg(test)]
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

impl ConfigError {
    /// `source` is what the configuration was read from, as the user named it.
    pub(super) fn new(source: &str, problems: Vec<Problem>) -> Self {
        Self { source: source.to_owned(), problems }
    }
}

impl fmt::Display for ConfigError {
    /// One line for each problem: `FILE:LINE: path: what is wrong`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { place, path, fault }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match place {
                Place::Line(line) => write!(f, "{}:{line}: ", self.source)?,
                Place::Variable(name) => write!(f, "environment {name}: ")?,
                Place::Absent => write!(f, "{}: ", self.source)?,
            }
            if !path.is_empty() {
                write!(f, "{path}: ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
