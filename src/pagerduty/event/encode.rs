//! An event as JSON, written from its parts without a copy of them.

use std::borrow::Cow;

use serde_core::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{Action, EVENT_MAX_BYTES, Parts, shrink};
use crate::json;

/// Room for the parts that encoding adds: the routing key (32 characters), the names of three members, punctuation.
const REST_BYTES: usize = 128;

/// An event of this weight has at most `max` bytes, whatever it contains: JSON writes a byte with at most six, and the dedup
/// key, which the weight does not include, has less than 2048 bytes.
const fn small(max: usize) -> usize {
    (max / 6).saturating_sub(2048)
}

/// Why an outline has no details.
const OUTLINE: &str = "details omitted, because the events of this delivery exceed the size limit";

/// [`Event::to_json`](super::Event::to_json).
pub(super) fn to_json(parts: &Parts, max: usize) -> Value {
    // Encoding fails only for member names that are not strings, and these are strings.
    serde_json::to_value(whole(parts, None, max)).unwrap_or_default()
}

/// [`Event::encode`](super::Event::encode).
pub(super) fn encode(parts: &Parts, routing_key: &str) -> Vec<u8> {
    json::visible(serde_json::to_vec(&whole(parts, Some(routing_key), EVENT_MAX_BYTES)).unwrap_or_default())
}

/// The event, with its details shortened so that it has at most `max` bytes.
fn whole<'a>(parts: &'a Parts, routing_key: Option<&'a str>, max: usize) -> Whole<'a> {
    let mut whole = Whole { parts, details: Cow::Borrowed(&parts.details), routing_key };
    if parts.weight() > small(max) {
        let without = Whole { details: Cow::Owned(Map::new()), routing_key: None, ..whole.clone() };
        let rest = serde_json::to_vec(&without).map_or(0, |text| text.len());
        let room = max.saturating_sub(rest + REST_BYTES);
        whole.details = shrink::fit(&parts.details, room);
    }
    if parts.is_outline {
        whole.details.to_mut().insert("left_out".into(), OUTLINE.into());
    }
    whole
}

/// An event and what is written with it.
#[derive(Clone)]
struct Whole<'a> {
    parts: &'a Parts,
    /// `payload.custom_details`.
    details: Cow<'a, Map<String, Value>>,
    routing_key: Option<&'a str>,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Whole { parts, details, routing_key } = self;
        let mut event = serializer.serialize_map(None)?;
        // In the order of their names, as everywhere.
        if let Some(dedup_key) = &parts.dedup_key {
            for (name, value) in &parts.client {
                event.serialize_entry(name, value)?;
            }
            event.serialize_entry("dedup_key", dedup_key.as_str())?;
            event.serialize_entry("event_action", parts.action.as_str())?;
        }
        // PagerDuty's guide to change events has links and no images.
        if !parts.images.is_empty() && parts.action != Action::Change {
            event.serialize_entry("images", &parts.images)?;
        }
        if !parts.links.is_empty() {
            event.serialize_entry("links", &parts.links)?;
        }
        if !parts.payload.is_empty() {
            event.serialize_entry("payload", &Payload { fields: &parts.payload, details })?;
        }
        if let Some(routing_key) = routing_key {
            event.serialize_entry("routing_key", routing_key)?;
        }
        event.end()
    }
}

/// `payload` of an event.
struct Payload<'a> {
    fields: &'a Map<String, Value>,
    details: &'a Map<String, Value>,
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DETAILS: &str = "custom_details";
        let mut payload = serializer.serialize_map(None)?;
        let (before, after): (Vec<_>, Vec<_>) = self.fields.iter().partition(|(name, _)| name.as_str() < DETAILS);
        for (name, value) in before {
            payload.serialize_entry(name, value)?;
        }
        if !self.details.is_empty() {
            payload.serialize_entry(DETAILS, self.details)?;
        }
        for (name, value) in after {
            payload.serialize_entry(name, value)?;
        }
        payload.end()
    }
}
