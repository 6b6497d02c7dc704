//! The identity of an alert.
//!
//! A key begins with the slug of the source that made it, and no slug is [`OWN`]. So no sender's id can become a key of
//! the relay's own alerts. Within a source, different identities have different keys:
//!
//! * [`DedupKey::new`] joins the parts of an identity with `:` and escapes each part that contains a `:`.
//! * [`DedupKey::whole`] keeps an id as it is. Sources use it if all their identities are single ids, or for ids that
//!   begin with `{` or `arn:`. [`DedupKey::new`] makes no such keys.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Event;
use crate::text;

/// The longest `dedup_key`, in UTF-16 code units.
pub const DEDUP_KEY_MAX_CHARS: usize = 255;

/// The longest key that we make ourselves, in bytes of UTF-8. This is the strictest reading of "255 characters".
pub const DEDUP_KEY_MAX_BYTES: usize = 255;

/// The first part of the relay's own keys. No source has this slug.
pub const OWN: &str = "pagerelay";

/// The escapes that [`DedupKey::new`] writes. A part that contains one of them is escaped too, so that no part looks like
/// an escaped one.
const ESCAPES: [&str; 4] = ["%25", "%3A", "%61", "%7B"];

/// A dedup key. PagerDuty matches a trigger and its resolve by this key and the routing key.
#[derive(Clone, Debug)]
pub struct DedupKey {
    key: String,
    /// The key that earlier versions made of the same identity, if it was another one.
    former: Option<Box<str>>,
}

impl PartialEq for DedupKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for DedupKey {}

impl DedupKey {
    /// Builds `<source>:<part>:<part>…` from ids that a trigger and its resolve share. Returns `None` if every part is
    /// blank. Different lists of parts give different keys: a `:` inside a part becomes `%3A`, and then a `%` becomes
    /// `%25`.
    ///
    /// Never build a key from severity, value, time or status. If the key is longer than [`DEDUP_KEY_MAX_BYTES`],
    /// contains hidden characters ([`text::is_hidden`]) or looks like a key with a hash, its end becomes the SHA-256 of
    /// the whole key, so that keys that differ anywhere stay different.
    pub fn new(source: &str, parts: &[&str]) -> Option<DedupKey> {
        let former = joined(source, parts)?;
        let mut key = source.to_owned();
        for (index, part) in parts.iter().enumerate() {
            key.push(':');
            key.push_str(&escaped(part, index == 0));
        }
        let key = bounded(key);
        // Such keys are those of other alerts now, and no vendor has such ids.
        let first = parts.first().copied().unwrap_or_default();
        let taken = is_reserved(first) || first.starts_with(':') || is_hashed(&former);
        Some(DedupKey { former: if taken { None } else { different(former, &key) }, key })
    }

    /// Builds `<source>:<id>` with the id as it is. Returns `None` if the id is blank. Only for sources whose identities
    /// are all single ids, and for ids that begin with `{` or `arn:`.
    ///
    /// Like [`DedupKey::new`], it replaces the end of some keys with a hash.
    pub fn whole(source: &str, id: &str) -> Option<DedupKey> {
        Some(DedupKey { key: bounded(joined(source, &[id])?), former: None })
    }

    /// Like [`DedupKey::new`], for ids of which any may be missing. Missing ids at the end add nothing to the key.
    pub fn sparse(source: &str, ids: &[String]) -> Option<DedupKey> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let given = ids.iter().rposition(|id| !id.is_empty()).map_or(0, |last| last + 1);
        let key = DedupKey::new(source, ids.get(..given).unwrap_or_default())?;
        // Earlier versions omitted every missing id.
        let former: Vec<&str> = ids.into_iter().filter(|id| !id.is_empty()).collect();
        let former = joined(source, &former).and_then(|former| different(former, &key.key));
        Some(DedupKey { former, ..key })
    }

    /// A key for one of the relay's own alerts, which no sender can reach: `pagerelay:<source>:<what>`.
    pub fn own(source: &str, what: &str) -> DedupKey {
        DedupKey { key: bounded([OWN, ":", source, ":", what].concat()), former: None }
    }

    /// Whether this is the key of one of the relay's own alerts ([`DedupKey::own`]). A key of a sender that begins like one
    /// ends with a hash ([`DedupKey::verbatim`]).
    pub fn is_own(&self) -> bool {
        self.key.strip_prefix(OWN).is_some_and(|rest| rest.starts_with(':')) && !self.is_hashed()
    }

    /// Takes a key that the sender chose, unchanged if PagerDuty would accept it and it contains no hidden characters.
    /// Returns `None` if it is blank.
    ///
    /// A key that begins like the relay's own ends with the SHA-256 of the whole key. A key that ends with such a hash
    /// stays unchanged, because a person may have copied it from PagerDuty.
    pub fn verbatim(key: &str) -> Option<DedupKey> {
        let start = key.trim_start();
        if start.is_empty() {
            return None;
        }
        // PagerDuty does not say whether it ignores white space or case.
        let first = start.split(':').next().unwrap_or_default().trim_end();
        let key = if first.eq_ignore_ascii_case(OWN) {
            hashed(key.to_owned())
        } else if key.encode_utf16().count() <= DEDUP_KEY_MAX_CHARS && !key.contains(text::is_hidden) {
            key.to_owned()
        } else {
            formerly_bounded(key.to_owned())
        };
        Some(DedupKey { key, former: None })
    }

    /// The key of an event that the relay has made before ([`DedupKey::as_str`]). Returns `None` if it is blank.
    pub(super) fn restore(key: &str) -> Option<DedupKey> {
        (!key.trim().is_empty()).then(|| DedupKey { key: key.to_owned(), former: None })
    }

    /// Notes that earlier versions built the key from these parts, joined by `:`.
    #[must_use]
    pub fn formerly(self, source: &str, parts: &[&str]) -> DedupKey {
        match joined(source, parts) {
            Some(former) => DedupKey { former: different(former, &self.key), ..self },
            None => self,
        }
    }

    /// Notes that earlier versions made this key of the same identity.
    #[must_use]
    pub fn instead_of(self, former: &DedupKey) -> DedupKey {
        let former = (former.key != self.key).then(|| former.key.clone().into_boxed_str());
        DedupKey { former, ..self }
    }

    /// Notes that earlier versions did not know the identity.
    #[must_use]
    pub fn without_former(self) -> DedupKey {
        DedupKey { former: None, ..self }
    }

    /// The key that earlier versions made of the same identity, if it differs. See [`crate::pagerduty::former_keys`].
    pub fn former(&self) -> Option<DedupKey> {
        self.former.as_ref().map(|former| DedupKey { key: former.to_string(), former: None })
    }

    /// Whether the end of the key was replaced by a hash because the key is too long.
    pub fn is_shortened(&self) -> bool {
        self.key.len() == DEDUP_KEY_MAX_BYTES && self.is_hashed()
    }

    /// Whether the key ends with a hash.
    pub fn is_hashed(&self) -> bool {
        is_hashed(&self.key)
    }

    /// The value of `dedup_key`.
    pub fn as_str(&self) -> &str {
        &self.key
    }
}

/// `<source>:<part>:<part>…`, as it is. Returns `None` if every part is blank.
fn joined(source: &str, parts: &[&str]) -> Option<String> {
    if parts.iter().all(|part| part.trim().is_empty()) {
        return None;
    }
    let mut key = source.to_owned();
    for part in parts {
        key.push(':');
        key.push_str(part);
    }
    Some(key)
}

/// A part without `:`. Different parts stay different: what is escaped contains one of [`ESCAPES`], and what is not
/// contains none of them.
fn escaped(part: &str, first: bool) -> Cow<'_, str> {
    let reserved = first && is_reserved(part);
    let looks_escaped = || part.contains('%') && ESCAPES.iter().any(|escape| part.contains(escape));
    if !reserved && !part.contains(':') && !looks_escaped() {
        return Cow::Borrowed(part);
    }
    let escaped = part.replace('%', "%25").replace(':', "%3A");
    match escaped.strip_prefix('{') {
        _ if !reserved => Cow::Owned(escaped),
        Some(rest) => Cow::Owned(["%7B", rest].concat()),
        None => Cow::Borrowed("%61rn"),
    }
}

/// Whether keys that stay whole begin with this part.
fn is_reserved(part: &str) -> bool {
    part.starts_with('{') || part == "arn"
}

/// Whether a key ends with a tilde and the 64 digits of a SHA-256.
fn is_hashed(key: &str) -> bool {
    let end = key.len().checked_sub(65).and_then(|at| key.get(at..));
    let digits = end.and_then(|end| end.strip_prefix('~'));
    digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// A key that PagerDuty accepts. Different keys stay different.
fn bounded(key: String) -> String {
    // An id may look like the end of another key that was too long.
    if is_hashed(&key) { hashed(key) } else { formerly_bounded(key) }
}

/// [`bounded`] as earlier versions made it.
fn formerly_bounded(key: String) -> String {
    if key.len() <= DEDUP_KEY_MAX_BYTES && !key.contains(text::is_hidden) { key } else { hashed(key) }
}

fn hashed(key: String) -> String {
    let hash = text::sha256_hex(key.as_bytes());
    let room = DEDUP_KEY_MAX_BYTES - hash.len() - 1;
    let visible = key.replace(text::is_hidden, " ");
    let cut = visible.floor_char_boundary(room);
    format!("{}~{hash}", visible.get(..cut).unwrap_or_default())
}

fn different(former: String, key: &str) -> Option<Box<str>> {
    // Most keys are the same, and need no further work.
    if former == key {
        return None;
    }
    let former = formerly_bounded(former);
    (former != key).then(|| former.into_boxed_str())
}

/// Groups the indices of events by alert. The events of an alert keep their order, and the alerts are in the order of
/// their first event. A change event belongs to no alert and forms its own group.
pub fn by_alert(events: &[Event]) -> Vec<Vec<usize>> {
    let mut alerts: Vec<Vec<usize>> = Vec::new();
    // Not a hash map: its seed is the same in every component, and the keys are the sender's.
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let alert = event.dedup_key().map(|key| *known.entry(key.as_str()).or_insert(alerts.len()));
        match alert.and_then(|alert| alerts.get_mut(alert)) {
            Some(alert) => alert.push(index),
            None => alerts.push(vec![index]),
        }
    }
    alerts
}
