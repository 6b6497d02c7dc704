//! The contract with PagerDuty: our own strict schema, and the limits that a schema cannot express.

use std::sync::OnceLock;

use serde_json::Value;

use crate::schema::Schema;

/// The largest event, in bytes of encoded JSON.
const EVENT_MAX_BYTES: usize = 512_000;

/// The longest summary, in UTF-16 code units, which is the stricter count.
const SUMMARY_MAX_UNITS: usize = 1024;

/// The longest dedup key, in UTF-16 code units.
const DEDUP_KEY_MAX_UNITS: usize = 255;

/// All violations of an event of either kind.
pub fn wrong_with(event: &Value) -> Vec<String> {
    let body = event.to_string();
    let change = event.get("event_action").or(event.get("dedup_key")).is_none();
    if change { change_violations(body.as_bytes()) } else { violations(body.as_bytes()) }
}

/// All violations of a body for `/v2/change/enqueue`.
pub fn change_violations(body: &[u8]) -> Vec<String> {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    against(SCHEMA.get_or_init(|| Schema::new(include_str!("../../schema/changes-v2.json"))), body)
}

fn against(schema: &Schema, body: &[u8]) -> Vec<String> {
    let Ok(event) = serde_json::from_slice::<Value>(body) else { return vec!["JSON parse error".to_owned()] };
    let mut wrong = schema.wrong_with(&event);
    if body.len() > EVENT_MAX_BYTES {
        wrong.push(format!("event is {} bytes, and {EVENT_MAX_BYTES} is the maximum", body.len()));
    }
    wrong
}

/// All violations of a body for `/v2/enqueue`, in PagerDuty's style. Empty if the body is valid.
pub fn violations(body: &[u8]) -> Vec<String> {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    let mut wrong = against(SCHEMA.get_or_init(|| Schema::new(include_str!("../../schema/events-v2.json"))), body);
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text("/payload/summary").encode_utf16().count() > SUMMARY_MAX_UNITS {
        wrong.push(format!("'summary' is too long (maximum is {SUMMARY_MAX_UNITS} characters)"));
    }
    if text("/dedup_key").encode_utf16().count() > DEDUP_KEY_MAX_UNITS {
        wrong.push(format!("'dedup_key' is too long (maximum is {DEDUP_KEY_MAX_UNITS} characters)"));
    }
    wrong
}

/// An event as it is sent, with a routing key.
pub fn with_key(event: &Value, routing_key: &str) -> Value {
    let mut event = event.clone();
    event["routing_key"] = routing_key.into();
    event
}
