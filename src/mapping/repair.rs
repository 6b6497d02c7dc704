//! JSON that a sender makes of the user's template without escaping the values: line breaks and backslashes in a value
//! make it invalid.

use serde_json::Value;

use super::{MapError, json, parse, payload};
use crate::auth::Authenticated;

/// Like [`payload`], for a sender that does not escape the values in a user's template. If the body is not JSON, a line
/// break, another control character or a backslash within a string counts as if it were escaped. A quote cannot be
/// repaired: it ends the string.
///
/// # Errors
/// Returns [`MapError`] like [`payload`], with positions in the body as it was sent.
pub fn repaired_payload(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    or_repaired(payload(delivery), delivery)
}

/// Like [`repaired_payload`], for a sender that sends only JSON, as [`json`] reads it.
///
/// # Errors
/// Returns [`MapError`] like [`json`], with positions in the body as it was sent.
pub fn repaired_json(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    or_repaired(json(delivery), delivery)
}

fn or_repaired(read: Result<Value, MapError>, delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    match read {
        Err(error @ MapError::NotJson { .. }) => match parse(&repaired(delivery.body())) {
            Err(MapError::NotJson { .. }) => Err(error),
            other => other,
        },
        other => other,
    }
}

/// The text with escaped line breaks and backslashes in its strings, and spaces for other control characters. It has at
/// most twice the length.
fn repaired(text: &[u8]) -> Vec<u8> {
    let mut repaired = Vec::with_capacity(text.len());
    let (mut in_string, mut is_escape) = (false, false);
    for &byte in text {
        let ends_escape = std::mem::take(&mut is_escape);
        if ends_escape && !matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') {
            repaired.push(b'\\');
        }
        match byte {
            b'\n' if in_string => repaired.extend_from_slice(b"\\n"),
            0..b' ' if in_string => repaired.push(b' '),
            _ => repaired.push(byte),
        }
        match byte {
            b'\\' => is_escape = in_string && !ends_escape,
            b'"' if !ends_escape => in_string = !in_string,
            _ => {}
        }
    }
    repaired
}
