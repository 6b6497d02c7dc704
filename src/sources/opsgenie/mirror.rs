//! Calls that Opsgenie gets as well, while an operator runs both products in parallel.
//!
//! Calls that change something are passed on as they arrived, with three differences. The relay's own ids become the
//! aliases that they stand for. An alert without an alias gets the relay's name of it as its alias, so that a close with
//! the relay's id closes it there too; a repeated create then counts up one alert. The sender's key is not in it.
//!
//! The relay does not pass on reads, attachments, bodies that are not JSON, and paths with `.` or `..` between slashes, whether
//! the slashes are encoded or not. An id of the relay for an alias of more than 255 characters contains only its hash, so such
//! a close finds no alert in Opsgenie.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::call::{Call, What};
use super::name::Name;
use super::{ALERTS, KEY_MEMBER};
use crate::auth::Authenticated;
use crate::http::Method;
use crate::json::{self, Node};
use crate::mapping::parse;
use crate::sources::Mirrored;

/// Characters that are encoded in a segment: all but the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters of the Alert API that a call may have, except that of the identifier's type.
const PARAMETERS: &[&str] = &["keys", "note", "source", "tags", "user"];

/// The parameter that says what the identifier is.
const TYPE: &str = "identifierType";

/// The request to Opsgenie for a delivery. Returns `None` if the call is not passed on.
pub fn request(delivery: &Authenticated<'_>) -> Option<Mirrored> {
    let method = delivery.method();
    let call = Call::parse(method, delivery.path().strip_prefix(ALERTS)?)?;
    let changes = matches!(call.what, What::Create | What::Event(_) | What::Inert(_)) && method != Method::Get;
    if !changes || call.after.starts_with("/attachments") {
        return None;
    }
    let body = match delivery.body().trim_ascii() {
        [] => None,
        text => Some(body(&call, parse(text).ok()?)?),
    };
    let mut path = ["/", ALERTS].concat();
    let mut kind = delivery.parameter(TYPE);
    if !call.identifier.is_empty() {
        let named = Name::with_id(&call.identifier);
        let identifier = named.as_ref().map_or(call.identifier.as_str(), Name::alias);
        push(&mut path, identifier)?;
        kind = if named.is_some() { Some("alias".to_owned()) } else { kind };
    }
    for segment in call.after.split('/').filter(|segment| !segment.is_empty()) {
        push(&mut path, &percent_decode_str(segment).decode_utf8().ok()?)?;
    }
    let given = PARAMETERS.iter().map(|name| (*name, delivery.parameter(name)));
    let mut between = '?';
    for (name, value) in [(TYPE, kind)].into_iter().chain(given) {
        let Some(value) = value else { continue };
        path.extend([between.to_string().as_str(), name, "="]);
        path.extend(utf8_percent_encode(&value, ENCODED));
        between = '&';
    }
    Some(Mirrored { method, path, body })
}

/// Appends a segment. Returns `None` for one that a server may resolve: the path, with the operator's key beside it, could
/// then lead out of the Alert API. Some servers decode `%2F` first, and some ignore what follows a `;`.
fn push(path: &mut String, segment: &str) -> Option<()> {
    let is_dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    if segment.split(['/', '\\']).any(is_dots) {
        return None;
    }
    path.push('/');
    path.extend(utf8_percent_encode(segment, ENCODED));
    Some(())
}

/// The body without the sender's key. Returns `None` if it is not an object.
fn body(call: &Call<'_>, body: Value) -> Option<Vec<u8>> {
    let given = Node::root(&body).get("alias").text();
    let alias = match given {
        _ if call.what != What::Create => None,
        Some(alias) => Name::with_id(&alias),
        None => Name::of_body(super::SOURCE.slug, Node::root(&body)),
    };
    let Value::Object(mut members) = body else { return None };
    members.remove(KEY_MEMBER);
    if let Some(alias) = alias {
        members.insert("alias".to_owned(), alias.alias().into());
    }
    Some(json::encode(&Value::Object(members)))
}
