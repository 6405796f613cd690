//! YAML as a tree in which every value knows where it was written.
//!
//! The text of each scalar is kept as it stands, so that decimal numbers are read exactly. Of YAML only what a
//! configuration needs is taken: one document, no anchors, aliases or tags.

use std::fmt;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

/// The largest configuration that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

const MAX_NESTING: usize = 16;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This line of the file, counted from 1.
    Line(usize),
    /// This environment variable.
    Variable(Arc<str>),
    /// Nowhere: it is missing.
    Absent,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A scalar as written, and whether it stood without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) place: Place,
}

/// Why a text is not taken as YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum YamlError {
    #[error("not YAML: {0}")]
    Syntax(String),
    #[error("anchors, aliases and tags are not used here: write the value out")]
    Unused,
    #[error("a second document begins here: one file holds one configuration")]
    SecondDocument,
    #[error("a key must be a plain word")]
    Key,
    #[error("`{key}` stands here twice, first in line {first}")]
    Twice { key: String, first: usize },
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Absent => f.write_str("missing"),
        }
    }
}

impl Node {
    /// Reads one document. `variable` names the environment variable that it comes from, if it is not the file.
    /// An empty document is an empty scalar.
    pub(super) fn parse(text: &str, variable: Option<&Arc<str>>) -> Result<Self, (Place, YamlError)> {
        let mut reader = Reader::new(text, variable);
        if text.len() > MAX_BYTES {
            return Err((reader.place(1), YamlError::TooLong));
        }
        reader.document()
    }

    /// What it is, for messages.
    pub(super) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { plain: true, .. } => "a plain value",
            Value::Scalar { plain: false, .. } => "a quoted text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether it is YAML's way to say nothing.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    variable: Option<Arc<str>>,
}

type Found<T> = Result<T, (Place, YamlError)>;

impl<'t> Reader<'t> {
    fn new(text: &'t str, variable: Option<&Arc<str>>) -> Self {
        let options = granit_parser::options! {
            strict_indentation: true,
            disallow_directives: true,
            flow_nesting_limit: MAX_NESTING,
            block_nesting_limit: MAX_NESTING,
        };
        Self { parser: Parser::new_from_str_with_options(text, options), variable: variable.cloned() }
    }

    fn place(&self, line: usize) -> Place {
        self.variable.clone().map_or(Place::Line(line), Place::Variable)
    }

    fn next(&mut self) -> Found<(Event<'t>, Place)> {
        let at = |reader: &Self, marker: &Marker| reader.place(marker.line().max(1));
        let broken =
            |reader: &Self, error: ScanError| (at(reader, error.marker()), YamlError::Syntax(error.info()));
        match self.parser.next() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, at(self, &start))),
            Some(Err(error)) => Err(broken(self, error)),
            None => Ok((Event::StreamEnd, self.place(1))),
        }
    }

    fn document(&mut self) -> Found<Node> {
        let mut root = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => return Err((place, YamlError::SecondDocument)),
                Event::DocumentStart(..) => root = Some(self.node()?),
                _ => return Err((place, YamlError::Syntax("a value without a document".into()))),
            }
        }
        let nothing = Value::Scalar { text: String::new(), plain: true };
        Ok(root.unwrap_or_else(|| Node { place: self.place(1), value: nothing }))
    }

    fn node(&mut self) -> Found<Node> {
        let (event, place) = self.next()?;
        self.value(event, place)
    }

    fn value(&mut self, event: Event<'t>, place: Place) -> Found<Node> {
        let value = match event {
            Event::Scalar(text, style, 0, None) => {
                Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(_, 0, None) => Value::List(self.list()?),
            Event::MappingStart(_, 0, None) => Value::Map(self.map()?),
            _ => return Err((place, YamlError::Unused)),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self) -> Found<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, place) => items.push(self.value(event, place)?),
            }
        }
    }

    fn map(&mut self) -> Found<Vec<(Key, Node)>> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (name, place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(name, _, 0, None), place) => (name.into_owned(), place),
                (_, place) => return Err((place, YamlError::Key)),
            };
            if let Some((first, _)) = entries.iter().find(|(key, _)| key.name == name) {
                let first = if let Place::Line(line) = first.place { line } else { 1 };
                return Err((place, YamlError::Twice { key: name, first }));
            }
            let node = self.node()?;
            entries.push((Key { name, place }, node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(line: usize, text: &str, plain: bool) -> Node {
        Node { place: Place::Line(line), value: Value::Scalar { text: text.into(), plain } }
    }

    #[test]
    fn scalars_keep_their_text_and_line() {
        let node = Node::parse("# note\na: 1.0\nb: ['1.0', \"x\"]\n", None).unwrap();
        let Value::Map(entries) = node.value else { panic!("a mapping") };
        assert_eq!(entries[0].0, Key { name: "a".into(), place: Place::Line(2) });
        assert_eq!(entries[0].1, scalar(2, "1.0", true));
        let items = vec![scalar(3, "1.0", false), scalar(3, "x", false)];
        assert_eq!(entries[1].1, Node { place: Place::Line(3), value: Value::List(items) });
    }

    #[test]
    fn an_empty_text_is_nothing() {
        for text in ["", "# only a comment\n", "---\n", "~"] {
            assert!(Node::parse(text, None).unwrap().is_null(), "{text:?}");
        }
        assert!(!Node::parse("''", None).unwrap().is_null());
    }

    #[test]
    fn what_is_not_taken_says_where() {
        let error = |text: &str| Node::parse(text, None).unwrap_err();
        assert_eq!(error("a: 1\na: 2"), (Place::Line(2), YamlError::Twice { key: "a".into(), first: 1 }));
        assert_eq!(error("a: &x 1\nb: *x"), (Place::Line(1), YamlError::Unused));
        assert_eq!(error("a: !!int 1"), (Place::Line(1), YamlError::Unused));
        assert_eq!(error("a: 1\n---\nb: 2"), (Place::Line(2), YamlError::SecondDocument));
        assert_eq!(error("[a]: 1"), (Place::Line(1), YamlError::Key));
        assert!(matches!(error("a: [1, 2"), (Place::Line(_), YamlError::Syntax(_))));
        assert!(matches!(error("a: 'b\n"), (Place::Line(_), YamlError::Syntax(_))));
        assert!(matches!(error(&"[".repeat(10_000)), (Place::Line(1), YamlError::Syntax(_))));
        let long = format!("a: {}", "x".repeat(MAX_BYTES));
        assert_eq!(error(&long), (Place::Line(1), YamlError::TooLong));
    }

    #[test]
    fn a_variable_is_named() {
        let name: Arc<str> = Arc::from("OTEDAMA_X");
        let node = Node::parse("[1]", Some(&name)).unwrap();
        assert_eq!(node.place, Place::Variable(name.clone()));
        assert_eq!(Node::parse("[", Some(&name)).unwrap_err().0, Place::Variable(name));
    }
}
