//! The identity of an alert.

use std::collections::BTreeMap;

use super::Event;
use crate::text;

/// The longest `dedup_key`, in UTF-16 code units.
pub const DEDUP_KEY_MAX_CHARS: usize = 255;

/// The longest key that we make ourselves, in bytes of UTF-8. This is the strictest reading of "255 characters".
pub const DEDUP_KEY_MAX_BYTES: usize = 255;

/// A dedup key. PagerDuty matches a trigger and its resolve by this key and the routing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DedupKey(String);

impl DedupKey {
    /// Builds `<source>:<part>:<part>…` from ids that a trigger and its resolve share. Returns `None` if every part is
    /// blank.
    ///
    /// Never build a key from severity, value, time or status. If the key is longer than [`DEDUP_KEY_MAX_BYTES`] or
    /// contains hidden characters ([`text::is_hidden`]), its end becomes the SHA-256 of the whole key, so that keys that
    /// differ anywhere stay different.
    pub fn new(source: &str, parts: &[&str]) -> Option<DedupKey> {
        if parts.iter().all(|part| part.trim().is_empty()) {
            return None;
        }
        let mut key = source.to_owned();
        for part in parts {
            key.push(':');
            key.push_str(part);
        }
        Some(DedupKey::bounded(key))
    }

    /// Takes a key that the sender chose, unchanged if PagerDuty would accept it and it contains no hidden characters.
    /// Returns `None` if it is blank.
    pub fn verbatim(key: &str) -> Option<DedupKey> {
        if key.encode_utf16().count() <= DEDUP_KEY_MAX_CHARS && !key.contains(text::is_hidden) {
            return (!key.trim().is_empty()).then(|| DedupKey(key.to_owned()));
        }
        (!key.trim().is_empty()).then(|| DedupKey::bounded(key.to_owned()))
    }

    fn bounded(key: String) -> DedupKey {
        let hidden = key.contains(text::is_hidden);
        if key.len() <= DEDUP_KEY_MAX_BYTES && !hidden {
            return DedupKey(key);
        }
        let hash = text::sha256_hex(key.as_bytes());
        let room = DEDUP_KEY_MAX_BYTES - hash.len() - 1;
        let key = if hidden { key.replace(text::is_hidden, " ") } else { key };
        let cut = key.floor_char_boundary(room);
        DedupKey(format!("{}~{hash}", key.get(..cut).unwrap_or_default()))
    }

    /// Whether the end of the key was replaced by a hash because the key is too long.
    pub fn is_shortened(&self) -> bool {
        self.0.len() == DEDUP_KEY_MAX_BYTES && self.is_hashed()
    }

    /// Whether the key ends with a hash, like one that was too long or contained hidden characters.
    pub fn is_hashed(&self) -> bool {
        // A tilde and 64 digits of SHA-256.
        self.0.as_bytes().iter().rev().nth(64) == Some(&b'~')
    }

    /// The value of `dedup_key`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
