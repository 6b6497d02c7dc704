//! The filters of templates: what mapping needs, and no more.
//!
//! | filter | makes |
//! |---|---|
//! | `at(path)` | what stands at a path of names and indices, `payload \| at('data.items.0.name')`; `none` where nothing does |
//! | `date` | an RFC 3339 timestamp of one in any usual form, or of a time since the epoch in seconds, milli-, micro- or nanoseconds; else `none` |
//! | `default(x)` | `x` where there is nothing: no such name, `none`, an empty text |
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

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value as Mini};

use super::{TEXT_MAX_BYTES, json};
use crate::event::Severity;
use crate::text::{self, Node};

/// What our own errors begin with. They hold nothing of the payload.
pub(super) const MARK: &str = "filter ";

type Filter = fn(&[Mini]) -> Result<Mini, Error>;

const FILTERS: &[(&str, Filter)] = &[
    ("at", at),
    ("date", date),
    ("default", default),
    ("first", first),
    ("host", host),
    ("join", join),
    ("length", length),
    ("lower", |values| Ok(string(values, 0, "lower")?.to_ascii_lowercase().into())),
    ("replace", replace),
    ("round", round),
    ("severity", severity),
    ("sha256", sha256),
    ("split", split),
    ("tojson", |values| Ok(encoded(values.first(), "tojson")?.into())),
    ("trim", |values| Ok(string(values, 0, "trim")?.trim().into())),
    ("upper", |values| Ok(string(values, 0, "upper")?.to_ascii_uppercase().into())),
];

pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, filter) in FILTERS {
        environment.add_filter(*name, *filter);
    }
    environment.add_test("defined", |value: &Mini| !value.is_undefined());
    environment.add_test("none", |value: &Mini| value.is_none());
}

/// The first filter in an expression that there is not. The engine would only say so once it got there.
pub(super) fn unknown(expression: &str) -> Option<&str> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in expression.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '|') => {
                let rest = expression.get(at + 1..).unwrap_or_default().trim_start();
                let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                if !FILTERS.iter().any(|(known, _)| *known == name) {
                    return Some(name);
                }
            }
            _ => {}
        }
    }
    None
}

fn fail(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, [MARK, "`", name, "` ", why].concat())
}

/// A value as text: a scalar, and nothing where it is none.
fn scalar(value: &Mini) -> Option<String> {
    Node::root(&json(value, 0)?).text()
}

fn string(values: &[Mini], index: usize, name: &str) -> Result<String, Error> {
    let value = values.get(index).filter(|value| !value.is_undefined());
    let value = value.ok_or_else(|| fail(name, "has nothing to work on"))?;
    match (value.as_str(), value.kind()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, ValueKind::Number | ValueKind::Bool) => Ok(scalar(value).unwrap_or_default()),
        _ => Err(fail(name, "works on text")),
    }
}

fn encoded(value: Option<&Mini>, name: &str) -> Result<String, Error> {
    let value = value.filter(|value| !value.is_undefined()).and_then(|value| json(value, 0));
    let value = value.ok_or_else(|| fail(name, "has nothing to work on"))?;
    Ok(String::from_utf8(text::encode(&value)).unwrap_or_default())
}

fn sha256(values: &[Mini]) -> Result<Mini, Error> {
    let plain = match values.first().and_then(Mini::as_str) {
        Some(text) => text.to_owned(),
        None => encoded(values.first(), "sha256")?,
    };
    Ok(text::sha256_hex(plain.as_bytes()).into())
}

/// Nothing, as it is left out of an event.
fn none() -> Mini {
    Mini::from(())
}

/// The value that a filter works on. A name that is not there is an error in every filter but `default`.
fn given<'v>(values: &'v [Mini], name: &str) -> Result<&'v Mini, Error> {
    let value = values.first().filter(|value| !value.is_undefined());
    value.ok_or_else(|| fail(name, "has nothing to work on"))
}

fn at(values: &[Mini]) -> Result<Mini, Error> {
    let mut value = given(values, "at")?.clone();
    for name in string(values, 1, "at")?.split('.') {
        let member = match name.parse::<usize>() {
            Ok(index) if is_list(&value) => value.get_item_by_index(index),
            _ => value.get_attr(name),
        };
        value = member.ok().filter(|member| !member.is_undefined()).unwrap_or_else(none);
    }
    Ok(value)
}

fn date(values: &[Mini]) -> Result<Mini, Error> {
    let value = json(given(values, "date")?, 0).unwrap_or_default();
    Ok(Node::root(&value).time().map_or_else(none, Mini::from))
}

fn default(values: &[Mini]) -> Result<Mini, Error> {
    let empty = |value: &Mini| value.is_undefined() || value.is_none() || value.as_str() == Some("");
    match values {
        [value, _] if !empty(value) => Ok(value.clone()),
        [_, instead] => Ok(instead.clone()),
        _ => Err(fail("default", "takes one value")),
    }
}

fn first(values: &[Mini]) -> Result<Mini, Error> {
    let items = list(values, "first")?.next();
    Ok(items.unwrap_or_else(none))
}

fn host(values: &[Mini]) -> Result<Mini, Error> {
    let url = scalar(given(values, "host")?).unwrap_or_default();
    Ok(text::url_host(&url).map_or_else(none, Mini::from))
}

fn length(values: &[Mini]) -> Result<Mini, Error> {
    let value = given(values, "length")?;
    let length = value.as_str().map(|text| text.chars().count()).or_else(|| value.len());
    length.map(Mini::from).ok_or_else(|| fail("length", "works on a text, a list or an object"))
}

/// Whether a value is a list, or what the engine makes of two that are added or of a part of one.
pub(super) fn is_list(value: &Mini) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn list(values: &[Mini], name: &str) -> Result<impl Iterator<Item = Mini>, Error> {
    let list = given(values, name)?;
    let items = Some(list).filter(|list| is_list(list)).and_then(|list| list.try_iter().ok());
    items.ok_or_else(|| fail(name, "works on a list"))
}

fn join(values: &[Mini]) -> Result<Mini, Error> {
    let between = if values.len() > 1 { string(values, 1, "join")? } else { String::new() };
    let mut whole = String::new();
    for (index, item) in list(values, "join")?.enumerate() {
        if index > 0 {
            whole.push_str(&between);
        }
        whole.push_str(&string(&[item], 0, "join")?);
        bounded(&whole, "join")?;
    }
    Ok(whole.into())
}

fn split(values: &[Mini]) -> Result<Mini, Error> {
    let (text, between) = (string(values, 0, "split")?, string(values, 1, "split")?);
    let mut parts: Vec<Mini> = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = text::cut(rest, &between) {
        parts.push(before.into());
        rest = after;
    }
    parts.push(rest.into());
    Ok(parts.into())
}

fn replace(values: &[Mini]) -> Result<Mini, Error> {
    let (text, from, to) =
        (string(values, 0, "replace")?, string(values, 1, "replace")?, string(values, 2, "replace")?);
    let mut whole = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = text::cut(rest, &from) {
        whole.push_str(before);
        whole.push_str(&to);
        bounded(&whole, "replace")?;
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole.into())
}

fn bounded(text: &str, name: &str) -> Result<(), Error> {
    if text.len() > TEXT_MAX_BYTES { Err(fail(name, "makes more than 64 kib of text")) } else { Ok(()) }
}

fn round(values: &[Mini]) -> Result<Mini, Error> {
    let wrong = || fail("round", "works on a number, with 0 to 9 digits");
    let value = given(values, "round")?;
    let written = value.as_str().and_then(|text| text.trim().parse::<f64>().ok());
    let number = written.or_else(|| f64::try_from(value.clone()).ok()).filter(|number| number.is_finite());
    let number = number.ok_or_else(wrong)?;
    let digits = values.get(1).map_or(Some(0), Mini::as_usize).filter(|digits| *digits <= 9).ok_or_else(wrong)?;
    let scale = 10u64.pow(u32::try_from(digits).unwrap_or_default()) as f64;
    let rounded = (number * scale).round() / scale;
    // A whole number is written without a point.
    if digits == 0 && rounded.abs() < 9e15 { Ok(Mini::from(rounded as i64)) } else { Ok(Mini::from(rounded)) }
}

fn severity(values: &[Mini]) -> Result<Mini, Error> {
    let known = scalar(given(values, "severity")?).and_then(|word| Severity::from_word(&word));
    match (known, values.get(1)) {
        (Some(known), _) => Ok(known.as_str().into()),
        (None, Some(instead)) => Ok(instead.clone()),
        (None, None) => Ok(Severity::Error.as_str().into()),
    }
}
