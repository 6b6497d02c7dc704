//! What names mean in the expressions of rules.

use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Map;

use crate::custom::texts::Values;
use crate::pagerduty::event::Event;

/// The members of an event that a trigger and its recovery do not share. A dedup key is computed without them.
const NOT_SHARED: [&str; 3] = ["event_action", "severity", "summary"];

/// The detail that has the whole summary if the event has a shorter one.
const FULL_SUMMARY: &str = "full_summary";

/// What all events of a delivery share.
pub(super) struct Shared {
    pub(super) payload: Value,
    /// The message, if the payload is its envelope.
    pub(super) message: Option<Value>,
    pub(super) headers: Value,
    pub(super) source: Value,
    pub(super) service: Value,
    pub(super) values: Values,
}

impl Shared {
    /// The item of the payload, or of the message in it, that an event was made of. Without such an item, it is the whole
    /// message, else the whole payload.
    pub(super) fn item(&self, event: &Event) -> Value {
        let of = |whole: &Value| {
            let (list, index) = event.item()?;
            let mut names = list.split('.').filter(|name| !name.is_empty());
            let list = names.try_fold(whole.clone(), |value, name| value.get_attr(name).ok())?;
            list.get_item_by_index(index).ok().filter(|item| !item.is_undefined())
        };
        let whole = self.message.as_ref().unwrap_or(&self.payload);
        of(&self.payload).or_else(|| of(whole)).unwrap_or_else(|| whole.clone())
    }
}

/// What names mean for one event, as the rules before have left it.
pub(super) struct Names {
    shared: Arc<Shared>,
    event: Arc<Event>,
    item: Value,
    /// Whether the names are those of a dedup key.
    for_key: bool,
    /// The event as a value, once an expression has asked for it.
    made: OnceLock<Value>,
}

impl Names {
    pub(super) fn of(shared: &Arc<Shared>, event: &Arc<Event>, item: &Value, for_key: bool) -> Value {
        Value::from_object(Names {
            shared: Arc::clone(shared),
            event: Arc::clone(event),
            item: item.clone(),
            for_key,
            made: OnceLock::new(),
        })
    }

    fn event(&self) -> Value {
        let mut event = match self.event.to_json() {
            serde_json::Value::Object(members) => members,
            _ => Map::new(),
        };
        if !self.for_key {
            return self.shared.values.of(event.into());
        }
        event.remove("event_action");
        let payload = event.remove("payload").map(|mut payload| {
            if let Some(details) = payload.get_mut("custom_details").and_then(serde_json::Value::as_object_mut) {
                details.remove(FULL_SUMMARY);
            }
            if let Some(payload) = payload.as_object_mut() {
                payload.remove("severity");
                payload.remove("summary");
            }
            Value::from_object(Part { known: self.shared.values.of(payload), payload: None })
        });
        Value::from_object(Part { known: self.shared.values.of(event.into()), payload })
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names")
    }
}

// The engine looks up names by text, so `get_value` would never be called.
impl Object for Names {
    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        match name {
            "event" => Some(self.made.get_or_init(|| self.event()).clone()),
            "headers" => Some(self.shared.headers.clone()),
            "item" => Some(self.item.clone()),
            "payload" => Some(self.shared.payload.clone()),
            "service" => Some(self.shared.service.clone()),
            "source" => Some(self.shared.source.clone()),
            _ => None,
        }
    }
}

/// An event, or its `payload`, without the members that a trigger and its recovery do not share. To read one of them is an
/// error.
#[derive(Debug)]
struct Part {
    known: Value,
    /// The payload of an event.
    payload: Option<Value>,
}

impl Object for Part {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if name == "payload" && self.payload.is_some() {
            return self.payload.clone();
        }
        if NOT_SHARED.contains(&name) {
            let why =
                "a dedup key cannot depend on the action, the severity or the summary, because a recovery has others";
            return Some(Value::from(Error::new(ErrorKind::InvalidOperation, why)));
        }
        self.known.get_attr(name).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.known.try_iter().into_iter().flatten().chain(self.payload.iter().map(|_| "payload".into()));
        Enumerator::Values(names.collect())
    }
}
