//! Typed values out of a tree, with every problem noted on the way.

use std::str::FromStr;

use super::problem::{Fault, Problem};
use super::yaml::{Key, Node, Place, Value};

/// Collects problems while values are read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
}

/// A mapping being read; what is left over at the end is an unknown key.
#[derive(Debug)]
pub(super) struct Section<'n> {
    path: String,
    place: Place,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
}

/// A value and its path in the configuration.
#[derive(Clone, Debug)]
pub(super) struct Item<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

impl<'n> Item<'n> {
    pub(super) fn new(node: &'n Node, path: impl Into<String>) -> Self {
        Self { node, path: path.into() }
    }
}

impl<'n> Section<'n> {
    /// The value of a key, which is known from now on. `None` if it is not there or says nothing.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Item<'n>> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(known, _)| known.name == key)?;
        (!node.is_null()).then(|| Item::new(node, self.path_of(key)))
    }

    /// The same for a key that must be there; `hint` says what to write.
    pub(super) fn need(
        &mut self,
        key: &'static str,
        hint: &'static str,
        reader: &mut Reader,
    ) -> Option<Item<'n>> {
        let item = self.get(key);
        if item.is_none() {
            reader.problem(&self.place, &self.path_of(key), Fault::Missing { hint });
        }
        item
    }

    /// The path of a key in it.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader) {
        for (key, _) in self.entries {
            if self.known.contains(&key.name.as_str()) {
                continue;
            }
            let likeness = |known: &str| strsim::jaro_winkler(&key.name, known);
            let nearest = self.known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let nearest = nearest.unwrap_or("none");
            reader.problem(&key.place, &self.path_of(&key.name), Fault::UnknownKey { nearest });
        }
    }
}

impl Reader {
    pub(super) fn problem(&mut self, place: &Place, path: &str, fault: Fault) {
        self.problems.push(Problem::new(place.clone(), path, fault));
    }

    /// Notes that two values do not go together, or that one breaks a rule.
    pub(super) fn rule(&mut self, item: &Item<'_>, rule: impl Into<String>) {
        self.problem(&item.node.place, &item.path, Fault::Rule(rule.into()));
    }

    fn wrong(&mut self, item: &Item<'_>, expected: &'static str) {
        let fault = Fault::Kind { expected, found: item.node.describe() };
        self.problem(&item.node.place, &item.path, fault);
    }

    fn invalid(&mut self, item: &Item<'_>, text: &str, reason: impl Into<String>) {
        let fault = Fault::Invalid { text: text.to_owned(), reason: reason.into() };
        self.problem(&item.node.place, &item.path, fault);
    }

    /// A mapping. Nothing counts as an empty one.
    pub(super) fn section<'n>(&mut self, item: &Item<'n>) -> Option<Section<'n>> {
        let entries: &[_] = match &item.node.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } if item.node.is_null() => &[],
            _ => {
                self.wrong(item, "a mapping");
                return None;
            }
        };
        let (path, place) = (item.path.clone(), item.node.place.clone());
        Some(Section { path, place, entries, known: Vec::new() })
    }

    /// The items of a list, each with its index in the path.
    pub(super) fn list<'n>(&mut self, item: &Item<'n>) -> Vec<Item<'n>> {
        let Value::List(nodes) = &item.node.value else {
            self.wrong(item, "a list");
            return Vec::new();
        };
        let one = |(index, node)| Item::new(node, format!("{}[{index}]", item.path));
        nodes.iter().enumerate().map(one).collect()
    }

    /// A text as written, quoted or not.
    pub(super) fn text<'n>(&mut self, item: &Item<'n>) -> Option<&'n str> {
        match &item.node.value {
            Value::Scalar { text, .. } if !item.node.is_null() => Some(text),
            _ => {
                self.wrong(item, "a text");
                None
            }
        }
    }

    /// A text that `read` understands; its error says why not, after the text itself.
    pub(super) fn parsed<T>(
        &mut self,
        item: &Item<'_>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(item)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.invalid(item, text, reason);
                None
            }
        }
    }

    /// A whole number from 0 to `max`.
    pub(super) fn integer(&mut self, item: &Item<'_>, max: u64) -> Option<u64> {
        let Value::Scalar { text, plain: true } = &item.node.value else {
            self.wrong(item, "a whole number");
            return None;
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && number <= max => Some(number),
            _ => {
                self.invalid(item, text, format!("is not a whole number from 0 to {max}"));
                None
            }
        }
    }

    /// An exact decimal: a quoted text or an integer. A number with a point and without quotes is a float to YAML.
    pub(super) fn decimal<T: FromStr<Err: ToString>>(&mut self, item: &Item<'_>) -> Option<T> {
        if let Value::Scalar { text, plain: true } = &item.node.value
            && text.bytes().any(|byte| !byte.is_ascii_digit())
            && text.parse::<f64>().is_ok()
        {
            self.problem(&item.node.place, &item.path, Fault::Float(text.clone()));
            return None;
        }
        self.parsed(item, |text| text.parse().map_err(|error: T::Err| format!("is {}", error.to_string())))
    }

    /// A measure that need not be exact, larger than 0 and at most `max`.
    pub(super) fn measure(&mut self, item: &Item<'_>, max: f64) -> Option<f64> {
        self.parsed(item, |text| match text.parse::<f64>() {
            Ok(number) if number > 0.0 && number <= max => Ok(number),
            _ => Err(format!("is not a number above 0 and at most {max}")),
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, item: &Item<'_>) -> Option<bool> {
        match &item.node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(true),
            Value::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                self.wrong(item, "true or false");
                None
            }
        }
    }
}
