//! The filters of templates: what mapping needs, and no more.
//!
//! | filter | makes |
//! |---|---|
//! | `date` | an RFC 3339 timestamp of one in any usual form, or of a time since the epoch in seconds, milli-, micro- or nanoseconds; else `none` |
//! | `default(x)` | `x` where there is nothing: no such name or path, `none`, an empty text |
//! | `first`, `length` | the first item of a list, or `none`; how many items, members or characters there are |
//! | `host` | the host of a URL; `none` of what is no URL |
//! | `join(x)` | the items of a list in one text, with `x` between them |
//! | `lower`, `upper`, `trim` | the text in lower or upper case (of ASCII), or without space at its ends |
//! | `replace(x, y)` | the text with `y` for every `x` |
//! | `round(n)` | the number, as such or as text, with `n` digits after the point, none without `n` |
//! | `severity(x)` | the severity that a word stands for, else `x`, else `error` |
//! | `sha256` | the SHA-256 of a text or of a value's JSON, in hex |
//! | `split(x)` | the parts of a text between every `x` |
//! | `tojson` | the value as JSON text |
//!
//! There are two tests, `is defined` and `is none`.

use std::borrow::Cow;

use serde_json::Value;

use super::values::{TEXT_MAX_BYTES, TOO_LONG, text_of};
use crate::http::url;
use crate::json::{self, Node};
use crate::pagerduty::event::Severity;
use crate::text;

/// The filters, each with the least and the most arguments that it takes.
const FILTERS: &[(&str, (usize, usize))] = &[
    ("date", (0, 0)),
    ("default", (1, 1)),
    ("first", (0, 0)),
    ("host", (0, 0)),
    ("join", (0, 1)),
    ("length", (0, 0)),
    ("lower", (0, 0)),
    ("replace", (2, 2)),
    ("round", (0, 1)),
    ("severity", (0, 1)),
    ("sha256", (0, 0)),
    ("split", (1, 1)),
    ("tojson", (0, 0)),
    ("trim", (0, 0)),
    ("upper", (0, 0)),
];

/// How many arguments a filter takes, the least and the most; nothing where there is no such filter.
pub(super) fn arguments(name: &str) -> Option<(usize, usize)> {
    FILTERS.iter().find(|(known, _)| *known == name).map(|(_, arguments)| *arguments)
}

/// What a filter other than `default` makes of the value before it and of its arguments.
///
/// # Errors
/// It works on other values; the words name no value.
pub(super) fn apply(name: &str, values: &[Cow<'_, Value>]) -> Result<Value, &'static str> {
    let mut values = values.iter().map(|value| &**value);
    // The parser gives at least the value that a filter stands behind.
    let value = values.next().unwrap_or(&Value::Null);
    let argument = values.next();
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(text_of(value).into_owned()),
        _ => Err("works on text"),
    };
    let list = || value.as_array().ok_or("works on a list");
    Ok(match name {
        "date" => Node::root(value).time().into(),
        "first" => list()?.first().cloned().unwrap_or_default(),
        "host" => value.as_str().and_then(url::url_host).into(),
        "join" => {
            let between = argument.map(|between| text(Some(between))).transpose()?.unwrap_or_default();
            let mut whole = String::new();
            for (index, item) in list()?.iter().enumerate() {
                whole.push_str(if index > 0 { &between } else { "" });
                whole.push_str(&text(Some(item))?);
                bounded(&whole)?;
            }
            whole.into()
        }
        "length" => match value {
            Value::Array(items) => items.len().into(),
            Value::Object(members) => members.len().into(),
            Value::String(text) => text.chars().count().into(),
            _ => return Err("works on a text, a list or an object"),
        },
        "lower" => text(Some(value))?.to_ascii_lowercase().into(),
        "replace" => {
            let (whole, from, to) = (text(Some(value))?, text(argument)?, text(values.next())?);
            let mut parts = split(&whole, &from).into_iter();
            let mut made = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                made.push_str(&to);
                made.push_str(part);
                bounded(&made)?;
            }
            made.into()
        }
        "round" => round(value, argument).ok_or("works on a number, with 0 to 9 digits")?,
        "severity" => match Node::root(value).text().and_then(|word| Severity::from_word(&word)) {
            Some(known) => known.as_str().into(),
            None => argument.cloned().unwrap_or(Severity::Error.as_str().into()),
        },
        "sha256" => text::sha256_hex(text_of(value).as_bytes()).into(),
        "split" => split(&text(Some(value))?, &text(argument)?).into(),
        "tojson" => String::from_utf8(json::encode(value)).unwrap_or_default().into(),
        "trim" => text(Some(value))?.trim().into(),
        "upper" => text(Some(value))?.to_ascii_uppercase().into(),
        _ => return Err("is not known"),
    })
}

fn bounded(text: &str) -> Result<(), &'static str> {
    if text.len() > TEXT_MAX_BYTES { Err(TOO_LONG) } else { Ok(()) }
}

/// The parts of a text; all of it where there is nothing to look for.
fn split<'a>(text: &'a str, between: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(between) {
        parts.push(before);
        rest = after;
    }
    parts.push(rest);
    parts
}

fn round(value: &Value, digits: Option<&Value>) -> Option<Value> {
    if value.is_i64() || value.is_u64() {
        // As it is: an id may be larger than what a float holds.
        return Some(value.clone());
    }
    let written = || value.as_str()?.trim().parse::<f64>().ok();
    let number = value.as_f64().or_else(written).filter(|number| number.is_finite())?;
    let digits = digits.map_or(Some(0), Value::as_u64).filter(|digits| *digits <= 9)?;
    let scale = (0..digits).fold(1.0, |scale, _| scale * 10.0);
    let rounded = (number * scale).round() / scale;
    // A whole number is written without a point.
    let whole = digits == 0 && rounded.abs() < 9e15;
    Some(if whole { (rounded as i64).into() } else { rounded.into() })
}
