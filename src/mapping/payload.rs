//! The payload of a delivery, in any encoding.

use serde_json::Value;

use super::{MapError, duplicates};
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

/// Parses text as JSON.
///
/// # Errors
/// Returns [`MapError`] like [`json`].
pub fn parse(text: &[u8]) -> Result<Value, MapError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if has_too_many_values(text) {
        return Err(MapError::TooManyValues);
    }
    let value = serde_json::from_slice(text)
        .map_err(|error| MapError::NotJson { line: error.line(), column: error.column() })?;
    duplicates::check(text).map(|()| value)
}

/// Whether JSON text has more than [`VALUES_MAX`] values. It takes one pass and builds nothing. Text that is not an object
/// or a list has one value.
fn has_too_many_values(text: &[u8]) -> bool {
    // Between two values is at least one more byte.
    if text.len() < 2 * VALUES_MAX || !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return false;
    }
    let (mut values, mut quoted, mut escaped, mut opened) = (1, false, false, false);
    for byte in text {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        // An object or a list contains one value more than commas, unless it is empty.
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            b']' | b'}' => {}
            b',' => values += 1,
            _ if opened => values += 1,
            _ => {}
        }
        opened = matches!(byte, b'[' | b'{');
        quoted = *byte == b'"';
    }
    values > VALUES_MAX
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
