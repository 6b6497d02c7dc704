//! Payloads: reading them without failing, and what a template left in them.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{epoch, timestamp};

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

/// Whether a text is a template's variable that nobody has filled in: `$NAME`, `${name}`, `{NAME}`, `{{name}}`, `*name*`,
/// `[TWO_WORDS]`, `##NAME##`. Alerts that share one would share a dedup key. A name in braces that has a hyphen in it is a
/// GUID, one word in brackets may be anybody's.
pub fn is_unfilled(text: &str) -> bool {
    let text = text.trim();
    let within = |open: &str, close: &str| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let name = |inner: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '#' | '/');
        inner.chars().all(plain) && inner.contains(|c: char| c.is_ascii_alphabetic())
    };
    let upper = |inner: &str| {
        inner.contains('_') && inner.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let braced = text.trim_start_matches('$').strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    text.strip_prefix('$').is_some_and(|rest| name(rest) && !rest.starts_with(|c: char| c.is_ascii_digit()))
        || braced.is_some_and(|inner| name(inner) || inner.starts_with('{') && inner.ends_with('}'))
        || within("*", "*").is_some_and(name)
        || within("##", "##").is_some_and(name)
        || within("[", "]").is_some_and(upper)
}

/// A payload without its unfilled variables: they read as nothing.
pub fn filled(value: Value) -> Value {
    match value {
        Value::String(text) if is_unfilled(&text) => Value::Null,
        Value::Array(items) => items.into_iter().map(filled).collect(),
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, value) in members {
                kept.insert(name, filled(value));
            }
            Value::Object(kept)
        }
        other => other,
    }
}
