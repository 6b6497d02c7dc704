//! JSON: reading it without failing, and writing it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::text::{epoch, timestamp};

/// A place in a payload that may hold nothing.
///
/// Reading never fails: what is absent, `null` or of another kind reads as nothing, so that a mapping says once, at
/// the top, what it cannot do without.
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

    /// The elements of an array, or nothing where this is not one.
    pub fn items(self) -> Option<&'a [Value]> {
        self.0?.as_array().map(Vec::as_slice)
    }

    /// The members of an object, or nothing where this is not one.
    pub fn members(self) -> Option<&'a Map<String, Value>> {
        self.0?.as_object()
    }

    /// The value itself; absent and `null` are the same nothing.
    pub fn value(self) -> Option<&'a Value> {
        self.0.filter(|value| !value.is_null())
    }

    /// A scalar as text, trimmed: strings as they are, numbers to the last digit, booleans as words. Blank is nothing.
    pub fn text(self) -> Option<String> {
        let text = match self.0? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// The first of the members `keys` that has text.
    pub fn first_text(self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.get(key).text())
    }

    /// What stands at a path: names and indices with dots between them, `data.items.0.name`.
    pub fn at(self, path: &str) -> Node<'a> {
        path.split('.').fold(self, |node, name| {
            let item = || name.parse::<usize>().ok().and_then(|index| node.items()?.get(index));
            Node(node.0.and_then(|value| value.get(name)).or_else(item))
        })
    }

    /// The first text at one of the paths.
    pub fn pick(self, paths: &[&str]) -> Option<String> {
        paths.iter().find_map(|path| self.at(path).text())
    }

    /// A point in time, as an RFC 3339 timestamp in UTC: a text as [`timestamp`] reads it, or the time since the Unix
    /// epoch as a number or as digits, in seconds, milliseconds, microseconds or nanoseconds by its size.
    pub fn time(self) -> Option<String> {
        let text = self.text()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
        let Some(number) = whole.parse::<u64>().ok().filter(|_| digits) else { return timestamp(&text) };
        // Seconds reach this size in the year 5138, milliseconds were there in 1973.
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

/// An object of these members. Serde's macro can fail, and the text of that failure is 11 KB.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// A value as JSON text, without white space. Members are sorted by name, so equal values are equal text.
pub fn encode(value: &Value) -> Vec<u8> {
    // The members' names are strings, which is the one thing that could go wrong.
    serde_json::to_vec(value).unwrap_or_default()
}
