//! Reads one line of JSON without building a tree: the parts stay raw until someone asks for them.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::{MAX_ID, MAX_PARAMS};

/// A message of either side.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// Something to do. Without an id it is not answered.
    Request { id: Option<&'a str>, method: Cow<'a, str>, params: Raw<'a> },
    /// The answer to a request of ours.
    Response { id: Raw<'a>, result: Raw<'a>, error: Raw<'a>, reject_reason: Raw<'a> },
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

#[derive(Deserialize)]
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
        match line.first() {
            Some(b'{') => {}
            Some(b'[') => return Err(Malformed::Batch),
            _ => return Err(Malformed::Json),
        }
        if too_deep(line, nesting) {
            return Err(Malformed::Nesting);
        }
        let text = core::str::from_utf8(line).map_err(|_| Malformed::Json)?;
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| Malformed::Json)?;
        let id = fields.id.map(RawValue::get);
        if id.is_some_and(|id| id.len() > MAX_ID) {
            return Err(Malformed::Id);
        }
        if let Some(method) = fields.method.map(Raw::from).filter(|method| !method.is_null()) {
            let method = method.text().ok_or(Malformed::Request { id })?;
            return Ok(Self::Request { id, method, params: Raw::of(fields.params) });
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
        if inner.contains('\\') {
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
        if self.is_null() {
            return Some(Items::default());
        }
        if self.is_array() { serde_json::from_str(self.0).ok() } else { None }
    }

    /// The items of an array of at most `limit`.
    pub(crate) fn list(self, limit: usize) -> Option<alloc::vec::Vec<Raw<'a>>> {
        let mut from = serde_json::Deserializer::from_str(self.0);
        from.deserialize_seq(List { limit }).ok()
    }

    /// A field of an object; `null` if it is absent or this is no object.
    pub(crate) fn field(self, name: &str) -> Raw<'a> {
        let mut from = serde_json::Deserializer::from_str(self.0);
        from.deserialize_map(Field { name }).unwrap_or(Raw::NULL)
    }
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

    pub(crate) fn get(&self, index: usize) -> Raw<'a> {
        self.items.get(index).copied().unwrap_or(Raw::NULL)
    }

    /// The text at `index`, if there is a string.
    pub(crate) fn text(&self, index: usize) -> Option<Cow<'a, str>> {
        self.get(index).text()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Short;
        impl<'de> Visitor<'de> for Short {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {MAX_PARAMS} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Items<'de>, A::Error> {
                let mut out = Items::default();
                while let Some(item) = from.next_element::<&RawValue>()? {
                    let slot = out.items.get_mut(out.len).ok_or_else(|| A::Error::custom("too many"))?;
                    *slot = item.into();
                    out.len += 1;
                }
                Ok(out)
            }
        }
        from.deserialize_seq(Short)
    }
}

struct List {
    limit: usize,
}

impl<'de> Visitor<'de> for List {
    type Value = alloc::vec::Vec<Raw<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} items", self.limit)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut out = alloc::vec::Vec::new();
        while let Some(item) = from.next_element::<&RawValue>()? {
            if out.len() == self.limit {
                return Err(A::Error::custom("too many"));
            }
            out.push(item.into());
        }
        Ok(out)
    }
}

struct Field<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut from: A) -> Result<Raw<'de>, A::Error> {
        let mut found = Raw::NULL;
        while let Some((name, value)) = from.next_entry::<Cow<'de, str>, &RawValue>()? {
            if name == self.name {
                found = value.into();
            }
        }
        Ok(found)
    }
}
