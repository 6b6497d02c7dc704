//! The payload of a delivery, in any encoding.

use serde_json::Value;

use super::tree::{self, Tree};
use super::{MapError, scan};
use crate::auth::Authenticated;
use crate::http::form;

/// How many values a body has at most: objects, lists, texts, numbers, `true`, `false` and `null`. A form's fields count
/// like these.
///
/// Each value takes some hundred bytes of memory at worst, and a body of 1 MiB has room for half a million.
pub const VALUES_MAX: usize = 50_000;

/// Parses the body as JSON. The content type does not matter, because many senders set it wrongly.
///
/// # Errors
/// Returns [`MapError`] if the body is not JSON, nests deeper than 127 levels, has more than [`VALUES_MAX`] values, or has
/// two members of the same name in one object.
pub fn json(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    parse(delivery.body())
}

/// Parses text as JSON. A number that a parser would round becomes a string with all its digits, so that ids that differ
/// stay different: an integer beyond 64 bits, or a float with more digits than 64 bits keep.
///
/// # Errors
/// Returns [`MapError`] like [`json`].
pub fn parse(text: &[u8]) -> Result<Value, MapError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if may_have_too_many_values(text) {
        scan::scan(text)?;
    }
    let tree = tree::parse(text, VALUES_MAX);
    if let Some(Tree { in_doubt: false, value }) = tree {
        return Ok(value);
    }
    let found = scan::scan(text)?;
    if let Some(Tree { value, .. }) = tree.filter(|_| found.is_clean()) {
        return Ok(value);
    }
    let parsed = match found.with_quoted_numbers(text) {
        // The position of an error is that in the text as it was sent.
        Some(quoted) => serde_json::from_slice(&quoted)
            .map_err(|error| serde_json::from_slice::<Value>(text).err().unwrap_or(error)),
        None => serde_json::from_slice(text),
    };
    let value = parsed.map_err(|error| MapError::NotJson { line: error.line(), column: error.column() })?;
    found.duplicate.map_or(Ok(value), Err)
}

/// Whether the text probably has more than [`VALUES_MAX`] values: it has room for them and begins with many. They are
/// counted before it is parsed, because that costs far less.
fn may_have_too_many_values(text: &[u8]) -> bool {
    let begin = text.get(..2 * VALUES_MAX);
    begin.is_some_and(|begin| memchr::memchr3_iter(b',', b'[', b'{', begin).nth(VALUES_MAX / 2).is_some())
}

/// Returns the payload as JSON, in any encoding: a JSON body, a form, JSON in a form's field `payload` or `data`, or
/// the parameters of the query if there is no body. All values of a form are strings.
///
/// # Errors
/// Returns [`MapError`] like [`json`] if the payload has none of these encodings.
pub fn payload(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    let body = delivery.body().trim_ascii();
    let kind = delivery.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let json = json(delivery);
    // Some senders omit the content type of a form.
    let named = kind.starts_with("application/x-www-form-urlencoded") || body.contains(&b'=') && !body.contains(&b' ');
    let form = match &json {
        Ok(_) | Err(MapError::Duplicate { .. } | MapError::TooManyValues) => return json,
        _ if body.is_empty() && !delivery.query().is_empty() => form::object(delivery.query()),
        _ if kind.starts_with("multipart/form-data") => form::multipart(body),
        _ if named && body.split(|byte| *byte == b'&').count() > VALUES_MAX => return Err(MapError::TooManyValues),
        _ if named && !body.starts_with(b"{") => form::object(form::pairs(&String::from_utf8_lossy(body))),
        _ => return json,
    };
    if form.len() > VALUES_MAX {
        return Err(MapError::TooManyValues);
    }
    let whole = ["payload", "data"].into_iter().find_map(|name| form.get(name)?.as_str());
    whole.map(|text| parse(text.as_bytes())).unwrap_or(Ok(Value::Object(form)))
}
