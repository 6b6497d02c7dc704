//! Keys in the body: members of a JSON object that contain a credential.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde_core::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scheme::{CREDENTIAL_MAX_BYTES, secret_is};
use super::{Access, AuthError, Authenticated, AuthenticatedBy, Scheme, Signature};
use crate::http::{Request, encoding};
use crate::secret::is_routing_key;

/// Some editors write this mark before JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Authenticates a request that [`verify`](super::verify) has refused by the key in its body, if one of `schemes` is a
/// [`Scheme::Member`]. The body is that of the result, decompressed and without the key.
///
/// Only a member of the JSON object itself can be the key. One that occurs twice authenticates nobody.
///
/// # Errors
/// Returns [`AuthError`] if no such member is one of the secrets, or if the body is not a JSON object.
pub fn verify_body<'a>(
    request: &'a Request,
    schemes: &'a [Scheme<'a>],
    access: Access<'a>,
) -> Result<Authenticated<'a>, AuthError> {
    let names = members(schemes);
    if names.is_empty() || access.policy.signature != Signature::Optional {
        return Err(AuthError::Refused);
    }
    let decoded = encoding::decode(&request.headers, &request.body).map_err(AuthError::Body)?;
    let body = decoded.map_or(Cow::Borrowed(request.body.as_slice()), Cow::Owned);
    let in_head = schemes.iter().any(|scheme| scheme.offers_routing_key(request));
    let mut refused = if in_head { AuthError::RoutingKey } else { AuthError::Refused };
    // A request without a body has no key there.
    let missing = if body.trim_ascii().is_empty() { refused } else { AuthError::NotObject };
    let found = Members::find(&body, &names).ok_or(missing)?;
    for scheme in schemes.iter().copied() {
        let Scheme::Member(name) = scheme else { continue };
        let Some(key) = found.credential(&body, name) else { continue };
        if let Some((service, previous)) = access.shown(|secret| secret_is(secret, key.as_bytes())) {
            let by = AuthenticatedBy { scheme, previous, service };
            return Ok(Authenticated::new(request, schemes, by, Some(found.blanked(body.into_owned()))));
        }
        if is_routing_key(&key) {
            refused = AuthError::RoutingKey;
        }
    }
    Err(refused)
}

/// The members of the body where clients may put their keys.
pub(super) fn members<'a>(schemes: &[Scheme<'a>]) -> Vec<&'a str> {
    let name = |scheme: &Scheme<'a>| if let Scheme::Member(name) = scheme { Some(*name) } else { None };
    schemes.iter().filter_map(name).collect()
}

/// Whether clients with these schemes may put their keys into the body.
pub fn may_be_in_body(schemes: &[Scheme<'_>]) -> bool {
    !members(schemes).is_empty()
}

/// The members of a JSON object that have one of some names.
pub(super) struct Members<'n>(Vec<(&'n str, Range<usize>)>);

impl<'n> Members<'n> {
    /// Finds the members `names` at the top level of a JSON object, each as often as it occurs. The values of the others
    /// are not parsed, only skipped. Returns `None` if the body is not a JSON object.
    pub(super) fn find(body: &[u8], names: &[&'n str]) -> Option<Members<'n>> {
        let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let mut json = serde_json::Deserializer::from_slice(text);
        let found = json.deserialize_map(Named(names)).and_then(|found| json.end().map(|()| found)).ok()?;
        let position = |value: &RawValue| {
            let start = value.get().as_ptr().addr().checked_sub(body.as_ptr().addr())?;
            Some(start..start + value.get().len())
        };
        let positions = found.into_iter().map(|(name, value)| Some((name, position(value)?)));
        positions.collect::<Option<Vec<_>>>().map(Members)
    }

    /// The text of a member that can be a credential. Returns `None` if the member cannot be one, is absent, or occurs more
    /// than once.
    fn credential(&self, body: &[u8], name: &str) -> Option<String> {
        let value = self.value(body, name).filter(|value| value.len() <= CREDENTIAL_MAX_BYTES)?;
        serde_json::from_slice(value).ok()
    }

    /// The JSON of a member. Returns `None` if the member is absent or occurs more than once.
    pub(super) fn value<'b>(&self, body: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let mut values = self.0.iter().filter(|(given, _)| *given == name);
        let (_, position) = values.next()?;
        if values.next().is_some() { None } else { body.get(position.clone()) }
    }

    /// The same body with blank text as the value of each member. Everything else stays where it is, so that the
    /// position of an error in the body is still right.
    pub(super) fn blanked(&self, mut body: Vec<u8>) -> Vec<u8> {
        for (_, position) in &self.0 {
            let Some(value) = body.get_mut(position.clone()) else { continue };
            for byte in value.iter_mut().filter(|byte| **byte != b'\n') {
                *byte = b' ';
            }
            match value {
                [first, second, ..] => (*first, *second) = (b'"', b'"'),
                // A value of one byte is a digit.
                [only] => *only = b'0',
                [] => {}
            }
        }
        body
    }
}

/// Reads the members of an object that have one of these names.
struct Named<'a, 'n>(&'a [&'n str]);

impl<'de, 'n> Visitor<'de> for Named<'_, 'n> {
    type Value = Vec<(&'n str, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(given) = map.next_key::<String>()? {
            match self.0.iter().find(|name| **name == given) {
                Some(name) => found.push((*name, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}
