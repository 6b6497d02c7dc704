//! The filters of templates: what mapping needs, and no more.
//!
//! | filter | makes |
//! |---|---|
//! | `date` | an RFC 3339 timestamp of one in any usual form, or of a time since the epoch in seconds, milli-, micro- or nanoseconds |
//! | `default(x)` | `x` where there is nothing: no such name, `none`, an empty text |
//! | `host` | the host of a URL |
//! | `join(x)` | the items of a list in one text, with `x` between them |
//! | `lower`, `upper`, `trim` | the text in lower or upper case (of ASCII), or without space at its ends |
//! | `replace(x, y)` | the text with `y` for every `x` |
//! | `round(n)` | the number with `n` digits after the point, none without `n` |
//! | `severity(x)` | the severity that a word stands for, else `x`, else `error` |
//! | `sha256` | the SHA-256 of a text or of a value's JSON, in hex |
//! | `tojson` | the value as JSON text |
//!
//! There is one test, `is defined`.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value as Mini};

use super::{TEXT_MAX_BYTES, json};
use crate::event::Severity;
use crate::text::{self, Node};

/// What our own errors begin with. They hold nothing of the payload.
pub(super) const MARK: &str = "filter ";

type Filter = fn(&[Mini]) -> Result<Mini, Error>;

const FILTERS: &[(&str, Filter)] = &[
    ("date", date),
    ("default", default),
    ("host", host),
    ("join", join),
    ("lower", |values| Ok(string(values, 0, "lower")?.to_ascii_lowercase().into())),
    ("replace", replace),
    ("round", round),
    ("severity", severity),
    ("sha256", |values| Ok(text::sha256_hex(plain(values)?.as_bytes()).into())),
    ("tojson", |values| Ok(encoded(values.first())?.into())),
    ("trim", |values| Ok(string(values, 0, "trim")?.trim().into())),
    ("upper", |values| Ok(string(values, 0, "upper")?.to_ascii_uppercase().into())),
];

pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, filter) in FILTERS {
        environment.add_filter(*name, *filter);
    }
    environment.add_test("defined", |value: &Mini| !value.is_undefined());
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

fn encoded(value: Option<&Mini>) -> Result<String, Error> {
    let value = value.filter(|value| !value.is_undefined()).and_then(|value| json(value, 0));
    let value = value.ok_or_else(|| fail("tojson", "has nothing to work on"))?;
    Ok(String::from_utf8(text::encode(&value)).unwrap_or_default())
}

fn plain(values: &[Mini]) -> Result<String, Error> {
    match values.first().and_then(Mini::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => encoded(values.first()),
    }
}

fn date(values: &[Mini]) -> Result<Mini, Error> {
    let value = values.first().and_then(|value| json(value, 0)).unwrap_or_default();
    let time = Node::root(&value).time();
    time.map(Mini::from).ok_or_else(|| fail("date", "works on a point in time"))
}

fn default(values: &[Mini]) -> Result<Mini, Error> {
    let empty = |value: &Mini| value.is_undefined() || value.is_none() || value.as_str() == Some("");
    match values {
        [value, _] if !empty(value) => Ok(value.clone()),
        [_, instead] => Ok(instead.clone()),
        _ => Err(fail("default", "takes one value")),
    }
}

fn host(values: &[Mini]) -> Result<Mini, Error> {
    let url = string(values, 0, "host")?;
    text::url_host(&url).map(Mini::from).ok_or_else(|| fail("host", "works on an absolute url"))
}

fn join(values: &[Mini]) -> Result<Mini, Error> {
    let list = values.first().filter(|list| list.kind() == ValueKind::Seq).and_then(|list| list.try_iter().ok());
    let items = list.ok_or_else(|| fail("join", "works on a list"))?;
    let between = if values.len() > 1 { string(values, 1, "join")? } else { String::new() };
    let mut whole = String::new();
    for (index, item) in items.enumerate() {
        if index > 0 {
            whole.push_str(&between);
        }
        whole.push_str(&string(&[item], 0, "join")?);
        bounded(&whole, "join")?;
    }
    Ok(whole.into())
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
    let number = values.first().and_then(|value| f64::try_from(value.clone()).ok()).ok_or_else(wrong)?;
    let digits = values.get(1).map_or(Some(0), Mini::as_usize).filter(|digits| *digits <= 9).ok_or_else(wrong)?;
    let scale = 10u64.pow(u32::try_from(digits).unwrap_or_default()) as f64;
    let rounded = (number * scale).round() / scale;
    // A whole number is written without a point.
    if digits == 0 && rounded.abs() < 9e15 { Ok(Mini::from(rounded as i64)) } else { Ok(Mini::from(rounded)) }
}

fn severity(values: &[Mini]) -> Result<Mini, Error> {
    let known = values.first().and_then(scalar).and_then(|word| Severity::from_word(&word));
    match (known, values.get(1)) {
        (Some(known), _) => Ok(known.as_str().into()),
        (None, Some(instead)) => Ok(instead.clone()),
        (None, None) => Ok(Severity::Error.as_str().into()),
    }
}
