//! An event that is kept longer than the request it came with.

use serde_json::{Map, Value};

use super::{Action, DedupKey, Event, ItemOf, Parts, Severity, encode};

impl Event {
    /// [`Event::to_json`] with at most `max` bytes, for a store that has a limit of its own.
    pub fn to_json_within(&self, max: usize) -> Value {
        encode::to_json(&self.0, max)
    }

    /// Whether the event has no minimal form ([`Event::requires_details`]).
    pub fn has_no_minimal(&self) -> bool {
        self.0.requires_details
    }

    /// The event that [`Event::to_json`] or [`Event::to_json_within`] wrote: it makes the same request. `has_no_minimal` is
    /// [`Event::has_no_minimal`]. Returns `None` for anything else, and for a change event.
    pub fn restore(json: Value, has_no_minimal: bool) -> Option<Event> {
        let Value::Object(mut json) = json else { return None };
        let action = match json.get("event_action")?.as_str()? {
            "acknowledge" => Action::Acknowledge,
            "resolve" => Action::Resolve,
            "trigger" => Action::Trigger,
            _ => return None,
        };
        let dedup_key = Some(DedupKey::restore(json.get("dedup_key")?.as_str()?)?);
        let mut payload = object(json.remove("payload"))?;
        let details = object(payload.remove("custom_details"))?;
        let severity = payload.get("severity").and_then(Value::as_str).and_then(Severity::from_word);
        let [links, images] = ["links", "images"].map(|name| match json.remove(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        });
        let client = json.into_iter().filter(|(name, _)| matches!(name.as_str(), "client" | "client_url")).collect();
        Some(Event(Box::new(Parts {
            action,
            dedup_key,
            payload,
            details,
            links,
            images,
            client,
            severity: severity.unwrap_or(Severity::Error),
            requires_details: has_no_minimal,
            is_outline: false,
            is_copy: false,
            cuts: Vec::new(),
            item: ItemOf::default(),
        })))
    }
}

/// The members of an optional object.
fn object(value: Option<Value>) -> Option<Map<String, Value>> {
    match value {
        Some(Value::Object(members)) => Some(members),
        Some(_) => None,
        None => Some(Map::new()),
    }
}
