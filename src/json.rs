//! JSON: infallible reading, and writing.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::text::{epoch, is_hidden, timestamp};

/// A position in a payload, which may be empty.
///
/// Reading never fails: an absent value, `null` and a value of another type all give `None`. So a mapping checks its
/// required fields once, at the top.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a>(Option<&'a Value>);

impl<'a> Node<'a> {
    /// The whole payload.
    pub fn root(value: &'a Value) -> Self {
        Node(Some(value))
    }

    /// The member `key` of an object.
    pub fn get(self, key: &str) -> Node<'a> {
        Node(self.0.and_then(|value| value.get(key)))
    }

    /// The elements of an array. Returns `None` if this is not an array.
    pub fn items(self) -> Option<&'a [Value]> {
        self.0?.as_array().map(Vec::as_slice)
    }

    /// The members of an object. Returns `None` if this is not an object.
    pub fn members(self) -> Option<&'a Map<String, Value>> {
        self.0?.as_object()
    }

    /// The value itself. Returns `None` if it is absent or `null`.
    pub fn value(self) -> Option<&'a Value> {
        self.0.filter(|value| !value.is_null())
    }

    /// A scalar as trimmed text: strings as they are, numbers with all their digits, booleans as `true` or `false`.
    /// Returns `None` for blank text.
    pub fn text(self) -> Option<String> {
        let text = match self.0? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// The text of the first of the members `keys` that has one.
    pub fn first_text(self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.get(key).text())
    }

    /// The value at a path of names and indices, separated by dots: `data.items.0.name`.
    pub fn at(self, path: &str) -> Node<'a> {
        path.split('.').fold(self, |node, name| {
            let item = || name.parse::<usize>().ok().and_then(|index| node.items()?.get(index));
            Node(node.0.and_then(|value| value.get(name)).or_else(item))
        })
    }

    /// The text at the first of the paths that has one.
    pub fn pick(self, paths: &[&str]) -> Option<String> {
        paths.iter().find_map(|path| self.at(path).text())
    }

    /// A point in time, as an RFC 3339 timestamp in UTC. Accepts a text that [`timestamp`] accepts, or the time since
    /// the Unix epoch as a number or as digits. Its size decides whether it is in seconds, milliseconds, microseconds
    /// or nanoseconds.
    pub fn time(self) -> Option<String> {
        let text = self.text()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
        let Some(number) = whole.parse::<u64>().ok().filter(|_| digits) else { return timestamp(&text) };
        // Seconds reach this size in the year 5138. Milliseconds reached it in 1973.
        let since = match number {
            0 => return None,
            1..100_000_000_000 => {
                let nanos = fraction.bytes().chain([b'0'; 9]).take(9).filter(u8::is_ascii_digit);
                Duration::new(number, nanos.fold(0, |n, digit| n * 10 + u32::from(digit - b'0')))
            }
            100_000_000_000..100_000_000_000_000 => Duration::from_millis(number),
            100_000_000_000_000..100_000_000_000_000_000 => Duration::from_micros(number),
            _ => Duration::from_nanos(number),
        };
        epoch(since)
    }

    /// A count: a non-negative integer, as a number or as text.
    pub fn count(self) -> Option<u64> {
        self.text()?.parse().ok()
    }
}

/// An object with these members. `serde_json::json!` unwraps a result, and code that the network reaches unwraps nothing.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// A value as JSON text, without white space. Members are sorted by name, so equal values give equal text.
pub fn encode(value: &Value) -> Vec<u8> {
    // Encoding fails only for member names that are not strings, and these are strings.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Like [`encode`], for everything that leaves the relay: each hidden character ([`is_hidden`]) of a string becomes a
/// space. The result is never longer than that of [`encode`].
///
/// Never hash this for an identity: texts that differ may become equal.
pub fn encode_visible(value: &Value) -> Vec<u8> {
    visible(encode(value))
}

/// Replaces each hidden character ([`is_hidden`]) of a string in JSON text by a space.
pub fn visible(text: Vec<u8>) -> Vec<u8> {
    // Only these bytes begin an escape, or in UTF-8 a hidden character.
    if !text.iter().any(|byte| matches!(byte, b'\\' | 0x7f | 0xc2 | 0xe2)) {
        return text;
    }
    let text = String::from_utf8(text).unwrap_or_default();
    let mut visible = String::new();
    let mut rest = text.as_str();
    while let Some((before, at)) = rest.find(|c| c == '\\' || is_hidden(c)).and_then(|at| rest.split_at_checked(at)) {
        // An escape has two characters, or six.
        let length = match at.as_bytes() {
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => at.chars().next().map_or(1, char::len_utf8),
        };
        let (found, after) = at.split_at_checked(length).unwrap_or((at, ""));
        visible.push_str(before);
        // `\n`, `\r`, `\t`, the quote and the backslash stay. No other character has the long form.
        let stays = found.starts_with('\\') && !matches!(found, "\\b" | "\\f") && length == 2;
        visible.push_str(if stays { found } else { " " });
        rest = after;
    }
    if visible.is_empty() {
        return text.into_bytes();
    }
    visible.push_str(rest);
    visible.into_bytes()
}
