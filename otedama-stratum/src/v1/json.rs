//! Reads one line of JSON without building a tree: the parts stay raw until someone asks for them.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::quick;
use crate::limits::{MAX_ID, MAX_PARAMS};

/// A message of either side. It lives as long as its line is looked at, so its size matters to nobody.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost every share an allocation")]
pub(crate) enum Message<'a> {
    /// Something to do. Without an id it is not answered.
    Request { id: Option<&'a str>, method: Cow<'a, str>, params: Params<'a> },
    /// The answer to a request of ours.
    Response { id: Raw<'a>, result: Raw<'a>, error: Raw<'a>, reject_reason: Raw<'a> },
}

/// The parameters of a request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost every share an allocation")]
pub(crate) enum Params<'a> {
    /// Any value.
    Raw(Raw<'a>),
    /// A short array that was read already.
    Read(Items<'a>),
}

impl<'a> Params<'a> {
    /// See [`Raw::items`].
    pub(crate) fn items(self) -> Option<Items<'a>> {
        match self {
            Self::Raw(raw) => raw.items(),
            Self::Read(items) => Some(items),
        }
    }
}

/// Why a line is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed<'a> {
    #[error("not one JSON object")]
    Json,
    #[error("batches are not supported")]
    Batch,
    #[error("nested too deeply")]
    Nesting,
    #[error("id is too long")]
    Id,
    #[error("not a request")]
    Request { id: Option<&'a str> },
}

#[derive(serde::Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "reject-reason", deserialize_with = "present")]
    reject_reason: Option<&'a RawValue>,
}

/// Keeps `null` apart from absence.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl<'a> Message<'a> {
    pub(crate) fn parse(line: &'a [u8], nesting: usize) -> Result<Self, Malformed<'a>> {
        // A quick request has an array in an object, and nothing in that.
        if nesting >= 2
            && let Some(quick::Request { id, method, params }) =
                core::str::from_utf8(line).ok().and_then(quick::request)
        {
            return Ok(Self::Request { id, method: Cow::Borrowed(method), params: Params::Read(params) });
        }
        match line.first() {
            Some(b'{') => {}
            Some(b'[') => return Err(Malformed::Batch),
            _ => return Err(Malformed::Json),
        }
        if too_deep(line, nesting) {
            return Err(Malformed::Nesting);
        }
        let text = core::str::from_utf8(line).map_err(|_| Malformed::Json)?;
        Self::thorough(text)
    }

    /// Reads any message that is not nested too deeply.
    pub(super) fn thorough(text: &'a str) -> Result<Self, Malformed<'a>> {
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| Malformed::Json)?;
        let id = fields.id.map(RawValue::get);
        if id.is_some_and(|id| id.len() > MAX_ID) {
            return Err(Malformed::Id);
        }
        if let Some(method) = fields.method.map(Raw::from).filter(|method| !method.is_null()) {
            let method = method.text().ok_or(Malformed::Request { id })?;
            return Ok(Self::Request { id, method, params: Params::Raw(Raw::of(fields.params)) });
        }
        let answered = fields.result.is_some() || fields.error.is_some() || fields.reject_reason.is_some();
        match id {
            Some(id) if answered => Ok(Self::Response {
                id: Raw(id),
                result: Raw::of(fields.result),
                error: Raw::of(fields.error),
                reject_reason: Raw::of(fields.reject_reason),
            }),
            _ => Err(Malformed::Request { id }),
        }
    }
}

/// Whether arrays and objects lie more than `limit` deep in each other.
fn too_deep(line: &[u8], limit: usize) -> bool {
    let opening = |byte: &u8| matches!(byte, b'[' | b'{');
    if line.iter().filter(|byte| opening(byte)).count() <= limit {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// One JSON value, as it stands in the line. An absent one reads as `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a>(&'a str);

impl<'a> From<&'a RawValue> for Raw<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }
}

impl<'a> Raw<'a> {
    pub(crate) const NULL: Self = Raw("null");

    /// A string with its quotation marks.
    pub(super) const fn string(quoted: &'a str) -> Self {
        Self(quoted)
    }

    fn of(raw: Option<&'a RawValue>) -> Self {
        raw.map_or(Self::NULL, Self::from)
    }

    /// The JSON itself.
    pub(crate) const fn json(self) -> &'a str {
        self.0
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(crate) fn boolean(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A string's text; borrowed unless it has escapes. `None` for other values and for lone surrogates.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if memchr::memchr(b'\\', inner.as_bytes()).is_some() {
            serde_json::from_str::<String>(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// A number, or a string that is one: miners send both.
    pub(crate) fn number(self) -> Option<f64> {
        let quoted = self.text();
        let text = quoted.as_deref().unwrap_or(self.0);
        text.trim().parse().ok()
    }

    /// A whole number that is not negative, or a string that is one.
    pub(crate) fn whole(self) -> Option<u64> {
        let quoted = self.text();
        let text = quoted.as_deref().unwrap_or(self.0);
        text.trim().parse().ok()
    }

    /// The items of an array with at most [`MAX_PARAMS`] of them; `null` is an empty one.
    pub(crate) fn items(self) -> Option<Items<'a>> {
        let mut out = Items::default();
        if self.is_null() {
            return Some(out);
        }
        for item in self.elements()? {
            out.push(item)?;
        }
        Some(out)
    }

    /// The items of an array of at most `limit`.
    pub(crate) fn list(self, limit: usize) -> Option<Vec<Self>> {
        let items: Vec<_> = self.elements()?.take(limit.saturating_add(1)).collect();
        (items.len() <= limit).then_some(items)
    }

    /// A field of an object; `null` if it is absent or this is no object. Of several with this name, the last.
    pub(crate) fn field(self, name: &str) -> Self {
        let inner = self.0.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        let members = Elements { rest: inner.unwrap_or_default() };
        let value = |member: Self| {
            let (key, value) = member.0.split_at(end_of(member.0, b':'));
            let named = Self(key.trim_ascii()).text().is_some_and(|key| key == name);
            value.strip_prefix(':').filter(|_| named).map(|value| Self(value.trim_ascii()))
        };
        members.filter_map(value).last().unwrap_or(Self::NULL)
    }

    fn elements(self) -> Option<Elements<'a>> {
        let inner = self.0.strip_prefix('[')?.strip_suffix(']')?;
        Some(Elements { rest: inner })
    }
}

/// What stands between the commas of an array or object that is known to be well-formed.
struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let (element, rest) = self.rest.split_at(end_of(self.rest, b','));
        self.rest = rest.strip_prefix(',').unwrap_or_default();
        let element = element.trim_ascii();
        (!element.is_empty()).then_some(Raw(element))
    }
}

/// Where `mark` stands first outside of strings, arrays and objects; the end if it does not.
fn end_of(json: &str, mark: u8) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let found = json.bytes().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => return depth == 0 && byte == mark,
        }
        false
    });
    found.unwrap_or(json.len())
}

/// The items of a short array. Those beyond its end read as `null`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Items<'a> {
    items: [Raw<'a>; MAX_PARAMS],
    len: usize,
}

impl Default for Items<'_> {
    fn default() -> Self {
        Self { items: [Raw::NULL; MAX_PARAMS], len: 0 }
    }
}

impl<'a> Items<'a> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// One more; `None` if there is no room.
    pub(super) fn push(&mut self, item: Raw<'a>) -> Option<()> {
        *self.items.get_mut(self.len)? = item;
        self.len += 1;
        Some(())
    }

    pub(crate) fn get(&self, index: usize) -> Raw<'a> {
        self.items.get(index).copied().unwrap_or(Raw::NULL)
    }

    /// The text at `index`, if there is a string.
    pub(crate) fn text(&self, index: usize) -> Option<Cow<'a, str>> {
        self.get(index).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::string::ToString;
    use std::vec;

    /// Any JSON value, as `serde_json` writes it, perhaps with spaces.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC\"\\\\,:\\[{]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-c\"\\\\,:}]{0,3}", inner, 0..6)
                    .prop_map(|fields| Value::from(serde_json::Map::from_iter(fields))),
            ]
        })
    }

    proptest! {
        /// The parts of a value are what `serde_json` says they are.
        #[test]
        fn parts_equal_those_of_a_tree(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let raw = Raw(&text);
            let parsed = |raw: Raw<'_>| serde_json::from_str::<Value>(raw.json()).unwrap();
            prop_assert_eq!(raw.text().map(Cow::into_owned), value.as_str().map(str::to_string));
            prop_assert_eq!(raw.boolean(), value.as_bool());
            let items: Option<Vec<Value>> = raw.list(100).map(|items| items.into_iter().map(parsed).collect());
            prop_assert_eq!(items.as_ref(), value.as_array());
            for key in ["", "a", "b", "\"", "\\", "a:", "c,"] {
                prop_assert_eq!(parsed(raw.field(key)), value.get(key).cloned().unwrap_or_default());
            }
        }

        #[test]
        fn depth_is_counted_as_it_is(value in json()) {
            fn depth(value: &Value) -> usize {
                match value {
                    Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
                    Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
                    _ => 0,
                }
            }
            let (text, depth) = (value.to_string(), depth(&value));
            prop_assert!(!too_deep(text.as_bytes(), depth));
            prop_assert!(depth == 0 || too_deep(text.as_bytes(), depth - 1));
        }
    }

    #[test]
    fn numbers_may_be_quoted() {
        for (json, number, whole) in [
            ("7", Some(7.0), Some(7)),
            ("\"7\"", Some(7.0), Some(7)),
            ("\" 0.5 \"", Some(0.5), None),
            ("-1", Some(-1.0), None),
            ("18446744073709551616", Some(18_446_744_073_709_551_616.0), None),
            ("null", None, None),
            ("[7]", None, None),
            ("\"\"", None, None),
        ] {
            assert_eq!((Raw(json).number(), Raw(json).whole()), (number, whole), "{json}");
        }
    }

    #[test]
    fn an_array_has_at_most_so_many_items() {
        let text = |len| std::format!("[{}]", vec!["1"; len].join(" , "));
        assert_eq!(Raw(&text(MAX_PARAMS)).items().map(|items| items.len()), Some(MAX_PARAMS));
        assert!(Raw(&text(MAX_PARAMS + 1)).items().is_none());
        assert_eq!(Raw("[ ]").items().map(|items| items.len()), Some(0));
        assert!(Raw("{}").items().is_none());
        assert_eq!(Raw(&text(3)).list(3).map(|items| items.len()), Some(3));
        assert!(Raw(&text(4)).list(3).is_none());
    }
}
