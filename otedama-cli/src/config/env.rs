//! The environment over the file: `OTEDAMA_POOL__FEE_PERCENT='"1.0"'` sets `pool.fee_percent`.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::problem::{Fault, Problem};
use super::yaml::{Key, Node, Place, Value};

const PREFIX: &str = "OTEDAMA_";

/// Variables of the prefix that are not paths of the configuration: the command line reads them.
pub(crate) const FLAGS: [&str; 2] = ["OTEDAMA_LOG", "OTEDAMA_LOG_FORMAT"];

/// Puts every variable of the prefix into the tree, in the order of their names, so that the result does not depend
/// on the order of the environment. A value replaces what stood at its path, lists and mappings as a whole.
pub(super) fn overlay(
    root: &mut Node,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) {
    let mut found: Vec<_> = variables.into_iter().filter(|(name, _)| is_ours(name)).collect();
    found.sort();
    for (name, value) in found {
        let variable: Arc<str> = Arc::from(name.to_string_lossy());
        let place = Place::Variable(variable.clone());
        let Some(text) = value.to_str() else {
            problems.push(Problem::new(place, "", Fault::NotText));
            continue;
        };
        match Node::parse(text, Some(&variable)) {
            Ok(node) => set(root, &path_of(&variable), node, problems),
            Err((place, error)) => problems.push(Problem::new(place, "", Fault::Yaml(error))),
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(PREFIX) && !FLAGS.contains(&name.as_ref())
}

fn path_of(variable: &str) -> Vec<String> {
    variable.trim_start_matches(PREFIX).split("__").map(str::to_ascii_lowercase).collect()
}

fn set(node: &mut Node, path: &[String], new: Node, problems: &mut Vec<Problem>) {
    let Some((first, rest)) = path.split_first() else {
        *node = new;
        return;
    };
    if node.is_null() {
        *node = Node { place: new.place.clone(), value: Value::Map(Vec::new()) };
    }
    let found = node.describe();
    let Value::Map(entries) = &mut node.value else {
        let fault = Fault::Kind { expected: "a mapping, to set one of its keys", found };
        problems.push(Problem::new(new.place, "", fault));
        return;
    };
    let index = entries.iter().position(|(key, _)| key.name == *first).unwrap_or_else(|| {
        let nothing = Value::Scalar { text: String::new(), plain: true };
        let key = Key { name: first.clone(), place: new.place.clone() };
        entries.push((key, Node { place: new.place.clone(), value: nothing }));
        entries.len() - 1
    });
    if let Some((_, child)) = entries.get_mut(index) {
        set(child, rest, new, problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaid(file: &str, variables: &[(&str, &str)]) -> (Node, Vec<Problem>) {
        let mut root = Node::parse(file, None).unwrap();
        let mut problems = Vec::new();
        overlay(&mut root, variables.iter().map(|(n, v)| (n.into(), v.into())), &mut problems);
        (root, problems)
    }

    /// The tree as a line of text, places aside.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, plain } => {
                if *plain {
                    text.clone()
                } else {
                    format!("'{text}'")
                }
            }
            Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Value::Map(entries) => {
                let one = |(key, node): &(Key, Node)| format!("{}:{}", key.name, shown(node));
                format!("{{{}}}", entries.iter().map(one).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn values_replace_what_stood_there() {
        let file = "pool: { name: a, fee_percent: 1 }\nlist: [1, 2]";
        let set = [
            ("OTEDAMA_POOL__FEE_PERCENT", "\"0.5\""),
            ("OTEDAMA_LIST", "[3]"),
            ("OTEDAMA_STORE__PATH", "x.db"),
            ("OTEDAMA_LOG", "debug"),
            ("OTEDAMA_LOG_FORMAT", "json"),
            ("PATH", "/bin"),
        ];
        let (root, problems) = overlaid(file, &set);
        assert_eq!(problems, []);
        assert_eq!(shown(&root), "{pool:{name:a fee_percent:'0.5'} list:[3] store:{path:x.db}}");
    }

    #[test]
    fn an_empty_file_takes_values() {
        assert_eq!(shown(&overlaid("", &[("OTEDAMA_COIN", "bitcoin")]).0), "{coin:bitcoin}");
    }

    #[test]
    fn what_cannot_be_set_names_the_variable() {
        let place = |name: &str| Place::Variable(Arc::from(name));
        let (_, problems) = overlaid("a: 1", &[("OTEDAMA_A__B", "2")]);
        let fault = Fault::Kind { expected: "a mapping, to set one of its keys", found: "a plain value" };
        assert_eq!(problems, [Problem::new(place("OTEDAMA_A__B"), "", fault)]);
        let (_, problems) = overlaid("", &[("OTEDAMA_A", "[")]);
        assert!(matches!(&problems[..], [problem] if problem.place() == &place("OTEDAMA_A")));
    }
}
